"""A teacher that runs a Hugging Face token classification model."""

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

IMPOSSIBLE = numpy.float32(-numpy.inf)


class TokenClassificationTeacher:
    """Runs a transformer for token classification on the text of documents.

    The scores of a token are those of the first wordpiece that overlaps it, since models are
    trained on first wordpieces. Tokens with the same first wordpiece form one unit: all are
    outside, or all are in one entity. Tokens without a wordpiece, such as most white space, are
    outside, or inside an entity that continues after them. With the scheme "io", they are outside.

    A token may contain several words for the model ("U.S.", "Oslo/Berlin"), and the model was
    trained on the first one. The scores at the other words are used only if an entity certainly
    begins there (`with_inner_entities`). Such an entity does not align with tokens, so the tokens
    that it overlaps are unknown.

    Texts that are longer than the model's maximum length are read in windows (`Encoder`).
    """

    def __init__(self, name: Union[str, Path], *, scheme: Optional[str] = None) -> None:
        """Load a model and its tokenizer.

        name (Union[str, Path]): A folder, or `hf:OWNER/NAME` for a model on the Hugging Face hub.
        scheme (Optional[str]): The scheme of the model's labels: "iobes", "iob2", "ioe2", "io" or
            "types"; detected from the labels if None. Models that use B only between two entities
            of one type (IOB1) need "io".
        RAISES (ImportError): The train extra is not installed.
        RAISES (ValueError): There is no such model, it cannot classify tokens, its tokenizer gives
            no offsets, or its labels cannot be parsed.
        """
        self.name = str(name)
        model, tokenizer = load_transformer(name, "AutoModelForTokenClassification")
        self.encoder = Encoder(model, tokenizer, name=self.name, window=None)
        classes = [str(name) for _, name in sorted(model.config.id2label.items())]
        try:
            self.scheme: LabelScheme = read_scheme(classes, scheme)
        except ValueError as error:
            raise ValueError(f"[D230] The model '{name}' cannot teach. {error}") from error
        # The number of entities that begin or end inside a token, in all documents so far.
        self.n_misfits = 0

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return self.scheme.labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Predict the distribution over tag sequences of documents.

        docs (Sequence[Doc]): Documents of any vocabulary, which are not changed.
        RETURNS (LinearChain): One sequence per document, over the tags of `labels`, float32, on the
            device of thinc's current ops. Entities cannot start or end with white space. Tokens of
            entities that do not align with the documents' tokens are unknown.
        RAISES (DocumentsError): The model's scores are NaN or infinite.
        """
        results = self._read(docs)
        reasons = {
            index: "a score of the model is NaN or infinite"
            for index, (scores, _) in enumerate(results)
            # The comparison is False for NaN too.
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
        """Make the chain of the model's scores at the documents' tokens."""
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
        """Return (tokens,) bool: False in entities that do not align with the tokens."""
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
        """Return (tokens, tags): the scores at `pieces`, each token's first wordpiece or -1."""
        emissions = numpy.full((len(pieces), n_tags(len(self.labels))), IMPOSSIBLE, dtype="float32")
        unread = pieces < 0
        emissions[~unread] = self.scheme.emissions(log_probabilities[pieces[~unread]])
        emissions[unread, 0] = 0
        if self.scheme.name != "io":
            # There is exactly one tag for each state (outside, inside), so the marginals of the
            # other tokens do not change.
            emissions[unread, 1 + PREFIXES.index("I") :: len(PREFIXES)] = 0
        share_pieces(emissions, pieces)
        return emissions

    def _read(self, docs: Sequence[Doc]) -> List[Tuple[Floats2d, Offsets]]:
        """Return each document's log-probabilities, (wordpieces, classes), and their offsets."""
        import torch

        model = self.encoder.model.to(get_torch_default_device())

        def run(inputs: Dict[str, Any]) -> Any:
            return model(**inputs).logits.log_softmax(dim=-1)

        with torch.inference_mode():
            scores, offsets = self.encoder.read(docs, run, (model.config.num_labels,))
        ends = numpy.cumsum([len(places) for places in offsets])[:-1]
        return list(zip(numpy.split(scores.cpu().numpy(), ends), offsets, strict=True))


def share_pieces(emissions: Floats2d, pieces: Ints1d) -> None:
    """Make tokens with the same first wordpiece one unit, by changing their emissions.

    The first token of a unit has the scores for beginning an entity, the last token those for
    ending it, and the tokens between are inside. The probability of each label stays the same. The
    probability of each tag also stays the same if B is to U as I is to L, as in the schemes "iob2",
    "ioe2" and "io".

    emissions (Floats2d): (tokens, tags), where each token has the scores of its wordpiece; changed
        in place.
    pieces (Ints1d): (tokens,) the first wordpiece of each token, or -1.
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
        "B": numpy.where(is_first, begins, IMPOSSIBLE),
        "I": numpy.where(is_first, continues, numpy.where(is_last, stays - either, 0)),
        "L": numpy.where(is_last, stops - either, IMPOSSIBLE),
        "U": IMPOSSIBLE,
    }
    for number, prefix in enumerate(PREFIXES):
        emissions[shared, 1 + number :: len(PREFIXES)] = scores[prefix]
    emissions[follows, 0] = 0
