"""The simulated soloist: the truth about what was played, the rubato, the mistakes, and the closed loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from collaparte.errors import SoloistError
from collaparte.events import OrchestraEvent, Position, SoloEvent
from collaparte.listen.simulated import LEVELS, Mistakes, SimulatedSoloist, SimulatedTake, Slip, simulate_solo
from collaparte.listen.simulated.phrases import phrase_starts
from collaparte.listen.simulated.playing import LEAD_IN_S
from collaparte.pieces import piece_path
from collaparte.predict.steady import Steady
from collaparte.score import Fermata, Score, read_score
from collaparte.training.soloist_statistics import LEVELS_FITTED, table


def melody(bars: int = 32, **more: object) -> Score:
    """Crotchets and quavers in bars of four, an orchestra of crotchets; every fourth bar a long note and a rest."""
    pattern = [0.0, 1.0, 1.5, 2.0, 3.0]
    rows = []
    for bar in range(bars):
        if bar % 4 == 3:
            rows.append((4.0 * bar, 3.0, 67))
            continue
        for index, beat in enumerate(pattern):
            following = [*pattern[1:], 4.0][index]
            rows.append((4 * bar + beat, following - beat, 60 + (5 * index + bar) % 12))
    orchestra = [(float(beat), 1.0, 48) for beat in range(4 * bars)]
    return Score.from_notes(rows, orchestra, **more)  # type: ignore[arg-type]


def periods(take: SimulatedTake) -> np.ndarray:
    return np.log(np.diff(take.onset_s) / np.diff(take.onset_beats))


def played(soloist: SimulatedSoloist) -> list[SoloEvent]:
    events = []
    while (event := soloist.next_event()) is not None:
        events.append(event)
    return events


def test_the_metronome_plays_the_page() -> None:
    score = read_score(piece_path("greensleeves"), solo="Solo Violin")
    score = Score(score.title, score.notes, score.parts, score.bars, score.tempi)  # no fermatas
    take = simulate_solo(score, 3, "metronome")
    page_s = [LEAD_IN_S + score.seconds_at(beat) for beat in score.solo_onsets]
    assert take.onset_s == pytest.approx(page_s, abs=2e-6)


@pytest.mark.parametrize("level", list(LEVELS))
def test_the_same_seed_plays_the_same_and_the_truth_agrees_with_the_events(level: str) -> None:
    score = melody()
    take, again = simulate_solo(score, 5, level, latency_s=0.02), simulate_solo(score, 5, level, latency_s=0.02)
    assert take.events == again.events
    assert simulate_solo(score, 6, level, latency_s=0.02).events != take.events or level == "metronome"
    sounding: set[int] = set()
    for event, row, right, beat in zip(take.events, take.rows, take.right, take.beats, strict=True):
        assert isinstance(event, SoloEvent)
        assert event.heard_s == pytest.approx(event.time_s + 0.02, abs=2e-6)
        assert (event.pitch in sounding) is not event.on  # struck once, ended once
        sounding ^= {event.pitch}
        if row >= 0:
            assert (event.pitch == score.solo["pitch"][row]) == right
            assert score.solo["beat"][row] == beat
    assert not sounding
    heard = [event.heard_s for event in take.events]
    assert heard == sorted(heard)


def test_one_soloist_means_the_same_in_every_take_and_on_every_pass() -> None:
    score = read_score(piece_path("washerwoman"), solo="Solo Violin")
    take, other = (simulate_solo(score, seed, "high", interpretation_seed=1) for seed in (10, 11))
    stranger = simulate_solo(score, 10, "high", interpretation_seed=2)
    alike, unlike = (np.corrcoef(periods(take), periods(who))[0, 1] for who in (other, stranger))
    assert alike > 0.7 > unlike + 0.15
    assert not np.allclose(take.onset_s, other.onset_s, atol=0.01)
    first = (take.onset_beats[:-1] >= 24) & (take.onset_beats[:-1] < 47)
    second = (take.onset_beats[:-1] >= 48) & (take.onset_beats[:-1] < 71)
    assert np.corrcoef(periods(take)[first], periods(take)[second])[0, 1] > 0.6


def test_phrases_begin_after_long_notes_and_the_end_broadens() -> None:
    score = melody()
    assert phrase_starts(score) == pytest.approx(np.arange(0, 128, 16))
    ends = []
    for seed in range(12):
        take = simulate_solo(score, seed, "middle")
        ends.append(periods(take)[-3:].mean() - np.median(periods(take)))
    assert np.median(ends) > np.log(1.15)


def test_a_fermata_is_held() -> None:
    plain, held = melody(), melody(fermatas=(Fermata(60.0),))
    index = int(np.searchsorted(plain.solo_onsets, 60.0))
    for seed in range(5):
        straight, long = (simulate_solo(score, seed, "low").onset_s for score in (plain, held))
        ratio = (long[index + 1] - long[index]) / (straight[index + 1] - straight[index])
        assert 1.4 < ratio < 2.7  # three of the four beats are the note's
        assert np.diff(long)[:index] == pytest.approx(np.diff(straight)[:index], abs=1e-5)


def test_levels_differ_in_the_right_order_and_a_slower_tempo_is_the_same_music() -> None:
    score = melody(64)
    spread = [np.std(np.diff(periods(simulate_solo(score, 2, level)))) for level in ("low", "middle", "high")]
    assert spread[0] < spread[1] < spread[2]
    one, slow = (simulate_solo(score, 2, "middle", tempo_factor=factor) for factor in (1.0, 1.25))
    fingers_s = 8 * LEVELS["middle"].rubato.jitter_s
    assert np.diff(slow.onset_s) == pytest.approx(1.25 * np.diff(one.onset_s), abs=fingers_s)


def test_mistakes_come_as_often_as_asked() -> None:
    score = melody(200)
    take = simulate_solo(score, 4, "low", mistakes=Mistakes(wrong=0.1, missed=0.1, extra=0.1))
    on = np.array([event.on for event in take.events if isinstance(event, SoloEvent)])
    notes = len(score.solo)
    assert np.isnan(take.onset_s).sum() / notes == pytest.approx(0.1, abs=0.03)
    assert (on & ~take.right & (take.rows >= 0)).sum() / notes == pytest.approx(0.09, abs=0.03)
    assert (on & (take.rows < 0)).sum() / notes == pytest.approx(0.09, abs=0.03)
    clumsy = simulate_solo(score, 4, "amateur 3")
    visits = np.array([stroke.onset for stroke in clumsy.strokes])
    assert (np.diff(visits) < 0).sum() >= 1  # bars begun again
    assert (np.diff(visits) == 0).sum() >= 5  # stumbles and corrections
    assert clumsy.end_s > 1.02 * simulate_solo(score, 4, "low").end_s


def test_what_shall_go_wrong_goes_wrong() -> None:
    score = melody()
    straight = simulate_solo(score, 1, "low")
    index = int(np.searchsorted(score.solo_onsets, 32.0))

    paused = simulate_solo(score, 1, "low", slips=[Slip(32.0, "pause", seconds=6.0)])
    late_s = paused.onset_s - straight.onset_s
    assert late_s[:index] == pytest.approx(0.0, abs=1e-5)
    assert late_s[index:] == pytest.approx(6.0, abs=0.05)

    skipped = simulate_solo(score, 1, "low", slips=[Slip(32.0, "jump", to_beat=40.0)])
    gone = (score.solo_onsets >= 32.0) & (score.solo_onsets < 40.0)
    assert np.isnan(skipped.onset_s[gone]).all()
    assert not np.isnan(skipped.onset_s[~gone]).any()

    back = simulate_solo(score, 1, "low", slips=[Slip(40.0, "jump", to_beat=32.0)])
    beats = [stroke.beat for stroke in back.strokes]
    assert beats.count(32.0) == 2
    assert beats.count(40.0) == 1
    assert beats[beats.index(32.0) + gone.sum()] == 32.0

    slipped = simulate_solo(score, 1, "low", slips=[Slip(32.0, "wrong"), Slip(36.0, "missed"), Slip(40.0, "stumble")])
    assert set(slipped.beats[~slipped.right]) == {32.0}
    assert score.solo_onsets[np.isnan(slipped.onset_s)].tolist() == [36.0]
    assert [stroke.beat for stroke in slipped.strokes].count(40.0) == 2


def test_grace_notes_come_before_their_note_in_written_order() -> None:
    score = read_score(piece_path("greensleeves"), solo="Solo Violin")
    take = simulate_solo(score, 1)
    graces = [row for row in np.unique(take.rows) if row >= 0 and score.solo["kind"][row] == 1]
    assert len(graces) == 3
    for row in graces:
        struck = next(e.time_s for e, r in zip(take.events, take.rows, strict=True) if r == row)
        onset_s = take.onset_s[int(np.searchsorted(take.onset_beats, score.solo["beat"][row] - 1e-6))]
        assert 0.03 < onset_s - struck < 0.15


def sounded(beat: float, due_s: float) -> OrchestraEvent:
    return OrchestraEvent(due_s, beat, "Orchestra", True, 48, 64)


def test_alone_the_listening_soloist_plays_the_take() -> None:
    for level in ("high", "amateur 3"):
        take = simulate_solo(melody(), 7, level, latency_s=0.01, latency_jitter_s=0.002)
        events = played(SimulatedSoloist(take, coupling=1.0))
        assert sorted(events, key=lambda e: (e.heard_s, e.on, e.pitch)) == take.events


@pytest.mark.parametrize("coupling", [0.0, 0.3, 1.0])
def test_the_soloist_gives_way_by_the_coupling(coupling: float) -> None:
    """An orchestra that strikes every shared beat 40 ms after where the soloist just was drags by 40 ms x coupling."""
    score = melody(8)
    take = simulate_solo(score, 1, "metronome")
    soloist = SimulatedSoloist(take, coupling=coupling, rest_coupling=0.0)
    while (event := soloist.next_event()) is not None:
        if event.on:
            beat = take.onset_beats[np.argmin(np.abs(take.onset_s + soloist.shift_s - event.time_s))]
            soloist.listen(sounded(float(beat), event.time_s + 0.04))
    assert soloist.shift_s == pytest.approx(coupling * 0.04 * (len(take.onset_beats) - 1), abs=0.03)


def test_after_a_tutti_the_soloist_enters_with_the_orchestra() -> None:
    rows = [(float(beat), 1.0, 60 + beat % 5) for beat in (*range(8), *range(40, 48))]
    score = Score.from_notes(rows, [(float(beat), 1.0, 48) for beat in range(48)])
    take = simulate_solo(score, 1, "metronome")
    last_s = take.onset_s[7]
    entered = {}
    for give in (0.0, 1.0):
        soloist = SimulatedSoloist(take, rest_coupling=give)
        for beat in range(8, 41):  # a tutti five per cent slower than the soloist's tempo
            soloist.listen(sounded(float(beat), last_s + (beat - 7) * 0.525))
        entered[give] = [event.time_s for event in played(soloist) if event.on][8]
    assert entered[0.0] == pytest.approx(take.onset_s[8], abs=1e-5)
    assert entered[1.0] == pytest.approx(last_s + 33 * 0.525, abs=0.03)  # but for the last beat, not yet heard


def test_what_cannot_be_played_is_said() -> None:
    with pytest.raises(SoloistError, match="There are: metronome, low"):
        simulate_solo(melody(), 1, "virtuoso")
    with pytest.raises(SoloistError, match="no notes"):
        simulate_solo(Score.from_notes([], [(0.0, 1.0, 60)]), 1)
    with pytest.raises(SoloistError, match="between 0 and 1"):
        SimulatedSoloist(simulate_solo(melody(), 1), coupling=1.5)


@pytest.mark.corpora
def test_the_levels_keep_time_like_the_quartiles_of_real_pianists(corpus: Callable[[str], Path]) -> None:
    found = table(corpus("nasap-train"), 60)
    for level, share in LEVELS_FITTED.items():
        real, simulated = found["real"][share], found["simulated"][level]
        assert simulated.jumpiness == pytest.approx(real.jumpiness, rel=0.25), level
        assert simulated.kalman_ms == pytest.approx(real.kalman_ms, rel=0.25), level
        assert simulated.breadth == pytest.approx(real.breadth, rel=0.4), level
        assert simulated.memory == pytest.approx(real.memory, abs=0.2), level
        assert simulated.jump_memory == pytest.approx(real.jump_memory, abs=0.12), level
        assert simulated.kalman_30 == pytest.approx(found["real"][100 - share].kalman_30, abs=0.1), level
        assert np.isfinite(astuple(simulated)).all()


@pytest.mark.parametrize("coupling", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_two_who_listen_to_each_other_do_not_drag_each_other_down(coupling: float) -> None:
    """The steady model as the whole orchestra: it predicts every onset, the soloist gives way to what it predicted."""
    score = Score.from_notes([(float(beat), 1.0, 60 + beat % 7) for beat in range(81)])
    for level in ("metronome", "low", "middle"):
        take = simulate_solo(score, 3, level, rubato=replace(LEVELS[level].rubato, ritardando=0.0))
        soloist, model = SimulatedSoloist(take, coupling=coupling), Steady(score)
        heard_s: list[float] = []
        while (event := soloist.next_event()) is not None:
            if event.on:
                beat = float(len(heard_s))
                heard_s.append(event.time_s)
                plan = model.plan(Position(event.time_s, event.time_s, beat, 1.0, "playing"))
                soloist.listen(sounded(beat + 1, plan.time_of(beat + 1)))
        meant = take.onset_s[80] - take.onset_s[16]
        assert (heard_s[80] - heard_s[16]) / meant == pytest.approx(1.0, abs=0.03), level
