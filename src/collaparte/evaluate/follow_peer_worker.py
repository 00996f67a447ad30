"""Runs one other follower over many performances, in the other followers' own Python; imports nothing of ours.

    python follow_peer_worker.py NAME FOLDER

Each FOLDER/*.in.npz holds ``beat, duration, pitch, grace`` of the score's notes and ``time_s, heard_pitch, velocity``
of the performance; beside it is written *.NAME.npz with ``time_s`` (when a position was known), ``beat`` and
``cpu_us`` of each report, ``setup_s``, and ``trouble``, the number of exceptions passed over. The followers are driven
directly, note by note: several of them crash, or read the whole file at once, through their library's own adapters.
Those that want chords get the notes of 35 ms together, as their own processor gathers them, and so answer that late.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

CHORD_S = 0.035
HEARTBEAT_S = 0.001


def score_array(data: Any) -> Any:
    rows = np.zeros(
        len(data["beat"]),
        dtype=[
            ("onset_beat", "f4"), ("duration_beat", "f4"), ("onset_quarter", "f4"), ("duration_quarter", "f4"),
            ("onset_div", "i4"), ("duration_div", "i4"), ("pitch", "i4"), ("voice", "i4"), ("id", "U32"),
            ("is_grace", "?"),
        ],
    )  # fmt: skip
    for name in ("onset_beat", "onset_quarter"):
        rows[name] = data["beat"]
    for name in ("duration_beat", "duration_quarter"):
        rows[name] = np.maximum(data["duration"], 0.0)
    rows["onset_div"] = np.round(data["beat"] * 480)
    rows["duration_div"] = np.round(data["duration"] * 480)
    rows["pitch"], rows["voice"], rows["is_grace"] = data["pitch"], 1, data["grace"]
    rows["id"] = [f"s{index}" for index in range(len(rows))]
    first = rows[0:1]
    first["duration_beat"] = first["duration_quarter"] = np.maximum(first["duration_quarter"], 0.25)
    return rows


def performed(data: Any) -> Any:
    rows = np.zeros(
        len(data["time_s"]),
        dtype=[("onset_sec", "f4"), ("duration_sec", "f4"), ("pitch", "i4"), ("velocity", "i4"), ("id", "U32")],
    )
    rows["onset_sec"], rows["duration_sec"], rows["pitch"] = data["time_s"], 0.1, data["heard_pitch"]
    rows["velocity"] = data["velocity"]
    rows["id"] = [f"p{index}" for index in range(len(rows))]
    return rows


def by_note(step: Any) -> Any:
    def run(data: Any) -> Any:
        for row in performed(data):
            yield float(row["onset_sec"]), step, (row,)

    return run


def one_hot(step: Any) -> Any:
    def run(data: Any) -> Any:
        for row in performed(data):
            vector = np.zeros(88, dtype=np.float32)
            vector[np.clip(row["pitch"] - 21, 0, 87)] = 1.0
            yield float(row["onset_sec"]), step, (vector, float(row["onset_sec"]))

    return run


def listed(step: Any) -> Any:
    def run(data: Any) -> Any:
        for row in performed(data):
            notes = np.array([np.clip(row["pitch"] - 21, 0, 87)], dtype=np.float32)
            yield float(row["onset_sec"]), step, (notes, float(row["onset_sec"]))

    return run


def by_chord(step: Any) -> Any:
    def run(data: Any) -> Any:
        pending: list[int] = []
        began = 0.0
        for row in [*performed(data), None]:
            if pending and (row is None or row["onset_sec"] - began > CHORD_S):
                vector = np.zeros(88, dtype=np.float32)
                vector[np.clip(np.array(pending) - 21, 0, 87)] = 1.0
                yield began + CHORD_S + HEARTBEAT_S, step, (vector, began)
                pending = []
            if row is not None:
                began = began if pending else float(row["onset_sec"])
                pending.append(int(row["pitch"]))

    return run


def build(name: str, rows: Any) -> tuple[Any, Any]:
    """(a function of the data that yields calls, a function of a call's answer that gives the beat)."""
    if name in ("SLT_OLTW", "OTM"):
        import parangonar

        if name == "SLT_OLTW":
            matcher = parangonar.TOLTWMatcher(rows, tracker_type="SLT_OLTW")
        else:
            import torch

            torch.set_num_threads(1)
            matcher = parangonar.OnlineTransformerMatcher(rows)
        onsets = matcher.unique_onsets
        return by_note(matcher), lambda answer: float(onsets[min(max(int(answer), 0), len(onsets) - 1)])
    from matchmaker.dp.oltw_arzt import OnlineTimeWarpingArztEvent
    from matchmaker.features.midi import onset_pianoroll
    from matchmaker.prob.hmm import PitchHMM, PitchIOIHMM
    from matchmaker.prob.outer_product_hmm import OuterProductHMM
    from matchmaker.utils.tempo_models import KalmanTempoModel

    rows = rows[~rows["is_grace"]]
    if name == "pthmm":
        follower = PitchHMM(reference_features=rows, has_insertions=True, piano_range=True)
        feed = one_hot(follower)
    elif name == "hmm":
        follower = PitchIOIHMM(
            reference_features=rows, has_insertions=True, tempo_model=KalmanTempoModel, piano_range=True
        )
        feed = listed(follower)
    elif name == "outerhmm":
        follower = OuterProductHMM(reference_features=rows, piano_range=True)
        feed = by_chord(follower)
    elif name == "arzt":
        features, places = onset_pianoroll(rows, onset_key="onset_beat", piano_range=True)
        follower = OnlineTimeWarpingArztEvent(reference_features=features, score_positions=places, step_size=5)
        feed = by_chord(follower)
    else:
        raise SystemExit(f"unknown follower {name}")
    return feed, lambda answer: float(follower.current_position)


def follow(name: str, source: Path) -> None:
    data = np.load(source)
    rows = np.sort(score_array(data), order=["onset_beat", "pitch"])
    began = time.process_time()
    feed, beat_of = build(name, rows)
    setup_s = time.process_time() - began
    times, beats, cpu = [], [], []
    beat, trouble = float(rows["onset_beat"][0]), 0
    for time_s, step, arguments in feed(data):
        start = time.process_time_ns()
        try:
            beat = beat_of(step(*arguments))
        except Exception:  # theirs; counted, and the last position stands
            trouble += 1
        cpu.append((time.process_time_ns() - start) / 1000.0)
        times.append(time_s)
        beats.append(beat)
    target = source.with_name(source.name.replace(".in.npz", f".{name}.npz"))
    half = target.with_suffix(".half.npz")  # only whole answers are ever found
    np.savez(half, time_s=times, beat=beats, cpu_us=cpu, setup_s=setup_s, trouble=trouble)
    half.rename(target)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[2]).glob("*.in.npz")):
        follow(sys.argv[1], path)
