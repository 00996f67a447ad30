"""The addresses of the settings view.

GET, POST /api/settings                     preferences, profiles, predictors, calibrations; change preferences
POST /api/profiles                          {"name"}: a new soloist
POST, DELETE /api/profiles/ID               {"name"}: show under another name; forget
GET  /api/calibration/clicks?rate=48000     what is to be played, float32 little-endian
POST /api/calibration/browser?rate=&latency_ms=   the recording, int16; answers what was measured and keeps it
POST /api/calibration/machine               {"input", "output"}: the machine's own devices, by name or null; the same
web socket /api/meter                       how loud the machine's microphone is, and what the MIDI ports do
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from collaparte.calibrate import Calibration, Calibrations, Measured, clicks, measure
from collaparte.predict import PREDICTORS
from collaparte.studio.booth import MOST_LATENCY_S, RATES
from collaparte.studio.meter import Meter
from collaparte.studio.stage import Stage

BROWSER = "browser"
MOST_SECONDS = 20.0
MOST_NAME = 200  # letters of a device
TELL_S = 0.1
MOST_METERS = 4


class Settings:
    """``json_of`` and ``body_of`` are the application's own, with its limits."""

    def __init__(
        self,
        json_of: Callable[[Request], Awaitable[dict[str, Any]]],
        body_of: Callable[[Request, int], Awaitable[bytes]],
    ) -> None:
        self._json_of, self._body_of = json_of, body_of
        self._meters = 0

    def routes(self) -> list[BaseRoute]:
        """To be added to the application."""
        return [
            Route("/api/settings", self._settings, methods=["GET", "POST"]),
            Route("/api/profiles", self._add, methods=["POST"]),
            Route("/api/profiles/{id}", self._profile, methods=["POST", "DELETE"]),
            Route("/api/calibration/clicks", self._clicks),
            Route("/api/calibration/browser", self._browser, methods=["POST"]),
            Route("/api/calibration/machine", self._machine, methods=["POST"]),
            WebSocketRoute("/api/meter", self._meter),
        ]

    async def _settings(self, request: Request) -> Response:
        if request.method == "POST":
            wanted = await self._json_of(request)
            await run_in_threadpool(_stage(request).players.prefer, wanted)
        return JSONResponse(await run_in_threadpool(_all, _stage(request)))

    async def _add(self, request: Request) -> Response:
        wanted = await self._json_of(request)
        made = await run_in_threadpool(_stage(request).players.add, str(wanted.get("name", "")))
        return JSONResponse(asdict(made), status_code=201)

    async def _profile(self, request: Request) -> Response:
        players, key = _stage(request).players, request.path_params["id"]
        if request.method == "DELETE":
            await run_in_threadpool(players.remove, key)
        else:
            wanted = await self._json_of(request)
            await run_in_threadpool(players.rename, key, str(wanted.get("name", "")))
        return JSONResponse(await run_in_threadpool(_all, _stage(request)))

    # -- calibration -------------------------------------------------------------------------------------------------

    async def _clicks(self, request: Request) -> Response:
        played = await run_in_threadpool(clicks, _rate(request))
        return Response(played.astype("<f4").tobytes(), media_type="application/octet-stream")

    async def _browser(self, request: Request) -> Response:
        rate, latency_s = _rate(request), _number(request, "latency_ms") / 1000
        if not 0 <= latency_s <= MOST_LATENCY_S:
            raise HTTPException(400, "latency_ms is what the browser says of its loudspeaker: 0 to 1000.")
        data = await self._body_of(request, int(MOST_SECONDS * rate * 2))
        recorded = np.frombuffer(data[: len(data) // 2 * 2], "<i2") / np.float32(32768)
        shelf = _stage(request).shelf

        def work() -> dict[str, Any]:
            found = measure(recorded.astype(np.float32), clicks(rate), rate)
            kept = Calibrations(shelf.folder).keep(Calibration.of(found, BROWSER, BROWSER, latency_s), found)
            return _plain(found, kept)

        return JSONResponse(await run_in_threadpool(work))

    async def _machine(self, request: Request) -> Response:
        wanted = await self._json_of(request)
        named: list[str | None] = []
        for name in (wanted.get("input"), wanted.get("output")):
            if name is not None and not (isinstance(name, str) and len(name) <= MOST_NAME):
                raise HTTPException(400, "input and output are names of devices, or null.")
            named.append(name)
        source, output = named
        shelf = _stage(request).shelf

        def work() -> dict[str, Any]:
            from collaparte.calibrate.live import calibration_of, round_trip

            found = round_trip(source, output)
            return _plain(found, Calibrations(shelf.folder).keep(calibration_of(found, source, output), found))

        return JSONResponse(await run_in_threadpool(work))

    # -- meters ------------------------------------------------------------------------------------------------------

    async def _meter(self, socket: WebSocket) -> None:
        """One view's meters: {"mic": NAME or null} chooses the microphone, false none."""
        if self._meters >= MOST_METERS:
            await socket.close(1013, "Too many meters are open.")
            return
        await socket.accept()
        self._meters += 1
        meter = Meter()
        telling: asyncio.Task[None] | None = None
        try:
            telling = asyncio.create_task(_tell(socket, meter))
            while True:
                text = await socket.receive_text()
                said = json.loads(text) if len(text) < 1000 else None
                mic = said.get("mic") if isinstance(said, dict) else False
                if mic is None or mic is False or (isinstance(mic, str) and len(mic) <= MOST_NAME):
                    await run_in_threadpool(meter.listen, mic)
        except (WebSocketDisconnect, KeyError, RuntimeError, ValueError, RecursionError):
            pass
        finally:
            self._meters -= 1
            if telling is not None:
                telling.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await telling
            await run_in_threadpool(meter.close)


async def _tell(socket: WebSocket, meter: Meter) -> None:
    while True:
        await socket.send_text(json.dumps(meter.read()))
        await asyncio.sleep(TELL_S)


def _stage(request: Request) -> Stage:
    stage: Stage = request.app.state.stage
    return stage


def _all(stage: Stage) -> dict[str, Any]:
    calibrations = Calibrations(stage.shelf.folder, notice=lambda text: None)
    return {
        "preferences": asdict(stage.players.preferences()),
        "profiles": [asdict(profile) for profile in stage.players.profiles()],
        "predictors": sorted(PREDICTORS),
        "calibrations": [
            {name: value for name, value in asdict(kept).items() if name != "response"} for kept in calibrations.all()
        ],
        "folder": str(stage.shelf.folder),
    }


def _plain(found: Measured, kept: Calibration) -> dict[str, Any]:
    return {
        "input": kept.input, "output": kept.output, "round_trip_ms": round(found.round_trip_s * 1000, 2),
        "spread_ms": round(found.spread_s * 1000, 3), "level_db": round(found.level_db, 1),
        "noise_db": round(found.noise_db, 1), "heard": found.heard, "played": found.played,
        "complaints": list(found.complaints),
    }  # fmt: skip


def _rate(request: Request) -> int:
    rate = _number(request, "rate")
    if not RATES[0] <= rate <= RATES[1]:
        raise HTTPException(400, f"rate lies between {RATES[0]} and {RATES[1]}.")
    return round(rate)


def _number(request: Request, name: str) -> float:
    try:
        value = float(request.query_params.get(name, ""))
    except ValueError:
        raise HTTPException(400, f"{name} is a number.") from None
    if not np.isfinite(value):
        raise HTTPException(400, f"{name} is a number.")
    return value
