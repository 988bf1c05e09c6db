"""`python -m spacy distill-annotate`."""

from functools import partial
from pathlib import Path
from typing import Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..corpora.word_list import read_words
from ..teachers.sources import split_sources
from ..training.annotate import annotate
from ..training.annotation_workers import SHARD_SIZE
from .failures import Verbose, explained, on_interrupt
from .teacher_options import TypedOptions, takes_teacher_options


@app.command("distill-annotate")
@takes_teacher_options
def annotate_cli(
    teacher: str = Arg(
        ...,
        help="Teacher: a pipeline or a Hugging Face token classifier (folder or hf:OWNER/NAME); "
        "several, with commas, as an ensemble",
    ),
    source: str = Arg(
        ...,
        metavar="INPUT",
        help="Text: .spacy, .jsonl, .txt, .csv, .tsv or .parquet, also compressed; a folder or a "
        "glob of these; - for standard input; or a data set on the Hugging Face hub: "
        "hf:OWNER/NAME:CONFIGURATION",
    ),
    output: Path = Arg(..., help="Folder to write the soft corpus to"),
    top_k: int = Opt(8, "--top-k", "-k", help="Tags kept of each token"),
    batch_size: int = Opt(
        64, "--batch-size", "-b", help="Documents that the teacher reads at once"
    ),
    n_process: int = Opt(1, "--n-process", "-n", help="Processes that each load the teacher"),
    limit: int = Opt(0, "--limit", "-l", help="Documents to read at the most; 0 is no limit"),
    augment: int = Opt(
        0, "--augment", help="Variants of each document to annotate too, with other names in it"
    ),
    max_errors: int = Opt(
        0,
        "--max-errors",
        help="Documents that may be left out, as the teacher fails on them",
    ),
    words: Optional[Path] = Opt(
        None,
        "--words",
        help="Words for the variants: a file with one a line, or a pipeline with word vectors",
    ),
    text_field: str = Opt("text", "--text-field", help="Column of the text"),
    split: str = Opt("train", "--split", help="Split of a data set on the hub"),
    quoting: Optional[str] = Opt(
        None,
        "--quoting",
        help="Whether fields of tables stand in double quotes: none or double  [default: double "
        "for .csv, none for .tsv]",
    ),
    lang: Optional[str] = Opt(
        None, "--lang", help="Language of the tokenizer; the teacher's own one if left out"
    ),
    shard_size: int = Opt(SHARD_SIZE, "--shard-size", help="Characters of text in a shard"),
    use_gpu: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    code_path: Optional[Path] = Opt(
        None, "--code", "-c", help="Python file with code that the teacher's pipeline needs"
    ),
    overwrite: bool = Opt(
        False, "--overwrite", "-F", help="Replace a soft corpus that is in the output folder"
    ),
    verbose: Verbose = False,
    *,
    teacher_options: TypedOptions,
) -> None:
    """
    Let a teacher read text and write its probabilities to a soft corpus, which students then learn
    from without the teacher. A run that was stopped goes on where it was when it is started again.
    """
    with explained(verbose), on_interrupt(partial(tell_interrupted, output)):
        manifest = annotate(
            split_sources(teacher),
            source,
            output,
            teacher_options=teacher_options(),
            text_field=text_field,
            split=split,
            quoting=quoting,
            lang=lang,
            top_k=top_k,
            batch_size=batch_size,
            n_process=n_process,
            shard_size=shard_size,
            limit=limit,
            augment=augment,
            max_errors=max_errors,
            code=code_path,
            words=() if words is None else list(read_words(words)),
            use_gpu=use_gpu,
            overwrite=overwrite,
        )
    documents, tokens, entities, misfits, skipped = (
        sum(getattr(shard, name) for shard in manifest.shards)
        for name in ("documents", "tokens", "entities", "misfits", "skipped")
    )
    told = [f"{misfits:,} entities did not fit the tokens and are unknown"] if misfits else []
    if skipped:
        told.append(f"{skipped:,} documents were left out, as the teacher failed on them")
    msg.good(
        f"{documents:,} documents, {tokens:,} tokens and {entities:,} entities in {output}",
        "; ".join(told) or None,
    )


def tell_interrupted(output: Path) -> None:
    """Say how an interrupted annotation goes on."""
    msg.warn(
        "[D920] Interrupted",
        f"Run the same command again, without --overwrite, to go on: {output}",
    )
