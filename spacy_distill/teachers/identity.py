"""Names, descriptions and fingerprints of teachers, without loading them."""

import configparser
import hashlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.util import (
    get_package_path,
    get_package_version,
    is_package,
    load_config,
    load_meta,
)
from thinc.api import to_numpy

from ..corpora.hashes import update_with_file
from ..corpora.soft_shards import Manifest, is_soft_corpus
from ..encoders.loading import hub_commit
from ..names import HUB_PREFIX, is_on_hub, similar_name_hint
from .protocol import TeacherSource


def names_of(sources: Sequence[TeacherSource]) -> List[str]:
    """Get the names of teachers for error messages.

    sources (Sequence[TeacherSource]): The teachers, as in `load_teacher`.
    RETURNS (List[str]): Names and paths as given; for pipeline objects, the names in their meta.
        Teachers with the same name are numbered.
    """
    names = [_name_and_version(source)[0] for source in sources]
    return [
        f"{name} (teacher {number})" if names.count(name) > 1 else name
        for number, name in enumerate(names, start=1)
    ]


def language_of(source: TeacherSource) -> Optional[str]:
    """Find the language of a teacher.

    source (TeacherSource): The teacher, as in `load_teacher`.
    RETURNS (Optional[str]): The code of a pipeline's language; None for all other teachers.
    RAISES (ValueError): There is no such teacher.
    """
    if isinstance(source, Language):
        return source.lang
    if not isinstance(source, (str, Path)):
        return None
    name = str(source)
    if is_package(name):
        return _read_meta(get_package_path(name)).get("lang")
    if not is_on_hub(name) and not Path(name).exists():
        raise missing_teacher_error(name)
    return _read_meta(Path(name)).get("lang")


def describe(source: TeacherSource) -> str:
    """Describe a teacher for the model card of its student, without local paths.

    source (TeacherSource): The teacher, as in `load_teacher`.
    RETURNS (str): For a pipeline, its name and version and, if known, its transformers and license.
        For a soft corpus, the same for the teachers that wrote it.
    """
    if isinstance(source, Language):
        return _describe_pipeline(source.meta, source.config.interpolate())
    if not isinstance(source, (str, Path)):
        return type(source).__name__
    if is_soft_corpus(Path(source)):
        manifest = Manifest.from_disk(Path(source))
        teachers = [
            one.get("description") or f"{without_folder(one['name'])} {one['version']}"
            for one in manifest.teacher["teachers"]
        ]
        n_documents = sum(shard.documents for shard in manifest.shards)
        return f"{'; '.join(teachers)}; as a soft corpus of {n_documents:,} documents"
    folder = pipeline_folder(source)
    meta = _read_meta(folder)
    try:
        config: Mapping[str, Any] = load_config(folder / "config.cfg", interpolate=True)
    except (OSError, ValueError, configparser.Error):
        config = {}
    return _describe_pipeline(meta, config) if meta else without_folder(str(source))


def pipeline_folder(source: Union[str, Path]) -> Path:
    """Find the folder of a pipeline that is a package or a folder. A package has it in a folder."""
    if not is_package(str(source)):
        return Path(source)
    folder = get_package_path(str(source))
    return folder / "{lang}_{name}-{version}".format_map(load_meta(folder / "meta.json"))


