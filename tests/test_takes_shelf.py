"""Takes kept, found, deleted, forgotten; and taken elsewhere."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import pytest

from collaparte.errors import TakeError
from collaparte.events import Command, OrchestraEvent, Position, SoloEvent, TakeHeader, TempoPlan, Value
from collaparte.score import Score
from collaparte.takes import (
    Shelf,
    Take,
    TakeWarning,
    TakeWriter,
    data_folder,
    make_take,
    write_csv,
    write_take,
)
from collaparte.takes.shelf import plain_name

SCORE = Score.from_notes([(float(beat), 1.0, 60) for beat in range(20)], title="Air")


def take_of(soloist: str, started: str | None, piece: str = "Air", digest: str = SCORE.digest) -> Take:
    values: list[Value] = []
    for beat in range(20):
        time_s = 1.0 + beat / 2
        values += [
            SoloEvent(time_s, time_s, True, 60),
            Position(time_s, time_s, float(beat), 1.0, "playing"),
            OrchestraEvent(time_s, float(beat), "Strings", True, 48, 60, note=beat),
            OrchestraEvent(time_s + 0.4, beat + 0.8, "Strings", False, 48, 0, note=beat),
            SoloEvent(time_s + 0.3, time_s + 0.3, False, 60),
        ]
    return make_take(TakeHeader(piece, digest, soloist, started=started), values)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "data")
    for take in (
        take_of("Anna", "2026-01-02T10:00:00"),
        take_of("Bert", "2026-01-01T10:00:00"),
        take_of("Anna", "2026-01-03T10:00:00", "Gigue", "feedfacefeedface"),
    ):
        path = shelf.new_path(take.header)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_take(take, path)
    return shelf


def test_takes_are_listed_oldest_first_and_by_piece_and_soloist(shelf: Shelf) -> None:
    assert [(kept.piece, kept.soloist) for kept in shelf.list()] == [
        ("Air", "Bert"),
        ("Air", "Anna"),
        ("Gigue", "Anna"),
    ]
    assert [kept.soloist for kept in shelf.list(piece="air")] == ["Bert", "Anna"]
    assert [kept.piece for kept in shelf.list(soloist="anna")] == ["Air", "Gigue"]
    kept = shelf.list()[0]
    assert (kept.duration_s, kept.solo_notes, kept.orchestra_notes) == (10.9, 20, 20)
    assert shelf.read(kept.name).header.soloist == "Bert"


def test_a_take_is_found_by_name_beginning_or_identity(shelf: Shelf) -> None:
    kept = shelf.list()[2]
    assert kept.name == "gigue-2026-01-03-100000"
    assert shelf.find("gig") == shelf.find(kept.identity) == shelf.find(kept.name) == kept
    with pytest.raises(TakeError, match="several"):
        shelf.find("air")
    with pytest.raises(TakeError, match="not a take"):
        shelf.find("waltz")
    with pytest.raises(TakeError):
        shelf.find("")


def test_a_new_take_never_gets_the_name_of_another(shelf: Shelf) -> None:
    header = shelf.read("gig").header
    path = shelf.new_path(header)
    assert path.name == "gigue-2026-01-03-100000-2.jsonl"
    with TakeWriter(path, header) as writer:
        writer.write(SoloEvent(1.0, 1.0, True, 60))
    assert len(shelf.list()) == 4


def test_hostile_names_are_no_paths(shelf: Shelf) -> None:
    path = shelf.new_path(TakeHeader("../../etc/passwd", "../..", "/root", started="../../x"))
    assert shelf.takes in path.parents
    assert ".." not in str(path.relative_to(shelf.folder))
    assert shelf.memory("../../root").folder.parent == shelf.folder / "memory"
    assert plain_name("///") == "nobody"
    assert plain_name("Åses død") == "Åses-død"


@pytest.mark.parametrize("harm", ["missing", "garbage", "older", "wrong tables", "truncated"])
def test_a_missing_or_corrupt_index_is_made_anew_from_the_files(shelf: Shelf, harm: str) -> None:
    before = shelf.list()
    index = shelf.folder / "index.sqlite"
    if harm == "missing":
        index.unlink()
    elif harm == "garbage":
        index.write_bytes(b"this is no database" * 1000)
    elif harm == "truncated":
        index.write_bytes(index.read_bytes()[:5000])
    else:
        with sqlite3.connect(index) as connection:
            connection.execute("PRAGMA user_version = 99" if harm == "older" else "DROP TABLE takes")
        connection.close()
    assert sorted(shelf.list(), key=str) == sorted(before, key=str)
    assert shelf.rebuild() == 3


def test_the_index_follows_the_files(shelf: Shelf) -> None:
    kept = shelf.find("gig")
    kept.path.rename(kept.path.with_name("dance.jsonl"))
    assert shelf.find("dance").piece == "Gigue"
    with pytest.raises(TakeError):
        shelf.find("gig")
    bad = shelf.takes / "feedfacefeedface" / "bad.jsonl"
    bad.write_text("nonsense\n")
    with pytest.warns(TakeWarning, match="Not listed"):
        assert len(shelf.list()) == 3


def test_a_deleted_take_is_forgotten(shelf: Shelf) -> None:
    memory = shelf.memory("Anna")
    anna, bert = (next(kept for kept in shelf.list("Air", name)) for name in ("Anna", "Bert"))
    for kept in (anna, bert):
        assert memory.learn(shelf.read(kept.name), SCORE).remembered
    assert memory.pieces() == {SCORE.digest: 2}
    assert shelf.delete(anna.name) == anna
    assert not anna.path.exists()
    assert memory.pieces() == {SCORE.digest: 1}
    assert memory.runs(SCORE.digest)[0].take == bert.identity
    assert len(shelf.list()) == 2
    with pytest.raises(TakeError, match="not a take"):
        shelf.delete(anna.name)


def test_the_data_folder_is_the_environments_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLLAPARTE_DATA", str(tmp_path / "mine"))
    assert data_folder() == tmp_path / "mine"
    assert Shelf().list() == []
    monkeypatch.delenv("COLLAPARTE_DATA")
    assert data_folder().name == "collaparte"


def test_the_table_has_every_value_and_no_formula(tmp_path: Path) -> None:
    take = make_take(
        TakeHeader("Air", "0", "Anna"),
        [SoloEvent(0.5, 0.6, True, 60), TempoPlan(0.6, 0.5, 0.0, 0.5), Command(1.0, 1.0, "=cmd()"),
         OrchestraEvent(0.7, 0.0, "Violins, I", True, 64, 50)],
    )  # fmt: skip
    write_csv(take, tmp_path / "take.csv")
    with (tmp_path / "take.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["solo", "plan", "command", "orchestra"]
    assert float(rows[0]["heard_s"]) == 0.6
    assert rows[0]["beat_period_s"] == ""
    assert rows[2]["name"] == "'=cmd()"
    assert rows[3]["part"] == "Violins, I"
