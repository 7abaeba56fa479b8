"""The end of the process and the children it forks.

Owns: the one function that runs at exit. Lives on: the main thread, after every other exit function that was registered
later. Must not import: anything but the generated module.

A thread of the library that calls into an interpreter on its way out would end the process by a signal. So before the
interpreter goes, `end_process` closes all phones and stops every callback; nothing calls into Python after it.
"""

from __future__ import annotations

import atexit
import os

from . import _native
from ._errors import LoopError

#: Longest wait at exit, in milliseconds, for phones that were not closed: their sessions are given back and recordings
#: completed when the gateway answers meanwhile.
GOODBYE_MS = 1500

_OWNER = os.getpid()


def check() -> None:
    """Raises in a forked child, which has the library's memory but none of its threads."""
    if os.getpid() != _OWNER:
        raise LoopError("phones and gateways do not survive fork(): use the start method 'spawn'")


def shut_down(phone: _native.Phone) -> None:
    """Ends a phone that nobody refers to any more, without waiting for the gateway."""
    if os.getpid() == _OWNER:
        phone.shutdown(0)


def _at_exit() -> None:
    if os.getpid() == _OWNER:
        _native.end_process(GOODBYE_MS)


atexit.register(_at_exit)
