"""Who listens in a rehearsal: a MIDI port, the machine's microphone, the browser's, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from collaparte.events import Heard
from collaparte.listen.midi import MidiInput
from collaparte.score import Score
from collaparte.studio.booth import Booth

if TYPE_CHECKING:
    from collaparte.studio.rehearsal import Wanted

Relocate = Callable[[float], None]


def open_ear(
    stack: ExitStack,
    wanted: Wanted,
    page: Score,
    put: Callable[[Heard], None],
    now: Callable[[], float],
    booth: Booth,
    say: Callable[[str], None],
) -> Relocate:
    """Open what was asked for until ``stack`` closes; answers how to tell it where the soloist goes on.

    Raises DeviceError, MissingExtra.
    """
    if wanted.input == "midi":
        stack.enter_context(MidiInput(wanted.midi_in, put, now, notice=say))
    elif wanted.input == "mic":
        from collaparte.listen.microphone import Microphone

        machine = stack.enter_context(
            Microphone(page, put, now, device=wanted.mic, notice=say, from_beat=wanted.from_beat)
        )
        return machine.live.relocate
    elif wanted.input == "browser":
        from collaparte.studio.browser_microphone import BrowserMicrophone

        far = stack.enter_context(BrowserMicrophone(page, put, now, booth, notice=say, from_beat=wanted.from_beat))
        return far.relocate
    return lambda beat: None
