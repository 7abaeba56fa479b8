"""A telephone for programs: log in to a gateway, dial, answer, talk, hang up, with real WebRTC media.

Owns: the public names. Lives on: any thread; phones are used on one asyncio event loop each. Must not import: anything
but this package.

    async with ewebrtc.Phone(gateway.url, local_media="wav:hello.wav") as phone:
        await phone.login(token)
        call = await phone.dial("bob")
        await call.connected()

`docs/guide-python.md` shows it by scenario.
"""

from ._call import Call, CallStats, Samples, VideoFrame
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
from ._info import (
    Capabilities,
    ErrorEntry,
    __version__,
    api_errors,
    capabilities,
    is_network_connected,
    sdk_errors,
)
from ._log import Logger, LogLine, LogManager
from ._phone import CallInfo, Participant, Phone
from ._settings import IceServer

__all__ = [
    "ArgumentError",
    "BusyError",
    "Call",
    "CallEndedError",
    "CallInfo",
    "CallStats",
    "Capabilities",
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
    "LogLine",
    "LogManager",
    "Logger",
    "LoopError",
    "NoAudioError",
    "NoVideoError",
    "NotFoundError",
    "Participant",
    "Phone",
    "PhoneError",
    "Samples",
    "Subscription",
    "SystemRefusedError",
    "UnknownMethodError",
    "VideoFrame",
    "__version__",
    "api_errors",
    "capabilities",
    "dev_token",
    "is_network_connected",
    "sdk_errors",
]
