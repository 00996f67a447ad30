"""Takes on disk: whole, torn, damaged, killed in the middle, and on a full disk."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from collaparte.errors import TakeError
from collaparte.events import (
    Command,
    Notice,
    OrchestraEvent,
    Pedal,
    Position,
    SoloEvent,
    TakeHeader,
    TempoPlan,
    Value,
    to_line,
)
from collaparte.takes import Take, TakeWarning, TakeWriter, make_take, read_take, write_take
from collaparte.takes.write import wait_until_written

HEADER = TakeHeader("Air", "0123456789abcdef", "Anna", seed=7, config={"follower": "oltw", "horizon_s": 0.1})
VALUES: tuple[Value, ...] = (
    SoloEvent(0.5, 0.51, True, 76, 71),
    Position(0.51, 0.5, 0.0, 0.98, "playing"),
    TempoPlan(0.51, 0.5, 0.0, 0.512),
    OrchestraEvent(1.012, 1.0, "Violins I", True, 64, 58, note=1),
    Pedal(0.6, 0.6, 64, 127),
    Command(0.7, 0.7, "tap"),
    SoloEvent(0.9, 0.91, False, 76),
    OrchestraEvent(1.5, 2.0, "Violins I", False, 64, 0, note=1),
    Notice(2.0, "The port is gone"),
)


def written(path: Path, values: tuple[Value, ...] = VALUES) -> Path:
    with TakeWriter(path, HEADER) as writer:
        for value in values:
            writer.write(value)
    return path


def test_a_take_read_back_is_the_take_written(tmp_path: Path) -> None:
    take = read_take(written(tmp_path / "deep" / "down" / "air.jsonl"))
    assert take.header == HEADER
    assert take.values == VALUES
    assert take.warnings == ()
    assert [event.pitch for event in take.solo] == [76, 76]
    assert take.positions == (VALUES[1],)
    assert take.plans == (VALUES[2],)
    assert [event.due_s for event in take.orchestra] == [1.012, 1.5]
    assert take.commands == (VALUES[5],)
    assert take.pedals == (VALUES[4],)
    assert take.notices == (VALUES[8],)
    assert take.end_s == 2.0


def test_identity_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    take = make_take(HEADER, VALUES)
    write_take(take, tmp_path / "other.jsonl")
    assert read_take(tmp_path / "other.jsonl").identity == take.identity
    assert make_take(HEADER, VALUES[:-1]).identity != take.identity


def test_a_take_is_never_written_over_unasked(tmp_path: Path) -> None:
    path = written(tmp_path / "air.jsonl")
    before = path.read_bytes()
    with pytest.raises(TakeError, match="already"):
        TakeWriter(path, HEADER)
    assert path.read_bytes() == before
    TakeWriter(path, HEADER, replace=True).close()
    assert read_take(path) == Take(HEADER, (), path)


def test_a_place_that_cannot_be_written_is_an_error_before_the_music(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TakeError, match="another place"):
        TakeWriter(tmp_path / "file" / "air.jsonl", HEADER)


def test_every_cut_through_the_last_line_drops_that_line_alone(tmp_path: Path) -> None:
    whole = written(tmp_path / "air.jsonl").read_bytes()
    last = len(to_line(VALUES[-1])) + 1
    torn = tmp_path / "torn.jsonl"
    for missing in range(2, last, 7):
        torn.write_bytes(whole[:-missing])
        with pytest.warns(TakeWarning, match="torn"):
            assert read_take(torn).values == VALUES[:-1]
    torn.write_bytes(whole[:-1])  # only the newline is missing: the value is whole
    assert read_take(torn).values == VALUES
    torn.write_bytes(whole[:-20] + b"\0" * 512)
    with pytest.warns(TakeWarning, match="torn"):
        assert read_take(torn).values == VALUES[:-1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "line 3"),
        (b'{"kind": "solo", "time_s": 1.0}', "lacks"),
        (b'{"kind": "position", "time_s": "1", "onset_s": 1, "beat": 0, "certainty": 1, "state": "playing"}', "time_s"),
        (b'{"kind": "position", "time_s": 1, "onset_s": 1, "beat": NaN, "certainty": 1, "state": "playing"}', "finite"),
        (b'{"kind": "position", "time_s": 1, "onset_s": 1, "beat": 0, "certainty": 1, "state": "asleep"}', "state"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'{"kind": "take", "piece": "a", "digest": "b", "soloist": "c"}', "second header"),
    ],
)
def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path, line: bytes, said: str) -> None:
    lines = written(tmp_path / "air.jsonl").read_bytes().split(b"\n")
    lines[2] = line
    (tmp_path / "bad.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(TakeError, match=said) as caught:
        read_take(tmp_path / "bad.jsonl")
    assert "line 3" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"MThd\x00\x00\x00\x06", "not a take"),
        ((to_line(VALUES[0]) + "\n").encode(), "not a header"),
        (b'{"kind": "take", "format": 99, "piece": "a", "digest": "b", "soloist": "c"}\n', "Update"),
    ],
)
def test_what_is_no_take_is_said_to_be_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(TakeError, match=said):
        read_take(tmp_path / "x.jsonl")
    with pytest.raises(TakeError, match="cannot be read"):
        read_take(tmp_path / "missing.jsonl")


PLAYER = """
import sys, time
from collaparte.events import SoloEvent, TakeHeader
from collaparte.takes import TakeWriter
writer = TakeWriter(sys.argv[1], TakeHeader("Air", "0", "Anna"))
began = time.monotonic()
while True:
    now = time.monotonic() - began
    writer.write(SoloEvent(now, now, True, 60))
    print(f"{now:.6f}", flush=True)
    time.sleep(0.005)
