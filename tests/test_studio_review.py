"""After the take: slips against what really was played wrong, positions of every note, what was learnt."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from collaparte.engine import Engine
from collaparte.events import Position, SoloEvent, TakeHeader
from collaparte.follow import DEFAULT_FOLLOWER, make_follower
from collaparte.listen.simulated import Mistakes, simulate_solo
from collaparte.pieces import piece_path, solo_part
from collaparte.predict import make_predictor
from collaparte.score import Score, read_score
from collaparte.studio.learnt import learnt
from collaparte.studio.placed import slips, write_positions
from collaparte.takes import Memory, Take, make_take
from collaparte.takes.export import write_csv


@pytest.fixture(scope="module")
def score() -> Score:
    return read_score(piece_path("greensleeves"), None, solo_part("greensleeves"))


def take_of(score: Score, events: list[SoloEvent], **config: object) -> Take:
    """The events, performed with the orchestra."""
    header = TakeHeader(piece=score.title, digest=score.digest, soloist="anna", config=dict(config))
    engine = Engine(score, make_follower(DEFAULT_FOLLOWER, score), make_predictor("steady", score))
    values = engine.step(events[-1].heard_s + 5.0, events)
    return make_take(header, [*values, *engine.close()])


def clean(score: Score, seed: int = 5) -> list[SoloEvent]:
    take = simulate_solo(score, seed, "low", mistakes=Mistakes())
    return [event for event in take.events if isinstance(event, SoloEvent)]


def test_a_clean_take_has_no_slips(score: Score) -> None:
    assert slips(take_of(score, clean(score)), score) == []


def test_what_was_played_wrong_is_found_where_it_was_and_nothing_else(score: Score) -> None:
    events = clean(score)
    struck = [index for index, event in enumerate(events) if event.on]
    wrong, missed, extra = struck[20], struck[40], struck[60]
    truth = {"wrong": score.solo["beat"][20], "missed": score.solo["beat"][40], "extra": score.solo["beat"][60]}
    pitch, gone = events[wrong].pitch, events[missed].pitch
    for index in (wrong, next(i for i in range(wrong + 1, len(events)) if events[i].pitch == pitch)):
        events[index] = replace(events[index], pitch=pitch + 1)
    off = next(i for i in range(missed + 1, len(events)) if events[i].pitch == gone and not events[i].on)
    late = events[extra].time_s + 0.1
    more = [
        replace(events[extra], pitch=events[extra].pitch + 9, time_s=late + ago, heard_s=late + ago, on=ago == 0)
        for ago in (0.0, 0.05)
    ]
    events = sorted(
        [event for index, event in enumerate(events) if index not in (missed, off)] + more,
        key=lambda event: event.heard_s,
    )
    found = slips(take_of(score, events), score)
    assert {slip.kind: slip.beat for slip in found} == pytest.approx(truth)
    assert [(slip.pitch, slip.instead) for slip in found if slip.kind == "wrong"] == [(pitch + 1, pitch)]
    assert {slip.bar for slip in found} == {score.bar_at(float(beat)).number for beat in truth.values()}
    heard = slips(take_of(score, events, studio={"input": "browser"}), score)
    assert {slip.kind for slip in heard} == {"missed"}, "an ear is not believed about wrong notes"


def test_what_was_never_reached_or_jumped_over_is_no_mistake(score: Score) -> None:
    events = clean(score)
    half = [event for event in events if event.time_s < events[len(events) // 2].time_s]
    assert slips(take_of(score, half), score) == []


def test_slips_of_simulated_amateurs_are_counted_about_right(score: Score) -> None:
    meant = found = 0
    for seed in range(4):
        take = simulate_solo(score, seed, "amateur 1")
        events = [event for event in take.events if isinstance(event, SoloEvent)]
        on = np.array([event.on for event in events])
        right = take.right[[isinstance(event, SoloEvent) for event in take.events]]
        meant += int((on & ~right).sum())
        kinds = Counter(slip.kind for slip in slips(take_of(score, events), score))
        found += kinds["wrong"] + kinds["extra"]
    assert meant > 4
    assert found == pytest.approx(meant, rel=0.5)


def test_every_note_of_the_page_has_its_place_in_time(score: Score, tmp_path: Path) -> None:
    events = clean(score)
    take = take_of(score, events)
    write_positions(take, score, tmp_path / "positions.csv")
    with (tmp_path / "positions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(score.notes)
    assert [row["id"] for row in rows] == [str(name) for name in score.notes["id"]]
    mine = [row for row in rows if row["solo"] == "1"]
    assert {row["state"] for row in mine} == {"played"}
    onsets = [event.time_s for event in events if event.on]
    assert sorted(float(row["performed_s"]) for row in mine) == pytest.approx(onsets, abs=1e-5)
    assert all(float(row["released_s"]) > float(row["performed_s"]) for row in mine)
    others = [row for row in rows if row["solo"] == "0" and row["state"] == "played"]
    assert len(others) == sum(event.on for event in take.orchestra) > 200
    due = {
        (event.part, round(event.beat, 3), event.pitch): event.due_s for event in reversed(take.orchestra) if event.on
    }
    for row in others:
        key = (row["part"], round(float(row["beat"]), 3), int(row["pitch"]))
        assert float(row["performed_s"]) == pytest.approx(due[key], abs=1e-5)
    write_csv(take, tmp_path / "take.csv")


def test_what_was_learnt_is_where_the_soloist_took_time(score: Score, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "anna")

    def play(seed: int, stretch_bar: int | None = None) -> Take:
        events = clean(score, seed)
        if stretch_bar is None:
            return take_of(score, events)
        bar, after = score.bars[stretch_bar], score.bars[stretch_bar + 1]
        take = simulate_solo(score, seed, "low", mistakes=Mistakes())
        begin_s = float(take.onset_s[np.searchsorted(take.onset_beats, bar.beat)])
        end_s = float(take.onset_s[np.searchsorted(take.onset_beats, after.beat)])

        def later(time_s: float) -> float:
            return time_s + 0.5 * min(max(time_s - begin_s, 0.0), end_s - begin_s)

        return take_of(score, [replace(one, time_s=later(one.time_s), heard_s=later(one.heard_s)) for one in events])

    first = play(5)
    unknown = learnt(memory, first, score)
    assert (unknown["remembered"], unknown["before"], unknown["bars"]) == (False, 0, [])
    memory.learn(first, score)
    assert learnt(memory, first, score)["remembered"]
    for seed in (6, 7):
        memory.learn(play(seed), score)
    slow = play(5, stretch_bar=10)
    memory.learn(slow, score)
    found = learnt(memory, slow, score)
    assert found["before"] == 3
    assert found["bars"][0]["bar"] == score.bars[10].number
    assert found["bars"][0]["took"] == pytest.approx(1.5, abs=0.25)
    assert 1.0 < found["bars"][0]["expected"] < found["bars"][0]["took"]


def test_positions_of_a_take_without_a_note_are_all_silent(score: Score, tmp_path: Path) -> None:
    header = TakeHeader(piece=score.title, digest=score.digest, soloist="anna", config={})
    empty = make_take(header, [Position(0.0, 0.0, 0.0, 0.5, "waiting")])
    assert slips(empty, score) == []
    write_positions(empty, score, tmp_path / "positions.csv")
    with (tmp_path / "positions.csv").open(encoding="utf-8") as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"silent"}
