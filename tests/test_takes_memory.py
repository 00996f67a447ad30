"""What is remembered: music, by beat, from the right soloist, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from collaparte.errors import TakeError
from collaparte.events import Command, Position, TakeHeader, Value
from collaparte.score import NOTE, Fermata, Part, Score
from collaparte.score.page import NOTE_FIELDS, Bar
from collaparte.takes import Memory, Take, TakeWarning, make_take, recollect, run_through
from collaparte.takes.recollection import together

BEATS = 64
PERIOD_S = 0.5


def air(beats: int = BEATS, fermatas: tuple[Fermata, ...] = ()) -> Score:
    return Score.from_notes([(float(beat), 1.0, 60 + beat % 12) for beat in range(beats)], fermatas=fermatas)


def rubato(beat: int) -> float:
    """A soloist's habit: every eighth interval lingers by a fifth."""
    return 0.2 if beat % 8 == 7 else 0.0


def play(
    score: Score,
    log_factor: Callable[[int], float] = rubato,
    *,
    period_s: float = PERIOD_S,
    soloist: str = "Anna",
    jitter_s: float = 0.0,
    seed: int = 0,
) -> Take:
    """A flawless take: interval k lasts its quarters x period x exp(log_factor(k))."""
    dice = np.random.default_rng(seed)
    time_s = 1.0
    values: list[Value] = []
    onsets = score.solo_onsets
    for index, beat in enumerate(onsets.tolist()):
        shown_s = round(time_s + float(dice.normal(0, jitter_s)) if jitter_s else time_s, 6)
        values.append(Position(shown_s, shown_s, beat, 1.0, "playing"))
        if index + 1 < len(onsets):
            time_s += (onsets[index + 1] - beat) * period_s * math.exp(log_factor(index))
    return make_take(TakeHeader(score.title, score.digest, soloist, seed=seed), values)


def edited(take: Take, edit: Callable[[list[Value]], None]) -> Take:
    values = list(take.values)
    edit(values)
    return make_take(take.header, values)


def test_a_habit_is_recalled_at_its_beat_whatever_the_tempo(tmp_path: Path) -> None:
    score = air()
    memory = Memory(tmp_path)
    assert memory.recall(score).recalled(0.0) is None
    for seed, period_s in enumerate((0.4, 0.5, 0.65)):
        assert memory.learn(play(score, period_s=period_s, seed=seed), score).remembered
    recalled = memory.recall(score).recalled(31.0)
    assert recalled is not None
    assert recalled.beat[0] == 31.0
    even = math.log((7 + math.exp(0.2)) / 8)  # the local tempo's eight intervals hold one lingering
    assert recalled.log_ratio[0] == pytest.approx(0.2 - even, abs=1e-4)
    assert recalled.log_ratio[1:8] == pytest.approx(-even, abs=1e-4)
    assert recalled.log_ratio[8] == pytest.approx(0.2 - even, abs=1e-4)
    assert recalled.spread[0] < 0.1
    assert 2.4 < recalled.weight[0] < 3.0
    assert recalled.local_beat_period_s == pytest.approx(0.5 * math.exp(even), rel=0.05)


def test_more_takes_are_more_evidence_and_less_spread(tmp_path: Path) -> None:
    score = air()
    spreads, weights = [], []
    memory = Memory(tmp_path)
    for seed in range(6):
        memory.learn(play(score, jitter_s=0.008, seed=seed), score)
        recalled = memory.recall(score).recalled(20.0)
        assert recalled is not None
        spreads.append(float(recalled.spread[0]))
        weights.append(float(recalled.weight[0]))
    assert all(later > earlier for earlier, later in pairwise(weights))
    assert spreads[5] < spreads[2] < spreads[0]
    assert weights[0] == pytest.approx(1.0)


