"""The wheel: built, installed into an empty environment, and playing there."""

from __future__ import annotations

import subprocess
import sys
import venv
import wave
import zipfile
from pathlib import Path

import pytest

from collaparte.takes import read_take

CHECKOUT = Path(__file__).parent.parent
pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT)]
    subprocess.run(pip, check=True, timeout=600)
    return next(folder.glob("*.whl"))


def test_it_holds_the_package_and_its_pieces_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"collaparte"}
    for needed in ("collaparte/py.typed", "collaparte/pieces/greensleeves.musicxml", "collaparte/cli/__init__.py"):
        assert needed in names
    assert any(name.endswith(("licenses/LICENSE", "LICENSE")) for name in names)
    assert not [name for name in names if name.endswith((".sf2", ".sf3", ".match", ".pyc"))]
    assert wheel.stat().st_size < 5_000_000


def test_it_installs_into_an_empty_environment_and_plays_the_demo(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, timeout=900)
    said = subprocess.run(
        [python, "-c", "import sys, collaparte; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert said.stderr == ""
    assert "numpy" not in said.stdout.split()
    packages = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "playwright", "ray", "pandas"} & set(packages)
    done = subprocess.run(
        [environment / "bin" / "collaparte", "demo", "washerwoman", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    folder = tmp_path / "collaparte-demo"
    take = read_take(folder / "washerwoman.jsonl")
    with wave.open(str(folder / "washerwoman.wav")) as recording:
        assert recording.getnframes() / recording.getframerate() > take.end_s
        loudest = max(memoryview(recording.readframes(recording.getnframes())).cast("h"))
    assert loudest > 0.5 * 32767
    assert (folder / "washerwoman.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "washerwoman.mid").read_bytes().startswith(b"MThd")
    assert str(Path("collaparte-demo") / "washerwoman.wav") in done.stdout
