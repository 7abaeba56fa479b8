"""The ends: of the process, of event loops, and of the children that are forked.

Owns: the one function that runs at exit, the one by which the library wakes an event loop, and when native objects are freed. Lives on: the main
thread at exit, after every exit function that was registered later; a thread of the library. Must not import: anything
but the generated module.

A thread of the library that calls into an interpreter on its way out would end the process by a signal. So before the
interpreter goes, `end_process` closes all phones and stops every callback; nothing calls into Python after it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
from typing import Any

from . import _native
from ._errors import LoopError

#: Longest wait at exit, in milliseconds, for phones that were not closed: their sessions are given back and recordings
#: completed when the gateway answers meanwhile.
GOODBYE_MS = 1500

_OWNER = os.getpid()


def forked() -> bool:
    """Whether this is a forked child, which has the library's memory but none of its threads."""
    return os.getpid() != _OWNER


def check() -> None:
    """Raises in a forked child: there everything would wait for ever or tell of the moment of the fork."""
    if forked():
        raise LoopError("phones and gateways do not survive fork(): use the start method 'spawn'")


def to_be_ended(error: BaseException | None) -> bool:
    """Whether the end of a block is to end what the block is about. A forked child that leaves it by an exception, such
    as `SystemExit`, has nothing to end; that exception is not replaced by another one. Raises as `check` otherwise."""
    if error is None:
        check()
    return not forked()


def shut_down(phone: _native.Phone) -> None:
    """Ends a phone that nobody refers to any more, without waiting for the gateway."""
    if not forked():
        phone.shutdown(0)


def _at_exit() -> None:
    if not forked():
        _native.end_process(GOODBYE_MS)


atexit.register(_at_exit)


# ---- waking a loop that may be closed -------------------------------------------------------------------------------

#: The generated code; the package above it shows its public names only.
_generated: Any = sys.modules[_native.Phone.__module__]


#: Who waits: the loop and the future, by the number that the library gives back.
_waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Future[int]]] = _generated._UniffiContinuationHandleMap._map


def _done(future: asyncio.Future[int], code: int) -> None:
    if not future.done():
        future.set_result(code)


def _tell(handle: int, code: int) -> None:
    """Wakes who waits. Interrupted at any point it may be done again."""
    waits = _waiting.get(handle)
    if waits is not None:
        loop, future = waits
        try:
            loop.call_soon_threadsafe(_done, future, code)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more
        _waiting.pop(handle, None)


def _raise(error: BaseException) -> None:
    raise error


def _wake(handle: int, code: int) -> None:
    """As the generated function of this purpose, which complains on standard error when the loop was closed while the
    library was about to wake it.

    What is ready at once calls this on the loop's own thread, where the handler of a signal may raise, as that of Ctrl-C does
    under Python 3.10; ctypes drops what is raised in here, and the one who waits would wait for ever. The loop raises it
    in its place. Nothing stands before `try`: there a handler would run outside of it. From 3.11 on Python lets handlers run
    before the first line of any function, so one that raises may still be lost; that of `asyncio.run` does not raise there.
    """
    try:
        _tell(handle, code)
    except BaseException as error:
        _tell(handle, code)
        asyncio.get_running_loop().call_soon(_raise, error)


_generated._uniffi_continuation_callback = _generated._UNIFFI_RUST_FUTURE_CONTINUATION_CALLBACK(_wake)


# ---- objects that outlive the generated code ------------------------------------------------------------------------


def _freed_before_the_end(kind: Any) -> None:
    """An object that is collected while the interpreter ends may find the generated code gone, and would complain on standard
    error. What it holds was ended by `_at_exit` and goes with the process."""
    free, ending = kind.__del__, sys.is_finalizing

    def __del__(self: Any, free: Any = free, ending: Any = ending) -> None:
        if not ending():
            free(self)

    kind.__del__ = __del__


for _kind in (_generated.Call, _generated.Gateway, _generated.Logger, _generated.Phone):
    _freed_before_the_end(_kind)
