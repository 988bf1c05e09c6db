"""Files of entities: tables with one row an entity, or spaCy's documents."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type, Union

from spacy.tokens import Doc, DocBin, Span

from ..corpora.inputs import InputDocument
from ..loading import import_library
from ..pipeline.confidences import EVALUATION_ATTR, confidence_of, set_confidence

CONFIDENCE = "confidence"
# The columns of entities, and their types in parquet. Kept columns follow the first one.
TYPES = {
    "id": "string",
    "start_char": "int32",
    "end_char": "int32",
    "label": "string",
    "text": "string",
    CONFIDENCE: "float32",
}
# What a `.spacy` file has of tokens, apart from their text.
ATTRIBUTES = ("ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID")


def columns_to_keep(keep: Sequence[str]) -> Tuple[str, ...]:
    """Check the columns of the input that a file repeats, and leave out the id.

    keep (Sequence[str]): The names of the columns.
    RETURNS (Tuple[str, ...]): The names without the id.
    RAISES (ValueError): A column has the name of another one of the file.
    """
    kept = tuple(dict.fromkeys(column for column in keep if column != "id"))
    taken = [column for column in kept if column in TYPES]
    if taken:
        raise ValueError(
            f"[D434] The column '{taken[0]}' of the input cannot be kept: the result has a column "
            "of that name. Rename it in the input, or leave it out of --keep."
        )
    return kept


class ParquetFile:
    """A table in parquet. Its columns and their types do not depend on the entities, so that all
    shards have the same ones."""

    extension = ".parquet"

    def __init__(self, kept: Sequence[str], confidence: bool) -> None:
        """Create an empty table.

        kept (Sequence[str]): The names of the kept columns.
        confidence (bool): Whether to add a column of confidences.
        """
        first, *rest = TYPES
        names = [first, *kept, *(name for name in rest if confidence or name != CONFIDENCE)]
        self._columns: Dict[str, List[Any]] = {name: [] for name in names}
        self._kept = [self._columns[name] for name in kept]

    def add(self, document: InputDocument, doc: Doc) -> None:
        """Add a row for each entity of a document.

        document (InputDocument): The document of the input, for its id and kept columns.
        doc (Doc): The document with entities.
        """
        entities = doc.ents
        n_entities = len(entities)
        columns = self._columns
        columns["id"] += [document.id] * n_entities
        for column, value in zip(self._kept, document.kept, strict=True):
            column += [value] * n_entities
        columns["start_char"] += [entity.start_char for entity in entities]
        columns["end_char"] += [entity.end_char for entity in entities]
        columns["label"] += [entity.label_ for entity in entities]
        columns["text"] += [entity.text for entity in entities]
        if CONFIDENCE in columns:
            columns[CONFIDENCE] += map(_confidence, entities)

    def table(self) -> Any:
        """RETURNS (Any): The table of pyarrow."""
        pyarrow = import_library("pyarrow", "tag")
        types = {name: pyarrow.type_for_alias(TYPES.get(name, "string")) for name in self._columns}
        return pyarrow.table(
            {name: pyarrow.array(values, types[name]) for name, values in self._columns.items()}
        )

    def write(self, path: Path) -> None:
        """Write the table."""
        import_library("pyarrow.parquet", "tag").write_table(self.table(), path, compression="zstd")


class JsonLinesFile(ParquetFile):
    """The same table with a JSON object for each row."""

    extension = ".jsonl"

    def write(self, path: Path) -> None:
        """Write the table."""
        with path.open("w", encoding="utf8", newline="\n") as file:
            for values in zip(*self._columns.values(), strict=True):
                row = dict(zip(self._columns, values, strict=True))
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


class DocumentFile:
    """Documents in spaCy's binary format, also those without entities."""

    extension = ".spacy"

    def __init__(self, kept: Sequence[str], confidence: bool) -> None:
        """Create an empty file.

        kept (Sequence[str]): The names of the kept columns.
        confidence (bool): Whether entities get `ent._.confidence`.
        """
        self._kept = kept
        self._confidence = confidence
        self._docs = DocBin(attrs=ATTRIBUTES, store_user_data=True)

    def add(self, document: InputDocument, doc: Doc) -> None:
        """Add a document. Its `user_data` is replaced by the id and the kept columns.

        document (InputDocument): The document of the input.
        doc (Doc): The document with entities.
        """
        confidences = [_confidence(entity) for entity in doc.ents] if self._confidence else []
        kept = zip(self._kept, document.kept, strict=True)
        # Components may have written data that cannot be saved.
        doc.user_data = {"id": document.id, **dict(kept)}
        for entity, confidence in zip(doc.ents, confidences, strict=False):
            if confidence is not None:
                set_confidence(entity, confidence)
        self._docs.add(doc)

    def write(self, path: Path) -> None:
        """Write the documents."""
        self._docs.to_disk(path)


ShardFile = Union[ParquetFile, DocumentFile]
# Files by the names of their formats.
FORMATS: Dict[str, Type[ShardFile]] = {
    "parquet": ParquetFile,
    "jsonl": JsonLinesFile,
    "spacy": DocumentFile,
}


def _confidence(entity: Span) -> Optional[float]:
    confidence = confidence_of(entity, EVALUATION_ATTR)
    return None if confidence is None else round(confidence, 6)
