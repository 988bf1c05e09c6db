"""Kill six jobs with SIGKILL at random moments, and run each again until it is finished.

After each kill: shards that the manifest lists are intact and as many as before, models can be
loaded, and a checkpoint is not older than before. After each finished run: its files have the bytes
of a run that was not killed. The moments are drawn from a seed, over the duration of an unbroken
run. Linux only, since each run is a forked process.

    python -m benchmarks.robustness.kill --kills 50 --output docs/robustness.json
"""

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy
import spacy
from spacy.cli.package import package
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.util import load_config
from thinc.api import Config

import benchmarks.one_thread  # noqa: F401
from benchmarks.pages import keep
from spacy_distill import annotate, distill, tag
from spacy_distill.configs import make_config
from spacy_distill.corpora.shard_manifest import ShardManifest, file_hash
from spacy_distill.corpora.soft_shards import Manifest
from spacy_distill.saving import save_pipeline
from spacy_distill.tagging.manifest import TagManifest
from spacy_distill.training.compact import compact
from spacy_distill.training.output_folder import CHECKPOINT

MODELS = ("model-best", "model-last")


@dataclass
class Job:
    """A job, and what holds for its output at every moment.

    run (Callable[[Path], object]): Runs the job into a folder, or continues an earlier run there.
    progress (Optional[Callable[[Path], int]]): What is finished: it must not become less. None if
        the job is done as a whole.
    models (Callable[[Path], List[Path]]): The folders of pipelines, if they are there.
    """

    run: Callable[[Path], object]
    progress: Optional[Callable[[Path], int]] = None
    models: Callable[[Path], List[Path]] = lambda output: [output / name for name in MODELS]


@dataclass
class Counts:
    """What was seen of a job."""

    seconds: float = 0.0
    kills: int = 0
    finished_runs: int = 0
    other_bytes: int = 0
    lost: Optional[int] = None
    not_loadable: Dict[str, int] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)


