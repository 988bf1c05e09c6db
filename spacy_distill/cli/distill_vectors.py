"""`python -m spacy distill-vectors`."""

from pathlib import Path
from typing import Annotated, List, Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..checks import require_free
from ..corpora.inputs import Input
from ..corpora.word_list import read_words
from ..encoders.encoder import BATCH_SIZE
from ..saving import save_pipeline
from ..vectors.make_vectors import make_vectors
from . import options
from .running import running


@app.command("distill-vectors")
def distill_vectors_cli(
    teacher: Annotated[
        Optional[str],
        Arg(
            help="Teacher: a pipeline with a transformer (package or folder), or a Hugging Face "
            "model (folder or hf:OWNER/NAME)",
        ),
    ] = None,
    input_source: Annotated[Optional[str], Arg(metavar="INPUT", help=options.TEXT_HELP)] = None,
    *,
    output_path: options.Output,
    table: Annotated[
        Optional[List[Path]],
        Opt(
            help="Table of word vectors to join with the teacher's: a text file (word2vec, GloVe, "
            "fastText), an .npy file with a word list in its folder, or a pipeline; may be repeated"
        ),
    ] = None,
    truncate: Annotated[
        int, Opt(min=0, help="Number of vectors to read of each --table, the first ones; 0 for all")
    ] = 0,
    prune: Annotated[
        int,
        Opt(
            min=0,
            help="Number of vectors to keep of the first --table; its other words get the most "
            "similar of these; 0 for all",
        ),
    ] = 0,
    dim: Annotated[
        Optional[int],
        Opt(min=1, help="Number of dimensions of the teacher's vectors  [default: 100, or fewer]"),
    ] = None,
    layer: Annotated[
        Optional[int],
        Opt(help="Layer to read: 0 for the embeddings, -1 for the last  [default: the middle one]"),
    ] = None,
    words: Annotated[
        Optional[Path],
        Opt(
            help="Words that get a vector even if they are not in the text: a file with one word a "
            "line, or a pipeline with word vectors, of which only the words are read"
        ),
    ] = None,
    min_count: Annotated[
        Optional[int],
        Opt(min=1, help="Leave out words with fewer occurrences in the text  [default: 1]"),
    ] = None,
    limit: options.Limit = 0,
    text_field: options.TextField = "text",
    split: options.Split = "train",
    quoting: options.Quoting = None,
    batch_size: Annotated[
        int, Opt("--batch-size", "-b", min=1, help="Number of wordpieces in a batch")
    ] = BATCH_SIZE,
    matmul_precision: Annotated[
        Optional[str],
        Opt(
            help="Precision of torch's matrix products: highest, high or medium, which is bfloat16 "
            "where the processor multiplies it faster  [default: torch's]",
        ),
    ] = None,
    lang: options.Lang = None,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Make word vectors from a teacher's transformer: the mean of a word's hidden states over a text,
    reduced to few dimensions. Or read vectors from files, or join both. The result is a pipeline
    for the student's config: --paths.vectors.
    """
    # `make_vectors` moves the transformer to the device.
    with running(verbose, code_path=code_path):
        # Check all paths before the transformer reads for hours.
        require_free(output_path, overwrite=force)
        has_text = teacher is not None
        has_teachers_options = limit or any(
            option is not None for option in (dim, layer, words, min_count, matmul_precision)
        )
        if (
            has_text != (input_source is not None)
            or not (has_text or table)
            or ((truncate or prune) and not table)
            or (has_teachers_options and not has_text)
        ):
            raise ValueError(
                "[D298] `distill-vectors` takes a teacher and a text, or a --table, or all three. "
                "--truncate and --prune are for a --table; --dim, --layer, --words, --min-count, "
                "--matmul-precision and --limit are for a teacher. Give what is missing."
            )
        documents, of_teacher = None, {}
        if input_source is not None:
            documents = Input(input_source, text_field=text_field, split=split, quoting=quoting)
            of_teacher = {
                "dim": dim,
                "layer": layer,
                "limit": limit,
                "min_count": min_count or 1,
                "batch_size": batch_size,
                "use_gpu": use_gpu,
                "matmul_precision": matmul_precision,
            }
        nlp = make_vectors(
            table or (),
            teacher,
            documents,
            truncate=truncate,
            prune_to=prune,
            more_words=() if words is None else list(read_words(words)),
            lang=lang,
            **of_teacher,
        )
        save_pipeline(nlp, output_path)
    rows, width = nlp.vocab.vectors.shape
    n_words = nlp.vocab.vectors.n_keys
    msg.good(f"Wrote {rows:,} vectors of {width} dimensions for {n_words:,} words to {output_path}")
