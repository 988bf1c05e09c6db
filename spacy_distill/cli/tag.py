"""`python -m spacy distill-tag`."""

from functools import partial
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt, app
from wasabi import msg

from ..jobs.plan import SHARD_SIZE
from ..tagging.tag import tag
from . import options
from .running import running, warn_of_shards


@app.command("distill-tag")
def tag_cli(
    model: Annotated[str, Arg(help="Pipeline that finds entities: package or folder")],
    source: Annotated[str, Arg(metavar="INPUT", help=options.TEXT_HELP)],
    output_path: Annotated[
        str,
        Arg(
            metavar="OUTPUT",
            help="Folder to write the entities to: a path, or a URL such as s3://",
        ),
    ],
    keep: Annotated[
        str, Opt(help="Columns of the input to repeat with each entity, as text: date,source")
    ] = "",
    file_format: Annotated[
        str, Opt("--format", help="A table of entities (parquet, jsonl) or documents (spacy)")
    ] = "parquet",
    confidence: Annotated[
        bool, Opt("--confidence", help="Add the confidence of each entity, which students compute")
    ] = False,
    min_confidence: Annotated[
        Optional[float],
        Opt(
            "--min-confidence",
            min=0,
            max=1,
            help="Leave out entities with a lower confidence; those of other components stay  "
            "[default: the student's setting]",
        ),
    ] = None,
    limit: options.Limit = 0,
    max_errors: options.MaxErrors = 0,
    text_field: options.TextField = "text",
    split: options.Split = "train",
    quoting: options.Quoting = None,
    batch_size: Annotated[
        Optional[int],
        Opt(
            "--batch-size",
            "-b",
            min=1,
            help="Number of documents in a batch  [default: the pipeline's]",
        ),
    ] = None,
    n_process: options.NProcess = 1,
    executor: options.Executor = "local",
    address: options.Address = None,
    n_workers: options.Workers = None,
    threads: Annotated[
        Optional[int],
        Opt(
            min=1,
            help="Number of threads of a ner_student or ner_teacher; other components have no such "
            "setting  [default: the component's]",
        ),
    ] = None,
    shard_size: options.ShardSize = SHARD_SIZE,
    code_path: options.CodePath = None,
    use_gpu: options.UseGpu = -1,
    force: options.Force = False,
    verbose: options.Verbose = False,
) -> None:
    """
    Write the entities that a pipeline finds in text to a folder: a table with one row an entity, or
    documents. To continue a run that was stopped, run the same command again.
    """
    with running(verbose, on_interrupt=partial(warn_of_shards, output_path)):
        manifest = tag(
            model,
            source,
            output_path,
            keep=[column.strip() for column in keep.split(",") if column.strip()],
            file_format=file_format,
            confidence=confidence,
            min_confidence=min_confidence,
            text_field=text_field,
            split=split,
            quoting=quoting,
            batch_size=batch_size,
            n_process=n_process,
            executor=executor,
            address=address,
            n_workers=n_workers,
            threads=threads,
            shard_size=shard_size,
            limit=limit,
            max_errors=max_errors,
            code=code_path,
            use_gpu=use_gpu,
            overwrite=force,
        )
    documents, tokens, entities, skipped = map(
        manifest.total, ("documents", "tokens", "entities", "skipped")
    )
    left_out = f"{skipped:,} documents were left out, as the pipeline failed on them"
    msg.good(
        f"{entities:,} entities of {documents:,} documents with {tokens:,} tokens in {output_path}",
        left_out if skipped else None,
    )
