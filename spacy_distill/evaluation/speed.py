"""How fast pipelines are, and on which machine."""

import os
import platform
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from time import process_time
from types import ModuleType
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Sequence

from spacy.language import Language

from ..encoders.feature_cache import FEATURES, FOLDER_VARIABLE
from ..progress import ProgressBar

# Short texts are read again and again for so long: a clock has steps.
LEAST_SECONDS = 2.0
WARM_UP_TEXTS = 20


def words_per_second(nlp: Language, texts: Sequence[str]) -> float:
    """RETURNS (float): Words that the pipeline reads in a second of processor time: the median of
    several passes over the texts."""
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
    advance: Callable[[], object] = lambda: None,
) -> Dict[str, List[float]]:
    """Let pipelines read texts in turn, so that what else the machine does meets all of them.

    Time is processor time, of all threads together: words a second of one core.

    pipelines (Mapping[str, Language]): The pipelines, by any name.
    texts (Sequence[str]): The texts.
    rounds (int): How often each one reads all of them, at least, after a few to warm up.
    least_seconds (float): How long each one reads, at least.
    advance (Callable[[], object]): Called after each of a pipeline's first `rounds` passes.
    RETURNS (Dict[str, List[float]]): Words per second of each pass, by pipeline.
    """
    found: Dict[str, List[float]] = {name: [] for name in pipelines}
    spent = dict.fromkeys(pipelines, 0.0)
    with _without_stored_features(), _one_thread():
        for nlp in pipelines.values():
            list(nlp.pipe(texts[:WARM_UP_TEXTS]))
        while True:
            behind = [
                name
                for name, passes in found.items()
                if len(passes) < rounds or spent[name] < least_seconds
            ]
            if not behind:
                return found
            for name in behind:
                # What a frozen transformer said in the round before is not to be looked up.
                FEATURES.clear()
                start = process_time()
                words = sum(len(doc) for doc in pipelines[name].pipe(texts))
                seconds = max(process_time() - start, 1e-9)
                spent[name] += seconds
                found[name].append(words / seconds)
                if len(found[name]) <= rounds:
                    advance()


@contextmanager
def _without_stored_features() -> Iterator[None]:
    folder = os.environ.pop(FOLDER_VARIABLE, None)
    try:
        yield
    finally:
        if folder is not None:
            os.environ[FOLDER_VARIABLE] = folder


def holds_one_thread() -> bool:
    """RETURNS (bool): Whether `speeds` can hold numpy to one thread: by threadpoolctl, or because
    it was told so when it was imported."""
    return find_threadpoolctl() is not None or os.environ.get("OMP_NUM_THREADS") == "1"


def find_threadpoolctl() -> Optional[ModuleType]:
    """RETURNS (Optional[ModuleType]): The library, an extra; None without it."""
    try:
        import threadpoolctl
    except ImportError:
        return None
    return threadpoolctl


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take processor time too."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 1
    if torch is not None:
        torch.set_num_threads(1)
    try:
        with _one_blas_thread():
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(threads)


def _one_blas_thread() -> ContextManager[object]:
    library = find_threadpoolctl()
    return nullcontext() if library is None else library.threadpool_limits(limits=1)


def processor() -> str:
    """RETURNS (str): The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The processor's name, how many cores it shows, and the operating
    system."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
    }
