"""A real MIDI system where there is no hardware: a JACK server of our own, on its dummy driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

PERIOD_FRAMES = 128  # 2.7 ms: a MIDI message leaves at the next period


@pytest.fixture(scope="module")
def jack() -> Iterator[None]:
    """Ports of this machine are JACK's while this lasts; skipped with a word where jackd is not installed."""
    if shutil.which("jackd") is None:
        pytest.skip("jackd is not installed (Debian: apt install jackd2), so there are no real MIDI ports to try")
    name = f"collaparte-{os.getpid()}"
    before = {key: os.environ.get(key) for key in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER")}
    os.environ |= {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    server = subprocess.Popen(
        ["jackd", "-r", "-S", "-n", name, "-d", "dummy", "-r", "48000", "-p", str(PERIOD_FRAMES)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        from collaparte.ports import open_client

        for _ in range(100):
            client = open_client("MidiIn")
            if client is not None:
                client.delete()
                break
            time.sleep(0.1)
        else:
            pytest.skip("jackd does not start here, so there are no real MIDI ports to try")
        yield
    finally:
        server.terminate()
        server.wait(10)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def until(true: object, within_s: float = 5.0) -> bool:
    """Wait for ``true()``; False when it does not come true in time."""
    assert callable(true)
    end_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True
