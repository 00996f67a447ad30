"""Match files read by the ruler: both dialects, metres as quarters, and against partitura on real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collaparte.errors import SoloistError
from collaparte.measure import read_truth
from collaparte.score import Score

NEW = """info(matchFileVersion,1.0.0).
info(midiClockUnits,480).
info(midiClockRate,500000).
scoreprop(timeSignature,6/8,0:1,0,-1.0000).
snote(n1-1,[C,#],5,0:1,1/8,1/8,-1.0000,0.0000,[v1,staff1])-note(n0,73,480,661,108,0,0).
snote(n2-1,[E,n],4,1:1,0,1/4,0.0000,2.0000,[v3,staff2])-note(n1,64,960,1168,84,0,0).
snote(n3-1,[A,n],4,1:1,0,1/4,0.0000,2.0000,[v3,staff2])-note(n2,69,980,1168,84,0,0).
snote(n4-1,[G,n],4,1:1,0,0,0.0000,0.0000,[v3,staff2,grace])-note(n3,67,940,950,84,0,0).
snote(n5-1,[B,b],4,1:2,0,1/4,2.0000,4.0000,[v3,staff2])-deletion.
insertion-note(n4,30,1000,1100,20,0,0).
scoreprop(timeSignature,2/4,2:1,0,6.0000).
snote(n6-1,[C,n],4,2:1,0,1/4,6.0000,7.0000,[v3,staff2])-note(n5,60,2400,2500,84,0,0).
snote(n7-1,[D,n],4,2:2,0,1/4,7.0000,8.0000,[v3,staff2])-note(n6,62,2880,2900,84,0,0).
"""
OLD = """info(matchFileVersion,5.0).
info(midiClockUnits,1000).
info(midiClockRate,500000).
info(timeSignature,[2/4]).
snote(n2,[C,#],5,0:1,1/8,3/32,-0.5,-0.125,[])-note(n0,[C,#],5,54,432,432,60).
snote(n3,[D,n],5,0:1,7/32,1/32,-0.125,0.0,[])-note(n1,[D,n],5,456,564,564,59).
snote(n5,[E,n],5,1:1,0,1/8,0.0,0.5,[])-note(n2,[E,n],5,586,1050,1050,62).
"""


def test_the_new_dialect_counts_quarters_through_its_metres(tmp_path: Path) -> None:
    path = tmp_path / "new.match"
    path.write_text(NEW)
    truth = read_truth(path)
    assert truth.beat.tolist() == [0.0, 0.5, 0.5, 3.5, 4.5]  # eighths are halves; the pick-up begins at 0
    assert truth.time_s == pytest.approx([0.5, 1.0, 980 / 960, 2.5, 3.0])
    assert truth.missing.tolist() == [1.5]
    chords = truth.onsets
    assert chords.notes.tolist() == [1, 2, 1, 1]
    assert chords.mean_s[1] == pytest.approx((1.0 + 980 / 960) / 2)


def test_the_old_dialect_too(tmp_path: Path) -> None:
    path = tmp_path / "old.match"
    path.write_text(OLD)
    truth = read_truth(path)
    assert truth.beat.tolist() == [0.0, 0.375, 0.5]
    assert truth.time_s == pytest.approx([0.027, 0.228, 0.293])


def test_with_the_score_the_beats_are_the_scores(tmp_path: Path) -> None:
    path = tmp_path / "old.match"
    path.write_text(OLD)
    solo = [(2.5, 0.375, 73), (2.875, 0.125, 74), (3.0, 0.5, 76)]  # another part begins earlier
    assert read_truth(path, Score.from_notes(solo, [(0.0, 1.0, 40)])).beat.tolist() == [2.5, 2.875, 3.0]


@pytest.mark.parametrize("content", ["", "nonsense", "insertion-note(n4,30,1000,1100,20,0,0)."])
def test_what_is_no_match_file_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.match").write_text(content)
    with pytest.raises(SoloistError, match="match file"):
        read_truth(tmp_path / "x.match")
    with pytest.raises(SoloistError, match="cannot be read"):
        read_truth(tmp_path / "missing.match")
    (tmp_path / "x.match").write_text(OLD.replace("1000", "0"))
    with pytest.raises(SoloistError, match="midiClockUnits"):
        read_truth(tmp_path / "x.match")


@pytest.mark.corpora
def test_real_match_files_are_read_as_partitura_reads_them(corpus: Callable[[str], Path]) -> None:
    import partitura

    for path in sorted(corpus("vienna4x22").rglob("*D783*_p0[12].match")):
        truth = read_truth(path)
        performance, alignment, score = partitura.load_match(str(path), create_score=True)
        page = score[0].note_array(include_grace_notes=True)
        written = {str(note["id"]): note for note in page}
        played = {str(note["id"]): float(note["onset_sec"]) for note in performance[0].note_array()}
        rows = [
            (played[str(pair["performance_id"])], float(written[pair["score_id"]]["onset_quarter"]))
            for pair in alignment
            if pair["label"] == "match" and not written[pair["score_id"]]["is_grace"]
        ]
        theirs = np.array(sorted(rows))
        assert len(truth.beat) == pytest.approx(len(theirs), rel=0.01)
        ours = set(zip(np.round(truth.time_s, 2).tolist(), np.round(truth.beat, 1).tolist(), strict=True))
        beats = np.round(theirs[:, 1] - page["onset_quarter"].min(), 1)
        known = set(zip(np.round(theirs[:, 0], 2).tolist(), beats.tolist(), strict=True))
        assert len(ours & known) > 0.97 * len(known), path.name
