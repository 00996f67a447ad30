"""What several tests need: the corpora, found and unpacked once."""

from __future__ import annotations

import os
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parent.parent
LIVE = {"jack", "studio", "browser"}  # fixtures of what runs in real time
BROWSERS = {f"tests/test_studio_{name}.py" for name in ("page", "room", "sound", "stand")}  # with pages that sound
if "PYTEST_XDIST_WORKER" in os.environ:  # one worker to a core: threads of theirs would only wait for one another
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run what takes many minutes")
    parser.addoption("--wheel", action="store_true", help="also build the wheel and try it in an empty environment")


def pytest_configure() -> None:
    # What a shell starts in the background ignores Ctrl-C, and so would the programs that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def corpora_folder() -> Path | None:
    folder = Path(os.environ.get("COLLAPARTE_CORPORA", CHECKOUT.parent / "shared" / "data"))
    return folder if (folder / "README.md").exists() else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``: all browsers that sound to one worker, everything else (JACK's servers) to another."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Beside(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browsers" if nodeid.split("::")[0] in BROWSERS else "ports"

    return Beside(config, log)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if LIVE & set(getattr(item, "fixturenames", ())):
            item.add_marker("live")
        if item.get_closest_marker("corpora") and corpora_folder() is None:
            item.add_marker(pytest.mark.skip(reason="the corpora are not here: set COLLAPARTE_CORPORA to their folder"))
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="takes many minutes: run with --long"))
        if item.get_closest_marker("wheel") and not config.getoption("--wheel"):
            item.add_marker(pytest.mark.skip(reason="installs packages for some minutes: run with --wheel"))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder the corpora lie in, as given (archives still packed)."""
    folder = corpora_folder()
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``corpus("vienna4x22")``: the unpacked folder of one archive, unpacked once for the whole run."""
    done: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        if name not in done:
            folder = corpora_folder()
            if folder is None:
                pytest.skip("the corpora are not here: set COLLAPARTE_CORPORA to their folder")
            target = tmp_path_factory.mktemp(name)
            with tarfile.open(folder / f"{name}.tar.xz") as archive:
                archive.extractall(target, filter="data")
            done[name] = target
        return done[name]

    return unpack
