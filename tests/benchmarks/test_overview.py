"""README's table, and the wheel of the student in models/."""

import pytest
import spacy
from spacy.training import Example

from benchmarks import overview
from benchmarks.commands import read_json, write_json
from benchmarks.overview import FIGURES, MODELS, System, sizes_table
from tests.tiny_bert import save_tiny_bert

PAGE = (
    "<!-- systems: benchmarks.overview -->\n\n<!-- end of systems -->\n"
    "<!-- sizes: benchmarks.overview -->\n\n<!-- end of sizes -->\n"
)


def test_the_wheel_is_small_and_finds_as_much_as_the_student():
    figures = read_json(FIGURES)
    size = (MODELS / figures["wheel"]["name"]).stat().st_size / 1e6
    assert size == pytest.approx(figures["wheel"]["megabytes"]) and size <= 6
    wheel = figures["wheel"]
    assert wheel["small"]["dev"] >= wheel["student"]["dev"] - 0.01


def test_a_measurement_and_a_wheel_replace_the_figures(two_names, tmp_path, monkeypatch):
    text = "Anna Berg sails to Oslo ."
    two_names.to_disk(tmp_path / "student")
    other = spacy.blank("en")
    patterns = [{"label": "GPE", "pattern": "Oslo"}, {"label": "DATE", "pattern": "sails"}]
    other.add_pipe("entity_ruler").add_patterns(patterns)
    other.add_pipe("sentencizer")
    other.to_disk(tmp_path / "rules")
    gold = spacy.tokens.DocBin(docs=[two_names(text)])
    (tmp_path / "corpus").mkdir()
    for name in ("dev", "test", "unlabeled"):
        gold.to_disk(tmp_path / "corpus" / f"{name}.spacy")
    systems = (
        System("student", "student"),
        System("rules", "rules", {"GPE": "LOC"}, ("sentencizer",)),
    )
    monkeypatch.setattr(overview, "ROOT", tmp_path)
    monkeypatch.setattr(overview, "MODELS", tmp_path)
    monkeypatch.setattr(overview, "SYSTEMS", systems)
    for name, system in (("STUDENT", 0), ("TEACHER", 0), ("SMALL", 1)):
        monkeypatch.setattr(overview, name, systems[system])
    monkeypatch.setattr(overview, "needs_torch", lambda system: system.name == "rules")
    monkeypatch.setattr(overview, "parameters", lambda nlp: 10)  # rules have none
    (tmp_path / "page.md").write_text(PAGE, encoding="utf8")
    wheel = tmp_path / "made" / "en_student-1.0.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"0" * 2500)
    figures = tmp_path / "figures.json"
    overview.main([tmp_path / "page.md"], True, wheel, 1, figures)
    rows = (tmp_path / "page.md").read_text(encoding="utf8").splitlines()
    found = [row for row in rows if row.startswith(("| student", "| rules"))]
    student, rules = found[:2]
    assert student.startswith("| student | 100.0 |") and student.endswith("| no |")
    # One of two entities, and the other label is left out.
    assert rules.startswith("| rules | 66.7 |") and rules.endswith("| yes |")
    kept = read_json(figures)["wheel"]
    assert (kept["name"], kept["megabytes"]) == (wheel.name, 0.0025)
    assert kept["student"] == {"dev": 1.0, "test": 1.0}
    assert kept["small"] == {"dev": pytest.approx(2 / 3), "test": pytest.approx(2 / 3)}
    assert (tmp_path / wheel.name).stat().st_size == 2500
    assert (tmp_path / overview.PICTURE).read_bytes().startswith(b"\x89PNG")
    # The figures alone give the same page.
    write_json(figures, read_json(figures))
    overview.main([tmp_path / "page.md"], figures=figures)
    assert (tmp_path / "page.md").read_text(encoding="utf8").splitlines() == rows


def test_sizes_are_compared_with_the_teachers():
    student = {"name": "student", "f1": 0.8, "parameters": 2_000_000, "megabytes": 10.0}
    teacher = {"name": "teacher", "f1": 0.9, "parameters": 100_000_000, "megabytes": 405.0}
    systems = [
        {**student, "words_per_second": 5012.0, "needs_torch": False},
        {**teacher, "words_per_second": 50.0, "needs_torch": True},
    ]
    rows = sizes_table(systems).splitlines()[2:4]
    assert rows[0] == "| student | 80.0 | 2.0 M | 10.0 | 5,000 | 50 | 40 | 100 |"
    assert rows[1] == "| teacher | 90.0 | 100.0 M | 405.0 | 50 | 1 | 1 | 1 |"


def test_torch_is_needed_or_not(two_names, tmp_path):
    two_names.to_disk(tmp_path / "student")
    assert not overview.needs_torch(System("", str(tmp_path / "student")))
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    save_tiny_bert(tmp_path / "bert", ["Oslo", "is", "cold", "."])
    layers = {"@architectures": "spacy-distill.TransformerLayers.v1", "name": f"{tmp_path}/bert"}
    nlp = spacy.blank("en")
    mix = {"@architectures": "spacy-distill.LayerMix.v1", "transformer": layers}
    words = {"@architectures": "spacy-distill.WordEmbedding.v1"}
    words["features"] = {"@architectures": "spacy-distill.FormFeatures.v1"}
    both = {"@architectures": "spacy-distill.SideBySide.v1", "left": words, "right": mix}
    nlp.add_pipe("ner_teacher", config={"model": {"embed": both}})
    doc = two_names("Anna Berg sails to Oslo .")
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])
    nlp.to_disk(tmp_path / "teacher")
    assert overview.needs_torch(System("", str(tmp_path / "teacher")))
