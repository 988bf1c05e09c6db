"""Initialization of students with the hash embedding tables of their teacher."""

from typing import Callable, Dict, List, Optional, Sequence

from spacy.language import Language
from spacy.pipeline import Tok2Vec
from thinc.api import Model

from ..loading import load_pipeline
from ..pipeline.chain_ner import ChainNER
from ..teachers.pipeline_teacher import PipelineTeacher


def TeacherTables(
    source: Optional[str] = None, pipe: Optional[str] = None
) -> Callable[[Language], Language]:
    """Copy the hash embedding tables of a teacher's tok2vec to students. Registered as
    `spacy-distill.TeacherTables.v1`, for `[initialize.after_init]`.

    A tok2vec's tables (Serra, Karatzoglou 2017) have fewer rows than there are words, so unseen
    words share rows with seen words. No training text has words for all rows. With the teacher's
    tables, the student need not learn them.

    source (Optional[str]): The name or folder of the teacher, a spaCy pipeline. None to do nothing.
    pipe (Optional[str]): The component that teaches; None if only one can.
    RETURNS (Callable[[Language], Language]): A function that copies the tables into an initialized
        pipeline. Training continues from the copied parameters.
    """

    def copy_tables(nlp: Language) -> Language:
        if source is None:
            return nlp
        try:
            teacher = load_pipeline(source)
            tables = _tables(_nodes(teacher, PipelineTeacher(teacher, pipe).pipe_name))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"[D260] spacy-distill.TeacherTables.v1 finds no tables in '{source}'. {error} "
                "(Here a component is named with [initialize.after_init] pipe.)"
            ) from error
        # Frozen and sourced components are disabled while a pipeline is initialized.
        for name, student in nlp.pipeline:
            if isinstance(student, ChainNER):
                _copy(tables, _tables(_nodes(nlp, name)), source)
        return nlp

    return copy_tables


def _nodes(nlp: Language, pipe_name: str) -> List[Model]:
    """List the layers of a component, or of the tok2vec that it listens to."""
    for _, pipe in nlp.components:
        if isinstance(pipe, Tok2Vec) and pipe_name in pipe.listener_map:
            return list(pipe.model.walk())
    model: Optional[Model] = getattr(nlp.get_pipe(pipe_name), "model", None)
    return [] if model is None else list(model.walk())


def _tables(nodes: Sequence[Model]) -> Dict[str, Model]:
    """Find the hash embedding tables among layers, by the word attribute that they embed."""
    columns: List[str] = next(
        (node.attrs["columns"] for node in nodes if "columns" in node.attrs), []
    )
    tables = {
        str(columns[node.attrs["column"]]): node
        for node in nodes
        if {"column", "seed"} <= node.attrs.keys() and node.has_param("E")
    }
    if "NORM" in tables:
        # Students have no NORM. Nearly all norms are the lower-case form.
        tables.setdefault("LOWER", tables.pop("NORM"))
    return tables


def _copy(teacher: Dict[str, Model], student: Dict[str, Model], source: str) -> None:
    for name, table in student.items():
        if name not in teacher or _shape(teacher[name]) != _shape(table):
            raise ValueError(
                f"[D261] The tables of the teacher '{source}' do not fit the student's. The "
                f"teacher has {_listed(teacher)}; the student has {_listed(student)}. Set the "
                "width and rows of the student's spacy-distill.FormFeatures.v1 to the teacher's, "
                "in the same order (LOWER for NORM). Then they can be copied."
            )
    for name, table in student.items():
        parameters = teacher[name].get_param("E")
        table.set_param("E", table.ops.asarray2f(teacher[name].ops.to_numpy(parameters)))


def _shape(table: Model) -> Dict[str, int]:
    return {
        "rows": table.get_dim("nV"),
        "width": table.get_dim("nO"),
        "seed": table.attrs["seed"],
    }


def _listed(tables: Dict[str, Model]) -> str:
    parts = [
        f"{name} " + ", ".join(f"{key} {value}" for key, value in _shape(table).items())
        for name, table in tables.items()
    ]
    return "; ".join(parts) or "none"
