import json
import os
import subprocess
import sys
from pathlib import Path

import convert_conll
import convert_newsroom
import pytest
import spacy
import typer
from spacy.tokens import DocBin
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
VOCAB = spacy.blank("en").vocab
NAMES = ("train", "dev", "unlabeled", "test")


def run(main, *arguments):
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def read(folder):
    """Read the splits as lists of texts and entities. Unset entities are None."""
    return {
        name: [
            (
                doc.text.strip(),
                [ent.text for ent in doc.ents] if doc.has_annotation("ENT_IOB") else None,
            )
            for doc in DocBin().from_disk(folder / f"{name}.spacy").get_docs(VOCAB)
        ]
        for name in NAMES
    }


def texts(docs):
    return [text for text, _ in docs]


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, count in {"art": 20, "sport": 17, "mixed": 3}.items():
        articles = (f"[PER {name}{number}] spoke.\n" for number in range(1, count + 1))
        (folder / f"{name}.txt").write_text("\n".join(articles), encoding="utf8")
    return folder


@pytest.fixture
def columns(tmp_path):
    folder = tmp_path / "columns"
    folder.mkdir()
    for name, count in {"train": 30, "dev": 12, "test": 4, "extra": 5}.items():
        sentences = (f"{name}{number} B-PER 0\nspoke O 0\n" for number in range(count))
        (folder / f"{name}.txt").write_text("\n".join(sentences), encoding="utf8")
    return folder


def convert_columns(columns, output, *options):
    result = run(convert_conll.main, columns, output, "--tag-column", 1, *options)
    assert result.exit_code == 0, result.output
    return read(output)


def test_newsroom_splits_each_file_alike(raw, tmp_path):
    output = tmp_path / "corpus"
    result = run(convert_newsroom.main, raw, output, "--labeled", 2, "--dev", 8)
    assert result.exit_code == 0, result.output
    splits = read(output)
    assert texts(splits["train"]) == [
        "art1 spoke.",
        "art2 spoke.",
        "sport1 spoke.",
        "sport2 spoke.",
    ]
    assert texts(splits["dev"])[:8] == [f"art{number} spoke." for number in range(6, 14)]
    assert texts(splits["unlabeled"])[:4] == [f"art{number} spoke." for number in (3, 4, 5, 14)]
    assert texts(splits["test"]) == [f"mixed{number} spoke." for number in (1, 2, 3)]
    together = [text for docs in splits.values() for text in texts(docs)]
    assert len(together) == len(set(together)) == 40
    for name in ("train", "dev", "test"):
        assert all(entities == [text.split()[0]] for text, entities in splits[name])
    assert all(entities is None for _, entities in splits["unlabeled"])
    # No temporary file stays behind.
    assert {path.name for path in output.iterdir()} == {f"{name}.spacy" for name in NAMES}


@pytest.mark.parametrize("labeled, first", [(1, 6), (5, 6), (7, 8)])
def test_newsroom_dev_moves_only_for_more_than_five_labeled(raw, labeled, first):
    splits = convert_newsroom.convert(raw, spacy.blank("en"), labeled=labeled, dev=3)
    dev = next(split for split in splits if split.name == "dev")
    assert [doc.text for doc in dev.docs[:3]] == [f"art{first + n} spoke." for n in range(3)]


def test_newsroom_unlabeled_is_capped_per_file_and_keeps_entities(raw, tmp_path):
    result = run(convert_newsroom.main, raw, tmp_path, "--unlabeled", 2, "--keep-entities")
    assert result.exit_code == 0, result.output
    assert read(tmp_path)["unlabeled"] == [
        (f"{name} spoke.", [name]) for name in ("art14", "art15", "sport14", "sport15")
    ]


def test_newsroom_table_counts(raw, tmp_path):
    (raw / "mixed.txt").write_text(
        "[PER Ines Du]arte met [PER Moe].\nIt rained.\n", encoding="utf8"
    )
    lines = run(convert_newsroom.main, raw, tmp_path).output.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert rows["test"] == ["1", "2", "8", "1", "1"]
    assert rows["train"] == ["10", "10", "30", "10", "0"]
    assert rows["unlabeled"] == ["11", "11", "33", "unset", "0"]


def test_newsroom_refuses_bad_input_in_one_line(raw, tmp_path):
    output = tmp_path / "corpus"
    result = run(convert_newsroom.main, raw, output, "--labeled", 12)
    assert result.exit_code == 1
    assert "sport.txt: found 17 articles, expected at least 20" in " ".join(result.output.split())
    (raw / "art.txt").write_text("[PRE art1] spoke.\n", encoding="utf8")
    assert run(convert_newsroom.main, raw, output).exit_code == 1
    (raw / "mixed.txt").unlink()
    result = run(convert_newsroom.main, raw, output)
    assert result.exit_code == 1
    assert "expected mixed.txt" in " ".join(result.output.split())
    assert not output.exists()


