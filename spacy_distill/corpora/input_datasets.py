"""Read data sets on the Hugging Face hub as streams of rows, with the library `datasets`."""

import logging
import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple, Type

from ..loading import DAMAGE_ERRORS, import_library
from ..names import HUB_PREFIX
from .input_documents import Columns, Row, useful_columns
from .input_files import InputError

# ":CONFIGURATION" chooses one of several configurations, "@VERSION" a branch, a tag or a commit.
HUB_NAME = re.compile(
    r"(?P<dataset>\w[\w.-]*(/\w[\w.-]*)?)(:(?P<configuration>[\w.+-]+))?(@(?P<version>[\w./-]+))?"
)


class HubDataset:
    """A split of a data set on the Hugging Face hub."""

    def __init__(self, source: str, split: str, revision: Optional[str] = None) -> None:
        """Parse the name of the data set. Nothing is read yet.

        source (str): `hf:NAME` or `hf:OWNER/NAME`, optionally with `:CONFIGURATION` and `@VERSION`.
        split (str): The split.
        revision (Optional[str]): The commit to read; by default that of the version.
        RAISES (InputError): The name is malformed, or it is also a local path.
        """
        self.name = source.removeprefix(HUB_PREFIX)
        match = HUB_NAME.fullmatch(self.name)
        if match is None:
            raise InputError(
                f"[D314] '{source}' is not a data set on the Hugging Face hub: expected "
                "hf:OWNER/NAME, with :CONFIGURATION and @VERSION if needed. Correct the name, or "
                "leave out hf: to name a file or folder."
            )
        self.source = source
        self.split = split
        self._parts = match.groupdict()
        place = self._parts["dataset"]
        if Path(place).exists():
            raise InputError(
                f"[D315] '{source}' is a data set on the Hugging Face hub, but the library "
                f"datasets would read '{place}' here instead. Leave out hf: to name that folder, "
                "or work in another folder."
            )
        self._known_revision = revision

    def fingerprint(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): Name, configuration, version, split and revision, if known."""
        parts = {**self._parts, "split": self.split, "revision": self._revision}
        return {name: value for name, value in parts.items() if value is not None}

    def read_rows(self, columns: Columns) -> Iterator[Row]:
        """Read the data set.

        columns (Columns): The columns of the text and of the values to keep.
        YIELDS (Row): The rows, with only the columns that documents are made from.
        RAISES (InputError): The data set cannot be read, or has no such column.
        RAISES (ImportError): The library is not installed.
        """
        datasets = import_library("datasets", "train")
        try:
            with _quiet(datasets):
                stream = datasets.load_dataset(
                    self._parts["dataset"],
                    self._parts["configuration"],
                    split=self.split,
                    streaming=True,
                    revision=self._revision,
                )
        except _hub_errors() as error:
            raise InputError(
                f"[D303] The data set '{self.source}' cannot be read from the Hugging Face hub: "
                f"{one_line(error)} Correct the name, which may need ':CONFIGURATION', or the "
                f"split '{self.split}' (--split)."
            ) from error
        names = getattr(stream, "column_names", None)
        if names is not None:
            # Images and sound in other columns would be downloaded and decoded.
            useful = useful_columns(names, columns, f"'{self.source}'")
            stream = stream.select_columns(useful)
        number = 0
        try:
            for row in stream:
                number += 1
                yield row
        except _hub_errors() as error:
            raise InputError(
                f"[D304] The data set '{self.source}' cannot be read after row {number}: "
                f"{one_line(error)} Try again, or download its files and use them as the input."
            ) from error

    @cached_property
    def _revision(self) -> Optional[str]:
        """The commit to read, which is also in the fingerprint."""
        if self._known_revision is not None:
            return self._known_revision
        import_library("datasets", "train")
        from huggingface_hub import HfApi

        try:
            version = self._parts["version"]
            return HfApi().dataset_info(self._parts["dataset"], revision=version, timeout=10).sha
        except _hub_errors():
            # There is no network, or the name is wrong. `load_dataset` reports both.
            return self._parts["version"]


def _hub_errors() -> Tuple[Type[Exception], ...]:
    """Return the errors for names, network, permissions and unreadable rows, but not for memory."""
    datasets = import_library("datasets", "train")
    errors = (OSError, RuntimeError, ImportError, datasets.exceptions.DatasetsError, *DAMAGE_ERRORS)
    try:
        # Newer versions of huggingface_hub raise errors of httpx, which are not OSErrors.
        import httpx
    except ImportError:
        return errors
    return (*errors, httpx.HTTPError)


def one_line(error: BaseException) -> str:
    """RETURNS (str): The message of an error in one line of about 500 characters at most."""
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return (message if len(message) <= 500 else f"{message[:500]} [...]") + "."


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Disable the library's progress bars, its logging of errors, and its download counts."""
    config = datasets.config
    reports, level = config.HF_UPDATE_DOWNLOAD_COUNTS, datasets.logging.get_verbosity()
    # If the environment variable is set, the library warns about other settings.
    bars = config.HF_DATASETS_DISABLE_PROGRESS_BARS is None and (
        not datasets.utils.are_progress_bars_disabled()
    )
    config.HF_UPDATE_DOWNLOAD_COUNTS = False
    datasets.logging.set_verbosity(logging.CRITICAL + 1)
    if bars:
        datasets.utils.disable_progress_bars()
    try:
        yield
    finally:
        config.HF_UPDATE_DOWNLOAD_COUNTS = reports
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.utils.enable_progress_bars()
