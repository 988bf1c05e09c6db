"""The model card of a student: scores for its meta.json, and the README of its package."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy
from spacy.language import Language
from spacy.training import Example

from ..pipeline.confidences import EVALUATION_ATTR, with_confidences
from ..progress import ProgressBar
from .entity_counts import count_entities, labels_in, require_entities, scores
from .reliability import entity_reliability, with_predictions

# Maximum number of labels that a sentence names.
MOST_NAMED = 20


def measure(nlp: Language, examples: Iterable[Example]) -> Dict[str, Any]:
    """Evaluate a student on a test set.

    nlp (Language): The pipeline. Its components write confidences during the evaluation.
    examples (Iterable[Example]): The labeled documents.
    RETURNS (Dict[str, Any]): `ents_p`, `ents_r`, `ents_f` and `ents_per_type`, counted as in a
        report, `ents_calibration_error` if a component writes confidences, and
        `ents_min_confidence` if a component leaves out entities below one.
    RAISES (ValueError): The documents have no gold entities.
    """
    examples = list(examples)
    require_entities([example.reference for example in examples], "The test set")
    with (
        ProgressBar(desc="Evaluate", total=len(examples)) as bar,
        with_confidences(nlp),
    ):
        examples = with_predictions(nlp, examples, bar.update)
    found = _entity_scores(examples)
    reliability = entity_reliability(examples, attr=EVALUATION_ATTR)
    if reliability.counts.any():
        found["ents_calibration_error"] = reliability.expected_calibration_error
    least = max((getattr(pipe, "min_confidence", 0.0) for _, pipe in nlp.pipeline), default=0.0)
    return {**found, "ents_min_confidence": least} if least else found


def _entity_scores(examples: Sequence[Example]) -> Dict[str, Any]:
    """Compute scores under spaCy's names. As in spaCy, a score without entities is 0."""
    labels = labels_in(examples)
    counts = count_entities(examples, labels).sum(axis=0)
    found = {label: row for label, row in zip(labels, counts, strict=True) if row.any()}
    precision, recall, f1 = _scores_or_0(counts.sum(axis=0))
    return {
        "ents_p": precision,
        "ents_r": recall,
        "ents_f": f1,
        "ents_per_type": {
            label: dict(zip("prf", _scores_or_0(row), strict=True)) for label, row in found.items()
        },
    }


def _scores_or_0(counts: numpy.ndarray) -> List[float]:
    return numpy.nan_to_num(scores(counts)).tolist()


def summary(meta: Mapping[str, Any]) -> str:
    """Summarize an evaluated student in a sentence: its labels, F1 and speed.

    meta (Mapping[str, Any]): The pipeline's meta, as `write_card` fills it.
    RETURNS (str): The sentence.
    """
    labels = meta["evaluation"]["labels"]
    named = ", ".join(labels[:MOST_NAMED])
    if len(labels) > MOST_NAMED:
        named += f" and {len(labels) - MOST_NAMED} more labels"
    found, data = meta["performance"], meta["evaluation"]["data"]
    return (
        f"Finds {named}: F1 {100 * found['ents_f']:.2f} on {data}, "
        f"{found['speed']:,.0f} words a second on one core."
    )


