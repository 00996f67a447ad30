"""What this machine can play through, and what is missing, as plain data for `devices` and `doctor`."""

from __future__ import annotations

import contextlib
import importlib.util
from dataclasses import dataclass

from collaparte.errors import CollaparteError
from collaparte.ports import Direction, ports, quiet
from collaparte.sound.soundfont import ENVIRONMENT, data_folder, find_soundfont


@dataclass(frozen=True, slots=True)
class Device:
    """One thing to listen or play through: ``kind`` is MIDI in, MIDI out, audio in or audio out."""

    kind: str
    name: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of the doctor; ``mend`` is the command that mends it, empty where nothing is wrong."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


NOWHERE = "Discard all samples"  # how ALSA calls its null device


def devices() -> list[Device]:
    """Every MIDI port and audio device there is now; empty where there is none, or no library to ask with."""
    found: list[Device] = []
    directions: list[tuple[str, Direction]] = [("MIDI in", "MidiIn"), ("MIDI out", "MidiOut")]
    for kind, direction in directions:
        with contextlib.suppress(CollaparteError):  # the doctor says what is not installed
            found += [Device(kind, name) for name in ports(direction)]
    return found + audio_devices()


def audio_devices() -> list[Device]:
    """Loudspeakers and microphones. The null device, which every machine has, does not count."""
    try:
        import miniaudio
    except ImportError:
        return []
    with quiet():
        try:
            asked = miniaudio.Devices()
            if "null" in str(asked.backend).lower():
                return []
            listed = [("audio out", asked.get_playbacks()), ("audio in", asked.get_captures())]
        except miniaudio.MiniaudioError:
            return []
    return [
        Device(kind, str(device["name"]), bool(device.get("isDefault", False)))
        for kind, some in listed
        for device in some
        if not str(device["name"]).startswith(NOWHERE)
    ]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def checks() -> list[Check]:
    """What sound needs, one finding each, most needed first."""
    found = [
        Check("MIDI files", _installed("mido"), "mido", "" if _installed("mido") else "pip install mido"),
        Check(
            "synthesiser",
            _installed("libsonare"),
            "libsonare" if _installed("libsonare") else "not installed: no WAV, no live synthesiser; MIDI still works",
            "" if _installed("libsonare") else "pip install 'libsonare>=1.9,<1.10'",
        ),
        _soundfont(),
    ]
    there = devices()
    for kind, package, mend in (
        ("MIDI in", "rtmidi", "connect a MIDI instrument; in containers: load snd-seq, or start jackd"),
        ("MIDI out", "rtmidi", "connect one, or let the synthesiser play: collaparte play --synth"),
        ("audio out", "miniaudio", "connect a loudspeaker; on Linux start PipeWire, PulseAudio or JACK"),
        ("audio in", "miniaudio", "connect a microphone and allow this program to use it"),
    ):
        if not _installed(package):
            name = {"rtmidi": "python-rtmidi"}.get(package, package)
            found.append(Check(kind, False, f"{name} is not installed", f"pip install {name}"))
            continue
        names = [device.name for device in there if device.kind == kind]
        found.append(Check(kind, bool(names), ", ".join(names) or "none found", "" if names else mend))
    found.append(_urgency())
    return found


def _soundfont() -> Check:
    try:
        font = find_soundfont()
    except CollaparteError as error:
        return Check("soundfont", False, str(error), f"unset {ENVIRONMENT}")
    if font is not None:
        return Check("soundfont", True, str(font))
    detail = f"none found (looked in {data_folder()} and the system's folders); a plain built-in bank plays instead"
    return Check("soundfont", False, detail, "collaparte doctor --fix")


def _urgency() -> Check:
    import os

    if not hasattr(os, "sched_setscheduler"):
        return Check("real-time priority", True, "left to the system's audio threads")
    import resource

    limit = resource.getrlimit(getattr(resource, "RLIMIT_RTPRIO", 14))[0]
    granted = limit > 0 or os.geteuid() == 0
    detail = (
        "granted: notes leave within a fraction of a millisecond"
        if granted
        else "not granted: notes may leave late under load"
    )
    mend = "" if granted else "sudo usermod -aG audio $USER, then log in again (the group must have rtprio rights)"
    return Check("real-time priority", granted, detail, mend)
