"""What callers pass in, checked before it goes to the library, so that a mistake is told with the name of the argument.

Owns: the rules for texts, numbers, media, durations, certificates and samples. Lives on: any thread. Must not import:
anything but the exceptions.

What is of the wrong type raises `TypeError`. What has the right type and cannot be used raises `ArgumentError`, for the
settings of a phone or a gateway `ConfigError`. Here is checked what a number or a text can be; what of that a phone can use says the
library, in the words of every language.
"""

from __future__ import annotations

import array
import json
import math
import operator
import os
import sys
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from ._errors import ArgumentError, ConfigError, Error

#: Bytes of a sample.
SAMPLE = 2

#: Formats of buffers that can be samples: bytes of any kind, and 16-bit numbers.
_PCM_FORMATS = frozenset({"b", "B", "c", "h"})

#: Formats of buffers whose numbers are samples between -1 and 1.
_FLOAT_FORMATS = frozenset({"f", "d"})

#: The sample for 1.
_FULL_SCALE = 32_767

#: Greatest numbers that the library takes.
U8 = 2**8 - 1
U32 = 2**32 - 1
U64 = 2**64 - 1


def wrong(name: str, expected: str, value: object) -> TypeError:
    """The exception for an argument of the wrong type."""
    return TypeError(f"{name} must be {expected}, not {type(value).__name__}")


def text(name: str, value: object, kind: type[Error] = ArgumentError) -> str:
    """A text that can be written in UTF-8."""
    if not isinstance(value, str):
        raise wrong(name, "str", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise kind(f"{name} has half of a surrogate pair, which no text can have outside Python") from None
    return value


def optional_text(name: str, value: object, kind: type[Error] = ArgumentError) -> str | None:
    """A text or `None`."""
    return None if value is None else text(name, value, kind)


def texts(name: str, value: object, kind: type[Error] = ArgumentError) -> list[str]:
    """Several texts. One text alone is a mistake, though its letters are texts as well."""
    return [text(f"{name}[{n}]", one, kind) for n, one in enumerate(several(name, "str", value))]


def several(name: str, of: str, value: object) -> list[object]:
    """The elements of a list, a tuple or another iterable that is no text, no buffer and no mapping."""
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
        raise wrong(name, f"a sequence of {of}", value)
    return list(value)


def flag(name: str, value: object) -> bool:
    """`True` or `False`."""
    if not isinstance(value, bool):
        raise wrong(name, "bool", value)
    return value


def whole(name: str, value: object, least: int, most: int, kind: type[Error] = ArgumentError) -> int:
    """A whole number from `least` to `most`; also of a type that stands for one, as those of arrays do."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise wrong(name, "int", value)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise wrong(name, "int", value) from None
    if not least <= number <= most:
        raise kind(f"{name} is not within {least} to {most}")
    return number


def optional_whole(name: str, value: object, least: int, most: int, kind: type[Error] = ArgumentError) -> int | None:
    """A whole number or `None`."""
    return None if value is None else whole(name, value, least, most, kind)


def seconds(name: str, value: object) -> float:
    """A time in seconds. One that is over already may be given; an infinite one never ends."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise wrong(name, "a number of seconds", value)
    try:
        time = float(value)
    except OverflowError:
        raise ArgumentError(f"{name} is too large") from None
    if math.isnan(time):
        raise ArgumentError(f"{name} is not a number")
    return time


def optional_seconds(name: str, value: object) -> float | None:
    """A time in seconds, or `None` for one that never ends."""
    if value is None:
        return None
    time = seconds(name, value)
    return None if time == math.inf else time


def media(name: str, value: object, kind: type[Error] = ArgumentError) -> str:
    """A source or a sink: a text, or a path that stands for a WAV file."""
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        if not isinstance(path, str):
            raise wrong(name, "str or a path that is str inside", path)
        return text(name, f"wav:{path}", kind)
    if not isinstance(value, str):
        raise wrong(name, "str or a path", value)
    return text(name, value, kind)


def optional_media(name: str, value: object) -> str | None:
    """A source or a sink, or `None`."""
    return None if value is None else media(name, value)


def handler(name: str, value: object) -> None:
    """Something that can be called."""
    if not callable(value):
        raise wrong(name, "a function", value)


def options(name: str, value: object) -> str:
    """Options of a method as JSON; nothing for `None`."""
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{name} must be a mapping, not {type(value).__name__}")
    try:
        return json.dumps(dict(value), allow_nan=False)
    except TypeError as error:
        raise TypeError(f"{name} cannot be written as JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{name} cannot be written as JSON: {error}") from None


def frame(name: str, value: Any) -> bytes:
    """The bytes of an encoded picture."""
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise wrong(name, "bytes or another buffer", value) from None
    except (ValueError, BufferError) as error:
        raise ArgumentError(f"{name} cannot be read: {error}") from None


def samples(name: str, value: Any) -> memoryview:
    """The bytes of whole samples; not copied where they are that already."""
    try:
        view = memoryview(value)
    except TypeError:
        raise wrong(name, "bytes or another buffer", value) from None
    except (ValueError, BufferError) as error:
        raise ArgumentError(f"{name} cannot be read: {error}") from None
    # Numbers of other sizes would be taken for samples that they are not.
    if view.format not in _PCM_FORMATS and view.format not in _FLOAT_FORMATS:
        raise ArgumentError(
            f"{name} must be bytes, 16-bit numbers or floating-point numbers, not of format {view.format!r}"
        )
    if view.itemsize > 1 and sum(length != 1 for length in view.shape or ()) > 1:
        raise ArgumentError(f"{name} must have one channel, not the shape {view.shape}")
    if not view.nbytes:
        # An empty one of several dimensions cannot be cast.
        return memoryview(b"")
    if view.format in _FLOAT_FORMATS:
        return _from_floats(name, view)
    if not view.c_contiguous:
        # One channel out of several is a view with gaps; bytes with gaps are a mistake.
        if view.itemsize == 1:
            raise ArgumentError(f"{name} must be contiguous: one byte after the other")
        view = memoryview(view.tobytes())
    if view.nbytes % SAMPLE:
        raise ArgumentError(f"{name} are 16 bit: the number of bytes is odd")
    return view.cast("B")


def _from_floats(name: str, view: memoryview) -> memoryview:
    """Samples from numbers between -1 and 1; what is beyond is clipped."""
    # Whoever has an array has NumPy loaded; nobody needs it for this package.
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numbers = numpy.asarray(view).reshape(-1)
        if numpy.isnan(numbers).any():
            raise ArgumentError(f"{name} has something that is not a number")
        return memoryview(numpy.rint(numpy.clip(numbers, -1.0, 1.0) * _FULL_SCALE).astype("<i2").tobytes())
    flat = array.array(view.format, view.tobytes())
    if any(number != number for number in flat):
        raise ArgumentError(f"{name} has something that is not a number")
    return memoryview(array.array("h", (round(max(-1.0, min(1.0, n)) * _FULL_SCALE) for n in flat)).tobytes())
