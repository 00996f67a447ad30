"""Match files of both dialects, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from collaparte.errors import UnreadableScore
from collaparte.training.data import DELETION, INSERTION, MATCH, read_match
from collaparte.training.data.corpus import load
from collaparte.training.data.onsets import forward, performance_of

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


def a_match(path: Path, seed: int, notes: int = 60, unmatched: int = 0) -> None:
    """A performance of a scale in four-four, with a bass under every bar, written as a match file."""
    rng = np.random.default_rng(seed)
    lines = [
        "info(matchFileVersion,1.0.0).", "info(midiClockUnits,480).", "info(midiClockRate,500000).",
        "scoreprop(timeSignature,4/4,1:1,0,0.0000).",
    ]  # fmt: skip
    steps, now = "CDEFGAB", 960
    for beat in range(notes):
        place = f"{beat // 4 + 1}:{beat % 4 + 1},0,1/4,{beat:.4f},{beat + 1:.4f},[v1,staff1]"
        high = 60 + 12 * ((beat // 7) % 2) + [0, 2, 4, 5, 7, 9, 11][beat % 7]
        played = f"note(n{beat},{high},{now},{now + 400},70,0,0)"
        head = f"snote(s{beat},[{steps[beat % 7]},n],{high // 12 - 1},{place})-"
        lines.append(head + (played if beat >= unmatched else "deletion") + ".")
        if beat % 4 == 0 and beat >= unmatched:
            low = f"{beat // 4 + 1}:1,0,1/1,{beat:.4f},{beat + 4:.4f},[v5,staff2]"
            lines.append(f"snote(b{beat},[C,n],2,{low})-note(m{beat},36,{now + 15},{now + 1600},50,0,0).")
        now += int(480 * np.exp(rng.normal(0, 0.05)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def little_corpus(tmp_path: Path) -> Path:
    for piece in range(3):
        for player in range(2):
            a_match(
                tmp_path / "corpus" / f"composer/piece{piece}" / f"P{player}.match", 10 * piece + player, 60 + piece
            )
    a_match(tmp_path / "corpus/composer/piece0/bad.match", 3, unmatched=30)
    (tmp_path / "corpus/composer/piece0/broken.match").write_text("nothing", encoding="utf-8")
    return tmp_path / "corpus"


def test_a_corpus_is_read_once_and_says_what_it_dropped(little_corpus: Path, tmp_path: Path) -> None:
    found = load(str(little_corpus), cache=tmp_path / "cache", progress=False)
    assert list(found.voice("all").by_piece) == ["composer/piece0", "composer/piece1", "composer/piece2"]
    assert len(found.voice("all").performances) == len(found.voice("melody").performances) == 6
    assert sorted(name for name, _ in found.dropped) == ["composer/piece0/bad", "composer/piece0/broken"]
    assert "unmatched" in dict(found.dropped)["composer/piece0/bad"]
    first = found.voice("all").performances[0]
    np.testing.assert_allclose(first.page.beat, np.arange(60.0))
    assert first.page.onsets["count"].tolist() == [2, 1, 1, 1] * 15
    assert first.page.onsets["bar_phase"][:5].tolist() == [0.0, 0.25, 0.5, 0.75, 0.0]
    assert first.time_s[0] == pytest.approx(1.0)  # the first note of the chord, not its mean
    for path in little_corpus.rglob("*.match"):
        path.touch()
    again = load(str(little_corpus), cache=tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again.performances[3].time_s, found.performances[3].time_s)
    assert len(list((tmp_path / "cache").glob("onsets-*.npy"))) == 1
    assert first.page is found.voice("all").performances[1].page  # one page for all who play it
    changed = little_corpus / "composer/piece0/P0.match"
    later = changed.read_text(encoding="utf-8").replace(",960,1360,", ",970,1370,")  # as long as before
    changed.write_text(later, encoding="utf-8")
    anew = load(str(little_corpus), cache=tmp_path / "cache", progress=False)
    assert anew.performances[0].time_s[0] == pytest.approx(970 / 960)


def test_the_melody_is_the_upper_voice(little_corpus: Path, tmp_path: Path) -> None:
    found = load(str(little_corpus), cache=tmp_path / "cache", progress=False).voice("melody").performances[0]
    assert found.page.onsets["count"].max() == 1
    assert found.page.onsets["low"].min() >= 60
    assert len(found.page) == 60


def test_train_data_shows_what_is_there(little_corpus: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from collaparte.cli.train import train

    picture = tmp_path / "spread.png"
    words = ["data", str(little_corpus), "--cache", str(tmp_path / "cache"), "--plot", str(picture)]
    told = CliRunner().invoke(train, words)
    assert told.exit_code == 0, told.output
    assert "3 pieces, 6 performances, 366 onsets" in " ".join(told.output.split())
    assert "dropped: composer/piece0/bad" in told.output
    assert picture.stat().st_size > 5000


@pytest.mark.corpora
def test_the_ballades_melody_is_found_again_in_its_performances(corpora: Path, corpus: Callable[[str], Path]) -> None:
    import mido

    given = mido.MidiFile(corpora / "concerto/chopin_ballade1_melody_reference.mid")
    theirs = [message.note for message in given if message.type == "note_on" and message.velocity]
    (take,) = corpus("nasap-train").rglob("Chopin/Ballades/1/Ali01.match")
    ours = performance_of(read_match(take), "Chopin/Ballades/1", "Ali01", "melody").page.onsets["top"].tolist()
    same = sum(block.size for block in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks())
    assert same / len(ours) > 0.8
    assert same / len(theirs) > 0.65


def test_times_that_run_back_are_left_out() -> None:
    times = np.array([1.0, 2.0, 9.0, 3.0, 4.0, np.nan, 5.0, 4.5, 6.0, 7.0])
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(forward(times))), [0, 1, 3, 4, 6, 8, 9])


@pytest.mark.corpora
def test_the_corpora_are_what_their_readers_take_them_for(corpora: Path, tmp_path: Path) -> None:
    found = load("vienna4x22", corpora, tmp_path, progress=False)
    assert len(found.voice("all").performances) == 88
    assert not found.dropped
    assert {len(items) for items in found.voice("all").by_piece.values()} == {22}
    duets = load("duets", corpora, tmp_path, progress=False)
    assert not any("basismixer" in item.name for item in duets.performances)
