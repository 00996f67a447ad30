"""Golden takes: what the orchestra plays with a simulated soloist in the shipped pieces, kept line by line.

    python tests/golden/write.py

writes them anew. A change in them is a change in the music: read the difference before keeping it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collaparte.clock import VirtualClock
from collaparte.engine import Engine, Settings, rehearse
from collaparte.events import SoloEvent, to_line
from collaparte.follow import make_follower
from collaparte.listen.simulated import SimulatedSoloist, simulate_solo
from collaparte.pieces import list_pieces, piece_path, solo_part
from collaparte.predict import make_predictor
from collaparte.score import read_score

FOLDER = Path(__file__).parent
SEED = 1


def golden(piece: str) -> Iterator[str]:
    """The lines of one golden take: a soloist who listens in the rests, the default follower, the steady model."""
    score = read_score(piece_path(piece), solo=[solo_part(piece)], cache=False)
    take = simulate_solo(score, SEED, "amateur 1")
    first_s = min(event.time_s for event in take.events if isinstance(event, SoloEvent) and event.on)
    engine = Engine(score, make_follower(None, score), make_predictor("steady", score), Settings(first_onset_s=first_s))
    for value in rehearse(engine, VirtualClock(), SimulatedSoloist(take)):
        yield to_line(value)


def main() -> None:
    for piece in list_pieces():
        lines = list(golden(piece))
        (FOLDER / f"{piece}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{piece}: {len(lines)} lines")


if __name__ == "__main__":
    main()
