"""What can go wrong, as one family tree.

    CollaparteError              anything this package raises on purpose
    ├── ScoreError               a score cannot be read or makes no sense
    │   ├── UnreadableScore      the file is not a score, or is damaged
    │   ├── PartNotFound         the soloist's part is not in the score
    │   ├── TimelineMismatch     solo and accompaniment do not fit together
    │   └── MarksError           a marks file is wrong, with the line or table
    ├── SoloistError             the soloist's file or port cannot be used
    ├── DeviceError              a MIDI port or sound device is missing or failed
    │   └── MissingExtra         an optional dependency is not installed
    ├── TakeError                a take or the store of takes cannot be used
    └── PolicyError              a trained policy cannot be honoured

Every message says what was wrong, where, and what to do next. The command line prints the message alone and exits
with the class's ``exit_code``; nothing else in the package calls ``exit``.
"""

from __future__ import annotations


class CollaparteError(Exception):
    """Anything this package raises on purpose."""

    exit_code = 1


class ScoreError(CollaparteError):
    """A score cannot be read or makes no sense."""

    exit_code = 3


class UnreadableScore(ScoreError):
    """The file is missing, empty, truncated, damaged, or not music."""


class PartNotFound(ScoreError):
    """The soloist's part is not in the score, or the choice is ambiguous."""


class TimelineMismatch(ScoreError):
    """Solo and accompaniment files do not share one timeline."""


class MarksError(ScoreError):
    """A marks file is wrong; the message names file, table and key."""


class SoloistError(CollaparteError):
    """The soloist's recording or port cannot be used."""

    exit_code = 4


class DeviceError(CollaparteError):
    """A MIDI port or a sound device is missing, busy or has failed."""

    exit_code = 5


class MissingExtra(DeviceError):
    """An optional dependency is not installed; the message carries the install command."""


class TakeError(CollaparteError):
    """A take, or the store of takes, cannot be read or written."""

    exit_code = 6


class PolicyError(CollaparteError):
    """A trained policy is missing, corrupt, or made for other senses than these."""

    exit_code = 7
