"""The base install: what it requires, what it registers, and that it runs without the rest."""

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import spacy

import spacy_distill

HEAVY = [
    "torch",
    "transformers",
    "spacy_transformers",
    "datasets",
    "pyarrow",
    "seqeval",
    "matplotlib",
    "ray",
    "upath",
]

# Hides packages of the train extra, and their entry points, as if they were not installed.
HIDE = f"""
import importlib.metadata
import sys

HEAVY = {HEAVY}
find_all = importlib.metadata.distributions

def find_light(**context):
    for found in find_all(**context):
        if (found.metadata["Name"] or "").replace("-", "_") not in HEAVY:
            yield found

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

importlib.metadata.distributions = find_light
sys.meta_path.insert(0, Hidden())
"""

RUN = """
import spacy

# The package itself is found by its entry points.
print(type(spacy.blank("en").add_pipe("ner_student")).__module__)
nlp = spacy.load(sys.argv[1])
nlp.to_disk(sys.argv[2])
again = spacy.load(sys.argv[2])
for text in ("Anna Berg sails to Oslo .", ""):
    print([(ent.text, ent.label_) for ent in again(text).ents])
print("loaded:", sorted({name.partition(".")[0] for name in sys.modules} & set(HEAVY)))
"""

TRAIN = """
import spacy
from spacy.training import Example

import spacy_distill
from spacy.tokens import Span
import spacy_distill

nlp = spacy.load(sys.argv[1])
doc = nlp.make_doc("Anna Berg sails to Oslo .")
doc.set_ents([Span(doc, 0, 2, label="PER")])
print(nlp.update([Example(nlp.make_doc(doc.text), doc)])["ner_student"] > 0)
print(callable(spacy_distill.distill))
print("loaded:", sorted({name.partition(".")[0] for name in sys.modules} & set(HEAVY)))
"""


@pytest.fixture(scope="module")
def saved(two_names, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    two_names.to_disk(folder)
    return folder


def run_without_the_train_extra(code, *arguments):
    command = [sys.executable, "-c", HIDE + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_student_runs_without_the_train_extra(saved, tmp_path):
    done = run_without_the_train_extra(RUN, saved, tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "spacy_distill.pipeline.ner_student",
        "[('Anna Berg', 'PER'), ('Oslo', 'LOC')]",
        "[]",
        "loaded: []",
    ]


def test_the_package_imports_and_trains_without_the_train_extra(saved):
    done = run_without_the_train_extra(TRAIN, saved)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True", "True", "loaded: []"]


def test_spacy_can_list_all_architectures_without_the_train_extra():
    """As it does to say which there are, where a config's is mistyped."""
    code = "import spacy\nprint('spacy-distill.TransformerLayers.v1' in "
    done = run_without_the_train_extra(code + "spacy.registry.architectures.get_all())")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True"]


def test_the_base_install_requires_three_packages():
    requires = distribution("spacy-distill").requires
    base = [line for line in requires if "extra ==" not in line]
    assert {re.match(r"[\w-]+", line).group() for line in base} == {"spacy", "thinc", "numpy"}
    assert any(line.startswith("torch") and 'extra == "train"' in line for line in requires)


def test_every_entry_point_leads_to_what_it_names():
    points = distribution("spacy-distill").entry_points
    assert {point.name for point in points} >= {"ner_student", "ner_teacher", "distill"}
    for point in points:
        assert callable(point.load()), point


def test_registered_names_are_found_by_spacy():
    for registry, name in [
        ("factories", "ner_student"),
        ("factories", "ner_teacher"),
        ("architectures", "spacy-distill.ChainTagger.v1"),
        ("architectures", "spacy-distill.BiLSTM.v1"),
        ("architectures", "spacy-distill.SRU.v1"),
        ("architectures", "spacy-distill.MinGRU.v1"),
        ("readers", "spacy-distill.MixedCorpus.v1"),
        ("losses", "spacy-distill.ChainDistillation.v1"),
    ]:
        assert callable(spacy.registry.get(registry, name))


def test_every_folder_of_the_package_is_packaged():
    """`packages = find:` leaves out a folder without `__init__.py`, and only a wheel shows it."""
    package = Path(spacy_distill.__file__).parent
    modules = {path.parent for path in package.rglob("*.py")}
    assert [folder.name for folder in modules if not (folder / "__init__.py").exists()] == []
