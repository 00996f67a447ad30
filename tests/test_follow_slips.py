"""Wrong notes and written-out trills: what is believed of a player who errs, and of one who does not."""

from __future__ import annotations

import numpy as np
import pytest

from collaparte.events import Position, SoloEvent
from collaparte.follow.habits import Habits
from collaparte.follow.onsets import Onsets
from collaparte.follow.tempo import spread
from collaparte.follow.tracker import PathFollower
from collaparte.score import Score

PERIOD_S = 0.5


def play(score: Score, notes: list[tuple[float, int]]) -> list[Position]:
    follower = PathFollower(score)
    heard = [follower.hear(SoloEvent(time_s, time_s, True, pitch), None) for time_s, pitch in notes]
    return [position for position in heard if position is not None]


@pytest.mark.parametrize("size", [1, 3, 6])
def test_a_wrong_first_note_of_a_chord_of_any_size_stands_for_it(size: int) -> None:
    rng = np.random.default_rng(5)
    roots = rng.integers(44, 60, 40)
    chords = [[int(root) + step for step in (0, 7, 12, 16, 19, 24)[:size]] for root in roots]
    score = Score.from_notes([(float(beat), 1.0, pitch) for beat, chord in enumerate(chords) for pitch in chord])
    notes, first = [], []
    for beat, chord in enumerate(chords):
        first.append(len(notes))
        notes += [(beat * PERIOD_S + 0.03 * place, pitch) for place, pitch in enumerate(chord)]
    for beat in (12, 20, 28):
        time_s, pitch = notes[first[beat]]
        notes[first[beat]] = (time_s, pitch - 6)
    positions = play(score, notes)
    assert [(positions[row].beat, positions[row].onset_s) for row in first] == [
        (float(beat), beat * PERIOD_S) for beat in range(len(chords))
    ]


def test_a_wrong_key_in_a_chord_is_not_taken_for_the_next_onset() -> None:
    """Chords in two hands and single notes by turns; one chord in five has, on top, the very pitch that comes next."""
    rng = np.random.default_rng(3)
    row = [
        [int(rng.integers(40, 50)), int(rng.integers(66, 78))] if place % 2 == 0 else [int(rng.integers(52, 64))]
        for place in range(300)
    ]
    score = Score.from_notes([(place / 4, 0.25, pitch) for place, chord in enumerate(row) for pitch in chord])
    notes, beats = [], []
    for place, chord in enumerate(row):
        struck = [chord[0], row[place + 1][0]] if place % 10 == 4 else chord
        notes += [(place / 4 * PERIOD_S + 0.01 * number, pitch) for number, pitch in enumerate(struck)]
        beats += [place / 4] * len(struck)
    assert [position.beat for position in play(score, notes)][10:] == beats[10:]


def test_who_keeps_time_is_held_to_it() -> None:
    """Deviations are this player's own: small ones of one who plays evenly, within bounds."""
    even, uneven = Habits(), Habits()
    for off in np.random.default_rng(8).normal(0.0, 1.0, 200).tolist():
        even.time(0.2 * off / even.uneven)
        uneven.time(off / uneven.uneven)
    assert even.uneven < 0.7 < 1.3 < uneven.uneven
    assert spread(0.5, 0.0, even.uneven)[0] < spread(0.5, 0.0, 1.0)[0] < spread(0.5, 0.0, uneven.uneven)[0]


def test_a_note_put_right_gives_the_onset_its_time() -> None:
    pitches = [int(pitch) for pitch in np.random.default_rng(6).integers(58, 82, 40)]
    score = Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(pitches)])
    notes = [(beat * PERIOD_S, pitch) for beat, pitch in enumerate(pitches)]
    late = [(time_s + 0.25, pitch) for time_s, pitch in notes[20:]]
    positions = play(score, [*notes[:20], (notes[20][0], pitches[20] + 1), *late])
    assert (positions[20].beat, positions[20].onset_s) == (20.0, notes[20][0])
    assert (positions[21].beat, positions[21].onset_s) == (20.0, late[0][0])
    assert [position.beat for position in positions[22:]] == [float(beat) for beat in range(21, 40)]


def test_who_errs_is_believed_to_err() -> None:
    clean, wrong, busy = Habits(), Habits(), Habits()
    for _ in range(30):
        clean.count(3, 0, 0)
        wrong.count(3, 1, 1)
        busy.count(3, 0, 1)
    assert wrong.slip < 0.0 < clean.slip
    assert wrong.stray == clean.stray > 0.0 > busy.stray
    assert busy.slip == clean.slip


def trill(strokes: int) -> list[tuple[float, float, int]]:
    """A tune, then ``strokes`` written-out strokes over one half note, then the tune again."""
    tune = [(float(beat), 1.0, 60 + 2 * beat) for beat in range(8)]
    shakes = [(8.0 + 2.0 * index / strokes, 2.0 / strokes, (74, 76)[index % 2]) for index in range(strokes)]
    return [*tune, *shakes, *[(10.0 + beat, 1.0, 72 - 2 * beat) for beat in range(8)]]


def test_a_written_trill_is_known_from_its_third_stroke_and_other_notes_are_not() -> None:
    onsets = Onsets(Score.from_notes(trill(16)))
    assert {onsets.beat[place] for place in range(onsets.count) if onsets.stroke[place]} == {
        8.0 + index / 8 for index in range(2, 16)
    }


def test_a_trill_begun_late_is_begun_at_its_beginning() -> None:
    page = trill(16)
    late_s = 0.3
    notes = [(beat * PERIOD_S + late_s * (beat >= 8.0), pitch) for beat, _, pitch in page]
    assert [position.beat for position in play(Score.from_notes(page), notes)] == [beat for beat, _, _ in page]


