"""A Hugging Face token classification model as a teacher, without a pipeline around it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops, get_torch_default_device
from thinc.types import Floats2d, Ints1d

from ..chain import BiluoTags, LinearChain, n_tags
from ..chain.biluo import PREFIXES
from ..encoders.alignment import token_pieces
from ..encoders.encoder import Encoder, Offsets
from ..encoders.loading import load_transformer
from .failures import documents_error
from .inner_words import with_inner_entities
from .label_schemes import LabelScheme, read_scheme
from .tokens import align, carry_over

NEVER = numpy.float32(-numpy.inf)


class TokenClassificationTeacher:
    """Reads documents' texts with a transformer that was trained to classify tokens.

    A token's scores are those of the first wordpiece that overlaps it, on which such models are
    trained. Tokens that share their first wordpiece stand for it together: they are outside, or
    inside of the same entity. Tokens without a wordpiece, such as most white space, are outside, or
    inside of an entity that continues behind them. By the scheme "io", they are outside.

    A token may be several words to the model ("U.S.", "Oslo/Berlin"), of which it was trained on
    the first. Its scores at the other words count only where it is sure that an entity begins at
    one (`with_inner_entities`). Such an entity fits no tokens, so the tokens that it touches are
    unknown.

    Texts that are longer than what the model reads at once are read in windows (`Encoder`).
    """

    def __init__(self, name: Union[str, Path], *, scheme: Optional[str] = None) -> None:
        """Load a model and its tokenizer.

        name (Union[str, Path]): A folder, or `hf:OWNER/NAME` of the Hugging Face hub.
        scheme (Optional[str]): What the model's labels mean: "iobes", "iob2", "ioe2", "io" or
            "types"; found by the labels if None. Models whose B- stands only between two entities
            of one type (IOB1) need "io".
        RAISES (ImportError): The train extra is not installed.
        RAISES (ValueError): There is no such model, it cannot classify tokens, its tokenizer has no
            offsets, or its labels have no meaning.
        """
        self.name = str(name)
        model, tokenizer = load_transformer(name, "AutoModelForTokenClassification")
        self.encoder = Encoder(model, tokenizer, name=self.name, window=None)
        classes = [str(name) for _, name in sorted(model.config.id2label.items())]
        try:
            self.scheme: LabelScheme = read_scheme(classes, scheme)
        except ValueError as error:
            raise ValueError(f"[D230] The model '{name}' cannot teach. {error}") from error
        # Entities that begin or end inside of a token, in all documents so far.
        self.n_misfits = 0

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return self.scheme.labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Read documents and predict the distribution over tag sequences.

        docs (Sequence[Doc]): Documents of any vocabulary, left as they are.
        RETURNS (LinearChain): One sequence a document, over the tags of `labels`, float32, on the
            device of thinc's current ops. Entities do not start or end with white space. Tokens of
            entities that do not fit the documents' tokens are not `known`.
        RAISES (DocumentsError): The model's scores are NaN or infinite.
        """
        results = self._read(docs)
        reasons = {
            index: "a score of the model is NaN or infinite"
            for index, (scores, _) in enumerate(results)
            # False for NaN as well.
            if not (scores < numpy.inf).all()
        }
        if reasons:
            raise documents_error(self.name, docs, reasons)
        chain = self._chain(docs, results)
        known = numpy.concatenate(
            [self._known(doc, *result) for doc, result in zip(docs, results, strict=True)]
        )
        return chain if known.all() else replace(chain, known=get_current_ops().xp.asarray(known))

    def _chain(
        self, docs: Sequence[Doc], results: Sequence[Tuple[Floats2d, Offsets]]
    ) -> LinearChain:
        """RETURNS (LinearChain): One sequence a document, of the model's scores at its tokens."""
        xp = get_current_ops().xp
        tags = BiluoTags(self.labels)
        emissions = [numpy.zeros((0, len(tags)), dtype="float32")]
        for doc, (log_probabilities, offsets) in zip(docs, results, strict=True):
            pieces, _ = token_pieces(doc, offsets)
            emissions.append(self._emissions(log_probabilities, pieces))
        start, transitions, end = map(xp.asarray, self.scheme.constraints())
        chain = LinearChain(
            xp.asarray(numpy.concatenate(emissions)),
            numpy.asarray([len(doc) for doc in docs], dtype="int64"),
            transitions,
            start,
            end,
        )
        spaces = numpy.concatenate([doc.to_array("IS_SPACE") for doc in docs]).astype(bool)
        return chain.restricted(tags.without_edges(spaces)) if spaces.any() else chain

    def _known(self, doc: Doc, log_probabilities: Floats2d, offsets: Offsets) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): (tokens,) bool, False in entities that do not fit the tokens."""
        units = with_inner_entities(doc, offsets, log_probabilities, self.scheme)
        if units is not None:
            chain = self._chain([units], [(log_probabilities, offsets)])
            lengths = numpy.asarray([len(doc)], dtype="int64")
            chain, n_misfits = carry_over(chain, self.labels, align([units], [doc]), lengths)
            self.n_misfits += n_misfits
            if chain.known is not None:
                return get_current_ops().to_numpy(chain.known)
        return numpy.ones(len(doc), dtype=bool)

    def _emissions(self, log_probabilities: Floats2d, pieces: Ints1d) -> Floats2d:
        """Score the tags of a document's tokens, (tokens, tags) float32, by each token's first
        wordpiece, (tokens,), or -1."""
        emissions = numpy.full((len(pieces), n_tags(len(self.labels))), NEVER, dtype="float32")
        unread = pieces < 0
        emissions[~unread] = self.scheme.emissions(log_probabilities[pieces[~unread]])
        emissions[unread, 0] = 0
        if self.scheme.name != "io":
            # One path for each state of the neighbours, which keeps the other tokens' marginals.
            emissions[unread, 1 + PREFIXES.index("I") :: len(PREFIXES)] = 0
        share_pieces(emissions, pieces)
        return emissions

    def _read(self, docs: Sequence[Doc]) -> List[Tuple[Floats2d, Offsets]]:
        """RETURNS (List[Tuple[Floats2d, Offsets]]): For each document, its wordpieces'
        log-probabilities (wordpieces, classes), float32, and places in the text."""
        import torch

        model = self.encoder.model.to(get_torch_default_device())

        def run(inputs: Dict[str, Any]) -> Any:
            return model(**inputs).logits.log_softmax(dim=-1)

        with torch.inference_mode():
            scores, offsets = self.encoder.read(docs, run, (model.config.num_labels,))
        ends = numpy.cumsum([len(places) for places in offsets])[:-1]
        return list(zip(numpy.split(scores.cpu().numpy(), ends), offsets, strict=True))


def share_pieces(emissions: Floats2d, pieces: Ints1d) -> None:
    """Score tokens that have the same first wordpiece as one unit.

    The first of them decides whether the wordpiece begins an entity, the last one whether it ends
    one, and those between follow. The probability of each label remains. That of each tag remains
    where B is to U as I is to L, as in the schemes "iob2", "ioe2" and "io".

    emissions (Floats2d): (tokens, tags) each wordpiece's scores at all of its tokens; changed.
    pieces (Ints1d): (tokens,) each token's first wordpiece, or -1.
    """
    same = (pieces[1:] == pieces[:-1]) & (pieces[1:] >= 0)
    if not same.any():
        return
    goes_on, follows = numpy.append(same, False), numpy.append(False, same)
    shared = numpy.flatnonzero(goes_on | follows)
    is_first, is_last = ~follows[shared, None], ~goes_on[shared, None]
    begin, inside, last, unit = (emissions[shared, 1 + n :: len(PREFIXES)] for n in range(4))
    begins, continues = numpy.logaddexp(begin, unit), numpy.logaddexp(inside, last)
    stays, stops = numpy.logaddexp(begin, inside), numpy.logaddexp(last, unit)
    either = numpy.logaddexp(stays, stops)
    scores = {
        "B": numpy.where(is_first, begins, NEVER),
        "I": numpy.where(is_first, continues, numpy.where(is_last, stays - either, 0)),
        "L": numpy.where(is_last, stops - either, NEVER),
        "U": NEVER,
    }
    for number, prefix in enumerate(PREFIXES):
        emissions[shared, 1 + number :: len(PREFIXES)] = scores[prefix]
    emissions[follows, 0] = 0
