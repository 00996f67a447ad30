# ruff: noqa: F811 - fixtures of another file are arguments here
"""The stand in a real browser: how we play, marks on the score, hands, keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jack_server import until
from studio_browser import begin, browser, driver, page, shoot, studio  # noqa: F401 - fixtures
from studio_server import Studio
from test_score_practice import two_staves

from collaparte.score import read_score

UNNAMED = """() => [...document.querySelectorAll("main :is(button, a, input, select)")].filter((one) => {
    const label = one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.[0]?.textContent;
    return (!label || one.tabIndex < 0) && !one.closest("[hidden]");
}).map((one) => one.outerHTML)"""

STAVES = """() => [...document.querySelectorAll("g.note.heard")].map((note) =>
    [...note.closest("g.measure").querySelectorAll("g.staff")].indexOf(note.closest("g.staff")))"""


def eventually(studio: Studio, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The stand's state once ``true`` of it."""
    found: dict[str, Any] = {}

    def look() -> bool:
        nonlocal found
        found = studio.json("/api/rehearsal")
        return true(found)

    assert until(look, 60.0), found
    return found


def test_how_we_play_is_said_on_the_stand_and_kept_in_the_take(
    page: Any, studio: Studio, shoot: Callable[[Any, str], None]
) -> None:
    begin(studio, "washerwoman", from_bar="9")
    page.goto(f"http://{studio.host}/#/stand")
    page.locator(".cursor:not([hidden])").wait_for()
    studio.wait_for("playing")
    page.keyboard.press("w")
    page.get_by_role("button", name="Wait for me").click()
    page.locator("#mode-wait[aria-pressed='true']").wait_for()
    page.get_by_label("Not faster than").select_option(label="110 % of it")
    page.get_by_role("group", name="Metronome").get_by_role("button", name="in my rests").click()
    page.get_by_label("How loud: winds").fill("0.5")
    page.get_by_label("The orchestra's A").fill("442")
    page.keyboard.press("Tab")
    found = eventually(studio, lambda stand: stand["tuning_hz"] == 442 and stand["balance"] == {"winds": 0.5})
    assert (found["wishes"]["mode"], found["wishes"]["fastest"], found["wishes"]["metronome"]) == ("wait", 1.1, "rests")
    assert "wait for me" in page.locator("#words").inner_text()
    assert "not over 110 %" in page.locator("#words").inner_text()
    assert page.evaluate(UNNAMED) == []
    shoot(page, "how-we-play")
    for control in ("#big", "#panic"):  # the sheet lies over the music, never over these
        box = page.locator(control).bounding_box()
        centre = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
        assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", centre) == control[1:]
    page.keyboard.press("Escape")  # panic, whatever is open
    studio.wait_for("held")
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    said = [(command.name, command.value, command.about) for command in take.commands]
    assert ("mode", None, "wait") in said
    assert ("fastest", 1.1, None) in said
    assert ("balance", 0.5, "winds") in said


def test_a_loop_and_another_key_begin_again_from_the_stand(page: Any, studio: Studio) -> None:
    begin(studio, "washerwoman", mode="keep going")
    page.goto(f"http://{studio.host}/#/stand")
    studio.wait_for("playing")
    page.locator("#how").click()
    page.get_by_label("Loop from bar").fill("10")
    page.get_by_label("Loop to bar").fill("11")
    page.get_by_label("Each round").select_option(label="5 % faster")
    page.get_by_role("button", name="Loop", exact=True).click()
    score = read_score(studio.stage.library.files(studio.stage.library.entry("washerwoman"))["score"], None, "1")
    looped = eventually(studio, lambda stand: stand.get("wanted", {}).get("loop") is not None)
    assert looped["wanted"]["loop"] == [score.beat_of_bar("10"), score.beat_of_bar("12")]
    assert (looped["wanted"]["loop_speed"], looped["wishes"]["mode"]) == (1.05, "keep going")
    page.get_by_role("button", name="End the loop").click()
    eventually(studio, lambda stand: stand["wanted"]["loop"] is None and stand["state"] == "playing")
    page.get_by_label("Key").select_option(label="3 semitones down")
    page.get_by_label("Of long tuttis").select_option(label="the last 2 bars")
    with page.expect_response(re.compile(r"pages\?.*transpose=-3&tutti_bars=2")):
        page.get_by_role("button", name="Begin again so").click()
    page.locator(".cursor:not([hidden])").wait_for()
    found = studio.wait_for("playing")
    assert (found["wanted"]["transpose"], found["wanted"]["tutti_bars"]) == (-3, 2)
    assert found["outline"]["end_beat"] < score.end_beat
    assert "3 semitones down" in page.locator("#words").inner_text()
    assert page.locator(".keySig .keyAccid").count() > 0
    studio.json("/api/rehearsal", "DELETE")


