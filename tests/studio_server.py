"""A real studio on a free port, and a plain way to ask it things."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio's server is not installed: pip install 'collaparte[studio]'")
pytest.importorskip("uvicorn", reason="the studio's server is not installed: pip install 'collaparte[studio]'")

from collaparte.studio.safety import Door
from collaparte.studio.serve import bind, make_server
from collaparte.studio.stage import Stage
from collaparte.takes import Shelf


class Studio:
    """``ask`` sends exactly the headers it is given, and Host."""

    def __init__(self, port: int, stage: Stage) -> None:
        self.port, self.stage = port, stage
        self.host = f"127.0.0.1:{port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = dict(headers or {})
        if isinstance(body, dict):
            body, sent = json.dumps(body).encode(), {"Content-Type": "application/json", **sent}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def json(
        self, path: str, method: str = "GET", body: bytes | dict[str, Any] | None = None, status: int = 200
    ) -> Any:
        code, _, content = self.ask(path, method, body)
        assert code == status, content
        return json.loads(content)

    def wait_for(self, *states: str, within_s: float = 60.0) -> dict[str, Any]:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            found: dict[str, Any] = self.json("/api/rehearsal")
            if found["state"] in states:
                return found
            time.sleep(0.05)
        raise AssertionError(f"not {states} within {within_s} s, but {found}")


@contextmanager
def open_studio(folder: Path, door: Door | None = None) -> Iterator[Studio]:
    """A studio whose data lies in ``folder``."""
    stage = Stage(Shelf(folder))
    listening = bind("127.0.0.1", 0)
    server = make_server(stage, door or Door())
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Studio(listening.getsockname()[1], stage)
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()
        assert not thread.is_alive()
