"""Match files of both dialects, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collaparte.errors import UnreadableScore
from collaparte.training.data import DELETION, INSERTION, MATCH, read_match

NEW = """info(matchFileVersion,1.0.0).
info(midiClockUnits,480).
info(midiClockRate,500000).
scoreprop(timeSignature,6/8,0:1,0,-1.0000).
scoreprop(timeSignature,2/4,2:1,0,6.0000).
snote(n1,[B,n],3,0:1,0,1/8,-1.0000,0.0000,[v1,staff1])-note(n0,59,960,1200,44,0,0).
snote(n2,[E,n],4,1:1,0,3/8,0.0000,3.0000,[v1,staff1])-note(n1,64,1440,1920,54,0,0).
snote(n3,[F,#],4,1:2,0,3/8,3.0000,6.0000,[v1,staff1,fermata])-deletion.
insertion-note(n2,61,1500,1600,30,0,0).
snote(n5,[C,n],5,2:1,0,0,6.0000,6.0000,[v1,staff1,grace])-note(n4,72,2860,2880,50,0,0).
snote(n4,[D,b],5,2:1,0,1/4,6.0000,7.0000,[v1,staff1])-note(n3,73,2880,3360,70,0,0).
sustain(0,64).
"""
OLD = """info(matchFileVersion,5.0).
info(midiClockUnits,480).
info(midiClockRate,500000).
info(timeSignature,[2/4]).
snote(n2,[C,#],5,0:1,1/8,3/32,-0.5,-0.125,[])-note(n0,[C,#],5,480,720,730,60).
snote(n3,[D,n],5,1:1,0,1/4,0.0,1.0,[])-note(n1,[D,n],5,960,1300,1310,59).
insertion-note(n9,[B,b],3,1000,1010,1010,33).
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "a.match"
    path.write_text(text, encoding="utf-8")
    return path


def test_both_dialects_become_quarters_and_seconds(tmp_path: Path) -> None:
    new = read_match(written(tmp_path, NEW))
    # six-eight counts eighths, then two-four counts quarters: pick-up .5, two dotted quarters, then 3.5
    np.testing.assert_allclose(new.beat[new.in_score], [0.0, 0.5, 2.0, 3.5, 3.5])
    np.testing.assert_allclose(new.duration_beats[new.in_score], [0.5, 1.5, 1.5, 0.0, 1.0])
    assert new.kind.tolist() == [MATCH, MATCH, DELETION, MATCH, MATCH, INSERTION]
    assert new.pitch.tolist() == [59, 64, 66, 72, 73, 61]
    np.testing.assert_allclose(new.onset_s[new.performed], [1.0, 1.5, 2860 / 960, 3.0, 1.5625])
    assert new.grace.tolist() == [False, False, False, True, False, False]
    assert new.fermata.tolist() == [False, False, True, False, False, False]
    np.testing.assert_allclose(new.bar_beats, [0.0, 0.5, 3.5])
    assert new.unmatched_share == pytest.approx(0.2)

    old = read_match(written(tmp_path, OLD))
    np.testing.assert_allclose(old.beat[old.in_score], [0.0, 0.5])
    assert old.pitch.tolist() == [73, 74, 58]
    assert old.velocity.tolist() == [60, 59, 33]
    np.testing.assert_allclose(old.offset_s, [0.75, 1300 / 960, 1010 / 960])


@pytest.mark.parametrize(
    "text", ["", "PK\x03\x04", NEW.split("snote")[0], OLD.replace("info(timeSignature,[2/4]).", "")]
)
def test_what_is_no_match_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableScore, match=r"a\.match"):
        read_match(written(tmp_path, text))
