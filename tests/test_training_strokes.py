"""The chord ear's weights and their passport belong together; what they learn from says what was struck, and when."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from test_listen_chords import struck

from collaparte.evaluate.follow_cases import held_out, music
from collaparte.listen.hearing.chords.bands import LOWEST
from collaparte.listen.hearing.chords.strokes import FEATURES, LATER, WEIGHTS
from collaparte.listen.hearing.spectrum import SAMPLE_RATE
from collaparte.training.data.corpus import unpack
from collaparte.training.strokes_sounds import _beside, labels, samples, split

PASSPORT = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
NO_PEDAL = np.zeros((0, 2))


def test_the_passport_is_that_of_the_weights() -> None:
    assert PASSPORT["weights_sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert "CC BY-NC-SA 4.0" in PASSPORT["licence"]
    with np.load(WEIGHTS) as layers:
        assert layers["w0"].shape[0] == FEATURES


@pytest.mark.corpora
def test_nothing_was_learnt_from_what_is_reported_on(corpora: Path) -> None:
    folder = unpack("nasap", corpora)
    names = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.match")}
    kept = set(held_out(names))
    told = PASSPORT["learnt_from"]
    learnt, checked = set(told["pieces"]), set(told["pieces_for_checking"])
    assert len(learnt) > 80
    assert learnt | checked <= names - kept
    assert not {music(name) for name in learnt} & {music(name) for name in checked}


def test_music_that_is_learnt_under_another_name_is_not_for_checking() -> None:
    names = [*(f"piece_{number}" for number in range(14)), "piece_7_no_repeat"]
    learnt, checked = split(names)
    assert learnt == [name for name in names if name != "piece_7"]
    assert checked == []


def test_a_label_stands_where_a_stroke_is_judged_and_the_pedal_holds_what_sounds() -> None:
    notes = np.array([(0.5, 0.7, 60, 80), (1.0, 1.1, 64, 80)])
    pedal = np.array([(0.6, 100.0), (1.5, 0.0)])
    hit, sounding = labels(notes, pedal, 300)
    assert np.argwhere(hit).tolist() == [[50 + LATER, 60 - LOWEST], [100 + LATER, 64 - LOWEST]]
    assert int(np.flatnonzero(sounding[:, 60 - LOWEST])[-1]) == 150 + LATER - 1
    _, dry = labels(notes, NO_PEDAL, 300)
    assert int(np.flatnonzero(dry[:, 60 - LOWEST])[-1]) == 70 + LATER - 1


def rendered(folder: Path) -> None:
    """Little files as the renderer leaves them: to learn from, for checking, for neither."""
    for number, use in enumerate(("learn", "check", "neither")):
        notes = [(0.4 + 0.35 * step, 0.3, 55 + (5 * step + number) % 24) for step in range(8)]
        rows = np.array([(begin, begin + length, pitch, 80) for begin, length, pitch in notes])
        np.savez(folder / f"{number:03d}.npz", sound=struck(notes), notes=rows, pedal=NO_PEDAL, use=use)
    (folder / "rendered.json").write_text("{}", encoding="utf-8")


def test_every_stroke_is_a_sample_and_the_same_seed_gives_the_same_samples(tmp_path: Path) -> None:
    rendered(tmp_path)
    once, again = list(samples(tmp_path, 1)), list(samples(tmp_path, 1))
    assert [part[2] for part in once] == [False, True]
    for (seen, rows, _), (seen_again, _, _) in zip(once, again, strict=True):
        assert int(rows[:, 0].sum()) == 8
        assert seen.shape == (len(rows), FEATURES)
        np.testing.assert_array_equal(seen, seen_again)
    assert not np.array_equal(once[0][0][:50], next(samples(tmp_path, 2))[0][:50])


def test_what_sounds_beside_the_piano_is_as_loud_as_asked() -> None:
    rng = np.random.default_rng(1)
    other = [np.sin(np.arange(5000, dtype=np.float32))]
    for _ in range(12):
        sound = _beside(SAMPLE_RATE, other, rng)
        assert len(sound) == SAMPLE_RATE
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(1.0, rel=1e-3)


def test_learning_tells_strokes_and_gives_the_same_weights_again(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'collaparte[train]'")
    from collaparte.training.strokes import judged, train

    rng = np.random.default_rng(3)
    seen = rng.standard_normal((6000, FEATURES)).astype(np.float16)
    rows = np.stack([seen[:, 0] > 1.2, seen[:, 1] > 0], axis=1).astype(float)
    once, again = train(seen, rows, 30, 1), train(seen, rows, 30, 1)
    assert all(np.array_equal(once[name], again[name]) for name in once)
    assert judged(once, seen, rows)["even_recall"] > 0.9
