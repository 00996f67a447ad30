"""The addresses of the studio.

    GET  /, /assets/...                         the page
    GET  /api/library                           pieces, with takes counted
    POST /api/library?name=song.mxl             add a score (the body is the file)
    POST /api/library/ID/accompaniment?name=..  add the orchestra's file of a pair
    GET, POST, DELETE /api/library/ID           look it over; choose the solo part or rename; remove
    GET  /api/library/ID/pages?layout=&view=    how many pages are engraved so far; the map when all are
    GET  /api/library/ID/pages/LAYOUT/VIEW/N    one page, as SVG
    GET  /api/library/ID/spots?layout=&view=    where bars and notes of these pages stand on the paper, for marks
    GET, POST /api/library/ID/marks             the piece's marks; others in their place (a shipped piece is copied)
                                                (of these, pages and spots also take transpose= and tutti_bars=)
    GET  /api/fonts/FAMILY/FACE                 the engraver's fonts
    GET  /api/devices                           MIDI ports, whether there is a synthesiser and a loudspeaker
    GET  /api/voices?presets=0.40,0.68          soundfont presets (BANK.PROGRAM) for the page's own sampler
    GET, POST, DELETE /api/rehearsal            what goes on; begin; end
    GET  /api/takes, /api/takes/NAME            takes; one looked at
    GET  /api/takes/NAME/export/KIND            jsonl, csv, positions, midi, wav (what=both, solo, orchestra)
    DELETE /api/takes/NAME                      delete and forget
    /api/settings, profiles, calibration, meter  see ``settings_api``
    web socket /api/audio                       the browser's microphone and loudspeaker (``booth``)
    web socket /api/stand                       the engine's values as they come; commands and Web MIDI back

Errors are JSON: {"error": "what was wrong, where, and what to do next"}.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from collaparte.errors import CollaparteError, MissingExtra, TakeError
from collaparte.studio.fonts import faces
from collaparte.studio.library import MOST_BYTES, Entry
from collaparte.studio.review import row
from collaparte.studio.safety import Door, Guard
from collaparte.studio.stage import Stage

try:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Mount, Route, WebSocketRoute
    from starlette.staticfiles import StaticFiles
except ImportError as error:
    raise MissingExtra("The studio needs its server: pip install 'collaparte[studio]'") from error

from collaparte.studio.audio_socket import audio
from collaparte.studio.settings_api import Settings
from collaparte.studio.socket import stand

PAGE = Path(__file__).parent / "page"
MOST_JSON_BYTES = 64_000
MOST_PRESETS = 64
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(stage: Stage, door: Door) -> Any:
    """The whole application, guarded."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        yield
        await run_in_threadpool(stage.close)

    app = Starlette(
        routes=[
            Route("/", _page),
            Route("/api/library", _list, methods=["GET"]),
            Route("/api/library", _add, methods=["POST"]),
            Route("/api/library/{id}", _piece, methods=["GET", "POST", "DELETE"]),
            Route("/api/library/{id}/accompaniment", _accompaniment, methods=["POST"]),
            Route("/api/library/{id}/pages", _pages),
            Route("/api/library/{id}/spots", _spots),
            Route("/api/library/{id}/marks", _marks, methods=["GET", "POST"]),
            Route("/api/library/{id}/pages/{layout}/{view}/{number:int}", _svg),
            Route("/api/fonts/{family}/{face}", _font),
            Route("/api/devices", _devices),
            Route("/api/voices", _voices),
            Route("/api/rehearsal", _rehearsal, methods=["GET", "POST", "DELETE"]),
            Route("/api/takes", _takes),
            Route("/api/takes/{name}", _take, methods=["GET", "DELETE"]),
            Route("/api/takes/{name}/export/{kind}", _export),
            *Settings(json_of, body_of).routes(),
            WebSocketRoute("/api/stand", stand),
            WebSocketRoute("/api/audio", audio),
            Mount("/assets", StaticFiles(directory=PAGE / "assets", check_dir=False)),
        ],
        exception_handlers={CollaparteError: _say, HTTPException: _say_http},
        lifespan=lifespan,
    )
    app.state.stage = stage
    return Guard(app, door)


def _stage(request: Request) -> Stage:
    stage: Stage = request.app.state.stage
    return stage


async def _say(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error), "kind": type(error).__name__}, status_code=422)


async def _say_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