def test_recent_takes_weigh_more(tmp_path: Path) -> None:
    score = air()
    old, new = Memory(tmp_path / "old"), Memory(tmp_path / "new")
    takes = [play(score, lambda k, step=step: step * 0.02 if k == 40 else 0.0, seed=step) for step in range(8)]
    for take in takes:
        new.learn(take, score)
    for take in reversed(takes):
        old.learn(take, score)
    latest_high = new.recall(score).recalled(40.0)
    latest_low = old.recall(score).recalled(40.0)
    assert latest_high is not None
    assert latest_low is not None
    assert latest_high.log_ratio[0] > latest_low.log_ratio[0] + 0.01


def test_learning_twice_counts_once_and_forgetting_forgets(tmp_path: Path) -> None:
    score = air()
    memory = Memory(tmp_path)
    first, second = play(score, seed=1), play(score, lambda k: -0.1 if k == 20 else 0.0, seed=2)
    memory.learn(first, score)
    alone = memory.recall(score)
    memory.learn(first, score)
    assert len(memory.runs(score.digest)) == 1
    memory.learn(second, score)
    assert memory.pieces() == {score.digest: 2}
    assert memory.forget(second)
    assert not memory.forget(second)
    assert np.array_equal(memory.recall(score).log_ratio, alone.log_ratio)
    assert memory.forget_piece(score.digest) == 1
    assert memory.recall(score).recalled(0.0) is None
    assert not memory.forget("../../../etc")


def test_a_stop_a_wrong_note_a_missed_note_and_a_jump_are_not_remembered_as_music() -> None:
    score = air()

    def stop(values: list[Value]) -> None:
        for index in range(21, len(values)):
            item = values[index]
            assert isinstance(item, Position)
            values[index] = Position(item.time_s + 6.0, item.onset_s + 6.0, item.beat, 1.0, "playing")

    def wrong_note(values: list[Value]) -> None:
        item = values[20]
        assert isinstance(item, Position)
        values.insert(21, Position(item.time_s + 0.1, item.onset_s, item.beat, 0.9, "playing"))

    def missed_note(values: list[Value]) -> None:
        del values[20]

    def lost(values: list[Value]) -> None:
        item = values[20]
        assert isinstance(item, Position)
        values.insert(21, Position(item.time_s + 0.1, item.onset_s, item.beat + 9, 0.2, "lost"))

    def relocated(values: list[Value]) -> None:
        item = values[20]
        assert isinstance(item, Position)
        values.insert(21, Command(item.time_s + 0.1, item.time_s + 0.1, "relocate", 21.0))

    whole, _ = run_through(play(score), score)
    gone = {stop: {20}, wrong_note: {20}, missed_note: {19, 20}, lost: {20}, relocated: {20}}
    for fault, intervals in gone.items():
        run, learnt = run_through(edited(play(score), fault), score)
        expected = [key for index, key in enumerate(whole.keys) if index not in intervals]
        assert list(run.keys) == expected, fault.__name__
        assert learnt.kept == BEATS - 1 - len(intervals)
        assert learnt.remembered
        remembered = dict(zip(run.keys, run.interval_s, strict=True))
        truth = dict(zip(whole.keys, whole.interval_s, strict=True))
        assert all(remembered[key] == pytest.approx(truth[key], abs=2e-6) for key in expected)


def test_a_restarted_phrase_is_remembered_as_it_was_played_last() -> None:
    score = air()
    slow, quick = play(score, lambda k: 0.1), play(score, lambda k: 0.0)
    later = [Position(p.time_s + 60, p.onset_s + 60, p.beat, 1.0, "playing") for p in quick.positions[10:]]
    take = make_take(slow.header, [*slow.values[:20], *later])
    run, learnt = run_through(take, score)
    assert learnt.remembered
    seconds = dict(zip(run.keys, run.interval_s, strict=True))
    whole, _ = run_through(quick, score)
    assert seconds[whole.keys[15]] == pytest.approx(0.5)
    assert seconds[whole.keys[5]] == pytest.approx(0.5 * math.exp(0.1), abs=2e-6)


