"""Annotation of documents by a teacher: input documents in, soft documents out."""

import random
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import to_numpy

from ..chain import BiluoTags, LinearChain
from ..corpora.inputs import InputDocument
from ..corpora.soft_shards import LONGEST_DOCUMENT, SoftDocument
from ..corpora.soft_targets import SoftTargets, pack_marginals
from ..encoders.feature_cache import read_once
from ..jobs.memory_zones import memory_zones, pipelines_with_zones
from ..jobs.plan import Advance, Skipped, require_few_failures
from ..teachers import Teacher
from ..teachers.pipeline_teacher import pipelines_of
from ..teachers.predictions import name_of, predict_each
from ..teachers.protocol import count_misfits


class Annotated(NamedTuple):
    """Documents with a teacher's predictions.

    documents (List[SoftDocument]): The documents with soft targets.
    entities (int): The number of their entities.
    misfits (int): The number of the teacher's entities that do not align with the tokens.
    skipped (List[Skipped]): The documents that the teacher failed on, in the order of the input.
    """

    documents: List[SoftDocument]
    entities: int
    misfits: int
    skipped: List[Skipped]


class Annotator:
    """Annotates documents with a teacher's predictions, batch by batch."""

    def __init__(
        self, teacher: Teacher, *, lang: Optional[str] = None, top_k: int, batch_size: int
    ) -> None:
        """Create the annotator.

        teacher (Teacher): The teacher.
        lang (Optional[str]): Language of the tokenizer for text; None for the tokenizer of the
            teacher's first pipeline.
        top_k (int): Number of tags to keep for each token.
        batch_size (int): Number of documents in a batch of the teacher.
        RAISES (ValueError): The teacher has no tokenizer, and `lang` is None.
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
        every = [self._nlp, *pipelines]
        self._zone_pipelines = pipelines_with_zones(every)
        self.has_zones = len(self._zone_pipelines) == len({id(nlp.vocab) for nlp in every})

    def annotate(
        self,
        documents: Sequence[InputDocument],
        advance: Advance = lambda n_documents, n_words: None,
        max_errors: int = 0,
    ) -> Annotated:
        """Annotate documents.

        documents (Sequence[InputDocument]): The documents. Probabilities can depend on them by
            rounding, as documents of about the same length form a batch.
        advance (Advance): Called after each batch.
        max_errors (int): Maximum number of documents to leave out because the teacher fails.
        RETURNS (Annotated): The documents in their order, with soft targets.
        RAISES (ValueError): The teacher failed on more than `max_errors` documents.
        """
        with memory_zones(self._zone_pipelines):
            return self._annotate(documents, advance, max_errors)

    def _annotate(
        self, documents: Sequence[InputDocument], advance: Advance, max_errors: int
    ) -> Annotated:
        docs = [self._make_doc(document) for document in documents]
        targets: List[Optional[SoftTargets]] = [None] * len(docs)
        misfits = count_misfits([self.teacher])
        skipped: Dict[int, Skipped] = {}
        entities = 0
        for i, doc in enumerate(docs):
            if len(doc) > LONGEST_DOCUMENT:  # readers of soft corpora refuse it
                reason = f"it has {len(doc):,} tokens, more than {LONGEST_DOCUMENT:,}"
                skipped[i] = Skipped(documents[i].id, name_of(self.teacher), reason)
                require_few_failures("teacher", list(skipped.values()), max_errors)
                advance(1, len(doc))
        numbers = sorted(set(range(len(docs))) - set(skipped), key=lambda i: len(docs[i]))
        batches = list(minibatch(numbers, self.batch_size))
        # With short documents first, the progress bar would promise too early an end.
        random.Random(0).shuffle(batches)
        for batch in batches:
            with read_once():
                predictions = predict_each(self.teacher, [docs[i] for i in batch])
            for number, teacher, reason in predictions.failures:
                i = batch[number]
                skipped[i] = Skipped(documents[i].id, teacher, reason)
                require_few_failures("teacher", list(skipped.values()), max_errors)
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


def _tokens(doc: Doc) -> Tuple[List[str], Optional[List[bool]]]:
    words = [token.text for token in doc]
    spaces = doc.to_array("SPACY").astype(bool).tolist()
    return words, None if doc.has_unknown_spaces else spaces
