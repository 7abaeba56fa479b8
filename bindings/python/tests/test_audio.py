"""Program audio as bytes."""

from __future__ import annotations

import array
import asyncio
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import ewebrtc
import pytest

from .support import PATIENCE, heard, logged_in, soon, strength, tone

RATE = 16_000


@pytest.fixture
async def call(gateway: ewebrtc.Gateway) -> AsyncIterator[ewebrtc.Call]:
    async with logged_in(gateway, "bot", local_media="pcm", remote_media="pcm", pcm_rate=RATE) as phone:
        one = await soon(phone.dial("echo"))
        await one.connected(PATIENCE)
        yield one


async def test_bytes_out_and_in(call: ewebrtc.Call) -> None:
    said = tone(800, 1_000, RATE)
    assert call.write(said[:640]) == 640
    await soon(call.send(bytearray(said[640:])))
    assert 0 < call.queued_ms <= 1_000
    await heard(call, 800)
    await soon(call.drain())
    assert call.queued_ms == 0
    assert len(await soon(call.receive(1_280))) == 1_280
    assert call.dropped == 0


async def test_more_than_fits_is_waited_for_and_clear_drops_it(call: ewebrtc.Call) -> None:
    minute = bytes(RATE * 2 * 60)
    taken = call.write(minute)
    assert 25 * RATE * 2 < taken < len(minute)
    sending = asyncio.create_task(call.send(minute[:64_000]))
    await asyncio.sleep(0)
    assert not sending.done()
    call.clear()
    await soon(sending)
    assert call.queued_ms <= 2_000
    call.clear()
    await call.send(tone(900, 2_000, RATE))
    await heard(call, 900)


async def test_what_was_heard_is_there_after_the_end(call: ewebrtc.Call) -> None:
    await call.send(tone(900, 3_000, RATE))
    await heard(call, 900)
    reading = asyncio.create_task(call.receive(RATE * 2 * 600))
    await asyncio.sleep(0)
    await soon(call.hangup())
    await call.ended(PATIENCE)
    rest = await soon(reading)
    assert len(rest) % 2 == 0
    assert await soon(call.receive(640)) == b"" and call.read() == b""
    with pytest.raises(ewebrtc.CallEndedError):
        await soon(call.send(b"\0\0"))
    with pytest.raises(ewebrtc.CallEndedError):
        call.write(b"\0\0")
    call.clear()
    assert call.queued_ms == 0
    stranger = call.phone.call(7)
    for work in (stranger.clear, lambda: stranger.queued_ms, stranger.read, lambda: stranger.write(b"\0\0")):
        with pytest.raises(ewebrtc.NotFoundError) as caught:
            work()
        assert not isinstance(caught.value, ewebrtc.CallEndedError)
    with pytest.raises(ewebrtc.NotFoundError):
        await soon(stranger.receive(640))


async def test_a_call_that_is_over_says_so_before_its_events_come(call: ewebrtc.Call) -> None:
    hanging_up = asyncio.create_task(call.hangup(tag="goodbye"))
    await asyncio.sleep(0)
    # The loop stands still meanwhile, so that no event comes.
    until = time.monotonic() + PATIENCE
    while call.state is not None and time.monotonic() < until:
        time.sleep(0.001)
    works: list[Callable[[], object]] = [
        lambda: call.write(b"\0\0"),
        call.key_frame_wanted,
        lambda: call.frames_queued,
        call.read_frame,
        lambda: call.frames_dropped,
        lambda: call.write_frame(b"\0", timestamp=0),
        call.request_key_frame,
    ]
    for work in works:
        with pytest.raises(ewebrtc.CallEndedError) as caught:
            work()
        event = caught.value.event
        assert (event.name, event.tag, event.call) == ("call:disconnected", "goodbye", call)
    call.clear()
    assert call.queued_ms == 0 and not hanging_up.done()
    later: list[Callable[[], Awaitable[object]]] = [
        lambda: call.send(b"\0\0"),
        call.drain,
        call.mute,
        call.unmute,
        lambda: call.send_dtmf_tone("1"),
        lambda: call.phone.invoke("hold", call=call),
    ]
    for command in later:
        with pytest.raises(ewebrtc.CallEndedError) as caught:
            await soon(command())
        assert caught.value.event.seq == event.seq
    await soon(hanging_up)
    assert (await call.ended(PATIENCE)).seq == event.seq
    assert [frame async for frame in call.frames()] == []


