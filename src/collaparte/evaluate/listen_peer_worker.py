"""Runs one of pymatchmaker's audio followers over one recording, in that package's own Python; imports nothing of ours.

    python listen_peer_worker.py METHOD SCORE.mxl SOUND.wav BPM FOLD OUT.npz

Its own defaults; BPM is the recording's true mean tempo in quarters, FOLD 1 where the repeats are not taken. arzt and
dixon take quarters a minute and convert; outerhmm and skf reckon in the written beat (an eighth in 9/8), so they are
given their tempo in that. OUT holds ``time_s`` (of each report) and ``beat`` (quarters from the first), ``cpu_s`` and
``setup_s``.
"""

import sys
import time

import numpy as np

IN_WRITTEN_BEATS = ("outerhmm", "skf")


def written_beats_per_quarter(score: str) -> float:
    import partitura  # type: ignore[import-untyped]

    loaded = partitura.load_score(score) if not score.endswith("xl") else partitura.load_musicxml(score)
    notes = loaded.parts[0].note_array()
    return float(np.ptp(notes["onset_beat"]) / np.ptp(notes["onset_quarter"]))


def main(method: str, score: str, sound: str, bpm: str, fold: str, target: str) -> None:
    from matchmaker import Matchmaker

    tempo = float(bpm)
    if method in IN_WRITTEN_BEATS:
        tempo *= written_beats_per_quarter(score)
    began = time.process_time()
    follower = Matchmaker(
        score_file=score,
        performance_file=sound,
        input_type="audio",
        method=method,
        tempo=tempo,
        unfold_score=fold == "0",
    )
    setup_s = time.process_time() - began
    began = time.process_time()
    for _ in follower.run(verbose=False):
        pass
    cpu_s = time.process_time() - began
    beats, times = np.asarray(follower.score_follower.alignment_path, dtype=float)[:2]
    notes = follower.score_part.note_array()
    order = np.argsort(notes["onset_beat"], kind="stable")
    written, quarters = notes["onset_beat"][order].astype(float), notes["onset_quarter"][order].astype(float)
    keep = np.concatenate([[True], np.diff(written) > 0])
    slope = (quarters[-1] - quarters[0]) / max(written[-1] - written[0], 1e-9)
    beat = np.interp(beats, written[keep], quarters[keep] - quarters[0], right=np.nan)
    beat = np.where(np.isnan(beat), quarters[-1] - quarters[0] + slope * (beats - written[-1]), beat)
    np.savez(target, time_s=times, beat=beat, cpu_s=cpu_s, setup_s=setup_s)


if __name__ == "__main__":
    main(*sys.argv[1:7])
