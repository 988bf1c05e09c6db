"""spaCy's own `ner` on the labeled documents of the project:

python -m benchmarks.spacy_ner training/ner
"""

from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli.init_config import init_config
from spacy.cli.train import train

from benchmarks.commands import ROOT
from benchmarks.low_resource.scores import read_docs
from benchmarks.low_resource.systems import as_written


def main(
    output: Annotated[Path, typer.Argument(help="Folder to write to")],
    corpus: Annotated[Path, typer.Option(help="Folder of the documents")] = ROOT / "corpus",
    vectors: Annotated[Path, typer.Option(help="Pipeline with word vectors")] = (
        ROOT / "assets" / "vectors"
    ),
) -> None:
    """Train the pipeline of `spacy init config --optimize efficiency`, with word vectors."""
    docs = [doc for path in corpus.glob("*.spacy") for doc in read_docs(path)]
    output.mkdir(parents=True, exist_ok=True)
    as_written(spacy.load(vectors), docs).to_disk(output / "vectors")
    config = init_config(lang="en", pipeline=["ner"], optimize="efficiency")
    config.to_disk(output / "config.cfg", interpolate=False)
    overrides = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "paths.vectors": str(output / "vectors"),
        "components.tok2vec.model.embed.include_static_vectors": True,
    }
    train(output / "config.cfg", output, overrides=overrides)


if __name__ == "__main__":
    typer.run(main)
