"""Which General MIDI program a part sounds with, from what the file says of its instrument.

Names come in the languages scores are printed in (English, German, French, Italian, Spanish); the most telling word
wins, so that "Violoncello" is not a violin and "Bass Clarinet" not a double bass. Programs count from 0.
"""

from __future__ import annotations

import re
import unicodedata

# (pattern, program), tried in this order: longer and more particular names first.
_NAMES: tuple[tuple[str, int], ...] = (
    (r"bass ?clarinet|bassklarinette|clarinette basse|clarinetto basso|clarinet|klarinette|clarinett[eo]", 71),
    (r"english horn|cor anglais|englischhorn|corno inglese", 69),
    (r"contra ?bassoon|kontrafagott|contrebasson|bassoon|fagott|basson|fagotto|fagot", 70),
    (r"oboe|hautbois|hoboe|obo[ei]", 68),
    (r"piccolo|ottavino", 72),
    (r"recorder|blockflote|flauto dolce|flute a bec", 74),
    (r"flute|flote|flauto|flauta|traverso", 73),
    (r"bass ?trombone|trombone|posaune", 57),
    (r"trumpet|trompete|trompette|tromba|trompeta|cornet|kornett", 56),
    (r"tuba|euphonium|ophicleide", 58),
    (r"soprano sax", 64),
    (r"alto sax|altsax", 65),
    (r"tenor sax", 66),
    (r"bari(tone)? sax", 67),
    (r"sax(ophon)?", 65),
    (r"timpani|pauken|timbales|kettle ?drum", 47),
    (r"glockenspiel", 9),
    (r"celest[ae]", 8),
    (r"vibra(phon|harp)", 11),
    (r"marimba", 12),
    (r"xylo(phon|fon)", 13),
    (r"tubular bells?|campane|glocken", 14),
    (r"\bharp\b|harfe|\bharpe\b|\barpa\b", 46),
    (r"violoncell|\bcell(o|os|i)\b|violoncelle", 42),
    (r"contrabass|double ?bass|kontrabass|contrebasse|string bass|basso continuo|\bd\.? ?b\.", 43),
    (r"violin|geige|violon|violino|fiddle", 40),
    (r"viola|bratsche|alto viol", 41),
    (r"string|streich|cordes|archi\b|corde\b", 48),
    (r"guitar|gitarre|guitare|chitarra|guitarra|lute|laute", 24),
    (r"banjo", 105),
    (r"accordion|akkordeon|accordeon|fisarmonica", 21),
    (r"harmonica", 22),
    (r"harmonium|reed organ", 20),
    (r"organ|orgel|orgue|organo", 19),
    (r"harpsichord|cembalo|clavecin|clavicembalo|clavier", 6),
    (r"electric piano|e-?piano|elec\. ?piano|rhodes", 4),
    (r"choir|chorus|chor\b|ch[oe]eur|coro\b", 52),
    (r"voice|voix|gesang|sing ?stimme|canto|chant|voc(al|e)|soprano?|sopran|mezzo|contralto|\balto?\b|\balt\b|"
     r"tenor|baryton|bariton|\bbass(e|o)?\b|\bmen\b|women|ténor", 52),
    (r"horns?\b|\bcors?\b|\bcorn[oi]\b|trompa|waldhorn|hörner|horner", 60),
    (r"piano|klavier|pianoforte|primo|secondo|keyboard|fortepiano", 0),
    (r"orchestra|orchester|tutti", 48),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), program) for pattern, program in _NAMES)

# MusicXML's instrument-sound and MEI's names begin with a family that tells enough when nothing else is known.
_FAMILIES = {"strings": 48, "brass": 61, "wind": 73, "voice": 52, "keyboard": 0, "pluck": 24}
_DRUMS = re.compile(r"drum|percussion|schlag(zeug|werk)|batter(ia|ie)|cymbal|becken|tambour|triangle|cassa|tam-?tam")

#: General MIDI's own names, for tables and for the names of nameless MIDI tracks, every eighth family in order.
GM_FAMILIES = (
    "Piano", "Chromatic percussion", "Organ", "Guitar", "Bass", "Strings", "Ensemble", "Brass",
    "Reed", "Pipe", "Synth lead", "Synth pad", "Synth effects", "Ethnic", "Percussive", "Sound effects",
)  # fmt: skip


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in folded if not unicodedata.combining(letter)).replace("_", " ")


def program_of(name: str) -> int | None:
    """The program a part called ``name`` sounds with, or None when the name tells nothing."""
    plain = _plain(name)
    if re.fullmatch(r"(pf|pno|kl)\.?", plain):
        return 0
    for pattern, program in _PATTERNS:
        if pattern.search(plain):
            return program
    family = re.split(r"[.\s]", plain, maxsplit=1)[0]
    return _FAMILIES.get(family)


def is_percussion(name: str) -> bool:
    """Whether a part called ``name`` is unpitched percussion (channel 10); timpani are not."""
    return bool(_DRUMS.search(_plain(name))) and program_of(name) != 47


def family_of(program: int) -> str:
    """The General MIDI family of a program, for people."""
    return GM_FAMILIES[max(0, min(program, 127)) // 8]
