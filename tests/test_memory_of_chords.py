"""Memory from whole performances through the engine: a pianist's chords are music, a wrong note among them is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.events import Heard, SoloEvent, TakeHeader
from collaparte.follow import FOLLOWERS, make_follower
from collaparte.listen.midi import read_midi_solo
from collaparte.predict import make_predictor
from collaparte.score import Score, read_score
from collaparte.takes import Memory, Take, make_take
from collaparte.takes.remember import run_through

ROOTS = [48, 53, 50, 55, 52, 57, 53, 48, 45, 50, 43, 48]
CHORALE = Score.from_notes(
    [(float(beat), 1.0, ROOTS[beat % 12] + step + beat // 12) for beat in range(48) for step in (0, 7, 16, 24)]
)


def strum(beat: int, *, spread_s: float = 0.012) -> list[SoloEvent]:
    """The chord at ``beat``, its notes a little apart as fingers are."""
    start_s = 1.0 + beat * 0.6
    pitches = sorted(int(row["pitch"]) for row in CHORALE.solo if row["beat"] == beat)
    return [
        SoloEvent(round(start_s + i * spread_s, 6), round(start_s + i * spread_s, 6), True, pitch)
        for i, pitch in enumerate(pitches)
    ]


def take_of(score: Score, heard: list[Heard], follower: str | None = None) -> Take:
    engine = Engine(score, make_follower(follower, score), make_predictor("steady", score), Settings())
    return make_take(TakeHeader(score.title, score.digest, "me"), list(rehearse(engine, VirtualClock(heard))))


@pytest.mark.parametrize("follower", sorted(FOLLOWERS))
def test_every_interval_between_clean_chords_is_remembered(follower: str) -> None:
    heard: list[Heard] = [event for beat in range(48) for event in strum(beat)]
    _, learnt = run_through(take_of(CHORALE, heard, follower), CHORALE)
    assert (learnt.kept, learnt.attempted, learnt.reason) == (47, 47, None)


def test_a_wrong_note_and_a_note_struck_twice_spoil_their_intervals_alone() -> None:
    heard: list[Heard] = [event for beat in range(48) for event in strum(beat)]
    heard.append(SoloEvent(1.0 + 20 * 0.6 + 0.3, 1.0 + 20 * 0.6 + 0.3, True, 61))
    again = strum(30)[1]
    heard.append(SoloEvent(again.time_s + 0.3, again.heard_s + 0.3, True, again.pitch))
    run, learnt = run_through(take_of(CHORALE, heard), CHORALE)
    forgotten = {round(beat * 960) for beat in range(47)} - {key[0] for key in run.keys}
    assert forgotten == {20 * 960, 30 * 960}
    assert learnt.reason is None


@pytest.mark.corpora
def test_a_real_pianists_takes_are_remembered_and_foreseen_better(
    corpus: Callable[[str], Path], tmp_path: Path
) -> None:
    grieg = next(corpus("duets").rglob("grieg_ases_tod"))
    score = read_score(next((grieg / "musicxml").glob("*Primo*")), next((grieg / "musicxml").glob("*Secondo*")))
    memory = Memory(tmp_path)
    takes = sorted((grieg / "midi" / "cc_solo").glob("*.mid"))
    for path in takes[:3]:
        learnt = memory.learn(take_of(score, list(read_midi_solo(path))), score)
        assert learnt.remembered
        assert learnt.kept > 0.9 * learnt.attempted

    def error_s(recalls: bool) -> tuple[float, float]:
        from collaparte.measure import measure_take

        recall = memory.recall(score).recalled if recalls else None
        engine = Engine(score, make_follower(None, score), make_predictor("policy", score), Settings(), recall)
        values = list(rehearse(engine, VirtualClock(read_midi_solo(takes[3]))))
        found = measure_take(make_take(TakeHeader(score.title, score.digest, "me"), values), score).prediction
        return found.mean_abs_s, found.median_abs_s

    (mean_s, median_s), (cold_mean_s, cold_median_s) = error_s(recalls=True), error_s(recalls=False)
    assert mean_s < 0.85 * cold_mean_s  # what is remembered helps most where the music turns
    assert median_s < cold_median_s < 0.035
