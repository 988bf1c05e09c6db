"""Write directories and files atomically: a reader finds the old one or the complete new one."""

import ctypes
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator, Optional, Tuple, Union

from spacy.language import Language

# Name, directory and flag of the system calls that swap two paths: renameat2(2) and
# renameatx_np(2).
_SWAPS = {"linux": ("renameat2", -100, 2), "darwin": ("renameatx_np", -2, 2)}


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Replace a directory atomically.

    The new content is written to a directory next to the old one. Then the two are swapped in one
    step, so that the path always leads to a complete directory, even if the process is killed.
    Windows and some file systems cannot swap directories. There the old directory is renamed first.
    If the process is killed at that moment, the old directory stays as `.NAME-replaced`, and the
    next call restores it.

    path (Path): The directory. It need not exist.
    YIELDS (Path): An empty directory to write to. It is removed if the block raises an error.
    RAISES (NotADirectoryError): The path is a file.
    RAISES (ValueError): Another process is replacing the directory.
    RAISES (OSError): The directory cannot be written. The old one is unchanged.
    """
    # If the path is a link, replace its target and keep the link.
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"[D740] '{path}' is a file: expected a folder to write to. Choose another path."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}-unfinished")
    replaced = path.with_name(f".{path.name}-replaced")
    if replaced.exists() and not path.exists():
        replaced.rename(path)
    for left_over in (unfinished, replaced):
        # Left by a process that was killed. The lock of a living one raises an error.
        if left_over.exists():
            with lock(left_over, path):
                shutil.rmtree(left_over, ignore_errors=True)
    try:
        unfinished.mkdir()
    except FileExistsError as error:
        raise busy_error(path) from error
    with lock(unfinished, path):
        try:
            yield unfinished
            if not path.exists():
                unfinished.rename(path)
            elif not _swapped(unfinished, path):
                path.rename(replaced)
                try:
                    unfinished.rename(path)
                except BaseException:  # Ctrl-C too
                    replaced.rename(path)
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            if path.exists():
                shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Replace a file atomically, in a folder that exists.

    path (Path): The file. It need not exist.
    YIELDS (Path): A path next to it to write to. What is there is removed if the block raises an
        error.
    """
    unfinished = path.with_name(f".{path.name}-unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_directory(path: Path) -> None:
    """Remove a directory, or a link to one. It disappears in one step, so that no reader finds a
    part of it."""
    if path.is_symlink():
        path.unlink()
        return
    removed = path.with_name(f".{path.name}-unfinished")
    shutil.rmtree(removed, ignore_errors=True)
    path.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)


@contextmanager
def lock(folder: Path, named: Optional[Path] = None) -> Iterator[None]:
    """Lock a folder against a second run, where the operating system and the file system can.

    folder (Path): The folder. The lock ends with this process, even if it is killed.
    named (Optional[Path]): The folder to name in errors; None for the same.
    RAISES (ValueError): Another process has locked it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise busy_error(named or folder) from error
    except OSError:
        # Some network file systems cannot lock folders.
        os.close(handle)
        yield
        return
    try:
        yield
    finally:
        # Closing is not enough if a process was forked meanwhile.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def busy_error(folder: Path) -> ValueError:
    """Create the error for a folder that another process writes to."""
    return ValueError(
        f"[D423] Another run is writing to '{folder}'. Wait for it, or name another folder."
    )


def identity(folder: Path) -> Optional[Tuple[int, int]]:
    """RETURNS (Optional[Tuple[int, int]]): What a folder keeps when it is renamed: its device and
    its inode. None if there is no folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def require_in_place(folder: Path, before: Optional[Tuple[int, int]]) -> None:
    """Raise ValueError if a folder has been renamed or removed since `before` was its `identity`.
    Otherwise a result would be in two places, each with a part of it."""
    if identity(folder) != before:
        raise ValueError(
            f"[D767] The output folder '{folder}' was renamed or removed while this run wrote to "
            "it. What is finished is where the folder is now. Move it back, and run the same "
            "command again to continue."
        )


@contextmanager
def in_place(folder: Path) -> Iterator[None]:
    """Turn errors of the operating system into an error that says so if a folder was renamed or
    removed within the block."""
    before = identity(folder)
    try:
        yield
    except OSError:
        require_in_place(folder, before)
        raise


def save_pipeline(nlp: Language, path: Path) -> None:
    """Save a pipeline and replace its directory atomically.

    nlp (Language): The pipeline.
    path (Path): Its directory.
    """
    with replaced_directory(path) as unfinished:
        # That of the class, also after `save_atomically`.
        type(nlp).to_disk(nlp, unfinished)


def save_atomically(nlp: Language) -> None:
    """Let `nlp.to_disk` replace its directory atomically, where code of others calls it.

    nlp (Language): The pipeline, which is changed.
    """

    def to_disk(path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        with replaced_directory(Path(path)) as unfinished:
            type(nlp).to_disk(nlp, unfinished, exclude=exclude)

    nlp.to_disk = to_disk  # type: ignore[method-assign]


def copy_directory(source: Path, path: Path) -> None:
    """Copy a directory and replace the target atomically."""
    with replaced_directory(path) as unfinished:
        shutil.copytree(source, unfinished, dirs_exist_ok=True)


def _swapped(first: Path, second: Path) -> bool:
    """Swap two paths in one step. Return False, without a change, if the system cannot do it."""
    name, here, flag = _SWAPS.get(sys.platform, ("", 0, 0))
    library = ctypes.CDLL(None) if name else None
    if library is None or not hasattr(library, name):
        return False
    call = getattr(library, name)
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return call(here, os.fsencode(first), here, os.fsencode(second), flag) == 0
