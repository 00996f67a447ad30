"""What only the follower that is used must keep: slips, jumps, ornaments, rests, cadenzas, doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from collaparte.events import Position, SoloEvent, TempoPlan
from collaparte.follow import DEFAULT_FOLLOWER, make_follower
from collaparte.follow.onsets import Onsets
from collaparte.follow.search import Search
from collaparte.follow.tracker import PathFollower
from collaparte.score import GRACE, ORNAMENT, Passage, Score

PERIOD_S = 0.5
RNG = np.random.default_rng(20)
TUNE = [(0.5 * index, 0.5, int(pitch)) for index, pitch in enumerate(RNG.integers(58, 82, 160))]
SCORE = Score.from_notes(TUNE)


def play(score: Score, notes: list[tuple[float, int]], plans: bool = False) -> list[Position]:
    follower = make_follower(DEFAULT_FOLLOWER, score)
    positions, plan = [], None
    for time_s, pitch in notes:
        position = follower.hear(SoloEvent(time_s, time_s, True, pitch), plan)
        assert position is not None
        positions.append(position)
        if plans:
            plan = TempoPlan(time_s, position.onset_s, position.beat, PERIOD_S)
    return positions


def tune(first: int, last: int, start_s: float = 0.0) -> list[tuple[float, int]]:
    """Notes ``first`` to ``last`` (left out) of the tune, in tempo, the first at ``start_s``."""
    return [(start_s + (TUNE[index][0] - TUNE[first][0]) * PERIOD_S, TUNE[index][2]) for index in range(first, last)]


def beats(first: int, last: int) -> list[float]:
    return [TUNE[index][0] for index in range(first, last)]


def found_after(positions: list[Position], wanted: list[float]) -> int:
    """How many notes it took until every later position was right."""
    wrong = [
        index for index, (position, beat) in enumerate(zip(positions, wanted, strict=True)) if position.beat != beat
    ]
    return wrong[-1] + 1 if wrong else 0


@pytest.mark.parametrize("away", [16, 40, -16, -30])
def test_a_jump_is_believed_within_six_notes(away: int) -> None:
    head, tail = tune(0, 60), tune(60 + away, 100, 15.0)
    positions = play(SCORE, head + tail)
    assert [position.beat for position in positions[:60]] == beats(0, 60)
    assert found_after(positions[60:], beats(60 + away, 100)) <= 6


def test_the_start_may_be_anywhere() -> None:
    positions = play(SCORE, tune(80, 130))
    assert found_after(positions, beats(80, 130)) <= 6
    assert positions[0].state == "waiting"


def test_starting_over_is_found() -> None:
    positions = play(SCORE, tune(0, 60) + tune(0, 60, 16.0))
    assert found_after(positions[60:], beats(0, 60)) <= 6


def test_a_bar_begun_again_is_found() -> None:
    positions = play(SCORE, tune(0, 46) + tune(40, 90, 12.5))
    assert found_after(positions[46:], beats(40, 90)) <= 5


def test_a_pause_is_a_pause() -> None:
    positions = play(SCORE, tune(0, 50) + tune(50, 90, 30.0))
    assert [position.beat for position in positions] == beats(0, 90)
    assert {position.state for position in positions} == {"playing"}


def test_one_wrong_note_in_eight_never_throws_it() -> None:
    rng = np.random.default_rng(4)
    notes = [
        (time_s, pitch + int(rng.integers(1, 4)) * (index % 8 == 7))
        for index, (time_s, pitch) in enumerate(tune(0, 160))
    ]
    positions = play(SCORE, notes)
    far = [abs(position.beat - beat) for position, beat in zip(positions, beats(0, 160), strict=True)]
    assert max(far) <= 0.5
    right = [away == 0.0 for index, away in enumerate(far) if index % 8 != 7]
    assert np.mean(right) == 1.0


def test_a_wrong_pitch_at_the_right_time_stands_for_the_awaited_note() -> None:
    notes = tune(0, 40)
    notes[30] = (notes[30][0], notes[30][1] + 1)
    position = play(SCORE, notes)[30]
    assert (position.beat, position.onset_s) == (TUNE[30][0], notes[30][0])


def test_a_rolled_chord_stays_at_its_first_note() -> None:
    chords = [(2.0 * bar, 2.0, pitch) for bar in range(8) for pitch in (48 + bar, 55 + bar, 60 + bar, 64 + bar)]
    score = Score.from_notes(chords)
    notes = [(bar + 0.12 * place, pitch + bar) for bar in range(8) for place, pitch in enumerate((48, 55, 60, 64))]
    positions = play(score, notes)
    assert [position.beat for position in positions] == [2.0 * bar for bar in range(8) for _ in range(4)]
    assert [position.onset_s for position in positions] == [float(bar) for bar in range(8) for _ in range(4)]


def decorated(kind: int) -> Score:
    """The tune, with a little note a tone above the note at beat 20 that decorates it (or trills it)."""
    rows = SCORE.notes
    little = rows[rows["beat"] == 20.0].copy()
    little["kind"], little["duration_beats"], little["id"] = kind, 0.0, "grace"
    little["pitch"] = little["pitch"] + 14
    return replace(SCORE, notes=np.concatenate([rows, little]))


def test_a_grace_note_is_heard_and_waited_for_no_more_than_it_advances() -> None:
    score = decorated(GRACE)
    notes = tune(0, 60)
    at = 40
    assert TUNE[at][0] == 20.0
    with_grace = [*notes[:at], (notes[at][0] - 0.08, TUNE[at][2] + 14), *notes[at:]]
    positions = play(score, with_grace)
    assert positions[at].beat == 19.5
    assert [position.beat for position in positions[at + 1 :]] == beats(at, 60)
    assert [position.beat for position in play(score, notes)] == beats(0, 60)


def test_the_note_after_may_have_the_pitch_of_the_grace_note_before() -> None:
    page = SCORE.notes
    little = page[page["beat"] == 20.0].copy()
    little["kind"], little["duration_beats"], little["id"] = GRACE, 0.0, "grace"
    little["pitch"] = TUNE[41][2]
    notes = tune(0, 60)
    with_grace = [*notes[:40], (notes[40][0] - 0.08, TUNE[41][2]), *notes[40:]]
    positions = play(replace(SCORE, notes=np.concatenate([page, little])), with_grace)
    assert [position.beat for position in positions[41:]] == beats(40, 60)


def test_a_trill_written_or_not_moves_nothing() -> None:
    for score in (SCORE, decorated(ORNAMENT)):
        notes = tune(0, 60)
        at = 40
        long_s = 1.2
        trill = [(notes[at][0] + 0.09 * (index + 1), TUNE[at][2] + (2 if index % 2 == 0 else 0)) for index in range(10)]
        later = [(time_s + long_s, pitch) for time_s, pitch in notes[at + 1 :]]
        positions = play(score, [*notes[: at + 1], *trill, *later])
        assert max(abs(position.beat - 20.0) for position in positions[at : at + 11]) <= 0.5
        assert [position.beat for position in positions[at + 12 :]] == beats(at + 2, 60)


def test_stray_notes_in_a_tutti_cause_no_jump() -> None:
    solo = TUNE[:40] + [(beat + 30.0, length, pitch) for beat, length, pitch in TUNE[40:80]]
    score = Score.from_notes(solo)
    notes = [(beat * PERIOD_S, pitch) for beat, _, pitch in solo]
    strays = [(10.5 + 1.9 * index, TUNE[15 + 2 * index][2]) for index in range(6)]
    positions = play(score, notes[:40] + strays + notes[40:])
    assert {position.beat for position in positions[39:46]} == {19.5}
    assert [position.beat for position in positions[46:]] == [beat for beat, _, _ in solo[40:]]


def test_in_a_cadenza_anything_goes_until_the_entry_is_played() -> None:
    solo = TUNE[:40] + [(beat + 4.0, length, pitch) for beat, length, pitch in TUNE[40:80]]
    score = Score.from_notes(solo, passages=(Passage(19.5, 24.0, cadenza=True),))
    rng = np.random.default_rng(8)
    free = [(10.0 + 0.2 * index, int(rng.integers(50, 90))) for index in range(40)]
    entry_s = 19.0
    after = [(entry_s + (beat - 24.0) * PERIOD_S, pitch) for beat, _, pitch in solo[40:]]
    head = [(beat * PERIOD_S, pitch) for beat, _, pitch in solo[:40]]
    positions = play(score, head + free + after)
    inside = positions[40:80]
    assert np.mean([position.beat <= 24.0 for position in inside]) > 0.9
    assert found_after(positions[80:], [beat for beat, _, _ in solo[40:]]) <= 6


def test_hopeless_playing_is_called_lost_and_then_found_again() -> None:
    rng = np.random.default_rng(6)
    noise = [(15.0 + 0.2 * index, int(rng.integers(30, 100))) for index in range(30)]
    positions = play(SCORE, tune(0, 60) + noise + tune(60, 110, 22.0))
    assert "lost" in {position.state for position in positions[60:90]}
    assert min(position.certainty for position in positions[60:90]) < 0.4
    assert found_after(positions[90:], beats(60, 110)) <= 6
    assert positions[-2].state == "playing"


def test_it_is_surer_of_good_playing_than_of_bad() -> None:
    rng = np.random.default_rng(9)
    good = play(SCORE, tune(0, 100))
    bad = play(SCORE, [(time_s, pitch + int(rng.integers(-4, 5))) for time_s, pitch in tune(0, 100)])
    assert np.mean([position.certainty for position in good[10:]]) > 0.97
    assert np.mean([position.certainty for position in bad[10:]]) < 0.9


def test_with_plans_the_stretched_music_is_the_same() -> None:
    rng = np.random.default_rng(12)
    notes = [(time_s + float(rng.normal(0, 0.01)), pitch) for time_s, pitch in tune(0, 120) if rng.random() > 0.1]
    notes.sort()
    found = []
    for stretch in (0.8, 1.0, 1.25):
        follower = PathFollower(SCORE)
        plan: TempoPlan | None = None
        places = []
        for time_s, pitch in notes:
            now = time_s * stretch
            position = follower.hear(SoloEvent(now, now, True, pitch), plan)
            assert position is not None
            plan = TempoPlan(now, position.onset_s, position.beat, PERIOD_S * stretch)
            places.append(position.beat)
        found.append(places)
    assert found[0] == found[1] == found[2]


def test_the_index_knows_who_sounds_shortly_before_whom() -> None:
    onsets = Onsets(SCORE)
    pitches = [pitch for _, _, pitch in TUNE]
    for place in (10, 77, 140):
        assert place in onsets.pairs(pitches[place - 1], pitches[place])
        assert place in onsets.pairs(pitches[place - 2], pitches[place])
    assert len(onsets.pairs(1, 2)) == 0


def test_the_search_names_the_place_of_the_last_notes() -> None:
    search = Search(Onsets(SCORE))
    for _, _, pitch in TUNE[90:96]:
        search.hear(pitch)
    assert search.best(3.0, 1, 0)[0][0] == 95
