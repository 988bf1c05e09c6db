"""`python -m spacy distill-report`."""

from pathlib import Path
from typing import Annotated, List, Optional

from spacy.cli._util import Opt, app
from wasabi import msg

from ..reports import overview, report, summary
from ..reports.folder import PAGE
from . import options
from .running import running
from .teacher_options import TypedOptions, takes_teacher_options


@app.command("distill-report")
@takes_teacher_options
def distill_report_cli(
    student: options.Student,
    corpus: options.Corpus,
    output_path: options.Output = Path("report"),
    teacher: Annotated[Optional[str], Opt(help=options.TEACHER_HELP)] = None,
    baseline: Annotated[
        Optional[str], Opt(help="Another pipeline, such as a student without a teacher")
    ] = None,
    runs: Annotated[
        Optional[List[Path]],
        Opt(
            help="Log of spacy-distill.JSONLLogger.v1 for a learning curve; may be repeated",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    data: options.TestSet = "",
    rounds: Annotated[
        int,
        Opt(
            help="Number of passes of each system over the test set to measure its speed; 0 for "
            "no speed",
            min=0,
        ),
    ] = 3,
    resamples: Annotated[int, Opt(help="Number of draws of the bootstrap", min=100)] = 1000,
    seed: Annotated[int, Opt(help="Seed of the bootstrap", min=0)] = 0,
    shown: Annotated[int, Opt(help="Maximum number of disagreements to show", min=0)] = 50,
    gold_spans_key: options.GoldSpansKey = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
    *,
    teacher_options: TypedOptions,
) -> None:
    """
    Compare a student with its teacher and a baseline on labeled documents. Write a page that opens
    from disk (index.html), its pictures, and all results (report.json).
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        found = report(
            student,
            corpus,
            output_path,
            teacher=teacher,
            baseline=baseline,
            runs=runs or (),
            data=data,
            rounds=rounds,
            resamples=resamples,
            seed=seed,
            shown=shown,
            gold_spans_key=gold_spans_key,
            teacher_options=teacher_options(),
            overwrite=force,
        )
    for note in found["notes"]:
        msg.warn(f"[D930] {note}")
    header, *rows = overview(found)
    msg.table(rows, header=header, divider=True, aligns=("l", *"r" * (len(header) - 1)))
    msg.good(f"Wrote {output_path / PAGE}", summary(found))
