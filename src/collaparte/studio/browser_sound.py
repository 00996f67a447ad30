"""The browser as the orchestra's loudspeaker: committed notes go to the page in the booth, in its own time.

The page plays them with a sampler in an audio worklet (``studio/src/worklet.ts``), each at its own sample. It needs
them ``output_latency_s`` ahead: what its loudspeaker takes, what the way there takes, and a margin for a busy page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from collaparte.errors import DeviceError, MissingExtra
from collaparte.events import Click, OrchestraEvent
from collaparte.score import Part
from collaparte.sound import Sound, Sounding
from collaparte.sound.attack import MOST_LIVE_S, Leads, leads_s
from collaparte.sound.balance import USUAL_A_HZ
from collaparte.sound.seats import CLICK_LENGTH_S, CLICK_STRONG, CLICK_WEAK
from collaparte.sound.sf2 import PERCUSSION_BANK
from collaparte.sound.soundfont import find_soundfont
from collaparte.studio.booth import Booth, Guest

AHEAD_S = 0.040  # what a busy page may take to pass a note on
COMES_WITHIN_S = 60.0  # a soundfont over a slow network
STAGE_WIDTH = 0.6
CLICK_VELOCITY = 100


class BrowserSound(Sound):
    """Waits for the page ``page`` to be ready to play; ``due_s`` counts on ``time.monotonic()``.

    Raises DeviceError when the page does not come, or says that it cannot play.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        booth: Booth,
        page: str | None,
        *,
        notice: Callable[[str], None] = lambda text: None,
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._booth, self._notice = booth, notice
        players = [part for part in parts if not part.solo]
        self._seat = {part.name: index for index, part in enumerate(players)}
        self._seats = [
            [
                PERCUSSION_BANK if part.percussion else 0,
                min(max(part.program, 0), 127),
                round(STAGE_WIDTH * (2 * (index + 0.5) / len(players) - 1), 3),
            ]
            for index, part in enumerate(players)
        ] + [[PERCUSSION_BANK, 0, 0.0]]
        self._leads_s = _leads_s(players)
        self._drums = {part.name for part in players if part.percussion}
        self._levels: dict[str, float] = {}
        self._semitones = 0.0  # what the orchestra's A is away from 440 Hz
        self._clicks = 0
        self._open, self._unheard = True, False
        booth.on_guest(self._welcome)
        guest = booth.wait_for(page, COMES_WITHIN_S, ended)
        if guest is not None:
            self._welcome(guest)
            while not (guest.ready.wait(0.1) or guest.gone.is_set() or ended()):
                pass
        if guest is None or not guest.ready.is_set():
            booth.on_guest(None)
            raise DeviceError(
                (guest.trouble if guest is not None else None)
                or "The browser's loudspeaker did not open. Press Rehearse in the page that is to sound."
            )
        self.output_latency_s = guest.latency_s + (guest.clocks.uncertainty_s or 0.0) + AHEAD_S
        self.output_latency_s += max((max(leads) for leads in self._leads_s.values()), default=0.0)

    def _welcome(self, guest: Guest) -> None:
        self._unheard = False
        guest.send({"kind": "seats", "seats": self._seats})

    def send(self, events: Sequence[Sounding]) -> None:
        guest = self._booth.guest
        if guest is None:
            if not self._unheard:
                self._unheard = True
                self._notice("The page that sounds is gone. The orchestra plays on unheard; open the page again.")
            return
        notes: list[list[float]] = []
        for event in events:
            at_s = guest.clocks.theirs(event.due_s)
            if at_s is None:
                continue
            if isinstance(event, OrchestraEvent) and event.on and event.part in self._leads_s:
                at_s -= self._leads_s[event.part][event.pitch]
            at_ms = round(at_s * 1000, 3)
            if isinstance(event, Click):
                self._clicks -= 1
                pitch, seat = CLICK_STRONG if event.accent else CLICK_WEAK, len(self._seats) - 1
                notes.append([1, self._clicks, seat, pitch, CLICK_VELOCITY, at_ms])
                notes.append([0, self._clicks, seat, pitch, 0, at_ms + CLICK_LENGTH_S * 1000])
            else:
                # The sampler's loudness goes with the square of the velocity.
                velocity = round(event.velocity * math.sqrt(self._levels.get(event.part, 1.0)))
                if event.on and velocity < 1:
                    continue
                bend = 0.0 if event.part in self._drums else self._semitones
                notes.append(
                    [
                        int(event.on),
                        event.note,
                        self._seat.get(event.part, 0),
                        round(event.pitch + bend, 4),
                        min(velocity, 127),
                        at_ms,
                    ]
                )
        if notes:
            guest.send({"kind": "notes", "notes": notes})

    def set_level(self, part: str, level: float) -> None:
        """Of the notes to come: one that sounds stays as loud as it is."""
        self._levels[part] = level

    def tune(self, tuning_hz: float) -> None:
        self._semitones = 12 * math.log2(tuning_hz / USUAL_A_HZ)

    def all_notes_off(self) -> None:
        guest = self._booth.guest
        if guest is not None:
            guest.send({"kind": "panic"})

    def close(self) -> None:
        if self._open:
            self._open = False
            self._booth.on_guest(None)
            self.all_notes_off()


def _leads_s(players: Sequence[Part]) -> Leads:
    """How much earlier to send the notes of presets that speak late; nothing where nothing can measure it."""
    try:
        return leads_s(players, find_soundfont(), MOST_LIVE_S)
    except MissingExtra:
        return {}