def test_scripts_run_from_the_root(raw, tmp_path):
    result = subprocess.run(
        [sys.executable, "scripts/convert_newsroom.py", str(raw), str(tmp_path / "corpus")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert len(read(tmp_path / "corpus")["test"]) == 3


def test_conll_splits_the_training_file(columns, tmp_path):
    splits = convert_columns(columns, tmp_path / "corpus", "--labeled", 6)
    assert [len(splits[name]) for name in NAMES] == [6, 12, 24, 4]
    pool = texts(splits["train"]) + texts(splits["unlabeled"])
    in_order = [f"train{number} spoke" for number in range(30)]
    assert sorted(pool) == sorted(in_order)
    assert pool != in_order
    assert all(entities == [text.split()[0]] for text, entities in splits["train"])
    assert all(entities is None for _, entities in splits["unlabeled"])
    assert texts(splits["dev"]) == [f"dev{number} spoke" for number in range(12)]


def test_conll_seed_decides_the_order(columns, tmp_path):
    splits = [
        convert_columns(columns, tmp_path / str(n), "--labeled", 6, "--dev", 5, "--seed", seed)
        for n, seed in enumerate((0, 0, 1))
    ]
    assert splits[0] == splits[1]
    assert splits[0]["train"] != splits[2]["train"]
    assert len(splits[0]["dev"]) == 5
    assert splits[0]["dev"] != splits[2]["dev"]


def test_conll_fewer_labeled_are_a_part_of_more(columns, tmp_path):
    few = convert_columns(columns, tmp_path / "few", "--labeled", 3)
    many = convert_columns(columns, tmp_path / "many", "--labeled", 6)
    assert few["train"] == many["train"][:3]


def test_conll_unlabeled_cap_entities_and_extra_file(columns, tmp_path):
    options = ("--labeled", 26, "--extra-unlabeled", columns / "extra.txt")
    kept = convert_columns(
        columns, tmp_path / "kept", *options, "--unlabeled", 6, "--keep-entities"
    )
    assert [text[:5] for text in texts(kept["unlabeled"])] == ["train"] * 4 + ["extra"] * 2
    assert all(entities == [text.split()[0]] for text, entities in kept["unlabeled"])
    unset = convert_columns(columns, tmp_path / "unset", *options)
    assert len(unset["unlabeled"]) == 9
    assert all(entities is None for _, entities in unset["unlabeled"])


def test_conll_refuses_bad_input_in_one_line(columns, tmp_path):
    result = run(convert_conll.main, columns, tmp_path / "corpus", "--labeled", 5)
    assert result.exit_code == 1
    assert "found the tag '0' in column -1" in " ".join(result.output.split())
    result = run(convert_conll.main, columns, tmp_path / "corpus", "--tag-column", 1)
    assert result.exit_code == 1
    assert "found 30 sentences" in " ".join(result.output.split())
    assert not (tmp_path / "corpus").exists()


def test_conll_all_sentences_may_be_labeled(columns, tmp_path):
    splits = convert_columns(columns, tmp_path, "--labeled", 30)
    assert [len(splits[name]) for name in NAMES] == [30, 12, 0, 4]


def test_conll_without_a_development_file_some_training_sentences_are_for_it(columns, tmp_path):
    (columns / "dev.txt").unlink()
    options = ("--labeled", 5, "--dev", 10)
    splits = convert_columns(columns, tmp_path / "corpus", *options)
    assert [len(splits[name]) for name in NAMES] == [5, 10, 15, 4]
    parts = [text for name in NAMES[:3] for text in texts(splits[name])]
    assert sorted(parts) == sorted(f"train{number} spoke" for number in range(30))
    # More labels leave the development set as it is.
    assert (
        convert_columns(columns, tmp_path / "more", "--labeled", 9, "--dev", 10)["dev"]
        == (splits["dev"])
    )


def test_conll_labels_without_prefixes(columns, tmp_path):
    for name in ("train", "dev", "test"):
        (columns / f"{name}.txt").write_text("Nya ORG\nTider ORG\nspoke 0\n", encoding="utf8")
    splits = convert_columns(columns, tmp_path / "corpus", "--labeled", 1, "--scheme", "types")
    assert splits["test"] == [("Nya Tider spoke", ["Nya Tider"])]


def test_conll_reads_json_lines_of_words_and_tags(tmp_path):
    row = {"tokens": ["Anna", "Berg", "spoke"], "ner_tags": ["B-PER", "L-PER", "O"]}
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf8")
    files = [f"--{name}-file={name}.jsonl" for name in ("train", "dev", "test")]
    splits = convert_columns(tmp_path, tmp_path / "corpus", "--labeled", 1, *files)
    assert splits["train"] == [("Anna Berg spoke", ["Anna Berg"])]