def model_card(meta: Mapping[str, Any], needs_torch: bool = False) -> str:
    """Write the README of a student's package.

    meta (Mapping[str, Any]): The pipeline's meta, as `spacy distill-card` fills it.
    needs_torch (bool): Whether the pipeline has a torch model.
    RETURNS (str): The README in Markdown. Sections without values in the meta are left out.
    """
    name = f"{meta['lang']}_{meta['name']}"
    parts = [f"# {name}", meta.get("description") or "", _usage(name, needs_torch)]
    parts += [_overview(meta, name)]
    parts += [_accuracy(meta.get("performance", {}), meta.get("evaluation", {}))]
    parts += [_training(meta.get("distillation", {})), meta.get("notes") or ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage(name: str, needs_torch: bool) -> str:
    needed = "spacy-distill[train], with torch." if needs_torch else "spacy-distill, no torch."
    return (
        "```python\nimport spacy\n\n"
        f"# The package, or its folder. Needs spacy and {needed}\n"
        f'nlp = spacy.load("{name}")\n'
        'doc = nlp("...")\nprint([(ent.text, ent.label_) for ent in doc.ents])\n```'
    )


def _overview(meta: Mapping[str, Any], name: str) -> str:
    labels = meta.get("evaluation", {}).get("labels", [])
    rows = {
        "Name": f"`{name}`",
        "Version": f"`{meta.get('version', '')}`",
        "spaCy": f"`{meta.get('spacy_version', '')}`",
        "Pipeline": ", ".join(f"`{pipe}`" for pipe in meta.get("pipeline", [])),
        "Labels": ", ".join(f"`{label}`" for label in labels),
        "Sources": "; ".join(_source(source) for source in meta.get("sources") or []),
        "License": meta.get("license") or "",
        "Author": meta.get("author") or "",
    }
    return _table(("", ""), [(key, value) for key, value in rows.items() if value])


def _source(source: Union[str, Mapping[str, Any]]) -> str:
    """Format a source with its license. It is a text, or has the keys of spaCy's own metas."""
    if isinstance(source, str):
        return source
    name, license = source.get("name", ""), source.get("license")
    return f"{name} ({license})" if license else name


def _accuracy(performance: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    if performance.get("ents_f") is None:
        return ""
    rows = [("all", *(performance[f"ents_{letter}"] for letter in "prf"))]
    rows += [
        (label, found["p"], found["r"], found["f"])
        for label, found in sorted((performance.get("ents_per_type") or {}).items())
    ]
    lines = [(label, *(f"{100 * score:.2f}" for score in found)) for label, *found in rows]
    text = "## Accuracy and speed\n\n"
    data = evaluation.get("data")
    text += f"On {data}:\n\n" if data else "On the development set:\n\n"
    text += _table(("entities", "precision", "recall", "F1"), lines)
    if "ents_min_confidence" in performance:
        least = performance["ents_min_confidence"]
        text += f"\n\nEntities with a confidence below {least} are left out (`min_confidence`)."
    error = performance.get("ents_calibration_error")
    if error is not None:
        text += f"\n\nExpected calibration error of the confidences: {error:.3f}."
    if "speed" in performance:
        machine = evaluation.get("machine")
        text += f"\n\n{performance['speed']:,.0f} words a second on one core"
        text += f" ({machine})." if machine else "."
    return text


def _training(distillation: Mapping[str, Any]) -> str:
    if not distillation:
        return ""
    rows = {
        "Teachers": "<br>".join(distillation.get("teachers", [])),
        "Documents": _documents(distillation.get("documents", {})),
        "Loss": _settings(distillation.get("loss", {})),
        "Cross-view heads": _settings(distillation.get("cross_view", {})),
        "Hidden states": _settings(distillation.get("states", {})),
        "Batches": _settings(distillation.get("batcher", {})),
        "Settings": _settings(distillation.get("settings", {})),
        "Steps": _steps(distillation),
        "spacy-distill": f"`{distillation.get('version', '')}`",
    }
    made = _table(("", ""), [(key, value) for key, value in rows.items() if value])
    return f"## How it was made\n\n{made}"


def _documents(documents: Mapping[str, Optional[int]]) -> str:
    """Format the number of documents of each kind, which is None for streamed documents."""
    return ", ".join(
        f"{kind} ones streamed" if number is None else f"{number:,} {kind}"
        for kind, number in documents.items()
    )


def _settings(block: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key} = {value}`" for key, value in _flat(block))


def _flat(block: Mapping[str, Any], place: str = "") -> Iterator[Tuple[str, str]]:
    """Yield the names and values of settings as text, and of nested blocks such as schedules."""
    for key, value in block.items():
        name = place + key.lstrip("@")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif value is not None:
            # Rounded: a value may be 0.30000000000000004.
            yield name, f"{value:.12g}" if isinstance(value, float) else str(value)


def _steps(distillation: Mapping[str, Any]) -> str:
    """Format the last step of this model, and the best step until then, as spaCy's loggers count
    them."""
    if "steps" not in distillation:
        return ""
    steps = distillation["steps"]
    best = distillation.get("best_step", steps)
    return f"{steps:,}" + ("" if best == steps else f"; best on the development set at {best:,}")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
