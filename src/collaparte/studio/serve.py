"""The server itself: one process, the page and the web socket on one port."""

from __future__ import annotations

import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from urllib.parse import quote

from collaparte.errors import DeviceError, MissingExtra
from collaparte.studio.safety import Door
from collaparte.studio.stage import Stage

try:
    import uvicorn
    import websockets  # noqa: F401 - without it uvicorn would serve everything but the web socket
except ImportError as error:
    raise MissingExtra("The studio needs its server: pip install 'collaparte[studio]'") from error

from collaparte.studio.app import make_app

MOST_MESSAGE_BYTES = 16_000


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any free one. Raises DeviceError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise DeviceError(
            f"The studio cannot listen on {host}, port {port}: {error.strerror or error}. Choose another with --port."
        ) from error
    return listening


def address(door: Door, port: int) -> str:
    """What to open in a browser on this machine."""
    host = "127.0.0.1" if door.host in ("0.0.0.0", "::", "localhost") else door.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={quote(door.token)}" if door.token else "")


def make_server(stage: Stage, door: Door) -> uvicorn.Server:
    """A server that has not begun."""
    config = uvicorn.Config(
        make_app(stage, door),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws_max_size=MOST_MESSAGE_BYTES,
        limit_concurrency=64,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    return uvicorn.Server(config)


def serve(
    door: Door, port: int, *, browser: bool = True, say: Callable[[str], None] = print, stage: Stage | None = None
) -> None:
    """Serve until Ctrl-C; ``say`` is told the address."""
    listening = bind(door.host, port)
    place = address(door, listening.getsockname()[1])
    server = make_server(stage or Stage(), door)
    sys.setswitchinterval(0.001)  # how long the server may keep the music waiting for Python's lock
    say(place)
    if browser:
        threading.Timer(0.6, webbrowser.open, (place,)).start()
    with listening:
        server.run([listening])
