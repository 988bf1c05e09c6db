"""The output folder of a job: whether an earlier run can continue in it."""

import glob
from fnmatch import fnmatchcase
from pathlib import Path
from typing import List, Optional, Sequence

from ..checks import require_no_file
from ..corpora.input_files import before_wildcards
from ..corpora.shard_manifest import (
    AnyManifest,
    ShardEntry,
    ShardManifest,
    require_intact,
    shard_name,
)
from ..paths import is_local, to_path

# What jobs write, by the ends of the files' names.
WRITTEN = (".parquet", ".jsonl", ".spacy")


def earlier_manifest(folder: Path, manifest: AnyManifest, overwrite: bool) -> Optional[AnyManifest]:
    """Read the manifest of an earlier run in a folder, to continue it.

    folder (Path): The output folder.
    manifest (AnyManifest): The manifest of the new run, without shards.
    overwrite (bool): Whether to begin anew if there is an earlier result.
    RETURNS (Optional[AnyManifest]): The earlier manifest; None to begin anew.
    RAISES (ValueError): The folder has other files, or a result of another pipeline, input or
        setting.
    """
    require_no_file(folder)
    if not manifest.is_in(folder):
        # A run that was killed at its start leaves only an unfinished file.
        if folder.is_dir() and {*folder.iterdir()} - {*_unfinished(folder, manifest)}:
            raise ValueError(
                f"[D724] The output folder '{folder}' is not empty and has no {manifest.KIND}. "
                "Name another one."
            )
        return None
    if overwrite:
        return None
    earlier = type(manifest).from_disk(folder)
    if not earlier.shards and not earlier.complete:
        # The earlier run failed before its first shard was finished.
        return None
    old, new = earlier.identity(), manifest.identity()
    different = [name for name in new if old.get(name) != new[name]]
    if not earlier.complete or not all((folder / shard.file).is_file() for shard in earlier.shards):
        # Other versions of libraries may give another result in the shards that are to come.
        old, new = earlier.settings.get("versions", {}), manifest.settings["versions"]
        names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        different += [f"the version of {name}" for name in names]
    if different:
        raise mismatch_error(folder, earlier, " and ".join(different))
    return earlier


def remove_shards(folder: Path, manifest: ShardManifest) -> None:
    """Remove finished and unfinished shards from a folder."""
    for extension in manifest.EXTENSIONS:
        for path in folder.glob(f"shard-*{extension}"):
            path.unlink(missing_ok=True)
    remove_unfinished(folder, manifest)


def remove_unfinished(folder: Path, manifest: ShardManifest) -> None:
    """Remove what killed processes left unfinished."""
    for path in _unfinished(folder, manifest):
        path.unlink(missing_ok=True)


def missing_shards(folder: Path, shards: Sequence[ShardEntry]) -> List[str]:
    """List the files of shards that are missing; raise ValueError if a checksum differs."""
    missing = []
    for shard in shards:
        path = folder / shard.file
        if path.is_file():
            require_intact(path, shard.sha256)
        else:
            missing.append(shard.file)
    return missing


def mismatch_error(folder: Path, manifest: ShardManifest, difference: str) -> ValueError:
    """Create the error for a result that cannot be continued."""
    return ValueError(
        f"[D421] The {manifest.KIND} in '{folder}' was made with another {manifest.MAKER}, input "
        f"or setting. These differ now: {difference}. Name another output folder, or replace the "
        f"{manifest.KIND} with --force."
    )


def require_outside(folder: Path, source: str) -> None:
    """Raise ValueError if an input has, or will have, what is written to the output folder."""
    if source == "-":
        return
    if glob.has_magic(source) and not to_path(source).exists():
        # A glob may stand for a folder, whose files are then read, or for the files themselves.
        written = [folder, *folder.parents, *(folder / shard_name(0, end) for end in WRITTEN)]
        is_inside = any(_is_matched(path, source) for path in written)
    elif is_local(folder):
        root = to_path(source)
        is_inside = (
            is_local(root) and root.is_dir() and folder.resolve().is_relative_to(root.resolve())
        )
    else:
        is_inside = f"{folder}/".startswith(f"{source.rstrip('/')}/")
    if is_inside:
        raise ValueError(
            f"[D424] The output folder '{folder}' is in the input '{source}', so that the next run "
            "would read what this one wrote. Name a folder outside."
        )


def _is_matched(path: Path, source: str) -> bool:
    """RETURNS (bool): Whether a glob matches a path, which need not exist."""
    start, pattern = before_wildcards(source)
    root = to_path(start)
    if is_local(path) != is_local(root):
        return False
    if is_local(path):
        path, root = path.resolve(), root.resolve()
        names, wanted = (place.as_posix().rstrip("/").split("/") for place in (path, root))
    else:
        names, wanted = (str(place).rstrip("/").split("/") for place in (path, root))
    return names[: len(wanted)] == wanted and _match(
        names[len(wanted) :], pattern.rstrip("/").split("/")
    )


def _match(names: List[str], patterns: List[str]) -> bool:
    """RETURNS (bool): Whether patterns match names one by one. `**` is any number of names."""
    if not patterns:
        return not names
    first, *others = patterns
    if first == "**":
        return any(_match(names[start:], others) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], first) and _match(names[1:], others)


def _unfinished(folder: Path, manifest: ShardManifest) -> List[Path]:
    return [*folder.glob(".shard-*-unfinished"), *folder.glob(f".{manifest.FILE}-unfinished")]
