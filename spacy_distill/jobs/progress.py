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
            self._bar.total = self.estimate(self._n_read)

    def estimate(self, number: int) -> int:
        """Estimate a total from the number so far, the share of the input that was read, and the
        limit of documents. Without a known size of the input, it is the number itself."""
        share = self._documents.share_read
        n_expected = max(round(self._n_read / share), self._n_read) if share else self._n_read
        n_expected = min(n_expected, self._limit or n_expected)
        return round(number * n_expected / self._n_read)

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