def test_a_fermata_is_remembered_with_its_length() -> None:
    def held(index: int) -> float:
        return math.log(4.0) if index == 30 else 0.0

    plain, marked = air(), air(fermatas=(Fermata(30.0),))
    assert run_through(play(plain, held), plain)[1].kept == BEATS - 2
    assert run_through(play(marked, held), marked)[1].kept == BEATS - 1


def test_extra_notes_where_the_page_writes_ornaments_are_no_mistake() -> None:
    score = air()
    notes = np.array(score.notes)
    trill = notes[20:21].copy()
    trill["kind"], trill["beat"], trill["pitch"] = 2, 20.25, 90
    adorned = Score(score.title, np.concatenate([notes, trill]), score.parts, score.bars)

    def trilled(values: list[Value]) -> None:
        item = values[20]
        assert isinstance(item, Position)
        values.insert(21, Position(item.time_s + 0.1, item.onset_s, item.beat, 0.9, "playing"))

    assert run_through(edited(play(score), trilled), score)[1].kept == BEATS - 2
    assert run_through(edited(play(adorned), trilled), adorned)[1].kept == BEATS - 1


def with_repeat(taken: bool) -> Score:
    """Eight written quarters, repeated or not, then eight more."""
    passes = [(0.0, 1), (8.0, 2)] if taken else [(0.0, 1)]
    rows = []
    for start, passing in passes:
        rows += [(start + k, 1.0, 60 + k, 0, 64, NOTE, float(k), passing, f"n{k}-{passing}") for k in range(8)]
    start = 16.0 if taken else 8.0
    rows += [(start + k, 1.0, 72 + k, 0, 64, NOTE, 8.0 + k, 1, f"m{k}-1") for k in range(8)]
    return Score("Repeat", np.array(rows, NOTE_FIELDS), (Part("Solo", 1, solo=True),), (Bar(0.0, 4.0, "1", 1, 4, 4),))


def test_leaving_out_a_repeat_shifts_nothing(tmp_path: Path) -> None:
    taken, left_out = with_repeat(True), with_repeat(False)
    assert taken.digest == left_out.digest
    memory = Memory(tmp_path)

    def habit(index: int) -> float:
        return {2: 0.15, 10: -0.15, 19: 0.25}.get(index, 0.0)  # first pass, second pass, after the repeat

    memory.learn(play(taken, habit), taken)
    short = memory.recall(left_out)
    long = memory.recall(taken)
    first, after = short.recalled(2.0), short.recalled(11.0)
    assert first is not None
    assert after is not None
    assert first.log_ratio[0] == pytest.approx(0.15, abs=0.02)
    assert after.log_ratio[0] == pytest.approx(0.25, abs=0.02)
    second = long.recalled(10.0)
    assert second is not None
    assert second.log_ratio[0] == pytest.approx(-0.15, abs=0.03)
    assert second.weight[0] == 1.0

    other = Memory(tmp_path / "other")  # learnt without the repeat, asked on the second pass: half the evidence
    other.learn(play(left_out, lambda k: {2: 0.15}.get(k, 0.0)), left_out)
    guess = other.recall(taken).recalled(10.0)
    assert guess is not None
    assert guess.log_ratio[0] == pytest.approx(0.15, abs=0.03)
    assert guess.weight[0] == pytest.approx(0.5)


def test_a_take_of_another_piece_is_refused_and_a_hopeless_one_is_not_remembered(tmp_path: Path) -> None:
    score, other = air(), Score.from_notes([(float(k), 1.0, 50) for k in range(30)], title="Other")
    memory = Memory(tmp_path)
    with pytest.raises(TakeError, match="not of"):
        memory.learn(play(other), score)
    hopeless = make_take(play(score).header, play(score).values[::2])  # every other note missed
    learnt = memory.learn(hopeless, score)
    assert not learnt.remembered
    assert "clean" in str(learnt.reason)
    assert memory.learn(make_take(play(score).header, []), score).reason == "only 0 clean intervals, and 8 are needed"
    assert memory.pieces() == {}


