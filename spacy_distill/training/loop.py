"""The training loop of a distillation, with the pieces of spaCy's training loop."""

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
from ..pipeline.cross_view import CrossView
from ..teachers import Teacher
from .corpus import is_labeled
from .skipped import BatchTeacher, SkippedDocuments


@dataclass(frozen=True)
class Students:
    """The components of a pipeline that learn from teachers.

    nlp (Language): The pipeline.
    teachers (Mapping[str, Teacher]): The teacher of each student, by the student's name.
    loss (DistillationLoss): The loss.
    skipped (SkippedDocuments): Counts the documents that teachers fail on.
    frozen (Collection[str]): Names of components that are not trained.
    annotating (Collection[str]): Names of components whose predictions later components see.
    views (Optional[CrossView]): Cross-view heads that learn with the students.
    """

    nlp: Language
    teachers: Mapping[str, Teacher]
    loss: DistillationLoss
    skipped: SkippedDocuments
    frozen: Collection[str] = ()
    annotating: Collection[str] = ()
    views: Optional[CrossView] = None

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

    def update(self, examples: List[Example], *, drop: float, losses: Dict[str, float]) -> None:
        """Accumulate the gradients of a batch, for students and the components they listen to.

        examples (List[Example]): The batch. Both documents of an example have the same tokens.
        drop (float): The dropout rate.
        losses (Dict[str, float]): The losses by component, to which those of the batch are added.
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
        learning = self.learning()
        options: Dict[str, Any] = {"drop": drop, "losses": losses, "loss": self.loss}
        if self.views is not None:
            options["views"] = self.views
            if self.views.dropout is not None and not any(map(is_labeled, examples)):
                options["drop"] = self.views.dropout
        for name, pipe in self.nlp.pipeline:
            if name in self.teachers:
                teacher = BatchTeacher(self.teachers[name].labels, chains[name])
                pipe.distill(teacher, examples, **options)  # type: ignore[attr-defined]
            elif name in learning:
                pipe.update(examples, drop=drop, losses=losses)  # type: ignore[attr-defined]
            if name in self.annotating:
                for example in examples:
                    # As in spaCy's training: a component may return a new document.
                    example.predicted = pipe(example.predicted)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters of all components that are trained."""
        for name in self.learning():
            self.nlp.get_pipe(name).finish_update(optimizer)  # type: ignore[attr-defined]
        if self.views is not None:
            self.views.finish_update(optimizer)


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
    """Train until the score stops improving, as spaCy's function of this name does.

    students (Students): The components that learn.
    optimizer (Optimizer): The optimizer.
    batches (Iterable[Tuple[int, List[Example]]]): Batches with the number of their epoch.
    evaluate (Callable): Returns the final score and all scores by name.
    training (Mapping[str, Any]): The settings of `[training]`.
    dropout (float): The dropout rate.
    max_steps (int): The number of the last step, counted from 0; 0 for no limit.
    YIELDS (Tuple[Dict[str, Any], Optional[bool]]): The record of a step for loggers, and whether
        its score is the best one so far. None stands for a step without evaluation.
    """
    nlp, n_words, start = students.nlp, 0, perf_counter()
    results: List[Tuple[float, int]] = []
    losses: Dict[str, float] = {}
    for step, (epoch, batch) in enumerate(batches):
        if step:
            advance(students.loss)
            if students.views is not None:
                students.views.advance()
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
            # Of equal scores, the earliest is the best.
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
