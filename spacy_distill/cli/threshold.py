"""`python -m spacy distill-threshold`."""

import sys
from decimal import Decimal, InvalidOperation
from typing import Annotated, List, Sequence

from spacy.cli._util import Opt, app
from wasabi import msg

from ..corpora.labeled import read_examples
from ..evaluation.thresholds import Threshold, find_thresholds
from ..loading import load_pipeline
from ..pipeline.find_component import find_component
from ..progress import ProgressBar
from ..training.corpus import warn_of_unknown_labels
from . import options
from .running import running

HEADER = ("label", "wanted", "min. confidence", "precision", "95 %", "recall", "kept")


@app.command("distill-threshold")
def distill_threshold_cli(
    student: options.Student,
    corpus: options.Corpus,
    precision: Annotated[
        str, Opt("--precision", help="Wanted precisions in percent, separated by commas")
    ] = "90,95,99",
    by_label: Annotated[bool, Opt("--by-label", help="Add the rows of each label")] = False,
    component: options.Component = None,
    gold_spans_key: options.GoldSpansKey = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    verbose: options.Verbose = False,
) -> None:
    """
    Find the lowest minimum confidence with a wanted precision, and show the recall and the number
    of entities that are kept. The documents should be labeled ones that neither the training nor
    the calibration has seen.
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        precisions = parse_percentages(precision)
        nlp = load_pipeline(student)
        name, pipe = find_component(nlp, component)
        examples = list(read_examples(corpus, nlp, spans_key=gold_spans_key))
        warn_of_unknown_labels(pipe.labels, examples, str(corpus), sys.stdout)
        with ProgressBar(desc="Evaluate", total=len(examples)) as bar:
            found = find_thresholds(nlp, examples, precisions, component=name, advance=bar.update)
    rows = [table_row(item) for item in found if by_label or item.label is None]
    msg.table(rows, header=HEADER, aligns=("l", *"r" * (len(HEADER) - 1)), divider=True)
    if any(item.min_confidence is not None for item in found):
        setting = f'config={{"components.{name}.min_confidence": ...}}'
        msg.text(
            "Set one of them with `distill-tag --min-confidence`, or with\n"
            f"spacy.load(..., {setting})"
        )


def parse_percentages(text: str) -> Sequence[float]:
    """Parse precisions, such as "90,99.9", to shares from 0 to 1."""
    try:
        # In decimals, since 99.9 / 100 is more than 0.999 in binary numbers.
        found = [float(Decimal(part.strip()) / 100) for part in text.split(",")]
    except InvalidOperation:
        found = []
    if not found or not all(0.01 <= share <= 1 for share in found):
        raise ValueError(
            f"[D524] --precision {text}: expected percentages from 1 to 100, separated by commas, "
            "such as 90,95."
        )
    return found


def table_row(item: Threshold) -> List[str]:
    """Make a row of the table. A precision that no minimum reaches has a dash."""
    row = [item.label or "all", f"{100 * item.wanted_precision:g} %"]
    if item.min_confidence is None:
        return [*row, "-", "", "", "", f"0 of {item.n_predicted}"]
    low, high = item.precision_interval
    row += [str(item.min_confidence), f"{100 * item.precision:.1f}"]
    row += [f"{100 * low:.1f} to {100 * high:.1f}", f"{100 * item.recall:.1f}"]
    return [*row, f"{item.n_kept} of {item.n_predicted}"]
