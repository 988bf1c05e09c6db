"""From what a person names to a teacher."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from spacy.language import Language
from spacy.util import get_package_path, get_package_version, is_package

from ..corpora.hashes import update_with_file
from ..corpora.soft_shards import Manifest, is_soft_corpus
from ..loading import load_pipeline
from ..names import hint_of, is_on_hub
from .ensemble import EnsembleTeacher
from .labels import MappedTeacher
from .pipeline_teacher import PipelineTeacher
from .protocol import Teacher
from .soft_teacher import SoftTeacher
from .token_classification import TokenClassificationTeacher, hub_commit

TeacherSource = Union[str, Path, Language, Teacher]
Value = TypeVar("Value")
OneOrEach = Union[Value, Tuple[Value, ...]]


@dataclass(frozen=True)
class TeacherOptions:
    """How teachers are read.

    The first three may also be tuples, with a value for each of several teachers.

    teacher_pipe (OneOrEach[Optional[str]]): The component that teaches; needed where a pipeline has
        several.
    spans_key (OneOrEach[Optional[str]]): Read `doc.spans[spans_key]` instead of entities.
    assumed_confidence (OneOrEach[float]): The probability of entities that have no score.
    labels (Tuple[str, ...]): Labels of a component that does not say which it has.
    partial_labels (bool): Whether what a teacher does not have means nothing: labels that only
        others of an ensemble have, and tokens outside the entities that it writes.
    label_map (Mapping[str, str]): New labels by the teachers'; the rest is left out. Empty: all
        labels as they are.
    weights (Tuple[float, ...]): What each of several teachers counts; empty: all the same.
    scheme (Optional[str]): Label scheme of a Hugging Face model ("iob2", "ioe2", "io", "iobes",
        "types"), where its labels do not show it.
    """

    teacher_pipe: OneOrEach[Optional[str]] = None
    spans_key: OneOrEach[Optional[str]] = None
    assumed_confidence: OneOrEach[float] = 0.9
    labels: Tuple[str, ...] = ()
    partial_labels: bool = False
    label_map: Mapping[str, str] = field(default_factory=dict)
    weights: Tuple[float, ...] = ()
    scheme: Optional[str] = None

    def of(self, number: int, n_teachers: int) -> "TeacherOptions":
        """RETURNS (TeacherOptions): Those of one of so many teachers; ValueError if there are
        more or fewer values than teachers."""
        each = ("teacher_pipe", "spans_key", "assumed_confidence")
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

    sources (Union[TeacherSource, Sequence[TeacherSource]]): One or several. Each is a spaCy
        pipeline's name or folder, the folder of a soft corpus, a Hugging Face token classification
        model as a folder or `hf:OWNER/NAME`, a pipeline, or anything else with `labels` and
        `predict_chain`.
    options (TeacherOptions): How they are read.
    names (Optional[Sequence[str]]): What errors call them; by default what `names_of` returns.
    RETURNS (Teacher): The teacher.
    RAISES (ValueError): A source is none of these, or cannot teach, or the labels differ.
    """
    listed: Sequence[TeacherSource]
    listed = list(sources) if isinstance(sources, (list, tuple)) else [sources]  # type: ignore[list-item]
    opened = [open_source(source, options) for source in listed]
    alone = len(opened) == 1 and not options.label_map and not options.weights
    if not alone and any(isinstance(item, SoftTeacher) for item in opened):
        raise ValueError(
            "[D204] A soft corpus teaches alone, under the labels that it was written with. Write "
            "it with several teachers, weights or a label map instead (`distill-annotate`)."
        )
    teachers = [
        _pipeline(item, options.of(number, len(opened)), name)
        if isinstance(item, Language)
        else item
        for number, (item, name) in enumerate(zip(opened, names or names_of(listed), strict=True))
    ]
    _require_used(teachers, options)
    if options.label_map:
        teachers = [MappedTeacher(teacher, options.label_map) for teacher in teachers]
    if len(teachers) == 1 and not options.weights:
        return teachers[0]
    return EnsembleTeacher(teachers, options.weights or None, partial=options.partial_labels)


def split_sources(text: str) -> Sequence[str]:
    """RETURNS (Sequence[str]): Teachers as they are typed, with commas between them."""
    return [text] if Path(text).exists() else [part.strip() for part in text.split(",")]


