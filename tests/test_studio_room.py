# ruff: noqa: F811 - fixtures of another file are arguments here
"""A real browser in a room: the orchestra that the page itself plays comes back into its microphone, nobody plays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from studio_browser import browser, driver  # noqa: F401 - fixtures
from studio_server import Studio
from test_studio_sound import LOOP, Caught, at_piece, studio  # noqa: F401 - a fixture

from collaparte.sound.soundfont import find_soundfont

PIECE, PLAYS_S = "greensleeves", 10.0
STRETCH_S = 0.5
LOOPED = 0.3  # of what is played comes back

pytestmark = pytest.mark.skipif(find_soundfont() is None, reason="there is no soundfont here: collaparte doctor --fix")


def play_in_the_page(page: Any, studio: Studio) -> None:
    """The introduction, long as a test, through the page's loudspeaker before its own microphone."""
    page.evaluate(f"location.hash = '#/piece/{PIECE}'")
    page.locator("select[name=input]").select_option("browser")
    page.locator("select[name=output]").select_option("browser")
    page.get_by_text("From a bar, tempo").click()
    page.locator("input[name=tempo]").fill("50")
    page.get_by_role("button", name="Rehearse").click()
    page.wait_for_url(re.compile("#/stand"))
    studio.wait_for("ready")
    page.locator("#big").click()
    studio.wait_for("playing")


def explained_db(heard: np.ndarray, played: np.ndarray, rate: int) -> float:
    """How much less of ``heard`` (n,) is left without what was ``played`` (n,), at the delay that fits best."""
    later = played[: len(heard) - rate // 4]
    size = 1 << int(np.ceil(np.log2(len(heard) + len(later))))
    fits = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(later, size)), size)[: rate // 4]
    delay = int(np.argmax(fits))
    there = heard[delay : delay + len(later)]
    left = there - LOOPED * later
    return 10.0 * float(np.log10((there @ there) / (left @ left)))


def test_what_comes_back_of_a_page_s_orchestra_is_one_sound_wherever_its_players_sit(
    browser: Any, studio: Studio
) -> None:
    caught = Caught(studio)
    with at_piece(browser, studio, LOOP, piece=PIECE) as page:
        play_in_the_page(page, studio)
        assert caught.comes_back(page, 0.0)
        page.wait_for_timeout(1000 * PLAYS_S / 2)
    studio.json("/api/rehearsal", "DELETE")
    heard, played = caught.both().T
    first, count = int(np.flatnonzero(np.abs(played) > 0.001)[0]), round(STRETCH_S * caught.rate)
    stretches = [slice(at, at + count) for at in range(first, len(heard) - count, count)]
    found = [explained_db(heard[one], played[one], caught.rate) for one in stretches]
    assert len(found) > 5
    assert np.median(found) > 35.0  # 5 dB where each player has a place; a block that was lost spoils one stretch
