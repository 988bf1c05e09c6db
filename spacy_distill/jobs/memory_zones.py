"""Memory zones of spaCy, where all components of a pipeline are safe in them."""

from contextlib import ExitStack, contextmanager
from typing import Iterator, List, Sequence

import spacy
from spacy.language import Language
from spacy.util import is_compatible_version

# Packages whose components and tokenizers are safe in memory zones, since they keep no documents.
# Other components may keep some, such as a cache of a language model's responses. They would read
# freed memory after the zone.
ZONE_SAFE_PACKAGES = ("spacy", "spacy_transformers", "spacy_curated_transformers", "spacy_distill")
# In older versions, a label that is new in a memory zone can crash Python (explosion/spaCy#13713).
HAS_SAFE_ZONES = bool(is_compatible_version(spacy.__version__, ">=3.8.3"))


def pipelines_with_zones(pipelines: Sequence[Language]) -> List[Language]:
    """Find one pipeline for each vocabulary that can have a memory zone: all components and
    tokenizers that use it are safe there."""
    if not HAS_SAFE_ZONES:
        return []
    unsafe = set()
    for nlp in pipelines:
        for part in (nlp.tokenizer, *(pipe for _, pipe in nlp.pipeline)):
            module = getattr(part, "__module__", None) or type(part).__module__
            if module.partition(".")[0] not in ZONE_SAFE_PACKAGES:
                unsafe.add(id(nlp.vocab))
    vocabs = {id(nlp.vocab): nlp for nlp in pipelines}
    return [nlp for key, nlp in vocabs.items() if key not in unsafe]


@contextmanager
def memory_zones(pipelines: Sequence[Language]) -> Iterator[None]:
    """Forget the words of documents after a `with` block. Without it, vocabularies would grow with
    the text. Only plain data may leave the block.

    pipelines (Sequence[Language]): The result of `pipelines_with_zones`.
    """
    with ExitStack() as zones:
        for nlp in pipelines:
            # spaCy does not allow nested zones.
            if not nlp.vocab.in_memory_zone:  # type: ignore[attr-defined]
                zones.enter_context(nlp.memory_zone())
        yield