def test_a_widely_rolled_chord_is_one_chord_and_no_jump() -> None:
    """Five notes of one chord over a whole quarter, before a phrase that the page has again later."""
    phrase = [(float(beat), 1.0, pitch) for beat, pitch in enumerate((70, 72, 74, 77, 75, 72, 69, 65))]
    again = [(beat + 24.0, length, pitch) for beat, length, pitch in phrase]
    low = [(7.0, 1.0, pitch) for pitch in (41, 48, 53, 57, 60)]
    middle = [(beat + 8.0, length, pitch - 1) for beat, length, pitch in phrase]
    page = sorted([*phrase, *low, *middle, *again])
    score = Score.from_notes(page)
    notes = [(beat * PERIOD_S, pitch) for beat, _, pitch in page if pitch not in (41, 48, 53, 57, 60)]
    notes += [(7.0 * PERIOD_S + 0.09 * index, pitch) for index, pitch in enumerate((41, 48, 53, 57, 60), start=1)]
    beats = dict.fromkeys((41, 48, 53, 57, 60), 7.0)
    for (time_s, pitch), position in zip(sorted(notes), play(score, sorted(notes)), strict=True):
        assert position.beat == beats.get(pitch, round(time_s / PERIOD_S, 6))


def test_a_wrong_note_does_not_make_the_next_one_late() -> None:
    """The next wrong note has the very pitch that the first stood for: it is no straggler so long after."""
    rng = np.random.default_rng(7)
    pitches = [int(pitch) for pitch in rng.integers(58, 82, 40)]
    score = Score.from_notes([(float(beat), 1.0, pitch) for beat, pitch in enumerate(pitches)])
    notes = [(beat * PERIOD_S, pitch) for beat, pitch in enumerate(pitches)]
    notes[20] = (notes[20][0], pitches[20] + 6)
    notes[22] = (notes[22][0], pitches[20])
    assert [position.beat for position in play(score, notes)] == [float(beat) for beat in range(40)]


@pytest.mark.parametrize("played", [10])
def test_a_trill_with_fewer_strokes_than_written_keeps_its_time(played: int) -> None:
    score = Score.from_notes(trill(16))
    positions = play(score, [(beat * PERIOD_S, pitch) for beat, _, pitch in trill(played)])
    inside = positions[8 : 8 + played]
    off = [position.beat - (8.0 + 2.0 * index / played) for index, position in enumerate(inside)]
    assert max(abs(away) for away in off) <= 0.5
    assert [position.beat for position in positions[8 + played + 2 :]] == [12.0 + beat for beat in range(6)]


def test_a_bar_begun_again_is_no_leap_ahead() -> None:
    """Two bars begin alike; in the midst of the first the player stops, and begins it again."""
    rng = np.random.default_rng(12)
    pitches = [int(pitch) for pitch in rng.integers(58, 82, 96)]
    pitches[48:53] = pitches[40:45]  # eight notes a bar: the seventh bar begins like the sixth
    page = [(0.5 * index, 0.5, pitch) for index, pitch in enumerate(pitches)]
    order = [*range(46), *range(40, 96)]
    notes = [(0.25 * place + 1.2 * (place >= 46), pitches[index]) for place, index in enumerate(order)]
    positions = play(Score.from_notes(page), notes)
    reached = [max(order[: place + 1]) for place in range(len(order))]
    assert all(position.beat <= 0.5 * far for position, far in zip(positions, reached, strict=True))
    assert [position.beat for position in positions[51:]] == [0.5 * index for index in order[51:]]


def test_a_chord_struck_again_is_one_stroke_too_many() -> None:
    """The music comes again later with this chord twice, and that is no reason to go there."""
    rng = np.random.default_rng(13)
    chords = [sorted(int(pitch) for pitch in rng.choice(np.arange(45, 85), 5, replace=False)) for _ in range(24)]
    again = [*chords[:12], chords[11], *chords[12:]]
    page = [(float(beat), 1.0, pitch) for beat, chord in enumerate([*chords, *again]) for pitch in chord]
    goes = [*range(12), 11, *range(12, 24)]
    start_s = [0.5 * go - 0.25 * (go >= 12) for go in range(25)]
    notes = [
        (start_s[go] + 0.004 * place, pitch) for go, beat in enumerate(goes) for place, pitch in enumerate(chords[beat])
    ]
    positions = play(Score.from_notes(page), notes)
    assert [position.beat for position in positions] == [float(beat) for beat in goes for _ in range(5)]


def test_who_leaves_a_long_rest_out_is_not_noodling_in_it() -> None:
    """Of eight bars of rest the player leaves seven out, and strikes a wrong note now and then."""
    rng = np.random.default_rng(14)
    pitches = [int(pitch) for pitch in rng.choice([60, 62, 65, 67, 69, 72], 80)]
    beats = [0.5 * index + 32.0 * (index >= 16) for index in range(80)]
    score = Score.from_notes([(beat, 0.5, pitch) for beat, pitch in zip(beats, pitches, strict=True)])
    notes = [
        (0.25 * index + 2.0 * (index >= 16), pitch + 6 * (index % 5 == 2 and index >= 16))
        for index, pitch in enumerate(pitches)
    ]
    away = [abs(position.beat - beat) for position, beat in zip(play(score, notes), beats, strict=True)]
    assert max(away[:16]) == 0.0
    assert max(away[32:]) <= 0.5
