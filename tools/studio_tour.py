"""Write the pictures of docs/studio-tour.md: a real studio, in a real browser, small enough to be committed.

    python tools/studio_tour.py                 writes docs/tour/*.png; needs playwright, Chromium and Pillow

Names are the tour's own; times of day and the data folder are as they are. Pictures are reduced to 128 colours.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from studio_server import Studio, open_studio  # noqa: E402 - the tests' own studio on a free port

OUT = ROOT / "docs" / "tour"
DESK, TABLET = {"width": 1280, "height": 800}, {"width": 820, "height": 1180}
COLOURS = 128
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def keep(page: Any, name: str) -> None:
    """One picture, at the size of the window."""
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        OUT / f"{name}.png", optimize=True
    )


def look(page: Any, theme: str, size: dict[str, int]) -> None:
    """Light or dark, desk or tablet."""
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    page.set_viewport_size(size)
    page.wait_for_timeout(900)


def to(page: Any, words: str) -> None:
    """Bring the section with this heading to the top of the window."""
    page.get_by_role("heading", name=words, exact=True).evaluate("one => { one.scrollIntoView(); scrollBy(0, -16); }")
    page.wait_for_timeout(400)


def tour(studio: Studio, page: Any) -> None:
    """From the library to two takes compared."""
    where = f"http://{studio.host}/"
    studio.json("/api/profiles", "POST", {"name": "Anna"}, 201)
    studio.json("/api/settings", "POST", {"profile": "Anna"})
    takes = []
    for seed, level in ((1, "middle"), (2, "amateur 2")):
        asked = {"piece": "greensleeves", "soloist": "Anna", "speed": 20, "seed": seed, "level": level}
        studio.json("/api/rehearsal", "POST", asked)
        takes.append(studio.wait_for("over", within_s=120)["take"])
    page.goto(where)
    page.locator("a.card").first.wait_for()
    keep(page, "library")
    page.goto(f"{where}#/piece/greensleeves")
    page.get_by_role("button", name="Rehearse").wait_for()
    page.wait_for_timeout(800)
    keep(page, "piece")
    studio.json("/api/rehearsal", "POST", {"piece": "greensleeves", "soloist": "Anna", "seed": 1, "from_bar": "5"})
    page.goto(f"{where}#/stand")
    page.locator(".cursor:not([hidden])").wait_for()
    page.locator(".note.heard").nth(12).wait_for(state="attached")
    look(page, "light", DESK)
    keep(page, "stand")
    look(page, "dark", TABLET)
    page.locator(".cursor:not([hidden])").wait_for()
    page.locator("svg.page .note.heard").first.wait_for()
    keep(page, "stand-tablet-dark")
    studio.json("/api/rehearsal", "DELETE")
    look(page, "light", DESK)
    page.goto(f"{where}#/take/{takes[1]}")
    page.locator(".marked .note:is(.missed, .wrong, .extra, .stopped)").first.wait_for()
    look(page, "light", DESK)
    keep(page, "take")
    to(page, "On the page")
    keep(page, "slips")
    page.goto(f"{where}#/compare/{takes[0]}/{takes[1]}")
    page.locator("rect.column.second").first.wait_for()
    look(page, "dark", DESK)
    keep(page, "compare-dark")
    page.goto(f"{where}#/settings")
    page.locator("#measure").wait_for()
    look(page, "light", DESK)
    page.locator("#meter-browser").click()
    page.wait_for_timeout(1500)
    keep(page, "settings")
    page.locator("#measure").click()
    page.get_by_role("button", name=re.compile("Next")).click()
    look(page, "light", {"width": 1280, "height": 420})
    to(page, "How late sound is")
    keep(page, "latency")


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("There is no Chromium here: apt-get install chromium")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_studio(Path(folder)) as studio, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(viewport=DESK, color_scheme="light", locale="en-GB")
        context.set_default_timeout(60_000)
        tour(studio, context.new_page())
        browser.close()
    print(f"{sum(path.stat().st_size for path in OUT.glob('*.png')) / 1000:.0f} kB in {OUT}")


if __name__ == "__main__":
    main()
