"""The training loop of a distillation, with the pieces of spaCy's training loop."""

from dataclasses import dataclass
from time import perf_counter
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import subdivide_batch
from thinc.api import Model, Optimizer, set_dropout_rate

from ..losses import DistillationLoss, advance
from ..pipeline.auxiliary import AuxiliaryLoss
from ..teachers import SoftTeacher, Teacher
from .corpus import is_labeled
from .skipped import BatchTeacher, SkippedDocuments
from .state import ReplayableBatches, TrainingState, set_state
from .streamed import ExampleMaker


@dataclass(frozen=True)
class Students:
    """The components of a pipeline that learn from teachers.

    nlp (Language): The pipeline.
    teachers (Mapping[str, Teacher]): The teacher of each student, by the student's name.
    loss (DistillationLoss): The loss.
    skipped (SkippedDocuments): Counts the documents that teachers fail on.
    frozen (Collection[str]): Names of components that are not trained.
    annotating (Collection[str]): Names of components whose predictions later components see.
    auxiliary (Sequence[AuxiliaryLoss]): Losses next to that one, such as those of cross-view heads.
    unlabeled_dropout (Optional[float]): The dropout rate of batches without labeled documents; None
        for that of all others.
    """

    nlp: Language
    teachers: Mapping[str, Teacher]
    loss: DistillationLoss
    skipped: SkippedDocuments
    frozen: Collection[str] = ()
    annotating: Collection[str] = ()
    auxiliary: Sequence[AuxiliaryLoss] = ()
    unlabeled_dropout: Optional[float] = None

    def learning(self) -> List[str]:
        """List the components that are trained: students, and components that they listen to."""
        return [
            name
            for name, pipe in self.nlp.pipeline
            if name in self.teachers
            or (
                name not in self.frozen
                and not set(self.teachers).isdisjoint(getattr(pipe, "listening_components", ()))
            )
        ]

    def models(self) -> Dict[str, Model]:
        """RETURNS (Dict[str, Model]): The models that are trained, by names of their own. Some of
        them, such as cross-view heads, exist in training only."""
        models = {name: self.nlp.get_pipe(name).model for name in self.learning()}  # type: ignore[attr-defined]
        for name in self.teachers:
            for one in self.auxiliary:
                own = one.models(name, models[name])
                models.update({f"{name}.{one.name}.{key}": model for key, model in own.items()})
        return models

    def may_forget(self) -> bool:
        """RETURNS (bool): Whether the words of a batch may be freed after its step. A teacher of a
        user may keep documents, and so may a component that annotates."""
        is_soft = all(isinstance(teacher, SoftTeacher) for teacher in self.teachers.values())
        return is_soft and not self.annotating

    def update_in_parts(
        self, examples: List[Example], n_parts: int, *, drop: float, losses: Dict[str, float]
    ) -> None:
        """Accumulate the gradients of a batch, in `n_parts` parts that fit into memory. Losses and
        gradients are means per token of the whole batch. (Hidden states to learn are standardized
        in each part.)"""
        n_tokens = sum(map(len, examples))
        if self.unlabeled_dropout is not None and not any(map(is_labeled, examples)):
            drop = self.unlabeled_dropout
        for part in subdivide_batch(examples, n_parts):
            share = sum(map(len, part)) / n_tokens if n_tokens else 1.0
            self.update(part, drop=drop, losses=losses, share=share)

    def update(
        self,
        examples: List[Example],
        *,
        drop: float,
        losses: Dict[str, float],
        share: float = 1.0,
    ) -> None:
        """Accumulate the gradients of a batch, for students and the components they listen to.

        examples (List[Example]): The batch. Both documents of an example have the same tokens.
        drop (float): The dropout rate.
        losses (Dict[str, float]): The losses by component, to which those of the batch are added.
        share (float): The share of the tokens of a larger batch, by which losses and gradients are
            multiplied.
        """
        for name in self.teachers:
            # Loggers expect a loss, even if all documents are left out.
            losses.setdefault(name, 0.0)
        docs = [example.reference for example in examples]
        if not any(len(doc) for doc in docs):
            return
        chains, kept = self.skipped.predict_all(self.teachers, docs)
        if not kept:
            return
        examples = [examples[number] for number in kept]
        if self.annotating:
            # As in spaCy's training: the documents are read again in the next pass.
            examples = [Example(item.predicted.copy(), item.reference) for item in examples]
        learning = self.learning()
        options: Dict[str, Any] = {"drop": drop, "losses": losses, "loss": self.loss}
        if share != 1:
            options["share"] = share
        if self.auxiliary:
            options["auxiliary"] = self.auxiliary
        for name, pipe in self.nlp.pipeline:
            if name in self.teachers:
                teacher = BatchTeacher(self.teachers[name].labels, chains[name])
                pipe.distill(teacher, examples, **options)  # type: ignore[attr-defined]
            elif name in learning:
                pipe.update(examples, drop=drop, losses=losses)  # type: ignore[attr-defined]
            if name in self.annotating:
                for example in examples:
                    example.predicted = pipe(example.predicted)  # maybe a new document

    def resume(
        self, state: TrainingState, batches: ReplayableBatches, optimizer: Optimizer, drop: float
    ) -> None:
        """Go on from the state of an earlier run.

        state (TrainingState): The state.
        batches (ReplayableBatches): The batches, read up to the state's step.
        optimizer (Optimizer): The optimizer, after as many steps of its schedules.
        drop (float): The dropout rate, which updates write into the layers.
        RAISES (ValueError): Other documents were read than in the earlier run.
        """
        if batches.corpus != state.corpus:
            raise other_corpus_error(state)
        set_state(state, self.nlp, self.models(), optimizer)
        for name in self.learning():
            # It is saved with the model, also if no step is left to do.
            set_dropout_rate(self.nlp.get_pipe(name).model, drop)  # type: ignore[attr-defined]
        self.skipped.restore(state.skipped)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters of all components that are trained."""
        for name in self.learning():
            self.nlp.get_pipe(name).finish_update(optimizer)  # type: ignore[attr-defined]
        for one in self.auxiliary:
            one.finish_update(optimizer)


def train_while_improving(
    students: Students,
    optimizer: Optimizer,
    batches: ReplayableBatches,
    evaluate: Callable[[], Tuple[float, Dict[str, Any]]],
    training: Mapping[str, Any],
    *,
    dropout: float,
    max_steps: int,
    state: Optional[TrainingState] = None,
) -> Iterator[Tuple[Dict[str, Any], Optional[bool]]]:
    """Train until the score stops improving, as spaCy's function of this name does.

    students (Students): The components that learn.
    optimizer (Optimizer): The optimizer.
    batches (ReplayableBatches): Batches with the number of their epoch.
    evaluate (Callable): Returns the final score and all scores by name.
    training (Mapping[str, Any]): The settings of `[training]`.
    dropout (float): The dropout rate.
    max_steps (int): The number of the last step, counted from 0; 0 for no limit.
    state (Optional[TrainingState]): The state of an earlier run, which has done the steps up to
        this state: their documents are read again, and nothing is computed.
    YIELDS (Tuple[Dict[str, Any], Optional[bool]]): The record of a step for loggers, and whether
        its score is the best one so far. None stands for a step without evaluation.
    """
    nlp, n_words, start = students.nlp, 0, perf_counter()
    maker = ExampleMaker(nlp, forgets=students.may_forget())
    results: List[Tuple[float, int]] = []
    losses: Dict[str, float] = {}
    patience = training["patience"]

    def is_last(step: int) -> bool:
        best_step = best_result(results)[1]
        return bool(
            (patience and step - best_step >= patience) or (max_steps and step >= max_steps)
        )

    def evaluated(step: int) -> Dict[str, Any]:
        with nlp.use_params(optimizer.averages):
            score, scores = evaluate()
        results.append((score, step))
        return {"score": score, "other_scores": scores}

    step, epoch = -1, 0
    for step, (epoch, batch) in enumerate(batches):
        if step:
            advance(students.loss)
            for one in students.auxiliary:
                one.advance()
        if state is not None and step <= state.step:
            maker.replay(batch)
            optimizer.step_schedules()
            n_words += sum(len(example) for example in batch)
            if step == state.step:
                students.resume(state, batches, optimizer, dropout)
                results = list(state.results)
                # An evaluation between the regular ones is that of the last step.
                if is_last(step) or step % training["eval_frequency"]:
                    return
            continue
        if training["before_update"]:
            training["before_update"](nlp, {"step": step, "epoch": epoch})
        with maker.made(batch) as examples:
            n_parts = training["accumulate_gradient"]
            students.update_in_parts(examples, n_parts, drop=dropout, losses=losses)
        students.finish_update(optimizer)
        optimizer.step_schedules()
        n_words += sum(len(example) for example in batch)
        info: Dict[str, Any] = {"epoch": epoch, "step": step, "words": n_words, "losses": losses}
        info |= {"score": None, "other_scores": None, "checkpoints": results}
        # The last step too, so that a short training does not end with an untrained best model.
        is_regular = step % training["eval_frequency"] == 0
        ends_here = not is_regular and is_last(step)
        is_evaluated = is_regular or ends_here
        if is_evaluated:
            info |= evaluated(step)
        is_best = info["score"] == best_result(results)[0] if is_evaluated else None
        yield {**info, "seconds": int(perf_counter() - start)}, is_best
        if is_evaluated:
            losses = {}
        if ends_here or is_last(step):
            return
    if state is not None and step < state.step:
        raise other_corpus_error(state)
    if step >= 0 and (not results or results[-1][1] < step):  # the last pass has ended
        info = {"epoch": epoch, "step": step, "words": n_words, "losses": losses}
        info |= {**evaluated(step), "checkpoints": results}
        is_best = info["score"] == best_result(results)[0]
        yield {**info, "seconds": int(perf_counter() - start)}, is_best


def other_corpus_error(state: TrainingState) -> ValueError:
    """RETURNS (ValueError): The error for a corpus that is not that of the state."""
    return ValueError(
        f"[D762] The training cannot be resumed after step {state.step}: the corpus gave other "
        "documents, or the same ones in another order, than in the interrupted run. Its files or "
        "its reader have changed, or the reader has no seed. Begin anew with --force."
    )


def best_result(results: Sequence[Tuple[float, int]]) -> Tuple[float, int]:
    """RETURNS (Tuple[float, int]): The best score and its step: of equal scores, the earliest."""
    return max(results, key=lambda result: (result[0], -result[1]))
