"""A teacher and a tokenizer: documents in, soft documents out."""

import random
from contextlib import ExitStack
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import is_compatible_version, minibatch
from thinc.api import to_numpy

from ..chain import BiluoTags, LinearChain
from ..corpora.inputs import InputDocument
from ..corpora.soft_shards import SoftDocument
from ..corpora.soft_targets import SoftTargets, pack_marginals
from ..teachers import Teacher
from ..teachers.pipeline_teacher import pipelines_of
from ..teachers.predictions import predict_each
from ..teachers.protocol import count_misfits

# Called with the numbers of documents and of words that were annotated since the last call.
Advance = Callable[[int, int], None]


# Packages whose components and tokenizers keep no documents and no lexemes of these. Others may, as
# one that writes what a language model said to a cache, and would look for them in freed memory.
FORGETFUL = ("spacy", "spacy_transformers", "spacy_curated_transformers", "spacy_distill")
# Before, a label that was new to a memory zone could end the process (explosion/spaCy#13713).
HAS_SAFE_ZONES = bool(is_compatible_version(spacy.__version__, ">=3.8.3"))


class Skipped(NamedTuple):
    """A document that is left out: its id, the teacher that failed on it, and why."""

    id: str
    teacher: str
    reason: str


class Annotated(NamedTuple):
    """Documents with a teacher's predictions.

    documents (List[SoftDocument]): Soft documents.
    entities (int): The number of entities in them.
    misfits (int): The number of the teacher's entities that fit no tokens of theirs.
    skipped (List[Skipped]): The documents that the teacher failed on, in the order of the input.
    """

    documents: List[SoftDocument]
    entities: int
    misfits: int
    skipped: List[Skipped]


class Annotator:
    """Lets a teacher read documents, batch by batch."""

    def __init__(
        self, teacher: Teacher, *, lang: Optional[str] = None, top_k: int, batch_size: int
    ) -> None:
        """Create the annotator.

        teacher (Teacher): The teacher.
        lang (Optional[str]): Language of the tokenizer for documents that are text; by default
            the tokenizer is that of the teacher's first pipeline.
        top_k (int): Tags to keep a token.
        batch_size (int): Documents that the teacher reads at once.
        RAISES (ValueError): The teacher has no tokenizer, and no language is given.
        """
        self.teacher = teacher
        self.top_k = top_k
        self.batch_size = batch_size
        pipelines = [pipeline.nlp for pipeline in pipelines_of(teacher)]
        if lang is None and not pipelines:
            raise ValueError(
                "[D426] The teacher is no spaCy pipeline, so it has no tokenizer of words. Name "
                "the language of the text: --lang en."
            )
        self._nlp: Language = pipelines[0] if lang is None else spacy.blank(lang)
        self._tags = BiluoTags(teacher.labels)
        self._forgetful = _forgetful([self._nlp, *pipelines])

    def annotate(
        self,
        documents: Sequence[InputDocument],
        advance: Advance = lambda n_documents, n_words: None,
        max_errors: int = 0,
    ) -> Annotated:
        """Read documents.

        documents (Sequence[InputDocument]): The documents. The result depends on which are given
            together, as neighbours in length are read in one batch.
        advance (Advance): Called after each batch.
        max_errors (int): How many documents may be left out, as the teacher fails on them.
        RETURNS (Annotated): The same documents in the same order, with targets.
        RAISES (ValueError): The teacher failed on more documents; the message names the last.
        """
        # Vocabularies forget the words afterwards, or they would grow with the text. The result is
        # plain data.
        with ExitStack() as zones:
            for nlp in self._forgetful:
                # Zones within zones are not allowed.
                if not nlp.vocab.in_memory_zone:  # type: ignore[attr-defined]
                    zones.enter_context(nlp.memory_zone())
            return self._annotate(documents, advance, max_errors)

    def _annotate(
        self, documents: Sequence[InputDocument], advance: Advance, max_errors: int
    ) -> Annotated:
        docs = [self._make_doc(document) for document in documents]
        targets: List[Optional[SoftTargets]] = [None] * len(docs)
        misfits = count_misfits([self.teacher])
        skipped: Dict[int, Skipped] = {}
        entities = 0
        batches = list(
            minibatch(sorted(range(len(docs)), key=lambda i: len(docs[i])), self.batch_size)
        )
        # Were the short ones read first, less time would seem to be left than is.
        random.Random(0).shuffle(batches)
        for batch in batches:
            predictions = predict_each(self.teacher, [docs[i] for i in batch])
            for number, teacher, reason in predictions.failures:
                i = batch[number]
                skipped[i] = Skipped(documents[i].id, teacher, reason)
                if len(skipped) > max_errors:
                    raise ValueError(
                        f"[D427] The teacher '{teacher}' failed on the document "
                        f"'{documents[i].id}': {reason.rstrip('.')}. Failed documents: "
                        f"{len(skipped)}, allowed: {max_errors}. Mend the teacher or the "
                        "document, or let more be left out with --max-errors."
                    )
            if predictions.chain is not None:
                left = [batch[number] for number in predictions.kept]
                results, n_entities = self._pack(predictions.chain, [docs[i] for i in left])
                entities += n_entities
                for i, result in zip(left, results, strict=True):
                    targets[i] = result
            advance(len(batch), sum(len(docs[i]) for i in batch))
        soft = [
            SoftDocument(document.id, *_tokens(doc), result)
            for document, doc, result in zip(documents, docs, targets, strict=True)
            if result is not None
        ]
        n_misfits = count_misfits([self.teacher]) - misfits
        return Annotated(soft, entities, n_misfits, [skipped[i] for i in sorted(skipped)])

    def _make_doc(self, document: InputDocument) -> Doc:
        if document.words is None:
            return self._nlp.tokenizer(document.text)
        return Doc(self._nlp.vocab, words=document.words, spaces=document.spaces)

    def _pack(self, chain: LinearChain, docs: Sequence[Doc]) -> Tuple[List[SoftTargets], int]:
        marginals, best = to_numpy(chain.marginals()), to_numpy(chain.argmax())
        packed = pack_marginals(marginals, best, self.top_k, to_numpy(chain.is_known))
        return packed.split([len(doc) for doc in docs]), len(self._tags.spans(best))


def _forgetful(pipelines: Sequence[Language]) -> List[Language]:
    """RETURNS (List[Language]): One pipeline for each vocabulary that may forget words, as no
    component or tokenizer that uses it keeps documents."""
    if not HAS_SAFE_ZONES:
        return []
    keeping = set()
    for nlp in pipelines:
        for part in (nlp.tokenizer, *(pipe for _, pipe in nlp.pipeline)):
            module = getattr(part, "__module__", None) or type(part).__module__
            if module.partition(".")[0] not in FORGETFUL:
                keeping.add(id(nlp.vocab))
    vocabs = {id(nlp.vocab): nlp for nlp in pipelines}
    return [nlp for key, nlp in vocabs.items() if key not in keeping]


def _tokens(doc: Doc) -> Tuple[List[str], Optional[List[bool]]]:
    words = [token.text for token in doc]
    spaces = doc.to_array("SPACY").astype(bool).tolist()
    return words, None if doc.has_unknown_spaces else spaces
