# ruff: noqa: F811 - fixtures of another file are arguments here
"""A real browser in a room: the orchestra that the page itself plays comes back into its microphone, nobody plays."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest
from studio_browser import browser, driver  # noqa: F401 - fixtures
from studio_server import Studio
from test_studio_sound import LOOP, Caught, at_piece, studio  # noqa: F401 - a fixture

from collaparte.listen.microphone import LiveEar
from collaparte.pieces import piece_path, solo_part
from collaparte.score import read_score
from collaparte.sound.soundfont import find_soundfont

PIECE, PLAYS_S = "greensleeves", 10.0


def heard_without_knowing(sound: np.ndarray, rate: int) -> int:
    """The notes that an ear hears in ``sound`` (n,) which does not know that it is the orchestra's."""
    ear = LiveEar(read_score(piece_path(PIECE), None, solo_part(PIECE)), rate)
    blocks = range(0, len(sound), 480)
    found = [one for at in blocks for one in ear.take((at + 480) / rate, sound[at : at + 480, None])]
    return sum(event.on for event in found)


@pytest.mark.skipif(find_soundfont() is None, reason="there is no soundfont here: collaparte doctor --fix")
def test_an_orchestra_that_comes_back_into_a_measured_page_is_no_soloist(browser: Any, studio: Studio) -> None:
    caught = Caught(studio)
    with at_piece(browser, studio, LOOP, piece=PIECE) as page:
        page.evaluate("location.hash = '#/settings'")
        page.locator("#measure").click()
        for step in (1, 2):
            page.get_by_text(f"Step {step} of 4").wait_for()
            page.keyboard.press("Enter")
        page.get_by_role("button", name="It moves").click()
        page.get_by_role("button", name="Play them").click()
        page.locator("#measured li").wait_for()
        page.evaluate(f"location.hash = '#/piece/{PIECE}'")
        page.locator("select[name=input]").select_option("browser")
        page.locator("select[name=output]").select_option("browser")
        page.get_by_text("From a bar, tempo").click()
        page.locator("input[name=tempo]").fill("50")  # the introduction lasts longer than the test
        page.get_by_role("button", name="Rehearse").click()
        page.wait_for_url(re.compile("#/stand"))
        studio.wait_for("ready")
        page.locator("#big").click()
        studio.wait_for("playing")
        assert caught.comes_back(page, 0.0)
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + PLAYS_S:
            page.wait_for_timeout(100)
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    assert sum(note.on for note in take.orchestra) > 20
    sound = caught.stream()
    assert np.sqrt(np.mean(sound[-round(PLAYS_S * caught.rate) :] ** 2)) > 0.003
    assert take.solo == ()
    assert heard_without_knowing(sound, caught.rate) > 5
