"""Who may talk to the studio, and what its page may load.

A web page anywhere can make a browser send requests to this machine, and a name that its owner controls can be made to
resolve to 127.0.0.1 (DNS rebinding). So every request must name us in its Host header; whatever changes something, and
every web socket, must come from a page of our own when it says where it comes from (Origin); and where other machines
can reach us a secret is asked for. The page itself may load nothing from anywhere else.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from collaparte.errors import CollaparteError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "collaparte"
LEAST_TOKEN = 12
READING = ("GET", "HEAD")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), midi=(self), microphone=(self)"),
)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local"})


@dataclass(frozen=True)
class Door:
    """Where we listen and what we ask for. Raises CollaparteError for a door that would stand open."""

    host: str = "127.0.0.1"
    token: str | None = None
    names: frozenset[str] = field(default_factory=_own_names)

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.token:
            raise CollaparteError(
                f"Listening on {self.host} lets other machines in, so a token is needed: add --token SECRET "
                f"(at least {LEAST_TOKEN} characters)."
            )
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            raise CollaparteError(f"The token is too short to be a secret: use at least {LEAST_TOKEN} characters.")

    def knows(self, host_header: str) -> bool:
        """Whether a Host header names us. A domain somebody else owns never does."""
        try:
            name = urlsplit(f"//{host_header}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name == self.host.lower():
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return not is_loopback(self.host) and name in self.names
        if address.is_loopback:
            return True
        return self.host in ("0.0.0.0", "::")  # whoever types our number is not misled by a name

    def opens_for(self, secret: str | None) -> bool:
        """Whether ``secret`` is the token (compared in constant time); anything opens a door without one."""
        if self.token is None:
            return True
        return secret is not None and hmac.compare_digest(secret.encode(), self.token.encode())


class Guard:
    """Stands before the application: refuses strangers, and dresses every answer in the security headers."""

    def __init__(self, app: Application, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(scope, receive, send, *refusal)
            return
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [None])[0]
        if self._door.token is not None and not self._door.opens_for(_cookie(headers)):
            if not self._door.opens_for(given):
                await _refuse(scope, receive, send, 401, "Open the address with ?token=... that the studio printed.")
                return
            if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/":
                await _let_in(send, given or "")
                return

        async def dressed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self._app(scope, receive, dressed)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._door.knows(host):
            return 421, "This is not the host you are looking for."
        origin = headers.get("origin")
        ours = origin is None or urlsplit(origin).netloc.lower() == host.lower()
        changes = scope["type"] == "websocket" or scope["method"] not in READING
        if changes and not ours:
            return 403, "Requests from other sites are refused."
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and (changes or scope["path"] != "/"):
            return 403, "Requests from other sites are refused."
        return None


def _cookie(headers: dict[str, str]) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None else None


async def _let_in(send: Send, token: str) -> None:
    """Keep the token in a cookie that scripts cannot read, and take it out of the address bar."""
    cookie = SimpleCookie({COOKIE: token})
    cookie[COOKIE]["httponly"] = True
    cookie[COOKIE]["samesite"] = "Strict"
    cookie[COOKIE]["path"] = "/"
    value = cookie[COOKIE].OutputString().encode("latin-1", "ignore")
    headers = [(b"location", b"/"), (b"set-cookie", value), (b"content-length", b"0"), *HEADERS]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # the request to connect; closing before accepting answers 403
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