@pytest.mark.parametrize("good", [2, 3, 5])
def test_a_foreign_take_moves_the_memory_by_a_bounded_little(tmp_path: Path, good: int) -> None:
    """One take of wild tempi, the latest of all, among ``good`` true ones: at most 6 % anywhere, under 2 % usually."""
    score = air()
    memory = Memory(tmp_path)
    for seed in range(good):
        memory.learn(play(score, jitter_s=0.004, seed=seed), score)
    before = memory.recall(score).log_ratio[:, 0]
    dice = np.random.default_rng(9)
    wild = dice.uniform(-0.8, 0.8, BEATS)
    assert memory.learn(play(score, lambda k: float(wild[k]), soloist="Somebody", seed=99), score).remembered
    moved = np.abs(memory.recall(score).log_ratio[:, 0] - before)
    assert moved.max() < 0.06
    assert np.median(moved) < 0.02


def test_the_robust_mean_cannot_be_dragged() -> None:
    values = np.array([[0.0], [0.01], [-0.01], [50.0]])
    mean, spread, weight = together(values, np.ones((4, 1)))
    assert abs(mean[0]) < 0.05
    assert spread[0] > 1.0  # but it says how little they agree
    assert weight[0] == 4.0
    nothing, _, none = together(values, np.zeros((4, 1)))
    assert (nothing[0], none[0]) == (0.0, 0.0)


def test_asked_between_before_and_after_onsets() -> None:
    score = air(12)
    run, _ = run_through(play(score), score)
    recollection = recollect(score, [run], horizon=4)
    between, before, last = recollection.recalled(5.4), recollection.recalled(-1.0), recollection.recalled(10.0)
    assert between is not None
    assert between.beat.tolist() == [5.0, 6.0, 7.0, 8.0]
    assert before is not None
    assert before.beat[0] == 0.0
    assert last is not None
    assert last.beat.tolist() == [10.0]


def test_memory_travels_in_one_file(tmp_path: Path) -> None:
    score = air()
    home, away = Memory(tmp_path / "home"), Memory(tmp_path / "away")
    for seed in range(3):
        home.learn(play(score, jitter_s=0.01, seed=seed), score)
    assert home.export(tmp_path / "memory.json") == 3
    assert away.bring_in(tmp_path / "memory.json") == 3
    assert away.bring_in(tmp_path / "memory.json") == 0
    assert np.array_equal(away.recall(score).log_ratio, home.recall(score).log_ratio)


@pytest.mark.parametrize(
    "harm",
    [
        {"collaparte": "take"},
        {"runs": [{}]},
        {"runs": [{"take": "../../x", "digest": "ab12"}]},
        {"runs": 3},
    ],
)
def test_a_damaged_or_hostile_file_adds_nothing(tmp_path: Path, harm: dict[str, object]) -> None:
    score = air()
    home = Memory(tmp_path / "home")
    home.learn(play(score), score)
    home.export(tmp_path / "good.json")
    data = json.loads((tmp_path / "good.json").read_text())
    if isinstance(harm.get("runs"), list):
        harm = {"runs": [data["runs"][0] | harm["runs"][0], {}]}  # type: ignore[index]
    (tmp_path / "bad.json").write_text(json.dumps(data | harm))
    away = Memory(tmp_path / "away")
    with pytest.raises(TakeError, match="not an exported memory"):
        away.bring_in(tmp_path / "bad.json")
    assert away.pieces() == {}


def test_a_damaged_memory_is_passed_over_with_a_word(tmp_path: Path) -> None:
    score = air()
    memory = Memory(tmp_path)
    memory.learn(play(score, seed=1), score)
    memory.learn(play(score, seed=2), score)
    path = sorted((tmp_path / score.digest).glob("*.json"))[0]
    for damage in ("{", '{"take": 1}', path.read_text().replace("0.5", "-0.5")):
        path.write_text(damage)
        with pytest.warns(TakeWarning, match="damaged"):
            assert len(memory.runs(score.digest)) == 1
