"""`python -m spacy distill-annotate`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..annotation.annotate import annotate
from ..corpora.word_list import read_words
from ..jobs.plan import SHARD_SIZE
from ..teachers.sources import split_sources
from . import options
from .running import running, warn_of_shards
from .teacher_options import TypedOptions, takes_teacher_options


@app.command("distill-annotate")
@takes_teacher_options
def annotate_cli(
    teacher: Annotated[str, Arg(help=options.TEACHER_HELP)],
    source: Annotated[str, Arg(metavar="INPUT", help=options.TEXT_HELP)],
    output_path: options.OutputPath,
    top_k: Annotated[int, Opt(help="Number of tags to keep for each token")] = 8,
    limit: options.Limit = 0,
    augment: Annotated[
        int, Opt(help="Number of variants of each document to add, with other names in them")
    ] = 0,
    words: Annotated[
        Optional[Path],
        Opt(
            help="Names for the variants: a file with one word a line, or a pipeline with word "
            "vectors"
        ),
    ] = None,
    max_errors: options.MaxErrors = 0,
    text_field: options.TextField = "text",
    split: options.Split = "train",
    quoting: options.Quoting = None,
    lang: options.Lang = None,
    batch_size: options.BatchSize = 64,
    n_process: options.NProcess = 1,
    executor: options.Executor = "local",
    address: options.Address = None,
    n_workers: options.Workers = None,
    shard_size: options.ShardSize = SHARD_SIZE,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
    *,
    teacher_options: TypedOptions,
) -> None:
    """
    Write a teacher's predictions for a text to a soft corpus. Students learn from it without the
    teacher. To continue a run that was stopped, run the same command again.
    """
    with running(verbose, on_interrupt=partial(warn_of_shards, output_path)):
        manifest = annotate(
            split_sources(teacher),
            source,
            output_path,
            teacher_options=teacher_options(),
            text_field=text_field,
            split=split,
            quoting=quoting,
            lang=lang,
            top_k=top_k,
            batch_size=batch_size,
            n_process=n_process,
            executor=executor,
            address=address,
            n_workers=n_workers,
            shard_size=shard_size,
            limit=limit,
            augment=augment,
            max_errors=max_errors,
            code=code_path,
            words=() if words is None else list(read_words(words)),
            use_gpu=use_gpu,
            overwrite=force,
        )
    documents, tokens, entities, misfits, skipped = map(
        manifest.total, ("documents", "tokens", "entities", "misfits", "skipped")
    )
    notes = []
    if misfits:
        notes.append(f"{misfits:,} entities did not fit the tokens, which are marked as unknown")
    if skipped:
        notes.append(f"{skipped:,} documents were left out, as the teacher failed on them")
    msg.good(
        f"{documents:,} documents, {tokens:,} tokens and {entities:,} entities in {output_path}",
        "; ".join(notes) or None,
    )
