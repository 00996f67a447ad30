"""Real scores: everything in the corpora loads, and says what partitura's own unfolding says."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collaparte.errors import PartNotFound, TimelineMismatch
from collaparte.score import NOTE, ORNAMENT, Score, describe, read_score

pytestmark = pytest.mark.corpora
Corpus = Callable[[str], Path]

# Two or more parts whose bars or repeats contradict each other: partitura lets them drift apart, the page does not.
CONTRADICTORY = {"Faisst-4_Dulde__gedulde_dich_fein", "Gonzaga-Feijoada_do_Brasil", "Ja_ll-2_Causeries_de_vagues",
                 "Lang-3_Abermals_am_See", "Duchambge-Pri_re_des_laboureurs"}  # fmt: skip
SINGERS = ("Voice", "Soprano")  # as --solo would name them; in four songs there are several singers


@pytest.fixture(autouse=True, scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLLAPARTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def voice_of(file: Path) -> tuple[Score, str]:
    """A song with its voice as soloist, chosen by name, and that name; the only part where nobody sings."""
    page = read_score(file, choose=False)
    for name in SINGERS:
        with contextlib.suppress(PartNotFound):
            return page.with_solo([name]), name
    assert len(page.parts) == 1
    return page.with_solo(["1"]), page.parts[0].name


def by_partitura(file: Path) -> list[tuple[str, float, float, int]]:
    """(id, onset, duration, pitch) of partitura's longest unfolding, from its earliest quarter, sorted."""
    import partitura

    sys.setrecursionlimit(20_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unfolded = partitura.score.unfold_part_maximal(partitura.load_score(str(file), force_note_ids="keep"))
        arrays = [part.note_array() for part in unfolded.parts]
    earliest = min(float(array["onset_quarter"].min()) for array in arrays if len(array))
    return sorted(
        (str(row["id"]), float(row["onset_quarter"]) - earliest, float(row["duration_quarter"]), int(row["pitch"]))
        for array in arrays
        for row in array
    )


def must_equal_partitura(file: Path, score: Score) -> None:
    """Every note but the little ones of ornaments, which partitura does not play out."""
    written = score.notes[score.notes["kind"] != ORNAMENT]
    ours = sorted(
        (str(row["id"]), float(row["beat"]), float(row["duration_beats"]), int(row["pitch"])) for row in written
    )
    theirs = by_partitura(file)
    assert len(ours) == len(theirs)
    assert [row[0] for row in ours] == [row[0] for row in theirs]
    for column in (1, 2, 3):
        assert np.allclose([row[column] for row in ours], [row[column] for row in theirs], atol=1e-3)


def must_be_sound(score: Score) -> None:
    """What holds for every page."""
    assert score.notes["beat"].min() == 0.0
    assert (score.notes["beat"] >= 0).all()
    assert len(score.solo_onsets) > 0
    starts = np.array([bar.beat for bar in score.bars])
    ends = starts + np.array([bar.duration_beats for bar in score.bars])
    assert np.allclose(starts[1:], ends[:-1])
    assert starts[0] == 0.0
    assert score.notes["beat"].max() <= ends[-1] + 1e-9
    assert sum(bar.duration_beats for bar in score.bars) == pytest.approx(ends[-1])
    assert all(0 <= item.beat <= score.end_beat for item in score.fermatas)
    assert 10 < score.seconds_at(score.end_beat) < 3000
    assert all(jump.from_beat != jump.to_beat for jump in score.jumps)
    described = describe(score)
    assert sum(row.notes + row.grace_notes for row in described.parts) <= len(score.notes)


def test_all_songs_load_with_the_voice_and_agree_with_partitura(corpora: Path) -> None:
    songs = sorted((corpora / "lieder").glob("*.mxl"))
    assert len(songs) == 60
    fermatas = 0
    chosen: Counter[str] = Counter()
    signs: Counter[str] = Counter()
    for place, song in enumerate(songs):
        score, name = voice_of(song)
        must_be_sound(score)
        chosen[name] += 1
        signs.update(item.sign for item in score.ornaments)
        fermatas += len(score.fermatas)
        if place % 6 == 0 and song.stem not in CONTRADICTORY:  # all of them agree; partitura is slow
            must_equal_partitura(song, score)
    assert fermatas > 80
    assert chosen == {"Voice": 55, "Soprano": 4, "Piano": 1}  # one is an introduction for piano alone
    assert signs.keys() == {"arpeggiate", "tremolo", "trill-mark", "turn", "inverted-mordent"}
    assert signs["trill-mark"] >= 10


def test_parts_that_contradict_each_other_stay_together(corpora: Path) -> None:
    score, _ = voice_of(corpora / "lieder" / "Ja_ll-2_Causeries_de_vagues.mxl")
    assert any("barlines were brought together" in text for text in score.warnings)
    solo, piano = (rows["beat"][rows["kind"] == NOTE] for rows in (score.solo, score.orchestra))
    assert abs(solo.max() - piano.max()) < 16
    score, _ = voice_of(corpora / "lieder" / "Lang-3_Abermals_am_See.mxl")
    assert score.end_beat == 78 + 2 * (456 - 78) + 3 + 3  # the voice's two endings are the piano's, too
    assert {int(n) for n in score.orchestra["passing"]} == {1, 2}


def test_every_duet_loads_as_a_pair_with_primo_as_soloist(corpus: Corpus) -> None:
    folder = next(path.parent for path in corpus("duets").rglob("simple"))
    pairs = [(path, path.with_name("secondo.musicxml")) for path in sorted(folder.rglob("primo.musicxml"))]
    pairs += [
        (path, path.with_name(path.name.replace("Primo", "Secondo"))) for path in folder.rglob("*-Primo.musicxml")
    ]
    pairs += [
        (path, path.with_name(path.name.replace("Piano_1", "Piano_2"))) for path in folder.rglob("*Piano_1.musicxml")
    ]
    assert len(pairs) == 16
    for primo, secondo in pairs:
        score = read_score(primo, secondo)
        must_be_sound(score)
        assert [part.solo for part in score.parts] == [True, False]
        alone = [read_score(path) for path in (primo, secondo)]
        required = [int(np.sum(rows["kind"] == NOTE)) for rows in (score.solo, score.orchestra)]
        assert required == [int(np.sum(page.notes["kind"] == NOTE)) for page in alone]
        for page, path in zip(alone, (primo, secondo), strict=True):
            must_equal_partitura(path, page)
    with pytest.raises(TimelineMismatch):
        read_score(pairs[0][0], pairs[1][1])


@pytest.mark.parametrize(("score_part", "match_folder"), [
    ("grieg_ases_tod/musicxml/*-Primo.musicxml", "grieg_ases_tod/match/cc_solo*"),
    ("schubert/musicxml/*Piano_1.musicxml", "schubert/match/cc_solo"),
    ("grieg_morning_mood/musicxml/primo.musicxml", "grieg_morning_mood/match/cc_solo"),
])  # fmt: skip
def test_engraving_and_match_file_agree_on_every_beat(corpus: Corpus, score_part: str, match_folder: str) -> None:
    folder = next(path.parent for path in corpus("duets").rglob("simple"))
    primo = next(folder.glob(score_part))
    secondo = next(
        primo.parent.glob(
            primo.name.replace("Primo", "Secondo").replace("Piano_1", "Piano_2").replace("primo", "secondo")
        )
    )
    score = read_score(primo, secondo)
    matches = sorted(path for each in folder.glob(match_folder) for path in each.glob("*.match"))
    assert matches
    for match in matches:
        compare_with_match(score, read_score(match), share=0.99)


def compare_with_match(score: Score, match: Score, share: float) -> None:
    """Notes of the same id lie on the same beat, both counted from a note they have in common."""
    ours = {str(row["id"]): row for row in score.solo}
    theirs = {name if name in ours else f"{name}-1": row for row in match.notes for name in [str(row["id"])]}
    common = sorted(set(ours) & set(theirs))
    assert len(common) >= share * len(theirs)
    difference = np.array([float(ours[name]["beat"]) - float(theirs[name]["beat"]) for name in common])
    assert np.abs(difference).max() < 1e-6
    assert all(ours[name]["pitch"] == theirs[name]["pitch"] for name in common)


def test_vienna_scores_and_their_match_files(corpus: Corpus) -> None:
    scores = sorted(corpus("vienna4x22").rglob("*.musicxml"))
    assert len(scores) == 4
    for file in scores:
        score = read_score(file)
        must_be_sound(score)
        must_equal_partitura(file, score)
        match = sorted(corpus("vienna4x22").rglob(f"{file.stem}_p*.match"))[0]
        compare_with_match(score, read_score(match), share=0.99)


def test_mendelssohn_is_a_pair_on_exact_ticks(corpora: Path) -> None:
    import mido

    files = [corpora / "concerto" / f"mendelssohn_op64_{part}.mid" for part in ("solo", "accompaniment")]
    score = read_score(*files)
    must_be_sound(score)
    assert [(part.name, part.solo) for part in score.parts] == [
        ("Violin", True),
        ("Piano", False),
        ("Piano (2)", False),
    ]
    ticks: list[list[int]] = []
    for file in files:
        midi = mido.MidiFile(file)
        ticks.append([])
        for track in midi.tracks:
            now = 0
            for message in track:
                now += message.time
                if message.type == "note_on" and message.velocity > 0:
                    ticks[-1].append(now)
    earliest = min(min(one) for one in ticks)
    for onsets, view in zip(ticks, (score.solo, score.orchestra), strict=True):
        assert np.array_equal(np.sort(view["beat"]), (np.sort(onsets) - earliest) / 480)
    assert len(score.solo) == 4838
    assert len(score.orchestra) == 4634 + 3292
    assert {(bar.numerator, bar.denominator) for bar in score.bars[:40]} == {(2, 2)}
    assert score.tutti
    assert len(score.tempi) > 10
