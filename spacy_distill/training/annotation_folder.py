"""The output folder of an annotation: its lock, and whether an earlier run can continue in it."""

import glob
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..corpora.soft_shards import MANIFEST, Manifest, Shard, is_soft_corpus, require_intact
from .checks import require_no_file


def earlier_manifest(folder: Path, manifest: Manifest, overwrite: bool) -> Optional[Manifest]:
    """Read the manifest of the corpus in a folder, to continue it.

    folder (Path): The output folder.
    manifest (Manifest): The manifest of the new run, without shards.
    overwrite (bool): Whether to begin anew if there is a corpus.
    RETURNS (Optional[Manifest]): The earlier manifest; None to begin anew.
    RAISES (ValueError): The folder has other files, or a corpus of another teacher, input or
        setting.
    """
    require_no_file(folder)
    if not is_soft_corpus(folder):
        # A run that was killed at its start leaves only an unfinished file.
        if folder.is_dir() and {*folder.iterdir()} - {*_unfinished(folder)}:
            raise ValueError(
                f"[D724] The output folder '{folder}' is not empty and has no soft corpus. Name "
                "another one."
            )
        return None
    if overwrite:
        return None
    earlier = Manifest.from_disk(folder)
    if not earlier.shards and not earlier.complete:
        # The earlier run failed before its first shard was finished.
        return None
    old, new = _identity(earlier), _identity(manifest)
    different = [name for name in new if old.get(name) != new[name]]
    if not earlier.complete or not all((folder / shard.file).is_file() for shard in earlier.shards):
        # Other versions of libraries may give other probabilities in the shards that are to come.
        old, new = earlier.settings.get("versions", {}), manifest.settings["versions"]
        names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        different += [f"the version of {name}" for name in names]
    if different:
        raise mismatch_error(folder, " and ".join(different))
    return earlier


def remove_shards(folder: Path) -> None:
    """Remove finished and unfinished shards from a folder."""
    for path in (*folder.glob("shard-*.parquet"), *_unfinished(folder)):
        path.unlink(missing_ok=True)


def missing_shards(folder: Path, shards: Sequence[Shard]) -> List[str]:
    """List the files of shards that are missing; raise ValueError if a checksum differs."""
    missing = []
    for shard in shards:
        path = folder / shard.file
        if path.is_file():
            require_intact(path, shard.sha256)
        else:
            missing.append(shard.file)
    return missing


def mismatch_error(folder: Path, difference: str) -> ValueError:
    """Create the error for a corpus that cannot be continued."""
    return ValueError(
        f"[D421] The soft corpus in '{folder}' was made with another teacher, input or setting. "
        f"These differ now: {difference}. Name another output folder, or replace the corpus with "
        "--force."
    )


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Lock the folder against a second run, where the operating system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ValueError(
            f"[D423] Another run is writing to '{folder}'. Wait for it, or name another folder."
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def require_outside(folder: Path, source: str) -> None:
    """Raise ValueError if the output folder is in the input."""
    roots = [] if source == "-" else [Path(source), *map(Path, glob.glob(source, recursive=True))]
    output = folder.resolve()
    if any(root.is_dir() and output.is_relative_to(root.resolve()) for root in roots):
        raise ValueError(
            f"[D424] The output folder '{folder}' is in the input '{source}', so that the next run "
            "would read what this one wrote. Name a folder outside."
        )


def _unfinished(folder: Path) -> List[Path]:
    return [*folder.glob(".shard-*-unfinished"), *folder.glob(f".{MANIFEST}-unfinished")]


def _identity(manifest: Manifest) -> Dict[str, Any]:
    """List what must not change between runs, by its name in errors."""
    files = dict(manifest.input["files"])
    if "dataset" in files:
        # A data set on the hub: the run continues with the commit that it began with, since the
        # latest one is unknown without network.
        files.pop("revision", None)
    return {
        "the teacher": [teacher["hash"] for teacher in manifest.teacher["teachers"]],
        **{
            f"the setting {name}": value
            for name, value in manifest.settings.items()
            if name != "versions"
        },
        "the column of the text": manifest.input["text_field"],
        "the quoting of tables": manifest.input.get("quoting"),
        "the input": files or manifest.input["source"],
    }
