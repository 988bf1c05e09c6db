"""The progress bar of a job."""

from contextlib import contextmanager
from typing import IO, Any, Iterator, Sequence

from ..corpora.inputs import Input, InputDocument
from ..progress import ProgressBar


class JobProgress:
    """A progress bar of documents, with the number of words per second. The total is estimated from
    the share of the input that was read. Documents of an earlier run do not count in the rate."""

    def __init__(self, documents: Input, limit: int) -> None:
        self._documents = documents
        # 0 is no limit.
        self._limit = limit
        self._bar: Any = None
        self._n_words = self._n_read = 0

    @contextmanager
    def shown(self, title: str, stderr: IO) -> Iterator[None]:
        """Show the bar."""
        with ProgressBar(desc=title, total=self._limit or None, stream=stderr) as self._bar:
            yield

    def expect(self, documents: Sequence[InputDocument]) -> None:
        """Count documents that were read from the input, and estimate the total."""
        self._n_read += len(documents)
        if self._documents.share_read:
            expected = self.estimate(self._n_read)
            self._bar.total = min(expected, self._limit or expected)

    def estimate(self, number: int) -> int:
        """RETURNS (int): How many there are in the whole input of what was read `number` times so
        far; this number, if the size of the input is not known."""
        share = self._documents.share_read
        return max(round(number / share), number) if share else number

    def skip(self, documents: Sequence[InputDocument]) -> None:
        """Count documents whose shard an earlier run made."""
        self.expect(documents)
        if not self._bar.disable:
            if not self._n_words:
                self._bar.start_clock()
            self._bar.initial += len(documents)
            self._bar.update(len(documents))

    def advance(self, n_documents: int, n_words: int) -> None:
        """Count documents of this run."""
        if not self._bar.disable:
            self._n_words += n_words
            rate = self._n_words / max(self._bar.format_dict["elapsed"], 1e-3)
            self._bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
            self._bar.update(n_documents)
