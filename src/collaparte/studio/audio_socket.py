"""The web socket of the booth: sound from the page, notes to it. What it says is in ``booth``.

A page may send twice what its own sample rate needs, with some seconds' worth at once after a stall, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from collaparte.errors import CollaparteError
from collaparte.studio.booth import Booth, Guest, read_chunk, read_hello
from collaparte.studio.stage import Stage

MOST_TEXT = 1000
HELLO_WITHIN_S = 10.0
PING_EVERY_S = (0.1, 1.0)  # while the clocks are new to each other; afterwards
QUICK_PINGS = 16
MOST_WAITING = 2000  # messages a page has not taken: it is as good as gone
STALL_S = 4.0  # of sound may come at once


class Allowance:
    """Bytes that may be sent: ``per_s`` of them a second, saved up for ``STALL_S``."""

    def __init__(self, per_s: float) -> None:
        self._per_s, self._left, self._at_s = per_s, per_s * STALL_S, 0.0

    def spend(self, count: int, now_s: float) -> bool:
        """Whether ``count`` bytes more are within the allowance."""
        most = self._per_s * STALL_S
        if self._at_s:
            self._left = min(self._left + (now_s - self._at_s) * self._per_s, most)
        self._at_s = now_s
        self._left -= count
        return self._left >= 0


async def audio(socket: WebSocket) -> None:
    """One page's sound, until it goes, is replaced, or misbehaves (closed with 1008 and a reason)."""
    stage: Stage = socket.app.state.stage
    await socket.accept()
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def put(message: Mapping[str, Any]) -> None:
        if waiting.qsize() < MOST_WAITING:
            waiting.put_nowait(message)

    def send(message: Mapping[str, Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the server is closing
            loop.call_soon_threadsafe(put, message)

    guest: Guest | None = None
    tasks: list[asyncio.Task[None]] = []
    try:
        text = await asyncio.wait_for(socket.receive_text(), HELLO_WITHIN_S)
        said = _said(text)
        if said.get("do") != "hello":
            raise CollaparteError("Say hello first.")
        guest = Guest(read_hello(said), send)
        tasks = [asyncio.create_task(_write(socket, waiting)), asyncio.create_task(_ping(guest))]
        stage.booth.enter(guest)
        await _listen(socket, stage.booth, guest)
    except (WebSocketDisconnect, KeyError, RuntimeError, TimeoutError):
        pass
    except CollaparteError as error:
        with contextlib.suppress(RuntimeError):
            await socket.close(1008, str(error)[:120])
    finally:
        if guest is not None:
            stage.booth.leave(guest)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


def _said(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text) if len(text) <= MOST_TEXT else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise CollaparteError("This was not understood.")
    return said


async def _listen(socket: WebSocket, booth: Booth, guest: Guest) -> None:
    loop = asyncio.get_running_loop()
    sound = Allowance(2.0 * 2 * max(guest.hello.channels, 1) * guest.hello.rate)
    words = Allowance(2000.0)
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if (data := message.get("bytes")) is not None:
            if not guest.hello.channels or not sound.spend(len(data), loop.time()):
                raise CollaparteError("More sound than there can be.")
            chunk = read_chunk(data)
            if chunk.sound.shape[1] != guest.hello.channels:
                raise CollaparteError("Other channels than were announced.")
            booth.hear(guest, chunk)
        elif (text := message.get("text")) is not None:
            if not words.spend(len(text), loop.time()):
                raise CollaparteError("Too many words.")
            said = _said(text)
            if said.get("do") == "pong":
                guest.pong(said.get("id"), said.get("now_ms"))
            elif said.get("do") == "ready":
                guest.play(said.get("latency_s"), said.get("trouble"))


async def _write(socket: WebSocket, waiting: asyncio.Queue[Mapping[str, Any]]) -> None:
    while True:
        message = await waiting.get()
        await socket.send_text(json.dumps(message))
        if message["kind"] == "gone":
            await socket.close(1001, "Another page has taken over.")
            return


async def _ping(guest: Guest) -> None:
    count = 0
    while True:
        guest.ping()
        count += 1
        await asyncio.sleep(PING_EVERY_S[count > QUICK_PINGS])
