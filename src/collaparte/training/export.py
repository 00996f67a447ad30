"""What crosses from the practice room to the stage: ``policy.onnx`` and its passport ``policy.json``."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from collaparte.predict import features
from collaparte.predict.policy import FORMAT, HIDDEN, senses_digest
from collaparte.training.episodes import ACTION_LIMIT
from collaparte.training.network import Accompanist

LICENCE = "CC-BY-NC-SA-4.0"
ATTRIBUTION = (
    "Learnt from (n)ASAP, the (note-)Aligned Scores And Performances dataset (Foscarin, McLeod, Rigaux, Jacquemard & "
    "Sakai, ISMIR 2020; Peter, Cancino-Chacon, Foscarin, McLeod, Henkel, Karystinaios & Widmer, TISMIR 2023), "
    "CC BY-NC-SA 4.0. These weights are a derivative under the same licence; the code of collaparte is Apache-2.0."
)


class _OneStep(nn.Module):
    """The network as the run time calls it: one observation, one step of the LSTM."""

    def __init__(self, network: Accompanist) -> None:
        super().__init__()
        self.network = network

    def forward(self, observation: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, spread, (hidden, cell) = self.network(observation[None], (hidden, cell))
        return mean[0], spread[0], hidden, cell


def export(
    network: Accompanist,
    path: Path,
    *,
    algorithm: str,
    seed: int,
    pieces: Sequence[str],
    scores: Mapping[str, Any],
    corpus: str = "nasap-train",
) -> None:
    """Write ``path`` (.onnx) and its passport (.json) beside it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    network = network.eval()
    example = (torch.zeros(1, features.N_SENSES), torch.zeros(1, 1, HIDDEN), torch.zeros(1, 1, HIDDEN))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _OneStep(network),
            example,
            str(path),
            input_names=["observation", "hidden", "cell"],
            output_names=["action", "log_spread", "next_hidden", "next_cell"],
            opset_version=17,
            dynamo=False,
        )
    passport = {
        "format": FORMAT,
        "feature_version": features.VERSION,
        "senses": senses_digest(),
        "n_senses": features.N_SENSES,
        "hidden": HIDDEN,
        "action": "log of (the plan's beat period / the steady model's)",
        "action_limit": ACTION_LIMIT,
        "scaling": "inside the network: (observation - mean) / deviation, clipped to +-5",
        "algorithm": algorithm,
        "seed": seed,
        "onnx_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "corpus": corpus,
        "training_pieces": sorted(pieces),
        "scores": dict(scores),
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
    }
    path.with_suffix(".json").write_text(json.dumps(passport, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