def in_child(work: Callable[[], object], seconds: Optional[float]) -> int:
    """Run a function in a forked process, and kill that after some seconds.

    This process must not have other threads, whose locks would stay locked in the child. So it
    trains nothing itself.

    RETURNS (int): Its exit status, or minus the signal that ended it.
    """
    require(len(os.listdir("/proc/self/task")) == 1, "this process has other threads")
    child = os.fork()
    if child == 0:
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1)
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def files(folder: Path) -> Dict[str, bytes]:
    """Read the bytes of all files in a folder, by name."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def require(passed: bool, what: str) -> None:
    """Raise ValueError if something does not hold."""
    if not passed:
        raise ValueError(what)


def n_shards(kind: type[ShardManifest]) -> Callable[[Path], int]:
    """Create a function that compares the shards of a folder with its manifest, and counts them."""

    def count(folder: Path) -> int:
        if not kind.is_in(folder):
            return 0
        manifest = kind.from_disk(folder)
        for shard in manifest.shards:
            require(file_hash(folder / shard.file) == shard.sha256, f"{shard.file} is damaged")
        return len(manifest.shards)

    return count


def step_of_checkpoint(folder: Path) -> int:
    """Read the step of a checkpoint, from 1; 0 without a checkpoint."""
    path = folder / CHECKPOINT / "state.json"
    if not path.is_file():
        return 0
    with numpy.load(path.with_name("arrays.npz"), allow_pickle=False) as arrays:
        for name in arrays.files:  # reading compares checksums
            arrays[name]
    return json.loads(path.read_text(encoding="utf8"))["step"] + 1


def make_jobs(work: Path) -> Dict[str, Job]:
    """Write the inputs of all jobs to a folder."""
    rules = spacy.blank("en")
    names = [("PER", "Anna Berg"), ("LOC", "Oslo"), ("LOC", "New York")]
    patterns = [{"label": label, "pattern": name} for label, name in names]
    rules.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    rules.to_disk(work / "rules")
    lines = [f"On day {n} Anna Berg sails from Oslo to New York ." for n in range(1000)]
    (work / "texts.txt").write_text("\n".join(lines), encoding="utf8")
    docs = [rules(line) for line in lines[:60]]
    DocBin(docs=docs).to_disk(work / "docs.spacy")

    vectors = spacy.blank("en")
    vectors.vocab.reset_vectors(width=16)
    rng = numpy.random.default_rng(0)
    for n in range(3000):
        vectors.vocab.set_vector(f"word{n}", rng.normal(size=16).astype("float32"))
    vectors.to_disk(work / "vectors")
    model: Dict[str, Any] = {"encode": {"width": 16, "depth": 1}}
    model["embed"] = {"features": {"width": 8}, "characters": {"filters": 8}}
    config = Config().from_str(make_config("student", lang="en"), interpolate=False)
    paths = {name: str(work / "docs.spacy") for name in ("train", "dev")}
    changes: Dict[str, Any] = {
        "paths": {**paths, "vectors": str(work / "vectors")},
        "components": {"ner_student": {"model": model}},
        "distillation": {"max_steps": 20, "dropout": 0.4},
        "training": {"eval_frequency": 5},
    }
    config.merge(changes).to_disk(work / "student.cfg")

    # The teacher's config has the package's callback for `spacy train`, and here its logger.
    teacher = Config().from_str(make_config("teacher", lang="en"), interpolate=False)
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 16}
    tok2vec |= {"depth": 1, "embed_size": 100, "window_size": 1, "maxout_pieces": 2}
    before = teacher.get("initialize", {}).get("before_init", {})
    teacher["nlp"]["pipeline"] = ["ner_teacher"]
    embed = {**tok2vec, "subword_features": True}
    teacher["components"] = {"ner_teacher": {"factory": "ner_teacher", "model": {"embed": embed}}}
    teacher["paths"].update(paths)
    teacher["initialize"] = {"before_init": before} if before else {}
    logger = {"@loggers": "spacy-distill.JSONLLogger.v1", "path": str(work / "log.jsonl")}
    teacher["training"].update({"eval_frequency": 5, "logger": logger, "patience": 0})
    steps = {"@optimizers": "Adam.v1", "learn_rate": 0.01}
    teacher["training"].update({"max_steps": 20, "optimizer": steps, "max_epochs": 0})
    teacher.to_disk(work / "teacher.cfg")

    made = in_child(
        lambda: distill(
            work / "rules", work / "student.cfg", work / "models", stdout=io.StringIO()
        ),
        None,
    )
    require(made == 0, "the student could not be trained")
    student = work / "models" / "model-best"
    quiet: Dict[str, Any] = {"stderr": io.StringIO()}

    def run_distill(output: Path) -> None:
        config = load_config(work / "student.cfg")
        distill(work / "rules", config, output, resume=True, compact=True, stdout=io.StringIO())

    def run_package(output: Path) -> None:
        output.mkdir(exist_ok=True)
        # Building archives is pip's work.
        package(student, output, create_sdist=False, create_wheel=False, force=True, silent=True)

    def packages(output: Path) -> List[Path]:
        found = output.glob("en_pipeline-0.0.0/en_pipeline/en_pipeline-0.0.0")
        return list(found)

    return {
        "distill-annotate": Job(
            lambda out: annotate(
                work / "rules", str(work / "texts.txt"), out, shard_size=5000, **quiet
            ),
            n_shards(Manifest),
            lambda out: [],
        ),
        "distill-tag": Job(
            lambda out: tag(work / "rules", str(work / "texts.txt"), out, shard_size=5000, **quiet),
            n_shards(TagManifest),
            lambda out: [],
        ),
        "distill": Job(run_distill, step_of_checkpoint),
        # spaCy copies model-last to model-best file by file. Until that is done, they are the same.
        "train": Job(
            lambda out: train(work / "teacher.cfg", out), models=lambda out: [out / "model-last"]
        ),
        "distill-compact": Job(
            lambda out: save_pipeline(compact(spacy.load(student)), out / "compact"),
            models=lambda out: [out / "compact"],
        ),
        "package": Job(
            run_package,
            models=packages,
        ),
    }


def torture(job: Job, work: Path, n_kills: int, rng: random.Random) -> Counts:
    """Kill a job again and again."""
    counts, output, unbroken = Counts(), work / "output", work / "unbroken"
    for folder in (output, unbroken):
        shutil.rmtree(folder, ignore_errors=True)
    start = time.monotonic()
    require(in_child(lambda: job.run(unbroken), None) == 0, "the unbroken run failed")
    counts.seconds = round(time.monotonic() - start, 2)
    expected, done = files(unbroken), 0
    while counts.kills < n_kills or output.exists():
        is_over = counts.kills >= n_kills
        seconds = None if is_over else rng.uniform(0, counts.seconds)
        status = in_child(lambda: job.run(output), seconds)
        if status == 0:
            counts.finished_runs += 1
            found = files(output)
            if found != expected:
                counts.other_bytes += 1
                names = sorted({*found, *expected})
                counts.errors += [n for n in names if found.get(n) != expected.get(n)]
            shutil.rmtree(output)
            done = 0
            continue
        if status != -signal.SIGKILL:
            counts.errors.append(f"status {status} after {counts.kills} kills")
            if is_over:
                break
            shutil.rmtree(output, ignore_errors=True)
            done = 0
            continue
        counts.kills += 1
        if job.progress is not None:
            try:
                before, done = done, job.progress(output)
                # A finished run of `spacy distill` has no checkpoint.
                is_finished = (output / MODELS[0]).exists() and not (output / CHECKPOINT).exists()
                counts.lost = (counts.lost or 0) + (done < before and not is_finished)
            except Exception as error:
                counts.errors.append(f"{type(error).__name__}: {error}")
        for folder in job.models(output):
            if folder.exists():
                try:
                    spacy.load(folder)
                except Exception:
                    name = folder.name
                    counts.not_loadable[name] = counts.not_loadable.get(name, 0) + 1
    return counts


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills of each job")
    parser.add_argument("--jobs", default="", help="names of jobs, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a JSON file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        jobs = make_jobs(Path(folder))
        chosen = arguments.jobs.split(",") if arguments.jobs else list(jobs)
        results = {}
        for name in chosen:
            rng = random.Random(f"{arguments.seed} {name}")
            counts = torture(jobs[name], Path(folder), arguments.kills, rng)
            results[name] = vars(counts)
            print(name, json.dumps(vars(counts)), flush=True)
    keep(arguments.output, "kill", {"seed": arguments.seed, "jobs": results})


if __name__ == "__main__":
    main()
