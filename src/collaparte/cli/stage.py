"""Setting the stage: from what was asked to a page, an engine and the header of a take, and from a header back again.

A header's ``config`` holds everything that is needed to play the take again: the piece (files, choice of soloist,
repeats, marks), the follower, the predictor and the engine's settings. ``engine_of(header)`` builds that engine anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collaparte import __version__
from collaparte.cli.say import asks, err, progress, warn
from collaparte.errors import PartNotFound, TakeError

if TYPE_CHECKING:
    from collaparte.engine import Engine, Settings
    from collaparte.events import Recalled, TakeHeader
    from collaparte.score import Hand, Score
    from collaparte.takes import Memory


@dataclass(frozen=True, slots=True)
class Piece:
    """What was asked to be played; the fields are the arguments of ``read_score``."""

    score: Path
    accompaniment: Path | None = None
    solo: tuple[str, ...] = ()
    no_repeats: bool = False
    unfolding: str | None = None
    marks: Path | None = None
    transpose: int = 0
    solo_sounds: int = 0
    tutti_bars: int | None = None
    hand: Hand = "both"

    def as_config(self) -> dict[str, Any]:
        """Plain values for a take's header; files by their full path, shipped pieces by name: it replays anywhere."""
        return {
            "score": str(self.score) if self.shipped else str(self.score.resolve()),
            "accompaniment": None if self.accompaniment is None else str(self.accompaniment.resolve()),
            "solo": list(self.solo),
            "no_repeats": self.no_repeats,
            "unfolding": self.unfolding,
            "marks": None
            if self.marks is None
            else str(self.marks if _ships_marks(self.marks) else self.marks.resolve()),
            **self._practised,
        }

    @property
    def _practised(self) -> dict[str, Any]:
        """Key, tuttis and hand, where they are not as printed."""
        usual = {"transpose": 0, "solo_sounds": 0, "tutti_bars": None, "hand": "both"}
        return {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}

    @property
    def shipped(self) -> bool:
        """Whether ``score`` is the name of a piece that comes with the package; a file of that name goes first."""
        from collaparte.pieces import list_pieces

        return str(self.score) in list_pieces() and not self.score.exists()

    @property
    def files(self) -> Piece:
        """The same piece with files in place of shipped names, and the soloist of a shipped piece."""
        from collaparte.pieces import marks_path, piece_path, solo_part

        found = self
        if self.marks is not None and _ships_marks(self.marks):
            found = replace(found, marks=marks_path(str(self.marks)))
        if not self.shipped:
            return found
        name = str(self.score)
        return replace(found, score=piece_path(name), solo=self.solo or (solo_part(name),))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Piece:
        """The piece a header speaks of. Raises TakeError when it names none."""
        if not config.get("score"):
            raise TakeError("This take does not say which score it was played from. Name it with --score.")
        return cls(
            Path(config["score"]),
            Path(config["accompaniment"]) if config.get("accompaniment") else None,
            tuple(config.get("solo") or ()),
            bool(config.get("no_repeats", False)),
            config.get("unfolding"),
            Path(config["marks"]) if config.get("marks") else None,
            int(config.get("transpose") or 0),
            int(config.get("solo_sounds") or 0),
            config.get("tutti_bars"),
            config.get("hand") or "both",
        )


def read_piece(piece: Piece, *, choose: bool = True) -> tuple[Piece, Score]:
    """The page, and the piece with the soloist that was chosen; asks on a terminal when several parts could be it."""
    try:
        return piece, _read(piece, choose)
    except PartNotFound:
        if piece.solo or not choose or not asks():
            raise
    answer = _ask_for_part(_read(piece, False))
    piece = replace(piece, solo=(answer,))
    return piece, _read(piece, True)


def _ships_marks(marks: Path) -> bool:
    from collaparte.errors import UnreadableScore
    from collaparte.pieces import marks_path

    if marks.exists() or marks.suffix:
        return False
    try:
        return marks_path(str(marks)).is_file()
    except UnreadableScore:
        return False


