"""Deadlines: `asyncio.timeout`, which Python has from 3.11 on, and the same for 3.10.

Owns: `timeout`, `timeout_at`. Lives on: an event loop. Must not import: anything but the standard library.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType

if sys.version_info >= (3, 11):
    from asyncio import timeout, timeout_at
else:

    class _Deadline:
        """Cancels the task that is inside when the time is over, and then raises `TimeoutError` in its place."""

        def __init__(self, at: float | None) -> None:
            self._at = at
            self._over = False
            self._timer: asyncio.TimerHandle | None = None

        async def __aenter__(self) -> _Deadline:
            task = asyncio.current_task()
            assert task is not None, "inside a task"
            if self._at is not None:
                self._timer = asyncio.get_running_loop().call_at(self._at, self._expire, task)
            return self

        def _expire(self, task: asyncio.Task[object]) -> None:
            self._over = True
            task.cancel()

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            if self._timer is not None:
                self._timer.cancel()
            if self._over and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def timeout(delay: float | None) -> _Deadline:
        """A block that may take so many seconds; `None`: for ever."""
        return _Deadline(None if delay is None else asyncio.get_running_loop().time() + delay)

    def timeout_at(when: float | None) -> _Deadline:
        """A block that may take until this time of the event loop's clock."""
        return _Deadline(when)


__all__ = ["timeout", "timeout_at"]
