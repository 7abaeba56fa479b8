"""A telephone for programs: log in to a gateway, dial, answer, talk, hang up, with real WebRTC media.

Owns: the public names. Lives on: any thread; phones are used on one asyncio event loop each. Must not import: anything
but this package.

    async with ewebrtc.Phone(gateway.url, local_media="wav:hello.wav") as phone:
        await phone.login(token)
        call = await phone.dial("bob")
        await call.connected()

`docs/guide-python.md` shows it by scenario.
"""

from ._call import Call, CallStats, VideoFrame
from ._errors import (
    ArgumentError,
    BusyError,
    CallEndedError,
    ClosedError,
    ConfigError,
    Error,
    ErrorFields,
    InHandlerError,
    InternalError,
    LoopError,
    NoAudioError,
    NotFoundError,
    NoVideoError,
    PhoneError,
    SystemRefusedError,
    UnknownMethodError,
)
from ._events import Event, Events, Subscription
from ._gateway import DevToken, Gateway, dev_token
from ._info import ErrorEntry, __version__, api_errors, sdk_errors
from ._phone import CallInfo, IceServer, Phone

__all__ = [
    "ArgumentError",
    "BusyError",
    "Call",
    "CallEndedError",
    "CallInfo",
    "CallStats",
    "ClosedError",
    "ConfigError",
    "DevToken",
    "Error",
    "ErrorEntry",
    "ErrorFields",
    "Event",
    "Events",
    "Gateway",
    "IceServer",
    "InHandlerError",
    "InternalError",
    "LoopError",
    "NoAudioError",
    "NoVideoError",
    "NotFoundError",
    "Phone",
    "PhoneError",
    "Subscription",
    "SystemRefusedError",
    "UnknownMethodError",
    "VideoFrame",
    "__version__",
    "api_errors",
    "dev_token",
    "sdk_errors",
]
