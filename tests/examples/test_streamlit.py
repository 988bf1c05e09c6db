"""The Streamlit app of docs/how-to/with-spacy.md."""

import re
from pathlib import Path

import pytest

REASON = "spacy-streamlit is not installed (extra: test)"
pytest.importorskip("spacy_streamlit", reason=REASON)
testing = pytest.importorskip("streamlit.testing.v1", reason=REASON)

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "with-spacy.md"


def test_the_app_shows_entities(two_names, tmp_path, monkeypatch):
    (tmp_path / "training" / "student").mkdir(parents=True)
    two_names.to_disk(tmp_path / "training" / "student" / "model-best")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"(?s)```python\n([^`]*spacy_streamlit[^`]*)```", PAGE.read_text("utf8"))
    code = code.replace("Ines Duarte flew to Oslo.", "Anna Berg sails to Oslo .")
    app = testing.AppTest.from_string(code, default_timeout=300).run()
    assert not app.exception
    shown = " ".join(element.value for element in app.markdown)
    assert "Anna Berg" in shown and "PER" in shown
    (table,) = app.dataframe
    assert table.value["text"].tolist() == ["Anna Berg", "Oslo"]
