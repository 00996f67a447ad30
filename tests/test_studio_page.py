"""The page in a real browser: Debian's Chromium, headless, driven by Playwright.

Set COLLAPARTE_SCREENSHOTS to a folder to keep pictures of every view, light and dark, on a desk and on a tablet.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_server import Studio, open_studio

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser's driver is missing: pip install playwright"
)
pytest.importorskip("verovio", reason="the engraver is missing: pip install 'collaparte[studio]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no Chromium here: apt-get install chromium", allow_module_level=True)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run"]  # fmt: skip
PATIENCE_MS = 60_000
DESK, TABLET = {"width": 1440, "height": 900}, {"width": 820, "height": 1180}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """A page that must make no request to anywhere else, and log no error."""
    context = browser.new_context(viewport=DESK, color_scheme="light")
    context.set_default_timeout(PATIENCE_MS)
    found = context.new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(str(error)))

    def hear(message: Any) -> None:
        if message.type == "error" and "status of 422" not in message.text:  # an answer in words is no fault
            wrong.append(message.text)

    found.on("console", hear)
    found.on("request", lambda request: None if studio.host in request.url else wrong.append(request.url))
    yield found
    context.close()
    assert not wrong


@pytest.fixture
def shoot() -> Callable[[Any, str], None]:
    folder = os.environ.get("COLLAPARTE_SCREENSHOTS")

    def take(page: Any, name: str) -> None:
        if folder is None:
            return
        before = page.viewport_size
        for theme in ("light", "dark"):
            for size_name, size in (("desk", DESK), ("tablet", TABLET)):
                page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
                page.set_viewport_size(size)
                page.wait_for_timeout(250)
                if "#/stand" in page.url:
                    page.locator("svg.page").wait_for()
                    page.wait_for_timeout(1500)
                page.screenshot(path=Path(folder) / f"{name}-{theme}-{size_name}.png")
        page.set_viewport_size(before)
        page.evaluate("document.documentElement.dataset.theme = 'light'")

    return take


def begin(studio: Studio, piece: str, **more: Any) -> None:
    """A simulated soloist on the stand, from outside, so that the test chooses seed and speed."""
    studio.json("/api/rehearsal", "POST", {"piece": piece, "level": "middle", "seed": 3, **more})


def beat_of(page: Any) -> float:
    return float(page.locator("#bar").get_attribute("data-beat") or "nan")


def test_a_song_is_imported_and_rehearsed_and_the_cursor_is_where_the_soloist_is(
    page: Any, studio: Studio, corpora_song: Path, shoot: Callable[[Any, str], None]
) -> None:
    page.goto(f"http://{studio.host}/")
    page.locator("a.card").first.wait_for()
    shoot(page, "library")
    page.set_input_files("#file", str(corpora_song))
    page.wait_for_url(re.compile("#/piece/"))
    page.get_by_role("button", name="Rehearse").wait_for()
    assert page.get_by_label("Voice").is_checked()
    shoot(page, "piece")
    page.get_by_role("button", name="Rehearse").click()
    page.wait_for_url(re.compile("#/stand"))
    page.locator("svg.page").wait_for()
    studio.wait_for("playing")
    # The map comes with the last page; from then on cursor and bar agree with the engine.
    page.locator(".cursor:not([hidden])").wait_for()
    far: list[float] = []
    while len(far) < 12:
        found = studio.json("/api/rehearsal")
        if found["state"] != "playing" or found["plan"] is None:
            break
        plan = found["plan"]
        shown = beat_of(page)
        now_s = studio.json("/api/rehearsal")["now_s"]
        true = plan["from_beat"] + (now_s - plan["from_s"]) / plan["beat_period_s"]
        far.append(abs(shown - true) * plan["beat_period_s"])
        page.wait_for_timeout(200)
    assert len(far) == 12
    assert sorted(far)[len(far) // 2] < 0.3
    assert max(far) < 1.0
    page.locator(".note.heard").nth(3).wait_for(state="attached")  # the song may begin with the orchestra alone
    shoot(page, "stand")
    page.keyboard.press("Escape")
    studio.wait_for("held")
    page.get_by_role("button", name="Go on").wait_for()
    silent = beat_of(page)
    page.wait_for_timeout(500)
    assert beat_of(page) == pytest.approx(silent, abs=0.01)
    page.keyboard.press("Space")
    studio.wait_for("playing")
    page.reload()
    page.locator(".cursor:not([hidden])").wait_for()
    assert page.locator(".note.heard").count() > 3
    assert beat_of(page) >= silent - 0.01
    page.locator("#stop").click()
    page.get_by_role("link", name="Look at it").click()
    page.locator("svg.chart").first.wait_for()


@pytest.fixture(scope="module")
def corpora_song(request: pytest.FixtureRequest) -> Path:
    """A song for voice and piano where the corpora are here, else a shipped piece under another name."""
    from conftest import corpora_folder

    folder = corpora_folder()
    if folder is None:
        pytest.skip("the corpora are not here: set COLLAPARTE_CORPORA to their folder")
    return next(iter(sorted((folder / "lieder").glob("Beethoven*.mxl"))))


WATCH_PAGES = """() => {
    const paper = document.querySelector(".paper");
    window.turned = [];
    new MutationObserver(() => window.turned.push(paper.dataset.page)).observe(paper, { attributes: true });
}"""


def test_pages_turn_bars_are_clicked_and_two_pages_see_the_same(page: Any, studio: Studio, browser: Any) -> None:
    begin(studio, "washerwoman", speed=4)
    page.goto(f"http://{studio.host}/#/stand")
    page.locator(".cursor:not([hidden])").wait_for()
    begin(studio, "washerwoman", speed=4)
    seen: set[str] = set()
    until = time.monotonic() + 60
    while time.monotonic() < until and len(seen) < 2:
        seen.add(page.locator(".paper").get_attribute("data-page") or "")
        page.wait_for_timeout(100)
    assert {"1", "2"} <= seen
    page.evaluate(WATCH_PAGES)
    page.locator("#frombar").fill("2")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.turned.includes('1')", timeout=10_000)  # the soloist plays on: it turns again
    page.locator("g.measure").nth(2).click(force=True)
    page.wait_for_timeout(1000)
    commands = [command for command in played(studio) if command[0] == "relocate"]
    assert [beat for _, beat in commands][:2] == [3.0, 6.0]
    second = browser.new_page()
    second.goto(f"http://{studio.host}/#/stand")
    second.locator("#bar[data-beat]").wait_for()
    assert abs(beat_of(second) - beat_of(page)) < 8.0
    second.close()
    studio.json("/api/rehearsal", "DELETE")


def played(studio: Studio) -> list[tuple[str, float | None]]:
    """The commands of the take that is being played, once it has ended."""
    studio.json("/api/rehearsal", "DELETE")
    take = studio.json("/api/rehearsal")["take"]
    return [(command.name, command.value) for command in studio.stage.shelf.read(take).commands]


def test_a_lost_connection_comes_back_to_the_present(page: Any, studio: Studio) -> None:
    links: list[Any] = []

    def pass_on(link: Any) -> None:
        link.connect_to_server()
        links.append(link)

    page.route_web_socket(re.compile("/api/stand"), pass_on)
    begin(studio, "greensleeves", speed=2, from_bar="9")
    page.goto(f"http://{studio.host}/#/stand")
    page.locator(".cursor:not([hidden])").wait_for()
    links[-1].close()
    page.locator("#light[data-words='not connected']").wait_for()
    page.locator("#light[data-kind='sure']").wait_for()
    assert len(links) == 2
    plan = studio.json("/api/rehearsal")["plan"]
    assert beat_of(page) == pytest.approx(plan["from_beat"], abs=3.0)
    assert page.locator(".note.heard").count() > 0
    studio.json("/api/rehearsal", "DELETE")


def test_takes_are_looked_at_compared_looped_exported_and_deleted(
    page: Any, studio: Studio, shoot: Callable[[Any, str], None]
) -> None:
    names = []
    for seed, level in ((2, "amateur 2"), (1, "middle")):
        begin(studio, "greensleeves", speed=20, seed=seed, level=level)
        names.append(studio.wait_for("over", within_s=90)["take"])
    slips = studio.json(f"/api/takes/{names[0]}")["slips"]
    assert len(slips) > 3
    page.goto(f"http://{studio.host}/#/take/{names[0]}")
    page.locator("svg.chart").nth(1).wait_for()
    assert page.locator("path.line.solo").get_attribute("d").count("L") > 40
    assert page.locator("rect.column").count() > 20
    page.locator(".marked .note:is(.missed, .wrong, .extra, .stopped)").first.wait_for()
    shoot(page, "take")
    page.get_by_text(f"As a list ({len(slips)})").click()
    assert page.get_by_text(f"Bar {slips[0]['bar']}:").count() > 0
    for link, begins in (("Table (CSV)", "kind,"), ("When each note sounded", "id,part,solo,bar,")):
        with page.expect_download() as download:
            page.get_by_role("link", name=link).click()
        assert Path(download.value.path()).read_text(encoding="utf-8").startswith(begins)
    page.locator("#other").select_option(names[1])
    page.locator("#compare").click()
    page.locator("rect.column.second").first.wait_for()
    assert page.locator("svg.chart path.other").get_attribute("d").count("L") > 40
    shoot(page, "compare")
    page.go_back()
    page.get_by_role("button", name="Loop bars").first.click()
    page.wait_for_url(re.compile("#/stand"))
    loop = studio.wait_for("ready", "playing")["wanted"]["loop"]
    assert loop[1] > loop[0] >= 0
    studio.json("/api/rehearsal", "DELETE")
    page.goto(f"http://{studio.host}/#/take/{names[0]}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#delete").click()
    page.wait_for_url(re.compile("#/takes$"))
    assert names[0] not in [take["name"] for take in studio.json("/api/takes")]


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page: Any, studio: Studio) -> None:
    for view in ("#/", "#/piece/greensleeves", "#/stand", "#/takes", "#/settings"):
        page.goto(f"http://{studio.host}/{view}")
        page.locator("main :is(a, button, input)").first.wait_for()
        page.wait_for_timeout(300)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("button, a, input:not([type=file]), select")].filter((one) => {
                const label = one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.[0]?.textContent;
                return !label || one.tabIndex < 0;
            }).map((one) => one.outerHTML)"""
        )
        assert unnamed == []


def test_the_first_view_is_light(page: Any, studio: Studio) -> None:
    weights: list[int] = []
    page.on("response", lambda answer: weights.append(int(answer.headers.get("content-length", "0"))))
    page.goto(f"http://{studio.host}/")
    page.locator("a.card").first.wait_for()
    assert 0 < sum(weights) < 2_000_000


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    with open_studio(tmp_path) as own:
        begin(own, "greensleeves")
        own.wait_for("ready", "playing")
    names = [thread.name for thread in threading.enumerate()]
    assert "collaparte-stage" not in names
