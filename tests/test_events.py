"""The line of JSON: what is written is what is read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collaparte.events import (
    Click,
    Command,
    Notice,
    OrchestraEvent,
    Pedal,
    Position,
    SoloEvent,
    TakeHeader,
    TempoPlan,
    from_line,
    to_line,
)

micro = st.integers(-(10**9), 10**10).map(lambda count: count / 1_000_000)
pitch = st.integers(0, 127)
VALUES = st.one_of(
    st.builds(SoloEvent, micro, micro, st.booleans(), pitch, pitch, st.integers(0, 10**6).map(lambda n: n / 1e6)),
    st.builds(Pedal, micro, micro, st.sampled_from([64, 66, 67]), pitch),
    st.builds(Position, micro, micro, micro, micro, st.sampled_from(["waiting", "playing", "lost", "finished"])),
    st.builds(TempoPlan, micro, micro, micro, micro, st.none() | micro, micro),
    st.builds(
        OrchestraEvent,
        micro,
        micro,
        st.text(),
        st.booleans(),
        pitch,
        pitch,
        st.booleans(),
        st.integers(0, 9),
        st.none() | micro,
    ),
    st.builds(Click, micro, micro, st.booleans()),
    st.builds(Command, micro, micro, st.text(), st.none() | micro),
    st.builds(Notice, micro, st.text()),
    st.builds(
        TakeHeader,
        st.text(),
        st.text(),
        st.text(),
        st.none() | st.integers(0, 99),
        st.dictionaries(st.text(), st.text() | micro | st.booleans() | st.none()),
    ),
)


@given(VALUES)
def test_a_value_of_six_decimals_comes_back_equal_from_one_line(value: SoloEvent) -> None:
    line = to_line(value)
    assert "\n" not in line
    assert from_line(line) == value


def test_lines_have_the_form_the_contract_shows() -> None:
    assert to_line(SoloEvent(12.031, 12.031, True, 76, 71)) == (
        '{"kind": "solo", "time_s": 12.031, "heard_s": 12.031, "on": true, '
        '"pitch": 76, "velocity": 71, "certainty": 1.0}'
    )
    assert '"hold_beat": null' in to_line(TempoPlan(12.031, 12.031, 24.0, 0.512))
    assert "sent_s" not in to_line(OrchestraEvent(1.0, 2.0, "Violins I", True, 64, 58))


def test_numbers_are_rounded_to_microseconds_and_numpy_is_plain() -> None:
    line = to_line(SoloEvent(float(np.float64(1 / 3)), -1e-9, bool(np.True_), int(np.int16(60))))
    assert '"time_s": 0.333333' in line
    assert '"heard_s": 0.0' in line


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_is_never_written(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        to_line(Position(bad, 0.0, 0.0, 1.0, "playing"))


def test_unknown_fields_are_passed_over_and_unknown_kinds_are_not() -> None:
    assert from_line('{"kind": "click", "due_s": 1.5, "beat": 2.0, "accent": true, "colour": "red"}') == Click(
        1.5, 2, True
    )
    for line in ('{"kind": "tuba"}', '{"kind": "click", "due_s": 1.5}', "[1, 2]", "", '{"kind": ["take"]}'):
        with pytest.raises(ValueError, match="line"):
            from_line(line)


def test_a_plan_is_a_line_through_its_starting_point() -> None:
    plan = TempoPlan(10.0, from_s=9.5, from_beat=24.0, beat_period_s=0.5)
    assert plan.time_of(24.0) == 9.5
    assert plan.time_of(26.0) == 10.5
    assert plan.beat_at(plan.time_of(31.25)) == 31.25
