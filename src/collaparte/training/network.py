"""The network of the agent: an encoder for the window, a pooled and gated encoder of what is remembered, an LSTM.

    observation -> scaled -> window encoder (96) --+--> LSTM (64) --+--> head (64) -> action mean
                     \\-> memory encoder x gate (32)-+--------------+         \\-> log spread

The action is a residual on the steady model's plan, and the head's last layer begins at zero: an untrained network is
the steady model. The same modules serve cloning, PPO and export.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from collaparte.predict.features import DYNAMIC, N_LOOK, N_OWN, N_SENSES

WINDOW, MEMORY, HIDDEN = 96, 32, 64
MEMORY_SENSES = [
    N_LOOK + index
    for index, row in enumerate(DYNAMIC)
    if row[0].startswith(("self_", "recalled", "advised", "doubt", "expected"))
]
State = tuple[Tensor, Tensor]


class Scaling(nn.Module):
    """(observation - mean) / deviation, clipped to +-5."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_SENSES))
        self.register_buffer("deviation", torch.ones(N_SENSES))

    def forward(self, observation: Tensor) -> Tensor:
        return torch.clamp((observation - self.mean) / self.deviation, -5.0, 5.0)


class Encoder(nn.Module):
    """(..., N_SENSES) to (..., WINDOW + MEMORY)."""

    chosen: Tensor

    def __init__(self, remembers: bool = True) -> None:
        super().__init__()
        self.remembers = remembers
        self.scaling = Scaling()
        self.window = nn.Linear(N_SENSES, WINDOW)
        self.memory = nn.Linear(len(MEMORY_SENSES), MEMORY)
        self.gate = nn.Linear(len(MEMORY_SENSES), MEMORY)
        self.register_buffer("chosen", torch.tensor(MEMORY_SENSES))
        with torch.no_grad():
            self.window.weight[:, -N_OWN:] = 0.0  # cloning never sees its own doings

    def forward(self, observation: Tensor) -> Tensor:
        scaled = self.scaling(observation)
        remembered = scaled.index_select(-1, self.chosen)
        pooled = torch.tanh(self.memory(remembered)) * torch.sigmoid(self.gate(remembered))
        if not self.remembers:
            pooled = torch.zeros_like(pooled)
        return torch.cat([torch.tanh(self.window(scaled)), pooled], dim=-1)


class Head(nn.Module):
    """(..., HIDDEN + WINDOW + MEMORY) to the mean and the log spread of the action, (...) each."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(HIDDEN + WINDOW + MEMORY, HIDDEN)
        self.mean = nn.Linear(HIDDEN, 1)
        self.log_spread = nn.Linear(HIDDEN, 1)
        for layer in (self.mean, self.log_spread):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.log_spread.bias, -2.0)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        inner = torch.tanh(self.inner(features))
        return self.mean(inner).squeeze(-1), torch.clamp(self.log_spread(inner).squeeze(-1), -6.0, 1.0)


class Accompanist(nn.Module):
    """Encoder, LSTM and head; whole sequences (time, lanes, N_SENSES) at once.

    For comparison, ``recurrent`` False silences the LSTM and ``remembers`` False the memory encoder.
    """

    def __init__(self, recurrent: bool = True, remembers: bool = True) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.encoder = Encoder(remembers)
        self.lstm = nn.LSTM(WINDOW + MEMORY, HIDDEN)
        self.head = Head()

    def forward(self, observation: Tensor, state: State | None = None) -> tuple[Tensor, Tensor, State]:
        encoded = self.encoder(observation)
        hidden, state = self.lstm(encoded, state)
        if not self.recurrent:
            hidden = torch.zeros_like(hidden)
        mean, log_spread = self.head(torch.cat([hidden, encoded], dim=-1))
        return mean, log_spread, state


def zero_state(lanes: int) -> State:
    """The state before the first onset."""
    return torch.zeros(1, lanes, HIDDEN), torch.zeros(1, lanes, HIDDEN)
