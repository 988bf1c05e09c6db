"""Make static word vectors from a teacher's transformer."""

from itertools import islice
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.types import Floats1d, Floats2d

from ..corpora.input_documents import InputDocument
from ..encoders.encoder import BATCH_SIZE
from ..encoders.matmul_precision import in_precision, require_precision
from .blending import blend, contextual_from_isolated
from .reduction import reduce_dimensions
from .word_encoder import WordEncoder, load_word_encoder
from .word_means import WordMeans
from .word_tables import vectors_pipeline

# The weight of the vector that is predicted from the word alone, as a number of contexts.
PRIOR = 1.0
# The number of dimensions, if the transformer and the text allow as many.
DIM = 100
# The weight, in the reduction, of words that are not in the text. n occurrences add log(1 + n).
UNSEEN_WEIGHT = 0.1


def distill_vectors(
    teacher: Union[str, Language],
    documents: Iterable[InputDocument],
    *,
    dim: Optional[int] = None,
    layer: Optional[int] = None,
    more_words: Iterable[str] = (),
    limit: int = 0,
    min_count: int = 1,
    batch_size: int = BATCH_SIZE,
    use_gpu: int = -1,
    matmul_precision: Optional[str] = None,
    lang: Optional[str] = None,
) -> Language:
    """Make static word vectors from the contextual vectors of a transformer.

    A word's vector is the mean of its hidden states over the text (Bommasani, Davis, Cardie 2020,
    "Interpreting Pretrained Contextualized Representations via Reductions to Static Embeddings";
    Gupta, Jaggi 2021, "Obtaining Better Static Word Embeddings Using Contextual Embedding Models").
    This mean is averaged with a vector that is predicted from the word without context, centred,
    and projected on the principal components. Keys are lower-cased if the tokenizer is uncased.

    teacher (Union[str, Language]): A spaCy pipeline with a transformer, or a Hugging Face model.
    documents (Iterable[InputDocument]): The text, which is read once. The memory needed grows with
        the number of distinct words.
    dim (Optional[int]): The number of dimensions of the vectors. None for 100, or fewer if the
        transformer is narrower or there are fewer words.
    layer (Optional[int]): The layer of the hidden states, as in `load_word_encoder`.
    more_words (Iterable[str]): Words that get a vector even if they are not in the text.
    limit (int): The maximum number of documents to read; 0 means no limit.
    min_count (int): Skip words that occur less often in the text.
    batch_size (int): The number of wordpieces that the transformer reads at once, with padding.
    use_gpu (int): The GPU id; -1 is the CPU.
    matmul_precision (Optional[str]): The precision of torch's matrix products, as in
        `in_precision`; that of torch's own setting if None.
    lang (Optional[str]): The language of the pipeline; that of the teacher if None.
    RETURNS (Language): A blank pipeline with the vectors, those of frequent words first.
    RAISES (NoTransformerError): The pipeline does not have exactly one transformer.
    RAISES (ValueError): The teacher cannot be used, a setting is wrong, or there are no words.
    RAISES (ImportError): The train extra is not installed.
    """
    require_precision(matmul_precision)
    encoder, teacher_lang = load_word_encoder(
        teacher, layer=layer, batch_size=batch_size, use_gpu=use_gpu
    )
    width = encoder.encoder.width
    if dim is not None and dim > width:
        raise ValueError(
            f"[D620] A transformer of width {width} cannot give vectors with {dim} dimensions. "
            "Choose fewer dimensions (--dim)."
        )
    lang = lang or teacher_lang or "xx"
    docs = make_docs(islice(documents, limit or None), spacy.blank(lang))
    with in_precision(matmul_precision):
        means = contextual_means(encoder, docs)
        words, vectors, weights = word_vectors(encoder, means, more_words, min_count=min_count)
    if not words:
        raise ValueError(
            "[D621] The text has no words. Provide more text, or a list of words (--words)."
        )
    if dim is None:
        dim = min(DIM, *vectors.shape)
    return vectors_pipeline(words, reduce_dimensions(vectors, weights, dim), lang)


def make_docs(documents: Iterable[InputDocument], nlp: Language) -> Iterator[Doc]:
    """YIELDS (Doc): The documents. Those without words are tokenized by the pipeline."""
    for document in documents:
        if document.words is None:
            # `make_doc` would refuse long documents, for the sake of parsers.
            yield nlp.tokenizer(document.text)
        else:
            yield Doc(nlp.vocab, words=document.words, spaces=document.spaces)


def contextual_means(encoder: WordEncoder, docs: Iterable[Doc]) -> WordMeans:
    """Average the vectors of each word over a text.

    encoder (WordEncoder): The transformer.
    docs (Iterable[Doc]): The documents of the text, which are read once.
    RETURNS (WordMeans): The means by word form. For an uncased transformer, forms are lower-cased.
        Forms that the tokenizer drops are skipped. Missing lower-cased forms are added, since a
        student looks up the lower-cased form of words that have no vector.
    """
    means = WordMeans(encoder.encoder.width)
    for words, vectors, known in encoder.pipe(docs, desc="Text"):
        means.add([words[i] for i in numpy.flatnonzero(known)], vectors[known])
    means.add_lower_forms()
    return means


def word_vectors(
    encoder: WordEncoder,
    means: WordMeans,
    more_words: Iterable[str],
    *,
    min_count: int = 1,
    prior: float = PRIOR,
) -> Tuple[List[str], Floats2d, Floats1d]:
    """Make one vector for each word, from its contexts and from its encoding without context.

    encoder (WordEncoder): The transformer.
    means (WordMeans): The words of the text and their means.
    more_words (Iterable[str]): Other words, which may also be in the text.
    min_count (int): Skip words that occur less often, unless they are in `more_words`.
    prior (float): As in `blend`.
    RETURNS (Tuple[List[str], Floats2d, Floats1d]): The words, those of the text first and by
        frequency; their vectors, (words, width) float32; and their weights in the reduction,
        (words,).
    """
    listed = dict.fromkeys(map(encoder.key, more_words))
    means = means.select(lambda word, count: count >= min_count or word in listed)
    words = [*means.words, *(word for word in listed if word not in means.rows)]
    vectors, known = isolated_encodings(encoder, words)
    contexts = means.means
    contextual_from_isolated(vectors, contexts, means.counts)
    blend(vectors, contexts, means.counts, prior)
    weights = numpy.full(len(words), UNSEEN_WEIGHT)
    weights[: len(means.words)] += numpy.log1p(means.counts)
    if not known.all():
        words = [word for word, is_known in zip(words, known, strict=True) if is_known]
        vectors, weights = vectors[known], weights[known]
    return words, vectors, weights


def isolated_encodings(
    encoder: WordEncoder, words: Sequence[str]
) -> Tuple[Floats2d, numpy.ndarray]:
    """Encode words without context.

    encoder (WordEncoder): The transformer.
    words (Sequence[str]): The words.
    RETURNS (Tuple[Floats2d, numpy.ndarray]): The vectors, (words, width) float32, and whether the
        tokenizer keeps each word, (words,) bool.
    """
    vocab = Vocab()
    docs = (Doc(vocab, words=[word], spaces=[False]) for word in words)
    vectors = [numpy.zeros((0, encoder.encoder.width), dtype="float32")]
    known = [numpy.zeros(0, dtype=bool)]
    for _, *encoded in encoder.pipe(docs, desc="Words", total=len(words)):
        vectors.append(encoded[0])
        known.append(encoded[1])
    return numpy.concatenate(vectors), numpy.concatenate(known)
