"""The ear: mono sound in, SoloEvents out, with the soloist's page open.

Conventions: audio is mono float32 at ``SAMPLE_RATE``, in blocks of any length. The sound of sample n is at
``n / SAMPLE_RATE + origin_s`` on the take's clock. An event's ``time_s`` is when the sound began, ``heard_s`` when the
block that betrayed it was there. Struck notes carry the pitches the page has at the place they were recognised as;
what was held from before is not struck again. ``certainty`` is the filter's belief that the place was reached.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.events import SoloEvent
from collaparte.listen.hearing.attack import Attack
from collaparte.listen.hearing.decoder import Decoder, Reached
from collaparte.listen.hearing.spectrum import HOP_S, SAMPLE_RATE, Frame, KnownBleed, Spectra
from collaparte.listen.hearing.templates import Places, Templates
from collaparte.listen.hearing.tuning import USUAL_HZ, Guesses
from collaparte.score import Score

LOW = 48  # a part whose middle pitch is below this is listened to through a longer window
WINDOW, LONG_WINDOW = 1024, 2048
DETECTOR_S = -0.022  # how late the decoder places notes with sharp attacks; measured on rendered solos
ENDS_AFTER_S = 0.15  # silence this long ends what was sounding
LOUDNESS_SPAN_DB = 3.0  # dB for ten steps of velocity
USUAL_VELOCITY = 64
FORGET_LEVEL_S = 10.0
LOOKED_AT = 5  # every so many frames what sounds is compared with every note there is ...
LIKE_BEST = 0.8  # ... and fits the page if it is so much as like it


class Ear:
    """One soloist's hearing. ``hear`` is given every block once, in order.

    ``a4_hz`` is the soloist's A where it is known (415 to 466); otherwise it is found while they play.
    """

    def __init__(self, score: Score, *, origin_s: float = 0.0, a4_hz: float | None = None) -> None:
        self.places = Places.of(score)
        middle = float(np.median([pitch for pitches in self.places.struck for pitch in pitches]))
        window = WINDOW if middle >= LOW else LONG_WINDOW
        page_s = np.array([score.seconds_at(float(beat)) for beat in self.places.beat])
        self._spectra = Spectra(window)
        self._attack = Attack(window)
        cents = None if a4_hz is None else 1200.0 * float(np.log2(a4_hz / USUAL_HZ))
        self._guesses = Guesses(
            lambda cents: Decoder(self.places, page_s, Templates(self.places, window, cents), window), cents
        )
        self.origin_s = origin_s
        self._sounding: tuple[int, ...] = ()
        self._silent_s = 0.0
        self._usual_db: float | None = None
        self._sounded_s = 0.0
        self._last_s = -np.inf
        self._frames = self._looked = self._fits = 0  # all, those compared with every note, and those of the page

    @property
    def a4_hz(self) -> float:
        """The soloist's A as it is known now; ``tuned`` says whether it can still be another by half a semitone."""
        return float(USUAL_HZ * 2.0 ** (self._guesses.cents / 1200))

    @property
    def tuned(self) -> bool:
        """Whether enough was heard to know the A."""
        return self._guesses.tuned

    @property
    def resemblance(self) -> float:
        """The share, 0..1, of what was heard since the beginning that fits the page; nan where nothing was heard.

        It fits where the place believed in is about as like it as the one note, of all there are, that is most like it.
        Of this page, wild playing included, more than half does; of other music, heard at whatever A fits best, less.
        """
        return self._fits / self._looked if self._looked else float("nan")

    @property
    def bleed(self) -> KnownBleed | None:
        """What is known of the orchestra in this sound; None where it is not in it."""
        return self._spectra.bleed

    @bleed.setter
    def bleed(self, bleed: KnownBleed | None) -> None:
        self._spectra.bleed = bleed

    def hear(self, block: NDArray[np.float32], heard_s: float) -> list[SoloEvent]:
        """The notes that began or ended, as known at ``heard_s``, when ``block`` was there."""
        events: list[SoloEvent] = []
        for frame in self._spectra.hear(block):
            self._listen_level(frame)
            self._attack.listen(frame)
            self._compare(frame)
            places = self._guesses.hear(frame)
            for reached in places:
                events += self._struck(reached, frame, heard_s)
            if not places and self._sounding and self._silent_s >= ENDS_AFTER_S:
                ended_s = frame.time_s - self._silent_s + self.origin_s
                events += self._ended(max(ended_s, self._last_s), heard_s)
        return events

    def relocate(self, beat: float) -> None:
        """The player says: the next note is the first at or after ``beat``."""
        place = min(int(np.searchsorted(self.places.beat, beat - 1e-6)), len(self.places.beat) - 1)
        self._guesses.seek(place - 1)

    def _listen_level(self, frame: Frame) -> None:
        if frame.active < 0.5:
            self._silent_s += HOP_S
            return
        self._silent_s = 0.0
        if self._usual_db is None:
            self._usual_db = frame.level_db
        # At first a plain mean: one soft beginning must not make everything after it loud.
        self._sounded_s += HOP_S
        share = max(HOP_S / FORGET_LEVEL_S, HOP_S / self._sounded_s)
        self._usual_db += share * (frame.level_db - self._usual_db)

    def _compare(self, frame: Frame) -> None:
        self._frames += 1
        if self._guesses.begun and frame.active >= 0.5 and self._frames % LOOKED_AT == 0:
            decoder = self._guesses.best.decoder
            self._looked += 1
            self._fits += decoder.fit > LIKE_BEST * decoder.templates.best_note(frame.partials)

    def _struck(self, reached: Reached, frame: Frame, heard_s: float) -> list[SoloEvent]:
        pitches = self.places.struck[reached.place]
        began_s = min(self._began_s(reached), reached.heard_s)
        if self.bleed is not None and not self.bleed.plays(pitches, began_s):
            return []
        time_s = max(began_s + self.origin_s, self._last_s + 0.001)
        events = self._ended(time_s, heard_s)
        louder_db = frame.level_db - (self._usual_db if self._usual_db is not None else frame.level_db)
        velocity = int(np.clip(round(USUAL_VELOCITY + 10.0 * louder_db / LOUDNESS_SPAN_DB), 20, 120))
        events += [SoloEvent(time_s, heard_s, True, pitch, velocity, reached.certainty) for pitch in pitches]
        self._sounding, self._last_s = pitches, time_s
        return events

    def _began_s(self, reached: Reached) -> float:
        """When it began: where its partials rose, but for double stops, whose strings begin apart."""
        placed_s, place, struck = reached.time_s - DETECTOR_S, reached.place, self.places.struck
        if len(struck[place]) > 1:
            return placed_s
        ridges = self._guesses.best.decoder.templates.ridges(struck[place], struck[place - 1] if place > 0 else ())
        return self._attack.began_s(ridges, placed_s, reached.heard_s)

    def _ended(self, time_s: float, heard_s: float) -> list[SoloEvent]:
        ended = [SoloEvent(time_s, heard_s, False, pitch, 0) for pitch in self._sounding]
        self._sounding = ()
        return ended


__all__ = ["SAMPLE_RATE", "Ear"]
