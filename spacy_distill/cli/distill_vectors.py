"""`python -m spacy distill-vectors`."""

from pathlib import Path
from typing import Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..corpora.inputs import Input
from ..corpora.word_list import read_words
from ..encoders.encoder import BATCH_SIZE
from ..vectors.distill_vectors import distill_vectors
from ..vectors.table import require_replaceable, write_pipeline
from .failures import Verbose, explained, on_interrupt


@app.command("distill-vectors")
def distill_vectors_cli(
    teacher: str = Arg(
        ...,
        help="Teacher: a pipeline with a transformer (package or folder), or a Hugging Face model "
        "(folder or hf:OWNER/NAME)",
    ),
    input_source: str = Arg(
        ...,
        metavar="INPUT",
        help="Text: a file, a folder, a glob, - or a data set on the Hugging Face hub: "
        "hf:OWNER/NAME:CONFIGURATION",
    ),
    output_path: Path = Arg(
        ..., metavar="OUTPUT", help="Folder to write a blank pipeline with the vectors to"
    ),
    dim: int = Opt(100, "--dim", "-d", min=1, help="Dimensions of the vectors"),
    layer: Optional[int] = Opt(
        None,
        "--layer",
        help="Layer whose hidden states are used: 0 are the embeddings, -1 is the last layer  "
        "[default: the middle one]",
    ),
    words: Optional[Path] = Opt(
        None,
        "--words",
        "-w",
        help="Words that get a vector though the text may not have them: a file with one a line, "
        "or a pipeline with word vectors, of which only the words are used",
    ),
    min_count: int = Opt(
        1, "--min-count", min=1, help="Leave out words that the text has less often"
    ),
    limit: int = Opt(0, "--limit", "-l", min=0, help="Documents to read, 0 for all"),
    text_field: str = Opt("text", "--text-field", help="Field of the text in tables and JSON"),
    split: str = Opt("train", "--split", help="Split of a data set on the hub"),
    quoting: Optional[str] = Opt(
        None,
        "--quoting",
        help="Whether fields of tables stand in double quotes: none or double  [default: double "
        "for .csv, none for .tsv]",
    ),
    batch_size: int = Opt(
        BATCH_SIZE,
        "--batch-size",
        "-b",
        min=1,
        help="Wordpieces that are read at once",
    ),
    lang: Optional[str] = Opt(
        None, "--lang", help="Language of the pipeline  [default: the teacher's, or xx]"
    ),
    use_gpu: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    verbose: Verbose = False,
) -> None:
    """
    Make static word vectors out of a teacher's transformer. Each word's vector is the average of
    its contextual ones over a text, reduced to a few dimensions. The result is for the `vectors`
    setting of a student's config, e.g. --paths.vectors OUTPUT.
    """
    with explained(verbose), on_interrupt(tell_interrupted):
        # What can be wrong with the paths is said before hours of work.
        require_replaceable(output_path)
        documents = Input(input_source, text_field=text_field, split=split, quoting=quoting)
        more_words = [] if words is None else list(read_words(words))
        nlp = distill_vectors(
            teacher,
            documents,
            dim=dim,
            layer=layer,
            more_words=more_words,
            limit=limit,
            min_count=min_count,
            batch_size=batch_size,
            use_gpu=use_gpu,
            lang=lang,
        )
        write_pipeline(nlp, output_path)
    rows, width = nlp.vocab.vectors.shape
    msg.good(f"Wrote {rows:,} vectors of {width} dimensions to {output_path}")


def tell_interrupted() -> None:
    """Say what is left of the work."""
    msg.warn("[D923] Interrupted", "Nothing was written")
