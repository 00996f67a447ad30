"""The process that sounds: on time, and silent when the engine is gone. Watched through the log it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from jack_server import until

from collaparte.errors import DeviceError
from collaparte.events import Click, OrchestraEvent
from collaparte.score.page import Part
from collaparte.sound.midi_port import MidiPort

pytestmark = pytest.mark.live

PARTS = [
    Part("Violins", 1, 48),
    Part("Cellos", 2, 42),
    Part("Drums", 3, 0, percussion=True),
    Part("Solo", 4, solo=True),
]


def lines(log: Path) -> list[tuple[float, bytes]]:
    """What the sender wrote: (monotonic seconds, message)."""
    rows = []
    for line in log.read_text().splitlines():
        at_s, message = line.split()
        rows.append((float(at_s), bytes.fromhex(message)))
    return rows


def sounding(log: Path) -> Counter[tuple[int, int]]:
    """(channel, pitch) begun and not ended; an all-notes-off does not count as an end."""
    held: Counter[tuple[int, int]] = Counter()
    for _, message in lines(log):
        if message[0] & 0xF0 == 0x90:
            held[message[0] & 0x0F, message[1]] += 1
        elif message[0] & 0xF0 == 0x80:
            held.pop((message[0] & 0x0F, message[1]), None)
    return held


def note(number: int, begin_s: float, end_s: float, pitch: int = 60, part: str = "Violins") -> list[OrchestraEvent]:
    return [
        OrchestraEvent(begin_s, 0.0, part, True, pitch, 80, note=number),
        OrchestraEvent(end_s, 0.0, part, False, pitch, 0, note=number),
    ]


def test_a_level_is_the_volume_of_its_channel_and_a_tuning_bends_all_but_the_percussion(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with MidiPort(PARTS, f"log:{log}", origin_s=time.monotonic()) as sound:
        before = len(lines(log))
        for level in (1.0, 0.25, 0.25):  # what is no news is not sent
            sound.set_level("Cellos", level)
        sound.set_level("Solo", 0.0)
        sound.tune(440.0)
        sound.tune(415.3047)
        until(lambda: len(lines(log)) >= before + 11)
    sent = [message for _, message in lines(log)[before:]]
    assert sent[0] == bytes((0xB1, 7, 50))
    bends = [message for message in sent if message[0] & 0xF0 == 0xE0]
    assert bends == [bytes((0xE0, 0, 32)), bytes((0xE1, 0, 32))]
    assert sum(message[:2] == bytes((0xB0, 7)) for message in sent) == 0


def test_notes_leave_on_their_channels_at_their_times_whatever_the_order_given(tmp_path: Path) -> None:
    log, origin_s = tmp_path / "log", time.monotonic()
    with MidiPort(PARTS, f"log:{log}", origin_s=origin_s, latency_s=0.1) as sound:
        now_s = time.monotonic() - origin_s
        late, early = note(2, now_s + 0.5, now_s + 0.6, 67, "Cellos"), note(1, now_s + 0.3, now_s + 0.55, 60)
        drum = note(3, now_s + 0.4, now_s + 0.45, 38, "Drums")
        sound.send([*late, *early, *drum, Click(now_s + 0.35, 0.0, True)])
        assert until(lambda: sum(message[0] & 0xF0 == 0x80 for _, message in lines(log)) == 4)
        reports = []  # each comes a moment after its message
        assert until(lambda: reports.extend(sound.reports()) or sum(report.note > 0 for report in reports) == 6)
    played = [(at_s, message) for at_s, message in lines(log) if message[0] & 0xF0 in (0x80, 0x90)]
    begun = [(message[0] & 0x0F, message[1]) for _, message in played if message[0] & 0xF0 == 0x90]
    assert begun == [(0, 60), (9, 76), (9, 38), (1, 67)]
    programs = {(message[0] & 0x0F, message[1]) for _, message in lines(log) if message[0] & 0xF0 == 0xC0}
    assert programs == {(0, 48), (1, 42), (9, 0)}
    sent = {(report.note, report.on): report.sent_s - report.due_s for report in reports if report.note > 0}
    assert set(sent) == {(number, on) for number in (1, 2, 3) for on in (True, False)}
    assert min(sent.values()) >= 0.0  # never early: the tenth of a second is the instrument's
    first_s = next(at_s for at_s, message in played if message[0] == 0x90)
    assert first_s - origin_s - now_s == pytest.approx(0.2, abs=0.1)


def test_struck_again_ends_once_and_zero_length_notes_end(tmp_path: Path) -> None:
    log, origin_s = tmp_path / "log", time.monotonic()
    with MidiPort(PARTS, f"log:{log}", origin_s=origin_s) as sound:
        now_s = time.monotonic() - origin_s
        sound.send([*note(1, now_s, now_s + 0.2), *note(2, now_s + 0.1, now_s + 0.3), *note(3, now_s, now_s, 72)])
        assert until(lambda: not sounding(log) and len(lines(log)) >= 9)
        kinds = [message[0] & 0xF0 for _, message in lines(log) if message[1] == 60 and message[0] & 0xF0 < 0xB0]
        assert kinds == [0x90, 0x80, 0x90, 0x80]
        ends = [at_s for at_s, message in lines(log) if message[0] & 0xF0 == 0x80 and message[1] == 60]
        assert ends[-1] - origin_s >= now_s + 0.3  # the second note is not cut by the end of the first


def test_panic_silences_and_forgets_what_was_to_come(tmp_path: Path) -> None:
    log, origin_s = tmp_path / "log", time.monotonic()
    with MidiPort(PARTS, f"log:{log}", origin_s=origin_s) as sound:
        now_s = time.monotonic() - origin_s
        sound.send([*note(1, now_s, now_s + 60), *note(2, now_s + 0.6, now_s + 60, 64)])
        assert until(lambda: bool(sounding(log)))
        sound.all_notes_off()
        assert until(lambda: not sounding(log))
        time.sleep(0.8)
        assert 64 not in {message[1] for _, message in lines(log) if message[0] & 0xF0 == 0x90}
        sound.send(
            note(3, time.monotonic() - origin_s, time.monotonic() - origin_s + 60, 65)
        )  # and the music can go on
        assert until(lambda: sounding(log) == Counter({(0, 65): 1}))
    assert not sounding(log)


ENGINE = """
import sys, time
from collaparte.events import OrchestraEvent
from collaparte.score.page import Part
from collaparte.sound.midi_port import MidiPort
origin_s = time.monotonic()
sound = MidiPort([Part("Violins", 1, 48), Part("Cellos", 2, 42)], "log:" + sys.argv[1], origin_s=origin_s)
now_s = time.monotonic() - origin_s
for number, part in enumerate(["Violins", "Cellos", "Violins"]):
    sound.send([OrchestraEvent(now_s, 0.0, part, True, 60 + number, 80, note=number)])
