"""What goes wrong in the evaluation of followers goes wrong as it says, and its truth with it."""

from __future__ import annotations

import numpy as np
import pytest

from collaparte.evaluate.follow import run_follower
from collaparte.evaluate.follow_cases import Case, Playing, held_out
from collaparte.evaluate.follow_rows import summarise_in_order, summarise_jumps, told_row
from collaparte.evaluate.follow_variants import VARIANTS
from collaparte.score import Score

RNG = np.random.default_rng(3)
SCORE = Score.from_notes([(0.5 * index, 0.5, int(pitch)) for index, pitch in enumerate(RNG.integers(55, 85, 200))])
ROWS = SCORE.solo
PLAYING = Playing(
    0.5 + 0.5 * ROWS["beat"],
    ROWS["pitch"].copy(),
    np.full(len(ROWS), 64, np.int16),
    ROWS["beat"].copy(),
    np.zeros(len(ROWS), np.int64),
)


def vary(name: str, seed: int = 1) -> Playing:
    return VARIANTS[name](PLAYING, SCORE, np.random.default_rng(seed))


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_the_same_seed_gives_the_same_playing_in_order_of_time(name: str) -> None:
    one, two = vary(name), vary(name)
    assert np.array_equal(one.time_s, two.time_s)
    assert np.array_equal(one.pitch, two.pitch)
    assert np.all(np.diff(one.time_s) >= 0)


@pytest.mark.parametrize(("name", "by_beats"), [("skip 8", 8.0), ("repeat 8", -8.0)])
def test_a_jump_goes_on_in_tempo_elsewhere(name: str, by_beats: float) -> None:
    playing = vary(name)
    after = int(np.flatnonzero(playing.passage == 1)[0])
    assert playing.beat[after] - playing.beat[after - 1] == pytest.approx(by_beats + 0.5)
    assert playing.time_s[after] - playing.time_s[after - 1] == pytest.approx(0.25)
    assert playing.jump_s == pytest.approx(playing.time_s[after])


def test_a_tenth_is_wrong_or_missing() -> None:
    wrong = vary("10 % wrong")
    assert 0.04 < np.mean(wrong.pitch != PLAYING.pitch) < 0.18
    changed = vary("10 % omitted, 10 % added")
    assert np.isnan(changed.beat).sum() == 20
    assert 160 <= (~np.isnan(changed.beat)).sum() <= 195


def test_the_pause_lasts_six_seconds() -> None:
    assert np.diff(vary("pause 6 s").time_s).max() == pytest.approx(6.25)


def test_perfect_playing_is_followed_without_an_error() -> None:
    row = summarise_in_order("here", "clean", "paths", [run_follower("paths", SCORE, PLAYING)])
    assert (row.mean_ms, row.within_25, row.near_half_beat, row.lost) == (0.0, 100.0, 100.0, 0)


@pytest.mark.parametrize("name", ["skip 8", "repeat 8", "restart bar", "start anywhere"])
def test_every_jump_is_found_within_three_seconds(name: str) -> None:
    runs = [run_follower("paths", SCORE, vary(name, seed)) for seed in range(6)]
    row = summarise_jumps("here", name, "paths", runs)
    assert row.found == 6
    assert row.median_s <= 1.5
    assert row.half_beat_after > 85.0


def test_held_out_pieces_share_no_music_with_the_others() -> None:
    names = [f"piece {number}" for number in range(40)] + [f"piece {number}_no_repeat" for number in range(8)]
    kept = held_out(names)
    others = {name.removesuffix("_no_repeat") for name in names if name not in kept}
    assert len(kept) >= 5
    assert kept == held_out(list(reversed(names)))
    assert all(name.removesuffix("_no_repeat") not in others for name in kept)


def test_who_is_told_every_note_misses_only_what_sounds_out_of_order() -> None:
    time_s = PLAYING.time_s.copy()
    time_s[50] += 0.3  # after the next note, which comes a quarter of a second later
    order = np.argsort(time_s, kind="stable")
    playing = Playing(
        time_s[order], PLAYING.pitch[order], PLAYING.velocity[order], PLAYING.beat[order], PLAYING.passage
    )
    row = told_row("here", "clean", [(Case("tune", SCORE, playing), playing)])
    assert row.within_25 == pytest.approx(99.5)
    assert row.within_50 == 100.0


def test_who_goes_back_is_where_they_are_and_onsets_count_once() -> None:
    playing = VARIANTS["amateur 3"](PLAYING, SCORE, np.random.default_rng(2))
    assert len(playing.truth.onsets) <= len(np.unique(SCORE.solo["beat"]))
    there = playing.whereabouts.onsets
    assert len(there) > len(playing.truth.onsets)
    order = np.argsort(there.first_s, kind="stable")
    assert (np.diff(there.beat[order]) < 0).sum() == len(np.unique(there.passage)) - 1 > 0
