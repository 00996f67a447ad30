"""A marks file to begin with: what the score already says, and one commented example of every mark."""

from __future__ import annotations

import json
from pathlib import Path

from collaparte.errors import MarksError
from collaparte.score.page import Score

_HELP = """\
# Marks for {title}. Take away a leading # to use a line.
#
# Places are printed bars: "12" is the start of bar 12, "12.3" its third beat, "12@2" the second time it is played.
# In a range a bare bar as `to` is the last bar included; "12.3" as `to` stops there.
#
# Bars: {first} to {last}{passes}.
# Parts:
{parts}

# title = {title_text}
{fermatas}
# A fermata, and what releases it: "onset" (the soloist's next note), "note_off" (the soloist lets go), "pedal",
# or "length" with length_beats. `remove = true` takes a printed one away.
# [[fermata]]
# at = "{last}.1"
# release = "onset"

# The soloist plays freely here; the orchestra enters again after it.
# [[cadenza]]
# from = "{first}"
# to = "{first}"

# Who leads: "follow" (the soloist does), "lead" (the orchestra gives the tempo), "orchestra" (it decides alone).
# [[lead]]
# from = "{first}"
# to = "{first}"
# leads = "orchestra"

# What the orchestra does when the soloist falls silent: "hold" or "go on".
# [[silence]]
# from = "{first}"
# to = "{last}"
# policy = "hold"

# Repeated until the soloist moves on.
# [[vamp]]
# from = "{first}"
# to = "{first}"

# Bars left out.
# [[cut]]
# from = "{first}"
# to = "{first}"

# A tempo in quarters a minute, or in another unit ("half", "eighth", "quarter.").
# [[tempo]]
# at = "{first}"
# bpm = {bpm:.0f}
# unit = "quarter"

# Who plays what: a whole part, or only a register (C4 is middle C), a staff, or some bars of it.
# `program` is a General MIDI program from 0 to 127, or an instrument's name.
# [[instrument]]
# part = {part}
# name = "Strings"
# program = "strings"
# pitches = "-B3"
"""


def start_marks(score: Score, path: str | Path) -> Path:
    """Write a starter file at ``path``; never over another one (MarksError)."""
    file = Path(path)
    passes = max((bar.passing for bar in score.bars), default=1)
    printed = []
    for fermata in score.fermatas:
        bar = score.bar_at(fermata.beat)
        beat = (fermata.beat - bar.beat) * bar.denominator / 4 + 1
        again = f"@{bar.passing}" if bar.passing > 1 else ""
        printed.append(f"# printed: a fermata at {bar.number}.{beat:g}{again}, released by {fermata.release}")
    last_part = score.parts[-1].name if score.parts else "1"
    text = _HELP.format(
        title=" ".join(score.title.split()),
        title_text=json.dumps(" ".join(score.title.split()), ensure_ascii=False),
        first=score.bars[0].number, last=score.bars[-1].number,
        passes=f", some played {passes} times" if passes > 1 else "",
        parts="\n".join(f"#   {part.number} {part.name}{' (solo)' if part.solo else ''}" for part in score.parts),
        fermatas="\n".join(["", *printed]) if printed else "",
        bpm=60.0 / score.tempi[0].beat_period_s, part=json.dumps(last_part, ensure_ascii=False),
    )  # fmt: skip
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise MarksError(f"{file} is there already and is left as it is. Edit it, or move it away first.") from None
    except OSError as error:
        raise MarksError(f"{file} cannot be written: {error}.") from None
    return file
