"""The local executor: processes of this machine, each of which loads the plan's writer and writes
whole shards."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

from ..corpora.inputs import InputDocument
from .plan import INTERVAL, Advance, Plan, Workers, Written
from .renewal import RenewedWriter

# The module that the process from which workers are forked imports first.
IMPORTS = f"{__package__}.forkserver_imports"


class _Counts:
    """The numbers of documents and words that processes have read, in shared memory.

    Each process has its own slot. So no lock is needed, which a killed process would never release.
    """

    def __init__(self, context: Any, n_process: int) -> None:
        self._counts = context.RawArray("q", 2 * n_process)
        self._n_started = context.Value("i", 0)
        self._reported = (0, 0)

    def new_slot(self) -> Advance:
        """Give a slot to a new process, and return the function that counts in it."""
        with self._n_started.get_lock():
            slot = 2 * self._n_started.value
            self._n_started.value += 1

        def advance(n_documents: int, n_words: int) -> None:
            self._counts[slot] += n_documents
            self._counts[slot + 1] += n_words

        return advance

    def report(self, advance: Advance) -> None:
        """Call `advance` with the numbers since the last report."""
        counts = list(self._counts)
        now = sum(counts[::2]), sum(counts[1::2])
        advance(now[0] - self._reported[0], now[1] - self._reported[1])
        self._reported = now


# The state of a worker process: its "writer", or the "error" that stopped its start.
_process: Dict[str, Any] = {}


def _start_process(plan: Plan, folder: Path, counts: _Counts, environment: Dict[str, str]) -> None:
    # Ctrl-C in a terminal reaches all processes. The first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The process that is forked has the environment of the first job.
    os.environ.update(environment)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        _process["writer"] = RenewedWriter(plan, folder, counts.new_slot(), frozen=True)
    except Exception as error:
        # An initializer's error would not reach the main process. `_writer` raises it.
        _process["error"] = error


def _end_with(parent: Any) -> None:
    """End this process when its parent ends, even if the parent is killed."""
    parent.join()
    os._exit(1)


def _writer() -> RenewedWriter:
    """RETURNS (RenewedWriter): The writer of this process. RAISES (Exception): Its start failed."""
    if "error" in _process:
        raise _process["error"]
    writer: RenewedWriter = _process["writer"]
    return writer


def _labels_of_process() -> List[str]:
    return list(_writer().labels)


def _write_in_process(number: int, documents: List[InputDocument], input_hash: str) -> Written:
    return _writer()(number, documents, input_hash)


def _context(plan: Plan) -> Any:
    """RETURNS (Any): How processes are started."""
    if plan.use_gpu >= 0 or "forkserver" not in multiprocessing.get_all_start_methods():
        # Imports look for a GPU, after which a fork cannot use it.
        return multiprocessing.get_context("spawn")
    # The libraries are imported once, by a process that never computes. So no threads of torch or
    # BLAS are running there when it is forked.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([type(plan).__module__, __name__, IMPORTS])
    return context


@contextmanager
def workers(plan: Plan, folder: Path, advance: Advance, n_process: int) -> Iterator[Workers]:
    """Start the processes that write shards. They get text, and write the files themselves: no
    documents of spaCy pass between processes.

    plan (Plan): How shards are made.
    folder (Path): The output folder.
    advance (Advance): Called in this process, while it waits for a shard.
    n_process (int): Number of processes. With 1, this process writes the shards itself.
    YIELDS (Workers): The processes.
    """
    if n_process == 1:
        writer = RenewedWriter(plan, folder, advance)
        yield Workers(list(writer.labels), lambda *shard: partial(writer, *shard), 1)
        return
    context = _context(plan)
    counts = _Counts(context, n_process)
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(
        n_process,
        mp_context=context,
        initializer=_start_process,
        initargs=(plan, folder, counts, dict(os.environ)),
    ) as executor:

        def work(
            number: int, documents: List[InputDocument], input_hash: str
        ) -> Callable[[], Written]:
            future = executor.submit(_write_in_process, number, documents, input_hash)

            def finish() -> Written:
                while not future.done():
                    wait([future], timeout=INTERVAL)
                    counts.report(advance)
                # The loop does not report a shard that was finished before its first check.
                counts.report(advance)
                return future.result()

            return finish

        try:
            labels = executor.submit(_labels_of_process).result()
            yield Workers(labels, work, n_process)
        except BrokenProcessPool as error:
            raise ValueError(
                "[D425] A process ended, perhaps for lack of memory. Finished shards are kept. Run "
                "the same command again, with fewer processes (--n-process) or smaller batches "
                "(--batch-size)."
            ) from error
        except BaseException as error:
            if not isinstance(error, Exception):
                # Ctrl-C, or SIGTERM of a system that soon kills: do not wait for shards.
                for process in set(multiprocessing.active_children()).difference(others):
                    process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)
            raise
