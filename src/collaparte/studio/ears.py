"""Who listens in a rehearsal: a MIDI port, the machine's microphone, the browser's, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from collaparte.calibrate import Calibration, Calibrations
from collaparte.events import Heard, OrchestraEvent
from collaparte.listen.midi import MidiInput
from collaparte.score import Score
from collaparte.sound.balance import USUAL_A_HZ
from collaparte.studio.booth import Booth
from collaparte.takes import Shelf

if TYPE_CHECKING:
    from collaparte.studio.wanted import Wanted

Relocate = Callable[[float], None]


class Told(NamedTuple):
    """What an ear is told: where the soloist goes on, and what the orchestra plays."""

    relocate: Relocate = lambda beat: None
    sounds: Callable[[OrchestraEvent], None] = lambda event: None
    tune: Callable[[float], None] = lambda a4_hz: None


BROWSER = "browser"  # how calibrations call its microphone and its loudspeaker


def calibration_of(wanted: Wanted, shelf: Shelf) -> Calibration | None:
    """What was measured of this microphone with this loudspeaker; None where nothing was."""
    if wanted.input not in ("mic", "browser"):
        return None
    output = BROWSER if wanted.output == "browser" else None
    if wanted.input == "browser" and output is None:
        return None  # the way from the machine to the browser's microphone is not measured
    return Calibrations(shelf.folder).recall(BROWSER if wanted.input == "browser" else wanted.mic, output)


def open_ear(
    stack: ExitStack,
    wanted: Wanted,
    page: Score,
    put: Callable[[Heard], None],
    now: Callable[[], float],
    booth: Booth,
    say: Callable[[str], None],
    calibration: Calibration | None = None,
    beside: Mapping[str, Any] | None = None,
) -> Told:
    """Open what was asked for until ``stack`` closes; answers how to tell it what it must know.

    ``beside`` is what the machine's microphone needs to know of the orchestra in it (``calibrate.beside``). Raises
    DeviceError, MissingExtra.
    """
    latency_s = calibration.input_latency_s if calibration is not None else 0.0
    given_hz = wanted.tuning_hz if wanted.tuning_hz != USUAL_A_HZ and not wanted.tunes else None
    if wanted.input == "midi":
        stack.enter_context(MidiInput(wanted.midi_in, put, now, notice=say))
    elif wanted.input == "mic":
        from collaparte.listen.microphone import Microphone

        machine = stack.enter_context(
            Microphone(
                page,
                put,
                now,
                device=wanted.mic,
                latency_s=latency_s,
                notice=say,
                from_beat=wanted.from_beat,
                a4_hz=given_hz,
                tunes=wanted.tunes,
                **(beside or {}),
            )
        )
        machine.live.tune(wanted.tuning_hz)
        return Told(machine.live.relocate, machine.live.sounds, machine.live.tune)
    elif wanted.input == "browser":
        from collaparte.studio.browser_microphone import BrowserMicrophone

        far = stack.enter_context(
            BrowserMicrophone(
                page, put, now, booth, latency_s=latency_s, calibration=calibration, notice=say,
                from_beat=wanted.from_beat, a4_hz=given_hz, tunes=wanted.tunes,
            )
        )  # fmt: skip
        return Told(far.relocate)
    return Told()
