# ruff: noqa: F811 - fixtures of another file are arguments here
"""A real browser in a room: the orchestra that the page itself plays comes back into its microphone."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from studio_browser import browser, driver  # noqa: F401 - fixtures
from studio_server import Studio
from studio_soloists import simulated
from test_studio_sound import LOOP, Caught, at_piece, play_the_chirps, studio  # noqa: F401 - a fixture

from collaparte.listen.microphone import LiveEar
from collaparte.pieces import piece_path, solo_part
from collaparte.score import Score, read_score
from collaparte.sound.render import render_solo
from collaparte.sound.soundfont import find_soundfont
from collaparte.studio.booth import Chunk, Guest
from collaparte.studio.browser_microphone import BrowserMicrophone

PIECE, PLAYS_S = "greensleeves", 10.0
STRETCH_S = 0.5
CHUNK = 256  # frames, as the page sends them
LOOPED = 0.3  # of what is played comes back
SOLO_RMS = 0.0065  # twice what comes back
MATCH_S = 0.05

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


def measure_the_room(page: Any) -> None:
    """Latency and response, step by step, by keyboard."""
    page.evaluate("location.hash = '#/settings'")
    page.locator("#measure").click()
    for step in (1, 2):
        page.get_by_text(f"Step {step} of 4").wait_for()
        page.keyboard.press("Enter")
    page.get_by_role("button", name="It moves").click()
    play_the_chirps(page)
    page.locator("#measured li").wait_for()


def onsets_heard(sound: np.ndarray, rate: int, beat: float | None = None) -> list[float]:
    """When notes begin for an ear that knows nothing of an orchestra in ``sound`` (n,), and awaits ``beat``."""
    ear = LiveEar(score(), rate)
    if beat is not None:
        ear.relocate(beat)
    blocks = range(0, len(sound), 480)
    found = [one for at in blocks for one in ear.take((at + 480) / rate, sound[at : at + 480, None])]
    return [event.time_s for event in found if event.on]


def score() -> Score:
    return read_score(piece_path(PIECE), None, solo_part(PIECE))


def hear_for(page: Any, caught: Caught, seconds: float, within_s: float = 120.0) -> None:
    """So much sound of the page: on a busy machine it comes slower than it should."""
    until_s, wanted_s = time.monotonic() + within_s, caught.seconds() + seconds
    while caught.seconds() < wanted_s and time.monotonic() < until_s:
        page.wait_for_timeout(50)
    assert caught.seconds() >= wanted_s


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
        hear_for(page, caught, PLAYS_S / 2)
    studio.json("/api/rehearsal", "DELETE")
    heard, played = caught.both().T
    first, count = int(np.flatnonzero(np.abs(played) > 0.001)[0]), round(STRETCH_S * caught.rate)
    stretches = [slice(at, at + count) for at in range(first, len(heard) - count, count)]
    found = [explained_db(heard[one], played[one], caught.rate) for one in stretches]
    assert len(found) > 5
    assert np.median(found) > 35.0  # 5 dB where each player has a place; a block that was lost spoils one stretch


def test_an_orchestra_that_comes_back_into_a_measured_page_is_no_soloist(browser: Any, studio: Studio) -> None:
    caught, beat = Caught(studio), float(score().solo_onsets[8])  # who has begun is heard more readily
    with at_piece(browser, studio, LOOP, piece=PIECE) as page:
        measure_the_room(page)
        play_in_the_page(page, studio)
        microphone = studio.stage.booth._heard.__self__  # type: ignore[attr-defined]
        assert isinstance(microphone, BrowserMicrophone)
        microphone.relocate(beat)
        assert caught.comes_back(page, 0.0)
        hear_for(page, caught, PLAYS_S)
        sound = caught.stream()
        wait_for_the_ear(studio)
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    assert sum(note.on for note in take.orchestra) > 20
    assert np.sqrt(np.mean(sound[-round(PLAYS_S * caught.rate) :] ** 2)) > 0.002, "the orchestra plays on"
    assert take.solo == ()
    assert onsets_heard(sound, caught.rate, beat) != []


def joined_by(studio: Studio, solo: np.ndarray, rate: int) -> float:
    """``solo`` (n,) plays into the page's microphone from now on; when it began, on the monotonic clock."""
    booth, begun_s, left = studio.stage.booth, list[float](), solo
    hear = booth.hear

    def both(guest: Guest, chunk: Chunk) -> None:
        nonlocal left
        ended_s, frames = guest.clocks.ours(chunk.ended_ms / 1000), len(chunk.sound)
        assert ended_s is not None
        begun_s.append(ended_s - frames / rate)
        now, left = left[:frames], left[frames:]
        chunk.sound[: len(now), 0] += now
        hear(guest, chunk)

    booth.hear = both  # type: ignore[method-assign]
    until_s = time.monotonic() + 10.0
    while not begun_s and time.monotonic() < until_s:
        time.sleep(0.01)
    return begun_s[0]


