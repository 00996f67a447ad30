"""The studio without a browser: library, rehearsal, web socket, engraving, review."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studio_server import Studio, open_studio
from test_score_formats import KERN, MEI
from tiny_scores import midi_pair, note, over_and_over, write

from collaparte.cli import main
from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import SoloEvent, TakeHeader
from collaparte.listen.simulated import simulate_solo
from collaparte.measure import Onsets
from collaparte.pieces import piece_path
from collaparte.score import GRACE, Score, read_score
from collaparte.studio.engraving import (
    OPENING_BARS,
    clean,
    cue_part,
    engrave,
    only_parts,
    opening,
    sounding_pitches,
    staves_of,
)
from collaparte.studio.feed import Feed
from collaparte.studio.practice import PracticeClock, from_beat
from collaparte.studio.review import hesitations, passages
from collaparte.studio.wanted import Wanted, in_beats, wanted_of


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


def begin(studio: Studio, piece: str = "greensleeves", **more: Any) -> None:
    studio.json("/api/rehearsal", "POST", {"piece": piece, "seed": 3, **more})


# -- library -----------------------------------------------------------------------------------------------------------


def test_a_score_is_added_chosen_from_renamed_and_removed(studio: Studio) -> None:
    data = piece_path("greensleeves").read_bytes() + b"<!-- mine -->"
    piece = studio.json("/api/library?name=My%20tune.musicxml", "POST", data, status=201)
    again = studio.json("/api/library?name=other.musicxml", "POST", data, status=201)
    assert piece["id"] == again["id"]
    assert piece["suggested"] == ["1"]
    assert piece["solo"] == []
    refused = studio.json("/api/rehearsal", "POST", {"piece": piece["id"]}, status=422)
    assert "soloist" in refused["error"]
    chosen = studio.json(f"/api/library/{piece['id']}", "POST", {"solo": ["2"]})
    assert [part["number"] for part in chosen["description"]["parts"] if part["solo"]] == [2]
    assert "Choose among" in studio.json(f"/api/library/{piece['id']}", "POST", {"solo": ["99"]}, status=422)["error"]
    assert studio.json(f"/api/library/{piece['id']}", "POST", {"name": "Evening"})["name"] == "Evening"
    studio.json(f"/api/library/{piece['id']}", "DELETE")
    assert piece["id"] not in [one["id"] for one in studio.json("/api/library")]
    assert not (studio.stage.library.folder / piece["id"]).exists()


def test_a_pair_of_midi_files_becomes_one_piece(studio: Studio, tmp_path: Path) -> None:
    solo, piano = midi_pair(tmp_path)
    piece = studio.json("/api/library?name=solo.mid", "POST", solo, status=201)
    pair = studio.json(f"/api/library/{piece['id']}/accompaniment?name=piano.mid", "POST", piano, status=201)
    assert pair["pair"] is True
    assert [part["solo"] for part in pair["description"]["parts"]] == [True, False]
    assert "MIDI" in _engraved(studio, piece["id"])["trouble"]


def _engraved(studio: Studio, piece: str, view: str = "full") -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found: dict[str, Any] = studio.json(f"/api/library/{piece}/pages?layout=wide&view={view}")
        if found["done"]:
            return found
        time.sleep(0.1)
    raise AssertionError("not engraved within a minute")


# -- engraving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["solo", "full"])
def test_every_solo_onset_and_bar_of_every_pass_is_found_on_the_engraved_page(studio: Studio, view: str) -> None:
    pytest.importorskip("verovio")
    found = _engraved(studio, "washerwoman", view)
    score = read_score(piece_path("washerwoman"), None, "Solo Violin")
    placed = {round(beat, 6): mine for beat, mine, _ in found["map"]["beats"]}
    assert all(placed[round(float(beat), 6)] for beat in score.solo_onsets)
    assert [beat for beat, _, _ in found["map"]["bars"]] == [bar.beat for bar in score.bars]
    again = next(bar for bar in score.bars if bar.passing == 2)
    passes = [bar for bar in score.bars if bar.number == again.number]
    names = {name for beat, name, _ in found["map"]["bars"] if beat in [bar.beat for bar in passes]}
    assert len(passes) == 2
    assert len(names) == 1
    pages = "".join(
        studio.ask(f"/api/library/washerwoman/pages/wide/{view}/{number}")[2].decode()
        for number in range(1, found["total"] + 1)
    )
    for names_here in placed.values():
        assert all(f'id="{name}"' in pages for name in names_here)
    drawn = {name for _, _, others in found["map"]["beats"] for name in others if f'id="{name}"' in pages}
    assert bool(drawn) == (view == "full")


def test_what_a_score_could_smuggle_into_a_drawing_is_left_out() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)">'
        "<script>alert(2)</script><style>*{background:url(http://evil)}</style>"
        '<foreignObject><iframe src="http://evil"/></foreignObject><a href="http://evil"><text>x</text></a>'
        '<image href="http://evil/x.png"/><use xlink:href="http://evil/#a"/><use xlink:href="#E0A4"/>'
        '<g class="measure"><g class="staff"><g class="note" id="n1"/></g><g class="staff"><g class="note" id="n2" '
        'style="fill:url(http://evil)" fill="url(http://evil)" onclick="alert(3)"/></g></g>'
        "<text>a &lt;script&gt;</text></svg>"
    )
    cleaned, staves = clean(svg)
    assert not re.search(r"evil|alert|<script|style|iframe|on\w+=", cleaned)
    assert 'href="#E0A4"' in cleaned
    assert "a &lt;script&gt;" in cleaned
    assert staves == {"n1": 1, "n2": 2}


def test_pitches_are_read_as_they_sound() -> None:
    mei = """<mei xmlns="http://www.music-encoding.org/ns/mei"><scoreDef><staffDef n="1" trans.semi="-2"/></scoreDef>
    <note xml:id="a" pname="c" oct="4" accid.ges="s"/><note xml:id="b" pname="b" oct="3"><accid accid="f"/></note>
    <note xml:id="c" pname="f" oct="5"><accid accid="n"/></note><note xml:id="d" pname="c" oct="4"/>
    <note xml:id="e" pname="g" oct="4" oct.ges="5"/><note xml:id="f"/></mei>"""
    assert sounding_pitches(mei, {"d": 1}) == {"a": 61, "b": 58, "c": 77, "d": 58, "e": 79}


def test_a_note_after_a_grace_note_is_found_though_it_is_engraved_later(studio: Studio, tmp_path: Path) -> None:
    pytest.importorskip("verovio")
    found = _engraved(studio, "greensleeves", "full")
    score = read_score(piece_path("greensleeves"), None, "Solo Violin")
    graces = score.solo[score.solo["kind"] == GRACE]
    placed = {round(beat, 6): mine for beat, mine, _ in found["map"]["beats"]}
    assert len(graces) > 0
    for grace in graces:
        here = score.solo[score.solo["beat"] == grace["beat"]]
        assert len(placed[round(float(grace["beat"]), 6)]) == len(here) > 1


def test_a_part_that_does_not_fill_its_bars_is_found_bar_by_bar_when_it_is_seen_alone(tmp_path: Path) -> None:
    pytest.importorskip("verovio")

    def quarters(steps: str, octave: int) -> str:
        return "".join(note(step, octave, 1, "<type>quarter</type>") for step in steps)

    path = write(
        tmp_path / "short.musicxml",
        ("Violin", [quarters(steps, 5) for steps in ("CDEF", "GAB", "CDEF", "GA", "CDEF")]),
        ("Piano", [quarters("CEGE", 4)] * 5),
    )
    score = read_score(path, None, "Violin")
    found = engrave(score, {"score": str(path)}, "wide", "solo", tmp_path, lambda news: None)
    placed = {beat: mine for beat, mine, _ in found["beats"]}
    assert score.bars[4].beat == 16.0
    assert all(placed[beat] for beat in score.solo_onsets.tolist())
    assert [beat for beat, _, _ in found["bars"]] == [0.0, 4.0, 8.0, 12.0, 16.0]
    spots = json.loads((tmp_path / "spots.json").read_text())
    assert [number for _, number, _ in spots["bars"]] == ["1", "2", "3", "4", "5"]
    assert spots["notes"][placed[17.0][0]] == ["5", 1.0]


def test_a_cue_staff_is_small_and_a_transposed_page_is_found_note_by_note(tmp_path: Path) -> None:
    pytest.importorskip("verovio")
    path = piece_path("washerwoman")
    score = read_score(path, None, "Solo Violin", transpose=-3)
    found = engrave(score, {"score": str(path), "transpose": -3}, "tall", "cue", tmp_path, lambda news: None)
    placed = {beat: (mine, others) for beat, mine, others in found["beats"]}
    assert all(placed[beat][0] for beat in score.solo_onsets.tolist())
    assert any(others for _, others in placed.values())
    assert cue_part(score) in {part.number for part in score.parts if not part.solo}
    small = only_parts(path.read_bytes(), [1, 6], 6)
    assert small is not None
    assert small.count(b"<staff-size>60</staff-size>") == 1
    assert small.count(b"<score-part ") == 2


def test_the_opening_of_a_long_score_is_a_score_of_its_first_bars(tmp_path: Path) -> None:
    text = over_and_over(tmp_path / "long.musicxml", 3).read_text(encoding="utf-8")
    text = text.replace("</measure>", "</measure><!-- as some programs write -->")
    begun = opening(text)
    assert begun is not None
    (tmp_path / "begun.musicxml").write_text(begun, encoding="utf-8")
    long, short = (read_score(tmp_path / name, None, "1") for name in ("long.musicxml", "begun.musicxml"))
    assert len(short.bars) == OPENING_BARS < len(long.bars) / 2
    assert [part.name for part in short.parts] == [part.name for part in long.parts]
    assert np.array_equal(short.notes["pitch"], long.notes["pitch"][: len(short.notes)])
    assert opening(piece_path("washerwoman").read_text(encoding="utf-8")) is None  # short enough as it is
    assert opening(MEI) is None
    assert (staves_of(text), staves_of(MEI), staves_of(KERN), staves_of("nonsense")) == (10, 2, 2, 1)


def test_the_engravers_fonts_are_served(studio: Studio) -> None:
    pytest.importorskip("verovio")
    for face in ("Leipzig/normal-normal", "Liberation/normal-normal", "Liberation/bold-italic"):
        code, headers, font = studio.ask(f"/api/fonts/{face}")
        assert (code, headers["content-type"], font[:4]) == (200, "font/woff2", b"wOF2")
    assert studio.ask("/api/fonts/..%2f..%2fsecret/normal-normal")[0] == 404


def test_one_part_of_a_score_keeps_its_own_notes_only() -> None:
    data = piece_path("greensleeves").read_bytes()
    alone = only_parts(data, [1])
    assert alone is not None
    assert alone.count(b"<score-part ") == 1
    assert alone.count(b"<part ") == 1
    assert only_parts(b"<mei/>", [1]) is None
    assert only_parts(data, [77]) is None


# -- rehearsal ---------------------------------------------------------------------------------------------------------


def test_a_rehearsal_ends_as_a_take_that_the_command_line_replays(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(studio, speed=20)
    done = studio.wait_for("over", within_s=90)
    take = studio.stage.shelf.read(done["take"])
    score = read_score(piece_path("greensleeves"), None, "Solo Violin")
    matched = {position.beat for position in take.positions if position.state == "playing"}
    assert len(matched & set(score.solo_onsets.tolist())) > 0.95 * len(score.solo_onsets)
    monkeypatch.setenv("COLLAPARTE_DATA", str(studio.stage.shelf.folder))
    code = main(["takes", "replay", done["take"], "--json"])
    assert json.loads(capsys.readouterr().out)["identical"] is True
    assert code == 0


def test_commands_are_obeyed_in_their_order_and_a_click_moves_the_simulated_soloist_too(studio: Studio) -> None:
    begin(studio, speed=4, from_bar="9")
    studio.wait_for("playing")
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    rehearsal.command("hold")
    held = studio.wait_for("held")
    time.sleep(0.4)
    still = studio.json("/api/rehearsal")
    assert still["position"] == held["position"] or still["position"]["time_s"] - held["now_s"] < 0.5
    rehearsal.command("release")
    playing = studio.wait_for("playing")
    assert playing["held_beat"] is None
    bar = next(bar for bar in still["outline"]["bars"] if bar[1] == "25")
    rehearsal.command("relocate", bar[0])
    until = time.monotonic() + 20
    while time.monotonic() < until and (studio.json("/api/rehearsal")["position"] or {}).get("beat", 0) < bar[0] + 4:
        time.sleep(0.05)
    found = studio.json("/api/rehearsal")
    assert bar[0] + 4 <= found["position"]["beat"] < bar[0] + 24
    assert found["position"]["state"] == "playing"
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    assert [command.name for command in take.commands] == ["hold", "release", "relocate", "stop"]
    released_s = take.commands[1].heard_s
    goes_on = next(plan for plan in take.plans if plan.time_s >= released_s)
    assert goes_on.from_beat == pytest.approx(held["held_beat"])  # where the page shows it to stand
    for pitch in range(128):
        sounding = [event.on for event in take.orchestra if event.pitch == pitch]
        assert sounding.count(True) == sounding.count(False)
        played = [event.on for event in take.solo if event.pitch == pitch]
        assert played.count(True) - played.count(False) in (0, 1)


def test_wishes_before_and_during_a_rehearsal_are_kept_in_its_take(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(studio, "washerwoman", speed=20, mode="wait", transpose=2, tutti_bars=2, metronome="rests",
          balance={"strings": 0.5}, fastest=1.3, tuning_hz=442)  # fmt: skip
    found = studio.wait_for("playing")
    assert found["outline"]["sections"]["winds"] == ["Flute", "Oboe", "Clarinet in B♭", "Bassoon"]
    assert (found["wishes"]["mode"], found["balance"], found["tuning_hz"]) == ("wait", {"strings": 0.5}, 442.0)
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    rehearsal.command("mode", about="keep going")
    rehearsal.command("balance", 0.25, "Flute")
    until = time.monotonic() + 20
    while time.monotonic() < until and studio.json("/api/rehearsal")["balance"] != {"strings": 0.5, "Flute": 0.25}:
        time.sleep(0.05)
    assert studio.json("/api/rehearsal")["wishes"]["mode"] == "keep going"
    done = studio.wait_for("over", within_s=90)
    take = studio.stage.shelf.read(done["take"])
    assert [(command.name, command.value, command.about) for command in take.commands] == [
        ("mode", None, "keep going"), ("balance", 0.25, "Flute"),
    ]  # fmt: skip
    assert take.header.config["transpose"] == 2
    score = read_score(piece_path("washerwoman"), None, "Solo Violin")
    assert {event.pitch for event in take.solo} <= {int(pitch) + 2 for pitch in score.solo["pitch"]}
    monkeypatch.setenv("COLLAPARTE_DATA", str(studio.stage.shelf.folder))
    code = main(["takes", "replay", done["take"], "--json"])
    assert json.loads(capsys.readouterr().out)["identical"] is True
    assert code == 0


def test_a_pedal_is_the_big_control(studio: Studio) -> None:
    begin(studio, "washerwoman", input="web", pedals={"67": "big", "66": "next_entry"})
    studio.wait_for("ready")
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    for expected in ("playing", "held", "playing"):
        rehearsal.play([0xB0, 67, 127])
        rehearsal.play([0xB0, 67, 0])
        studio.wait_for(expected)
    rehearsal.play([0xB0, 64, 127])  # the sustaining pedal stays one
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    assert [command.name for command in take.commands] == ["start", "hold", "release", "stop"]
    assert [pedal.controller for pedal in take.pedals] == [64]


# -- marks -------------------------------------------------------------------------------------------------------------


def test_marks_are_kept_with_a_copy_of_a_shipped_piece_and_played(studio: Studio) -> None:
    tables = {"fermata": [{"at": "9.2", "release": "note_off"}], "cut": [{"from": "20", "to": "22"}],
              "lead": [{"from": "12", "to": "13", "leads": "orchestra"}]}  # fmt: skip
    kept = studio.json("/api/library/greensleeves/marks", "POST", {"tables": tables})
    assert kept["tables"] == tables
    own = kept["piece"]
    assert own != "greensleeves"
    assert studio.json("/api/library/greensleeves/marks")["tables"] == {}
    described = studio.json(f"/api/library/{own}")["description"]
    assert described["bars"] == 35
    assert ["9", 2.0, "note_off"] in [list(row) for row in described["fermatas"]]
    again = studio.json(f"/api/library/{own}/marks", "POST", {"tables": {"cut": [{"from": "2", "to": "3"}]}})
    assert again["piece"] == own
    begin(studio, own, speed=20, from_bar="30")
    done = studio.wait_for("over", within_s=60)
    config = studio.stage.shelf.read(done["take"]).header.config
    studio.json(f"/api/library/{own}/marks", "POST", {"tables": {}})
    assert studio.json(f"/api/library/{own}/marks")["tables"] == {}
    assert "cut" in Path(config["marks"]).read_text(encoding="utf-8")  # a take finds the marks it was played with
    studio.json(f"/api/library/{own}", "DELETE")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"fermata": [{"at": "900"}]}, "no bar '900'"),
        ({"fermata": [{"at": "x y"}]}, "is no place"),
        ({"dance": [{}]}, "no table 'dance'"),
        ({"cut": [{"from": "12", "to": "3"}]}, "does not come after"),
        ({"cadenza": [{"from": "3"}]}, "lacks 'to'"),
        ({"lead": "all"}, "table"),
    ],
)
def test_a_mark_that_cannot_be_is_named_and_changes_nothing(studio: Studio, tables: Any, words: str) -> None:
    before = studio.json("/api/library/washerwoman/marks")
    refused = studio.json("/api/library/washerwoman/marks", "POST", {"tables": tables}, status=422)
    assert words in refused["error"]
    assert studio.json("/api/library/washerwoman/marks") == before


def test_marks_stay_as_they_are_while_the_edit_lock_is_on(studio: Studio) -> None:
    begin(studio, "greensleeves")
    studio.wait_for("ready", "playing")
    rehearsal = studio.stage.rehearsal
    assert rehearsal is not None
    rehearsal.command("lock", 1.0)
    until = time.monotonic() + 10
    while time.monotonic() < until and not studio.json("/api/rehearsal")["locked"]:
        time.sleep(0.02)
    refused = studio.json("/api/library/greensleeves/marks", "POST", {"tables": {}}, status=422)
    assert "edit lock" in refused["error"]
    studio.json("/api/rehearsal", "DELETE")


def test_keys_of_the_browser_are_a_soloist(studio: Studio) -> None:
    client = pytest.importorskip("websockets.sync.client")
    score = read_score(piece_path("washerwoman"), None, "Solo Violin")
    begin(studio, "washerwoman", input="web", soloist="anna")
    studio.wait_for("ready")
    rows = [row for row in score.solo if row["beat"] < score.solo_onsets[10]]
    with client.connect(f"ws://{studio.host}/api/stand", proxy=None) as socket:
        for row in rows:
            for status in (0x90, 0x80):
                socket.send(json.dumps({"do": "midi", "bytes": [status, int(row["pitch"]), 80], "ago_s": 0.01}))
            time.sleep(0.12)
        socket.send(json.dumps({"do": "midi", "bytes": [0x90, 100, 80], "ago_s": 0.0}))
        until = time.monotonic() + 10
        while time.monotonic() < until and 100 not in _pitches(studio):
            time.sleep(0.05)
    time.sleep(0.3)
    studio.json("/api/rehearsal", "DELETE")
    take = studio.stage.shelf.read(studio.json("/api/rehearsal")["take"])
    matched = {position.beat for position in take.positions if position.state == "playing"}
    assert set(score.solo_onsets[:10].tolist()) <= matched
    last = [event.on for event in take.solo if event.pitch == 100]
    assert last == [True, False]  # the page went: what it held was released
    assert all(0 <= event.heard_s - event.time_s < 0.02 for event in take.solo)
    assert take.header.soloist == "anna"


def _pitches(studio: Studio) -> set[int]:
    rehearsal = studio.stage.rehearsal
    return set(rehearsal._keys._held) if rehearsal is not None else set()


def test_a_page_that_comes_late_is_told_everything(studio: Studio) -> None:
    client = pytest.importorskip("websockets.sync.client")
    begin(studio, speed=10, from_bar="9")
    until = time.monotonic() + 30
    while time.monotonic() < until and len(studio.json("/api/rehearsal").get("heard", [])) < 5:
        time.sleep(0.05)
    with client.connect(f"ws://{studio.host}/api/stand", proxy=None) as socket:
        first = json.loads(socket.recv().split("\n")[0])
        assert first["kind"] == "stand"
        assert len(first["heard"]) >= 5
        kinds = {json.loads(line)["kind"] for _ in range(20) for line in socket.recv(timeout=10).split("\n")}
    assert {"position", "plan", "solo"} <= kinds
    assert "orchestra" not in kinds
    studio.json("/api/rehearsal", "DELETE")


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"piece": "nothing"}, "no such piece"),
        ({"piece": "greensleeves", "tempo": 5000}, "tempo"),
        ({"piece": "greensleeves", "input": "telepathy"}, "input"),
        ({"piece": "greensleeves", "output": "synth", "speed": 4}, "speed"),
        ({"piece": "greensleeves", "loop": [8, 4]}, "loop"),
        ({"piece": "greensleeves", "soloist": 7}, "text"),
        ({"piece": "greensleeves", "seed": "x"}, "number"),
        ({"piece": "greensleeves", "tunes": True}, "microphone"),
        ({"piece": "greensleeves", "solo_sounds": 99}, "solo_sounds"),
    ],
)
def test_what_cannot_be_is_said(studio: Studio, asked: dict[str, Any], word: str) -> None:
    assert word in studio.json("/api/rehearsal", "POST", asked, status=422)["error"]


def test_what_fails_while_opening_is_shown_on_the_stand(studio: Studio) -> None:
    begin(studio, from_bar="999")
    assert "no bar 999" in studio.wait_for("failed")["trouble"]
    begin(studio, input="midi", midi_in="no such port")
    assert "MIDI" in studio.wait_for("failed")["trouble"]


def test_a_feed_drops_rather_than_waits_and_says_so() -> None:
    feed = Feed()
    listener = feed.join()
    assert listener.take() == (True, [])
    header = TakeHeader("piece", "digest", "me")
    for _ in range(100_000):
        feed.put(header)
    missed, values = listener.take()
    assert missed
    assert len(values) < 1000
    feed.put(header)
    assert listener.take() == (False, [header])
    feed.leave(listener)
    assert len(feed) == 0


def test_bars_become_beats_and_a_wrong_one_is_named() -> None:
    score = read_score(piece_path("washerwoman"), None, "Solo Violin")
    found = in_beats(Wanted(from_bar="2", loop_bars=("3", "4")), score)
    assert (found.from_beat, found.loop) == (3.0, (6.0, 12.0))
    again = next(bar for bar in score.bars if bar.passing == 2)
    assert in_beats(Wanted(from_bar=f"{again.number}@2"), score).from_beat == again.beat
    with pytest.raises(ScoreError, match="no bar 400"):
        in_beats(Wanted(from_bar="400"), score)
    with pytest.raises(CollaparteError, match="two bars"):
        wanted_of({"loop_bars": [1, 2]})


def test_a_soloist_begins_anywhere_and_waits_while_the_player_holds() -> None:
    score = Score.from_notes([(float(beat), 0.9, 60 + beat % 7) for beat in range(32)])
    soloist, first_s = from_beat(score, 16.0, seed=1, level="metronome")
    assert first_s == pytest.approx(0.5, abs=0.01)
    clock = PracticeClock(10.0, soloist)
    clock.begin()
    heard: list[SoloEvent] = []
    while len(heard) < 4:
        heard += [value for value in clock.wait(clock.now() + 1.0) if isinstance(value, SoloEvent)]
    assert heard[0].pitch == 60 + 16 % 7
    clock.pause()
    before_s = clock.now()
    assert clock.wait(before_s + 3.0) == []
    clock.go_on()
    after = next(value for value in iter(lambda: clock.wait(clock.now() + 0.5), None) if value)
    whole = simulate_solo(score, 1, "metronome")
    times = [event.time_s for event in whole.events if isinstance(event, SoloEvent)]
    assert isinstance(after[0], SoloEvent)
    gap_s = after[0].time_s - heard[-1].time_s
    assert gap_s == pytest.approx(clock._offset_s + np.min(np.diff(sorted(set(times)))[1:]), abs=0.6)


# -- review ------------------------------------------------------------------------------------------------------------


def test_a_stop_is_found_where_it_was_and_a_fermata_is_none() -> None:
    score = Score.from_notes([(float(beat), 1.0, 60 + beat % 7) for beat in range(32)])
    beats = np.arange(32.0)
    times = beats * 0.5
    times[10:] += 1.5
    passage = np.zeros(32, np.int64)
    solo = Onsets(beats, times, times, np.ones(32, np.int64), passage)
    found = hesitations(score, solo)
    assert [(one["bar"], one["waited_s"]) for one in found] == [("3", 1.5)]


def test_the_worst_passages_do_not_overlap() -> None:
    rows = [{"beat": 4.0 * at, "bar": str(at + 1), "passing": 1, "onsets": 2, "mean_ms": 0.0,
             "mean_abs_ms": 200.0 if at in (5, 20) else 10.0} for at in range(30)]  # fmt: skip
    found = passages(rows)
    assert len(found) == 2
    for one, bar in zip(sorted(found, key=lambda one: one["from_beat"]), (6, 21), strict=True):
        assert int(one["from_bar"]) <= bar <= int(one["to_bar"])
    assert passages([{**row, "mean_abs_ms": 10.0} for row in rows]) == []


def test_exports_and_forgetting(studio: Studio) -> None:
    begin(studio, "greensleeves", speed=20, from_bar="30")
    name = studio.wait_for("over", within_s=60)["take"]
    take = studio.stage.shelf.read(name)
    score = read_score(piece_path("greensleeves"), None, "Solo Violin")
    memory = studio.stage.shelf.memory("me")
    assert memory.learn(take, score).remembered
    found = studio.json(f"/api/takes/{name}")
    assert found["remembered"]["runs"] == 1
    middle = {row[0]: row[2] for row in found["remembered"]["curve"] if row[2] is not None}
    assert len(middle) > 10
    assert np.median(list(middle.values())) == pytest.approx(
        np.median([tempo for _, tempo in found["tempo"]["solo"] if tempo is not None]), rel=0.15
    )
    assert found["asynchrony"]["onsets"] > 5
    assert len(found["tempo"]["solo"]) > 10
    code, headers, midi = studio.ask(f"/api/takes/{name}/export/midi")
    assert (code, midi[:4]) == (200, b"MThd")
    assert f'filename="{name}.mid"' in headers["content-disposition"]
    assert studio.ask(f"/api/takes/{name}/export/csv")[2].startswith(b"kind,")
    assert studio.ask(f"/api/takes/{name}/export/jsonl")[2].startswith(b'{"kind": "take"')
    assert studio.ask(f"/api/takes/{name}/export/exe")[0] == 404
    code, headers, wav = studio.ask(f"/api/takes/{name}/export/wav?what=solo&listen=1")
    assert code == 200, wav
    assert wav[:4] == b"RIFF"
    assert np.abs(np.frombuffer(wav[44:], "<i2")).max() > 1000
    studio.json(f"/api/takes/{name}", "DELETE")
    assert memory.runs(score.digest) == []
    assert "not a take" in studio.json(f"/api/takes/{name}", status=422)["error"]


def test_the_take_that_is_being_played_cannot_be_deleted(studio: Studio) -> None:
    begin(studio, "greensleeves")
    name = studio.wait_for("ready", "playing")["playing_take"]
    assert "Stop first" in studio.json(f"/api/takes/{name}", "DELETE", status=422)["error"]
    studio.json("/api/rehearsal", "DELETE")
    assert studio.json("/api/rehearsal")["take"] == name


# -- the command -------------------------------------------------------------------------------------------------------


def test_an_open_door_and_a_taken_port_are_refused(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "--host", "0.0.0.0", "--no-browser"]) == 1
    assert "--token" in capsys.readouterr().err
    assert main(["studio", "--port", str(studio.port), "--no-browser"]) == 5
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "websockets"])
def test_a_missing_server_is_reported_with_its_install_command(missing: str) -> None:
    blocked = (
        f"import sys; sys.modules[{missing!r}] = None; from collaparte.cli import main; sys.exit(main(['studio']))"
    )
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert "pip install 'collaparte[studio]'" in done.stderr


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "collaparte.cli", "studio", "--port", "0", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "COLLAPARTE_DATA": str(tmp_path)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        place = process.stdout.readline().split()[-1]
        assert place.startswith("http://127.0.0.1:")
        until = time.monotonic() + 30
        answer = b""
        while time.monotonic() < until and not answer:
            with contextlib.suppress(OSError), urllib.request.urlopen(place, timeout=5) as found:
                answer = found.read()
        assert b"<title>Colla parte</title>" in answer
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 130)
