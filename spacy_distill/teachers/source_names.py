"""What teachers are called on the cards of their students: what they tell of themselves, and not
where they lay on the disk of whoever made the student."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple, Union

from spacy.language import Language
from spacy.util import get_package_path, is_package, load_config

from ..corpora.soft_shards import Manifest, is_soft_corpus
from ..names import HUB_PREFIX, is_on_hub
from .sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource


def source_names(sources: Sequence[TeacherSource], options: TeacherOptions) -> List[str]:
    """RETURNS (List[str]): What to call each of several teachers, which are read with options."""
    return [
        source_name(source, options.of(number, len(sources)))
        for number, source in enumerate(sources)
    ]


def source_name(source: TeacherSource, options: TeacherOptions = DEFAULT_OPTIONS) -> str:
    """Tell in words which teacher a source is; nothing is loaded.

    source (TeacherSource): As `load_teacher` takes it.
    options (TeacherOptions): How it is read: those of this teacher alone.
    RETURNS (str): Of a pipeline its name and version and, as far as it tells them, the components
        that teach, the transformer, the number of labels and the license; of a soft corpus, the
        same of the teachers that wrote it.
    """
    if isinstance(source, Language):
        return _pipeline_name(source.meta, source.config.interpolate(), options)
    if not isinstance(source, (str, Path)):
        return _with_details(type(source).__name__, [_counted(len(source.labels), "label")])
    if is_soft_corpus(Path(source)):
        return _soft_corpus_name(Manifest.from_disk(Path(source)))
    meta, config = _pipeline_files(source)
    if "lang" in meta and "name" in meta:
        return _pipeline_name(meta, config, options)
    model = _read_json(Path(source) / "config.json")
    classes = _counted(len(model.get("id2label", ())), "class", "classes")
    return _with_details(_without_place(str(source)), [model.get("model_type", ""), classes])


def _pipeline_name(
    meta: Mapping[str, Any], config: Mapping[str, Any], options: TeacherOptions
) -> str:
    labels = meta.get("labels", {})
    if options.teacher_pipe is not None:
        teaching = [str(options.teacher_pipe)]
    else:
        teaching = _writers(meta, config, "doc.ents" if not options.spans_key else "doc.spans")
    n_labels = len({label for name in teaching for label in labels.get(name, ())})
    trained = {key: config.get(key, {}) for key in ("components", "initialize")}
    transformers = dict.fromkeys(_without_place(name) for name in _transformers(trained))
    name = f"{meta['lang']}_{meta['name']} {meta.get('version', '')}".strip()
    license = f"license {meta['license']}" if meta.get("license") else ""
    return _with_details(name, [*teaching, *transformers, _counted(n_labels, "label"), license])


def _soft_corpus_name(manifest: Manifest) -> str:
    teachers = [
        _with_version(one.get("description") or _without_place(one["name"]), one["version"])
        for one in manifest.teacher["teachers"]
    ]
    n_documents = sum(shard.documents for shard in manifest.shards)
    counted = _counted(n_documents, "document")
    return "; ".join(teachers) + (f"; as a soft corpus of {counted}" if counted else "")


def _with_version(name: str, version: str) -> str:
    return name if version in name else f"{name} {version}"


def _with_details(name: str, details: Iterable[str]) -> str:
    listed = ", ".join(detail for detail in details if detail)
    return f"{name} ({listed})" if listed else name


def _counted(number: int, one: str, several: str = "") -> str:
    """RETURNS (str): A number with what it counts; "" if it is none."""
    return f"{number:,} {one if number == 1 else several or one + 's'}" if number else ""


def _without_place(name: str) -> str:
    """RETURNS (str): The last part of a path; names on the hub without their prefix."""
    if is_on_hub(name):
        return name.removeprefix(HUB_PREFIX)
    path = Path(name)
    is_path = path.is_absolute() or path.exists() or name.startswith(".") or name.count("/") > 1
    return path.name or name if is_path else name


def _pipeline_files(source: Union[str, Path]) -> Tuple[Dict[str, Any], Mapping[str, Any]]:
    """RETURNS (Tuple[Dict[str, Any], Mapping[str, Any]]): A pipeline's meta and config; empty
    where it has none that can be read, of which loading it says more."""
    folder = Path(source)
    meta: Dict[str, Any] = {}
    if is_package(str(source)):
        package = get_package_path(str(source))
        meta = _read_json(package / "meta.json")
        # Packages have the pipeline's own folder within them.
        folder = package / f"{meta.get('lang')}_{meta.get('name')}-{meta.get('version')}"
    meta = {**_read_json(folder / "meta.json"), **meta}
    try:
        return meta, load_config(folder / "config.cfg", interpolate=True)
    except (OSError, ValueError):
        return meta, {}


def _read_json(path: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A file's content; empty if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}


def _writers(meta: Mapping[str, Any], config: Mapping[str, Any], attribute: str) -> List[str]:
    """RETURNS (List[str]): The components that write an attribute with their settings, as far as
    their factories are installed."""
    # spaCy knows no factories before a pipeline is made.
    nlp = Language()
    components = config.get("components", {})
    # Settings that say more than the factory.
    setting = {"doc.ents": "annotate_ents", "doc.spans": "spans_key"}[attribute]
    found = []
    for name in meta.get("pipeline", ()):
        block = components.get(name, {})
        factory = block.get("factory", "")
        if nlp.has_factory(factory):
            writes = attribute in nlp.get_factory_meta(factory).assigns
            if block.get(setting, writes):
                found.append(name)
    return found


def _transformers(block: Mapping[str, Any]) -> Iterator[str]:
    """YIELDS (str): The names of the transformers that a part of a config loads, of
    spacy-transformers or of curated ones."""
    functions = [value for key, value in block.items() if key.startswith("@")]
    loads = any("Transformer" in str(function) for function in functions)
    if loads and isinstance(block.get("name"), str):
        yield block["name"]
    for value in block.values():
        if isinstance(value, Mapping):
            yield from _transformers(value)
