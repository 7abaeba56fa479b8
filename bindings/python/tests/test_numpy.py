"""NumPy's arrays as program audio. The package does without NumPy; these tests are for those who have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ewebrtc
import pytest
from ewebrtc import _check

from .support import heard, soon, strength
from .test_audio import RATE, call

if TYPE_CHECKING:
    import numpy
    import numpy.typing

np: Any = pytest.importorskip("numpy")

__all__ = ["call"]


def said(
    call: ewebrtc.Call,
    model: numpy.typing.NDArray[numpy.float32],
    whole: numpy.typing.NDArray[numpy.int16],
) -> tuple[int, int]:
    """What users write, with the types that they have: mypy accepts it."""
    return call.write(model), call.write(whole)


def wave_form(hz: float, ms: int) -> Any:
    """A sine at half of full scale, as numbers."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(RATE * ms // 1000) / RATE)


def taken(array: Any) -> list[int]:
    """The samples that the library gets."""
    return np.frombuffer(_check.samples("samples", array), "<i2").tolist()  # type: ignore[no-any-return]


def test_every_kind_of_array_becomes_samples() -> None:
    whole = np.array([0, 1, -2, 32767, -32768], np.int16)
    assert taken(whole) == whole.tolist()
    assert taken(whole.reshape(-1, 1)) == taken(whole.reshape(1, -1)) == whole.tolist()
    assert taken(np.stack([whole, whole + 1], axis=1)[:, 0]) == whole.tolist(), "one channel of two"
    assert taken(whole[::-1]) == whole.tolist()[::-1]
    parts = [0.0, 1.0, -1.0, 0.5, 3.0, -3.0, np.inf]
    for kind in (np.float32, np.float64):
        assert taken(np.array(parts, kind)) == [0, 32767, -32767, 16384, 32767, -32767, 32767]
        assert taken(np.array([[0.5, 0.25], [1.0, 0.0]], kind)[:, 1]) == [8192, 0]
    assert taken(np.zeros(0, np.float32)) == taken(np.zeros((0, 1), np.int16)) == []
    read_only = np.array([1, 2], np.int16)
    read_only.flags.writeable = False
    assert taken(read_only) == [1, 2]


def test_what_is_no_samples_is_refused() -> None:
    for bad in (
        np.zeros(4, np.int32),
        np.zeros(4, np.uint16),
        np.zeros(4, np.float16),
        np.zeros(4, ">i2"),
        np.zeros(4, np.complex64),
        np.zeros(4, bool),
        np.array(["a"]),
        np.array([object()]),
        np.zeros((4, 2), np.int16),
        np.zeros((2, 2), np.float32),
        np.array([0.0, np.nan]),
    ):
        with pytest.raises(ewebrtc.ArgumentError, match="^samples"):
            _check.samples("samples", bad)


async def test_arrays_out_and_in(call: ewebrtc.Call) -> None:
    tenth = wave_form(800, 100)
    assert said(call, tenth.astype(np.float32), (tenth * 32767).astype(np.int16)) == (RATE * 2 // 10, RATE * 2 // 10)
    await soon(call.send(wave_form(800, 900)))
    await heard(call, 800)
    call.clear()
    await soon(call.send((wave_form(1200, 2000) * 32767).astype(np.int16)))
    back = np.frombuffer(await heard(call, 1200), np.int16)
    assert back.dtype == np.int16 and strength(back.tobytes(), 1200, RATE) > 0.8
