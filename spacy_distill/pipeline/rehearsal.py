"""Rehearsal: a student learns from a copy of itself what it knew before."""

from typing import Dict, Iterable, List, Optional, Tuple

from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import FloatsXd

from ..chain import LinearChain
from ..losses.rehearsal import rehearsal_divergence
from ..models.learn_rates import Update
from .labels import LabelledPipe


class RehearsingPipe(LabelledPipe):
    """A component that can rehearse: the part of `ChainNER` that spaCy's `nlp.rehearse` calls."""

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        drop: float = 0.0,
    ) -> Dict[str, float]:
        """Learn from the component as it was when `nlp.resume_training` was called, so that nothing
        is forgotten while something else is learnt.

        Labels that were added after that call, or before it and not trained, count as O here: where
        the former component finds none of its entities, there may be one of a new label.

        examples (Iterable[Example]): Documents of any kind. Their annotation does not count.
        sgd (Optional[Optimizer]): The optimizer. Without it, gradients add up.
        losses (Optional[Dict[str, float]]): Record of the losses, by component's name.
        drop (float): The dropout rate of the component that learns.
        RETURNS (Dict[str, float]): The losses, a mean per token.
        RAISES (ValueError): There is no former component, or it needs the outputs of others.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.rehearse")
        docs = [example.predicted for example in examples]
        former = self._former_model()
        if not any(len(doc) for doc in docs):
            return losses
        set_dropout_rate(former, 0.0)
        set_dropout_rate(self.model, drop)
        # Not `predict`, which adds constraints that training does without.
        taught, _ = former.begin_update(docs)
        student, backprop = self.model.begin_update(docs)
        loss, gradient = rehearsal_divergence(taught, student)
        n_tokens = len(student.emissions)
        backprop(gradient * (1 / n_tokens))
        if sgd not in (None, False):
            applied = sgd if isinstance(sgd, Optimizer) else _without_leftover_gradients(sgd)
            self.finish_update(applied)  # type: ignore[arg-type]
        losses[self.name] += loss / n_tokens
        return losses

    def _former_model(self) -> Model[List[Doc], LinearChain]:
        former = self._rehearsal_model
        if former is None:
            raise ValueError(
                f"[D520] The component '{self.name}' has nothing to rehearse: found no copy of it "
                "as it was. Call `nlp.resume_training()` first, and before `add_label`."
            )
        # Listeners of spaCy and of spacy-transformers have this attribute, no other layer does.
        if any(hasattr(node, "upstream_name") for node in former.walk()):
            raise ValueError(
                f"[D521] The component '{self.name}' cannot rehearse: it listens to another "
                "component, whose outputs spaCy does not compute for a rehearsal. Leave it out "
                f'with `nlp.rehearse(..., exclude=["{self.name}"])`, or distil from a saved copy.'
            )
        return former


def _without_leftover_gradients(collect: Update) -> Update:
    """Pass copies of gradients to a function, and set the gradients to 0.

    `nlp.rehearse` collects gradients and applies those of one component alone. All others would go
    into the next updates of their components.
    """

    def hand_over(key: Tuple[int, str], weights: FloatsXd, gradient: FloatsXd):
        weights, _ = collect(key, weights, gradient.copy())
        gradient *= 0
        return weights, gradient

    return hand_over
