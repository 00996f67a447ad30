"""Pictures say what was played, and can be written whatever was."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from collaparte.errors import TakeError
from collaparte.events import OrchestraEvent, Position, TakeHeader, TempoPlan, Value
from collaparte.measure import Track, group_onsets, reliability, truth_of_positions
from collaparte.plots import plot_memory, plot_reliability, plot_take, tempo_curve
from collaparte.score import Score
from collaparte.takes import Take, make_take, recollect, run_through

SCORE = Score.from_notes([(beat / 2, 0.5, 60) for beat in range(80)], title="Air")


def take(late_s: float = 0.02, beats: int = 80) -> Take:
    values: list[Value] = []
    time_s = 1.0
    for half in range(beats):
        values += [
            Position(time_s, time_s, half / 2, 0.95, "playing"),
            TempoPlan(time_s, time_s, half / 2, 0.5),
            OrchestraEvent(time_s + late_s, half / 2, "Strings", True, 48, 60),
        ]
        time_s += 0.25 * math.exp(0.2 * math.sin(half / 5))
    return make_take(TakeHeader("Air", SCORE.digest, "Anna"), values)


def test_the_tempo_curve_is_quarters_per_minute_over_at_least_a_quarter() -> None:
    times = np.r_[np.arange(0.0, 4.0, 0.25), 4.0 + np.arange(0.0, 4.0, 0.5)]
    onsets = group_onsets(np.arange(len(times)) / 2, times)
    beats, tempi = tempo_curve(onsets)
    assert tempi[:14] == pytest.approx(120.0)
    assert tempi[-5:-1] == pytest.approx(60.0)
    assert beats[:2] == pytest.approx([0.5, 1.0])
    twice = group_onsets([0.0, 1.0, 2.0, 0.0, 1.0, 2.0], [0.0, 0.5, 1.0, 2.0, 2.5, 3.0], [0, 0, 0, 1, 1, 1])
    assert np.isnan(tempo_curve(twice)[1]).tolist() == [False, False, True, False, False, True]
    rest = group_onsets([0.0, 1.0, 9.0, 10.0], [0.0, 0.5, 4.5, 5.0])
    assert tempo_curve(rest)[1][[0, 2]] == pytest.approx(120.0)
    assert np.isnan(tempo_curve(rest)[1][1])
    assert len(tempo_curve(group_onsets([], []))[0]) == 0


def labels_of(svg: Path) -> str:
    return svg.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_pictures_are_written_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"take{suffix}"
    plot_take(take(), SCORE, path)
    head = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(head)
    assert path.stat().st_size > 5_000


def test_the_picture_of_a_take_says_its_numbers(tmp_path: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_take(take(0.02), SCORE, tmp_path / "take.svg")
        plot_take(take(0.05), None, tmp_path / "beats.svg", truth_of_positions(take().positions))
        plot_memory(take(), SCORE, recollect(SCORE, [run_through(take(), SCORE)[0]]), tmp_path / "memory.svg")
        plot_memory(take(), SCORE, recollect(SCORE, []), tmp_path / "none.svg")
    text = labels_of(tmp_path / "take.svg")
    assert "80 onsets, median 20 ms, 100% within 30 ms" in text
    assert "bar (as printed" in text
    assert "Air: Anna and orchestra" in text
    text = labels_of(tmp_path / "beats.svg")
    assert "80 onsets, median 50 ms, 0% within 30 ms" in text
    assert "beat (quarters" in text
    assert "remembered from 1 take" in labels_of(tmp_path / "memory.svg")
    assert "nothing is remembered" in labels_of(tmp_path / "none.svg")


@pytest.mark.parametrize("beats", [0, 2])
def test_hardly_anything_can_be_drawn_too(tmp_path: Path, beats: int) -> None:
    little = take(beats=beats)
    plot_take(little, SCORE, tmp_path / "a.svg")
    plot_memory(little, SCORE, recollect(SCORE, [run_through(take(), SCORE)[0]]), tmp_path / "b.svg")
    plot_reliability(reliability(Track.of(little.positions), group_onsets([], [])), tmp_path / "c.svg")
    assert all((tmp_path / name).stat().st_size > 2_000 for name in ("a.svg", "b.svg", "c.svg"))


def test_an_unknown_suffix_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(TakeError, match=r"\.png, \.svg, \.pdf"):
        plot_take(take(), SCORE, tmp_path / "take.docx")
