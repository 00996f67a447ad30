"""A real recording, heard block by block, stays as good as the docs say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collaparte.evaluate.listen import evaluate_listen, violin_recordings


@pytest.mark.corpora
def test_the_truth_of_every_recording_fits_its_page(corpora: Path) -> None:
    cases = list(violin_recordings(corpora))
    assert len(cases) == 4
    for case in cases:
        missing = np.setdiff1d(np.round(case.truth.beat, 3), np.round(case.score.solo_onsets, 3))
        assert len(missing) <= 3, case.name
        assert 20 < case.bpm < 200


@pytest.mark.corpora
@pytest.mark.long
def test_real_violins_are_followed_to_the_end(corpora: Path) -> None:
    rows = evaluate_listen(corpora)
    whole = rows[-1]
    assert whole.recording == "all"
    assert whole.lost == 0
    assert whole.onset_median_ms < 35
    assert whole.onset_within[0] > 0.70
    assert whole.onset_within[1] > 0.84
    assert whole.onset_within[2] > 0.92
