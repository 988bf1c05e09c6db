"""Initialization of students with the parameters of a teacher that is built from the same parts."""

from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.util import logger
from thinc.api import Model

from ..loading import load_pipeline
from ..models.chain_tagger import parts
from ..models.side_by_side import left_part
from ..pipeline.chain_ner import ChainNER
from ..teachers.pipeline_teacher import PipelineTeacher
from .origin import vectors_hash

# The parameter of an encoder's layer that reads its inputs, (gates, inputs).
INPUT_WEIGHTS = "W"


class Copy(NamedTuple):
    """A parameter of the student, and the teacher's in its place.

    theirs, mine (Model): The layers.
    name (str): The name of the parameter.
    n_columns (Optional[int]): The number of columns to copy; None for all.
    """

    theirs: Model
    mine: Model
    name: str
    n_columns: Optional[int] = None


def FromTeacher(
    source: Optional[str] = None, pipe: Optional[str] = None
) -> Callable[[Language], Language]:
    """Copy the parameters of an `ner_teacher` or `ner_student` to students, where they mean the
    same. Registered as `spacy-distill.FromTeacher.v1`, for `[initialize.after_init]`.

    This is "Extract Then Distill" (Chen et al. 2021) for taggers that are built from the same
    parts:

    - The embedding, if it has the same layers, shapes and word vectors. If the teacher's is a
      `spacy-distill.SideBySide.v1`, its left part may be the student's.
    - The encoder's layers from the first one on, as long as kinds and shapes are the same. Of the
      first layer's input weights, those for the student's embedding are copied; none, if the
      embedding is another one. An encoder of spaCy's behind a projection is left out.
    - The head, if the labels are the same in the same order: its transition scores, and its
      weights if all layers of the encoder were copied.

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
                f"[D262] spacy-distill.FromTeacher.v1 finds no teacher in '{source}'. {error} "
                "Correct source or pipe in [initialize.after_init]."
            ) from error
        if not isinstance(teacher, ChainNER):
            raise ValueError(
                f"[D263] spacy-distill.FromTeacher.v1 copies from an ner_teacher or ner_student. "
                f"The component of '{source}' is neither. Its hash tables can be copied with "
                "spacy-distill.TeacherTables.v1."
            )
        has_same_vectors = vectors_hash(nlp_teacher) == vectors_hash(nlp)
        # Frozen and sourced components are disabled while a pipeline is initialized.
        for name, student in nlp.pipeline:
            if not isinstance(student, ChainNER):
                continue
            found = list(_below_head(teacher.model, student.model, has_same_vectors))
            if not found:
                raise ValueError(
                    f"[D264] No part of the teacher '{source}' fits the student '{name}'. Give the "
                    "student's embedding or encoder the teacher's layers and widths."
                )
            found += _of_head(teacher, student, found)
            for item in found:
                _copy(item)
            names = sorted({f"{item.mine.name} {item.name}" for item in found})
            logger.info("Copied %d parameters of %s: %s", len(found), source, ", ".join(names))
        return nlp

    return copy_parameters


def _below_head(teacher: Model, student: Model, has_same_vectors: bool) -> Iterator[Copy]:
    """Find what can be copied of embedding and encoder."""
    theirs, mine = (parts(tagger.layers[0]) for tagger in (teacher, student))
    embed: Optional[Model] = theirs.embed
    if not _are_same(embed, mine.embed):
        embed = left_part(theirs.embed)
    has_same_inputs = (
        embed is not None
        and _are_same(embed, mine.embed)
        and (has_same_vectors or not any(map(_reads_vectors, mine.embed.walk())))
        and not any(isinstance(node, Tok2VecListener) for node in mine.embed.walk())
    )
    if embed is not None and has_same_inputs:
        for one, other in zip(embed.walk(), mine.embed.walk(), strict=True):
            yield from (Copy(one, other, name) for name in _names(other))
    if theirs.encode is None or mine.encode is None or theirs.project or mine.project:
        return
    reads_all = has_same_inputs and embed is theirs.embed
    layers = [_with_parameters(encode) for encode in (theirs.encode, mine.encode)]
    if not reads_all and not all(map(_is_stack, layers)):
        return  # later layers read the embedding too
    for number, (one, other) in enumerate(zip(*layers, strict=False)):
        if number or reads_all:
            if _description(one) != _description(other):
                return
            yield from (Copy(one, other, name) for name in _names(other))
            continue
        own = [Copy(one, other, name) for name in _names(other) if name != INPUT_WEIGHTS]
        if one.name != other.name or any(map(_differs, own)):
            return
        yield from own
        if has_same_inputs:  # columns of the left part are the first ones
            yield Copy(one, other, INPUT_WEIGHTS, mine.embed.get_dim("nO"))


def _of_head(teacher: ChainNER, student: ChainNER, below: Sequence[Copy]) -> List[Copy]:
    """Find what can be copied of the head, given what is copied below."""
    theirs, mine = teacher.model.layers[-1], student.model.layers[-1]
    if teacher.labels != student.labels:
        return []
    names = {*_names(theirs)} & {*_names(mine)}
    depths = []
    for tagger in (teacher.model, student.model):
        encode = parts(tagger.layers[0]).encode
        depths.append(0 if encode is None else len(_with_parameters(encode)))
    copied = {id(item.mine) for item in below}
    encode = parts(student.model.layers[0]).encode
    own = [] if encode is None else _with_parameters(encode)
    if depths[0] != depths[1] or any(id(layer) not in copied for layer in own):
        names -= {"W", "b"}
    found = [Copy(theirs, mine, name) for name in sorted(names)]
    return [item for item in found if not _differs(item)]


def _copy(item: Copy) -> None:
    values = item.theirs.ops.to_numpy(item.theirs.get_param(item.name))
    if item.n_columns is not None:
        values = values[:, : item.n_columns]
    item.mine.set_param(item.name, item.mine.ops.asarray(values.copy()))


def _differs(item: Copy) -> bool:
    """Whether a parameter has another shape, or the teacher has none."""
    if not item.theirs.has_param(item.name):
        return True
    shapes = [layer.get_param(item.name).shape for layer in (item.theirs, item.mine)]
    return shapes[0] != shapes[1]


def _reads_vectors(layer: Model) -> bool:
    return "vector_table" in layer.attrs or layer.name == "static_vectors"


def _are_same(theirs: Optional[Model], mine: Model) -> bool:
    """Whether two models have the same layers, whose parameters have the same shapes."""
    if theirs is None:
        return False
    return [*map(_description, theirs.walk())] == [*map(_description, mine.walk())]


def _description(layer: Model) -> Tuple[Any, ...]:
    """Describe a layer by what must be equal for its parameters to be copied. What a row of a hash
    table means depends on the attribute and the seed."""
    shapes = {name: layer.get_param(name).shape for name in _names(layer)}
    settings = [layer.attrs.get(name) for name in ("seed", "column", "columns", "key_attr")]
    return layer.name, sorted(shapes.items()), settings


def _is_stack(layers: Sequence[Model]) -> bool:
    """Whether each layer reads the one below, and nothing else."""
    outputs = [layer.maybe_get_dim("nO") for layer in layers]
    return [layer.maybe_get_dim("nI") for layer in layers[1:]] == outputs[:-1]


def _with_parameters(model: Model) -> List[Model]:
    return [node for node in model.walk() if _names(node)]


def _names(layer: Model) -> List[str]:
    """Name the parameters that a layer has. A pruned stack has lost its gates."""
    return [name for name in layer.param_names if layer.has_param(name)]