"""


def test_a_killed_process_loses_less_than_its_last_second(tmp_path: Path) -> None:
    path = tmp_path / "killed.jsonl"
    with subprocess.Popen([sys.executable, "-c", PLAYER, str(path)], stdout=subprocess.PIPE, text=True) as player:
        assert player.stdout is not None
        played_s = 0.0
        while played_s < 1.5:
            played_s = float(player.stdout.readline())
        player.send_signal(signal.SIGKILL)
        rest = player.stdout.read().split()
    played_s = float(rest[-1]) if rest else played_s
    take = read_take(path)
    assert len(take.solo) > 50
    assert played_s - take.solo[-1].time_s < 1.0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_stops_no_music_and_is_told_once() -> None:
    told: list[Notice] = []
    writer = TakeWriter("/dev/full", HEADER, told.append)
    until = time.monotonic() + 5.0
    played = 0
    while not told and time.monotonic() < until:
        writer.write(SoloEvent(played * 0.01, played * 0.01, True, 60))
        played += 1
        time.sleep(0.005)
    for _ in range(1000):
        writer.write(VALUES[0])
    writer.close()
    assert len(told) == 1
    assert "No space left" in told[0].text
    assert "music goes on" in told[0].text


def test_a_disk_that_has_room_again_gets_the_whole_take(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    told: list[Notice] = []
    values = tuple(SoloEvent(count / 100, count / 100, True, 60) for count in range(300))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))  # a full disk, in the middle of a line
    try:
        writer = TakeWriter(path, HEADER, told.append)
        for value in values:
            writer.write(value)
        until = time.monotonic() + 5.0
        while writer.trouble is None and time.monotonic() < until:
            time.sleep(0.01)
        assert writer.trouble is not None
        assert path.stat().st_size == 5_000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.write(VALUES[0])
    assert len(told) == 1
    assert wait_until_written(writer)
    writer.close()
    assert read_take(path).values == (*values, VALUES[0])


def test_what_memory_cannot_keep_while_the_disk_is_full_is_said_in_the_take(tmp_path: Path) -> None:
    path = tmp_path / "gap.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        writer = TakeWriter(path, HEADER)
        writer._kept_bytes = 3_000
        for count in range(100):
            writer.write(SoloEvent(float(count), float(count), True, 60))
        until = time.monotonic() + 5.0
        while writer._queue and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert wait_until_written(writer)
    writer.write(VALUES[1])
    writer.close()
    take = read_take(path)
    kept = len(take.solo)
    assert 10 < kept < 60
    assert take.notices[0].text.startswith(f"{100 - kept} values are missing here")
    assert take.values[-1] == VALUES[1]


def test_a_value_that_cannot_be_written_is_told_and_left_out(tmp_path: Path) -> None:
    told: list[Notice] = []
    with TakeWriter(tmp_path / "nan.jsonl", HEADER, told.append) as writer:
        writer.write(SoloEvent(float("nan"), 1.0, True, 60))
        writer.write(VALUES[1])
    assert read_take(tmp_path / "nan.jsonl").values == (VALUES[1],)
    assert len(told) == 1
    assert "finite" in told[0].text


def test_fifty_writers_leave_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    for count in range(50):
        written(tmp_path / f"{count}.jsonl")
    assert threading.active_count() == before
    writer = TakeWriter(tmp_path / "last.jsonl", HEADER)
    writer.close()
    writer.close()
    writer.write(VALUES[0])  # after the end: nothing happens
    assert read_take(tmp_path / "last.jsonl").values == ()
