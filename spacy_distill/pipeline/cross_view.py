"""Cross-view training: heads that see a part of a sentence learn the tags of the whole student."""

from contextlib import contextmanager
from functools import partial
from typing import Dict, Iterator, List, Literal, Optional, Sequence, Tuple, get_args

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Linear, Model, Relu, chain, get_array_module, set_dropout_rate
from thinc.types import Floats2d

from ..chain import ChainCounts, LinearChain, n_tags
from ..losses.cross_view import VIEWS, heads_loss
from ..losses.token_distillation import divergence_from_marginals
from ..losses.weights import Weight
from ..models.chain_tagger import is_listening
from ..models.dropout import without_words
from ..models.taps import Tap, find_directions, tapped
from .auxiliary import AuxiliaryLoss, PassLoss

TargetKind = Literal["self", "teacher", "both"]


class CrossView(AuxiliaryLoss):
    """Heads of students and their targets."""

    name = "cross_view"

    def __init__(
        self,
        views: Sequence[str],
        hidden: int,
        targets: TargetKind,
        weight: Weight,
        word_dropout: float,
        labeled_batches: float,
        dropout: Optional[float],
    ) -> None:
        """Create the heads' settings. `CrossViewHeads` documents and checks the arguments."""
        self.views = tuple(views)
        self.hidden = hidden
        self.targets = targets
        self.word_dropout = word_dropout
        self.labeled_batches = labeled_batches
        self.dropout = dropout
        super().__init__(weight)

    def make_models(self, student: str, model: Model[List[Doc], LinearChain]) -> Dict[str, Model]:
        """Make the heads by the names of their views."""
        layers = self._find_layers(student, model)
        size = n_tags(model.get_ref("output_layer").get_dim("nL"))
        return {
            name: view_head(
                layers[-1].get_dim("nO")
                if VIEWS[name].direction is None
                else layers[0].get_dim("nO") // 2,
                self.hidden,
                size,
            )
            for name in self.views
        }

    @contextmanager
    def observed(
        self,
        student: str,
        model: Model[List[Doc], LinearChain],
        examples: Sequence[Example],
        teacher: LinearChain,
        share: float = 1.0,
    ) -> Iterator[PassLoss]:
        targets = self.find_targets(model, examples, teacher)
        if targets is None:
            yield lambda chain: (0.0, None)
            return
        layers = self._find_layers(student, model)
        ends = [layers[0], layers[-1]] if layers else []
        with tapped(ends) as taps, without_words(model, self.word_dropout):
            yield partial(self._loss, self.models(student, model), taps, targets, share)

    def _loss(
        self,
        heads: Dict[str, Model],
        taps: Sequence[Tap],
        targets: Floats2d,
        share: float,
        chain: LinearChain,
    ) -> Tuple[float, Optional[ChainCounts]]:
        """Compute the loss of a training pass, as `PassLoss` says."""
        weight = share * self.weight / max(len(targets), 1)
        value, gradient = 0.0, None
        if self.word_dropout:
            divergence, gradient = divergence_from_marginals(targets, chain)
            value, gradient = divergence * weight, gradient * weight
        if taps:
            first, last = taps
            assert first.states is not None and last.states is not None
            loss = heads_loss(heads, first.states, last.states, targets, weight)
            value += loss.value
            first.add(loss.d_first)
            last.add(loss.d_last)
        return value, gradient

    def find_targets(
        self,
        model: Model[List[Doc], LinearChain],
        examples: Sequence[Example],
        teacher: LinearChain,
    ) -> Optional[Floats2d]:
        """Find the tag probabilities that the views of a batch learn. The student's own ones are
        the exact marginals of its chain, without dropout, for documents without annotation.

        model (Model[List[Doc], LinearChain]): The student's model. Its dropout is off afterwards.
        examples (Sequence[Example]): The batch.
        teacher (LinearChain): The teacher's chain for it, over the student's tags.
        RETURNS (Optional[Floats2d]): (tokens, tags) probabilities, float32. Tokens with nothing to
            learn are zeros. None if there are no others, or if the weight is 0.
        RAISES (ValueError): The student would have to predict, and listens to another component.
        """
        if not self.weight:
            return None
        xp = get_array_module(teacher.emissions)
        targets = xp.zeros(teacher.emissions.shape, dtype="float32")
        if self.targets != "self":
            targets += teacher.marginals() * teacher.is_known[:, None]
        plain = [not example.reference.has_annotation("ENT_IOB") for example in examples]
        docs = [item.predicted for item, is_plain in zip(examples, plain, strict=True) if is_plain]
        if self.targets != "teacher" and any(len(doc) for doc in docs):
            if is_listening(model):
                raise ValueError(
                    "[D819] A student that listens to another component cannot learn from its own "
                    'predictions. Set targets = "teacher" in [distillation.cross_view], or give '
                    "the student an embedding of its own."
                )
            set_dropout_rate(model, 0.0)
            chain, _ = model.begin_update(docs)
            rows = xp.asarray(numpy.repeat(plain, [len(item.predicted) for item in examples]))
            known = targets[rows].sum(axis=1, keepdims=True)
            targets[rows] = (targets[rows] + chain.marginals()) / (1 + known)
        return targets if targets.any() else None

    def _find_layers(self, student: str, model: Model[List[Doc], LinearChain]) -> List[Model]:
        """Find the layers that the heads read; none if there are no heads."""
        layers = find_directions(model) if self.views else []
        if self.views and not layers:
            raise ValueError(
                f"[D810] The encoder of '{student}' has no forward and backward direction, which "
                "cross-view heads need. Use spacy-distill.BiLSTM.v1, or set `views = []` and "
                "`word_dropout` in [distillation.cross_view]."
            )
        return layers


