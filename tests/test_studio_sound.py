# ruff: noqa: F811 - fixtures of another file are arguments here
"""The browser's microphone and loudspeaker, in a real browser: a recording for a microphone, the sound caught again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from conftest import corpora_folder
from studio_browser import (  # noqa: F401 - fixtures
    PATIENCE_MS,
    Pulse,
    away_s,
    browser,
    corpora_song,
    driver,
    launch,
    open_page,
    to_rehearse,
    watch_what_is_heard,
)
from studio_server import Studio, open_studio
from studio_soloists import RATE, Played, real_prelude, simulated, sung_song

from collaparte.sound.render import write_wav
from collaparte.sound.soundfont import find_soundfont
from collaparte.studio.booth import Chunk, Guest
from collaparte.studio.browser_sound import AHEAD_S

SILENCE_S = 3.0  # of the recording, before the soloist begins
MUSIC_S = 9.0


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with open_studio(tmp_path) as found:
        yield found


@contextmanager
def at_piece(browser: Any, studio: Studio, *scripts: str, piece: str = "greensleeves") -> Iterator[Any]:
    """A page that shows a piece of the library."""
    with open_page(browser, studio, KEEP_SOCKETS, *scripts) as page:
        page.goto(f"http://{studio.host}/#/piece/{piece}")
        page.get_by_role("button", name="Rehearse").wait_for()
        yield page


KEEP_SOCKETS = """() => {
    const Plain = window.WebSocket;
    window.sockets = [];
    window.WebSocket = class extends Plain { constructor(...all) { super(...all); window.sockets.push(this); } };
}"""
LOSE_CONNECTION = "window.sockets.filter((one) => one.url.endsWith('/api/audio')).forEach((one) => one.close())"


class Caught:
    """Everything the page sent, with when it was in, on the monotonic clock; of a page that was reloaded, the last."""

    def __init__(self, studio: Studio) -> None:
        self.chunks: list[tuple[float, float, Chunk]] = []  # arrived, captured, what
        self.rate = RATE
        self._last: list[Chunk] = []  # since the page was loaded
        booth = studio.stage.booth
        hear = booth.hear

        def catch(guest: Guest, chunk: Chunk) -> None:
            captured_s = guest.clocks.ours(chunk.ended_ms / 1000)
            self.rate = guest.hello.rate
            if self._last and chunk.number < self._last[-1].number:
                self._last = []
            self._last.append(chunk)
            self.chunks.append((time.monotonic(), captured_s or time.monotonic(), chunk))
            hear(guest, chunk)

        booth.hear = catch  # type: ignore[method-assign]

    def seconds(self) -> float:
        """How much the page has heard since it was loaded."""
        last = self._last[-1:]
        return (last[0].number + 1) * len(last[0].sound) / self.rate if last else 0.0

    def both(self) -> np.ndarray:
        """The microphone since then and what was played (n, channels), in one piece; what was lost is silence."""
        chunks = list(self._last)  # more may come
        frames, channels = chunks[0].sound.shape
        heard = np.zeros(((chunks[-1].number + 1) * frames, channels), np.float32)
        for chunk in chunks:
            heard[chunk.number * frames : (chunk.number + 1) * frames] = chunk.sound
        return heard

    def stream(self) -> np.ndarray:
        """The microphone alone."""
        return self.both()[:, 0]

    def late(self) -> list[tuple[float, float]]:
        """When sound came here, in seconds of the epoch, and how long it had been on its way."""
        epoch_s = time.time() - time.monotonic()
        return [(arrived_s + epoch_s, arrived_s - captured_s) for arrived_s, captured_s, _ in list(self.chunks)]

    def zero_s(self) -> float:
        """When the first sample of ``stream`` was in, in the page's own seconds."""
        return min(
            chunk.ended_ms / 1000 - (chunk.number + 1) * len(chunk.sound) / self.rate for chunk in list(self._last)
        )

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