async def body_of(request: Request, most_bytes: int) -> bytes:
    """The request's body, read no further than ``most_bytes``. Raises HTTPException 413."""
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if not declared.isdigit() or int(declared) <= most_bytes:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                break
        else:
            return bytes(body)
    raise HTTPException(413, f"Too large: at most {most_bytes / 1e6:g} MB are taken.")


async def json_of(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object. Only application/json is taken: no form of another site can send it."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise HTTPException(415, "Send application/json.")
    try:
        found = json.loads(await body_of(request, MOST_JSON_BYTES) or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    return found


async def _page(request: Request) -> Response:
    if not (PAGE / "index.html").exists():
        raise HTTPException(500, "The page was not built: run npm run build in the folder studio.")
    return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})


# -- library -------------------------------------------------------------------------------------------------------


def _plain(entry: Entry, stage: Stage) -> dict[str, Any]:
    takes = [take for take in stage.shelf.list() if entry.digest and take.digest == entry.digest]
    description = entry.description
    return {
        "id": entry.id,
        "name": entry.name,
        "shipped": entry.shipped,
        "pair": entry.accompaniment is not None,
        "solo": list(entry.solo),
        "suggested": list(entry.suggested),
        "description": description or None,
        "engraves": not entry.file.endswith(".mid"),
        "takes": len(takes),
        "last_played": max((take.started or "" for take in takes), default="") or None,
    }


async def _list(request: Request) -> Response:
    stage = _stage(request)

    def rows() -> list[dict[str, Any]]:
        found = [_plain(entry, stage) for entry in stage.library.list()]
        for item in found:
            description = item.pop("description") or {}
            item["parts"] = [part["name"] for part in description.get("parts", [])]
            item["playing"] = [part["name"] for part in description.get("parts", []) if part["solo"]]
            item["bars"], item["duration_s"] = description.get("bars"), description.get("duration_s")
            item["odd"] = len(description.get("troubles", []))
        return found

    return JSONResponse(await run_in_threadpool(rows))


def _name(request: Request) -> str:
    return request.query_params.get("name", "")[:400]


async def _add(request: Request) -> Response:
    stage = _stage(request)
    data = await body_of(request, MOST_BYTES)
    entry = await run_in_threadpool(stage.library.add, _name(request), data)
    return JSONResponse(await run_in_threadpool(_plain, entry, stage), status_code=201)


async def _accompaniment(request: Request) -> Response:
    stage = _stage(request)
    data = await body_of(request, MOST_BYTES)
    entry = await run_in_threadpool(stage.library.add_accompaniment, request.path_params["id"], _name(request), data)
    return JSONResponse(await run_in_threadpool(_plain, entry, stage), status_code=201)


async def _piece(request: Request) -> Response:
    stage, piece = _stage(request), request.path_params["id"]
    if request.method == "DELETE":
        await run_in_threadpool(stage.library.remove, piece)
        return JSONResponse({})
    if request.method == "POST":
        wanted = await json_of(request)
        if isinstance(wanted.get("name"), str):
            await run_in_threadpool(stage.library.rename, piece, wanted["name"])
        if isinstance(wanted.get("solo"), list):
            stage.forget_pages(piece)
            await run_in_threadpool(stage.library.choose, piece, [str(part) for part in wanted["solo"]][:200])
    entry = await run_in_threadpool(stage.library.described, piece)
    return JSONResponse(await run_in_threadpool(_plain, entry, stage))


def _changed(request: Request) -> dict[str, int]:
    """What is not as printed on the pages that are asked for. Raises HTTPException 400."""
    try:
        return {name: int(request.query_params[name]) for name in ("transpose", "tutti_bars")
                if request.query_params.get(name)}  # fmt: skip
    except ValueError:
        raise HTTPException(400, "transpose and tutti_bars are whole numbers.") from None


async def _pages(request: Request) -> Response:
    asked, stage = request.query_params, _stage(request)
    entry = await run_in_threadpool(stage.library.described, request.path_params["id"])
    layout, view = asked.get("layout", "wide"), asked.get("view", "full")
    return JSONResponse(await run_in_threadpool(stage.pages, entry, layout, view, _changed(request)))


async def _spots(request: Request) -> Response:
    asked, stage = request.query_params, _stage(request)
    entry = await run_in_threadpool(stage.library.entry, request.path_params["id"])
    layout, view = asked.get("layout", "wide"), asked.get("view", "full")
    return JSONResponse(await run_in_threadpool(stage.spots, entry, layout, view, _changed(request)))


