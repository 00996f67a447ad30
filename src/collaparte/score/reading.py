"""``read_score``: any readable file, or a pair of them, becomes a page with a soloist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from collaparte.errors import PartNotFound, UnreadableScore
from collaparte.score import cache as parsed
from collaparte.score import musicxml
from collaparte.score.engraved import read_engraved
from collaparte.score.marked import apply_marks
from collaparte.score.marks import find_marks, read_marks
from collaparte.score.midi import read_midi
from collaparte.score.page import Score
from collaparte.score.performed import perform
from collaparte.score.practice import Hand, shorten_tuttis, take_hand
from collaparte.score.practice import transpose as move_key
from collaparte.score.sheet import Sheet

READER = 5  # raised whenever the same file would give another page
MAX_FILE_BYTES = 100_000_000

Progress = Callable[[float, str], None]

_KINDS = {
    ".musicxml": "musicxml", ".xml": "musicxml", ".mxl": "musicxml", ".mid": "midi", ".midi": "midi",
    ".kar": "midi", ".smf": "midi", ".rmi": "midi", ".mei": "mei", ".krn": "kern", ".kern": "kern", ".match": "match",
}  # fmt: skip


def read_score(
    path: str | Path,
    accompaniment: str | Path | None = None,
    solo: Sequence[str] | str | None = None,
    *,
    repeats: bool = True,
    unfolding: str | None = None,
    marks: str | Path | None = None,
    choose: bool = True,
    transpose: int = 0,
    solo_sounds: int = 0,
    tutti_bars: int | None = None,
    hand: Hand = "both",
    cache: bool = True,
    progress: Progress | None = None,
) -> Score:
    """Read a score, or a solo file and its ``accompaniment`` on one timeline.

    ``solo`` names the soloist's parts (name, unique beginning of a name, or number from 1). Left out, it is the only
    part, or every part of the first file of a pair; of several parts one must be chosen, unless ``choose`` is False,
    which leaves nobody solo. ``repeats`` False leaves every repeat out; ``unfolding`` ("A-A-B") spells the sections to
    play. ``marks`` is a marks file; left out, ``PIECE.marks.toml`` beside the score is used when it is there.
    ``transpose`` moves everything by semitones, ``solo_sounds`` the solo part alone (a transposing instrument's, where
    the file does not say so), ``tutti_bars`` shortens long tuttis to so many bars of lead-in,
    ``hand`` "right" or "left" leaves the solo part's other staff to the orchestra (``score.practice``).
    ``progress(share, what)`` is told how far the reading is, 0..1. ``cache`` False keeps and reads
    no parsed page.

    Raises UnreadableScore, PartNotFound, TimelineMismatch, MarksError or ScoreError.
    """
    tell = progress or (lambda share, what: None)
    files = [Path(path)] + ([Path(accompaniment)] if accompaniment is not None else [])
    contents = [_bytes_of(file) for file in files]
    key = parsed.key_of(contents, [_kind_of(file, data) for file, data in zip(files, contents, strict=True)],
                        {"reader": READER, "repeats": repeats, "unfolding": unfolding,
                         "names": [file.name for file in files]})  # fmt: skip
    kept = parsed.load(key) if cache else None
    if kept is None:
        sheets = []
        for place, (file, data) in enumerate(zip(files, contents, strict=True)):
            tell(place / len(files), f"reading {file.name}")
            sheets.append((read_sheet(file, data), file.name))
        tell(0.9, "playing out the repeats")
        first_parts = len(sheets[0][0].parts)
        score, staves = perform(sheets, repeats=repeats, unfolding=unfolding)
        if cache:
            parsed.keep(key, score, staves, first_parts)
    else:
        score, staves, first_parts = kept
    tell(1.0, "read")
    score = choose_solo(score, solo, first_parts if len(files) > 1 else 0, choose)
    if hand != "both":
        score = take_hand(score, hand, staves)
    found = Path(marks) if marks is not None else find_marks(files[0])
    score = apply_marks(score, read_marks(found), staves) if found is not None else score
    score = move_key(move_key(score, solo_sounds, only_solo=True), transpose)
    return score if tutti_bars is None else shorten_tuttis(score, tutti_bars)


def choose_solo(score: Score, solo: Sequence[str] | str | None, of_pair: int, choose: bool = True) -> Score:
    """The page with its soloist; ``of_pair`` is how many parts the first file of a pair has (0: one file)."""
    if solo is not None and len(solo) > 0:
        wanted = [solo] if isinstance(solo, str) else [str(name) for name in solo]
        chosen = score.with_solo(wanted)
    elif of_pair:
        chosen = score.with_solo([str(number + 1) for number in range(of_pair)])
    elif len(score.parts) == 1:
        chosen = score.with_solo(["1"])
    elif not choose:
        return score
    else:
        listed = ", ".join(f"{part.number} {part.name}" for part in score.parts[:40])
        more = f" and {len(score.parts) - 40} more" if len(score.parts) > 40 else ""
        raise PartNotFound(f"Which part is the soloist's? {score.title!r} has {listed}{more}. "
                           "Choose with --solo NAME or NUMBER.")  # fmt: skip
    if len(chosen.solo_onsets) == 0:
        names = ", ".join(repr(part.name) for part in chosen.parts if part.solo)
        sounding = sorted({int(index) for index in chosen.notes["part"]})
        listed = ", ".join(f"{score.parts[index].number} {score.parts[index].name}" for index in sounding[:40])
        raise PartNotFound(f"Part {names} has no notes to follow. Parts with notes are: {listed}.")
    return chosen


def _bytes_of(file: Path) -> bytes:
    try:
        if file.is_dir():
            raise UnreadableScore(f"{file} is a folder; name a score file in it.")
        if not file.exists():
            raise UnreadableScore(f"{file} does not exist.")
        if file.stat().st_size > MAX_FILE_BYTES:
            raise UnreadableScore(f"{file} is {file.stat().st_size / 1e6:.0f} MB: too large for a score.")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableScore(f"{file} cannot be opened: {error}.") from None
    if not data.strip():
        raise UnreadableScore(f"{file} is empty.")
    return data


def _kind_of(file: Path, data: bytes) -> str:
    """What the file is: by its first bytes where they tell, else by its ending."""
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:4] in (b"MThd", b"RIFF"):
        return "midi"
    if head[:2] == b"PK" or head[:4] in (b"\xff\xfe<\x00", b"\xfe\xff\x00<"):
        return "musicxml"
    if head[:1] == b"<":
        return "mei" if b"<mei" in head or file.suffix.lower() == ".mei" else "musicxml"
    if head[:2] == b"**" or b"\n**kern" in head:
        return "kern"
    if head.startswith((b"info(", b"snote(")):
        return "match"
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        raise UnreadableScore(
            f"{file.name} is not a score this program reads. It reads MusicXML (.musicxml, .mxl), MIDI, MEI, Humdrum "
            "kern and match files; a notation program can export MusicXML."
        )
    return kind


def read_sheet(file: Path, data: bytes) -> Sheet:
    """One file as written. Raises UnreadableScore."""
    kind = _kind_of(file, data)
    if kind == "midi":
        sheet = read_midi(data, file.name)
    else:
        xml = None
        if kind == "musicxml":
            xml = musicxml.unzip(data, file.name) if data[:2] == b"PK" else data
            musicxml.check(xml, file.name)
            xml = musicxml.partwise(xml)
        sheet = read_engraved(file, kind, xml, file.name)
    if not sheet.notes:
        raise UnreadableScore(f"There is not one note in {file.name}.")
    return sheet
