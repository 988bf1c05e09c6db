"""The speed of pipelines, and a description of the machine."""

import os
import platform
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from spacy.language import Language

from .. import kernels
from ..encoders.feature_cache import FEATURES, FOLDER_VARIABLE
from ..progress import ProgressBar
from ..threads import find_threadpoolctl

# The least time of a measurement: short texts are repeated, since clocks have a limited resolution.
LEAST_SECONDS = 2.0
WARM_UP_TEXTS = 20


def words_per_second(nlp: Language, texts: Sequence[str]) -> float:
    """Measure the speed of a pipeline.

    nlp (Language): The pipeline.
    texts (Sequence[str]): The texts.
    RETURNS (float): Words per second of processor time: the median of several passes.
    """
    rounds = 3
    with ProgressBar(desc="Speed", total=rounds, unit="pass") as bar:
        found = speeds(
            {"": nlp}, texts, rounds=rounds, least_seconds=LEAST_SECONDS, advance=bar.update
        )
    return median(found[""])


def speeds(
    pipelines: Mapping[str, Language],
    texts: Sequence[str],
    *,
    rounds: int,
    least_seconds: float = 0.0,
    warm_up: Optional[Sequence[str]] = None,
    advance: Callable[[], object] = lambda: None,
) -> Dict[str, List[float]]:
    """Measure the speeds of pipelines. They take turns, so other load on the machine affects all of
    them.

    Time is the processor time of all threads together. So the result is the speed on one core.

    pipelines (Mapping[str, Language]): The pipelines, by any name.
    texts (Sequence[str]): The texts.
    rounds (int): Least number of passes of each pipeline over all texts, after a warm-up.
    least_seconds (float): Least time of each pipeline for all its passes.
    warm_up (Optional[Sequence[str]]): The texts that each pipeline reads first; None for some of
        the others. A student keeps what it computed for a word, so it is faster on texts whose
        words it has read: in the second pass, all of them.
    advance (Callable[[], object]): Called after each of a pipeline's first `rounds` passes.
    RETURNS (Dict[str, List[float]]): Words per second of each pass, by pipeline.
    """
    found: Dict[str, List[float]] = {name: [] for name in pipelines}
    spent = dict.fromkeys(pipelines, 0.0)
    with without_stored_features(), _one_thread():
        for nlp in pipelines.values():
            list(nlp.pipe(texts[:WARM_UP_TEXTS] if warm_up is None else warm_up))
        while True:
            behind = [
                name
                for name, passes in found.items()
                if len(passes) < rounds or spent[name] < least_seconds
            ]
            if not behind:
                return found
            for name in behind:
                # Otherwise a frozen transformer's output would come from the cache.
                FEATURES.clear()
                start = process_time()
                words = sum(len(doc) for doc in pipelines[name].pipe(texts))
                seconds = max(process_time() - start, 1e-9)
                spent[name] += seconds
                found[name].append(words / seconds)
                if len(found[name]) <= rounds:
                    advance()


@contextmanager
def without_stored_features() -> Iterator[None]:
    """Look up no stored features of transformers in a block, and store none."""
    folder = os.environ.pop(FOLDER_VARIABLE, None)
    try:
        yield
    finally:
        if folder is not None:
            os.environ[FOLDER_VARIABLE] = folder


def holds_one_thread() -> bool:
    """Check whether `speeds` can limit numpy to one thread, by threadpoolctl or OMP_NUM_THREADS."""
    return find_threadpoolctl() is not None or os.environ.get("OMP_NUM_THREADS") == "1"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch and numpy to one thread, since threads that wait take processor time too."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 1
    if torch is not None:
        torch.set_num_threads(1)
    threadpoolctl = find_threadpoolctl()
    try:
        with nullcontext() if threadpoolctl is None else threadpoolctl.threadpool_limits(limits=1):
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(threads)


def processor() -> str:
    """Find the name of the processor, or its architecture if the system does not know the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> Dict[str, Any]:
    """Describe the machine.

    RETURNS (Dict[str, Any]): "processor" (its name), "cores" (their number), "kernels" (those that
        students use on it) and "system" (the operating system).
    """
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "kernels": kernels.in_use,
        "system": f"{platform.system()} {platform.machine()}",
    }
