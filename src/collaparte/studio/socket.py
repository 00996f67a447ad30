"""The web socket: the engine's values to the page, commands and Web MIDI back.

To the page: lines of JSON as in a take; before them, and whenever something was missed, one line of kind ``stand``
with the whole present state; and now and then a line of kind ``clock``. From the page: {"do": "command", "name",
"value"}, {"do": "midi", "bytes", "ago_s"}. Many values that come together are sent as one message, a line each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from collaparte.errors import CollaparteError
from collaparte.events import Notice, to_line
from collaparte.studio.feed import Listener
from collaparte.studio.stage import Stage

LOOK_S = 0.03
CLOCK_S = 1.0
MOST_PAGES = 16
MOST_TEXT = 4000


async def stand(socket: WebSocket) -> None:
    """One page's connection, until it goes."""
    stage: Stage = socket.app.state.stage
    if len(stage.feed) >= MOST_PAGES:
        await socket.close(1013, "Too many pages are open.")
        return
    await socket.accept()
    listener = stage.feed.join()
    sending = asyncio.create_task(_send(socket, stage, listener))
    played = False
    try:
        while True:
            text = await socket.receive_text()
            played = _hear(stage, text, listener) or played
    except (WebSocketDisconnect, KeyError, RuntimeError):
        pass
    finally:
        stage.feed.leave(listener)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await sending
        if played and stage.rehearsal is not None:
            stage.rehearsal.release_keys()


async def _send(socket: WebSocket, stage: Stage, listener: Listener) -> None:
    last_s = -math.inf
    loop = asyncio.get_running_loop()
    while True:
        missed, values = listener.take()
        lines: list[str] = []
        if missed or "stand" in values:
            lines.append(json.dumps(stage.snapshot(), ensure_ascii=False))
            last_s = loop.time()
        lines += [to_line(value) for value in values if not isinstance(value, str)]
        if loop.time() - last_s > CLOCK_S:
            state = stage.snapshot()
            clock = {"kind": "clock", "now_s": state.get("now_s", 0.0), "late_ms": state.get("worst_late_ms", 0.0)}
            lines.append(json.dumps(clock))
            last_s = loop.time()
        if lines:
            await socket.send_text("\n".join(lines))
        await asyncio.sleep(LOOK_S)


def _hear(stage: Stage, text: str, listener: Listener) -> bool:
    """Do what the page says; whether it was a key. Nonsense is answered with a notice to this page alone."""
    try:
        said: Any = json.loads(text) if len(text) <= MOST_TEXT else None
        rehearsal = stage.rehearsal
        if not isinstance(said, dict) or rehearsal is None:
            return False
        if said.get("do") == "command":
            value = said.get("value")
            number = float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
            about = said.get("about")
            rehearsal.command(str(said.get("name")), number, about[:200] if isinstance(about, str) else None)
        elif said.get("do") == "midi":
            message = said.get("bytes")
            if isinstance(message, list) and len(message) == 3 and all(type(byte) is int for byte in message):
                ago_s = said.get("ago_s")
                rehearsal.play([byte & 0xFF for byte in message[:1]] + [byte & 0x7F for byte in message[1:]],
                               float(ago_s) if isinstance(ago_s, (int, float)) else 0.0)  # fmt: skip
                return True
    except (ValueError, RecursionError):
        return False
    except CollaparteError as error:
        listener.put(Notice(0.0, str(error)))
    return False
