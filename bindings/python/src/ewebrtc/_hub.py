"""From the phone's own thread to its event loop: everything that a phone's events lead to.

Owns: the events on their way, the streams, the handlers and their tasks, the calls by handle, and which loop a phone
belongs to. Lives on: the loop, save `push`, which the phone's thread calls. Must not import: the phone.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import _native, _process
from ._errors import LoopError
from ._events import Event, Events, Subscription

if TYPE_CHECKING:
    from ._call import Call

#: Events that may be on their way to a loop that does not turn. A phone makes about a dozen a call, so this is hours of
#: them; what does not fit is left out and counted, except the last one.
BACKLOG = 65_536

#: Events delivered in one turn of the loop, so that a flood leaves room for other tasks.
TURN = 256

#: Calls that have ended and are remembered, so that who has just dialled still finds out why.
ENDED_CALLS = 64


class Listener(_native.EventListener):
    """What the library calls. It refers to the hub weakly: a phone that nobody holds can be collected."""

    def __init__(self, hub: Hub) -> None:
        self._hub = weakref.ref(hub)

    def on_event(self, event: _native.Event) -> None:
        hub = self._hub()
        if hub is not None:
            hub.push(event)


class Hub:
    """See the head of this file."""

    def __init__(self) -> None:
        #: How many events were left out because the loop did not turn for so long.
        self.missed = 0
        #: The last event was delivered, or the phone was ended without it.
        self.ended = False
        self.make_call: Callable[[int], Call] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Reentrant: a collection may run any code at any point.
        self._lock = threading.RLock()
        self._pending: deque[_native.Event] = deque()
        self._scheduled = False
        self._calls: dict[int, Call] = {}
        self._streams: weakref.WeakSet[Events] = weakref.WeakSet()
        self._handlers: list[Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def bind(self) -> asyncio.AbstractEventLoop:
        """The loop of this phone: the running one, from the first time on. Raises `LoopError` when that is another
        one."""
        _process.check()
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._loop is None:
                self._loop = loop
                self._schedule()
            if self._loop is loop:
                return loop
            closed = self._loop.is_closed()
        raise LoopError(
            "the event loop of this phone is closed" if closed else "this phone belongs to another event loop"
        )

    def push(self, event: _native.Event) -> None:
        """Takes an event. Called on the phone's own thread; never waits for the loop."""
        with self._lock:
            if self.ended:
                return
            if len(self._pending) >= BACKLOG and event.name != "phone:closed":
                self.missed += 1
                return
            self._pending.append(event)
            self._schedule()

    def _schedule(self) -> None:
        if self._scheduled or self._loop is None or not self._pending:
            return
        try:
            self._loop.call_soon_threadsafe(self._turn)
            self._scheduled = True
        except RuntimeError:
            pass  # the loop is closed: nobody listens any more

    def _turn(self) -> None:
        try:
            self.deliver(TURN)
        finally:
            # Also when a handler ends the loop, by SystemExit for instance.
            with self._lock:
                self._scheduled = False
                self._schedule()

    def deliver(self, most: int) -> None:
        """Delivers what has come, `most` events at most."""
        for _ in range(most):
            with self._lock:
                if not self._pending:
                    return
                event = self._pending.popleft()
            self._dispatch(event)

    def _dispatch(self, raw: _native.Event) -> None:
        loop = self._loop
        assert loop is not None, "events are delivered on the loop"
        handle = raw.conference if raw.call is None else raw.call
        call = None if handle is None else self.call(handle)
        event = Event(raw, call)
        if call is not None:
            call._note(event)
        for stream in list(self._streams):
            stream._put(event)
        if event.name == "phone:closed":
            self.end()
        for subscription in list(self._handlers):
            # One that an earlier handler has removed is not called any more.
            if subscription in self._handlers:
                subscription._put(event, loop)

    def end(self) -> None:
        """No event comes any more: streams end, and so does the waiting for calls. Twice does nothing more."""
        if self.ended:
            return
        self.ended = True
        for one in self._calls.values():
            one._wake()
        for stream in list(self._streams):
            stream._end()

    def call(self, handle: int, known: bool = True) -> Call:
        """The call with this handle, always the same object. One that is not `known` to be or have been is kept only
        when it lives, since anybody may ask for any number."""
        found = self._calls.get(handle)
        if found is None:
            assert self.make_call is not None, "the phone sets it"
            found = self.make_call(handle)
            if known or found.state is not None:
                over = [key for key, call in self._calls.items() if call._over]
                for key in over[: max(0, len(over) - ENDED_CALLS)]:
                    del self._calls[key]
                self._calls[handle] = found
        found._seen |= known
        return found

    def add_stream(self, stream: Events) -> None:
        """From now on the stream gets events, as long as somebody holds it."""
        self._streams.add(stream)

    def add(self, subscription: Subscription) -> None:
        """From now on the handler gets events."""
        self._handlers.append(subscription)

    def remove(self, subscription: Subscription) -> bool:
        """The handler gets no events any more. `False`: it got none before."""
        if subscription not in self._handlers:
            return False
        self._handlers.remove(subscription)
        return True

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs what a handler returned."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, timeout: float) -> None:
        """Delivers all that has come and waits for the handlers, except the one that calls this; those that are not
        done after `timeout` seconds are cancelled."""
        self.deliver(BACKLOG + 1)
        others = self._tasks - {task for task in (asyncio.current_task(),) if task}
        if others:
            _, late = await asyncio.wait(others, timeout=timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
        self._handlers.clear()
