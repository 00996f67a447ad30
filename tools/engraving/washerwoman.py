"""The Irish Washerwoman (traditional jig), a rondo for violin and small orchestra. Arranged for this project.

Bars 1-8 the orchestra's ritornello, the soloist silent; 9-16 the soloist, repeated; 17-24 the second strain;
25-32 the orchestra again; 33-40 an episode in the minor; 41-48 everybody; 49-52 a close.
"""

from __future__ import annotations

from notation import Piece, Sign, Staff, write

# The tune as we know it from everywhere; {0} stands for what leads on from its last bar.
FIRST_STRAIN = """
B4:.5>( G4) G4' D4( G4) G4' | B4:.5( G4) B4' D5( C5) B4' | C5:.5>( A4) A4' E4( A4) A4' | C5:.5( A4) C5' E5( D5) C5' |
B4:.5>( G4) G4' D4( G4) G4' | B4:.5( G4) B4' D5( C5) B4' | C5:.5( B4) C5' A4( D5) C5' | B4:.5( G4) G4' {0} |
"""
SECOND_STRAIN = """
G5:.5>( D5) G5' G5( D5) G5' | G5:.5( D5) G5' B5( A5) G5' | F#5:.5>( D5) F#5' F#5( D5) F#5' |
F#5:.5( D5) F#5' A5( G5) F#5' | E5:.5>( G5) G5' D5( G5) G5' | C5:.5( G5) G5' B4( G5) G5' |
C5:.5( B4) C5' A4( D5) C5' | B4:.5( G4) G4' {0} |
"""
EPISODE = """
!mf G4:.5( B4 E5) G5:1( F#5:.5) | E5:1( B4:.5) G4:1.5 | A4:.5( C5 E5) A5:1( G5:.5) | F#5:1( D5:.5) A4:1.5 |
G4:.5( B4 D5) G5:1( F#5:.5) | E5:1( C5:.5) E4:1.5 | F#4:.5( A4 C5) D#5:1( F#5:.5) | *F#5 E5:1.5 r:.5 D5 C5 |
"""
REST8 = "R | " * 8
# The chords as the strings play them: basses, violas, violins II, violins I.
CHORDS = {
    "G": "G2 B3 D4 G4", "G/B": "B2 D4 D4 G4", "C": "C3 G3 C4 G4", "C+": "C3 C4 E4 G4",
    "Am": "A2 A3 C4 E4", "Am/C": "C3 A3 E4 A4",
    "D": "D3 A3 D4 F#4", "D7": "D3 C4 D4 F#4", "Em": "E3 B3 E4 G4", "Em+": "E3 G3 E4 G4", "B7": "B2 F#3 D#4 A4",
}  # fmt: skip
FIRST_HARMONY = "G G|G G|Am Am|Am D7|G G|G G|Am/C D7|G G"
SECOND_HARMONY = "G G|G G|D D|D D7|C G/B|Am/C G|Am/C D7|G G"
EPISODE_HARMONY = "Em Em|Em Em|Am Am|D D|G G|C+ C+|B7 B7|Em+ Em+"
CLOSE_HARMONY = "Am D7|G G|Am D7|G -"


def pulses(harmony: str, voice: int, figure: str, down: int = 0) -> str:
    """One voice (0 basses ... 3 violins I) through the harmony; ``figure`` is what half a bar becomes, N the note."""
    bars = []
    for bar in harmony.split("|"):
        halves = []
        for name in bar.split():
            if name == "-":
                halves.append("r:1.5")
                continue
            note = CHORDS[name].split()[voice]
            halves.append(figure.replace("N", note[:-1] + str(int(note[-1]) - down)))
        bars.append(" ".join(halves))
    return " | ".join(bars) + " | "


def held(harmony: str, voice: int, up: int = 0) -> str:
    """The same, held for half a bar, or for the whole bar where the chord stays."""
    bars = []
    for bar in harmony.split("|"):
        names = bar.split()
        notes = [CHORDS[name].split()[voice] if name != "-" else "r" for name in names]
        notes = [note if note == "r" else note[:-1] + str(int(note[-1]) + up) for note in notes]
        bars.append(f"{notes[0]}:3" if notes[0] == notes[1] else f"{notes[0]}:1.5 {notes[1]}:1.5")
    return " | ".join(bars) + " | "


def loud(dynamic: str, bars: str) -> str:
    return f"!{dynamic} " + bars.lstrip()


def octave_up(text: str) -> str:
    """Every note of a line an octave higher."""
    return "".join(
        str(int(sign) + 1) if sign.isdigit() and text[max(place - 1, 0)] in "ABCDEFG#" else sign
        for place, sign in enumerate(text)
    )


