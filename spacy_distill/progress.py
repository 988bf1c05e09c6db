"""Progress of what takes long: a bar in a terminal, lines in a log."""

import sys
from typing import IO, Iterable, Optional

from tqdm import tqdm

# How often something new is shown at the most, in seconds.
BAR_INTERVAL, LINE_INTERVAL = 0.1, 10.0


class ProgressBar(tqdm):
    """A bar with rate and time left, drawn again and again in one line of a terminal. Where the
    stream is no terminal, whole lines without the bar: one at the start, one every ten seconds, one
    at the end."""

    disable: bool

    def __init__(
        self,
        iterable: Optional[Iterable] = None,
        *,
        desc: str,
        total: Optional[float] = None,
        unit: str = "doc",
        stream: Optional[IO] = None,
    ) -> None:
        """Show that it begins.

        iterable (Optional[Iterable]): What is iterated over, if `update` is not called.
        desc (str): What is done.
        total (Optional[float]): How much there is to do; None if nobody knows, and then there is no
            time left.
        unit (str): What is counted. Words are rounded to thousands.
        stream (Optional[IO]): Where it is shown; standard error if None.
        """
        stream = sys.stderr if stream is None else stream
        self.in_terminal = stream.isatty()
        super().__init__(
            iterable,
            desc=desc,
            total=total,
            unit=unit,
            unit_scale=unit == "word",
            file=stream,
            mininterval=BAR_INTERVAL if self.in_terminal else LINE_INTERVAL,
            # The clock is read in each update, not in every so many.
            miniters=1,
            # The mean rate, as batches are of short documents or of long ones.
            smoothing=0,
            # A width of 0 is tqdm's way to leave the bar out and keep the figures.
            ncols=None if self.in_terminal else 0,
            dynamic_ncols=self.in_terminal,
        )

    def display(self, msg: Optional[str] = None, pos: Optional[int] = None) -> bool:
        """Draw the bar once more, or write the next line."""
        if self.in_terminal:
            return super().display(msg, pos)
        self.fp.write(f"{self if msg is None else msg}\n")
        self.fp.flush()
        return True

    def close(self) -> None:
        """Show where it ended, unless the last line says so."""
        if not self.in_terminal and not self.disable:
            if self.n != self.last_print_n:
                self.refresh()
            self.disable = True
            self._decr_instances(self)
        super().close()
