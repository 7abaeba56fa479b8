"""The exceptions, and how the generated module's become them.

Owns: every exception class of the package. Lives on: any thread. Must not import: anything but the generated module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from . import _native

if TYPE_CHECKING:
    from ._events import Event

T = TypeVar("T")

#: Names of the Phone API by those of the attributes.
_DOCUMENTED = {
    "error_code": "ErrorCode",
    "js_object": "JSObject",
    "js_method": "JSMethod",
    "error_message": "ErrorMessage",
    "cause": "Cause",
    "resolution": "Resolution",
    "api_error": "APIError",
    "resource_method": "ResourceMethod",
    "http_status_code": "HttpStatusCode",
    "message_id": "MessageId",
    "additional_information": "AdditionalInformation",
}


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """The fields of an error of the catalogue. Codes are texts, since leading zeros matter."""

    error_code: str
    """`ErrorCode`, such as `"2211"`."""
    js_object: str = ""
    """`JSObject`: the object that reports it."""
    js_method: str = ""
    """`JSMethod`: the method that reports it, or `*`."""
    error_message: str = ""
    """`ErrorMessage`: one sentence."""
    cause: str = ""
    """`Cause`: the probable cause."""
    resolution: str = ""
    """`Resolution`: the suggested remedy."""
    api_error: str | None = None
    """`APIError`: the gateway's own text."""
    resource_method: str | None = None
    """`ResourceMethod`: method and address of the request that failed."""
    http_status_code: str | None = None
    """`HttpStatusCode`; `"0"` when no answer came."""
    message_id: str | None = None
    """`MessageId`: the gateway's message id."""
    additional_information: str | None = None
    """`AdditionalInformation`: further detail."""

    def to_dict(self) -> dict[str, str]:
        """The fields that there are, by the names of the Phone API (`ErrorCode`, `JSObject` ...)."""
        values = ((name, getattr(self, name)) for name in _DOCUMENTED)
        return {_DOCUMENTED[name]: value for name, value in values if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ErrorFields | None:
        """The reverse of `to_dict`, from the data of an event; `None` when there is no `ErrorCode`."""
        if not isinstance(data, Mapping):
            raise TypeError(f"data must be a mapping, not {type(data).__name__}")
        if not isinstance(data.get("ErrorCode"), str):
            return None
        return cls(**{name: data[key] for name, key in _DOCUMENTED.items() if isinstance(data.get(key), str)})


class Error(Exception):
    """Base of every exception of this package."""


class PhoneError(Error):
    """Refused or failed with a code of the catalogue. The same was published as an `error` event, or as
    `session:expired` or `gateway:unreachable` where the protocol says so."""

    def __init__(self, error_fields: ErrorFields) -> None:
        if not isinstance(error_fields, ErrorFields):
            raise TypeError(f"error_fields must be ErrorFields, not {type(error_fields).__name__}")
        super().__init__(error_fields)
        self.fields = error_fields
        """All fields in one."""
        self.error_code = error_fields.error_code
        """`ErrorCode`, such as `"2211"`."""
        self.js_object = error_fields.js_object
        """`JSObject`: the object that reported it."""
        self.js_method = error_fields.js_method
        """`JSMethod`: the method that reported it, or `*`."""
        self.error_message = error_fields.error_message
        """`ErrorMessage`: one sentence."""
        self.cause = error_fields.cause
        """`Cause`: the probable cause."""
        self.resolution = error_fields.resolution
        """`Resolution`: the suggested remedy."""
        self.api_error = error_fields.api_error
        """`APIError`: the gateway's own text."""
        self.resource_method = error_fields.resource_method
        """`ResourceMethod`: method and address of the request that failed."""
        self.http_status_code = error_fields.http_status_code
        """`HttpStatusCode`; `"0"` when no answer came."""
        self.message_id = error_fields.message_id
        """`MessageId`: the gateway's message id."""
        self.additional_information = error_fields.additional_information
        """`AdditionalInformation`: further detail."""

    def __str__(self) -> str:
        details = [detail for detail in (self.api_error, self.additional_information) if detail]
        return f"{self.error_code}: {self.error_message}" + "".join(f" ({detail})" for detail in details)


class NotFoundError(Error, LookupError):
    """There never was such a call, as far as the phone knows; base of `CallEndedError`."""


class CallEndedError(NotFoundError):
    """The call has ended; of a call that was waited for, before that came. So says every method of a call that is over, from
    the moment of its end on, whether its events have come or not."""

    def __init__(self, event: Event, error: PhoneError | None = None) -> None:
        super().__init__(event, error)
        self.event = event
        """The event that ended it: `call:disconnected`, `call:rejected` or `call:canceled`."""
        self.reason = event.text("message")
        """What it says of the reason, e.g. that nobody answered."""
        self.error = error
        """What the last `error` event of the call said, with all fields; `None` when there was none."""

    def __str__(self) -> str:
        if self.error is not None and self.error.error_message == self.reason:
            return f"{self.event.name}: {self.error}"
        text = f"{self.event.name}: {self.reason}" if self.reason else self.event.name
        return text if self.error is None else f"{text}; the last error was {self.error}"


class UnknownMethodError(Error):
    """The phone has no method of this name."""


class ClosedError(Error):
    """The phone is closed."""


class BusyError(Error):
    """Too many commands are under way; this one was not given."""


class InHandlerError(Error):
    """Waiting was refused where it could be for oneself."""


class ConfigError(Error, ValueError):
    """A setting cannot be used; the text says which."""


class ArgumentError(Error, ValueError):
    """An argument cannot be used; the text says which."""


class NoAudioError(Error):
    """The call has no program audio in this direction: its media is not `pcm`, or it was not answered yet."""


class NoVideoError(Error):
    """The call has no program video in this direction: its media has no part `;video=frames`, or it was not answered yet."""


class SystemRefusedError(Error):
    """The operating system or the gateway's development mode refused; the text says what."""


class LoopError(Error, RuntimeError):
    """A phone, a call or a gateway was used where it cannot be: on another event loop than its own, after its loop was
    closed, in a forked child."""


class InternalError(Error):
    """The library failed inside."""


#: By the names of the variants, which the generated module adds at run time, unseen by type checkers.
_PLAIN: dict[str, type[Error]] = {
    "NotFound": NotFoundError,
    "UnknownMethod": UnknownMethodError,
    "Closed": ClosedError,
    "Busy": BusyError,
    "InHandler": InHandlerError,
    "Config": ConfigError,
    "Argument": ArgumentError,
    "NoAudio": NoAudioError,
    "NoVideo": NoVideoError,
    "System": SystemRefusedError,
}

_TEXTS: dict[type[Error], str] = {
    NotFoundError: "no live call has this handle",
    ClosedError: "the phone is closed",
    BusyError: "too many commands are under way",
    InHandlerError: "an event handler must not wait for its own phone",
    NoAudioError: "the call has no program audio in this direction",
    NoVideoError: "the call has no program video in this direction",
}


def phone_error(native: _native.ErrorFields) -> PhoneError:
    """The exception for an error with a code."""
    return PhoneError(ErrorFields(**{f.name: getattr(native, f.name) for f in fields(ErrorFields)}))


def lifted(error: Exception) -> Error:
    """The exception of this package for one of the generated module."""
    refused = getattr(error, "fields", None)
    if refused is not None:
        return phone_error(refused)
    kind = _PLAIN.get(type(error).__name__, InternalError)
    if kind is UnknownMethodError:
        return kind(f"there is no method {getattr(error, 'method', '')!r}")
    return kind(_TEXTS.get(kind) or getattr(error, "reason", None) or str(error))


@contextmanager
def translated() -> Iterator[None]:
    """Inside it, exceptions of the generated module come out as those of this package."""
    try:
        yield
    except (_native.PhoneError, _native.InternalError) as error:
        raise lifted(error) from None


async def answer(work: Awaitable[T]) -> T:
    """Awaits a method of the generated module."""
    with translated():
        return await work
