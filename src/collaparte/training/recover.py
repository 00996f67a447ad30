"""The weights back out of a policy: fine-tuning begins with what ships, and what ships is ``policy.onnx`` alone.

The exported graph holds every weight of ``network.py``, under the name of the layer that uses it: linear layers
transposed, the LSTM's gates in ONNX's order (input, output, forget, cell; torch: input, forget, cell, output).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collaparte.errors import PolicyError
from collaparte.predict.policy import SHIPPED, load_policy
from collaparte.training.network import HIDDEN, Accompanist

_GATES = (0, 2, 3, 1)  # where torch's gates lie among ONNX's


def weights_of(path: Path = SHIPPED) -> Accompanist:
    """The network a policy was exported from.

    Raises PolicyError when the policy cannot be honoured (see ``load_policy``) or is not of this network.
    """
    import onnx
    from onnx import numpy_helper

    load_policy(path)
    graph = onnx.load(str(path)).graph
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    network = Accompanist()
    wanted = network.state_dict()
    found: dict[str, NDArray[np.float32]] = {
        name.removeprefix("network."): value for name, value in held.items() if name.startswith("network.")
    }
    for node in graph.node:
        if node.op_type == "MatMul":
            layer = node.name.removeprefix("/network/").removesuffix("/MatMul").replace("/", ".")
            found[f"{layer}.weight"] = held[node.input[1]].T
        elif node.op_type == "LSTM":
            inward, onward, bias = (held[name][0] for name in node.input[1:4])
            found["lstm.weight_ih_l0"], found["lstm.weight_hh_l0"] = _gates(inward), _gates(onward)
            found["lstm.bias_ih_l0"], found["lstm.bias_hh_l0"] = _gates(bias[: 4 * HIDDEN]), _gates(bias[4 * HIDDEN :])
    shapes = {name: tuple(value.shape) for name, value in wanted.items()}
    if {name: tuple(value.shape) for name, value in found.items()} != shapes:
        raise PolicyError(
            f"The policy {path} is not of this program's network. Start from weights (.pt), or train anew."
        )
    network.load_state_dict({name: _tensor(value) for name, value in found.items()})
    return network


def _gates(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([rows[gate * HIDDEN : (gate + 1) * HIDDEN] for gate in _GATES])


def _tensor(value: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(value).copy())
