"""`python -m spacy distill-calibrate`."""

import sys
from functools import partial
from typing import Iterable

from spacy.cli._util import app
from spacy.language import Language
from spacy.training import Example
from wasabi import msg

from ..checks import require_free
from ..corpora.labeled import read_examples
from ..evaluation import entity_reliability, with_predictions
from ..loading import load_pipeline
from ..pipeline.confidences import EVALUATION_ATTR, with_confidences
from ..pipeline.find_component import find_component
from ..progress import ProgressBar
from ..saving import save_pipeline
from ..training.calibrate import calibrate
from ..training.corpus import warn_of_unknown_labels
from . import options
from .running import running


@app.command("distill-calibrate")
def distill_calibrate_cli(
    student: options.Student,
    corpus: options.Corpus,
    output_path: options.Output,
    component: options.Component = None,
    gold_spans_key: options.GoldSpansKey = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Fit the confidences of a student to labeled documents that it was not trained on, such as the
    development corpus. After that, about 80 % of the entities with a confidence of 0.8 should be
    right. The entities stay the same, unless the student has a min_confidence. `spacy distill`
    calibrates students by default.
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        require_free(output_path, overwrite=force)
        nlp = load_pipeline(student)
        name, pipe = find_component(nlp, component)
        read = partial(read_examples, corpus, nlp, spans_key=gold_spans_key)
        warn_of_unknown_labels(pipe.labels, read(), str(corpus), sys.stdout)
        before = calibration_error(nlp, name, read())
        temperature = calibrate(nlp, read(), name)
        after = calibration_error(nlp, name, read())
        save_pipeline(nlp, output_path)
    msg.good(
        f"Wrote {output_path}",
        f"Temperature {temperature:.2f}; expected calibration error on these documents: "
        f"{before:.3f} before, {after:.3f} after",
    )


def calibration_error(nlp: Language, component: str, examples: Iterable[Example]) -> float:
    """Compute the expected calibration error of the entities of a pipeline's component."""
    examples = list(examples)
    with (
        ProgressBar(desc="Evaluate", total=len(examples)) as bar,
        with_confidences(nlp, component=component, ignore_minimum=True),
    ):
        predicted = with_predictions(nlp, examples, bar.update)
    return entity_reliability(predicted, attr=EVALUATION_ATTR).expected_calibration_error
