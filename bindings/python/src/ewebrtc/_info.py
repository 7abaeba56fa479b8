"""The version, the tables of error codes, and the report of what works here.

Owns: `ErrorEntry`, `Capabilities`. Lives on: any thread. Must not import: anything but the generated module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from . import _native

#: Version of the library.
__version__: str = _native.version()


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """An entry of the catalogue of errors; names as in `PhoneError`."""

    error_code: str
    """`ErrorCode`, such as `"2211"`."""
    js_object: str
    """`JSObject`: the object that reports it."""
    js_method: str
    """`JSMethod`: the method that reports it, or `*`."""
    error_message: str
    """`ErrorMessage`: one sentence."""
    cause: str
    """`Cause`: the probable cause."""
    resolution: str
    """`Resolution`: the suggested remedy."""
    message_id: str | None
    """`MessageId`, of errors of the gateway."""
    http_status_code: str | None
    """`HttpStatusCode`, of errors of the gateway that have one."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the library can do on this machine, at the moment it was asked."""

    version: str
    """Version of the library."""
    os: str
    """Operating system it was compiled for, e.g. `linux`."""
    arch: str
    """Processor it was compiled for, e.g. `x86_64`."""
    support: str
    """Whether calls work here: `Supported`, or `Not Certified` where the library's tests are not run."""
    audio_codecs: list[str]
    """Codecs for audio, best first, by their names in a session description."""
    video_codecs: list[str]
    """Codecs for video."""
    sources: list[str]
    """Words of `local_media`."""
    sinks: list[str]
    """Words of `remote_media`."""
    ice_servers: list[str]
    """URLs of ICE servers that are understood."""
    features: list[str]
    """Parts that may be compiled in and are, e.g. `gateway`."""
    ipv4: bool
    """This machine has an IPv4 address with which it reaches others."""
    ipv6: bool
    """This machine has an IPv6 address with which it reaches others."""

    @property
    def network_connected(self) -> bool:
        """There is a network besides loopback. Calls through a gateway on the same machine need none."""
        return self.ipv4 or self.ipv6


def capabilities() -> Capabilities:
    """Looks at the library and at the machine."""
    found = _native.capabilities()
    return Capabilities(**{f.name: getattr(found, f.name) for f in fields(Capabilities)})


def is_network_connected() -> bool:
    """Whether there is a network besides loopback: an interface that is up and has an address with which it reaches others."""
    return bool(_native.is_network_connected())


def _table(entries: Iterable[_native.ErrorEntry]) -> dict[str, ErrorEntry]:
    names = [f.name for f in fields(ErrorEntry)]
    return {e.error_code: ErrorEntry(**{name: getattr(e, name) for name in names}) for e in entries}


def sdk_errors() -> dict[str, ErrorEntry]:
    """The errors that the phone raises by itself, by their codes."""
    return _table(_native.sdk_errors())


def api_errors() -> dict[str, ErrorEntry]:
    """The errors that the gateway reports, by their codes."""
    return _table(_native.api_errors())
