"""Rehearsal: a component learns from an earlier copy of itself, so that it forgets less."""

from typing import Dict, Iterable, List, Optional, Tuple

from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import FloatsXd

from ..chain import LinearChain
from ..losses.rehearsal import rehearsal_divergence
from ..models.chain_tagger import is_listening
from ..models.learn_rates import Update
from .labels import LabelledPipe


class RehearsingPipe(LabelledPipe):
    """The base class of `ChainNER` for spaCy's `nlp.rehearse`."""

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        drop: float = 0.0,
    ) -> Dict[str, float]:
        """Learn the predictions of the copy that `nlp.resume_training` made of the component, so
        that further training does not change them.

        Labels that the copy does not have, or that were untrained when it was made, count as O: the
        copy predicts O for their entities.

        examples (Iterable[Example]): Examples with any text. Their annotation is ignored.
        sgd (Optional[Optimizer]): The optimizer. Without it, gradients are accumulated.
        losses (Optional[Dict[str, float]]): The losses by component name, to be updated.
        drop (float): The dropout rate of the component.
        RETURNS (Dict[str, float]): The losses: means per token.
        RAISES (ValueError): There is no copy, or the component listens to another one.
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
        # Not `predict`, which adds constraints that the student's chain does not have in training.
        target, _ = former.begin_update(docs)
        student, backprop = self.model.begin_update(docs)
        loss, gradient = rehearsal_divergence(target, student)
        n_tokens = len(student.emissions)
        backprop(gradient * (1 / n_tokens))
        if sgd not in (None, False):
            optimizer = sgd if isinstance(sgd, Optimizer) else _without_leftover_gradients(sgd)
            self.finish_update(optimizer)  # type: ignore[arg-type]
        losses[self.name] += loss / n_tokens
        return losses

    def _former_model(self) -> Model[List[Doc], LinearChain]:
        former = self._rehearsal_model
        if former is None:
            raise ValueError(
                f"[D520] The component '{self.name}' cannot rehearse: there is no earlier copy of "
                "it. Call `nlp.resume_training()` first, before `add_label`."
            )
        if is_listening(former):
            raise ValueError(
                f"[D521] The component '{self.name}' cannot rehearse, because it listens to "
                "another component, which spaCy does not run for a rehearsal. Exclude it with "
                f'`nlp.rehearse(..., exclude=["{self.name}"])`, or distil from a saved copy.'
            )
        return former


def _without_leftover_gradients(collect: Update) -> Update:
    """Wrap the function with which `nlp.rehearse` collects gradients: set the gradients to 0
    afterwards.

    `nlp.rehearse` applies the collected gradients of one component only. Without this, those of the
    other components would be added to their next updates.
    """

    def collect_and_reset(key: Tuple[int, str], weights: FloatsXd, gradient: FloatsXd):
        weights, _ = collect(key, weights, gradient.copy())
        gradient *= 0
        return weights, gradient

    return collect_and_reset
