"""Program audio as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

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
    with pytest.raises(ewebrtc.NotFoundError):
        call.write(b"\0\0")
    call.clear()
    assert call.queued_ms == 0
    with pytest.raises(ewebrtc.NotFoundError):
        call.phone.call(7).clear()
    with pytest.raises(ewebrtc.NotFoundError):
        assert call.phone.call(7).queued_ms


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
