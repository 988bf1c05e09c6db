"""Load teachers from names, folders or objects."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Mapping, Optional, Sequence, Tuple, TypeVar, Union

from spacy.language import Language
from spacy.util import is_package

from ..corpora.soft_shards import Manifest, is_soft_corpus
from ..loading import load_pipeline
from ..names import is_on_hub
from .ensemble import EnsembleTeacher
from .identity import missing_teacher_error, names_of
from .label_map import MappedTeacher
from .pipeline_teacher import PipelineTeacher
from .precision import TeacherInPrecision
from .protocol import Teacher, TeacherSource
from .soft_teacher import SoftTeacher
from .token_classification import TokenClassificationTeacher

Value = TypeVar("Value")
OneOrEach = Union[Value, Tuple[Value, ...]]


@dataclass(frozen=True)
class TeacherOptions:
    """Options for loading teachers.

    The first four may also be tuples with one value per teacher.

    teacher_pipe (OneOrEach[Optional[str]]): The component that teaches. Required if several
        components of a pipeline can teach.
    spans_key (OneOrEach[Optional[str]]): Read `doc.spans[spans_key]` instead of entities.
    score_attr (OneOrEach[Optional[str]]): The extension attribute that has the probabilities of
        entities or spans. If None, `doc.spans[spans_key].attrs["scores"]`, otherwise `Span._.score`
        if there is such an extension.
    assumed_confidence (OneOrEach[float]): The probability of entities without a score.
    labels (Tuple[str, ...]): The labels of a component that does not list them itself.
    partial_labels (bool): Whether teachers may miss entities: entities with labels that only other
        teachers of an ensemble have, and entities that a component did not write.
    label_map (Mapping[str, str]): New labels by the teachers' labels. Other labels are dropped. If
        empty, all labels are kept.
    weights (Tuple[float, ...]): The weight of each teacher in an ensemble; equal if empty.
    scheme (Optional[str]): The label scheme of a Hugging Face model ("iob2", "ioe2", "io", "iobes"
        or "types"); detected from its labels if None.
    matmul_precision (Optional[str]): The precision of torch's matrix products ("highest", "high" or
        "medium") while the teacher reads, as in `in_precision`; torch's setting if None.
    """

    teacher_pipe: OneOrEach[Optional[str]] = None
    spans_key: OneOrEach[Optional[str]] = None
    score_attr: OneOrEach[Optional[str]] = None
    assumed_confidence: OneOrEach[float] = 0.9
    labels: Tuple[str, ...] = ()
    partial_labels: bool = False
    label_map: Mapping[str, str] = field(default_factory=dict)
    weights: Tuple[float, ...] = ()
    scheme: Optional[str] = None
    matmul_precision: Optional[str] = None

    def __post_init__(self) -> None:
        # A string would be read as the labels of its characters.
        if isinstance(self.labels, str) or not isinstance(self.label_map, Mapping):
            raise ValueError(
                "[D224] Teacher options need a sequence of labels and a mapping of label_map: "
                f"found {self.labels!r} and {self.label_map!r}. Write labels=('PER',) and "
                "label_map={'PERSON': 'PER'}."
            )

    def for_teacher(self, number: int, n_teachers: int) -> "TeacherOptions":
        """RETURNS (TeacherOptions): The options of one teacher. RAISES (ValueError): The number of
        values differs from the number of teachers."""
        each = ("teacher_pipe", "spans_key", "score_attr", "assumed_confidence")
        values = {name: getattr(self, name) for name in each}
        for name, value in values.items():
            if isinstance(value, (tuple, list)):
                if len(value) != n_teachers:
                    raise ValueError(
                        f"[D203] The option {name} has {len(value)} values for {n_teachers} "
                        "teachers. Give one for all, or one for each."
                    )
                values[name] = value[number]
        return replace(self, **values)


DEFAULT_OPTIONS = TeacherOptions()


def load_teacher(
    sources: Union[TeacherSource, Sequence[TeacherSource]],
    options: TeacherOptions = DEFAULT_OPTIONS,
    names: Optional[Sequence[str]] = None,
) -> Teacher:
    """Load one teacher, or several as an ensemble.

    sources (Union[TeacherSource, Sequence[TeacherSource]]): One or several sources. Each is the
        name or folder of a spaCy pipeline, the folder of a soft corpus, a Hugging Face token
        classification model (a folder or `hf:OWNER/NAME`), a pipeline object, or any object with
        `labels` and `predict_chain`.
    options (TeacherOptions): The options of the teachers.
    names (Optional[Sequence[str]]): The teachers' names in error messages; by default from
        `names_of`.
    RETURNS (Teacher): The teacher.
    RAISES (ValueError): A source is none of these or cannot teach, or the labels differ.
    """
    listed: Sequence[TeacherSource]
    listed = list(sources) if isinstance(sources, (list, tuple)) else [sources]  # type: ignore[list-item]
    opened = [load_source(source, options) for source in listed]
    changes = options.label_map or options.weights or options.matmul_precision
    if (len(opened) > 1 or changes) and any(isinstance(item, SoftTeacher) for item in opened):
        raise ValueError(
            "[D204] A soft corpus cannot be combined with other teachers, weights, a label map or "
            "a precision. Use these options when you write it, with `distill-annotate`."
        )
    teachers = [
        _pipeline_teacher(item, options.for_teacher(number, len(opened)), name)
        if isinstance(item, Language)
        else item
        for number, (item, name) in enumerate(zip(opened, names or names_of(listed), strict=True))
    ]
    _require_used(teachers, options)
    if options.label_map:
        teachers = [MappedTeacher(teacher, options.label_map) for teacher in teachers]
    teacher = teachers[0]
    if len(teachers) > 1 or options.weights:
        weights = options.weights or None
        teacher = EnsembleTeacher(teachers, weights, partial=options.partial_labels)
    if options.matmul_precision is not None:
        teacher = TeacherInPrecision(teacher, options.matmul_precision)
    return teacher


def split_sources(text: str) -> Sequence[str]:
    """RETURNS (Sequence[str]): The teachers in a comma-separated list. An existing path is one
    teacher, even if it has commas."""
    if Path(text).exists():
        return [text]
    return [part.strip() for part in text.split(",") if part.strip()] or [text]


def load_source(
    source: TeacherSource, options: TeacherOptions = DEFAULT_OPTIONS
) -> Union[Language, Teacher]:
    """Load a pipeline or teacher from its name, without choosing a component.

    source (TeacherSource): The source, as in `load_teacher`. Objects are returned unchanged.
    options (TeacherOptions): The options of the teacher.
    RETURNS (Union[Language, Teacher]): A pipeline, or a teacher.
    RAISES (ValueError): The source cannot teach.
    """
    if not isinstance(source, (str, Path)):
        return source
    path = Path(source)
    if is_on_hub(source):
        return TokenClassificationTeacher(source, scheme=options.scheme)
    if is_soft_corpus(path):
        return SoftTeacher(Manifest.from_disk(path).labels)
    if (path / "meta.json").is_file() or is_package(str(source)):
        return load_pipeline(source)
    if (path / "config.json").is_file():
        return TokenClassificationTeacher(source, scheme=options.scheme)
    if path.exists():
        raise ValueError(
            f"[D201] '{source}' is not a teacher: it has no meta.json of a spaCy pipeline, no "
            "config.json of a Hugging Face model and no manifest.json of a soft corpus. Correct "
            "the path."
        )
    raise missing_teacher_error(source)


def _require_used(teachers: Sequence[Teacher], options: TeacherOptions) -> None:
    """Raise ValueError if an option has no effect on any of the teachers."""
    read = any(isinstance(t, PipelineTeacher) and t.reads_annotations for t in teachers)
    if (options.labels or options.score_attr) and not read:
        raise ValueError(
            f"[D207] {'--labels' if options.labels else '--score-attr'} is for teachers that write "
            "entities or spans, and these predict probabilities. Leave it out, or choose a "
            "component with --teacher-pipe."
        )
    if options.scheme and not any(isinstance(t, TokenClassificationTeacher) for t in teachers):
        raise ValueError(
            "[D208] --scheme is for Hugging Face models, and none of the teachers is one. Leave "
            "it out."
        )
    known = {label for teacher in teachers for label in teacher.labels}
    unknown = sorted(set(options.label_map) - known)
    if unknown:
        raise ValueError(
            f"[D209] The label map names {', '.join(unknown)}, but the teachers' labels are: "
            f"{', '.join(sorted(known))}. Correct it."
        )


def _pipeline_teacher(nlp: Language, options: TeacherOptions, name: str) -> Teacher:
    teacher = PipelineTeacher(
        nlp,
        options.teacher_pipe,  # type: ignore[arg-type]
        spans_key=options.spans_key,  # type: ignore[arg-type]
        score_attr=options.score_attr,  # type: ignore[arg-type]
        labels=options.labels or None,
        confidence=options.assumed_confidence,  # type: ignore[arg-type]
        partial=options.partial_labels,
    )
    teacher.name = name
    return teacher
