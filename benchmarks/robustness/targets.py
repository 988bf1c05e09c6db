"""Valid files that a stranger may send, and the functions that read them."""

import bz2
import gzip
import hashlib
import json
import lzma
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy
import spacy
from spacy.tokens import DocBin

from benchmarks.robustness.documents import make_doc
from benchmarks.robustness.students import train_student
from spacy_distill import compact
from spacy_distill.corpora.inputs import Input
from spacy_distill.corpora.labeled import read_examples
from spacy_distill.corpora.soft_corpus import SoftCorpus
from spacy_distill.corpora.soft_shards import Manifest, Shard, SoftDocument, write_shard
from spacy_distill.corpora.soft_targets import pack_marginals
from spacy_distill.loading import load_pipeline
from spacy_distill.tagging.manifest import TagManifest
from spacy_distill.vectors.word_tables import read_word_table

TEXT = "Anna Berg sails to Oslo ."

# What is read: a folder to be changed, and a function that reads it.
Target = Tuple[Path, Callable[[Path], Any]]


def read_student(folder: Path) -> None:
    """Load a student and let it read."""
    nlp = load_pipeline(folder)
    try:
        nlp(TEXT)
    except (ValueError, TypeError, KeyError) as error:
        # A config that was changed may have other components, and spaCy's codes are as good.
        if not str(error).startswith("["):
            raise


def read_component(file: Path) -> None:
    """Load a component out of bytes, and let it read."""
    nlp = spacy.blank("en")
    config = json.loads((file.parent / "config.json").read_text(encoding="utf8"))
    pipe: Any = nlp.add_pipe("ner_student", config=config)
    pipe.from_bytes((file.parent / "bytes").read_bytes(), exclude=["vocab"])
    pipe(nlp.make_doc(TEXT))


def read_soft_corpus(folder: Path) -> None:
    """Read a soft corpus as training does."""
    for example in SoftCorpus(folder, shuffle_buffer=0)(spacy.blank("en")):
        assert len(example.predicted)


def read_with_checksum(folder: Path) -> None:
    """Read a soft corpus whose manifest has the checksum of the changed shard: who writes the shard
    writes the manifest too."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf8"))
    for shard in manifest["shards"]:
        data = (folder / shard["file"]).read_bytes()
        shard["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf8")
    read_soft_corpus(folder)


def read_tag_manifest(folder: Path) -> None:
    """Read a manifest as a run does that continues."""
    manifest = TagManifest.from_disk(folder)
    manifest.identity()
    for shard in manifest.shards:
        assert (folder / shard.file).resolve().parent == folder.resolve()


def read_input(folder: Path) -> None:
    """Read the text of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for document in Input(str(folder)):
            assert document.text


def read_labeled(folder: Path) -> None:
    """Read labeled documents."""
    list(read_examples(folder / "docs.spacy", spacy.blank("en")))


def read_vectors(folder: Path) -> None:
    """Read word vectors of the only file that has them."""
    text = folder / "vectors.txt"
    read_word_table(text if text.exists() else folder)


