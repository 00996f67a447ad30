"""Is what was heard the beginning, or somebody else's note? One watch for each decoder, until the piece has begun.

A soloist starts out of silence: there the first note begins the piece at once. Where other tones sounded just before
(another player's scale, an orchestra tuning, talk), the first note alone says little, as any scale has it sooner or
later; then so many notes in a row, each of them like the page's while it lasts, and in about the page's rhythm, must
be heard as there was more of the other sound. They are said together, with their true beginnings. Where the first was
missed, some of the next in a row begin it too; where many were, what they go on with (``unheard``). What begins and
does not go on like the page waits, for a while. Until some places more were reached it is asked whether it was another
place's beginning; not for longer, as a study's figures are soon somewhere else on the page again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collaparte.listen.hearing.decoder import FASTEST, SLOWEST, Decoder, Reached
from collaparte.listen.hearing.spectrum import HOP_S, Frame
from collaparte.listen.hearing.unheard import Unheard

HERE = 0.5  # belief in the very place that the soloist begins at
LATEST = 2  # the place at which a soloist whose first notes were not heard may be found ...
MISSED = 3  # ... if so many are heard in a row
NEXT_S = 2.5  # how much later than the page has it the next of them may come
SILENT_S = 0.3  # silence that ends what one note seemed to begin
NEEDED_S = (0.1, 0.5, 1.5)  # of other tones, above which two, three, four notes in a row must be heard
SURELY = 4  # notes in a row, and after other tones two more than were needed, after which nothing is watched any more
LIKE_BEST = 0.8  # a note is the page's where that is so much as like it as the best of all notes there are ...
TONE = 0.55  # ... which must be so like it, a cosine: noise is like no note
LOOKED_AT = 2  # every so many frames
LASTS_S = 0.08  # how long each of the notes needed must have been like the page's, on average
LASTED_S = 0.03  # ... and the last of them
FITS = 0.5  # share of that time in which they must
FORGET_S = 1.0  # of silence
ENOUGH_S = 3.0  # of other tones: more say no more
OTHER_S = 0.15  # of other tones, which end what seemed to begin
ASTRAY_S = 1.0  # ... after the beginning, at which what waits is said and nothing is watched any more
DOUBTFUL = 12  # places after the beginning, until which it may have been at another place
UNEVEN, UNEVEN_S = 0.7, 0.03  # how far the logs of played over written lengths may lie apart; of each onset


@dataclass
class Note:
    """A place in the row that may be the beginning; for how long it was like the page, and looked at."""

    reached: Reached
    fits_s: float = 0.0
    looked_s: float = 0.0


class Beginning:
    """``hear`` what the decoder reached, frame by frame: the places that may be said now."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._frames = 0
        self._silent_s = 0.0
        self.seek(False)

    @property
    def perhaps(self) -> bool:
        """Whether something has been heard that may be the beginning."""
        return self.begun or bool(self._row)

    @property
    def others(self) -> bool:
        """Whether somebody else was heard in the last seconds."""
        return self._needed() > 1

    def seek(self, begun: bool) -> None:
        """The piece is under way, or has not begun."""
        self.begun = self._sure = begun
        self._row: list[Note] = []  # one after the other, the last few
        self._unsaid: list[Reached] = []
        self._others_s = 0.0  # how much of others was heard lately ...
        self._since_s = 0.0  # ... and since the piece began
        self._astray_s = 0.0  # ... and without the page's notes between
        self._like = False  # whether what sounds now is like the last note of the row
        self._doubtful = 0  # places more, until which the beginning is in doubt
        if not begun:
            self._unheard = Unheard(self._decoder.page_s)

    def hear(self, reached: Reached | None, frame: Frame) -> list[Reached]:
        """The places that are known to have been reached, once this frame is there."""
        if frame.active >= 0.5 and (not self.begun or self._doubtful > 0):
            self._wonder(reached, frame)
        if self._sure:
            return [reached] if reached is not None else []
        self._listen(frame, reached is not None or bool(self._unsaid))
        place = self._unheard.place
        if not self.begun and place is not None:
            self._decoder.seek(place)
            self._unheard.seek(place)
            self.seek(True)
            self._doubtful = DOUBTFUL
            return []
        if reached is not None:
            self._go_on(reached)
        if self._unsaid and self._believed():
            self._doubtful = self._doubtful if self.begun else DOUBTFUL
            self.begun, said, self._unsaid = True, self._unsaid, []
            needed = self._needed()
            self._sure = len(self._row) >= (SURELY if needed == 1 else needed + 2)
            return said
        if self.begun and self._since_s > ASTRAY_S:  # slips: the decoder finds them again
            self._sure, said, self._unsaid = True, self._unsaid, []
            return said
        if not self.begun and self._over(frame):
            lasted_s = sum(note.fits_s for note in self._row)  # it was another's too
            self._others_s = min(self._others_s + lasted_s, ENOUGH_S)
            self._row, self._unsaid, self._astray_s = [], [], 0.0
            self._decoder.seek(-1)
        return []

    def _wonder(self, reached: Reached | None, frame: Frame) -> None:
        """Whether the soloist is somewhere else than the decoder has them, soon after the beginning."""
        decoder = self._decoder
        self._unheard.hear(decoder.similar, frame.active)
        if not self.begun:
            return
        if reached is not None:
            self._doubtful -= 1
            return
        place = self._unheard.instead(decoder.similar, frame.active, decoder.reached, decoder.fit)
        if place is not None:
            decoder.jump(place)
            self._unheard.seek(place)
            self._row, self._unsaid, self._doubtful = [], [], DOUBTFUL

    def _go_on(self, reached: Reached) -> None:
        on = bool(self._row) and reached.place == self._row[-1].reached.place + 1
        if not on:
            self._row = []
            if not self.begun:
                self._unsaid = []
        self._row = [*self._row[-2 * SURELY :], Note(reached)]
        self._unsaid.append(reached)

    def _needed(self) -> int:
        return 1 + int(np.searchsorted(NEEDED_S, self._others_s))

    def _believed(self) -> bool:
        """Whether the notes in a row are enough, after what was heard of others."""
        needed, last = self._needed(), self._row[-1]
        if not self.begun:
            if last.reached.there <= HERE:
                return False
            if self._unsaid[0].place > 0:
                needed = max(needed, MISSED)
        if len(self._row) < needed:
            return False
        if self._others_s < NEEDED_S[0]:
            return self._like
        fits_s, looked_s = sum(note.fits_s for note in self._row), sum(note.looked_s for note in self._row)
        like = fits_s >= max(FITS * looked_s, LASTS_S * needed) and last.fits_s >= LASTED_S
        return like and self._even(self._row[-needed:])

    def _even(self, row: list[Note]) -> bool:
        """Whether the notes in a row are in about the page's rhythm, at a tempo that somebody may take."""
        if len(row) < 2:
            return True
        page_s = np.maximum(np.diff(self._decoder.page_s[[note.reached.place for note in row]]), 0.02)
        played_s = np.diff([note.reached.time_s for note in row])
        slowest, fastest = (np.log(np.maximum(played_s + doubt_s, 0.001) / page_s) for doubt_s in (-UNEVEN_S, UNEVEN_S))
        most, least = float(slowest.max()), float(fastest.min())
        return most - least <= UNEVEN and most <= np.log(SLOWEST) and least >= -np.log(FASTEST)

    def _over(self, frame: Frame) -> bool:
        """Whether what seemed to begin did not."""
        if not self._row:
            return False
        last = self._row[-1].reached
        if len(self._row) == 1 and last.place > LATEST:
            return True
        page_s = self._decoder.page_s[last.place : last.place + 2]
        silent_s, late_s = self._silent_s - SILENT_S, frame.time_s - last.heard_s - NEXT_S
        return max(silent_s, late_s) > float(page_s[-1] - page_s[0]) or self._astray_s > OTHER_S

    def _listen(self, frame: Frame, closely: bool) -> None:
        """To what sounds: the page's next notes, or others; ``closely``, to every frame."""
        decoder = self._decoder
        self._like = False
        if frame.active < 0.5:
            self._silent_s += HOP_S
            self._others_s *= 1.0 - HOP_S / FORGET_S
            if not self.begun and len(self._row) == 1 and self._silent_s > SILENT_S and decoder.reached >= 0:
                decoder.seek(-1)  # it may have been the beginning, or not: the first or the second note may come next
            return
        self._silent_s = 0.0
        self._frames += 1
        if self._frames % LOOKED_AT and not closely:
            return
        looked_s = HOP_S if closely else LOOKED_AT * HOP_S
        notes = decoder.templates.notes(frame.partials)
        best = float(notes.max())
        first = max(decoder.reached, 0)
        here, on = (
            max(float(decoder.similar[place]), *(float(notes[pitch]) for pitch in decoder.places.struck[place]))
            >= LIKE_BEST * best
            for place in (first, min(first + 1, len(decoder.similar) - 1))
        )
        self._like = here and best >= TONE
        if not self.begun:
            self._unheard.look(decoder.similar, LIKE_BEST * max(best, TONE), looked_s)
        if best < TONE:
            return
        if self._row:
            self._row[-1].looked_s += looked_s * (here or not on)
            self._row[-1].fits_s += looked_s * here
        if not (here or (on and decoder.reached >= 0)):
            self._others_s = min(self._others_s + looked_s, ENOUGH_S)
            self._astray_s += looked_s
            self._since_s += looked_s if self.begun else 0.0
        else:
            self._astray_s = 0.0
