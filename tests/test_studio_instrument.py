# ruff: noqa: F811 - fixtures of another file are arguments here
"""The stand in a real browser with an instrument on a real port."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jack_server import jack  # noqa: F401 - a fixture
from studio_browser import Pulse, away_s, browser, corpora_song, driver, page, studio, to_rehearse  # noqa: F401 - fixtures
from studio_server import Studio
from studio_soloists import sung_song

from collaparte.ports import close_client, open_port, ports


@pytest.mark.usefixtures("jack")
def test_a_song_is_rehearsed_with_an_instrument_on_a_port_of_this_machine(
    page: Any, studio: Studio, corpora_song: Path, corpus: Callable[[str], Path]
) -> None:
    played = sung_song(corpora_song, corpus).cut(8.0)
    instrument, _ = open_port("MidiOut", "virtual:voice")
    try:
        name = next(full for full in [*ports("MidiIn"), *ports("MidiOut")] if "voice" in full)
        to_rehearse(page, studio, played, f"midi:{name}")
        page.locator("#light[data-kind='listening']").wait_for()
        page.locator(".cursor:not([hidden])").wait_for()
        begun_s = time.time()
        struck: list[float] = []
        with Pulse() as pulse:
            for event in played.events:
                page.wait_for_timeout(max(begun_s + event.time_s - time.time(), 0.0) * 1000)
                instrument.send_message([0x90 if event.on else 0x80, event.pitch, event.velocity])
                if event.on:
                    struck.append(time.time())
            page.wait_for_timeout(300)
        far = away_s(page, played.struck(struck), 0.0, (played.late(struck), pulse.rows))
        assert len(far) > 20
        assert far.max() < 0.5  # seconds from the truth, throughout
        assert len(studio.json("/api/rehearsal")["heard"]) >= len(played.beats) - 2
        page.locator("#stop").click()
        page.get_by_role("link", name="Look at it").wait_for()
    finally:
        close_client(instrument)
