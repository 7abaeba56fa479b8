"""A gateway of conferences as a phone sees it: one session, and the test says what the other parties do. Nothing is heard.

Owns: `Focus`. Lives on: the test's event loop. Must not import: the package.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

_SESSION = "/RTC/v1/sessions/s1"
_FINGERPRINT = ":".join(["AB"] * 32)


def _description(setup: str) -> str:
    """One audio section, for a path that leads nowhere."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 127.0.0.1",
        "a=candidate:1 1 udp 2122194687 127.0.0.1 9 typ host",
        "a=ice-ufrag:focus",
        "a=ice-pwd:focusfocusfocusfocusfocus",
        f"a=fingerprint:sha-256 {_FINGERPRINT}",
        f"a=setup:{setup}",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
    ]
    return "\r\n".join(lines) + "\r\n"


class Focus:
    """The gateway; `url` is for phones."""

    def __init__(self) -> None:
        self.url = ""
        #: Requests other than polls: method and path.
        self.seen: list[str] = []
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._invited = 0
        self._connections: set[asyncio.Task[None]] = set()

    def push(self, name: str, state: str, **members: str) -> None:
        """An event about the conference of this name."""
        path = f"{_SESSION}/conferences/{name}"
        event = {"type": "conferences", "resourceURL": path, "state": state, "from": "sip:host@example.com", **members}
        self._events.put_nowait(event)

    def invite(self, name: str) -> None:
        """Invites the phone."""
        self.push(name, "invitation-received", sdp=_description("actpass"))

    def _answer(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        below = path.removeprefix(_SESSION)
        name = below.split("/")[2] if below.startswith("/conferences/") else ""
        if path == "/RTC/v1/sessions":
            return "201 Created", {"Location": _SESSION, "x-expires": "3600"}
        if below == "/conferences":
            self.push("f1", "session-open", sdp=_description("active"))
            return "201 Created", {"Location": f"{_SESSION}/conferences/f1"}
        if "/participants/" in below:
            self._invited += method == "PUT"
            state = "add-pending" if method == "PUT" else "remove-pending"
            return "202 Accepted", {"x-state": state, "x-modId": f"i{self._invited}"}
        if name:
            self.push(name, "session-terminated" if method == "DELETE" else "session-modified")
        return ("204 No Content" if method == "DELETE" else "200 OK"), {}

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *fields = head.decode().split("\r\n")
                method, path, _ = first.split(" ")
                lengths = [field.split(":")[1] for field in fields if field.lower().startswith("content-length:")]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                body = b""
                if path.startswith(f"{_SESSION}/events"):
                    event = await self._events.get()
                    body = json.dumps({"events": {"eventList": [{"eventObject": event}]}}).encode()
                    status, extra = "200 OK", {"Content-Type": "application/json"}
                else:
                    self.seen.append(f"{method} {path}")
                    status, extra = self._answer(method, path)
                lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in extra.items())]
                if not status.startswith("204"):
                    lines.append(f"Content-Length: {len(body)}")
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def focus() -> AsyncIterator[Focus]:
    """One that runs."""
    made = Focus()
    server = await asyncio.start_server(made._accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        server.close()
        for connection in set(made._connections):
            connection.cancel()
        await asyncio.gather(*made._connections, return_exceptions=True)
