"""`python -m spacy distill-compact`."""

from typing import Annotated, Optional

from spacy.cli._util import Opt, app
from wasabi import msg

from ..checks import require_free
from ..evaluation import megabytes
from ..loading import load_pipeline
from ..models.vector_table import BITS
from ..saving import save_pipeline
from ..training.compact import compact, count_words
from . import options
from .running import running


@app.command("distill-compact")
def distill_compact_cli(
    student: options.Student,
    output_path: options.Output,
    prune: Annotated[
        Optional[int],
        Opt(
            min=1,
            help="Number of word vectors to keep, the first ones; other words get the most "
            "similar of these  [default: all]",
        ),
    ] = None,
    bits: Annotated[
        int, Opt(help=f"Bits per value of a word vector: {', '.join(map(str, BITS))}")
    ] = 8,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Make a trained student smaller on disk and in memory, and faster to load. Its word vectors are
    stored in the component that uses them, with fewer bits and without the words' strings. A
    compact student can be made smaller still.
    """
    with running(verbose, code_path=code_path, use_gpu=use_gpu):
        require_free(output_path, overwrite=force)
        nlp = load_pipeline(student)
        small = compact(nlp, prune=prune, bits=bits)
        save_pipeline(small, output_path)
    size, n_words = megabytes(output_path), count_words(small)
    msg.good(f"Wrote {size:.1f} MB with {n_words:,} words to {output_path}")
    if small.vocab.vectors.n_keys:
        msg.warn("[D912] The vocabulary was kept", "Other trained components may need its vectors")