def view_head(width: int, hidden: int, size: int) -> Model[Floats2d, Floats2d]:
    """Build a head: a hidden layer with ReLU, and a linear layer that scores tags.

    width (int): The width of the states that it reads.
    hidden (int): The width of the hidden layer.
    size (int): The number of tags.
    RETURNS (Model[Floats2d, Floats2d]): From states to (states, tags) scores, initialized.
    """
    return chain(Relu(hidden, width), Linear(size, hidden)).initialize()


def CrossViewHeads(
    views: Sequence[str] = ("forward", "backward", "future", "past"),
    hidden: int = 64,
    targets: TargetKind = "self",
    weight: Weight = 1.0,
    word_dropout: float = 0.0,
    labeled_batches: float = 0.5,
    dropout: Optional[float] = None,
) -> CrossView:
    """Build the heads of cross-view training (Clark, Luong, Manning, Le 2018, "Semi-Supervised
    Sequence Modeling with Cross-View Training"; Bhattacharjee et al. 2020, "To BERT or Not to
    BERT"). Each head sees a part of what the first layer of the student's BiLSTM has read. It
    learns the tag probabilities that are predicted from the whole sentence. The gradient trains the
    first layer and the embedding. The heads exist in training only: a saved student has none.

    views (Sequence[str]): What the heads see. "forward": the words up to the token, "backward": the
        words from the token on, "future": the words before the token, "past": the words after it.
        "full": the states of the last layer.
    hidden (int): The width of each head's hidden layer.
    targets (str): The tag probabilities to learn: of the student itself on unlabeled documents
        ("self"), of the teacher ("teacher"), or their mean ("both").
    weight (Weight): The weight of the heads' loss, a number or a schedule.
    word_dropout (float): The probability that a word is hidden from the student. Above 0, the
        student itself learns the targets too.
    labeled_batches (float): Without a teacher, the share of steps on labeled documents. The other
        steps read unlabeled ones.
    dropout (Optional[float]): The dropout rate of batches without labeled documents; null for that
        of `[distillation]`.
    RETURNS (CrossView): The heads.
    RAISES (ValueError): A view does not exist, there is none, or a number is out of range.
    """
    unknown = [name for name in views if name not in VIEWS]
    if unknown or not (views or word_dropout):
        found = f"'{unknown[0]}'" if unknown else "no view and no word_dropout"
        raise ValueError(
            f"[D811] Found {found} in [distillation.cross_view]. The views are: "
            f"{', '.join(VIEWS)}. Correct the config."
        )
    ranges = {
        "hidden": (hidden, hidden >= 1, "1 or more"),
        "word_dropout": (word_dropout, 0 <= word_dropout < 1, "at least 0 and below 1"),
        "labeled_batches": (labeled_batches, 0 < labeled_batches < 1, "between 0 and 1"),
        "dropout": (dropout, dropout is None or 0 <= dropout < 1, "at least 0 and below 1"),
    }
    for name, (value, fits, expected) in ranges.items():
        if not fits:
            raise ValueError(
                f"[D812] [distillation.cross_view] {name} = {value}: expected {expected}. Correct "
                "the config."
            )
    if targets not in get_args(TargetKind):
        raise ValueError(
            f"[D813] [distillation.cross_view] targets = '{targets}': expected one of "
            f"{', '.join(get_args(TargetKind))}. Correct the config."
        )
    return CrossView(views, hidden, targets, weight, word_dropout, labeled_batches, dropout)
