"""`python -m spacy distill-prune`."""

from typing import Annotated, Optional

from spacy.cli._util import Opt, app
from wasabi import msg

from ..checks import require_free
from ..evaluation import megabytes
from ..loading import load_pipeline
from ..saving import save_pipeline
from ..training.prune import prune
from . import options
from .running import running


@app.command("distill-prune")
def distill_prune_cli(
    student: options.Student,
    output_path: options.Output,
    layers: Annotated[
        Optional[int],
        Opt(
            min=1,
            help="Number of layers to keep  [default: those that the training selected]",
        ),
    ] = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Delete layers of a trained pipeline, a student with spacy-distill.DenseBiLSTM.v1 or a teacher
    with spacy-distill.GatedLayerMix.v1. Layers that its training has selected are kept.
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        require_free(output_path, overwrite=force)
        nlp = load_pipeline(student)
        save_pipeline(prune(nlp, layers=layers), output_path)
    msg.good(f"Wrote {megabytes(output_path):.1f} MB to {output_path}")
