"""Find the entities of input documents with a pipeline."""

from typing import Iterator, List, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import logger

from ..corpora.inputs import InputDocument
from ..encoders.feature_cache import read_once
from ..jobs.plan import Advance, Skipped, require_few_failures
from ..teachers.failures import is_of_documents, reason_of


class Tagger:
    """Reads documents with a pipeline, batch by batch, and leaves out those that it fails on."""

    def __init__(self, nlp: Language, *, batch_size: int, max_errors: int) -> None:
        """Create the tagger.

        nlp (Language): The pipeline.
        batch_size (int): Number of documents in a batch.
        max_errors (int): Maximum number of documents of a shard to leave out.
        """
        self.nlp = nlp
        self.batch_size = batch_size
        self.max_errors = max_errors
        self.name = f"{nlp.meta['lang']}_{nlp.meta['name']}"

    def read(
        self, documents: Sequence[InputDocument], advance: Advance, skipped: List[Skipped]
    ) -> Iterator[Tuple[InputDocument, Doc]]:
        """Read the documents of a shard.

        documents (Sequence[InputDocument]): The documents.
        advance (Advance): Called after each batch.
        skipped (List[Skipped]): Gets the documents that the pipeline fails on.
        YIELDS (Tuple[InputDocument, Doc]): The other documents, with their entities, in order.
        RAISES (ValueError): The pipeline failed on more than `max_errors` documents, or returned
            something else.
        """
        for start in range(0, len(documents), self.batch_size):
            batch = documents[start : start + self.batch_size]
            n_words = 0
            for document, doc in self._read_batch(batch, skipped):
                if not isinstance(doc, Doc):
                    found = type(doc).__name__
                    raise ValueError(
                        f"[D437] The pipeline '{self.name}' returned no document for "
                        f"'{document.id}': found {found}. Let its last component return "
                        "the Doc."
                    )
                n_words += len(doc)
                yield document, doc
            advance(len(batch), n_words)

    def _read_batch(
        self, batch: Sequence[InputDocument], skipped: List[Skipped]
    ) -> List[Tuple[InputDocument, Doc]]:
        """Read a batch. If the pipeline raises an error, halve it until the document is found."""
        try:
            with read_once():
                docs = list(self.nlp.pipe(map(self._as_text, batch), batch_size=len(batch)))
            return list(zip(batch, docs, strict=True))
        except Exception as error:
            # Components raise errors of any type.
            if not is_of_documents(error, len(batch)):
                raise
            if len(batch) == 1:
                # With --verbose, commands show the traceback.
                logger.debug("The pipeline '%s' failed", self.name, exc_info=error)
                skipped.append(Skipped(batch[0].id, self.name, reason_of(error)))
                require_few_failures("pipeline", skipped, self.max_errors)
                return []
        half = (len(batch) + 1) // 2
        return [*self._read_batch(batch[:half], skipped), *self._read_batch(batch[half:], skipped)]

    def _as_text(self, document: InputDocument) -> Union[str, Doc]:
        if document.words is None:
            return document.text
        return Doc(self.nlp.vocab, words=document.words, spaces=document.spaces)