def _read(piece: Piece, choose: bool) -> Score:
    from collaparte.score import read_score

    piece = piece.files
    with progress() as bar:
        task = bar.add_task(f"reading {piece.score.name}", total=1.0)
        return read_score(
            piece.score,
            piece.accompaniment,
            list(piece.solo) or None,
            repeats=not piece.no_repeats,
            unfolding=piece.unfolding,
            marks=piece.marks,
            choose=choose,
            transpose=piece.transpose,
            solo_sounds=piece.solo_sounds,
            tutti_bars=piece.tutti_bars,
            hand=piece.hand if choose or piece.solo else "both",
            progress=lambda share, what: bar.update(task, completed=share, description=what),
        )


def _ask_for_part(score: Score) -> str:
    console = err()
    for part in score.parts:
        console.print(f"{part.number:4}  {part.name}", markup=False)
    numbers = click.Choice([str(part.number) for part in score.parts])
    return str(click.prompt("Which part is the soloist's? Number", type=numbers, show_choices=False, err=True))


def make_header(
    piece: Piece,
    score: Score,
    settings: Settings,
    *,
    follower: str | None,
    predictor: str | None,
    soloist: str,
    seed: int | None = None,
    latencies: Mapping[str, float] | None = None,
    live: bool = False,
    more: Mapping[str, Any] | None = None,
) -> TakeHeader:
    """The first line of a take; ``live`` dates it (a simulation is not dated: the same seed gives the same file).

    ``predictor`` None: the agent, or, where its policy cannot be honoured, the steady model, with a warning; the header
    names the one that plays. Raises PolicyError for a policy file that was asked for and cannot be honoured.
    """
    from collaparte.events import TakeHeader
    from collaparte.follow import DEFAULT_FOLLOWER
    from collaparte.predict import playable

    config = {
        **piece.as_config(),
        "follower": follower or DEFAULT_FOLLOWER,
        "predictor": playable(predictor, warn),
        "settings": asdict(settings),
        **(more or {}),
    }
    return TakeHeader(
        piece=score.title,
        digest=score.digest,
        soloist=soloist,
        seed=seed,
        config=config,
        latencies=latencies or {},
        versions={"collaparte": __version__},
        started=datetime.now().astimezone().isoformat(timespec="seconds") if live else None,
    )


def memory_config(memory: Memory, score: Score) -> dict[str, Any]:
    """What a header must say about the memory used: its folder and the takes it held, so that the take replays."""
    runs = memory.runs(score.digest)
    return {"memory": {"folder": str(memory.folder.resolve()), "takes": [run.take for run in runs]}}


def recall_of(header: TakeHeader, score: Score) -> Callable[[float], Recalled | None] | None:
    """The memory a header speaks of, as the engine asks it; None when there was none, or nothing in it.

    Raises TakeError when a take that was remembered then has been forgotten since.
    """
    asked = header.config.get("memory")
    if not asked or not asked["takes"]:
        return None
    from collaparte.takes import Memory, recollect

    known = {run.take: run for run in Memory(asked["folder"]).runs(score.digest)}
    gone = [take for take in asked["takes"] if take not in known]
    if gone:
        raise TakeError(
            f"The memory {asked['folder']} has forgotten {len(gone)} of the {len(asked['takes'])} takes it held when "
            "this one was played, so it would not be played the same. Bring them back with 'collaparte memory import'."
        )
    return recollect(score, [known[take] for take in asked["takes"]]).recalled


def engine_of(header: TakeHeader, score: Score, **more: Any) -> Engine:
    """An engine as ``header`` describes it; where the shipped policy cannot be honoured, with the steady model."""
    from collaparte.engine import Engine, Settings
    from collaparte.follow import make_follower
    from collaparte.predict import make_predictor, playable

    config = header.config
    predictor = make_predictor(playable(config["predictor"], warn), score)
    settings = dict(config.get("settings", {}))
    if settings.get("loop") is not None:
        settings["loop"] = tuple(settings["loop"])
    settings["balance"] = tuple((name, level) for name, level in settings.get("balance", ()))
    return Engine(score, make_follower(config["follower"], score), predictor, Settings(**settings), **more)


def score_of(header: TakeHeader) -> Score:
    """The page a take was played from. Raises TakeError when that page has changed since, or has gone."""
    piece = Piece.from_config(header.config)
    if not piece.files.score.exists():
        raise TakeError(
            f"The take was played from {piece.score}, which is no longer there. Put it back, and try again."
        )
    _, score = read_piece(piece)
    if score.digest != header.digest:
        raise TakeError(f"The solo part in {piece.score} has changed since this take was played, so they do not match.")
    return score
