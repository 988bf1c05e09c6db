"""`python -m spacy distill-calibrate`."""

import sys
from functools import partial
from pathlib import Path
from typing import Callable, Iterable, Optional

from spacy.cli._util import Arg, Opt, app
from spacy.language import Language
from spacy.training import Example
from wasabi import msg

from ..corpora.labeled import read_examples
from ..evaluation import entity_reliability, with_predictions
from ..loading import load_pipeline
from ..pipeline.confidences import MEASURED
from ..progress import ProgressBar
from ..saving import save_pipeline
from ..training.calibrate import calibrate, find_component
from ..training.corpus import warn_of_unknown_labels
from .failures import Verbose, explained
from .output import require_free


@app.command("distill-calibrate")
def distill_calibrate_cli(
    student: str = Arg(..., help="Trained pipeline with a ner_student: package or folder"),
    corpus: Path = Arg(..., help="Labeled .spacy file that it was not trained on", exists=True),
    output_path: Path = Arg(..., metavar="OUTPUT", help="Folder to write the pipeline to"),
    component: Optional[str] = Opt(
        None, "--component", "-p", help="The component  [default: the only one that fits]"
    ),
    gold_spans_key: Optional[str] = Opt(
        None, "--gold-spans-key", help="Take doc.spans[KEY] of the corpus for its gold entities"
    ),
    overwrite: bool = Opt(
        False, "--overwrite", "-F", help="Replace a pipeline that is in the output folder"
    ),
    verbose: Verbose = False,
) -> None:
    """
    Fit the confidences of a student to labeled documents, such as the development corpus: of
    entities with a confidence of 0.8, 80 % should be right. Its entities stay the same. A student
    of `spacy distill` is calibrated already.
    """
    with explained(verbose):
        require_free(output_path, overwrite=overwrite)
        nlp = load_pipeline(student)
        name, pipe = find_component(nlp, component)
        read = partial(read_examples, corpus, spans_key=gold_spans_key)
        warn_of_unknown_labels(pipe.labels, read(nlp), str(corpus), sys.stdout)
        before = calibration_error(student, name, read)
        temperature = calibrate(nlp, read(nlp), name)
        save_pipeline(nlp, output_path)
        after = calibration_error(output_path, name, read)
    msg.good(
        f"Wrote {output_path}",
        f"Temperature {temperature:.2f}; expected calibration error {before:.3f} before, "
        f"{after:.3f} after, on the documents that it was fitted to",
    )


def calibration_error(pipeline, name: str, read: Callable[[Language], Iterable[Example]]) -> float:
    """RETURNS (float): The expected calibration error of a component's entities."""
    settings = {"confidence": True, "confidence_attr": MEASURED}
    config = {f"components.{name}.{key}": value for key, value in settings.items()}
    nlp = load_pipeline(pipeline, config=config)
    examples = list(read(nlp))
    with ProgressBar(desc="Evaluate", total=len(examples)) as bar:
        examples = with_predictions(nlp, examples, bar.update)
    return entity_reliability(examples, attr=MEASURED).expected_calibration_error
