"""The version and the tables of error codes.

Owns: `ErrorEntry`. Lives on: any thread. Must not import: anything but the generated module.
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
    js_object: str
    js_method: str
    error_message: str
    cause: str
    resolution: str
    message_id: str | None
    http_status_code: str | None


def _table(entries: Iterable[_native.ErrorEntry]) -> dict[str, ErrorEntry]:
    names = [f.name for f in fields(ErrorEntry)]
    return {e.error_code: ErrorEntry(**{name: getattr(e, name) for name in names}) for e in entries}


def sdk_errors() -> dict[str, ErrorEntry]:
    """The errors that the phone raises by itself, by their codes."""
    return _table(_native.sdk_errors())


def api_errors() -> dict[str, ErrorEntry]:
    """The errors that the gateway reports, by their codes."""
    return _table(_native.api_errors())
