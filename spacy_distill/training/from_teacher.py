"""Initialization of students with the parameters of a teacher that is built of the same parts."""

from typing import Callable, List, Optional, Tuple

from spacy.language import Language
from thinc.api import Model

from ..loading import load_pipeline
from ..models.chain_tagger import parts
from ..pipeline.chain_ner import ChainNER
from ..teachers.pipeline_teacher import PipelineTeacher

SIDE_BY_SIDE = "side_by_side"
# The parameter of an encoder's layer that reads its inputs, (gates, inputs).
INPUT_WEIGHTS = "W"


def FromTeacher(
    source: Optional[str] = None, pipe: Optional[str] = None
) -> Callable[[Language], Language]:
    """Copy the parameters of an `ner_teacher` or `ner_student` to students, where their shapes are
    the same. Registered as `spacy-distill.FromTeacher.v1`, for `[initialize.after_init]`.

    This is "Extract Then Distill" (Chen et al. 2021) for taggers made of the same parts. The
    embedding is copied if it is the student's, or the left part of the teacher's
    `spacy-distill.SideBySide.v1`. In the latter case, the weights of the first encoder layer are
    those of these inputs. Encoder layers are copied in their order. The head is copied if the
    student has the same labels.

    source (Optional[str]): The name or folder of the teacher. None to do nothing.
    pipe (Optional[str]): The component that teaches; None if only one can.
    RETURNS (Callable[[Language], Language]): A function that copies the parameters into an
        initialized pipeline. Training continues from the copied parameters.
    """

    def copy_parameters(nlp: Language) -> Language:
        if source is None:
            return nlp
        try:
            nlp_teacher = load_pipeline(source)
            teacher = nlp_teacher.get_pipe(PipelineTeacher(nlp_teacher, pipe).pipe_name)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"[D262] spacy-distill.FromTeacher.v1 cannot read '{source}'. {error} (Here a "
                "component is named with [initialize.after_init] pipe.)"
            ) from error
        if not isinstance(teacher, ChainNER):
            raise ValueError(
                f"[D263] spacy-distill.FromTeacher.v1 copies from an ner_teacher or ner_student. "
                f"The component of '{source}' is neither. Its hash tables can be copied with "
                "spacy-distill.TeacherTables.v1."
            )
        # Frozen and sourced components are disabled while a pipeline is initialized.
        for name, student in nlp.pipeline:
            if isinstance(student, ChainNER) and not _copy(teacher, student):
                raise ValueError(
                    f"[D264] No parameter of the teacher '{source}' fits the student '{name}'. Set "
                    "the widths of the student's embedding, encoder and head to the teacher's."
                )
        return nlp

    return copy_parameters


def _copy(teacher: ChainNER, student: ChainNER) -> int:
    """Copy all parameters that fit, and count them."""
    theirs, mine = (parts(pipe.model.layers[0]) for pipe in (teacher, student))
    left = theirs.embed.layers[0] if theirs.embed.name == SIDE_BY_SIDE else theirs.embed
    has_same_inputs = [*map(_kind, left.walk())] == [*map(_kind, mine.embed.walk())]
    pairs = _pairs(left, mine.embed) if has_same_inputs else []
    first = None
    if theirs.encode is not None and mine.encode is not None:
        encoder = _pairs(theirs.encode, mine.encode)
        first = encoder[0] if encoder else None
        pairs += encoder
    if teacher.labels == student.labels:
        pairs.append((teacher.model.layers[-1], student.model.layers[-1]))
    n_copied = 0
    for pair in pairs:
        # A softmax and a CRF have two parameters in common.
        for name in sorted({*pair[0].param_names} & {*pair[1].param_names}):
            reads_embedding = pair is first and name == INPUT_WEIGHTS
            if reads_embedding and not has_same_inputs:
                continue
            # Columns of the left embedding are the first ones.
            n_columns = mine.embed.get_dim("nO") if reads_embedding else None
            n_copied += _copy_parameter(*pair, name, n_columns)
    return n_copied


def _pairs(theirs: Model, mine: Model) -> List[Tuple[Model, Model]]:
    """Pair layers with parameters in their order, as far as they are of one kind."""
    layers = ([node for node in model.walk() if node.param_names] for model in (theirs, mine))
    return [pair for pair in zip(*layers, strict=False) if _kind(pair[0]) == _kind(pair[1])]


def _kind(node: Model) -> Tuple[str, Tuple[str, ...], Optional[int]]:
    """What two layers have in common whose parameters mean the same. The rows of a hash table
    depend on its seed."""
    return node.name, tuple(sorted(node.param_names)), node.attrs.get("seed")


def _copy_parameter(theirs: Model, mine: Model, name: str, n_columns: Optional[int]) -> bool:
    """Copy a parameter, or its first columns, if the shape is the same."""
    values = theirs.ops.to_numpy(theirs.get_param(name))
    if n_columns is not None:
        values = values[:, :n_columns]
    if values.shape != mine.get_param(name).shape:
        return False
    mine.set_param(name, mine.ops.asarray(values.copy()))
    return True
