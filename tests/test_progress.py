"""Progress in a terminal and in a log."""

import fcntl
import io
import os
import pty
import struct
import termios
from contextlib import suppress

import pytest

from spacy_distill import progress
from spacy_distill.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set: seconds by `clock[0] += 1`."""
    now = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_lines_with_rate_and_time_left(clock):
    stream = io.StringIO()
    with ProgressBar(desc="Read", total=100, stream=stream) as bar:
        for _ in range(100):
            clock[0] += 0.5
            bar.update()
    assert "\r" not in stream.getvalue() and "|" not in stream.getvalue()
    lines = stream.getvalue().splitlines()
    assert [line.split()[2] for line in lines] == [f"{n}/100" for n in range(0, 101, 20)]
    assert lines[1].endswith("[00:10<00:40,  2.00doc/s]")
    assert stream.getvalue().endswith("\n")


def test_the_end_is_told_once(clock):
    """In a line of its own if the last one came before it."""
    for last, n_lines in ((10, 2), (3, 3)):
        stream = io.StringIO()
        with ProgressBar(desc="Read", total=10 + last, stream=stream) as bar:
            clock[0] += progress.LINE_INTERVAL
            bar.update(10 + last if n_lines == 2 else 10)
            if n_lines == 3:
                bar.update(last)
        bar.close()
        lines = stream.getvalue().splitlines()
        assert len(lines) == n_lines and lines[-1].startswith("Read: 100%")


def test_without_a_total_there_is_no_time_left(clock):
    stream = io.StringIO()
    with ProgressBar(desc="Text", unit="word", stream=stream) as bar:
        clock[0] += 10
        bar.update(25_000)
    assert stream.getvalue().splitlines()[-1] == "Text: 25.0kword [00:10, 2.50kword/s]"


def test_what_is_iterated_over_is_counted():
    stream = io.StringIO()
    assert list(ProgressBar("abc", desc="Read", stream=stream)) == ["a", "b", "c"]
    assert "3/3" in stream.getvalue().splitlines()[-1]


def test_a_terminal_gets_one_line_that_changes(clock):
    """Draws over itself: more often than there are lines in a log."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    with (
        os.fdopen(follower, "w") as stream,
        ProgressBar(desc="Read", total=4, stream=stream) as bar,
    ):
        for _ in range(4):
            clock[0] += 1
            bar.update()
    written = b""
    # A terminal hands over what it has, which need not be all; at its end it gives an error.
    with suppress(OSError):
        while chunk := os.read(leader, 10_000):
            written += chunk
    os.close(leader)
    written = written.decode()
    assert written.count("\r") >= 5 and written.strip().count("\n") == 0
    assert "2/4 [00:02<00:02" in written and "█" in written


def test_a_stream_that_was_closed_is_no_error():
    stream = io.StringIO()
    bar = ProgressBar(desc="Read", total=2, stream=stream)
    bar.update()
    stream.close()
    bar.close()
