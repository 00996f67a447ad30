"""Attacks on the studio: each promise of ``studio.safety`` and of the uploads, from outside, over a real socket."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from studio_server import Studio, open_studio

from collaparte.errors import CollaparteError, UnreadableScore
from collaparte.pieces import piece_path
from collaparte.studio.jobs import Limits, run_job
from collaparte.studio.library import MOST_BYTES
from collaparte.studio.safety import Door

TOKEN = "a long secret of ours"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("locked"), Door(token=TOKEN)) as found:
        yield found


def connect(studio: Studio, **headers: str) -> Any:
    client = pytest.importorskip("websockets.sync.client")
    return client.connect(f"ws://{studio.host}/api/stand", additional_headers=headers, proxy=None)


def test_a_name_that_was_rebound_to_this_machine_is_refused(studio: Studio) -> None:
    for host in ("evil.example", f"evil.example:{studio.port}", "localhost.evil.example", "10.0.0.7", ""):
        assert studio.ask("/api/library", headers={"Host": host})[0] == 421
    for host in (studio.host, f"localhost:{studio.port}", f"[::1]:{studio.port}"):
        assert studio.ask("/api/library", headers={"Host": host})[0] == 200


def test_another_site_can_change_nothing(studio: Studio) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"http://localhost:{studio.port}"):
        code, _, _ = studio.ask("/api/rehearsal", "POST", {"piece": "greensleeves"}, {"Origin": origin})
        assert code == 403
    assert studio.json("/api/rehearsal")["state"] == "empty"
    own = studio.ask("/api/rehearsal", "DELETE", headers={"Origin": f"http://{studio.host}"})
    assert own[0] == 200


def test_another_site_cannot_embed_what_is_read(studio: Studio) -> None:
    assert studio.ask("/api/takes", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert studio.ask("/api/takes", headers={"Sec-Fetch-Site": "same-origin"})[0] == 200
    assert studio.ask("/api/takes")[1]["cross-origin-resource-policy"] == "same-origin"


def test_a_form_of_another_site_is_no_request(studio: Studio) -> None:
    body = b'{"piece": "greensleeves"}'
    assert studio.ask("/api/rehearsal", "POST", body, {"Content-Type": "text/plain"})[0] == 415
    assert studio.json("/api/rehearsal")["state"] == "empty"


def test_a_web_socket_from_another_site_is_refused(studio: Studio) -> None:
    refused = pytest.importorskip("websockets.exceptions").InvalidStatus
    with pytest.raises(refused) as error:
        connect(studio, Origin="https://evil.example")
    assert error.value.response.status_code == 403
    with connect(studio, Origin=f"http://{studio.host}") as socket:
        assert '"stand"' in socket.recv()


def test_every_answer_forbids_everything_foreign(studio: Studio) -> None:
    for path, method in (("/", "GET"), ("/api/library", "GET"), ("/nowhere", "GET"), ("/api/rehearsal", "PUT")):
        _, headers, _ = studio.ask(path, method)
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert all(sources in ("'self'", "'none'") for sources in policy.values())
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_the_page_names_no_other_host() -> None:
    page = Path(piece_path("greensleeves")).parent.parent / "studio" / "page"
    files = [path for path in page.rglob("*") if path.suffix in (".html", ".js", ".css")]
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def test_without_the_token_there_is_nothing(locked: Studio) -> None:
    for path in ("/", "/api/library", "/api/takes", "/assets/", "/?token=wrong", "/?token="):
        assert locked.ask(path)[0] == 401
    refused = pytest.importorskip("websockets.exceptions").InvalidStatus
    with pytest.raises(refused):
        connect(locked)
    assert locked.ask("/api/library", headers={"Cookie": "collaparte=wrong"})[0] == 401


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(locked: Studio) -> None:
    code, headers, _ = locked.ask("/?token=a%20long%20secret%20of%20ours")
    assert (code, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].split(";")[0]
    assert locked.ask("/api/library", headers={"Cookie": cookie})[0] == 200


def test_no_door_stands_open() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::"):
        with pytest.raises(CollaparteError, match="--token"):
            Door(host)
    with pytest.raises(CollaparteError, match="too short"):
        Door("0.0.0.0", "short")
    abroad = Door("0.0.0.0", TOKEN)
    assert abroad.knows("192.168.1.5:8765")
    assert not abroad.knows("evil.example:8765")


# -- uploads -----------------------------------------------------------------------------------------------------------


def upload(studio: Studio, name: str, data: bytes) -> tuple[int, str]:
    code, _, body = studio.ask(f"/api/library?name={name}", "POST", data)
    return code, body.decode()


def own_pieces(studio: Studio) -> list[str]:
    return sorted(path.name for path in studio.stage.library.folder.glob("*") if len(path.name) == 12)


def test_a_file_that_is_too_large_is_not_read_to_its_end(studio: Studio) -> None:
    assert upload(studio, "big.xml", b"<" * (MOST_BYTES + 1))[0] == 413


@pytest.mark.parametrize("name", ["song.exe", "song", "song.xml.html", "..%2F..%2Fetc%2Fpasswd"])
def test_other_kinds_of_files_are_refused(studio: Studio, name: str) -> None:
    code, text = upload(studio, name, b"<html><script>alert(1)</script></html>")
    assert code == 422
    assert "MusicXML" in text


def test_a_zip_bomb_takes_neither_memory_nor_time(studio: Studio) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
        )
        archive.writestr("s.xml", b"\0" * 300_000_000)
    before = own_pieces(studio)
    code, _ = upload(studio, "bomb.mxl", packed.getvalue())
    assert code == 422
    assert own_pieces(studio) == before


LAUGHS = "".join(f'<!ENTITY {name} "{f"&{former};" * 10}">' for former, name in pairwise("abcdefghij"))
BILLION_LAUGHS = f"""<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY a "ha">{LAUGHS}]>
<score-partwise version="4.0"><work><work-title>&j;</work-title></work></score-partwise>""".encode()


@pytest.mark.parametrize("name", ["laughs.xml", "laughs.mei"])
def test_entities_do_not_explode(studio: Studio, name: str) -> None:
    before = own_pieces(studio)
    assert upload(studio, name, BILLION_LAUGHS)[0] == 422
    assert own_pieces(studio) == before


def test_an_entity_cannot_read_a_file(studio: Studio, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("do not tell")
    score = piece_path("greensleeves").read_text(encoding="utf-8")
    start = score.index("<score-partwise")
    doctype = f'<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    stolen = (doctype + score[start:]).replace("Greensleeves", "&x;")
    _, text = upload(studio, "thief.musicxml", stolen.encode())
    assert "do not tell" not in text
    assert "do not tell" not in studio.ask("/api/library")[2].decode()


def test_a_name_never_becomes_a_path(studio: Studio) -> None:
    data = piece_path("washerwoman").read_bytes().replace(b"washerwoman", b"w")
    data += b"<!-- another file -->"
    code, text = upload(studio, "..%2F..%2F..%5Cevil%00%0A.musicxml", data)
    assert code == 201, text
    folder = studio.stage.library.folder
    for path in folder.parent.parent.rglob("*"):
        assert "evil" not in path.name
    for piece in ("..", "../../takes", "..%2f..%2ftakes", "0" * 13, "greensleeves/../x"):
        assert studio.ask(f"/api/library/{piece}")[0] in (404, 422)
        assert studio.ask(f"/api/library/{piece}", "DELETE")[0] in (404, 405, 422)
    for path in ("/assets/../app.py", "/assets/..%2fapp.py", "/assets/%2e%2e/app.py"):
        assert studio.ask(path)[0] == 404


def test_a_worker_that_takes_too_much_is_ended() -> None:
    with pytest.raises(UnreadableScore, match="memory"):
        run_job("sleep", {"bytes": 600_000_000, "seconds": 0}, Limits(20, 400_000_000))
    with pytest.raises(UnreadableScore, match="longer than 1 s"):
        run_job("sleep", {"bytes": 1, "seconds": 30}, Limits(1.0))
    assert run_job("sleep", {"bytes": 10, "seconds": 0})["held"] == 10


def test_nonsense_over_the_web_socket_breaks_nothing(studio: Studio) -> None:
    with connect(studio) as socket:
        for text in ("", "[]", "{", '{"do": "command"}', '{"do": "midi", "bytes": [1, 2]}', "[" * 3000):
            socket.send(text)
        assert '"stand"' in socket.recv()
    with connect(studio) as socket:
        socket.send("x" * 20_000)
        closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
        with pytest.raises(closed):
            _until_closed(socket)
    assert studio.ask("/api/library")[0] == 200


def _until_closed(socket: Any) -> None:
    while True:
        socket.recv(timeout=5)


# -- the audio socket --------------------------------------------------------------------------------------------------

HELLO = '{"do": "hello", "page": "a", "rate": 48000, "channels": 1, "latency_s": 0.02}'


@contextmanager
def connect_audio(studio: Studio, hello: str = HELLO, **headers: str) -> Iterator[Any]:
    client = pytest.importorskip("websockets.sync.client")
    with client.connect(f"ws://{studio.host}/api/audio", additional_headers=headers, proxy=None) as socket:
        socket.send(hello)
        yield socket


def _flood(socket: Any, message: bytes | str, count: int) -> None:
    for _ in range(count):
        socket.send(message)
    _until_closed(socket)


def test_the_audio_socket_is_guarded_as_the_other_is(studio: Studio, locked: Studio) -> None:
    refused = pytest.importorskip("websockets.exceptions").InvalidStatus
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(refused), connect_audio(studio, **headers):
            pass
    with pytest.raises(refused), connect_audio(locked):
        pass
    with connect_audio(studio, Origin=f"http://{studio.host}") as socket:
        assert '"ping"' in socket.recv(timeout=5)


@pytest.mark.parametrize(
    "hello",
    ['{"do": "pong"}', "[]", "{", "[" * 900, "x" * 2000, HELLO.replace("48000", "1e400"), HELLO.replace("1,", "9,")],
)
def test_a_page_that_says_no_proper_hello_gets_no_sound(studio: Studio, hello: str) -> None:
    closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
    with connect_audio(studio, hello) as socket:
        with pytest.raises(closed):
            _until_closed(socket)
        assert socket.close_code == 1008
    assert studio.stage.booth.guest is None


def _chunk(number: int, frames: int = 256) -> bytes:
    from collaparte.studio.booth import HEADER

    return HEADER.pack(0.0, number, frames, 1) + bytes(2 * frames)


def test_a_flood_of_sound_is_cut_off_and_real_sound_is_not(studio: Studio) -> None:
    closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
    with connect_audio(studio) as socket:
        for number in range(2 * 48000 // 256):  # two seconds at once: a network that stalled
            socket.send(_chunk(number))
        socket.send('{"do": "pong", "id": 99, "now_ms": 1e9}')
        assert '"ping"' in socket.recv(timeout=5)
    with connect_audio(studio) as socket, pytest.raises(closed):
        _flood(socket, _chunk(0), 60 * 48000 // 256)
    with connect_audio(studio) as socket, pytest.raises(closed):
        _flood(socket, '{"do": "pong", "id": 1, "now_ms": 0}', 2000)


@pytest.mark.parametrize("data", [b"", b"\xff" * 16, b"\xff" * 1040, _chunk(0)[:-1], _chunk(0) * 16])
def test_what_is_no_sound_ends_the_connection(studio: Studio, data: bytes) -> None:
    closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
    with connect_audio(studio) as socket:
        socket.send(data)
        with pytest.raises(closed):
            _until_closed(socket)
        assert socket.close_code in (1008, 1009)
    assert studio.ask("/api/library")[0] == 200


def test_only_presets_can_be_asked_for(studio: Studio) -> None:
    for asked in ("", "0.200", "300.1", "../../x", ",".join(f"0.{n}" for n in range(100))):
        assert studio.ask(f"/api/voices?presets={asked}")[0] == 400
