"""The offline alignment of finished takes, judged against alignments made by hand, beside parangonar's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from collaparte.errors import MissingExtra
from collaparte.evaluate.follow_cases import nasap_cases
from collaparte.takes.align import Aligned, align, f_measure
from collaparte.training.data.corpus import unpack


def evaluate_alignment(
    corpora: Path | None, pieces: int, seed: int, peers: bool, tell: Callable[[str], None] = lambda what: None
) -> list[dict[str, object]]:
    """One row for each held-out piece, and the mean: F-measure of matched notes, per cent, and seconds taken.

    Grace notes are left out on both sides, as everywhere in the evaluation of followers.
    """
    rows: list[dict[str, object]] = []
    for case in nasap_cases(unpack("nasap", corpora), pieces, seed):
        tell(f"alignment: {case.name}")
        solo, playing = case.score.solo, case.playing
        place = {(round(float(note["beat"]), 6), int(note["pitch"])): row for row, note in enumerate(solo)}
        truth = [
            Aligned("match", place[round(float(beat), 6), int(pitch)], index)
            for index, (beat, pitch) in enumerate(zip(playing.beat, playing.pitch, strict=True))
            if not np.isnan(beat) and (round(float(beat), 6), int(pitch)) in place
        ]
        judged = {line.performed for line in truth}
        began = time.process_time()
        found = align(solo, playing.time_s, playing.pitch)
        row: dict[str, object] = {
            "piece": case.name,
            "notes": len(playing),
            "F %": 100.0 * f_measure(_folded(found, solo, place, judged), truth),
            "s": time.process_time() - began,
        }
        if peers:
            began = time.process_time()
            row["parangonar F %"] = 100.0 * f_measure(_folded(_parangonar(case), solo, place, judged), truth)
            row["parangonar s"] = time.process_time() - began
        rows.append(row)
    if rows:
        numbers = [key for key in rows[0] if key not in ("piece", "notes")]
        mean: dict[str, object] = {"piece": "mean", "notes": sum(int(str(row["notes"])) for row in rows)}
        mean.update({key: float(np.mean([float(str(row[key])) for row in rows])) for key in numbers})
        rows.append(mean)
    return rows


def _folded(
    lines: list[Aligned], solo: np.ndarray, place: dict[tuple[float, int], int], judged: set[int | None]
) -> list[Aligned]:
    """Two voices on one key are one note: name the same row for both, and leave out what the truth leaves out."""
    return [
        Aligned(
            "match", place[round(float(solo["beat"][line.score]), 6), int(solo["pitch"][line.score])], line.performed
        )
        for line in lines
        if line.kind == "match" and line.performed in judged
    ]


def _parangonar(case: object) -> list[Aligned]:
    from collaparte.evaluate.follow_cases import Case
    from collaparte.evaluate.follow_peer_worker import performed, score_array

    assert isinstance(case, Case)
    try:
        import parangonar
    except ImportError as error:
        raise MissingExtra("parangonar is not installed here: pip install parangonar") from error
    solo, playing = case.score.solo, case.playing
    page = score_array(
        {
            "beat": solo["beat"],
            "duration": solo["duration_beats"],
            "pitch": solo["pitch"],
            "grace": solo["kind"] != 0,
        }
    )
    heard = performed({"time_s": playing.time_s, "heard_pitch": playing.pitch, "velocity": playing.velocity})
    matcher = parangonar.DualDTWNoteMatcher()
    answer = matcher(page, heard, process_ornaments=False, score_part=None)
    return [
        Aligned("match", int(line["score_id"][1:]), int(line["performance_id"][1:]))
        for line in answer
        if line["label"] == "match"
    ]