async def test_what_is_no_audio_is_refused(call: ewebrtc.Call) -> None:
    anything: Any = call
    for value in (0, 4, 100, 500_000_000, True, None, "text", [1, 2], (300,), range(4), {}, object()):
        with pytest.raises(TypeError, match="^samples must be bytes"):
            anything.write(value)
        with pytest.raises(TypeError, match="^samples must be bytes"):
            await anything.send(value)
    released = memoryview(b"abcd")
    released.release()
    for value in (
        *(array.array(kind, [1, 2]) for kind in "HiIlLqQ"),
        array.array("f", [0.5, float("nan")]),
        array.array("d", [float("nan")]),
        memoryview(bytes(8)).cast("h", (2, 2)),
        memoryview(b"abcdefgh")[::2],
        memoryview(b"abcd")[::-1],
        b"abc",
        released,
    ):
        with pytest.raises(ewebrtc.ArgumentError, match="^samples"):
            anything.write(value)
        with pytest.raises(ewebrtc.ArgumentError, match="^samples"):
            await anything.send(value)
    assert call.queued_ms == 0


async def test_what_is_audio(call: ewebrtc.Call) -> None:
    anything: Any = call
    for value in (
        b"abcd",
        bytearray(b"abcd"),
        memoryview(b"abcdefgh")[2:6],
        memoryview(b"abcd").cast("c"),
        memoryview(b"abcd").cast("b", (2, 2)),
        array.array("h", [1, 2]),
        array.array("b", b"abcd"),
        # One channel of two.
        memoryview(array.array("h", range(4)))[::2],
        memoryview(b"abcd").cast("h", (2, 1)),
        memoryview(b"abcd").cast("h", (1, 2)),
        array.array("f", [1.0, -1.0]),
        array.array("d", [0.5, 7.0]),
    ):
        assert anything.write(value) == 4
        await soon(anything.send(value))
    for empty in (b"", array.array("h"), memoryview(b"")):
        assert anything.write(empty) == 0
        await soon(anything.send(empty))


async def test_no_more_is_copied_than_fits(call: ewebrtc.Call) -> None:
    hour = bytes(RATE * 2 * 3_600)
    room = RATE * 2 * 30
    tracemalloc.start()
    try:
        assert 0.9 * room < call.write(hour) <= room
        sending = asyncio.create_task(call.send(hour))
        await asyncio.sleep(0.1)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not sending.done()
    assert most < 2 * room, most
    sending.cancel()
    call.clear()


async def test_bad_arguments(call: ewebrtc.Call) -> None:
    with pytest.raises(ewebrtc.ArgumentError):
        call.write(b"\0")
    with pytest.raises(TypeError):
        call.write("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        call.read(-1)
    with pytest.raises(ewebrtc.ArgumentError):
        await call.receive(3)
    assert call.write(b"") == 0 and call.read(0) == b""


async def test_a_call_without_program_audio(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
        with pytest.raises(ewebrtc.NoAudioError):
            call.write(b"\0\0")
        with pytest.raises(ewebrtc.NoAudioError):
            call.read()


def test_the_measure_itself() -> None:
    assert strength(tone(440, 500, RATE), 440, RATE) > 0.95
    assert strength(tone(440, 500, RATE), 600, RATE) < 0.05
    assert strength(bytes(RATE), 440, RATE) == 0.0


def test_floating_point_numbers_without_numpy() -> None:
    """In an interpreter of its own: what another test has loaded stays loaded."""
    program = """
import array, sys
import ewebrtc
from ewebrtc._check import samples
assert "numpy" not in sys.modules, "the package loads it"
sys.modules["numpy"] = None
for kind in "fd":
    given = array.array(kind, [0.0, 1.0, -1.0, 0.5, 3.0, -3.0, float("inf"), float("-inf")])
    wanted = [0, 32767, -32767, 16384, 32767, -32767, 32767, -32767]
    assert list(samples("samples", given).cast("h")) == wanted
    assert list(samples("samples", memoryview(given)[1::2]).cast("h")) == wanted[1::2]
    try:
        samples("samples", array.array(kind, [0.0, float("nan")]))
    except ewebrtc.ArgumentError:
        continue
    raise AssertionError("taken: not a number")
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