def fingerprint(source: TeacherSource) -> Dict[str, str]:
    """Identify a teacher by its content.

    source (TeacherSource): A name, a folder or a pipeline, as in `load_teacher`.
    RETURNS (Dict[str, str]): "name", "version" (empty if there is none) and "hash". The hash covers
        the names and bytes of the teacher's files, or the result of `to_bytes` of a pipeline
        object. For a model on the hub, version and hash are the commit, and nothing is loaded.
    RAISES (ValueError): The teacher has no content that can be hashed, or is a soft corpus.
    """
    name, version = _name_and_version(source)
    if isinstance(source, Language):
        # The vocabulary grows when the pipeline is used, so only its vectors are hashed.
        digest = hashlib.blake2b(source.to_bytes(exclude=["vocab"]), digest_size=16)
        digest.update(vectors_hash(source).encode())
        return {"name": name, "version": version, "hash": digest.hexdigest()}
    if not isinstance(source, (str, Path)):
        raise ValueError(
            f"[D205] A soft corpus identifies its teacher by its content, and {name} has no "
            "content that can be hashed. Use a pipeline, or the name or folder of a teacher."
        )
    if is_on_hub(source):
        commit = hub_commit(name)
        return {"name": name, "version": commit, "hash": commit}
    folder = Path(source)
    if is_soft_corpus(folder):
        raise ValueError(
            f"[D206] '{source}' is a soft corpus: it has predictions for its own texts only, so it "
            "can be the teacher only in `distill`. Name the teacher that wrote it, which is in "
            "its manifest.json."
        )
    if not is_package(name) and not folder.exists():
        raise missing_teacher_error(source)
    return pipeline_fingerprint(source)


def vectors_hash(nlp: Language) -> str:
    """RETURNS (str): A hash of the word vectors of a pipeline. Words that it has read since do not
    change it."""
    vectors = nlp.vocab.vectors
    digest = hashlib.blake2b(to_numpy(vectors.data).tobytes(), digest_size=16)
    digest.update(repr(sorted(vectors.key2row.items())).encode())
    return digest.hexdigest()


def pipeline_fingerprint(source: Union[str, Path]) -> Dict[str, str]:
    """Identify a package or a folder by its content.

    source (Union[str, Path]): A package or a folder that exists.
    RETURNS (Dict[str, str]): "name", "version" (empty if there is none) and "hash", which covers
        the names and bytes of the files.
    """
    name, version = _name_and_version(source)
    folder = get_package_path(name) if is_package(name) else Path(source)
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(item for item in folder.rglob("*") if item.is_file()):
        if "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
            update_with_file(digest, file)
    return {"name": name, "version": version, "hash": digest.hexdigest()}


def missing_teacher_error(source: Union[str, Path]) -> ValueError:
    """RETURNS (ValueError): The error for a name that belongs to no teacher."""
    return ValueError(
        f"[D202] There is no teacher '{source}': no such folder, and no such spaCy package is "
        f"installed.{similar_name_hint(source)} Correct the path, install the pipeline, or write "
        "hf:OWNER/NAME for a model on the Hugging Face hub."
    )


def _name_and_version(source: TeacherSource) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): A teacher's name and version; the version is "" if it has none."""
    if isinstance(source, Language):
        return f"{source.meta['lang']}_{source.meta['name']}", source.meta["version"]
    if not isinstance(source, (str, Path)):
        return type(source).__name__, ""
    if is_package(str(source)):
        return str(source), get_package_version(str(source)) or ""
    return str(source), str(_read_meta(Path(source)).get("version", ""))


def _read_meta(folder: Path) -> Dict[str, Any]:
    """Read meta.json; return {} if it is missing or damaged, which loading reports."""
    try:
        return load_meta(folder / "meta.json")
    except (OSError, ValueError):
        return {}


def _describe_pipeline(meta: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    trained = {key: config.get(key, {}) for key in ("components", "initialize")}
    details = list(dict.fromkeys(without_folder(name) for name in _transformers(trained)))
    if meta.get("license"):
        details.append(f"license {meta['license']}")
    name = f"{meta['lang']}_{meta['name']} {meta.get('version', '')}".strip()
    return f"{name} ({', '.join(details)})" if details else name


def _transformers(block: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the transformers that a config section loads."""
    functions = [value for key, value in block.items() if key.startswith("@")]
    loads = any("Transformer" in str(function) for function in functions)
    if loads and isinstance(block.get("name"), str):
        yield block["name"]
    for value in block.values():
        if isinstance(value, Mapping):
            yield from _transformers(value)


def without_folder(name: str) -> str:
    """RETURNS (str): The last part of a path, or the name on the hub without its prefix."""
    if is_on_hub(name):
        return name.removeprefix(HUB_PREFIX)
    path = Path(name)
    is_path = path.is_absolute() or path.exists() or name.startswith(".") or name.count("/") > 1
    return path.name or name if is_path else name
