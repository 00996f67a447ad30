"""The browser's microphone and loudspeaker, in a real browser: a recording for a microphone, the sound caught again."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studio_server import Studio, open_studio

from collaparte.events import SoloEvent
from collaparte.listen.simulated import simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.score import Score, read_score
from collaparte.sound.render import render_solo, write_wav
from collaparte.sound.soundfont import find_soundfont
from collaparte.studio.booth import Chunk, Guest
from collaparte.studio.browser_sound import AHEAD_S

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser's driver is missing: pip install playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no Chromium here: apt-get install chromium", allow_module_level=True)

SILENCE_S = 6.0  # before the soloist begins: what opening takes on a busy machine
MUSIC_S = 9.0
FROM_BEAT = 11.5  # the soloist's first note
RATE = 48000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
             "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
             "--autoplay-policy=no-user-gesture-required"]  # fmt: skip


@pytest.fixture(scope="module")
def score() -> Score:
    return read_score(piece_path("greensleeves"), None, solo_part("greensleeves"))


@pytest.fixture(scope="module")
def played(score: Score, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A recording of the soloist, and the truth: beats, and when each begins, in seconds of the file."""
    take = simulate_solo(score, 5, "low")
    first_s = float(take.onset_s[0])
    shift_s = SILENCE_S - first_s
    events = [
        replace(event, time_s=event.time_s + shift_s, heard_s=event.time_s + shift_s)
        for event in take.events
        if isinstance(event, SoloEvent) and event.time_s < first_s + MUSIC_S
    ]
    program = next(part.program for part in score.parts if part.solo)
    audio = render_solo(events, program, find_soundfont(), sample_rate=RATE)
    path = tmp_path_factory.mktemp("wav") / "soloist.wav"
    write_wav(path, audio, RATE)
    there = np.isfinite(take.onset_s) & (take.onset_s < first_s + MUSIC_S)
    return path, take.onset_beats[there], take.onset_s[there] + shift_s


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with open_studio(tmp_path) as found:
        yield found


def open_page(driver: Any, studio: Studio, wav: Path) -> tuple[Any, Any, list[str]]:
    browser = driver.chromium.launch(
        executable_path=CHROMIUM, args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={wav}%noloop"]
    )
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(f"({KEEP_SOCKETS})()")
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(f"http://{studio.host}/#/piece/greensleeves")
    return browser, page, wrong


KEEP_SOCKETS = """() => {
    const Plain = window.WebSocket;
    window.sockets = [];
    window.WebSocket = class extends Plain { constructor(...all) { super(...all); window.sockets.push(this); } };
}"""
LOSE_CONNECTION = "window.sockets.filter((one) => one.url.endsWith('/api/audio')).forEach((one) => one.close())"


class Caught:
    """Everything the page sent, with when it was there, on the monotonic clock."""

    def __init__(self, studio: Studio) -> None:
        self.chunks: list[tuple[float, float, Chunk]] = []  # arrived, captured, what
        self.rate = RATE
        booth = studio.stage.booth
        hear = booth.hear

        def catch(guest: Guest, chunk: Chunk) -> None:
            captured_s = guest.clocks.ours(chunk.ended_ms / 1000)
            self.rate = guest.hello.rate
            self.chunks.append((time.monotonic(), captured_s or time.monotonic(), chunk))
            hear(guest, chunk)

        booth.hear = catch  # type: ignore[method-assign]

    def first_sound_s(self) -> float | None:
        """When the recording's first sound was in, on the monotonic clock."""
        for _, captured_s, chunk in self.chunks:
            loud = np.flatnonzero(np.abs(chunk.sound[:, 0]) > 0.02)
            if loud.size:
                return captured_s - (len(chunk.sound) - int(loud[0])) / self.rate
        return None

    def orchestra_s(self, after_s: float = 0.0) -> float | None:
        """When the page itself first played something after ``after_s``, on the monotonic clock."""
        for _, captured_s, chunk in list(self.chunks):
            loud = np.flatnonzero(np.abs(chunk.sound[:, 1]) > 0.001)
            if loud.size and captured_s > after_s:
                return captured_s - (len(chunk.sound) - int(loud[0])) / self.rate
        return None

    def comes_back(self, page: Any, after_s: float, within_s: float = 15.0) -> bool:
        until = time.monotonic() + within_s
        while time.monotonic() < until and self.orchestra_s(after_s) is None:
            page.wait_for_timeout(50)
        return self.orchestra_s(after_s) is not None


def first_loud_s(wav: Path) -> float:
    import soundfile  # type: ignore[import-untyped]

    audio = soundfile.read(str(wav), dtype="float32")[0].mean(axis=1)
    return float(np.flatnonzero(np.abs(audio) > 0.02)[0]) / RATE


