"""The booth without a browser: two clocks, chunks of sound, what is lost on the way, notes in the page's time."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collaparte.calibrate import Calibration, Calibrations, clicks, measure
from collaparte.errors import CollaparteError, DeviceError
from collaparte.events import Click, Command, OrchestraEvent, SoloEvent
from collaparte.listen.simulated import simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.score import Score, read_score
from collaparte.sound.render import render_solo
from collaparte.sound.sf2 import PERCUSSION_BANK
from collaparte.sound.soundfont import find_soundfont
from collaparte.sound.zones import write_zones
from collaparte.studio.booth import HEADER, Booth, Chunk, Guest, Hello, read_chunk, read_hello
from collaparte.studio.browser_microphone import CONCEALED_S, BrowserMicrophone
from collaparte.studio.browser_sound import BrowserSound
from collaparte.studio.two_clocks import TwoClocks

RATE, FRAMES = 48000, 256


# -- two clocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drift", [0.0, 80e-6, -200e-6])
def test_two_clocks_agree_within_a_millisecond_over_a_busy_network(drift: float) -> None:
    rng = np.random.default_rng(1)
    clocks = TwoClocks()

    def theirs(ours_s: float) -> float:
        return 1000.0 + (ours_s - 5.0) * (1 + drift)

    for second in np.arange(5.0, 65.0, 0.5):
        there, back = 0.002 + rng.exponential(0.008, 2)  # mostly much longer one way than the other
        clocks.exchange(second, theirs(second + there), second + there + back)
    for ours_s in (20.0, 64.0, 70.0):
        assert clocks.ours(theirs(ours_s)) == pytest.approx(ours_s, abs=0.002)
        assert clocks.theirs(ours_s) == pytest.approx(theirs(ours_s), abs=0.002)
    assert clocks.drift == pytest.approx(-drift, abs=60e-6)


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    clocks = TwoClocks()
    assert clocks.ours(1.0) is None
    assert clocks.theirs(1.0) is None
    for second in range(20):
        clocks.exchange(second, second + 100.0, second + 0.004)
    clocks.exchange(20.0, 50.0, 20.004)  # a laptop that slept
    assert clocks.jumps == 1
    assert clocks.ours(50.0) == pytest.approx(20.002)
    clocks.exchange(21.0, 51.0, 20.9)  # an answer before the question
    assert clocks.ours(50.0) == pytest.approx(20.002)


# -- what the page says ------------------------------------------------------------------------------------------------


def chunk_of(number: int, ended_ms: float, *channels: np.ndarray) -> bytes:
    samples = np.round(np.stack(channels) * 32767).astype("<i2")
    return HEADER.pack(ended_ms, number, samples.shape[1], len(channels)) + samples.tobytes()


def test_a_chunk_is_what_was_sent() -> None:
    wave = np.sin(np.arange(FRAMES) / 9)
    found = read_chunk(chunk_of(7, 1234.5, wave, -wave / 2))
    assert (found.number, found.ended_ms, found.sound.shape) == (7, 1234.5, (FRAMES, 2))
    assert np.abs(found.sound[:, 0] - wave).max() < 1e-4
    assert np.abs(found.sound[:, 1] + wave / 2).max() < 1e-4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 15,
        HEADER.pack(0.0, 0, 0, 1),
        HEADER.pack(0.0, 0, 4, 3) + bytes(24),
        HEADER.pack(float("nan"), 0, 4, 1) + bytes(8),
        HEADER.pack(0.0, 0, 4000, 1) + bytes(8000),
        HEADER.pack(0.0, 0, 4, 1) + bytes(7),
    ],
)
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    with pytest.raises(CollaparteError):
        read_chunk(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [("page", ""), ("page", 3), ("page", "x" * 65), ("rate", 1), ("rate", 1e9), ("rate", None), ("channels", 3),
     ("latency_s", -1), ("latency_s", float("nan")), ("latency_s", "0")],
)  # fmt: skip
def test_a_hello_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    hello: dict[str, Any] = {"page": "a", "rate": RATE, "channels": 1, "latency_s": 0.04}
    assert read_hello(hello) == Hello("a", RATE, 1, 0.04)
    with pytest.raises(CollaparteError):
        read_hello({**hello, name: value})


# -- the microphone ----------------------------------------------------------------------------------------------------


class Page:
    """A guest whose clock reads ``time.monotonic()`` plus 500 s, and what it was told."""

    def __init__(self, channels: int = 1, latency_s: float = 0.03, key: str = "page") -> None:
        self.told: list[Mapping[str, Any]] = []
        self.guest = Guest(Hello(key, RATE, channels, latency_s), self.told.append)
        now_s = time.monotonic()
        self.guest.clocks.exchange(now_s, now_s + 500.002, now_s + 0.004)

    def ms(self, ours_s: float) -> float:
        return (ours_s + 500.0) * 1000

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [message for message in self.told if message["kind"] == kind]


@pytest.fixture(scope="module")
def score() -> Score:
    return read_score(piece_path("greensleeves"), None, solo_part("greensleeves"))


@pytest.fixture(scope="module")
def sound(score: Score) -> tuple[np.ndarray, list[SoloEvent]]:
    """Eight seconds of the soloist, mono, and their true onsets."""
    take = simulate_solo(score, 5, "low")
    first_s = float(take.onset_s[0])
    events = [
        replace(event, time_s=event.time_s - first_s + 0.5, heard_s=event.time_s - first_s + 0.5)
        for event in take.events
        if isinstance(event, SoloEvent) and event.time_s < first_s + 7
    ]
    program = next(part.program for part in score.parts if part.solo)
    audio = render_solo(events, program, find_soundfont()).mean(axis=1)
    return audio[: 8 * RATE], [event for event in events if event.on]


def heard_through(
    score: Score,
    audio: np.ndarray,
    lost: set[int] = frozenset(),
    travel_s: float = 0.05,  # type: ignore[assignment]
) -> tuple[list[SoloEvent], BrowserMicrophone]:
    """The soloist through a page whose chunks travel ``travel_s``; the take's zero is that of ``audio``."""
    zero_s = time.monotonic()
    page, booth = Page(), Booth()
    microphone = BrowserMicrophone(score, lambda event: None, lambda: time.monotonic() - zero_s, booth)
    microphone.close()  # its thread; what it would do is done here, faster than real time
    microphone.relocate(float(score.solo_onsets[0]))
    found: list[SoloEvent] = []
    for number in range(len(audio) // FRAMES):
        if number in lost:
            continue
        ended_s = (number + 1) * FRAMES / RATE
        samples = np.asarray(audio[number * FRAMES : (number + 1) * FRAMES], np.float32).reshape(-1, 1)
        chunk = Chunk(number, page.ms(zero_s + ended_s), samples)
        found += microphone.take(ended_s + travel_s, page.guest, chunk)
    return found, microphone


def test_the_way_over_the_network_counts_in_when_it_is_heard_not_in_when_it_was(
    score: Score, sound: tuple[np.ndarray, list[SoloEvent]]
) -> None:
    audio, truth = sound
    near, _ = heard_through(score, audio, travel_s=0.0)
    far, microphone = heard_through(score, audio, travel_s=0.2)
    near, far = [event for event in near if event.on], [event for event in far if event.on]
    assert len(far) >= 0.7 * len(truth)
    assert [event.pitch for event in far] == [event.pitch for event in near]
    apart = [one.time_s - other.time_s for one, other in zip(near, far, strict=True)]
    assert max(map(abs, apart)) < 0.003
    late = [other.heard_s - one.heard_s for one, other in zip(near, far, strict=True)]
    assert late == pytest.approx([0.2] * len(late), abs=0.006)
    assert microphone.lost_frames == 0


@pytest.mark.parametrize("a4_hz", [440.0, 447.0])
def test_the_orchestra_is_tuned_to_what_is_heard_when_that_was_asked_for(score: Score, a4_hz: float) -> None:
    take = simulate_solo(score, 5, "low")
    first_s = float(take.onset_s[0])
    events = [
        replace(event, time_s=event.time_s - first_s + 0.5, heard_s=event.time_s - first_s + 0.5)
        for event in take.events
        if isinstance(event, SoloEvent) and event.time_s < first_s + 9
    ]
    program = next(part.program for part in score.parts if part.solo)
    audio = render_solo(events, program, find_soundfont(), tuning_hz=a4_hz).mean(axis=1)
    page, booth, put = Page(), Booth(), list[SoloEvent | Command]()
    booth.enter(page.guest)
    zero_s = time.monotonic()
    with BrowserMicrophone(score, put.append, lambda: time.monotonic() - zero_s, booth, tunes=True) as microphone:
        microphone.relocate(float(score.solo_onsets[0]))
        chunks = len(audio) // FRAMES
        for number in range(chunks):
            samples = np.asarray(audio[number * FRAMES : (number + 1) * FRAMES], np.float32).reshape(-1, 1)
            booth.hear(page.guest, Chunk(number, page.ms(zero_s + (number + 1) * FRAMES / RATE), samples))
        until = time.monotonic() + 120
        while time.monotonic() < until and microphone.heard_frames < chunks * FRAMES:
            time.sleep(0.05)
    told = [value.value for value in put if isinstance(value, Command) and value.name == "tuning"]
    assert sum(isinstance(value, SoloEvent) and value.on for value in put) > 8
    assert (told[-1:] or [440.0]) == [pytest.approx(a4_hz, abs=1.5)]


def test_what_is_lost_on_the_way_is_counted_and_moves_nothing(
    score: Score, sound: tuple[np.ndarray, list[SoloEvent]]
) -> None:
    audio, _ = sound
    lost = set(range(300, 330)) | {700, 701, 900}
    whole, _ = heard_through(score, audio)
    holed, microphone = heard_through(score, audio, lost)
    assert microphone.lost_frames == len(lost) * FRAMES
    onsets = np.array([event.time_s for event in whole if event.on])
    after = [event.time_s for event in holed if event.on and event.time_s > 950 * FRAMES / RATE]
    assert len(after) > 3
    for time_s in after:
        assert np.abs(onsets - time_s).min() < 0.03


def test_after_a_long_absence_time_begins_anew_and_duplicates_are_not_heard_twice(score: Score) -> None:
    zero_s = time.monotonic()
    page, microphone = Page(), BrowserMicrophone(score, lambda event: None, lambda: 100.0, Booth())
    microphone.close()
    quiet = np.zeros((FRAMES, 1), np.float32)
    far = int(CONCEALED_S * RATE / FRAMES) + 10
    for number in (0, 1, 2, far, far, far - 5, far + 1):
        microphone.take(100.0, page.guest, Chunk(number, page.ms(zero_s), quiet))
    assert microphone.heard_frames == 5 * FRAMES
    assert microphone.lost_frames == (far - 3) * FRAMES


def test_a_page_that_was_reloaded_goes_on_where_the_last_one_broke_off(score: Score) -> None:
    zero_s = time.monotonic() - 100.0
    microphone = BrowserMicrophone(score, lambda event: None, lambda: time.monotonic() - zero_s, Booth())
    microphone.close()
    quiet = np.zeros((FRAMES, 1), np.float32)
    first, second = Page(), Page()
    ended_s = zero_s + 99.0
    microphone.take(99.0, first.guest, Chunk(900, first.ms(ended_s), quiet))
    microphone.take(99.6, second.guest, Chunk(0, second.ms(ended_s + 0.5), quiet))
    assert microphone.lost_frames == pytest.approx(0.5 * RATE - FRAMES, abs=RATE * 0.005)


def test_what_the_page_itself_plays_is_taken_out_of_what_it_hears(
    score: Score, sound: tuple[np.ndarray, list[SoloEvent]]
) -> None:
    audio, _ = sound
    rng = np.random.default_rng(2)
    played = np.repeat(rng.normal(0, 0.1, len(audio) // 4 + 1), 4)[: len(audio)]  # an orchestra nobody could follow
    room = np.zeros(3000)
    room[[2400, 2650, 2999]] = (0.4, -0.2, 0.1)
    echo = np.convolve(played, room)[: len(audio)]
    zero_s = time.monotonic()
    found: dict[bool, list[float]] = {}
    for knows in (False, True):
        page = Page(channels=2)
        microphone = BrowserMicrophone(score, lambda event: None, lambda: time.monotonic() - zero_s, Booth())
        microphone.close()
        microphone.relocate(float(score.solo_onsets[0]))
        both = np.stack([audio + echo, played if knows else np.zeros_like(played)], axis=1).astype(np.float32)
        events: list[SoloEvent] = []
        for number in range(len(audio) // FRAMES):
            chunk = Chunk(number, page.ms(zero_s + (number + 1) * FRAMES / RATE), both[number * FRAMES :][:FRAMES])
            events += microphone.take((number + 1) * FRAMES / RATE, page.guest, chunk)
        found[knows] = [event.time_s for event in events if event.on]
    alone, _ = heard_through(score, audio)
    onsets = np.array([event.time_s for event in alone if event.on])

    def share(times: list[float]) -> float:
        near = [onset for onset in onsets if times and np.abs(np.array(times) - onset).min() < 0.05]
        return len(near) / len(onsets)

    assert share(found[True]) > 0.75
    assert share(found[True]) > share(found[False]) + 0.2


def test_in_a_measured_room_a_silent_soloist_is_not_heard_though_the_page_plays_their_own_tune(
    score: Score, sound: tuple[np.ndarray, list[SoloEvent]], tmp_path: Path
) -> None:
    tune, truth = sound
    room = np.zeros(3000)
    room[[2400, 2650, 2999]] = (0.4, -0.2, 0.1)
    sweeps = clicks(RATE)
    measured = measure(np.convolve(sweeps, room)[: len(sweeps)].astype(np.float32), sweeps, RATE)
    kept = Calibrations(tmp_path).keep(Calibration.of(measured, "browser", "browser", 0.0), measured)

    def heard(solo: np.ndarray, played: np.ndarray, calibration: Calibration | None) -> list[float]:
        page, zero_s = Page(channels=2), time.monotonic()
        microphone = BrowserMicrophone(
            score, lambda event: None, lambda: time.monotonic() - zero_s, Booth(), calibration=calibration
        )
        microphone.close()
        microphone.relocate(float(score.solo_onsets[0]))
        noise = 2e-4 * np.random.default_rng(1).standard_normal(len(solo))
        both = np.stack([solo + noise + np.convolve(played, room)[: len(solo)], played], axis=1).astype(np.float32)
        events: list[SoloEvent] = []
        for number in range(len(solo) // FRAMES):
            chunk = Chunk(number, page.ms(zero_s + (number + 1) * FRAMES / RATE), both[number * FRAMES :][:FRAMES])
            events += microphone.take((number + 1) * FRAMES / RATE, page.guest, chunk)
        return [event.time_s for event in events if event.on]

    assert heard(np.zeros_like(tune), tune, None) != []  # of a room that was not measured it is not known
    assert heard(np.zeros_like(tune), tune, kept) == []
    late = np.concatenate([np.zeros(RATE // 5), tune])[: len(tune)]  # a canon
    assert len(heard(late, tune, kept)) >= 0.7 * sum(event.time_s < 7.0 for event in truth)


# -- the loudspeaker ---------------------------------------------------------------------------------------------------


def note(due_s: float, on: bool, pitch: int = 60, number: int = 1) -> OrchestraEvent:
    return OrchestraEvent(due_s, 0.0, "Violas", on, pitch, 70, False, note=number)


def sounding(score: Score, page: Page, key: str | None = "page") -> tuple[BrowserSound, Booth]:
    booth = Booth()
    booth.enter(page.guest)
    page.guest.play(0.05, None)
    return BrowserSound(score.parts, booth, key), booth


def test_notes_are_sent_in_the_pages_own_time(score: Score) -> None:
    page = Page()
    sound, _ = sounding(score, page)
    seats = page.of("seats")[-1]["seats"]
    assert len(seats) == 6
    assert seats[2][:2] == [0, 48]
    assert seats[-1][0] == PERCUSSION_BANK
    assert sound.output_latency_s > 0.05
    due_s = time.monotonic() + 1
    sound.send([note(due_s, True), note(due_s + 0.5, False), Click(due_s, 0.0, True)])
    on, off, *click = page.of("notes")[-1]["notes"]
    assert on[:5] == [1, 1, 2, 60, 70]
    assert page.ms(due_s) - 61 <= on[5] <= page.ms(due_s) + 1  # a slow preset is sent up to 60 ms early
    assert off[:3] == [0, 1, 2]
    assert off[5] == pytest.approx(page.ms(due_s + 0.5), abs=1)
    assert [row[2] for row in click] == [5, 5]
    sound.all_notes_off()
    assert page.told[-1] == {"kind": "panic"}


def test_a_balance_and_a_tuning_reach_the_page_in_the_notes_themselves(score: Score) -> None:
    page = Page()
    sound, _ = sounding(score, page)
    part = note(0.0, True).part
    due_s = time.monotonic() + 1
    sound.set_level(part, 0.25)
    sound.tune(415.3047)
    sound.send([note(due_s, True), note(due_s + 0.5, False)])
    on, _ = page.of("notes")[-1]["notes"]
    assert on[:5] == [1, 1, 2, pytest.approx(59.0, abs=1e-3), 35]  # a quarter as loud: half the velocity
    sound.set_level(part, 0.0)
    sound.send([note(due_s, True), note(due_s + 0.5, False)])
    assert [row[0] for row in page.of("notes")[-1]["notes"]] == [0]


def test_a_page_that_is_gone_is_missed_once_and_welcomed_again(score: Score) -> None:
    said: list[str] = []
    page, booth = Page(), Booth()
    booth.enter(page.guest)
    page.guest.play(0.05, None)
    with BrowserSound(score.parts, booth, "page", notice=said.append) as sound:
        booth.leave(page.guest)
        for _ in range(3):
            sound.send([note(time.monotonic(), True)])
        assert len(said) == 1
        again = Page()
        booth.enter(again.guest)
        sound.send([note(time.monotonic(), True)])
        assert len(again.of("seats")) == 1
        assert len(again.of("notes")) == 1
        other = Page(key="other")
        booth.enter(other.guest)
        assert again.told[-1] == {"kind": "gone"}
        assert not again.guest.send({"kind": "panic"})
    assert other.told[-1] == {"kind": "panic"}


def test_a_page_that_cannot_play_says_why(score: Score) -> None:
    page, booth = Page(), Booth()
    booth.enter(page.guest)
    page.guest.play(None, "there is no sound card")
    with pytest.raises(DeviceError, match="no sound card"):
        BrowserSound(score.parts, booth, "page")
    with pytest.raises(DeviceError, match="did not open"):
        BrowserSound(score.parts, Booth(), "page", ended=lambda: True)


# -- the soundfont for the page ----------------------------------------------------------------------------------------


@pytest.mark.skipif(find_soundfont() is None, reason="there is no soundfont here: collaparte doctor --fix")
def test_a_flattened_soundfont_sounds_every_note_at_its_pitch(tmp_path: Path) -> None:
    font = find_soundfont()
    assert font is not None
    data = write_zones(font, [(0, 73), (0, 42), (PERCUSSION_BANK, 0)], tmp_path / "voices.zones").read_bytes()
    length = struct.unpack("<I", data[:4])[0]
    presets = json.loads(data[4 : 4 + length])["presets"]
    samples = np.frombuffer(data, "<i2", offset=4 + length)
    assert set(presets) == {"0.73", "0.42", "128.0"}
    for zones in presets.values():
        for zone in zones:
            assert 0 <= zone["start"] < zone["end"] <= len(samples)
            if zone["loop"]:
                assert zone["start"] <= zone["loop"][0] < zone["loop"][1] <= zone["end"]
    for preset, keys in (("0.73", range(60, 97)), ("0.42", range(36, 73))):
        for key in keys:
            reach = [
                zone
                for zone in presets[preset]
                if zone["keys"][0] <= key <= zone["keys"][1] and zone["velocities"][0] <= 80 <= zone["velocities"][1]
            ]
            assert reach, (preset, key)
        zone = next(zone for zone in presets[preset] if zone["keys"][0] <= 66 <= zone["keys"][1] and zone["loop"])
        low, high = zone["loop"]
        wave = samples[low:high].astype(float)
        while len(wave) < 8192:  # some loops are a few periods long
            wave = np.tile(wave, 2)
        spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 18))
        pitch_hz = 440 * 2 ** ((zone["root"] - zone["tune"] - 69) / 12)
        bins = np.arange(len(spectrum)) * zone["rate"] / (1 << 18)
        partials = [spectrum[np.abs(bins - n * pitch_hz) < 0.02 * n * pitch_hz].max() for n in range(1, 9)]
        between = [spectrum[np.abs(bins - (n + 0.5) * pitch_hz) < 0.2 * pitch_hz].max() for n in range(1, 8)]
        assert max(partials) > 5 * max(between)


@pytest.mark.skipif(find_soundfont() is None, reason="there is no soundfont here: collaparte doctor --fix")
def test_a_piano_is_heard_beside_a_violin_at_every_velocity(tmp_path: Path) -> None:
    """Of the soundfont that is fetched, the piano's filter is nearly closed until modulators open it with velocity: a
    synthesiser that knows none played it 40 dB too softly."""
    font = find_soundfont()
    assert font is not None

    def loudest(program: int, velocity: int) -> float:
        notes = [SoloEvent(0.1, 0.1, True, 69, velocity), SoloEvent(0.9, 0.9, False, 69, 0)]
        return float(np.abs(render_solo(notes, program, font).mean(axis=1)).max())

    for velocity in (30, 60, 90, 115):
        assert -15 < 20 * np.log10(loudest(0, velocity) / loudest(40, velocity)) < 10, velocity
    data = write_zones(font, [(0, 0)], tmp_path / "piano.zones").read_bytes()
    zones = json.loads(data[4 : 4 + struct.unpack("<I", data[:4])[0]])["presets"]["0.0"]
    assert all(zone["cutoff_hz"] > 10_000 for zone in zones if zone["keys"][0] <= 69 <= zone["keys"][1])
