"""What a training depends on. It can only be resumed with the same."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from spacy.language import Language
from thinc.api import Config

from ..corpora.hashes import update_with_file
from ..corpora.soft_shards import Manifest, is_soft_corpus
from ..jobs.plan import installed_versions
from ..names import is_on_hub
from ..saving import replaced_file
from ..teachers.identity import describe, vectors_hash
from ..teachers.identity import fingerprint as fingerprint_of_content
from ..teachers.protocol import TeacherSource
from ..teachers.sources import TeacherOptions

# Sections and settings that may differ: loggers, and paths, since corpora are compared by content.
IGNORED = ("paths", "training.logger")
# What a finished training depended on, in its output folder.
FINISHED = ".origin.json"

Origin = Dict[str, Any]


def training_origin(
    nlp: Language,
    sources: Sequence[TeacherSource],
    options: TeacherOptions,
    use_gpu: int,
) -> Origin:
    """Describe what a training depends on, apart from its corpora.

    nlp (Language): The initialized student.
    sources (Sequence[TeacherSource]): The teachers, as `load_teacher` takes them.
    options (TeacherOptions): How they are read.
    use_gpu (int): GPU id, -1 for the CPU.
    RETURNS (Origin): Plain values, by their names in errors.
    """
    return as_json(
        {
            **given(nlp.config, sources, options),
            **{
                f"the labels of '{name}'": list(pipe.labels)
                for name, pipe in nlp.pipeline
                if hasattr(pipe, "labels")
            },
            "the word vectors": vectors_hash(nlp),
            "the device": "CPU" if use_gpu < 0 else "GPU",
            **{f"the version of {name}": text for name, text in installed_versions().items()},
        }
    )


def given(config: Config, sources: Sequence[TeacherSource], options: TeacherOptions) -> Origin:
    """List what a user gives to a training: settings, teachers, and how these are read."""
    n = len(sources)
    names = ["the teacher"] if n == 1 else [f"teacher {number + 1}" for number in range(n)]
    return {
        **{f"the setting {key}": value for key, value in settings_of(config).items()},
        **dict(zip(names, map(fingerprint, sources), strict=True)),
        "the number of teachers": n,
        **{f"the option {name} of teachers": value for name, value in asdict(options).items()},
    }


def differences(old: Origin, new: Origin) -> List[str]:
    """List what differs between two origins, with both values of settings and versions."""
    named = []
    for name in sorted(name for name in {*old, *new} if old.get(name) != new.get(name)):
        # Others have hashes, which say nothing to a reader.
        has_values = name.startswith(("the setting", "the option", "the version", "the device"))
        named.append(
            f"{name} ({old.get(name)!r} before, {new.get(name)!r} now)" if has_values else name
        )
    return named


def keep_origin(output: Path, origin: Origin, more: Origin) -> None:
    """Write what a finished training depended on, next to its models.

    output (Path): The folder of the models.
    origin (Origin): The result of `training_origin`.
    more (Origin): The result of `compared_by_value`.
    """
    with replaced_file(output / FINISHED) as unfinished:
        text = json.dumps({**origin, **as_json(more)}, indent=1, sort_keys=True)
        unfinished.write_text(text + "\n", encoding="utf8")


def compared_by_value(config: Config, compact: bool, bits: int) -> Origin:
    """List what else is compared if a training is finished, since its corpora are not read
    again."""
    paths = config.interpolate().get("paths", {})
    found = {
        f"the setting paths.{name}": value
        if not isinstance(value, (str, Path)) or is_on_hub(value)
        else str(Path(value).resolve())
        for name, value in paths.items()
    }
    return {**found, "the option compact": compact, "the option bits": bits}


def finished_differences(output: Path, new: Origin) -> List[str]:
    """List what differs between a finished training and a new run.

    output (Path): The folder of the models. If it does not say what the training depended on,
        nothing differs.
    new (Origin): What the new run depends on. Settings that it leaves to the defaults, or to the
        training, are missing or None, and are not compared.
    """
    path = output / FINISHED
    old = json.loads(path.read_text(encoding="utf8")) if path.exists() else {}
    new = {name: value for name, value in as_json(new).items() if value is not None}
    shared = old.keys() & new.keys()
    return differences(*({name: origin[name] for name in shared} for origin in (old, new)))


def settings_of(config: Config) -> Dict[str, Any]:
    """List the settings of a config by dotted name. Settings that follow a path are left out."""
    interpolated = flatten(config.interpolate())
    raw = dict(flatten(config))
    return {
        key: value
        for key, value in interpolated
        if not key.startswith(tuple(f"{name}." for name in IGNORED))
        and key not in IGNORED
        and "${paths." not in str(raw.get(key, ""))
    }


def flatten(block: Mapping[str, Any], prefix: str = "") -> Iterator[Tuple[str, Any]]:
    """Yield the values of nested blocks with dotted names."""
    for key, value in block.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def fingerprint(source: TeacherSource) -> Optional[str]:
    """Identify a teacher by its content, or by its class if it is an object of another package.
    None if it is not there, or cannot be reached."""
    if not isinstance(source, (str, Path, Language)):
        return describe(source)
    if not isinstance(source, Language) and is_soft_corpus(Path(source)):
        digest = hashlib.blake2b(digest_size=16)
        # It has the checksums of the shards.
        update_with_file(digest, Path(source) / Manifest.FILE)
        return digest.hexdigest()
    try:
        return fingerprint_of_content(source)["hash"]
    except ValueError:
        return None


def as_json(values: Origin) -> Origin:
    """Convert values as they are after a file of JSON: tuples become lists."""
    return json.loads(json.dumps(values, default=str))