async def _marks(request: Request) -> Response:
    stage, piece = _stage(request), request.path_params["id"]
    if request.method == "POST":
        wanted = (await json_of(request)).get("tables")
        if not isinstance(wanted, dict):
            raise HTTPException(400, "Marks are tables.")
        entry = await run_in_threadpool(stage.mark, piece, wanted)
    else:
        entry = await run_in_threadpool(stage.library.described, piece)
    tables = await run_in_threadpool(stage.library.marks, entry)
    return JSONResponse({"piece": entry.id, "tables": tables})


async def _svg(request: Request) -> Response:
    values = request.path_params
    stage = _stage(request)
    entry = await run_in_threadpool(stage.library.entry, values["id"])
    path = stage.page_path(entry, values["layout"], values["view"], values["number"], _changed(request))
    if not path.exists():
        raise HTTPException(404, "This page is not engraved (yet).")
    return FileResponse(path, media_type="image/svg+xml", headers={"cache-control": "no-cache"})


async def _font(request: Request) -> Response:
    found = (await run_in_threadpool(faces, request.path_params["family"])).get(request.path_params["face"])
    if found is None:
        raise HTTPException(404, "There is no such font.")
    return Response(found, media_type="font/woff2", headers={"cache-control": "max-age=86400"})


# -- rehearsal -----------------------------------------------------------------------------------------------------


async def _devices(request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_stage(request).devices))


async def _voices(request: Request) -> Response:
    asked = request.query_params.get("presets", "")
    found = re.findall(r"(\d{1,3})\.(\d{1,3})", asked, re.ASCII)
    programs = [(int(bank), int(program)) for bank, program in found]
    if not programs or len(programs) > MOST_PRESETS or any(bank > 128 or program > 127 for bank, program in programs):
        raise HTTPException(400, f"Ask for 1 to {MOST_PRESETS} presets, as BANK.PROGRAM,BANK.PROGRAM.")
    path = await run_in_threadpool(_stage(request).voices, programs)
    return FileResponse(path, media_type="application/octet-stream", headers={"cache-control": "max-age=86400"})


async def _rehearsal(request: Request) -> Response:
    stage = _stage(request)
    if request.method == "POST":
        wanted = await json_of(request)
        await run_in_threadpool(stage.begin, wanted)
    elif request.method == "DELETE":
        await run_in_threadpool(stage.end)
    return JSONResponse(stage.snapshot())


# -- takes ---------------------------------------------------------------------------------------------------------


async def _takes(request: Request) -> Response:
    shelf = _stage(request).shelf
    kept = await run_in_threadpool(shelf.list, request.query_params.get("piece"))
    return JSONResponse([row(take) for take in reversed(kept)])


async def _take(request: Request) -> Response:
    stage, name = _stage(request), request.path_params["name"]
    if request.method == "DELETE":
        if name == (stage.snapshot().get("playing_take")):
            raise TakeError("This take is being played. Stop first.")
        kept = await run_in_threadpool(stage.shelf.delete, name)
        return JSONResponse({"deleted": kept.name})
    return JSONResponse(await run_in_threadpool(stage.review, name))


MEDIA = {"jsonl": ("jsonl", "application/jsonl"), "csv": ("csv", "text/csv"), "midi": ("mid", "audio/midi"),
         "positions": ("positions.csv", "text/csv"),
         "wav": ("wav", "audio/wav")}  # fmt: skip


async def _export(request: Request) -> Response:
    stage, name, kind = _stage(request), request.path_params["name"], request.path_params["kind"]
    what = request.query_params.get("what", "both")
    if kind not in MEDIA or what not in ("both", "solo", "orchestra"):
        raise HTTPException(404, f"A take is exported as {', '.join(MEDIA)}.")
    ending, media = MEDIA[kind]
    folder = tempfile.TemporaryDirectory(prefix="collaparte-")
    path = Path(folder.name) / f"take.{ending}"
    try:
        kept = await run_in_threadpool(stage.export, name, kind, what, path)
    except BaseException:
        folder.cleanup()
        raise
    inline = request.query_params.get("listen") is not None
    return FileResponse(
        path,
        media_type=media,
        filename=f"{kept.name}.{ending}",
        content_disposition_type="inline" if inline else "attachment",
        background=BackgroundTask(folder.cleanup),
    )
