"""Recurrent PPO, as sb3-contrib has it, with the network of ``network.py`` and a quicker way through sequences.

``RecurrentPPO`` of sb3-contrib keeps its algorithm, its buffer and its interfaces. What is replaced is
``_process_sequence`` of the policy: the stock one steps the LSTM in Python whenever an episode begins anywhere in a
minibatch (nearly always), this one runs whole stretches between resets. The numbers are the same; a test says so.

The critic reads the encoder's features without a recurrence of its own: with a discount of .5 to .8 its horizon is a
handful of onsets.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from collaparte.predict.features import HIGH, LOW, N_SENSES
from collaparte.training.data.onsets import Performance
from collaparte.training.episodes import ACTION_LIMIT, Episode, Variation, crop, episodes, pool_of
from collaparte.training.lanes_env import Lanes
from collaparte.training.network import HIDDEN, MEMORY, WINDOW, Accompanist, Encoder
from collaparte.training.polish import SLOW_TOO
from collaparte.training.reward import Pay

SHAPE = WINDOW + MEMORY


def whole_sequences(
    features: Tensor, state: tuple[Tensor, Tensor], starts: Tensor, lstm: nn.LSTM
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What ``_process_sequence`` of sb3-contrib answers, without its loop over single steps.

    ``features`` (lanes x time, size), lane by lane; ``starts`` (lanes x time,) 1 where an episode begins. Lanes are
    cut where an episode begins, and all stretches run side by side, packed, in one call of the LSTM.
    """
    lanes = state[0].shape[1]
    began = starts.reshape(lanes, -1) > 0
    time = began.shape[1]
    cut = began.clone()
    cut[:, 0] = True
    first = torch.nonzero(cut.flatten()).flatten()
    length = torch.diff(first, append=first.new_tensor([lanes * time]))
    length, longest_first = length.sort(descending=True, stable=True)
    first = first[longest_first]
    step = torch.arange(int(length[0]))[:, None]
    inside = step < length
    rows = (first + step)[inside]  # step by step, as a PackedSequence wants them
    keep = (~began.flatten()[first]).to(features.dtype)[:, None]  # only what goes on has a past
    packed = PackedSequence(features[rows], inside.sum(dim=1))
    output, (hidden, cell) = lstm(packed, (keep * state[0][:, first // time], keep * state[1][:, first // time]))
    last = torch.nonzero((first + length) % time == 0).flatten()
    last = last[torch.argsort(first[last])]  # the stretch each lane ends with
    return output.data[torch.argsort(rows)], (hidden[:, last], cell[:, last])


class _Extractor(BaseFeaturesExtractor):
    """The network's encoder as sb3 wants to be given one."""

    def __init__(self, observation_space: gymnasium.Space[Any]) -> None:
        super().__init__(observation_space, SHAPE)
        self.encoder = Encoder()

    def forward(self, observations: Tensor) -> Tensor:
        encoded: Tensor = self.encoder(observations)
        return encoded


class _Latents(nn.Module):
    """Actor: the head's inner layer, on the LSTM's output beside the encoder's; critic: a layer of its own."""

    latent_dim_pi, latent_dim_vf = HIDDEN, HIDDEN

    def __init__(self) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(HIDDEN + SHAPE, HIDDEN), nn.Tanh())
        self.critic = nn.Sequential(nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh())

    def forward_actor(self, features: Tensor) -> Tensor:
        latent: Tensor = self.actor(features)
        return latent

    def forward_critic(self, features: Tensor) -> Tensor:
        latent: Tensor = self.critic(features)
        return latent


class AccompanistPolicy(RecurrentActorCriticPolicy):
    """The network of ``network.py`` as a recurrent policy of sb3-contrib. ``stock``: keep its way through sequences."""

    def __init__(self, *args: Any, stock: bool = False, **kwargs: Any) -> None:
        self._stock = stock
        kwargs |= {
            "features_extractor_class": _Extractor,
            "lstm_hidden_size": HIDDEN,
            "enable_critic_lstm": False,
            "ortho_init": False,
        }
        super().__init__(*args, **kwargs)
        # What the critic learns must not bend the encoder, which cloning has trained and the actor lives on.
        assert self.critic is not None
        self.critic.register_forward_pre_hook(lambda module, given: (given[0].detach(),))

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = _Latents()  # type: ignore[assignment]  # the same two verbs

    def _process_sequence(  # type: ignore[override]
        self, features: Tensor, lstm_states: tuple[Tensor, Tensor], episode_starts: Tensor, lstm: nn.LSTM
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        through = super()._process_sequence if self._stock else whole_sequences
        hidden, state = through(features, lstm_states, episode_starts, lstm)
        assert isinstance(state, tuple)
        return torch.cat([hidden, features], dim=-1), state

    def forward(  # type: ignore[override]  # as RecurrentActorCriticPolicy has it
        self, obs: Tensor, lstm_states: RNNStates, episode_starts: Tensor, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, RNNStates]:
        """One step of all lanes while practising; the stock answer, random numbers included, without its ceremony."""
        if self._stock or torch.is_grad_enabled():
            return super().forward(obs, lstm_states, episode_starts, deterministic)
        latents, lstm, critic = self.mlp_extractor, self.lstm_actor, self.critic
        assert critic is not None
        encoded = self.features_extractor(obs)
        keep = (1.0 - episode_starts)[:, None]
        past = [keep * part[0] for part in lstm_states.pi]
        hidden, cell = torch.lstm_cell(encoded, past, *lstm.all_weights[0])
        mean = self.action_net(latents.forward_actor(torch.cat([hidden, encoded], dim=-1)))
        away = torch.zeros_like(mean) if deterministic else torch.empty_like(mean).normal_()
        chance = -(0.5 * away.square() + self.log_std + 0.5 * math.log(2 * math.pi)).sum(dim=-1)
        values = self.value_net(latents.forward_critic(critic(encoded)))
        state = (hidden[None], cell[None])
        return mean + away * self.log_std.exp(), values, chance, RNNStates(state, state)

    def take_over(self, network: Accompanist) -> None:
        """Begin where a clone ended."""
        for mine, theirs in self._pairs(network):
            mine.load_state_dict(theirs.state_dict())

    def acting(self, learns: bool) -> None:
        """Whether the actor learns, or the critic alone."""
        for part in (
            self.features_extractor,
            self.lstm_actor,
            cast(_Latents, self.mlp_extractor).actor,
            self.action_net,
        ):
            part.requires_grad_(learns)
        self.log_std.requires_grad_(learns)

    def hand_back(self, network: Accompanist) -> Accompanist:
        """The same network with this policy's weights; its log spread stays as cloning left it."""
        for mine, theirs in self._pairs(network):
            theirs.load_state_dict(mine.state_dict())
        return network

    def _pairs(self, network: Accompanist) -> list[tuple[nn.Module, nn.Module]]:
        latents, extractor = self.mlp_extractor, self.features_extractor
        assert isinstance(latents, _Latents)
        assert isinstance(extractor, _Extractor)
        return [
            (extractor.encoder, network.encoder),
            (self.lstm_actor, network.lstm),
            (latents.actor[0], network.head.inner),
            (self.action_net, network.head.mean),
        ]


class LanesVec(VecEnv):
    """``Lanes`` as a vectorised environment of stable-baselines3."""

    def __init__(self, lanes: Lanes) -> None:
        box = gymnasium.spaces.Box
        super().__init__(
            lanes.count, box(LOW, HIGH, (N_SENSES,), np.float32), box(-ACTION_LIMIT, ACTION_LIMIT, (1,), np.float32)
        )
        self.lanes = lanes
        self._actions = np.zeros((lanes.count, 1), dtype=np.float32)
        self._paid = np.zeros(lanes.count)
        self._steps = np.zeros(lanes.count, dtype=np.int64)

    def reset(self) -> NDArray[np.float32]:
        self._paid[:], self._steps[:] = 0.0, 0
        return self.lanes.reset()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        observation, paid, done, ended = self.lanes.step(self._actions)
        self._paid += paid
        self._steps += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for lane, last in ended.items():
            steps = int(self._steps[lane])
            infos[lane] = {
                "terminal_observation": last,
                "TimeLimit.truncated": True,
                "episode": {"r": float(self._paid[lane]) / steps, "l": steps, "t": 0.0},
            }
            self._paid[lane], self._steps[lane] = 0.0, 0
        return observation, paid.astype(np.float32), done, infos

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(f"lanes share one room: {attr_name} cannot be set for one of them")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise AttributeError(f"lanes have no method {method_name} of their own")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


class Dealer:
    """Deals crops of episodes, made a few dozen takes at a time. The same seed deals the same.

    ``begun``: the steps practised before; what goes on is dealt anew, not the same again.
    """

    def __init__(
        self, performances: Sequence[Performance], variation: Variation, seed: int, takes: int = 48, size: int = 320,
        begun: int = 0,
    ) -> None:  # fmt: skip
        self._performances = list(performances)
        self._pool = pool_of(performances)
        self._variation, self._takes, self._size = variation, takes, size
        self._rng = np.random.default_rng([seed, 23, begun])
        self._stock: list[Episode] = []

    def __call__(self) -> Episode:
        if not self._stock:
            picked = self._rng.permutation(len(self._performances))[: self._takes]
            made = episodes([self._performances[index] for index in picked], self._pool, self._variation, self._rng)
            for item in made:
                for start in range(0, len(item) - 20, self._size):
                    self._stock.append(crop(item, start, self._size))
            self._stock = [self._stock[index] for index in self._rng.permutation(len(self._stock))]
        return self._stock.pop()


@dataclass(frozen=True)
class PpoSettings:
    """RecurrentPPO's settings, as far as they are not its defaults."""

    seed: int = 1
    steps: int = 200_000
    lanes: int = 128
    rollout: int = 128
    batch: int = 4096
    epochs: int = 5
    rate: float = 3e-5
    gamma: float = 0.8
    gae_lambda: float = 0.9
    log_std: float = -3.5
    entropy: float = 0.0
    clip: float = 0.2
    target_kl: float | None = 0.02
    minutes: float = 45.0
    threads: int = 1
    critic_first: int = 4  # rollouts in which the critic alone learns: a raw one would pull the clone about
    steady_rate: bool = False  # else the rate falls to a fifth
    pay: Pay = field(default_factory=Pay)
    variation: Variation = field(default_factory=lambda: replace(SLOW_TOO, simulated_share=0.05))


@dataclass(frozen=True)
class _Falling:
    """A rate that falls in a straight line to a fifth; ``left`` is the share of the practice that lies ahead."""

    rate: float

    def __call__(self, left: float) -> float:
        return self.rate * (0.2 + 0.8 * left)


Bar = Callable[[str, float], None]


def no_bar(what: str, share: float) -> None:
    """Nobody watches."""


class _Watch(BaseCallback):
    """Stops in time, keeps the latest weights, says how it goes."""

    def __init__(
        self, settings: PpoSettings, keep: Callable[[], None], say: Callable[[str], None], bar: Bar, every: int = 8
    ) -> None:
        super().__init__()
        self._until_s, self._steps = time.monotonic() + 60 * settings.minutes, settings.steps
        self._keep, self._say, self._bar, self._every, self._rollouts = keep, say, bar, every, 0

    def _on_step(self) -> bool:
        return time.monotonic() < self._until_s

    def _on_rollout_end(self) -> None:
        recent = [item["r"] for item in self.model.ep_info_buffer or []]
        paid = float(np.mean(recent)) if recent else math.nan
        self._rollouts += 1
        if self._rollouts % self._every == 0:  # what is kept is the model before the update that follows
            self._keep()
            self._say(f"{self.num_timesteps} steps: pay an onset {paid:.4f}")
        self._bar("practising", min(self.num_timesteps / max(self._steps, 1), 1.0))


def make_ppo(env: VecEnv, settings: PpoSettings, folder: Path | None = None, *, stock: bool = False) -> RecurrentPPO:
    """RecurrentPPO over ``env``; ``stock`` keeps sb3-contrib's own way through sequences, for comparison."""
    torch.set_num_threads(settings.threads)
    return RecurrentPPO(
        AccompanistPolicy,
        env,
        learning_rate=settings.rate if settings.steady_rate else _Falling(settings.rate),
        n_steps=settings.rollout,
        batch_size=settings.batch,
        n_epochs=settings.epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        ent_coef=settings.entropy,
        target_kl=settings.target_kl,
        policy_kwargs={"log_std_init": settings.log_std, "stock": stock},
        tensorboard_log=str(folder / "tensorboard") if folder is not None else None,
        seed=settings.seed,
        device="cpu",
    )


def _policy(model: RecurrentPPO) -> AccompanistPolicy:
    assert isinstance(model.policy, AccompanistPolicy)
    return model.policy


def practise(
    train: Sequence[Performance],
    network: Accompanist,
    settings: PpoSettings,
    folder: Path,
    say: Callable[[str], None] = print,
    bar: Bar = no_bar,
) -> Accompanist:
    """Let the clone practise; returns the agent. ``ppo.zip`` in ``folder`` is gone on from where there is one.

    First the critic learns alone, then actor and critic together for ``settings.steps`` steps in all, or until the
    time is up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept, told = folder / "ppo.zip", folder / "ppo.json"
    done = int(json.loads(told.read_text(encoding="utf-8"))["steps_done"]) if told.exists() else 0
    dealer = Dealer([item for item in train if item.voice == "all"], settings.variation, settings.seed, begun=done)
    model = make_ppo(LanesVec(Lanes(settings.lanes, dealer, settings.pay)), settings, folder)
    policy = _policy(model)

    def keep() -> None:
        model.save(kept)
        state = {"settings": asdict(settings), "steps_done": model.num_timesteps}
        told.write_text(json.dumps(state, indent=1), encoding="utf-8")

    if done:
        model.set_parameters(str(kept), device="cpu")
        say(f"going on after {done} steps")
    else:
        policy.take_over(network)
        policy.acting(False)
        model.learn(settings.critic_first * settings.lanes * settings.rollout, tb_log_name="critic")
        policy.acting(True)
    model.num_timesteps = done
    if settings.steps > done:
        model.learn(
            settings.steps - done,
            callback=_Watch(settings, keep, say, bar),
            tb_log_name="practice",
            reset_num_timesteps=False,
        )
    keep()
    agent: Accompanist = policy.hand_back(network)
    return agent
