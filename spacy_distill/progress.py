"""Progress of long operations: a bar in a terminal, lines in a log."""

import sys
from time import monotonic
from typing import IO, Iterable, Optional

from tqdm import tqdm

# Shortest time between two updates, in seconds.
BAR_INTERVAL, LINE_INTERVAL = 0.1, 10.0


class ProgressBar(tqdm):
    """A progress bar with the rate and the remaining time. In a terminal, the bar is redrawn in one
    line. In other streams, a line without the bar is written at the start, every ten seconds and at
    the end."""

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
        """Create the bar and show it.

        iterable (Optional[Iterable]): The items to iterate over. None if the caller calls `update`.
        desc (str): The name of the operation.
        total (Optional[float]): The number of units; if None, no remaining time is shown.
        unit (str): The unit that is counted. For "word", counts are shown in thousands.
        stream (Optional[IO]): The stream to write to; standard error if None.
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
            # Read the clock in each update.
            miniters=1,
            # Show the mean rate: batches with short and with long documents differ in speed.
            smoothing=0,
            # With a width of 0, tqdm shows the figures without a bar.
            ncols=None if self.in_terminal else 0,
            dynamic_ncols=self.in_terminal,
        )

        self.start_clock()

    def start_clock(self) -> None:
        """Measure the rate from now on. The system's clock may be set while the bar is shown, so
        tqdm gets one that is not."""
        self._time = monotonic
        self.start_t = self.last_print_t = monotonic()

    def display(self, msg: Optional[str] = None, pos: Optional[int] = None) -> bool:
        """Redraw the bar, or write the next line."""
        if self.in_terminal:
            return super().display(msg, pos)
        self.fp.write(f"{self if msg is None else msg}\n")
        self.fp.flush()
        return True

    def close(self) -> None:
        """Show the final count, unless the last line has it."""
        if not self.in_terminal and not self.disable:
            if self.n != self.last_print_n:
                self.refresh()
            self.disable = True
            self._decr_instances(self)
        super().close()
