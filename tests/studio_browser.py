"""A real browser for the studio's page: Debian's Chromium, headless, driven by Playwright; and what it showed when.

Set COLLAPARTE_SCREENSHOTS to a folder to keep pictures of every view, light and dark, on a desk and on a tablet.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from studio_server import Studio, open_studio
from studio_soloists import Played

from collaparte.events import Heard

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser's driver is missing: pip install playwright"
)
pytest.importorskip("verovio", reason="the engraver is missing: pip install 'collaparte[studio]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no Chromium here: apt-get install chromium", allow_module_level=True)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run", "--use-fake-ui-for-media-stream",
             "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
PATIENCE_MS = 60_000
PULSE_S = 0.01
DESK, TABLET = {"width": 1440, "height": 900}, {"width": 820, "height": 1180}

# What the stand showed, and when: [milliseconds of the epoch, beat], once for each frame that was drawn. The moment is
# that of the frame's beginning, the beat what was drawn in it.
WATCH = """() => {
    window.seen = [];
    const look = () => {
        const now = performance.timeOrigin + performance.now();
        setTimeout(() => {
            const beat = document.getElementById("bar")?.dataset.beat;
            if (beat !== undefined) window.seen.push([now, Number(beat)]);
        });
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


def launch(driver: Any, *more: str) -> Any:
    """A browser that lends a microphone without asking."""
    return driver.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *more])


@contextmanager
def open_page(browser: Any, studio: Studio, *scripts: str) -> Iterator[Any]:
    """A page that must make no request to anywhere else, and log no error; ``scripts`` run before its own."""
    context = browser.new_context(viewport=DESK, color_scheme="light")
    context.set_default_timeout(PATIENCE_MS)
    for script in (WATCH, *scripts):
        context.add_init_script(f"({script})()")
    found = context.new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(str(error)))

    def hear(message: Any) -> None:
        if message.type == "error" and "status of 422" not in message.text:  # an answer in words is no fault
            wrong.append(message.text)

    found.on("console", hear)
    found.on("request", lambda request: None if studio.host in request.url else wrong.append(request.url))
    try:
        yield found
    finally:
        context.close()
    assert not wrong


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with playwright_api.sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(driver: Any) -> Iterator[Any]:
    found = launch(driver)
    yield found
    found.close()


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    with open_page(browser, studio) as found:
        yield found


@pytest.fixture
def shoot() -> Callable[[Any, str], None]:
    folder = os.environ.get("COLLAPARTE_SCREENSHOTS")

    def take(page: Any, name: str) -> None:
        if folder is None:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        before = page.viewport_size
        for theme in ("light", "dark"):
            for size_name, size in (("desk", DESK), ("tablet", TABLET)):
                page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
                page.set_viewport_size(size)
                page.wait_for_load_state("networkidle")
                if "#/stand" in page.url:
                    page.locator("svg.page").wait_for()
                page.wait_for_timeout(250)
                page.screenshot(path=Path(folder) / f"{name}-{theme}-{size_name}.png")
        page.set_viewport_size(before)
        page.evaluate("document.documentElement.dataset.theme = 'light'")

    return take


@pytest.fixture(scope="module")
def corpora_song() -> Path:
    """A song for voice and piano, in which the voice begins in the second bar."""
    from conftest import corpora_folder

    folder = corpora_folder()
    if folder is None:
        pytest.skip("the corpora are not here: set COLLAPARTE_CORPORA to their folder")
    return next(iter(sorted((folder / "lieder").glob("Cornelius-2_*.mxl"))))


def begin(studio: Studio, piece: str, **more: Any) -> None:
    """A simulated soloist on the stand, from outside, so that the test chooses seed and speed."""
    studio.json("/api/rehearsal", "POST", {"piece": piece, "level": "middle", "seed": 3, **more})


def to_rehearse(page: Any, studio: Studio, played: Played, source: str) -> None:
    """Import what is played through the page, and rehearse it from where the soloist begins."""
    if played.path is not None:
        page.goto(f"http://{studio.host}/")
        page.set_input_files("#file", str(played.path))
        page.wait_for_url(re.compile("#/piece/"))
        page.get_by_role("button", name="Rehearse").wait_for()
    page.locator("select[name=input]").select_option(source)
    page.locator("select[name=output]").select_option("silent")
    page.get_by_text("From a bar, tempo").click()
    page.locator("input[name=from_bar]").fill(played.from_bar)
    page.get_by_text("How we play: waiting").click()
    page.locator("select[name=hand]").select_option(played.hand)
    page.get_by_role("button", name="Rehearse").click()
    page.wait_for_url(re.compile("#/stand"))
    studio.wait_for("ready")


def beat_of(page: Any) -> float:
    """Where the stand shows the music to be, now."""
    return float(page.locator("#bar").get_attribute("data-beat") or "nan")


class Pulse:
    """How late this process's threads woke up, all the while: other work on the machine is none of the studio's."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float]] = []  # seconds of the epoch, and how late that was
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self._stop.is_set():
            asked_s = time.time() + PULSE_S
            time.sleep(PULSE_S)
            now_s = time.time()
            self.rows.append((now_s, now_s - asked_s))

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


def watch_what_is_heard(studio: Studio) -> list[tuple[float, float]]:
    """From now on: when the engine was given each note, in seconds of the epoch, and how long the ear had taken."""
    rows: list[tuple[float, float]] = []
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    clock = rehearsal._clock
    assert clock is not None
    put = clock.put

    def passed_on(value: Heard) -> None:
        rows.append((time.time(), clock.now() - value.heard_s))
        put(value)

    clock.put = passed_on  # type: ignore[method-assign]
    return rows


def worst(rows: Sequence[tuple[float, float]], at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of ``rows`` (when, how late) the latest of the second before each of ``at_s``; 0.0 where there is none."""
    times, late = np.array(rows, float).reshape(-1, 2).T
    begins, ends = np.searchsorted(times, at_s - 1.0), np.searchsorted(times, at_s, "right")
    found = [late[begin:end].max(initial=0.0) for begin, end in zip(begins, ends, strict=True)]
    return np.array(found)


def away_s(
    page: Any, played: Played, begun_s: float, late: Sequence[Sequence[tuple[float, float]]]
) -> NDArray[np.float64]:
    """How far, in seconds, the cursor was from ``played``, in every frame between its third and its last onset.

    ``begun_s``: when its zero was, in seconds of the epoch. By how much the machine itself was late in the second
    before, in what ``late`` tells (rows of when and how much) and in drawing, is not counted: on a machine that has
    time for us it is a few hundredths.
    """
    seen = np.array(page.evaluate("window.seen"))
    at_s, beats = seen[:, 0] / 1000, seen[:, 1]
    drawn = list(zip(at_s[1:].tolist(), np.diff(at_s).tolist(), strict=True))
    there = (at_s - begun_s > played.onset_s[2]) & (at_s - begun_s < played.onset_s[-1])
    at_s, beats = at_s[there], beats[there]
    excused = sum((worst(rows, at_s) for rows in (*late, drawn)), np.zeros(len(at_s)))
    found: NDArray[np.float64] = np.abs(played.true_s(beats) - (at_s - begun_s))
    return np.maximum(found - excused, 0.0)