def test_the_cursor_follows_a_microphone_in_the_browser(
    studio: Studio, played: tuple[Path, np.ndarray, np.ndarray], score: Score
) -> None:
    wav, beats, onset_s = played
    caught = Caught(studio)
    far: list[float] = []
    with playwright_api.sync_playwright() as driver:
        browser, page, wrong = open_page(driver, studio, wav)
        page.locator("select[name=input]").select_option("browser")
        page.locator("select[name=output]").select_option("silent")
        page.get_by_text("From a bar, tempo").click()
        page.locator("input[name=from_bar]").fill(score.bar_at(FROM_BEAT).number)
        page.get_by_role("button", name="Rehearse").click()
        page.wait_for_url(re.compile("#/stand"))
        studio.wait_for("ready", "playing")
        assert caught.first_sound_s() is None, "opening took longer than the silence at the beginning"
        page.locator(".cursor:not([hidden])").wait_for()
        until = time.monotonic() + SILENCE_S + MUSIC_S + 10
        offset_s = None
        while time.monotonic() < until and (offset_s is None or time.monotonic() - offset_s < onset_s[-1]):
            if offset_s is None and (first := caught.first_sound_s()) is not None:
                offset_s = first - first_loud_s(wav)
            if offset_s is not None:
                in_file_s = time.monotonic() - offset_s
                shown = float(page.locator("#bar").get_attribute("data-beat") or "nan")
                true = float(np.interp(in_file_s, onset_s, beats))
                if onset_s[2] < in_file_s < onset_s[-1]:
                    period_s = (onset_s[-1] - onset_s[0]) / (beats[-1] - beats[0])
                    far.append(abs(shown - true) * period_s)
            page.wait_for_timeout(100)
        browser.close()
    studio.json("/api/rehearsal", "DELETE")
    assert not wrong
    assert len(far) > 25
    assert max(far) < 0.5


FAKE_MIDI = """(played) => {
    // An instrument on the browser's Web MIDI, played at the times given (milliseconds from window.begun).
    const port = { name: "Fake piano", onmidimessage: null };
    navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", port]]) });
    window.play = () => {
        window.begun = performance.now();
        for (const [at, ...bytes] of played) {
            setTimeout(() => port.onmidimessage?.({ data: new Uint8Array(bytes), timeStamp: performance.now() }), at);
        }
    };
}"""


def test_the_cursor_follows_an_instrument_on_web_midi(studio: Studio, score: Score, silence: Path) -> None:
    take = simulate_solo(score, 7, "middle")
    first_s = float(take.onset_s[0]) - 0.3
    keys = [
        [1000 * (event.time_s - first_s), 0x90 if event.on else 0x80, event.pitch, event.velocity if event.on else 0]
        for event in take.events
        if isinstance(event, SoloEvent) and event.time_s < first_s + 8
    ]
    there = np.isfinite(take.onset_s) & (take.onset_s < first_s + 8)
    beats, onset_s = take.onset_beats[there], take.onset_s[there] - first_s
    far: list[float] = []
    with playwright_api.sync_playwright() as driver:
        browser, page, wrong = open_page(driver, studio, silence)
        page.add_init_script(f"({FAKE_MIDI})({json.dumps(keys)})")
        page.reload()
        page.locator("select[name=input]").select_option("web:Fake piano")
        page.locator("select[name=output]").select_option("silent")
        page.locator("input[name=from_bar]").evaluate(
            "(one, bar) => { one.value = bar; }", score.bar_at(FROM_BEAT).number
        )
        page.get_by_role("button", name="Rehearse").click()
        page.wait_for_url(re.compile("#/stand"))
        studio.wait_for("ready")
        page.locator(".cursor:not([hidden])").wait_for()
        page.evaluate("window.play()")
        period_s = float((onset_s[-1] - onset_s[0]) / (beats[-1] - beats[0]))
        look = "() => [performance.now() - window.begun, Number(document.getElementById('bar').dataset.beat)]"
        while (found := page.evaluate(look))[0] / 1000 < onset_s[-1]:
            if found[0] / 1000 > onset_s[2]:
                far.append(abs(found[1] - float(np.interp(found[0] / 1000, onset_s, beats))) * period_s)
            page.wait_for_timeout(100)
        browser.close()
    studio.json("/api/rehearsal", "DELETE")
    assert not wrong
    assert len(far) > 20
    assert max(far) < 0.5


@pytest.fixture(scope="module")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wav") / "silence.wav"
    write_wav(path, np.zeros((RATE, 2), np.float32), RATE)
    return path


