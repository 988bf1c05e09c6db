"""`python -m spacy distill-report`."""

from pathlib import Path
from typing import List, Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..corpora.labeled import read_examples
from ..evaluation import System, load_system
from ..evaluation.systems import files_of
from ..evaluation.teacher_reader import reading_pipeline
from ..reports import compare, overview, read_runs, summary, write_report
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, load_teacher, split_sources
from .failures import Verbose, explained, on_interrupt
from .output import require_free
from .teacher_options import TypedOptions, takes_teacher_options


@app.command("distill-report")
@takes_teacher_options
def distill_report_cli(
    student: str = Arg(..., help="Trained pipeline that finds entities: package or folder"),
    test: Path = Arg(..., help="Labeled .spacy file to compare on", exists=True),
    teacher: Optional[str] = Opt(
        None,
        "--teacher",
        "-t",
        help="Teacher: a pipeline or a Hugging Face token classifier (folder or hf:OWNER/NAME); "
        "several, with commas, as an ensemble",
    ),
    baseline: Optional[str] = Opt(
        None, "--baseline", "-b", help="Another pipeline, such as a student without a teacher"
    ),
    output: Path = Opt(Path("report"), "--output", "-o", help="Folder to write the report to"),
    runs: Optional[List[Path]] = Opt(
        None,
        "--runs",
        help="Log of spacy-distill.JSONLLogger.v1 for the learning curves; give it again for more",
        exists=True,
        dir_okay=False,
    ),
    data: str = Opt("", "--data", "-d", help="What the test set is  [default: the file's name]"),
    rounds: int = Opt(
        3, "--rounds", help="How often each reads the test set for its speed; 0 for never", min=0
    ),
    resamples: int = Opt(1000, "--resamples", help="Draws of the bootstrap", min=100),
    seed: int = Opt(0, "--seed", help="Of the bootstrap", min=0),
    shown: int = Opt(50, "--shown", help="Disagreements to write out", min=0),
    gold_spans_key: Optional[str] = Opt(
        None, "--gold-spans-key", help="Take doc.spans[KEY] of the corpus for its gold entities"
    ),
    overwrite: bool = Opt(
        False, "--overwrite", "-F", help="Replace a report that is in the output folder"
    ),
    verbose: Verbose = False,
    *,
    teacher_options: TypedOptions,
) -> None:
    """
    Compare a student with its teacher and a baseline on a test set: a page that opens from disk
    (index.html), its pictures, and its numbers (report.json).
    """
    with explained(verbose), on_interrupt(tell_interrupted):
        require_free(output, overwrite=overwrite, kind="report", mark="report.json")
        options = teacher_options()
        if teacher is None and options != DEFAULT_OPTIONS:
            raise ValueError(
                "[D710] Options of a teacher are given, and no teacher. Name it: --teacher."
            )
        # Drawing comes last, and should not fail only then.
        from ..reports.pictures import require_matplotlib

        require_matplotlib()
        curves = read_runs(runs or [])
        systems = [load_system("student", student)]
        if teacher is not None:
            systems.append(_load_teacher(teacher, options, systems[0].nlp.lang or "xx"))
        if baseline is not None:
            systems.append(load_system("baseline", baseline))
        corpora = [
            list(read_examples(test, system.nlp, spans_key=gold_spans_key)) for system in systems
        ]
        found = compare(
            systems,
            corpora,
            data=data or test.name,
            runs=curves,
            rounds=rounds,
            resamples=resamples,
            seed=seed,
            shown=shown,
        )
        page = write_report(found, output)
    for note in found["notes"]:
        msg.warn(f"[D930] {note}")
    header, *rows = overview(found)
    msg.table(rows, header=header, divider=True, aligns=("l", *"r" * (len(header) - 1)))
    msg.good(f"Wrote {page}", summary(found))


def _load_teacher(name: str, options: TeacherOptions, lang: str) -> System:
    """RETURNS (System): A pipeline as it is, if it is one and nothing is said of how to read it;
    or else what the teacher says, read as `distill` reads it."""
    sources = split_sources(name)
    files = files_of(sources[0]) if len(sources) == 1 else None
    if options == DEFAULT_OPTIONS and files is not None and (files / "meta.json").is_file():
        return load_system("teacher", name)
    return System("teacher", name, reading_pipeline(load_teacher(sources, options), lang), files)


def tell_interrupted() -> None:
    """Say what is left of the work."""
    msg.warn("[D924] Interrupted", "Nothing was written.")
