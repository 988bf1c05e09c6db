"""`python -m spacy distill-threshold`."""

import sys
from functools import partial
from typing import Annotated, Dict, List, Optional

from spacy.cli._util import Opt, app
from wasabi import msg

from ..corpora.labeled import read_examples
from ..evaluation.thresholds import Threshold, find_thresholds
from ..loading import load_pipeline
from ..progress import ProgressBar
from ..training.calibrate import find_component
from ..training.corpus import warn_of_unknown_labels
from . import options
from .running import running

HEADER = ("label", "precision of", "min. confidence", "precision", "recall", "kept")


@app.command("distill-threshold")
def distill_threshold_cli(
    student: options.Student,
    corpus: options.Corpus,
    precision: Annotated[
        str, Opt("--precision", "-p", help="Wanted precisions in percent, separated by commas")
    ] = "90,95,99",
    by_label: Annotated[bool, Opt("--by-label", help="Show a threshold for each label")] = False,
    gold_spans_key: options.GoldSpansKey = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    verbose: options.Verbose = False,
) -> None:
    """
    Show which minimum confidence has a precision of, say, 95 %, and how many entities are still
    found then. The documents should be labeled ones that neither the training nor the calibration
    has seen.
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        precisions = parse_percentages(precision)
        nlp = load_pipeline(student)
        name, pipe = find_component(nlp)
        read = partial(read_examples, corpus, nlp, spans_key=gold_spans_key)
        warn_of_unknown_labels(pipe.labels, read(), str(corpus), sys.stdout)
        examples = list(read())
        with ProgressBar(desc="Evaluate", total=len(examples)) as bar:
            found = find_thresholds(nlp, examples, precisions, bar.update)
    rows = table_rows(found if by_label else {None: found[None]}, precisions)
    msg.table(rows, header=HEADER, aligns=("l", *"r" * (len(HEADER) - 1)), divider=True)
    msg.text(
        f'Use one: distill-tag --min-confidence, or config={{"components.{name}.min_confidence": '
        "...} of spacy.load"
    )


def parse_percentages(text: str) -> List[float]:
    """Parse precisions, such as "90,95", to shares from 0 to 1."""
    try:
        found = [float(part) / 100 for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0.01 <= share <= 1 for share in found):
        raise ValueError(
            f"[D524] --precision {text}: expected percentages from 1 to 100, separated by commas, "
            "such as 90,95."
        )
    return found


def table_rows(
    found: Dict[Optional[str], List[Threshold]], precisions: List[float]
) -> List[List[str]]:
    """Make the rows of the table. A precision that no threshold reaches has a dash."""
    rows = []
    for label, thresholds in found.items():
        for wanted, one in zip(precisions, thresholds, strict=True):
            row = [label or "all", f"{100 * wanted:g} %"]
            if one.value is None:
                row += ["-", "", "", f"0 of {one.n_predicted}"]
            else:
                row += [f"{one.value}", f"{100 * one.precision:.1f}", f"{100 * one.recall:.1f}"]
                row.append(f"{one.n_kept} of {one.n_predicted}")
            rows.append(row)
    return rows
