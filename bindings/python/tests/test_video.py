"""Program video: encoded pictures out and in, and who decides about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ewebrtc
from ewebrtc._time import timeout as deadline
import pytest

from .support import PATIENCE, logged_in, soon, until

FRAMES = {"local_media": "silence;video=frames", "remote_media": "discard;video=frames"}


def picture(number: int, key: bool) -> bytes:
    """Looks like VP8 to who does not decode it."""
    head = b"\x10\0\0\x9d\x01\x2a\x40\x01\xf0\0" if key else b"\x11\0\0"
    return head + number.to_bytes(4, "big") + bytes(number % 5 * 900)


async def draw(call: ewebrtc.Call) -> None:
    """A camera; ends with the call."""
    number = 0
    while call.state is not None:
        call.write_frame(picture(number, call.key_frame_wanted()), timestamp=number * 1_800)
        number += 1
        await asyncio.sleep(0.02)


@asynccontextmanager
async def talk(gateway: ewebrtc.Gateway, media_type: str | None) -> AsyncIterator[tuple[ewebrtc.Call, ewebrtc.Call]]:
    """A call of two phones whose programs draw pictures."""
    async with logged_in(gateway, "alice", **FRAMES) as alice, logged_in(gateway, "bob", **FRAMES) as bob:
        incoming = bob.events("call:incoming")
        call = await soon(alice.dial("bob", media_type=media_type))
        await until(incoming, "call:incoming")
        answered = await soon(bob.answer())
        await call.connected(PATIENCE)
        cameras = [asyncio.create_task(draw(one)) for one in (call, answered)]
        yield call, answered
        await soon(call.hangup())
        await answered.ended(PATIENCE)
        await asyncio.gather(*cameras, return_exceptions=True)


async def shown(call: ewebrtc.Call) -> None:
    """Waits for ten pictures that follow each other."""
    while call.read_frame():
        pass
    last, row = None, 0
    async with deadline(PATIENCE):
        async for frame in call.frames():
            number = int.from_bytes(frame.data[10:14] if frame.key else frame.data[3:7], "big")
            assert frame.data == picture(number, frame.key) and frame.codec == "vp8"
            row = row + 1 if last is not None and number == last + 1 else 1
            last = number
            if row == 10:
                return
    raise AssertionError("the call ended")


async def test_a_call_is_upgraded_and_downgraded(gateway: ewebrtc.Gateway) -> None:
    async with talk(gateway, "audio") as (call, answered):
        alice, bob = call.phone, answered.phone
        asked = bob.events("call:media-modification")
        for _ in range(2):
            assert await soon(alice.get_media_type()) == "audio"
            changing = asyncio.create_task(alice.upgrade(tag="up"))
            assert (await until(asked, "call:media-modification")).get("newMediaType") == "video"
            await soon(bob.accept_modification())
            await soon(changing)
            await shown(call)
            await shown(answered)
            changing = asyncio.create_task(alice.downgrade())
            await until(asked, "call:media-modification")
            await soon(bob.accept_modification())
            await soon(changing)
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(bob.accept_modification())
        assert caught.value.error_code == "4304"
        changing = asyncio.create_task(alice.upgrade())
        await until(asked, "call:media-modification")
        await soon(bob.reject_modification())
        await soon(changing)
        assert (await soon(alice.get_media_type()), await soon(bob.get_media_type())) == ("video", "audio")
        await shown(answered)


async def test_a_key_frame_is_asked_for(gateway: ewebrtc.Gateway) -> None:
    async with talk(gateway, None) as (call, answered):
        assert await soon(call.phone.get_media_type()) == "video"
        await shown(call)
        stats = call.stats()
        assert stats is not None and stats.frames_sent > 0 and stats.frames_received >= 10
        call.request_key_frame()
        async with deadline(PATIENCE):
            async for frame in call.frames():
                if frame.key:
                    break
        assert call.frames_queued < 100 and call.frames_dropped == 0
    assert (await call.ended(PATIENCE)).name == "call:disconnected"
    with pytest.raises(ewebrtc.NotFoundError):
        call.request_key_frame()
    with pytest.raises(ewebrtc.NotFoundError):
        call.write_frame(picture(0, True), timestamp=0)


async def test_a_video_call_is_answered_with_audio(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice", **FRAMES) as alice, logged_in(gateway, "bob", **FRAMES) as bob:
        incoming, connected = bob.events("call:incoming"), alice.events("call:connected")
        call = await soon(alice.dial("bob"))
        assert (await until(incoming, "call:incoming")).media_type == "video"
        await soon(bob.answer(media_type="audio"))
        event = await until(connected, "call:connected")
        assert event.media_type == "audio" and event.get("downgrade") is True
        await soon(call.hangup())


async def test_what_is_no_picture_is_refused(gateway: ewebrtc.Gateway) -> None:
    async with talk(gateway, None) as (call, _):
        anything: Any = call
        for value in (0, None, "text", [1]):
            with pytest.raises(TypeError, match="^data must be bytes"):
                anything.write_frame(value, timestamp=0)
        for data, kind in ((b"", {}), (bytes(3 * 1024 * 1024), {}), (b"x", {"codec": "av1"}), (b"x", {"timestamp": 2**32})):
            with pytest.raises(ewebrtc.ArgumentError):
                anything.write_frame(data, **{"timestamp": 0, **kind})


async def test_a_call_without_program_video(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
        with pytest.raises(ewebrtc.NoVideoError):
            call.write_frame(picture(0, True), timestamp=0)
        with pytest.raises(ewebrtc.NoVideoError):
            call.read_frame()
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(phone.upgrade())
        assert caught.value.error_code == "0020"
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(phone.dial("bob", media_type="video"))
        assert caught.value.error_code == "2221"