sound.send([OrchestraEvent(now_s + 1.5, 0.0, "Violins", True, 80, 80, note=9)])
print(sound.process_id, flush=True)
try:
    time.sleep(60)
finally:
    sound.close()
"""


@pytest.mark.parametrize("death", ["SIGKILL", "SIGINT", "SIGSTOP"])
def test_all_notes_are_off_within_a_second_of_the_engines_end(tmp_path: Path, death: str) -> None:
    log = tmp_path / "log"
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert engine.stdout is not None
    sender = int(engine.stdout.readline())
    try:
        assert until(lambda: len(sounding(log)) == 3)
        ended_s = time.monotonic()
        os.killpg(engine.pid, getattr(signal, death))  # the whole group, as Ctrl-C in a terminal does
        assert until(lambda: not sounding(log))
        last_off_s = max(at_s for at_s, message in lines(log) if message[0] & 0xF0 == 0x80)
        assert last_off_s - ended_s < 1.0
        silenced = {message[0] & 0x0F for _, message in lines(log) if message[0] & 0xF0 == 0xB0 and message[1] == 123}
        assert silenced == {0, 1}  # on every channel it used
        if death != "SIGSTOP":
            assert until(lambda: not Path(f"/proc/{sender}").exists())
        time.sleep(max(ended_s + 1.8 - time.monotonic(), 0.0))
        assert not sounding(log)  # what was to come never sounds
    finally:
        engine.kill()
        engine.wait()
        engine.stdout.close()
    assert until(lambda: not Path(f"/proc/{sender}").exists())


def test_a_sender_that_dies_is_told(tmp_path: Path) -> None:
    news: list[str] = []
    with MidiPort(PARTS, f"log:{tmp_path / 'log'}", origin_s=time.monotonic(), notice=news.append) as sound:
        os.kill(sound.process_id, signal.SIGKILL)
        assert until(lambda: bool(news))
        assert "has died" in news[0]
        sound.send(note(1, 0.0, 1.0))  # the music goes on, unheard
        sound.all_notes_off()


def test_no_port_and_no_place_to_write_say_so(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"):
        MidiPort(PARTS, f"log:{tmp_path / 'no' / 'folder'}", origin_s=0.0)
    with pytest.raises(DeviceError, match=r"MIDI|kazoo"):
        MidiPort(PARTS, "kazoo", origin_s=0.0)


def test_opened_and_closed_again_and_again_leaves_no_thread_process_or_handle(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    handles = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else None
    processes = []
    for _ in range(10):
        with MidiPort(PARTS, f"log:{tmp_path / 'log'}", origin_s=time.monotonic()) as sound:
            processes.append(sound.process_id)
    assert set(threading.enumerate()) == threads
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    if handles is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) == handles
