"""The page as it is practised: transposed, with short tuttis, one hand alone; and how loud its sections are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_scores import HEAD

from collaparte.errors import CollaparteError, ScoreError
from collaparte.events import Command
from collaparte.pieces import piece_path
from collaparte.score import Part, Score, read_score, section_of, sections
from collaparte.sound.balance import balance_of, bend_of, levels_of, tuning_messages, turned, volume_of

EVERY_BEAT = [(float(beat), 1.0, 48 + beat % 5) for beat in range(40)]


def test_a_transposed_page_sounds_elsewhere_and_is_the_same_piece() -> None:
    page = read_score(piece_path("greensleeves"), None, "Solo Violin")
    higher = read_score(piece_path("greensleeves"), None, "Solo Violin", transpose=3)
    assert np.array_equal(higher.notes["pitch"], page.notes["pitch"] + 3)
    assert np.array_equal(higher.notes["beat"], page.notes["beat"])
    assert higher.digest == page.digest  # what is remembered of the rubato holds in every key


def test_percussion_is_not_transposed_and_what_leaves_the_range_is_said() -> None:
    page = Score.from_notes([(0.0, 1.0, 60)], [(0.0, 1.0, 40)])
    parts = (page.parts[0], Part("Drum", 2, 0, percussion=True))
    from dataclasses import replace

    from collaparte.score import transpose

    assert transpose(replace(page, parts=parts), -5).notes["pitch"].tolist() == [40, 55]
    with pytest.raises(ScoreError, match="out of MIDI's range"):
        transpose(Score.from_notes([(0.0, 1.0, 120)]), 12)
    with pytest.raises(ScoreError, match="at most 24"):
        transpose(page, 25)


@pytest.mark.parametrize(("bars", "gone"), [(0, 16.0), (1, 12.0), (3, 4.0), (9, 0.0)])
def test_a_tutti_is_shortened_to_its_last_bars(bars: int, gone: float) -> None:
    from collaparte.score import shorten_tuttis

    solo = [(float(beat), 1.0, 60 + beat % 12) for beat in range(36) if not 8 <= beat < 24]
    page = Score.from_notes(solo, EVERY_BEAT)
    short = shorten_tuttis(page, bars)
    assert short.end_beat == page.end_beat - gone
    assert [bar.number for bar in short.bars if bar.beat >= 8][:1] == [str(3 + int(gone / 4))]
    assert short.digest == page.digest
    assert len(short.solo) == len(page.solo)
    assert short.notes["beat"].max() == 39.0 - gone  # the ending after the soloist's last note stays


def test_an_introduction_is_shortened_too_and_the_bar_in_which_the_soloist_ends_stays() -> None:
    page = read_score(piece_path("washerwoman"), None, "Solo Violin")
    short = read_score(piece_path("washerwoman"), None, "Solo Violin", tutti_bars=1)
    entries = [float(short.solo_onsets[0]), *(stop for _, stop in short.solo_rests if stop < short.end_beat)]
    assert all(short.bar_at(entry).duration_beats == 3.0 for entry in entries)
    assert float(short.solo_onsets[0]) == page.solo_onsets[0] - 7 * 3.0
    assert len(short.bars) < len(page.bars)


def two_staves(folder: Path) -> Path:
    def note(step: str, octave: int, staff: int) -> str:
        return (f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>16</duration>"
                f"<voice>{staff}</voice><staff>{staff}</staff></note>")  # fmt: skip

    head = HEAD.format("<staves>2</staves>")
    bars = "".join(
        f'<measure number="{number}">{head if number == 1 else ""}{note(step, 5, 1)}'
        f"<backup><duration>16</duration></backup>{note(step, 3, 2)}</measure>"
        for number, step in enumerate("CDEF", 1)
    )
    path = folder / "piano.musicxml"
    path.write_text(
        '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>Piano</part-name>'
        f'</score-part></part-list><part id="P1">{bars}</part></score-partwise>'
    )
    return path


def test_one_hand_is_mine_and_the_orchestra_plays_the_other(tmp_path: Path) -> None:
    path = two_staves(tmp_path)
    both = read_score(path)
    right, left = read_score(path, hand="right"), read_score(path, hand="left")
    assert right.solo["pitch"].tolist() == [72, 74, 76, 77]
    assert right.orchestra["pitch"].tolist() == [48, 50, 52, 53]
    assert left.solo["pitch"].tolist() == [48, 50, 52, 53]
    assert [part.name for part in left.parts] == ["Piano (right hand)", "Piano (left hand)"]
    assert len({both.digest, right.digest, left.digest}) == 3  # each has a memory of its own
    with pytest.raises(ScoreError, match="no two staves"):
        read_score(piece_path("greensleeves"), None, "Solo Violin", hand="left")


@pytest.mark.parametrize(
    ("program", "section"),
    [(0, "keyboard"), (12, "percussion"), (40, "strings"), (46, "plucked"), (47, "percussion"), (48, "strings"),
     (52, "voices"), (60, "brass"), (68, "winds"), (73, "winds"), (81, "others")],
)  # fmt: skip
def test_parts_sit_in_sections(program: int, section: str) -> None:
    assert section_of(Part("x", 1, program)) == section
    assert section_of(Part("x", 1, program, percussion=True)) == "percussion"


def test_a_balance_is_the_wholes_times_the_sections_times_the_parts() -> None:
    page = read_score(piece_path("washerwoman"), None, "Solo Violin")
    assert list(sections(page.parts)) == ["strings", "winds"]
    balance = balance_of(["strings=0.5", "flute=1.2", "Orchestra=0.5"], page.parts)
    levels = levels_of(balance, page.parts)
    assert levels["Flute"] == pytest.approx(0.6)
    assert levels["Cellos"] == pytest.approx(0.25)
    assert "Solo Violin" not in levels
    with pytest.raises(CollaparteError, match="NAME=LEVEL"):
        balance_of(["trumpets=1"], page.parts)
    heard = turned([Command(3.0, 3.0, "balance", 0.0, "winds")], page.parts, {"winds": 0.5})
    assert (0.0, "Flute", 0.5) in heard
    assert (3.0, "Flute", 0.0) in heard


def test_levels_and_tunings_are_midi() -> None:
    assert [volume_of(level) for level in (0.0, 0.25, 1.0, 1.5, 9.0)] == [0, 50, 100, 122, 127]
    assert (bend_of(440.0), bend_of(415.3047), bend_of(466.1638)) == (8192, 4096, 12288)
    assert tuning_messages(3, 440.0)[-1] == (0xE3, 0, 64)
    assert tuning_messages(9, 415.0) == []
