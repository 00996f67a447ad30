"""Names in several languages, and the programs they sound with."""

from __future__ import annotations

import pytest

from collaparte.score.instruments import family_of, is_percussion, program_of
from collaparte.score.tempo_words import period_of_words, quarters_per_minute


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Violin I", 40), ("Violine 2", 40), ("Violon", 40), ("Violoncello", 42), ("Cellos", 42), ("Viola", 41),
        ("Bratsche", 41), ("Kontrabaß", 43), ("Contrebasse", 43), ("Bass Clarinet", 71), ("Klarinette in B", 71),
        ("Englischhorn", 69), ("Horn in F", 60), ("Cors", 60), ("Fagott", 70), ("Flûte", 73), ("Flöte", 73),
        ("Hautbois", 68), ("Posaune", 57), ("Trompete in C", 56), ("Pauken", 47), ("Harfe", 46), ("Singstimme", 52),
        ("Chant\nVoice", 52), ("Primo", 0), ("Klavier", 0), ("Cembalo", 6), ("Streicher", 48), ("Orgel", 19),
        ("strings.unknown", 48), ("Part 7", None),
    ],
)  # fmt: skip
def test_a_part_sounds_as_it_is_called(name: str, program: int | None) -> None:
    assert program_of(name) == program


def test_drums_are_percussion_and_timpani_are_not() -> None:
    assert is_percussion("Snare Drum")
    assert is_percussion("Schlagzeug")
    assert not is_percussion("Timpani")
    assert family_of(42) == "Strings"


@pytest.mark.parametrize(
    ("words", "slowest", "fastest"),
    [("Sehr langsam", 40, 50), ("Langsam", 50, 60), ("Allegro molto appassionato", 120, 140), ("Andantino", 80, 90),
     ("Prestissimo", 185, 200), ("Lebhaft", 115, 135)],
)  # fmt: skip
def test_a_tempo_word_has_the_tempo_of_metronomes(words: str, slowest: float, fastest: float) -> None:
    period_s = period_of_words(words)
    assert period_s is not None
    assert slowest <= 60 / period_s <= fastest
    assert period_of_words("dolce") is None


def test_metronome_units() -> None:
    assert quarters_per_minute(60, "half") == 120
    assert quarters_per_minute(60, "quarter", 1) == 90
    assert quarters_per_minute(60, "q.") == 90
    assert quarters_per_minute(100, "furlong") is None
    assert quarters_per_minute(0.1) is None