def wait_for_the_ear(studio: Studio, within_s: float = 120.0) -> None:
    """Until all that has come here by now is heard: on a busy machine the ear is behind."""
    microphone = studio.stage.booth._heard.__self__  # type: ignore[attr-defined]
    assert isinstance(microphone, BrowserMicrophone)
    wanted = microphone.heard_frames + microphone._chunks.qsize() * CHUNK
    until_s = time.monotonic() + within_s
    while microphone.heard_frames < wanted and time.monotonic() < until_s:
        time.sleep(0.05)
    assert microphone.heard_frames >= wanted


def found(onsets_s: Sequence[float], heard_s: Sequence[float]) -> int:
    """How many of ``onsets_s`` have one of their own in ``heard_s``, within MATCH_S."""
    free, count = list(heard_s), 0
    for onset_s in onsets_s:
        nearest = min(free, key=lambda one: abs(one - onset_s), default=np.inf)
        if abs(nearest - onset_s) <= MATCH_S:
            free.remove(nearest)
            count += 1
    return count


@pytest.mark.long  # Chromium's sound, the page and the ear want a core each: what a busy machine loses is not heard
def test_in_a_measured_page_a_soloist_is_heard_nearly_as_well_as_without_the_orchestra(
    browser: Any, studio: Studio
) -> None:
    played = simulated(PIECE, 5).cut(PLAYS_S)
    caught = Caught(studio)
    with at_piece(browser, studio, LOOP, piece=PIECE) as page:
        measure_the_room(page)
        play_in_the_page(page, studio)
        assert caught.comes_back(page, 0.0)
        rehearsal = studio.stage.rehearsal
        assert rehearsal is not None
        assert rehearsal._clock is not None
        zero_s = rehearsal._clock.origin_s + rehearsal._input_latency_s
        solo = render_solo(played.events, played.program, find_soundfont(), sample_rate=caught.rate).mean(axis=1)
        solo = (SOLO_RMS * solo / np.sqrt(np.mean(solo**2))).astype(np.float32)
        begun_s = joined_by(studio, solo, caught.rate) - zero_s
        hear_for(page, caught, PLAYS_S)
        orchestra = caught.both()[-round(PLAYS_S * caught.rate) :, 1]
        wait_for_the_ear(studio)
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    assert np.sqrt(np.mean(orchestra**2)) > 0.002, "the orchestra plays on"
    heard = [note.time_s - begun_s for note in take.solo if note.on]
    alone = onsets_heard(solo, caught.rate)
    truth = played.onset_s[played.onset_s < PLAYS_S - 0.5]
    assert found(truth, alone) >= 0.9 * len(truth)
    assert found(alone, heard) >= 0.9 * len(alone)  # the ear hears some of them 40 ms early, alone too
    assert len(heard) <= len(alone) + 2
