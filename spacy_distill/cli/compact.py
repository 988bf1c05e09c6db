"""`python -m spacy distill-compact`."""

from pathlib import Path
from typing import Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..loading import load_pipeline
from ..models.vector_table import NUMBERS
from ..saving import save_pipeline
from ..training.compact import compact
from .failures import Verbose, explained
from .output import require_free


@app.command("distill-compact")
def distill_compact_cli(
    student: str = Arg(..., help="Trained pipeline with a ner_student: package or folder"),
    output_path: Path = Arg(..., metavar="OUTPUT", help="Folder to write the smaller pipeline to"),
    rows: Optional[int] = Opt(
        None,
        "--rows",
        "-r",
        min=1,
        help="Most word vectors to keep, the first ones; the words of the others get the most "
        "similar one's  [default: all]",
    ),
    numbers: str = Opt(
        "int8", "--numbers", "-n", help=f"What a vector's numbers are: {', '.join(NUMBERS)}"
    ),
    overwrite: bool = Opt(
        False, "--overwrite", "-F", help="Replace a pipeline that is in the output folder"
    ),
    verbose: Verbose = False,
) -> None:
    """
    Make a trained student small: on disk, in memory, and quick to load. Its word vectors are stored
    in fewer bits and without the words' strings, in the component that uses them.
    """
    with explained(verbose):
        require_free(output_path, overwrite=overwrite)
        nlp = load_pipeline(student)
        small = compact(nlp, rows=rows, numbers=numbers)
        save_pipeline(small, output_path)
    size = sum(file.stat().st_size for file in output_path.rglob("*") if file.is_file()) / 1e6
    msg.good(f"Wrote {size:.1f} MB with {nlp.vocab.vectors.n_keys:,} words to {output_path}")
    if small.vocab.vectors.n_keys:
        msg.warn("[D912] The vocabulary was kept", "Other trained components may need its vectors")
