"""The package's face: its names, and its silence."""

from __future__ import annotations

import subprocess
import sys

import pytest

import collaparte


@pytest.mark.parametrize("name", collaparte.__all__)
def test_every_name_of_the_face_is_there(name: str) -> None:
    assert getattr(collaparte, name) is not None
    assert name in dir(collaparte)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="orchestra_pit"):
        _ = collaparte.orchestra_pit  # type: ignore[attr-defined]


def test_importing_it_is_silent_and_brings_nothing_heavy() -> None:
    heavy = {"numpy", "partitura", "click", "rtmidi", "onnxruntime"}
    script = f"import sys, collaparte; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_face_is_enough_for_a_rehearsal() -> None:
    from collaparte.pieces import piece_path, solo_part

    score = collaparte.read_score(piece_path("greensleeves"), solo=[solo_part("greensleeves")])
    soloist = collaparte.simulate_solo(score, seed=1, level="low")
    engine = collaparte.Engine(
        score,
        collaparte.make_follower(None, score),
        collaparte.make_predictor("steady", score),
        collaparte.Settings(first_onset_s=soloist.events[0].time_s),
    )
    values = list(collaparte.rehearse(engine, collaparte.VirtualClock(soloist.events)))
    reached = [value.beat for value in values if value.kind == "position"]
    assert max(reached) == score.solo_onsets[-1]