def fingerprint(source: TeacherSource) -> Dict[str, str]:
    """Tell which teacher a source is, by its content.

    source (TeacherSource): A name, a folder or a pipeline, as `load_teacher` takes it.
    RETURNS (Dict[str, str]): "name", "version" (empty if it has none) and "hash": of the names and
        bytes of its files, or of what `to_bytes` gives of a pipeline that was never saved. Of a
        model on the hub, version and hash are the commit; nothing is loaded.
    RAISES (ValueError): There is no content to recognise it by, or it is a soft corpus.
    """
    name, version = _name_and_version(source)
    if isinstance(source, Language):
        # Not the whole vocabulary: it grows when the pipeline is used.
        content = source.to_bytes(exclude=["vocab"]) + source.vocab.vectors.to_bytes()
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        return {"name": name, "version": version, "hash": digest}
    if not isinstance(source, (str, Path)):
        raise ValueError(
            f"[D205] A soft corpus needs a teacher with a name or a folder, and {name} has none: "
            "found no content to recognise it by. Give a pipeline, or the name or folder of one."
        )
    path = Path(source)
    if is_on_hub(source):
        commit = hub_commit(name)
        return {"name": name, "version": commit, "hash": commit}
    if is_soft_corpus(path):
        raise ValueError(
            f"[D206] '{source}' is a soft corpus: it knows the texts that it was made of and no "
            "others, so it teaches in `distill` alone. Name the teacher that wrote it, which is in "
            "its manifest.json."
        )
    if is_package(name):
        path = get_package_path(name)
    elif not path.exists():
        raise _no_teacher(source)
    return {"name": name, "version": version, "hash": _content_hash(path)}


def names_of(sources: Sequence[TeacherSource]) -> List[str]:
    """RETURNS (List[str]): What errors call teachers: the names that they were given by. Pipelines
    that have the same name are numbered."""
    names = [_name_and_version(source)[0] for source in sources]
    return [
        f"{name} (teacher {number})" if names.count(name) > 1 else name
        for number, name in enumerate(names, start=1)
    ]


def _name_and_version(source: TeacherSource) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): What a teacher calls itself, without loading it; the version is ""
    if it tells none."""
    if isinstance(source, Language):
        return f"{source.meta['lang']}_{source.meta['name']}", source.meta["version"]
    if not isinstance(source, (str, Path)):
        return type(source).__name__, ""
    if is_package(str(source)):
        return str(source), get_package_version(str(source)) or ""
    return str(source), _version(Path(source))


def _version(folder: Path) -> str:
    """RETURNS (str): The version that a pipeline's folder tells; "" if it does not."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf8"))
        return str(meta.get("version", ""))
    except (OSError, ValueError):
        # No pipeline, or a broken one, of which loading it says more.
        return ""


def _content_hash(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(item for item in folder.rglob("*") if item.is_file()):
        if "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
            update_with_file(digest, file)
    return digest.hexdigest()


def open_source(
    source: TeacherSource, options: TeacherOptions = DEFAULT_OPTIONS
) -> Union[Language, Teacher]:
    """Load what a name stands for.

    source (TeacherSource): As `load_teacher` takes it; what is loaded already stays as it is.
    options (TeacherOptions): How it is read.
    RETURNS (Union[Language, Teacher]): A pipeline, or a teacher.
    RAISES (ValueError): It is none of the things that can teach.
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
            f"[D201] '{source}' is no teacher: it has no meta.json of a spaCy pipeline, no "
            "config.json of a Hugging Face model and no manifest.json of a soft corpus. Correct "
            "the path."
        )
    raise _no_teacher(source)


def _require_used(teachers: Sequence[Teacher], options: TeacherOptions) -> None:
    """Make sure that options are for something: a slip would go unnoticed."""
    read = any(isinstance(t, PipelineTeacher) and t.reads_annotations for t in teachers)
    if options.labels and not read:
        raise ValueError(
            "[D207] --labels is for teachers that write entities or spans, and these give "
            "probabilities. Leave it out, or choose a component with --teacher-pipe."
        )
    if options.scheme and not any(isinstance(t, TokenClassificationTeacher) for t in teachers):
        raise ValueError(
            "[D208] --scheme is for Hugging Face models, of which there is none among the "
            "teachers. Leave it out."
        )
    known = {label for teacher in teachers for label in teacher.labels}
    unknown = sorted(set(options.label_map) - known)
    if unknown:
        raise ValueError(
            f"[D209] The label map names {', '.join(unknown)}, but the teachers' labels are: "
            f"{', '.join(sorted(known))}. Correct it."
        )


def _no_teacher(source: Union[str, Path]) -> ValueError:
    return ValueError(
        f"[D202] There is no teacher '{source}': no such folder, and no such spaCy package is "
        f"installed.{hint_of(source)} Correct the path, install the pipeline, or write "
        "hf:OWNER/NAME for a model on the Hugging Face hub."
    )


def _pipeline(nlp: Language, options: TeacherOptions, name: str) -> Teacher:
    teacher = PipelineTeacher(
        nlp,
        options.teacher_pipe,  # type: ignore[arg-type]
        spans_key=options.spans_key,  # type: ignore[arg-type]
        labels=options.labels or None,
        confidence=options.assumed_confidence,  # type: ignore[arg-type]
        partial=options.partial_labels,
    )
    teacher.name = name
    return teacher