@pytest.mark.skipif(find_soundfont() is None, reason="there is no soundfont here: collaparte doctor --fix")
def test_the_orchestra_sounds_in_the_browser_and_stops_when_it_must(studio: Studio, silence: Path) -> None:
    caught = Caught(studio)
    with playwright_api.sync_playwright() as driver:
        browser, page, wrong = open_page(driver, studio, silence)
        page.locator("select[name=input]").select_option("browser")
        page.locator("select[name=output]").select_option("browser")
        page.get_by_text("From a bar, tempo").click()
        page.locator("input[name=tempo]").fill("40")  # so that the introduction lasts as long as the test
        page.get_by_role("button", name="Rehearse").click()
        page.wait_for_url(re.compile("#/stand"))
        studio.wait_for("ready")
        assert studio.stage.booth.guest is not None
        latency_s = studio.stage.booth.guest.latency_s
        origin_s = time.monotonic() - studio.json("/api/rehearsal")["now_s"]
        page.locator("#big").click()
        studio.wait_for("playing")
        assert caught.comes_back(page, 0.0)
        page.locator("#panic").click()
        studio.wait_for("held")
        page.wait_for_timeout(400)
        held_s = time.monotonic()
        page.wait_for_timeout(500)
        assert sum(captured_s > held_s for _, captured_s, _ in caught.chunks) > 20
        assert caught.orchestra_s(held_s) is None, "nothing sounds after panic"
        page.locator("#big").click()
        studio.wait_for("playing")
        assert caught.comes_back(page, held_s)
        page.reload()
        reloaded_s = time.monotonic()
        assert caught.comes_back(page, reloaded_s), "after a reload the page sounds again"
        page.evaluate(LOSE_CONNECTION)
        page.wait_for_timeout(50)
        lost_s = time.monotonic()
        assert caught.comes_back(page, lost_s), "after a lost connection the page sounds again"
        browser.close()
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    leads_s = take.header.latencies["output_s"] - latency_s - AHEAD_S  # sent that much earlier where a preset is slow
    first_s = origin_s + min(note.due_s for note in take.orchestra if note.on) - latency_s
    heard_s = caught.orchestra_s()
    assert heard_s is not None
    assert -leads_s - 0.02 < heard_s - first_s < 0.2
    assert not wrong


LOOP = """() => {
    // What is played comes back to the microphone 60 ms later and softer, as through a room.
    const connect = AudioNode.prototype.connect;
    let air = null;
    AudioNode.prototype.connect = function (target, ...more) {
        if (target instanceof AudioDestinationNode) {
            air = this.context.createMediaStreamDestination();
            const late = new DelayNode(this.context, { delayTime: 0.06 });
            connect.call(connect.call(connect.call(this, late), new GainNode(this.context, { gain: 0.3 })), air);
            looped.forEach((give) => give(air.stream));
        }
        return connect.call(this, target, ...more);
    };
    const looped = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        window.asked = wanted.audio;
        const context = new AudioContext();
        const out = context.createMediaStreamDestination();
        looped.push((stream) => context.createMediaStreamSource(stream).connect(out));
        return out.stream;
    };
}"""


def test_latency_is_measured_step_by_step_through_a_loop(studio: Studio, silence: Path) -> None:
    with playwright_api.sync_playwright() as driver:
        browser, page, wrong = open_page(driver, studio, silence)
        page.evaluate(f"({LOOP})()")
        page.evaluate("location.hash = '#/settings'")
        page.locator("#measure").click()
        assert "Step 1 of 4" in page.locator(".walk").inner_text()
        page.keyboard.press("Enter")  # every step can be taken by keyboard: its button has the focus
        page.get_by_text("Step 2 of 4").wait_for()
        page.keyboard.press("Enter")
        page.get_by_text("Step 3 of 4").wait_for()
        page.get_by_role("button", name="It moves").click()
        page.get_by_role("button", name="Play them").click()
        page.locator("#roundtrip").wait_for()
        round_trip_ms = float(page.locator("#roundtrip").get_attribute("data-ms"))
        assert page.evaluate("window.asked") == {
            "echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}  # fmt: skip
        page.locator("#measured li").wait_for()
        page.locator("#choose-theme").select_option("dark")
        page.locator("#choose-size").select_option("large")
        page.locator("#newprofile").fill("Anna")
        page.keyboard.press("Enter")
        page.get_by_label("Anna", exact=False).first.check()
        page.wait_for_function("() => document.querySelector('.profiles li.chosen strong').textContent === 'Anna'")
        page.wait_for_timeout(300)
        page.reload()
        page.get_by_text("nothing remembered yet").first.wait_for()
        assert page.evaluate("({...document.documentElement.dataset})") == {"theme": "dark", "size": "large"}
        page.on("dialog", lambda dialog: dialog.accept("Anna B." if dialog.type == "prompt" else ""))
        page.get_by_label("Rename Anna").click()
        page.get_by_label("Delete Anna B.").click()
        page.get_by_text("Anna B. is deleted").wait_for()
        browser.close()
    assert not wrong
    assert 60 < round_trip_ms < 400
    kept = studio.json("/api/settings")
    assert kept["calibrations"][0]["round_trip_s"] == pytest.approx(round_trip_ms / 1000, abs=1e-4)
    assert [profile["id"] for profile in kept["profiles"]] == ["me"]
