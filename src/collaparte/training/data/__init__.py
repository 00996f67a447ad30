"""Corpora become onset tables: match files read, chords gathered, the melody found, pieces split; all by digest."""

from collaparte.training.data.matchfile import DELETION, INSERTION, MATCH, Match, read_match

__all__ = ["DELETION", "INSERTION", "MATCH", "Match", "read_match"]