def make_targets(root: Path) -> Dict[str, Target]:
    """Write valid files of all kinds.

    root (Path): A folder.
    RETURNS (Dict[str, Target]): What is read, by name.
    """
    import pyarrow
    from pyarrow import parquet

    nlp = train_student(width=16, steps=3)
    student: Any = nlp.get_pipe("ner_student")
    nlp.to_disk(root / "student")
    small = compact(nlp, bits=4)
    small.to_disk(root / "compact")
    (root / "component").mkdir()
    pipe: Any = small.get_pipe("ner_student")
    (root / "component" / "bytes").write_bytes(pipe.to_bytes(exclude=["vocab"]))
    model = small.config["components"]["ner_student"]["model"]
    config = json.dumps({"model": model})
    (root / "component" / "config.json").write_text(config, encoding="utf8")
    docs = [doc for doc in (nlp(make_doc(nlp, seed)) for seed in range(60)) if len(doc)][:30]
    soft = root / "soft"
    soft.mkdir()
    shards = []
    for number, part in enumerate((docs[:15], docs[15:])):
        documents = []
        for row, doc in enumerate(part):
            marginals = student.posteriors([doc])[0]
            soft_targets = pack_marginals(marginals, marginals.argmax(axis=1), 8)
            words, spaces = [token.text for token in doc], [bool(t.whitespace_) for t in doc]
            documents.append(SoftDocument(f"{number}-{row}", words, spaces, soft_targets))
        file = f"shard-{number:06d}.parquet"
        sha256 = write_shard(soft / file, documents)
        n_tokens = sum(len(document.words) for document in documents)
        shards.append(make_entry(Shard, file, len(documents), n_tokens, sha256))
    origin = {"source": "x", "text_field": "text", "files": {"x": "0"}}
    manifest = Manifest(
        labels=list(student.labels),
        settings={"versions": {}},
        input=origin,
        complete=True,
        shards=shards,
        teacher={"teachers": [{"name": "t", "version": "", "hash": "0"}]},
    )
    manifest.to_disk(soft)
    (root / "tags").mkdir()
    TagManifest(
        labels=["PER"],
        settings={"versions": {}},
        input=origin,
        shards=[
            make_entry(TagManifest.ENTRY, f"shard-{number:06d}.jsonl", 3, 30, "0" * 64)
            for number in range(3)
        ],
        pipeline={"name": "en_small", "version": "", "hash": "0"},
    ).to_disk(root / "tags")
    texts = [doc.text.replace("\r", " ").replace("\n", " ") for doc in docs]
    contents = {
        "docs.spacy": DocBin(docs=docs, store_user_data=True).to_bytes(),
        "lines.jsonl": "\n".join(json.dumps({"text": text}) for text in texts).encode(),
        "lines.txt": "\n".join(texts).encode(),
        "table.csv": b"id,text\n"
        + b"".join(b'%d,"%s"\n' % (n, t.replace('"', "'").encode()) for n, t in enumerate(texts)),
        "table.tsv": b"id\ttext\n"
        + b"".join(b"%d\t%s\n" % (n, t.replace("\t", " ").encode()) for n, t in enumerate(texts)),
    }
    rows = pyarrow.table(
        {
            "id": list(range(len(texts))),
            "text": texts,
            "words": [[t.text for t in doc] for doc in docs],
        }
    )
    parquet.write_table(rows, root / "rows", compression="snappy")
    contents["rows.parquet"] = (root / "rows").read_bytes()
    contents["lines.txt.gz"] = gzip.compress(contents["lines.txt"])
    contents["docs.spacy.bz2"] = bz2.compress(contents["docs.spacy"])
    contents["rows.parquet.xz"] = lzma.compress(contents["rows.parquet"])
    zstd = pyarrow.CompressedOutputStream(str(root / "zstd"), "zstd")
    zstd.write(contents["lines.jsonl"])
    zstd.close()
    contents["lines.jsonl.zst"] = (root / "zstd").read_bytes()
    targets: Dict[str, Target] = {
        "student": (root / "student", read_student),
        "compact student": (root / "compact", read_student),
        "component": (root / "component", read_component),
        "soft corpus": (soft, read_soft_corpus),
        "soft corpus with right checksums": (soft, read_with_checksum),
        "manifest of tags": (root / "tags", read_tag_manifest),
    }
    for name, data in contents.items():
        folder = root / f"input-{name}"
        folder.mkdir()
        (folder / name).write_bytes(data)
        targets[f"input {name}"] = (folder, read_input)
    targets["labeled documents"] = (root / "input-docs.spacy", read_labeled)
    vectors = root / "vectors-text"
    vectors.mkdir()
    lines = [f"w{n} " + " ".join(f"{n / 7 + k:.3f}" for k in range(5)) for n in range(40)]
    (vectors / "vectors.txt").write_text("\n".join(lines), encoding="utf8")
    targets["vectors in text"] = (vectors, read_vectors)
    arrays = root / "vectors-array"
    arrays.mkdir()
    numpy.save(arrays / "vectors.npy", numpy.ones((40, 5), dtype="float32"))
    (arrays / "words.txt").write_text("\n".join(f"w{n}" for n in range(40)), encoding="utf8")
    targets["vectors in an array"] = (arrays, read_vectors)
    return targets


def make_entry(kind: Any, file: str, n_documents: int, n_tokens: int, sha256: str) -> Any:
    """RETURNS (Any): The entry of a shard in a manifest."""
    counts = {"documents": n_documents, "tokens": n_tokens, "entities": 3}
    return kind(file=file, sha256=sha256, input_hash="0" * 64, **counts)