def strings(voice: int, figure: str, octave: int = 0) -> str:
    def part(dynamic: str, harmony: str) -> str:
        return loud(dynamic, pulses(harmony, voice, figure, octave))

    return (
        part("f", FIRST_HARMONY) + part("p", FIRST_HARMONY) + part("p", SECOND_HARMONY) + part("f", SECOND_HARMONY)
        + part("p", EPISODE_HARMONY) + part("mf", FIRST_HARMONY) + part("f", CLOSE_HARMONY)
    )  # fmt: skip


CLOSE = "!f C5:.5( B4) C5' A4( D5) C5' | B4:.5( G4) G4' G4( B4 D5) | \"poco_rit.\" C5:.5( B4) C5' A4( D5) C5' | {0} |"
STRAIN_1 = FIRST_STRAIN.replace("{0}", "G4:1.5")
STRAIN_2 = SECOND_STRAIN.replace("{0}", "G4:1.5")

SOLO = (
    REST8
    + loud("mf", FIRST_STRAIN.replace("{0}", "G4:1.5"))
    + loud("f", STRAIN_2)
    + REST8
    + EPISODE
    + loud("f", STRAIN_1)
    + CLOSE.replace("{0}", "G4:1.5>^ r:1.5")
)
FIRST_VIOLINS = (
    loud("f", STRAIN_1)
    + loud("p", pulses(FIRST_HARMONY, 3, "r:.5 N:.5 N:.5"))
    + loud("p", pulses(SECOND_HARMONY, 3, "r:.5 N:.5 N:.5"))
    + loud("f", STRAIN_2)
    + loud("p", held(EPISODE_HARMONY, 3))
    + loud("mf", pulses(FIRST_HARMONY, 3, "r:.5 N:.5 N:.5"))
    + loud("f", held(CLOSE_HARMONY, 3))
)
FLUTE = (
    loud("f", octave_up(STRAIN_1))
    + REST8
    + REST8
    + loud("f", STRAIN_2)
    + loud("p", held(EPISODE_HARMONY, 3, up=1))
    + loud("mf", octave_up(STRAIN_1))
    + loud("f", held(CLOSE_HARMONY, 3, up=1))
)
OBOE = (
    loud("f", held(FIRST_HARMONY, 3))
    + REST8
    + loud("p", held(SECOND_HARMONY, 3))
    + loud("f", held(SECOND_HARMONY, 3))
    + REST8
    + loud("mf", held(FIRST_HARMONY, 3))
    + loud("f", held(CLOSE_HARMONY, 3))
)
CLARINET = (
    loud("f", held(FIRST_HARMONY, 2))
    + REST8
    + loud("p", held(SECOND_HARMONY, 2))
    + loud("f", held(SECOND_HARMONY, 2))
    + loud("p", held(EPISODE_HARMONY, 2))
    + loud("mf", held(FIRST_HARMONY, 2))
    + loud("f", held(CLOSE_HARMONY, 2))
)
BASSOON = (
    loud("f", held(FIRST_HARMONY, 0))
    + REST8
    + loud("p", held(SECOND_HARMONY, 0))
    + loud("f", held(SECOND_HARMONY, 0))
    + loud("p", held(EPISODE_HARMONY, 0))
    + loud("mf", held(FIRST_HARMONY, 0))
    + loud("f", held(CLOSE_HARMONY, 0))
)


def ending(text: str, last: str) -> list[list[Sign]]:
    """The bars of a part, the last one being ``last`` under a fermata."""
    return write("|".join([*text.strip().strip("|").split("|")[:-1], f"{last}:1.5>^ r:1.5"]))


def piece() -> Piece:
    return Piece(
        "The Irish Washerwoman",
        "Traditional",
        1,
        (6, 8),
        [
            Staff("Solo Violin", "Solo", 40, ("G", 2), write(SOLO)),
            Staff("Flute", "Fl.", 73, ("G", 2), ending(FLUTE, "G5")),
            Staff("Oboe", "Ob.", 68, ("G", 2), ending(OBOE, "D5")),
            Staff("Clarinet in B♭", "Cl.", 71, ("G", 2), ending(CLARINET, "B4"), diatonic=-1, chromatic=-2),
            Staff("Bassoon", "Bsn.", 70, ("F", 4), ending(BASSOON, "G2")),
            Staff("Violins I", "Vln. I", 48, ("G", 2), ending(FIRST_VIOLINS, "G4")),
            Staff("Violins II", "Vln. II", 48, ("G", 2), ending(strings(2, "r:.5 N:.5 N:.5"), "D4")),
            Staff("Violas", "Vla.", 48, ("C", 3), ending(strings(1, "N:.5 r:.5 N:.5"), "B3")),
            Staff("Cellos", "Vc.", 48, ("F", 4), ending(strings(0, "N:1 r:.5"), "G2")),
            Staff("Double Basses", "Cb.", 43, ("F", 4), ending(strings(0, "N:.5 r:1", 1), "G1"), octave=-1),
        ],
        {1: ("Allegro", 96)},
        repeats=[(9, 16)],
    )
