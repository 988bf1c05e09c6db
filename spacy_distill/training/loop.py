"""The steps of a distillation, as spaCy's training loop makes those of a training."""

from dataclasses import dataclass
from time import perf_counter
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
)

from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import subdivide_batch
from thinc.api import Optimizer

from ..losses import DistillationLoss, advance
from ..teachers import Teacher
from .skipped import BatchTeacher, SkippedDocuments


@dataclass(frozen=True)
class Students:
    """The components of a pipeline that learn from teachers.

    nlp (Language): The pipeline.
    teachers (Mapping[str, Teacher]): The teacher of each student, by the student's name.
    loss (DistillationLoss): The loss.
    skipped (SkippedDocuments): Counts the documents that teachers fail on.
    frozen (Collection[str]): Components that are not trained.
    annotating (Collection[str]): Components that annotate the documents for those after them.
    """

    nlp: Language
    teachers: Mapping[str, Teacher]
    loss: DistillationLoss
    skipped: SkippedDocuments
    frozen: Collection[str] = ()
    annotating: Collection[str] = ()

    def learning(self) -> List[str]:
        """RETURNS (List[str]): What is trained: students, and components that they listen to."""
        return [
            name
            for name, pipe in self.nlp.pipeline
            if name in self.teachers
            or (
                name not in self.frozen
                and not set(self.teachers).isdisjoint(getattr(pipe, "listening_components", ()))
            )
        ]

    def update(self, examples: List[Example], *, drop: float, losses: Dict[str, float]) -> None:
        """Add up the gradients of a batch: of each student, and of what students listen to.

        examples (List[Example]): The batch. Both documents of an example have the same tokens.
        drop (float): The dropout rate.
        losses (Dict[str, float]): Record of the losses, by component's name.
        """
        for name in self.teachers:
            # Loggers look for it, also where nothing is left to learn from.
            losses.setdefault(name, 0.0)
        docs = [example.reference for example in examples]
        if not any(len(doc) for doc in docs):
            return
        chains, kept = self.skipped.ask_all(self.teachers, docs)
        if not kept:
            return
        examples = [examples[number] for number in kept]
        learning = self.learning()
        for name, pipe in self.nlp.pipeline:
            if name in self.teachers:
                teacher = BatchTeacher(self.teachers[name].labels, chains[name])
                pipe.distill(teacher, examples, drop=drop, losses=losses, loss=self.loss)  # type: ignore[attr-defined]
            elif name in learning:
                pipe.update(examples, drop=drop, losses=losses)  # type: ignore[attr-defined]
            if name in self.annotating:
                for example in examples:
                    # As in spaCy's training, a component may return another document.
                    example.predicted = pipe(example.predicted)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters of all components that are trained."""
        for name in self.learning():
            self.nlp.get_pipe(name).finish_update(optimizer)  # type: ignore[attr-defined]


def train_while_improving(
    students: Students,
    optimizer: Optimizer,
    batches: Iterable[Tuple[int, List[Example]]],
    evaluate: Callable[[], Tuple[float, Dict[str, Any]]],
    training: Mapping[str, Any],
    *,
    dropout: float,
    max_steps: int,
) -> Iterator[Tuple[Dict[str, Any], Optional[bool]]]:
    """Make steps until the score stops improving, as spaCy's function of this name does.

    students (Students): What learns.
    optimizer (Optimizer): The optimizer.
    batches (Iterable[Tuple[int, List[Example]]]): Epochs and batches.
    evaluate (Callable): Returns the score and all scores by name.
    training (Mapping[str, Any]): The settings of `[training]`.
    dropout (float): The dropout rate.
    max_steps (int): The number of the last step; 0 is no limit.
    YIELDS (Tuple[Dict[str, Any], Optional[bool]]): What loggers get of a step, and whether its
        score is the best one so far; None if it was not evaluated.
    """
    nlp, n_words, start = students.nlp, 0, perf_counter()
    results: List[Tuple[float, int]] = []
    losses: Dict[str, float] = {}
    for step, (epoch, batch) in enumerate(batches):
        if step:
            advance(students.loss)
        if training["before_update"]:
            training["before_update"](nlp, {"step": step, "epoch": epoch})
        for part in subdivide_batch(batch, training["accumulate_gradient"]):
            students.update(part, drop=dropout, losses=losses)
        students.finish_update(optimizer)
        optimizer.step_schedules()
        n_words += sum(len(example) for example in batch)
        score, scores, is_best = None, None, None
        if step % training["eval_frequency"] == 0:
            with nlp.use_params(optimizer.averages):
                score, scores = evaluate()
            # Of equal scores, the first one is the best.
            results.append((score, step))
            best_score, best_step = max(results, key=lambda result: (result[0], -result[1]))
            is_best = score == best_score
        info: Dict[str, Any] = {"epoch": epoch, "step": step, "words": n_words, "losses": losses}
        info |= {"score": score, "other_scores": scores, "checkpoints": results}
        yield {**info, "seconds": int(perf_counter() - start)}, is_best
        if is_best is not None:
            losses = {}
        patience = training["patience"]
        if (patience and step - best_step >= patience) or (max_steps and step >= max_steps):
            return
