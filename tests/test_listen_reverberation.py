"""What a hall goes on ringing is measured, foretold and taken out; what is not known of it is nobody's music."""

from __future__ import annotations

import numpy as np
import pytest
from test_listen_echo import cleaned, decibels, music, own, through

from collaparte.calibrate import clicks, measure
from collaparte.calibrate.response import RESPONSE_LEAD_S, RESPONSE_S
from collaparte.listen.apart.echo import BLOCK, LENGTH_S, EchoCanceller
from collaparte.listen.apart.reverberation import COUNT, SIZE, Reverberation
from collaparte.listen.audio import RATE
from collaparte.listen.simulated.room import ROOMS, response_of

NOISE = 2e-4


def noise(count: int, seed: int = 4) -> np.ndarray:
    return (NOISE * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def measured(taps: np.ndarray, rate: int = RATE) -> np.ndarray:
    """The response as the clicks find it in the room ``taps``, from the sample on at which it was played."""
    signal = clicks(rate)
    found = measure(through(signal, 0.25 * taps) + noise(len(signal)), signal, rate)
    begins = round((found.round_trip_s - RESPONSE_LEAD_S) * rate)
    return np.concatenate([np.zeros(max(begins, 0)), 4.0 * found.response[max(-begins, 0) :]]).astype(np.float32)


def less_db(canceller: EchoCanceller, sent: np.ndarray, echo: np.ndarray, first_s: float, last_s: float) -> float:
    out, here = cleaned(canceller, echo + noise(len(echo)), sent), slice(round(first_s * RATE), round(last_s * RATE))
    return decibels((echo[here] @ echo[here]) / (out[here] @ out[here]))


@pytest.mark.parametrize("name", list(ROOMS))
def test_the_clicks_find_a_room_with_all_that_it_goes_on_ringing(name: str) -> None:
    taps = response_of(ROOMS[name], 5)
    found = measured(taps)
    sent, soon = music(1, 45, 65, 0.3, 4), round(LENGTH_S * RATE)
    echo, likely = through(sent, taps), through(sent, found)
    assert decibels((echo @ echo) / ((echo - likely) @ (echo - likely))) > 30.0
    late, likely = echo - through(sent, taps[:soon]), likely - through(sent, found[:soon])
    if name == "hall":
        assert decibels((late @ late) / (echo @ echo)) > -20.0  # there is something late
        assert decibels((late @ late) / ((late - likely) @ (late - likely))) > 20.0


def test_where_a_room_is_no_louder_than_the_noise_nothing_is_said_of_it() -> None:
    found = measured(response_of(ROOMS["small"], 5))
    assert len(found) == pytest.approx(RESPONSE_S * RATE, rel=0.02)
    assert np.flatnonzero(found).max() < 0.45 * RATE


@pytest.mark.parametrize("early", [0, 2 * BLOCK])
def test_large_blocks_foretell_what_the_room_makes_of_what_was_sent(early: int) -> None:
    rng = np.random.default_rng(3)
    taps = rng.standard_normal(COUNT * SIZE).astype(np.float32)
    sent = rng.standard_normal(4 * RATE).astype(np.float32)
    after = round(LENGTH_S * RATE)
    late = Reverberation(after, early)
    late.filter.learn(taps, 0.03)
    wanted = through(sent, np.concatenate([np.zeros(after + early, np.float32), taps]))
    found = []
    for number, at in enumerate(range(0, len(sent), BLOCK)):
        if number == 137:  # in the middle of a large block
            late.again(np.concatenate([np.zeros(late.needs, np.float32), sent[:at]]))
        found.append(late.foretold(sent[at : at + BLOCK]))
        late.heard(found[-1], sure=False)
    np.testing.assert_allclose(np.concatenate(found), wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_hall_that_was_measured_is_silent_and_nobody_is_heard_in_it() -> None:
    taps, sent = response_of(ROOMS["hall"], 5), music(1, 45, 65, 0.3, 4)
    echo = through(sent, taps)
    canceller = EchoCanceller()
    canceller.learn(measured(taps))
    assert less_db(canceller, sent, echo, 2.0, 12.0) > 25.0
    canceller = EchoCanceller()
    canceller.learn(measured(taps))
    assert own(canceller, echo + noise(len(echo)), sent)[10:].max() < 0.5


def test_of_a_hall_that_was_measured_too_shortly_the_rest_is_expected_and_learnt() -> None:
    taps, sent = response_of(ROOMS["hall"], 5), music(1, 45, 65, 0.3, 4)
    echo, short = through(sent, taps), measured(taps)[: round(0.35 * RATE)]
    canceller = EchoCanceller()
    canceller.learn(short)
    assert own(canceller, echo + noise(len(echo)), sent)[10:].max() < 0.5
    known = EchoCanceller()
    known.learn(short)
    at_first = less_db(known, sent, echo, 0.5, 1.5)
    assert less_db(canceller, sent, echo, 0.5, 11.5) > at_first + 3.0


def test_in_a_hall_whose_loudspeaker_was_moved_nobody_is_heard() -> None:
    sent, hall = music(1, 45, 65, 0.3, 4), response_of(ROOMS["hall"], 5)
    share = np.clip((np.arange(len(sent)) / RATE - 4.0) / 0.5, 0.0, 1.0)
    echo = (1.0 - share) * through(sent, hall) + share * through(sent, response_of(ROOMS["hall"], 6))
    echo = echo.astype(np.float32)
    canceller = EchoCanceller()
    canceller.learn(measured(hall))
    assert (own(canceller, echo + noise(len(echo)), sent)[10:] > 0.5).mean() < 0.01


def test_when_the_way_becomes_longer_all_at_once_the_reverberation_does_too() -> None:
    taps, sent = response_of(ROOMS["hall"], 5), music(1, 45, 65, 0.3, 4)
    delay, jumps, longer = round(0.06 * RATE), 5 * RATE, round(0.0101 * RATE)
    echo = through(sent, np.concatenate([np.zeros(delay, np.float32), taps]))
    echo = np.concatenate([echo[:jumps], echo[jumps - longer : -longer]])
    canceller = EchoCanceller(delay_s=0.06)
    canceller.learn(measured(taps))
    assert less_db(canceller, sent, echo, 6.0, 12.0) > 20.0
    assert canceller.later == pytest.approx(longer, abs=1)
