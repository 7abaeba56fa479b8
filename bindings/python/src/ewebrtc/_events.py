"""Events, and the two ways to follow them: streams and handlers.

Owns: `Event`, `Events`, `Subscription`. Lives on: the phone's event loop. Must not import: the phone (it is named for
type checkers only).
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import _check, _native, _process
from ._errors import ErrorFields, PhoneError

if TYPE_CHECKING:
    from ._call import Call
    from ._hub import Hub
    from ._phone import Phone

Handler = Callable[["Event"], object]
"""What `Phone.on` takes: a function, or one that returns something to await."""

WAITING = 4096
"""Events that may wait in one stream or for one handler. A call makes about a dozen."""


class Event:
    """A fact that has happened. Documented properties are in `data`, with the names of the Phone API."""

    __slots__ = ("_data", "_json", "call", "conference", "name", "seq", "tag", "timestamp")

    def __init__(self, event: _native.Event, item: Call | None) -> None:
        self.name: str = event.name
        """Name, such as `call:connected`."""
        self.seq: int = event.seq
        """Number within the phone, rising by one without holes, from 1."""
        self.timestamp: str = event.timestamp
        """When it happened: RFC 3339 with milliseconds, UTC."""
        self.call: Call | None = None if event.call is None else item
        """The call it is about."""
        self.conference: Call | None = None if event.conference is None else item
        """The conference it is about."""
        self.tag: str | None = event.tag
        """Tag of the command that caused it."""
        self._json: str = event.json
        self._data: dict[str, Any] | None = None

    @property
    def data(self) -> dict[str, Any]:
        """All of it: `event`, `seq`, `timestamp`, where it applies `call` or `conference` (the handle) and `tag`, and its own
        properties."""
        if self._data is None:
            data: dict[str, Any] = json.loads(self._json)
            self._data = data
        return self._data

    def get(self, name: str, default: Any = None) -> Any:
        """A property by its documented name, such as `mediaType`."""
        return self.data.get(_check.text("name", name), default)

    def text(self, name: str) -> str | None:
        """A property that is a text; `None` when there is none."""
        value = self.data.get(_check.text("name", name))
        return value if isinstance(value, str) else None

    @property
    def when(self) -> datetime:
        """`timestamp` as a time with zone."""
        # Python 3.10 does not know Z.
        return datetime.fromisoformat(self.timestamp.replace("Z", "+00:00"))

    @property
    def peer_from(self) -> str | None:
        """Property `from`: the address of the caller, of incoming calls."""
        return self.text("from")

    @property
    def peer_to(self) -> str | None:
        """Property `to`: the address that was called, of outgoing calls."""
        return self.text("to")

    @property
    def media_type(self) -> str | None:
        """Property `mediaType`: `audio` or `video`."""
        return self.text("mediaType")

    @property
    def old_state(self) -> str | None:
        """Property `oldState`, of `call:state-changed`."""
        return self.text("oldState")

    @property
    def new_state(self) -> str | None:
        """Property `newState`, of `call:state-changed`."""
        return self.text("newState")

    @property
    def reason(self) -> str | None:
        """Property `message`: what the other side or the gateway said."""
        return self.text("message")

    @property
    def error(self) -> PhoneError | None:
        """The error of an `error` event, or the one with which a command finished."""
        inner = self.data.get("error")
        found = ErrorFields.from_dict(inner if isinstance(inner, dict) else self.data)
        return PhoneError(found) if found else None

    def __repr__(self) -> str:
        return f"<Event {self.seq} {self.name}>"


class Events:
    """The events of a phone from the moment this was made, in order, those included that were on their way to the event
    loop then: an asynchronous iterator that ends after `phone:closed`. Several are independent of each other. At most
    4096 events wait in one; of a reader that is further behind the newest are left out and counted in `missed`.

    Made by `Phone.events`.
    """

    def __init__(self, phone: Phone, names: frozenset[str], ended: bool) -> None:
        # A stream keeps its phone alive.
        self._phone = phone
        self._names = names
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.missed = 0
        """How many events were left out because nobody read them for so long."""
        if ended:
            self._end()

    def _put(self, event: Event) -> None:
        if self._names and event.name not in self._names:
            return
        if self._queue.qsize() >= WAITING:
            self.missed += 1
        else:
            self._queue.put_nowait(event)

    def _end(self) -> None:
        self._queue.put_nowait(None)

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        # Nothing comes in a forked child.
        _process.check()
        event = await self._queue.get()
        if event is None:
            self._end()
            raise StopAsyncIteration
        return event


class Subscription:
    """A handler that `Phone.on` registered. Its events come one at a time and in order: the next one when what the
    handler returned was awaited. At most 4096 wait for a handler; of one that is further behind the newest are left out
    and counted in `missed`.
    """

    def __init__(self, hub: Hub, name: str | None, handler: Handler) -> None:
        self._hub = hub
        self._name = name
        self._handler = handler
        self._waiting: deque[Event] = deque()
        self._busy = False
        self.missed = 0
        """How many events were left out because the handler did not return for so long."""

    def off(self) -> bool:
        """Removes the handler; it is not called for events whose delivery has not begun. `False`: it was removed
        before."""
        self._waiting.clear()
        return self._hub.remove(self)

    def _put(self, event: Event, loop: asyncio.AbstractEventLoop) -> None:
        if self._name is not None and event.name != self._name:
            return
        if not self._busy:
            self._call(event, loop)
        elif len(self._waiting) >= WAITING:
            self.missed += 1
        else:
            self._waiting.append(event)

    def _call(self, event: Event, loop: asyncio.AbstractEventLoop) -> None:
        try:
            result = self._handler(event)
        except Exception as error:
            self._report(error, event, loop)
            return
        if inspect.isawaitable(result):
            self._busy = True
            self._hub.start(self._finish(result, event, loop))

    async def _finish(self, result: Awaitable[object], event: Event, loop: asyncio.AbstractEventLoop) -> None:
        try:
            try:
                await result
            except Exception as error:
                self._report(error, event, loop)
        finally:
            self._busy = False
        while self._waiting and not self._busy:
            self._call(self._waiting.popleft(), loop)

    def _report(self, error: Exception, event: Event, loop: asyncio.AbstractEventLoop) -> None:
        text = f"a handler of {event.name} raised {type(error).__name__}"
        loop.call_exception_handler({"message": text, "exception": error, "handler": self._handler})
