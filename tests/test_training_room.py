"""The practice room: lanes equal to the engine, a quick way through sequences equal to the slow one, learning shown."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'collaparte[train]'")
pytest.importorskip("sb3_contrib", reason="training needs sb3-contrib: pip install 'collaparte[train]'")
pytest.importorskip("onnx", reason="training needs onnx: pip install 'collaparte[train]'")

import torch
from gymnasium.utils.env_checker import check_env
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

from collaparte.events import Position
from collaparte.predict.features import N_LOOK, N_SENSES, Page, gather
from collaparte.predict.policy import load_policy, rest
from collaparte.predict.steady import Steady
from collaparte.takes.recollection import recollect
from collaparte.takes.remember import RunThrough, interval_keys
from collaparte.training.ablate import variants
from collaparte.training.clone import CloneSettings, crops, loss_of
from collaparte.training.data.corpus import Corpus
from collaparte.training.data.onsets import Performance, forward
from collaparte.training.data.splits import Split, split
from collaparte.training.env import Rehearsal, page_score
from collaparte.training.episodes import CLEAN, Episode, Variation, at, episode_of, episodes, pool_of, remember
from collaparte.training.export import export
from collaparte.training.judge import judge
from collaparte.training.lanes import steady_lines
from collaparte.training.lanes_env import Lanes
from collaparte.training.network import Accompanist, zero_state
from collaparte.training.pipeline import TUNING, Ground, run_polish, run_tune
from collaparte.training.polish import PolishSettings, pay_of, polish, table_of
from collaparte.training.ppo import LanesVec, PpoSettings, make_ppo, whole_sequences
from collaparte.training.recover import weights_of
from collaparte.training.reward import Pay, log_period, reward

torch.set_num_threads(1)  # more of them only get in each other's way on small networks


def a_page(seed: int = 1, onsets: int = 70) -> Page:
    rng = np.random.default_rng(seed)
    length = rng.choice([0.25, 0.5, 0.5, 1.0, 2.0], onsets)
    length[onsets // 2] = 8.0  # a tutti
    beat = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    pitch = 60 + rng.integers(0, 12, onsets)
    bars = np.arange(0.0, float(beat[-1]) + 1, 4.0)
    return Page(gather(beat, length, pitch, np.zeros(onsets, dtype=bool), beat[20:21], bars))


def a_take(page: Page, seed: int, piece: str = "piece") -> Performance:
    rng = np.random.default_rng(seed)
    period = 0.5 * np.exp(0.25 * np.sin(page.beat[:-1] / 5) + rng.normal(0, 0.08, len(page) - 1))
    period[len(page) // 3] *= 3  # a stop
    time_s = 1.0 + np.concatenate([[0.0], np.cumsum(period * np.diff(page.beat))])
    time_s[rng.random(len(page)) < 0.05] = np.nan
    time_s[:2] = (1.0, 1.0 + 0.5 * (page.beat[1] - page.beat[0]))
    return Performance(piece, f"p{seed}", "all", page, forward(np.round(time_s, 6)))


def test_the_steady_model_in_lanes_is_the_steady_model() -> None:
    takes = [a_take(a_page(seed), seed) for seed in (1, 2, 3, 4)]
    parts = [(take.page, take.played, take.time_s[take.played]) for take in takes]
    periods = np.array([0.5, 0.62, 0.4, 0.11])  # the last page is nothing like how it is played
    for (page, visited, time_s), line, period in zip(parts, steady_lines(parts, periods), periods, strict=True):
        steady = Steady(page_score(page, float(period)))
        plans = [
            steady.plan(Position(now, now, float(page.beat[place]), 1.0, "playing"))
            for place, now in zip(visited.tolist(), time_s.tolist(), strict=True)
        ]
        np.testing.assert_allclose(line.from_s, [plan.from_s for plan in plans], atol=1e-9)
        np.testing.assert_allclose(line.beat_period_s[:-1], [plan.beat_period_s for plan in plans[:-1]], atol=1e-9)
        np.testing.assert_allclose(line.spread_s[:-1], [plan.spread_s for plan in plans[:-1]], atol=1e-9)


def rehearsed(seed: int, recall: bool, latency_s: float = 0.0) -> tuple[Episode, Page, float, object]:
    take = a_take(a_page(seed), seed)
    visited = take.played
    heard = np.round(take.time_s[visited] + np.random.default_rng(seed).normal(0, 0.008, len(visited)), 6)
    heard = np.maximum.accumulate(heard) - heard[0] + 1.0
    recalled = remember(take.page, [a_take(take.page, 7).time_s, a_take(take.page, 8).time_s]) if recall else None
    line = steady_lines([(take.page, visited, heard)], np.array([0.5]))[0]
    item = episode_of(take, line, visited, heard, take.time_s, recalled)
    return replace(item, latency_s=latency_s), take.page, 0.5, recalled


def test_lanes_equal_the_engine_with_the_chair_empty_step_by_step() -> None:
    dealt = [rehearsed(1, True), rehearsed(2, False), rehearsed(3, True, 0.04)]
    supply = iter([item[0] for item in dealt] * 3)
    lanes = Lanes(len(dealt), lambda: next(supply))
    seen = lanes.reset()
    rooms = [Rehearsal(lambda rng, item=item: item) for item in dealt]
    first = [room.reset(seed=0)[0] for room in rooms]
    np.testing.assert_allclose(seen, np.stack(first), atol=1e-5)
    rng = np.random.default_rng(3)
    early = late = 0
    for _ in range(min(len(item[0]) for item in dealt) - 2):
        action = rng.normal(0, 0.2, len(dealt)).astype(np.float32)
        seen, paid, _, _ = lanes.step(action)
        for lane, room in enumerate(rooms):
            observation, reward, _, _, info = room.step(action[lane : lane + 1])
            np.testing.assert_allclose(observation, seen[lane], atol=2e-4)
            assert reward == pytest.approx(paid[lane], abs=1e-4)
            if np.isfinite(info["sounded_s"]):
                assert info["sounded_s"] == pytest.approx(lanes.sounded_s[lane], abs=5e-6)
                early += info["error_s"] < -0.02
                late += info["error_s"] > 0.02
    assert early > 10  # both ways of sounding were seen
    assert late > 10


def test_polishing_is_paid_as_the_room_pays_step_by_step() -> None:
    item = rehearsed(1, True, 0.02)[0]
    lanes = Lanes(1, lambda: item)
    lanes.reset()
    pay = replace(lanes.pay, jerk=0.7)
    lanes.pay = pay
    action = np.random.default_rng(3).normal(0, 0.2, len(item) - 1).astype(np.float32)
    paid = np.array([lanes.step(action[place : place + 1])[1][0] for place in range(len(action))])
    batch = torch.from_numpy(table_of(item))[:, None]
    ours = pay_of(pay, batch, torch.from_numpy(action)[:, None])[:, 0].numpy()
    whole = np.diff(item.visited) == 1
    music = log_period(item.next_s[:-1] - item.true_s[:-1], item.length[:-1])
    own = np.minimum(np.abs(np.diff(np.where(whole, music, np.nan), prepend=np.nan)), 2.0)
    np.testing.assert_allclose(ours + pay.jerk * np.nan_to_num(own), paid, atol=2e-3)
    assert np.std(paid) > 0.1


def test_what_is_polished_is_not_polished_again_but_for_another_clone(tmp_path: Path) -> None:
    takes = tuple(a_take(a_page(seed, 90), seed) for seed in range(3))
    ground = Ground(Corpus("test", takes, ()), Split(1, ("piece",), (), (), ()), tmp_path)
    settings = PolishSettings(rounds=1, takes_a_round=3, crop=64, lanes=2, passes=1)
    said: list[str] = []
    for turn, again in ((0, False), (0, True), (1, False)):
        torch.manual_seed(turn)
        torch.save(Accompanist().state_dict(), tmp_path / "clone-best.pt")
        said.clear()
        run_polish(ground, settings, said.append)
        assert any("polished already" in line for line in said) is again


def test_polishing_makes_the_orchestra_smoother() -> None:
    takes = [a_take(a_page(seed, 90), seed) for seed in range(8)]
    torch.manual_seed(0)
    settings = PolishSettings(rounds=6, takes_a_round=8, crop=64, lanes=6, rate=3e-3, average=0.8, pay=Pay(jerk=2.0))
    network = polish(takes, Accompanist(), settings, lambda text: None)
    items = episodes(takes, pool_of(takes), CLEAN, np.random.default_rng(0))
    before, after = judge(None, items), judge(network, items)
    assert after.roughness < 0.9 * before.roughness
    assert after.pay > before.pay


@pytest.mark.filterwarnings("error")
def test_the_room_is_a_gymnasium_environment_whose_observations_stay_in_their_box() -> None:
    check_env(Rehearsal(lambda rng: rehearsed(4, True)), skip_render_check=True)


def test_whole_sequences_equal_the_stock_loop_across_resets() -> None:
    torch.manual_seed(0)
    lanes, steps = 5, 23
    lstm = torch.nn.LSTM(7, 11)
    features = torch.randn(lanes * steps, 7, requires_grad=True)
    state = (torch.randn(1, lanes, 11), torch.randn(1, lanes, 11))
    starts = (torch.rand(lanes, steps) < 0.12).float()
    starts[:, 0] = torch.tensor([1.0, 0, 1, 0, 0])
    gradients = []
    outputs = []
    for through in (RecurrentActorCriticPolicy._process_sequence, whole_sequences):
        output, last = through(features, state, starts.flatten(), lstm)
        (gradient,) = torch.autograd.grad(output.square().sum() + last[1].sum(), features)
        outputs.append((output, last[0], last[1]))
        gradients.append(gradient)
    for stock, ours in zip(*outputs, strict=True):
        torch.testing.assert_close(stock, ours, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-4)


def test_practice_is_the_stock_practice_number_by_number() -> None:
    learnt = []
    for stock in (True, False):
        rng = np.random.default_rng(0)
        settings = PpoSettings(lanes=6, rollout=40, batch=96, epochs=2, rate=1e-3, target_kl=None)
        model = make_ppo(LanesVec(Lanes(6, lambda rng=rng: riddle(rng))), settings, stock=stock)
        model.learn(6 * 40 * 2)
        pay = model.rollout_buffer.rewards.copy()
        learnt.append((pay, [value.detach().clone() for value in model.policy.parameters()]))
        assert model.rollout_buffer.episode_starts[1:].any()  # episodes began inside the sequences
    np.testing.assert_allclose(learnt[0][0], learnt[1][0], atol=1e-3)
    for one, other in zip(learnt[0][1], learnt[1][1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_torch_and_onnxruntime_give_the_same_200_actions_across_a_reset(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = Accompanist()
    torch.nn.init.normal_(network.head.mean.weight, std=0.2)
    export(network, tmp_path / "p.onnx", algorithm="none", seed=1, pieces=["none"], scores={})
    policy = load_policy(tmp_path / "p.onnx")
    seen = np.random.default_rng(2).uniform(-1, 1, (200, N_SENSES)).astype(np.float32)
    there, here = rest(), zero_state(1)
    actions = []
    for place, observation in enumerate(seen):
        if place == 90:
            there, here = rest(), zero_state(1)
        one, _, there = policy.act(observation, there)
        with torch.no_grad():
            mean, _, here = network(torch.from_numpy(observation)[None, None], here)
        other = float(np.clip(mean.item(), -1, 1))
        assert one == pytest.approx(other, abs=1e-5)
        actions.append(one)
    assert np.std(actions) > 0.01


def test_an_untrained_network_is_the_steady_model() -> None:
    mean, _, _ = Accompanist()(torch.randn(9, 3, N_SENSES))
    assert (mean == 0).all()


def test_training_remembers_as_takes_bring_together() -> None:
    page = a_page(5, 60)
    takes = [a_take(page, seed) for seed in (1, 2)]
    score = page_score(page, 0.5)
    keys, lengths = interval_keys(score)
    runs = []
    for order, take in enumerate(takes, 1):
        whole = np.flatnonzero(np.isfinite(np.diff(take.time_s)))
        seconds = np.diff(take.time_s)
        runs.append(
            RunThrough(
                f"{order}",
                score.digest,
                "me",
                order,
                tuple(keys[i] for i in whole),
                tuple(lengths[whole].tolist()),
                tuple(seconds[whole].tolist()),
            )
        )
    theirs, ours = recollect(score, runs), remember(page, [take.time_s for take in takes])
    n = len(page) - 1
    known = theirs.weight[:n, 0] > 0
    assert known.sum() > 40
    np.testing.assert_allclose(ours.weight[:n], theirs.weight[:n, 0], atol=1e-9)
    np.testing.assert_allclose(ours.log_ratio[:n, 0][known], theirs.log_ratio[:n, 0][known], atol=1e-9)
    np.testing.assert_allclose(ours.spread[:n][known], theirs.spread[:n, 0][known], atol=1e-9)
    np.testing.assert_allclose(ours.local_beat_period_s[:n], theirs.local_s[:n], atol=1e-9)
    assert len(at(ours, np.arange(5)).weight) == 5


def test_episodes_know_what_would_have_been_right() -> None:
    take = a_take(a_page(6), 6)
    (item,) = episodes([take], pool_of([take]), CLEAN, np.random.default_rng(0))
    judged = np.isfinite(item.target) & (np.abs(item.target) < 0.99)
    met = item.steady.from_s + item.steady.beat_period_s * item.length * np.exp(item.target)
    assert judged.sum() > 40
    np.testing.assert_allclose(met[judged], item.next_s[judged], atol=1e-3)
    noisy = replace(Variation(), quiet_share=0.0, recall_share=1.0)
    (other,) = episodes([take], pool_of([take]), noisy, np.random.default_rng(0))
    (again,) = episodes([take], pool_of([take]), noisy, np.random.default_rng(0))
    np.testing.assert_array_equal(other.observation, again.observation)
    assert np.isfinite(other.observation).all()


def test_some_episodes_are_played_by_simulated_soloists() -> None:
    takes = [a_take(a_page(seed), seed) for seed in range(12)]
    items = episodes(takes, pool_of(takes), replace(CLEAN, simulated_share=0.5), np.random.default_rng(2))
    played = [item for item in items if "simulated" in item.name]
    assert 2 < len(played) < 10
    for item in played:
        judged = np.isfinite(item.next_s)
        error_s = (item.steady.from_s + item.steady.beat_period_s * item.length - item.next_s)[judged][10:]
        assert 0.001 < np.median(np.abs(error_s)) < 0.15  # they play in time, but like people


def test_the_same_music_under_another_name_stays_on_one_side() -> None:
    page = a_page(1, 120)
    other = Page(page.onsets[:90])  # a repeat left out
    transposed = Page(page.onsets.copy())
    transposed.onsets["top"] += 3
    items = [a_take(page, 1, "a"), a_take(other, 2, "b"), a_take(transposed, 3, "c")]
    items += [a_take(a_page(seed, 120), seed, f"d{seed}") for seed in range(10, 20)]
    parts = split(Corpus("test", tuple(items), ()), seed=3, tune_share=0.2, test_share=0.2)
    assert ("a", "b", "c") in parts.groups
    sides = [set(parts.train), set(parts.tune), set(parts.test)]
    assert sum(bool({"a", "b", "c"} & side) for side in sides) == 1
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert len(set.union(*sides)) == 13


def riddle(rng: np.random.Generator, onsets: int = 24) -> Episode:
    """A soloist whose tempo for the whole take is told only at its first onset: nothing later gives it away."""
    take = a_take(a_page(1, onsets), 1)
    (item,) = episodes([take], pool_of([take]), CLEAN, rng)
    count = len(item)
    said = float(rng.choice([-0.3, 0.3]))
    observation = np.zeros((count, N_SENSES), dtype=np.float32)
    observation[0, N_LOOK + 4] = said * 3
    following = item.steady.from_s + item.steady.beat_period_s * item.length * np.exp(said)
    return replace(
        item, observation=observation, target=np.full(count, said, dtype=np.float32), next_s=following,
        true_s=item.heard_s,
    )  # fmt: skip


def test_cloning_learns_what_only_recurrence_can_know() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    settings = CloneSettings(crop=24, warm_up=0)
    rows = crops([riddle(rng) for _ in range(14)], settings, np.random.default_rng(5))
    rows = rows[(rows[:, 0, :N_SENSES] != 0).any(axis=1)]  # crops that begin with the take
    batch = torch.from_numpy(rows).transpose(0, 1)
    network = Accompanist()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(160):
        optimiser.zero_grad()
        loss_of(network, batch, 0.0).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)  # as cloning does
        optimiser.step()
    with torch.no_grad():
        mean, _, _ = network(batch[..., :N_SENSES])
        forgetful, _, _ = network(batch[5:, :, :N_SENSES])  # without the first onset there is nothing to know
    target = batch[..., N_SENSES]
    known = batch[5:20, :, N_SENSES + 1] > 0
    assert (mean[5:20] - target[5:20]).abs()[known].mean() < 0.06
    assert (forgetful[:15] - target[5:20]).abs()[known].mean() > 0.2


@pytest.mark.long
def test_practice_learns_what_only_recurrence_can_know() -> None:
    rng = np.random.default_rng(0)
    settings = PpoSettings(lanes=32, rollout=48, batch=512, rate=3e-3, log_std=-1.5, gamma=0.2, target_kl=0.1)
    env = LanesVec(Lanes(32, lambda: riddle(rng)))
    model = make_ppo(env, settings)
    model.learn(32 * 48 * 3)
    early = float(np.mean(model.rollout_buffer.rewards))
    model.learn(32 * 48 * 40, reset_num_timesteps=False)
    assert float(np.mean(model.rollout_buffer.rewards)) > 0.5 * early  # pay is negative: less than half is lost


@pytest.mark.long
def test_one_command_trains_from_match_files_to_a_policy_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    from test_training_data import a_match

    from collaparte.training.pipeline import prepare, run_all

    for piece in range(8):
        for player in range(2):
            a_match(tmp_path / f"corpus/piece{piece}/P{player}.match", 10 * piece + player, 80 + piece)
    ground = prepare(tmp_path / "run", str(tmp_path / "corpus"), cache=tmp_path / "cache")
    cloning = CloneSettings(rounds=2, takes_a_round=6, crop=64, lanes=8, passes=1)
    practice = PpoSettings(steps=1024, lanes=8, rollout=64, batch=256)
    said: list[str] = []
    polishing = PolishSettings(rounds=1, takes_a_round=6, crop=64, lanes=8, passes=1)
    path = run_all(ground, cloning, practice, said.append, polishing=polishing)
    assert load_policy(path).passport["training_pieces"] == sorted(ground.split.train)
    run_all(ground, replace(cloning, rounds=3), replace(practice, steps=2048), said.append, polishing=polishing)
    assert any("going on from round 2" in line for line in said)
    assert any("going on after 1024 steps" in line for line in said)


def test_the_weights_come_back_out_of_a_policy(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = Accompanist()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    network.encoder.scaling.mean.normal_()
    export(network, tmp_path / "p.onnx", algorithm="none", seed=1, pieces=["none"], scores={})
    again = weights_of(tmp_path / "p.onnx").state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again[name], value, atol=0.0, rtol=0.0)


def test_the_shipped_policy_is_fine_tuned_to_one_soloist_and_never_gets_worse(tmp_path: Path) -> None:
    page = a_page(9, 120)
    habit = 0.35 * np.sign(np.sin(page.beat[:-1] * 1.7))  # a soloist like no pianist: lurching, always the same
    takes = []
    for number in range(5):
        period = 0.5 * np.exp(habit + np.random.default_rng(number).normal(0, 0.01, len(page) - 1))
        time_s = 1.0 + np.concatenate([[0.0], np.cumsum(period * np.diff(page.beat))])
        takes.append(Performance("study", f"take {number}", "all", page, np.round(time_s, 6)))
    settings = replace(TUNING, rounds=6, takes_a_round=4, crop=64, lanes=8, passes=6, rate=3e-3)
    done = run_tune(Corpus("me", tuple(takes), ()), tmp_path, settings, say=lambda text: None)
    assert (done.learnt_from, done.judged_on) == (4, 1)
    assert done.after[0] < 0.8 * done.before[0]
    passport = load_policy(done.policy).passport
    assert "study" in passport["training_pieces"]
    assert len(passport["training_pieces"]) > 100  # what the shipped one learnt from is not forgotten
    ruinous = replace(settings, rate=0.5, rounds=1)
    spoilt = run_tune(Corpus("me", tuple(takes), ()), tmp_path / "spoilt", ruinous, say=lambda text: None)
    assert spoilt.after[0] <= spoilt.before[0]  # the weights that were best are kept, and those were the first


def test_an_ablation_changes_one_thing_at_a_time() -> None:
    usual = (PolishSettings(), PpoSettings())
    for name, recipe in variants(*usual).items():
        changed = set()
        for before, after in zip(usual, recipe, strict=True):
            one, other = asdict(before), asdict(after) if after is not None else {}
            for part in ("pay", "variation"):
                one |= one.pop(part)
                other |= other.pop(part, {})
            changed |= {"a stage"} if not other else {key for key in one if one[key] != other[key]}
        assert len(changed) == (0 if name == "as shipped" else 1), name


def test_a_network_without_a_part_does_not_use_it() -> None:
    torch.manual_seed(1)
    seen = torch.randn(6, 2, N_SENSES)
    later = seen.clone()
    later[0] += 1.0  # the past is another
    for recurrent in (True, False):
        network = Accompanist(recurrent=recurrent)
        torch.nn.init.normal_(network.head.mean.weight)
        same = torch.equal(network(seen)[0][3:], network(later)[0][3:])
        assert same is not recurrent
    for remembers in (True, False):
        network = Accompanist(remembers=remembers)
        torch.nn.init.normal_(network.head.mean.weight)
        network(seen)[0].sum().backward()
        gradient = network.encoder.memory.weight.grad
        assert (gradient is not None and bool(gradient.abs().max() > 0)) is remembers


def test_jerk_that_is_the_musics_own_costs_nothing() -> None:
    def paid(orchestra: float, music: float, *, beyond: bool) -> float:
        zero, none = np.zeros(1), np.full(1, np.nan)
        pay = Pay(sync=0.0, jerk=1.0, wait=0.0, beyond=beyond)
        return float(reward(pay, none, np.array([orchestra]), zero, np.array([music]), zero, none)[0])

    assert paid(0.2, 0.2, beyond=False) == paid(0.2, 0.2, beyond=True) == pytest.approx(0.0)
    assert paid(0.1, 0.2, beyond=False) == pytest.approx(0.1)
    assert paid(0.1, 0.2, beyond=True) == pytest.approx(0.0)
    assert paid(0.3, 0.2, beyond=True) == pytest.approx(-0.1)
