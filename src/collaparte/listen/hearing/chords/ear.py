"""The chord ear: mono sound of a piano or a guitar in, SoloEvents out, with the soloist's page open.

Conventions: those of ``hearing.ear``, whose face this has. A struck chord carries the pitches the page has at its
place, all at the time its first note began; a note ends where the page lets it end, at the chord that is struck then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collaparte.events import SoloEvent
from collaparte.listen.hearing.chords.bands import KEYS, Bands, View
from collaparte.listen.hearing.chords.decoder import ChordDecoder, Reached
from collaparte.listen.hearing.chords.strokes import ALL_KEYS, Strokes
from collaparte.listen.hearing.chords.tuning import EVERY, Tuning
from collaparte.listen.hearing.spectrum import HOP_S, KnownBleed
from collaparte.listen.hearing.templates import Places
from collaparte.score import Score

DETECTOR_S = -0.0135  # how late onsets are placed on average; measured on rendered training pieces
USUAL_HZ = 440.0
ENDS_AFTER_S = 0.5  # silence this long ends what was sounding
LOUDNESS_SPAN_DB = 3.0  # dB for ten steps of velocity
USUAL_VELOCITY = 64
FORGET_LEVEL_S = 10.0
SHIFTS = (0, -1, 1)  # semitones the piano may lie from the page at A = 440 Hz: A = 415, A = 466
SHIFTED = -6.0  # nats against a whole semitone
SURE, SURE_PLACES = 15.0, 6  # nats and places after which the others are given up


class ChordEar:
    """One soloist's hearing. ``hear`` is given every block once, in order.

    ``a4_hz`` is the soloist's A where it is known (415 to 466); otherwise it is found while they play.
    """

    def __init__(self, score: Score, *, origin_s: float = 0.0, a4_hz: float | None = None) -> None:
        self.places = Places.of(score)
        page_s = np.array([score.seconds_at(float(beat)) for beat in self.places.beat])
        cents = 0.0 if a4_hz is None else 1200.0 * float(np.log2(a4_hz / USUAL_HZ))
        shifts = SHIFTS if a4_hz is None else (round(cents / 100.0),)
        cents -= 100.0 * round(cents / 100.0)
        self._bands = Bands(cents)
        self._strokes = Strokes()
        self._tuning = Tuning(cents)
        self._decoders = {shift: ChordDecoder(self.places, page_s) for shift in shifts}
        self._begun = False
        self._listen_to()
        self._unsaid: dict[int, list[Reached]] = {shift: [] for shift in shifts}  # before the beginning
        self._views = 0
        self.origin_s = origin_s
        self._sounding: tuple[int, ...] = ()
        self._silent_s = 0.0
        self._usual_db: float | None = None
        self._last_s = -np.inf

    @property
    def a4_hz(self) -> float:
        """The soloist's A as it is known now; ``tuned`` says whether it can still be another by a semitone."""
        best = max(self._decoders, key=self._told)
        return float(USUAL_HZ * 2.0 ** (best / 12.0 + self._tuning.cents / 1200.0))

    @property
    def tuned(self) -> bool:
        """Whether enough was heard to know the A."""
        return len(self._decoders) == 1 and self._tuning.measured

    @property
    def bleed(self) -> KnownBleed | None:
        """What is known of the orchestra in this sound; None where it is not in it."""
        return self._bands.bleed

    @bleed.setter
    def bleed(self, bleed: KnownBleed | None) -> None:
        self._bands.bleed = bleed

    def hear(self, block: NDArray[np.float32], heard_s: float) -> list[SoloEvent]:
        """The notes that began or ended, as known at ``heard_s``, when ``block`` was there."""
        events: list[SoloEvent] = []
        for view in self._bands.hear(block):
            reached = self._reached(view)
            self._listen_level(view)
            for one in reached:
                events += self._struck(one, view, heard_s)
            if not reached and self._sounding and self._silent_s >= ENDS_AFTER_S:
                ended_s = max(view.time_s - self._silent_s + self.origin_s, self._last_s)
                events += self._ended(self._sounding, ended_s, heard_s)
                self._sounding = ()
        return events

    def relocate(self, beat: float) -> None:
        """The player says: the next note is the first at or after ``beat``."""
        place = min(int(np.searchsorted(self.places.beat, beat - 1e-6)), len(self.places.beat) - 1)
        for decoder in self._decoders.values():
            decoder.seek(place - 1)

    def _reached(self, view: View) -> list[Reached]:
        self._views += 1
        if self._views % EVERY == 0 and view.active > 0.9 and self._tuning.hear(self._bands.spectrum()):
            self._bands.tune(self._tuning.cents)
        odds = self._strokes.hear(view.bands).astype(np.float64) * view.active
        most = int(odds.argmax())
        for shift, decoder in self._decoders.items():
            likeliest = int(self._heard[most]) - shift, float(odds[most])
            self._unsaid[shift] += decoder.hear(odds[self._of_page[shift]], view.active, view.time_s, likeliest)
        best, *others = sorted(self._decoders, key=self._told, reverse=True)
        found = self._unsaid.pop(best)
        if found and not self._begun:
            self._begun = True
            self._listen_to()
        self._unsaid = {shift: [] if self._begun else self._unsaid[shift] for shift in others} | {best: []}
        if others and self._told(best) - self._told(others[0]) > SURE and self._decoders[best].reached >= SURE_PLACES:
            self._decoders = {best: self._decoders[best]}
            self._listen_to()
        return found

    def _listen_to(self) -> None:
        """The keys to listen to, and which of them are the page's for a piano ``shift`` semitones above it.

        Before the beginning all, since whoever strikes others may be somebody else.
        """
        wanted = {shift: np.clip(one.keys + shift, 0, KEYS - 1) for shift, one in self._decoders.items()}
        heard = self._heard = np.unique(np.concatenate(list(wanted.values()))) if self._begun else ALL_KEYS
        self._strokes.look_at(heard)
        self._of_page = {shift: np.searchsorted(heard, keys) for shift, keys in wanted.items()}

    def _told(self, shift: int) -> float:
        return self._decoders[shift].evidence + (SHIFTED if shift != 0 else 0.0)

    def _listen_level(self, view: View) -> None:
        if view.active < 0.5:
            self._silent_s += HOP_S
            return
        self._silent_s = 0.0
        if self._usual_db is None:
            self._usual_db = view.level_db
        self._usual_db += HOP_S / FORGET_LEVEL_S * (view.level_db - self._usual_db)

    def _struck(self, reached: Reached, view: View, heard_s: float) -> list[SoloEvent]:
        pitches, held = self.places.struck[reached.place], set(self.places.held[reached.place])
        began_s = reached.time_s - DETECTOR_S
        if self.bleed is not None and not self.bleed.plays(pitches, began_s):
            return []
        time_s = max(began_s + self.origin_s, self._last_s + 0.001)
        events = self._ended(tuple(pitch for pitch in self._sounding if pitch not in held), time_s, heard_s)
        louder_db = view.level_db - (self._usual_db if self._usual_db is not None else view.level_db)
        velocity = int(np.clip(round(USUAL_VELOCITY + 10.0 * louder_db / LOUDNESS_SPAN_DB), 20, 120))
        events += [SoloEvent(time_s, heard_s, True, pitch, velocity, reached.certainty) for pitch in pitches]
        self._sounding = tuple(sorted((set(self._sounding) & held) | set(pitches)))
        self._last_s = time_s
        return events

    def _ended(self, pitches: tuple[int, ...], time_s: float, heard_s: float) -> list[SoloEvent]:
        return [SoloEvent(time_s, heard_s, False, pitch, 0) for pitch in pitches]
