"""What the tests share: phones that are logged in, tones and how to recognise them.

Owns: nothing. Lives on: the test's event loop. Must not import: the package's private modules, except the deadlines that
Python 3.10 lacks.
"""

from __future__ import annotations

import array
import asyncio
import math
import wave
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import ewebrtc
from ewebrtc._time import timeout as deadline

T = TypeVar("T")

#: Longest wait for one step, in seconds.
PATIENCE = 30.0


async def soon(work: Awaitable[T]) -> T:
    """Awaits something with the deadline of every step."""
    return await asyncio.wait_for(work, PATIENCE)


@asynccontextmanager
async def logged_in(gateway: ewebrtc.Gateway, user: str, **settings: Any) -> AsyncIterator[ewebrtc.Phone]:
    """A phone of this user."""
    async with ewebrtc.Phone(gateway, **settings) as phone:
        await soon(phone.login(await soon(gateway.dev_token(user))))
        yield phone


async def until(events: ewebrtc.Events, name: str) -> ewebrtc.Event:
    """The next event of this name."""
    async with deadline(PATIENCE):
        async for event in events:
            if event.name == name:
                return event
    raise AssertionError(f"the events ended without {name}")


def tone(hz: float, ms: int, rate: int) -> bytes:
    """A sine at half of full scale, as PCM."""
    count = rate * ms // 1000
    return array.array("h", (int(16_000 * math.sin(2 * math.pi * hz * n / rate)) for n in range(count))).tobytes()


def strength(pcm: bytes, hz: float, rate: int) -> float:
    """Share of the energy that is at this frequency, 0 to 1 (Goertzel), of the last 200 ms."""
    samples = array.array("h", pcm)[-rate // 5 :]
    energy = sum(s * s for s in samples)
    if not energy:
        return 0.0
    turn = 2 * math.pi * hz / rate
    first = second = 0.0
    for sample in samples:
        first, second = sample + 2 * math.cos(turn) * first - second, first
    power = first * first + second * second - 2 * math.cos(turn) * first * second
    return power / (energy * len(samples) / 2)


def clearest(pcm: bytes, hz: float, rate: int) -> float:
    """The greatest `strength` of any 200 ms: on a busy machine audio is concealed here and there, and a tone that jumps
    is none while it does."""
    step = rate // 10 * 2
    return max((strength(pcm[:end], hz, rate) for end in range(2 * step, len(pcm) + 1, step)), default=0.0)


def recording(path: Path) -> tuple[bytes, int]:
    """Samples and rate of a recording."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(file.getnframes()), file.getframerate()


def write_wav(path: Path, pcm: bytes, rate: int) -> None:
    """A file to play."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


async def heard(call: ewebrtc.Call, hz: float) -> bytes:
    """Reads what is heard until it is this tone."""
    pcm = b""
    async with deadline(PATIENCE):
        async for part in call.listen():
            pcm += part
            if len(pcm) > call.phone.pcm_rate and strength(pcm, hz, call.phone.pcm_rate) > 0.8:
                return pcm
    raise AssertionError(f"the call ended without a tone of {hz} Hz")
