"""A report from end to end: load the pipelines, compare them and write the page."""

from pathlib import Path
from typing import Any, Dict, Iterable, Optional, Union

from ..checks import require_free
from ..corpora.labeled import read_examples
from ..evaluation import System, load_system
from ..evaluation.systems import files_of
from ..evaluation.teacher_reader import reading_pipeline
from ..teachers.pipeline_teacher import pipelines_of
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, load_teacher, split_sources
from .comparison import compare
from .folder import RESULTS, write_report
from .learning_curves import read_runs
from .pictures import require_matplotlib


def report(
    student: Union[str, Path],
    corpus: Union[str, Path],
    output: Union[str, Path] = "report",
    *,
    teacher: Optional[str] = None,
    baseline: Optional[Union[str, Path]] = None,
    runs: Iterable[Union[str, Path]] = (),
    data: str = "",
    rounds: int = 3,
    resamples: int = 1000,
    seed: int = 0,
    shown: int = 50,
    gold_spans_key: Optional[str] = None,
    teacher_options: TeacherOptions = DEFAULT_OPTIONS,
    overwrite: bool = False,
) -> Dict[str, Any]:
    """Compare a student with its teacher and a baseline, and write a page about it.

    student (Union[str, Path]): The pipeline, a package or a folder.
    corpus (Union[str, Path]): The test set, a `.spacy` file of labeled documents.
    output (Union[str, Path]): The folder to write.
    teacher (Optional[str]): The teacher, or several with commas between them.
    baseline (Optional[Union[str, Path]]): Another pipeline.
    runs (Iterable[Union[str, Path]]): Logs of `spacy-distill.JSONLLogger.v1`, for learning curves.
    data (str): A description of the test set; by default the file's name.
    rounds (int): Number of passes of each pipeline to measure its speed; 0 to leave speed out.
    resamples (int): Number of draws of the bootstrap.
    seed (int): Seed of the bootstrap.
    shown (int): Maximum number of disagreements to write out.
    gold_spans_key (Optional[str]): Read the gold entities from `doc.spans[gold_spans_key]`.
    teacher_options (TeacherOptions): How the teacher is read.
    overwrite (bool): Whether to replace an earlier report in the folder. Other files stay.
    RETURNS (Dict[str, Any]): The content of report.json; docs/report.md explains its keys.
    RAISES (ValueError): A pipeline or a file cannot be read, the test set has no entities, or the
        folder has other files and no report.
    RAISES (ImportError): matplotlib is not installed.
    """
    output = Path(output)
    require_free(output, overwrite=overwrite, kind="report", mark=RESULTS)
    if teacher is None and teacher_options != DEFAULT_OPTIONS:
        raise ValueError(
            "[D710] Options for a teacher need a teacher: found none. Name it with --teacher."
        )
    # Pictures are drawn at the end. If matplotlib is missing, fail before the evaluation.
    require_matplotlib()
    corpus, curves = Path(corpus), read_runs([Path(run) for run in runs])
    systems = [load_system("student", student)]
    if teacher is not None:
        systems.append(load_teacher_system(teacher, teacher_options, systems[0].nlp.lang or "xx"))
    if baseline is not None:
        systems.append(load_system("baseline", baseline))
    found = compare(
        systems,
        [list(read_examples(corpus, system.nlp, spans_key=gold_spans_key)) for system in systems],
        data=data or corpus.name,
        runs=curves,
        rounds=rounds,
        resamples=resamples,
        seed=seed,
        shown=shown,
    )
    write_report(found, output)
    return found


def load_teacher_system(name: str, options: TeacherOptions, lang: str) -> System:
    """Load a teacher for a comparison: a pipeline without options as it is, any other teacher in a
    pipeline that writes the teacher's entities."""
    sources = split_sources(name)
    files = files_of(sources[0]) if len(sources) == 1 else None
    if options == DEFAULT_OPTIONS and files is not None and (files / "meta.json").is_file():
        return load_system("teacher", name)
    loaded = load_teacher(sources, options)
    pipelines = [part.nlp for part in pipelines_of(loaded)]
    behind = pipelines[0] if len(pipelines) == len(sources) == 1 else None
    return System("teacher", name, reading_pipeline(loaded, lang), files, behind)