def test_marks_are_pencilled_into_the_score_seen_undone_and_kept(
    page: Any, studio: Studio, shoot: Callable[[Any, str], None]
) -> None:
    page.goto(f"http://{studio.host}/#/piece/greensleeves")
    page.get_by_role("link", name="Marks").click()
    page.locator("main[data-spots]").wait_for()
    page.locator("g.measure").nth(1).click(force=True)
    page.locator("g.measure").nth(3).click(force=True)
    assert (page.locator("#from").input_value(), page.locator("#to").input_value()) == ("2", "4")
    page.get_by_role("button", name="The orchestra leads").click()
    page.wait_for_url(re.compile("#/marks/[0-9a-f]{12}"))  # a copy, in the user's own library
    page.locator(".markband.lead").first.wait_for()
    own = page.url.rsplit("/", 1)[1]
    page.locator("main[data-spots]").wait_for()
    note = page.locator("g.note g.notehead").nth(9)
    name = note.evaluate("(head) => head.closest('g.note').id")
    number, quarters = studio.json(f"/api/library/{own}/spots?layout=tall&view=cue")["notes"][name]
    box = note.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("button", name="Fermata", exact=True).click()
    page.locator("svg.sign").wait_for()
    sign = page.locator("svg.sign").bounding_box()
    assert abs(sign["x"] + sign["width"] / 2 - box["x"] - box["width"] / 2) < 12  # drawn over its note
    kept = studio.json(f"/api/library/{own}/marks")["tables"]
    assert kept["lead"] == [{"from": "2", "to": "4", "leads": "orchestra"}]
    assert kept["fermata"] == [{"at": f"{number}.{quarters * 2 + 1:g}", "release": "onset"}]  # in eighths of 6/8
    page.locator("#from").fill("9")
    page.locator("#to").fill("10")
    page.get_by_role("button", name="Cut", exact=True).click()
    page.get_by_role("button", name="Remove cut bars 9 to 10").wait_for()
    page.locator("main[data-spots]").wait_for()
    shoot(page, "marks")
    page.keyboard.press("Control+z")
    page.get_by_role("button", name="Remove cut bars 9 to 10").wait_for(state="detached")
    assert "cut" not in studio.json(f"/api/library/{own}/marks")["tables"]
    page.locator("#from").fill("900")
    page.get_by_role("button", name="Cadenza").click()
    page.get_by_text("there is no bar '900'").wait_for()
    assert studio.json(f"/api/library/{own}/marks")["tables"] == kept
    assert page.evaluate(UNNAMED) == []
    begin(studio, own)
    studio.wait_for("ready", "playing")
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    rehearsal.command("lock", 1.0)
    page.get_by_text("The edit lock of the stand is on.").wait_for()
    assert page.get_by_role("button", name="Cut", exact=True).is_disabled()
    studio.json("/api/rehearsal", "DELETE")
    studio.json(f"/api/library/{own}", "DELETE")


def test_one_hand_is_mine_and_only_its_notes_are_coloured(page: Any, studio: Studio, tmp_path: Path) -> None:
    piece = studio.json("/api/library?name=piano.musicxml", "POST", two_staves(tmp_path).read_bytes(), status=201)["id"]
    begin(studio, piece, speed=4, hand="right")
    page.goto(f"http://{studio.host}/#/stand")
    page.locator("g.note.heard").nth(2).wait_for()
    found = studio.wait_for("over")
    take = studio.stage.shelf.read(found["take"])
    assert {event.pitch for event in take.solo} == {72, 74, 76, 77}
    assert {event.pitch for event in take.orchestra} == {48, 50, 52, 53}
    page.locator("g.note.heard").nth(3).wait_for()
    staves = page.evaluate(STAVES)
    assert staves == [0, 0, 0, 0]
    studio.json(f"/api/library/{piece}", "DELETE")
