"""The output folder of an annotation: whether an earlier run can go on there."""

import glob
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..corpora.soft_shards import MANIFEST, Manifest, Shard, is_soft_corpus, require_intact
from .checkpoints import require_no_file


def earlier_manifest(folder: Path, manifest: Manifest, overwrite: bool) -> Optional[Manifest]:
    """RETURNS (Optional[Manifest]): That of the corpus in the folder, if it is made as a manifest
    says; None to begin anew. ValueError if there are other files, or a corpus of another kind."""
    require_no_file(folder)
    if not is_soft_corpus(folder):
        # A run that was killed as it began leaves nothing but an unfinished file.
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
        # As a run leaves it that failed at its first document: there is nothing to go on with.
        return None
    old, new = _identity(earlier), _identity(manifest)
    different = [name for name in new if old.get(name) != new[name]]
    if not earlier.complete or not all((folder / shard.file).is_file() for shard in earlier.shards):
        # What is finished stays what it is, but other libraries would go on with other numbers.
        old, new = earlier.settings.get("versions", {}), manifest.settings["versions"]
        names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        different += [f"the version of {name}" for name in names]
    if different:
        raise changed(folder, " and ".join(different))
    return earlier


def remove_shards(folder: Path) -> None:
    """Remove the shards of a corpus that is made anew, finished or not."""
    for path in (*folder.glob("shard-*.parquet"), *_unfinished(folder)):
        path.unlink(missing_ok=True)


def missing_shards(folder: Path, shards: Sequence[Shard]) -> List[str]:
    """RETURNS (List[str]): Shards that are not there; ValueError if one is not what it was."""
    missing = []
    for shard in shards:
        path = folder / shard.file
        if path.is_file():
            require_intact(path, shard.sha256)
        else:
            missing.append(shard.file)
    return missing


def changed(folder: Path, what: str) -> ValueError:
    """RETURNS (ValueError): To raise where a corpus cannot go on, as something changed."""
    return ValueError(
        f"[D421] The soft corpus in '{folder}' was made of something else. Since then changed: "
        f"{what}. Name another output folder, or replace the corpus with --force."
    )


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep a second run out of the folder, where the system can."""
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
    """Make sure that the output folder is not in the input; raise ValueError if it is."""
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
    """RETURNS (Dict[str, Any]): What a corpus is made of, by the words for it in errors."""
    files = dict(manifest.input["files"])
    if "dataset" in files:
        # A data set on the hub: what was begun with one commit goes on with it, and the last one is
        # not known without network.
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
