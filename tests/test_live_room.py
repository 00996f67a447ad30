"""A concert in a room, whole: the program itself by microphone, its own sound wired back into it, and a soloist there.

JACK's server on its dummy driver carries three clients: the orchestra's output and a soloist who plays a recording,
both wired to the program's input. It needs a machine with nothing else to do: a lost block is a lost note.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jack_server
import numpy as np
import pytest
from jack_server import jack, until

from collaparte.events import OrchestraEvent, SoloEvent
from collaparte.listen.simulated import simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.score import Score, read_score
from collaparte.sound.render import render_solo, write_wav
from collaparte.takes import read_take

__all__ = ["jack"]
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("long_periods", "jack")]

PIECE, RATE, LEVEL = "greensleeves", 48000, 0.12
SILENCE_S, MUSIC_S = 2.0, 25.0
SOLOIST = """
import sys, time, wave, miniaudio, numpy as np
with wave.open(sys.argv[1]) as file:
    sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())[:, :1]
sound = np.repeat(sound.astype(np.float32) / 32768, 2, axis=1)
def play():
    frames, at = (yield b""), 0
    while True:
        block = sound[at : at + frames]
        at += frames
        frames = yield np.pad(block, ((0, frames - len(block)), (0, 0))).tobytes()
device = miniaudio.PlaybackDevice(output_format=miniaudio.SampleFormat.FLOAT32, nchannels=2, sample_rate=48000,
    buffersize_msec=10, backends=[miniaudio.Backend.JACK], app_name="soloist")
pull = play()
next(pull)
device.start(pull)
time.sleep(len(sound) / 48000 + 1.0)
device.close()
"""


@pytest.fixture(scope="module")
def long_periods() -> Iterator[None]:
    """The devices' callbacks are Python's: at 2.7 ms they would hold the server up."""
    before, jack_server.PERIOD_FRAMES = jack_server.PERIOD_FRAMES, 1024
    yield
    jack_server.PERIOD_FRAMES = before


def listed() -> list[str]:
    found = subprocess.run(["jack_lsp", "-s", os.environ["JACK_DEFAULT_SERVER"]], capture_output=True, text=True,
                           check=False)  # fmt: skip
    return [line for line in found.stdout.splitlines() if ":" in line and not line.startswith("system:")]


def wire(client: str) -> bool:
    """The outputs of ``client`` to the program's inputs, and to nothing else; True when there were any."""
    server, names = os.environ["JACK_DEFAULT_SERVER"], listed()
    outputs = [name for name in names if name.startswith(client) and "playback" in name]
    inputs = [name for name in names if name.startswith("collaparte") and "capture" in name]
    for out, into in [(out, into) for out in outputs for into in inputs]:
        subprocess.run(["jack_connect", "-s", server, out, into], capture_output=True, check=False)
    return bool(outputs and inputs)


def performed(tmp_path: Path) -> tuple[Score, Path, np.ndarray, np.ndarray]:
    """The soloist as a file; the truth: beats, seconds from the first note."""
    score = read_score(piece_path(PIECE), solo=[solo_part(PIECE)])
    take = simulate_solo(score, 5, "middle")
    first_s = float(take.onset_s[0])
    events = [
        replace(event, time_s=event.time_s - first_s + SILENCE_S, heard_s=event.time_s - first_s + SILENCE_S)
        for event in take.events
        if isinstance(event, SoloEvent) and event.time_s - first_s < MUSIC_S
    ]
    sound = render_solo(events, 40, None, sample_rate=RATE)
    sound *= LEVEL / np.sqrt(np.mean(sound**2))
    path = tmp_path / "soloist.wav"
    write_wav(path, sound, RATE)
    kept = take.onset_s - first_s < MUSIC_S
    return score, path, take.onset_beats[kept], take.onset_s[kept] - first_s


def concert(tmp_path: Path, wav: Path, name: str, bleed: bool) -> tuple[list[SoloEvent], list[OrchestraEvent]]:
    out = tmp_path / f"{name}.jsonl"
    command = [sys.executable, "-m", "collaparte.cli", "play", str(piece_path(PIECE)), "--solo", solo_part(PIECE)]
    command += ["--mic", "default", "--backend", "JACK", "--predictor", "steady", "--no-memory", "--out", str(out)]
    environment = os.environ | {"COLLAPARTE_DATA": str(tmp_path / "data")}
    playing = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    soloist: subprocess.Popen[bytes] | None = None
    try:
        ready = until(
            lambda: playing.poll() is not None or (out.exists() and any("capture" in p for p in listed())), 60
        )
        ready = ready and playing.poll() is None
        assert ready, playing.stderr.read() if playing.poll() is not None and playing.stderr else "not ready"
        if bleed:
            assert until(lambda: wire("collaparte"), 10)
        time.sleep(1.0)
        soloist = subprocess.Popen([sys.executable, "-c", SOLOIST, str(wav)])
        assert until(lambda: wire("soloist"), 10)
        soloist.wait(SILENCE_S + MUSIC_S + 30)
        playing.send_signal(signal.SIGINT)
        playing.wait(30)
    finally:
        for process in (playing, soloist):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    take = read_take(out)
    values = [value for value in take.values if isinstance(value, (SoloEvent, OrchestraEvent)) and value.on]
    return (
        [value for value in values if isinstance(value, SoloEvent)],
        [value for value in values if isinstance(value, OrchestraEvent)],
    )


def asynchrony_ms(
    heard: list[SoloEvent], played: list[OrchestraEvent], beats: np.ndarray, onset_s: np.ndarray
) -> float:
    """Mean size over the orchestra's notes at the soloist's beats; the file's place in the take's time is fitted.

    Not of the last two seconds: there the recording breaks off, and the orchestra goes on by itself.
    """
    times_s = np.array([event.time_s for event in heard])
    offsets = [np.median(np.abs(np.subtract.outer(onset_s + shift, times_s)).min(axis=1))
               for shift in times_s[0] - onset_s[0] + np.arange(-0.1, 0.1, 0.002)]  # fmt: skip
    shift_s = times_s[0] - onset_s[0] - 0.1 + 0.002 * int(np.argmin(offsets))
    truth = {round(float(beat), 4): float(at_s) + shift_s for beat, at_s in zip(beats, onset_s, strict=True)
             if at_s < MUSIC_S - 2.0}  # fmt: skip
    apart = [abs(one.due_s - truth[round(one.beat, 4)]) for one in played if round(one.beat, 4) in truth]
    assert len(apart) >= 20
    return 1000 * float(np.mean(np.minimum(apart, 5.0)))


@pytest.mark.skipif(shutil.which("jack_connect") is None, reason="Debian: apt install jack-example-tools")
def test_with_its_own_sound_in_the_microphone_it_keeps_together_nearly_as_well(tmp_path: Path) -> None:
    _, wav, beats, onset_s = performed(tmp_path)
    alone = concert(tmp_path, wav, "alone", bleed=False)
    beside = concert(tmp_path, wav, "beside", bleed=True)
    found = [asynchrony_ms(*run, beats, onset_s) for run in (alone, beside)]
    print(f"\n{len(onset_s)} onsets; heard {len(alone[0])} and {len(beside[0])}; asynchrony {found} ms")
    assert len(beside[0]) == pytest.approx(len(onset_s), rel=0.1)
    assert found[1] < found[0] + 15.0