MUTED = """() => {
    // The microphone is silent until the page is told otherwise and loaded again: the recording begins then.
    if (sessionStorage.getItem("sounds")) return;
    navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
}"""


@pytest.fixture(params=["a real performance", "a song"])
def soloist(request: pytest.FixtureRequest, corpus: Callable[[str], Path]) -> Played:
    if request.param == "a song":
        return sung_song(request.getfixturevalue("corpora_song"), corpus)
    return simulated("greensleeves", 5) if corpora_folder() is None else real_prelude(corpus)


def begun_s(caught: Caught, wav: Path) -> float:
    """When the recording's first sample was in, in seconds of the page: where the two sounds fit best."""
    heard = caught.stream()
    there, rate = soundfile.read(str(wav), dtype="float32", always_2d=True)
    one, other = _loudness(heard, caught.rate), _loudness(there.mean(axis=1), rate)
    size = 1 << int(np.ceil(np.log2(len(one) + len(other))))
    fits = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    lag = int(np.argmax(fits))
    return caught.zero_s() + (lag if lag < size // 2 else lag - size) / 1000


def _loudness(sound: np.ndarray, rate: int) -> np.ndarray:
    """Of each millisecond."""
    edges = (np.arange(int(len(sound) * 1000 / rate)) * rate / 1000).astype(int)
    loud = np.add.reduceat(np.abs(sound), edges)
    return loud - loud.mean()


def test_the_cursor_follows_a_microphone_in_the_browser(
    driver: Any, studio: Studio, soloist: Played, tmp_path: Path
) -> None:
    played = soloist.cut(MUSIC_S).later(SILENCE_S)
    wav = played.write(tmp_path / "soloist.wav")
    caught = Caught(studio)
    singing = launch(driver, f"--use-file-for-fake-audio-capture={wav}%noloop")
    with Pulse() as pulse, at_piece(singing, studio, MUTED) as page:
        to_rehearse(page, studio, played, "browser")
        heard = watch_what_is_heard(studio)
        page.evaluate("sessionStorage.setItem('sounds', 'yes')")
        page.reload()
        whole_s = float(played.onset_s[-1]) + 1.0
        until = time.monotonic() + 4 * whole_s + PATIENCE_MS / 1000
        while time.monotonic() < until and caught.seconds() < whole_s:
            page.wait_for_timeout(300)
        origin_s = page.evaluate("performance.timeOrigin") / 1000
        far = away_s(page, played, origin_s + begun_s(caught, wav), (caught.late(), heard, pulse.rows))
    singing.close()
    studio.json("/api/rehearsal", "DELETE")
    assert len(far) > 50
    assert far.max() < 0.5  # throughout


FAKE_MIDI = """() => {
    // An instrument on the browser's Web MIDI. Keys are struck as the browser comes to it; when, is noted.
    const port = { name: "Fake piano", onmidimessage: null };
    navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", port]]) });
    window.struck = [];
    window.play = (keys) => {
        for (const [at, ...bytes] of keys) {
            setTimeout(() => {
                if (bytes[0] === 0x90) window.struck.push((performance.timeOrigin + performance.now()) / 1000);
                port.onmidimessage?.({ data: new Uint8Array(bytes), timeStamp: performance.now() });
            }, at);
        }
    };
}"""


def test_the_cursor_follows_an_instrument_on_web_midi(
    browser: Any, studio: Studio, corpora_song: Path, corpus: Callable[[str], Path]
) -> None:
    played = sung_song(corpora_song, corpus).cut(8.0)
    keys = [
        [1000 * event.time_s, 0x90 if event.on else 0x80, event.pitch, event.velocity if event.on else 0]
        for event in played.events
    ]
    with Pulse() as pulse, at_piece(browser, studio, FAKE_MIDI) as page:
        to_rehearse(page, studio, played, "web:Fake piano")
        page.locator(".cursor:not([hidden])").wait_for()
        page.evaluate("keys => window.play(keys)", keys)
        page.wait_for_function("count => window.struck.length === count", arg=sum(event.on for event in played.events))
        page.wait_for_timeout(200)
        struck = page.evaluate("window.struck")
        far = away_s(page, played.struck(struck), 0.0, (played.late(struck), pulse.rows))
    studio.json("/api/rehearsal", "DELETE")
    assert len(far) > 20
    assert far.max() < 0.5


@pytest.fixture(scope="module")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wav") / "silence.wav"
    write_wav(path, np.zeros((RATE, 2), np.float32), RATE)
    return path


@pytest.mark.skipif(find_soundfont() is None, reason="there is no soundfont here: collaparte doctor --fix")
def test_the_orchestra_sounds_in_the_browser_and_stops_when_it_must(driver: Any, studio: Studio, silence: Path) -> None:
    caught = Caught(studio)
    quiet = launch(driver, f"--use-file-for-fake-audio-capture={silence}%noloop")
    with at_piece(quiet, studio) as page:
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
    quiet.close()
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    leads_s = take.header.latencies["output_s"] - latency_s - AHEAD_S  # sent that much earlier where a preset is slow
    first_s = origin_s + min(note.due_s for note in take.orchestra if note.on) - latency_s
    heard_s = caught.orchestra_s()
    assert heard_s is not None
    assert -leads_s - 0.02 < heard_s - first_s < 0.2


LOOP = """() => {
    // What is played comes back to the microphone 60 ms later and softer, as through a room.
    const connect = AudioNode.prototype.connect;
    const air = [], looped = [];
    AudioNode.prototype.connect = function (target, ...more) {
        if (target instanceof AudioDestinationNode) {
            const out = this.context.createMediaStreamDestination();
            const late = new DelayNode(this.context, { delayTime: 0.06 });
            connect.call(connect.call(connect.call(this, late), new GainNode(this.context, { gain: 0.3 })), out);
            air.push(out.stream);
            looped.forEach((give) => give(out.stream));
        }
        return connect.call(this, target, ...more);
    };
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        window.asked = wanted.audio;
        const context = new AudioContext();
        const out = context.createMediaStreamDestination();
        const give = (stream) => connect.call(context.createMediaStreamSource(stream), out);
        air.forEach(give);
        looped.push(give);
        return out.stream;
    };
}"""


def play_the_chirps(page: Any, attempts: int = 3) -> None:
    """Until they are measured: where a busy machine loses sound the page says so, and to try again."""
    for left in reversed(range(attempts)):
        page.get_by_role("button", name="Play them").click()
        page.locator("#roundtrip, #measure-trouble").wait_for()
        if page.locator("#roundtrip").count() or not left:
            break
        page.get_by_role("button", name="Try again").click()
    assert page.locator("#roundtrip").count(), page.locator("#measure-trouble").inner_text()


def test_latency_is_measured_step_by_step_through_a_loop(browser: Any, studio: Studio) -> None:
    with at_piece(browser, studio) as page:
        page.evaluate(f"({LOOP})()")
        page.evaluate("location.hash = '#/settings'")
        page.locator("#measure").click()
        assert "Step 1 of 4" in page.locator(".walk").inner_text()
        page.keyboard.press("Enter")  # every step can be taken by keyboard: its button has the focus
        page.get_by_text("Step 2 of 4").wait_for()
        page.keyboard.press("Enter")
        page.get_by_text("Step 3 of 4").wait_for()
        page.get_by_role("button", name="It moves").click()
        play_the_chirps(page)
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
    assert 60 < round_trip_ms < 400
    kept = studio.json("/api/settings")
    assert kept["calibrations"][0]["round_trip_s"] == pytest.approx(round_trip_ms / 1000, abs=1e-4)
    assert [profile["id"] for profile in kept["profiles"]] == ["me"]
