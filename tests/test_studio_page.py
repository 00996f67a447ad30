# ruff: noqa: F811 - fixtures of another file are arguments here
"""The page in a real browser: library, stand, takes, and what it costs."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studio_browser import beat_of, begin, browser, corpora_song, driver, page, shoot, studio  # noqa: F401 - fixtures
from studio_server import Studio, open_studio
from test_score_formats import KERN, MEI
from tiny_scores import midi_pair


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
    stands = studio.wait_for("held")["held_beat"]
    page.get_by_role("button", name="Go on").wait_for()
    page.locator("#light[data-kind='held']").wait_for()  # drawn in the same frame as the cursor
    silent = beat_of(page)
    assert silent == pytest.approx(stands, abs=0.001)
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


@pytest.mark.parametrize(("name", "text"), [("air.mei", MEI), ("air.krn", KERN)])
def test_other_formats_are_imported_looked_over_engraved_and_rehearsed(
    page: Any, studio: Studio, name: str, text: str
) -> None:
    page.goto(f"http://{studio.host}/")
    page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": text.encode()})
    page.wait_for_url(re.compile("#/piece/"))
    page.locator(".facts", has_text="bars 0 to 2 repeated").wait_for()
    assert sorted(page.locator(".parts label span").all_inner_texts()) == ["Cello", "Flute"]
    assert page.get_by_label("Flute").is_checked()  # the likeliest
    for choose in (page.get_by_label("Cello").check, page.get_by_label("Flute").uncheck):
        with page.expect_response(lambda answer: "/api/library/" in answer.url and answer.request.method == "GET"):
            choose()
        page.wait_for_load_state("networkidle")
    page.locator(".parts label:has(:checked)").nth(1).wait_for(state="detached")
    assert page.get_by_label("Cello").is_checked()
    page.get_by_role("button", name="Rehearse").click()
    page.wait_for_url(re.compile("#/stand"))
    page.locator("#big[data-state='playing']").wait_for()
    page.locator("g.note.heard").nth(1).wait_for(state="attached")
    page.locator("#stop").click()
    take = studio.stage.shelf.read(studio.wait_for("over")["take"])
    assert {event.pitch for event in take.solo} == {43}  # the cello's
    assert {74, 79} <= {event.pitch for event in take.orchestra} <= {74, 79, 81, 83, 78}
    piece = page.evaluate("fetch('/api/rehearsal').then((answer) => answer.json()).then((stand) => stand.piece)")
    studio.json(f"/api/library/{piece}", "DELETE")


DROP = """([name, other]) => {
    const data = new DataTransfer();
    for (const [called, bytes] of [name, other]) data.items.add(new File([new Uint8Array(bytes)], called));
    document.querySelector("main").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


def test_a_pair_of_midi_files_is_dropped_found_by_its_part_and_rehearsed(
    page: Any, studio: Studio, tmp_path: Path
) -> None:
    solo, piano = midi_pair(tmp_path)
    page.goto(f"http://{studio.host}/")
    page.locator("a.card").first.wait_for()
    page.evaluate(DROP, [["evening, piano.mid", list(piano)], ["evening.mid", list(solo)]])
    page.wait_for_url(re.compile("#/piece/"))
    page.locator(".parts label span").nth(1).wait_for()
    assert page.locator(".parts label span").all_inner_texts() == ["Violin", "Piano"]
    assert page.get_by_label("Violin").is_checked()
    piece = page.url.rsplit("/", 1)[1]
    page.goto(f"http://{studio.host}/#/")
    page.get_by_label("Search the library").fill("evening vio")
    page.locator("a.card").nth(1).wait_for(state="detached")
    page.get_by_label("Search the library").fill("nothing like it")
    page.get_by_text("Nothing here by that name.").wait_for()
    begin(studio, piece, speed=4)
    page.goto(f"http://{studio.host}/#/stand")
    page.get_by_text("A MIDI file has no engraving").wait_for()
    assert studio.wait_for("over")["take"]
    page.goto(f"http://{studio.host}/#/")
    page.get_by_label("Search the library").fill("evening vio")
    page.locator("a.card", has_text="1 take · last on").wait_for()
    studio.json(f"/api/library/{piece}", "DELETE")


WATCH_PAGES = """() => {
    const paper = document.querySelector(".paper");
    window.turned = [paper.dataset.page];
    new MutationObserver(() => window.turned.push(paper.dataset.page)).observe(paper, { attributes: true });
}"""


def test_pages_turn_bars_are_clicked_and_two_pages_see_the_same(page: Any, studio: Studio, browser: Any) -> None:
    begin(studio, "washerwoman", speed=4)
    page.goto(f"http://{studio.host}/#/stand")
    page.locator(".cursor:not([hidden])").wait_for()
    page.evaluate(WATCH_PAGES)
    begin(studio, "washerwoman", speed=4)
    page.wait_for_function("() => window.turned.includes('1') && window.turned.at(-1) === '2'")
    while True:  # the soloist plays on while this is done, and may be on the next page before it is: then again
        page.locator("#frombar").fill("2")
        page.keyboard.press("Enter")
        page.locator(".paper[data-page='1']").wait_for()
        hold(studio)
        if page.locator(".paper").get_attribute("data-page") == "1":
            break
    page.locator("g.measure").nth(2).click(force=True)  # while it is held no page turns
    studio.wait_for("playing")
    relocated = [value for name, value in played(studio) if name == "relocate"]
    assert relocated[0] == 3.0
    assert relocated[-1] == 6.0
    second = browser.new_page()
    second.goto(f"http://{studio.host}/#/stand")
    second.locator("#bar[data-beat]").wait_for()
    assert abs(beat_of(second) - beat_of(page)) < 8.0
    second.close()
    studio.json("/api/rehearsal", "DELETE")


def hold(studio: Studio) -> None:
    """Hold the orchestra, from outside."""
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    rehearsal.command("hold")
    studio.wait_for("held")


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
        begin(studio, "greensleeves", speed=50, seed=seed, level=level)
        names.append(studio.wait_for("over", within_s=90)["take"])
    slips = studio.json(f"/api/takes/{names[0]}")["slips"]
    assert len(slips) > 3
    page.goto(f"http://{studio.host}/#/take/{names[0]}")
    page.locator("svg.chart").nth(1).wait_for()
    assert page.locator("path.line.solo").get_attribute("d").count("L") > 40
    assert page.locator("rect.column").count() > 20
    page.locator(".marked .note:is(.missed, .wrong, .extra, .stopped)").first.wait_for()
    shoot(page, "take")
    page.get_by_role("button", name="Soloist", exact=True).click()
    page.wait_for_function("() => document.querySelector('audio')?.duration > 60")
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
    shoot(page, "takes")
    assert names[0] not in [take["name"] for take in studio.json("/api/takes")]


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    with open_studio(tmp_path) as own:
        begin(own, "greensleeves")
        own.wait_for("ready", "playing")
    names = [thread.name for thread in threading.enumerate()]
    assert "collaparte-stage" not in names
