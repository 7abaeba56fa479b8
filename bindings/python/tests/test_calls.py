"""Whole calls: set-up, audio, every way to end."""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import ewebrtc
import pytest
from ewebrtc._time import timeout as deadline

from .support import PATIENCE, clearest, heard, logged_in, recording, soon, tone, until, write_wav


async def test_a_whole_call_with_audio_both_ways(gateway: ewebrtc.Gateway, tmp_path: Path) -> None:
    async with (
        logged_in(gateway, "alice", local_media="tone:440", remote_media="pcm", pcm_rate=16_000) as alice,
        logged_in(gateway, "bob", local_media="tone:1000", remote_media=tmp_path / "bob.wav") as bob,
    ):
        at_alice, at_bob = alice.events(), bob.events()
        call = await soon(alice.dial("bob"))
        incoming = await until(at_bob, "call:incoming")
        assert incoming.peer_from is not None and "alice" in incoming.peer_from
        assert incoming.media_type == "audio"
        answered = await soon(bob.answer())
        assert answered is incoming.call and answered.state == "connected"
        await call.connected(PATIENCE)
        await heard(call, 1000)

        stats = call.stats()
        assert stats is not None and stats.codec == "opus" and stats.packets_received > 0
        (info,) = await soon(alice.get_calls())
        assert (info.state, info.kind, info.foreground) == ("connected", "Outgoing", True)
        assert await soon(alice.is_call_in_progress()) and await soon(alice.get_media_type()) == "audio"

        await soon(call.hangup())
        ended = await call.ended(PATIENCE)
        assert ended.name == "call:disconnected" and ended.call is call
        assert call.state is None and call.stats() is None
        await answered.ended(PATIENCE)
        with pytest.raises(ewebrtc.CallEndedError) as caught:
            await soon(call.hangup())
        assert caught.value.event.seq == ended.seq

        for name in ("dialing", "call:connecting", "call:connected", "call:disconnected"):
            assert (await until(at_alice, name)).call is call
    pcm, rate = recording(tmp_path / "bob.wav")
    assert clearest(pcm, 440, rate) > 0.8


async def test_a_call_over_websockets(gateway: ewebrtc.Gateway) -> None:
    async with (
        logged_in(gateway, "alice", event_channel="websocket") as alice,
        logged_in(gateway, "bob", event_channel="websocket") as bob,
    ):
        at_bob = bob.events()
        call = await soon(alice.dial("bob"))
        await until(at_bob, "call:incoming")
        answered = await soon(bob.answer())
        await call.connected(PATIENCE)
        await soon(call.hangup())
        await answered.ended(PATIENCE)


async def test_the_echo_plays_a_file_back(gateway: ewebrtc.Gateway, tmp_path: Path) -> None:
    write_wav(tmp_path / "say.wav", tone(700, 2_000, 8_000), 8_000)
    async with logged_in(
        gateway, "alice", local_media=tmp_path / "say.wav", remote_media=tmp_path / "back.wav"
    ) as phone:
        events = phone.events("media:established")
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
        assert (await until(events, "media:established")).call is call
        await asyncio.sleep(1.5)
    pcm, rate = recording(tmp_path / "back.wav")
    assert clearest(pcm, 700, rate) > 0.8


async def test_muted_is_silence(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice", local_media="tone:500", remote_media="pcm", pcm_rate=8_000) as phone:
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
        await heard(call, 500)
        await soon(call.mute())
        async with deadline(PATIENCE):
            async for part in call.listen(200):
                if not any(part):
                    break
        await soon(call.unmute())
        await heard(call, 500)
        await soon(phone.mute(tag="m"))
        await soon(phone.unmute())


async def test_keys_are_heard_once_each_in_order(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as alice, logged_in(gateway, "bob") as bob:
        sent, keys = alice.events("dtmf:tone-sending", "dtmf:tone-sent"), bob.events("dtmf:received")
        incoming = bob.events("call:incoming")
        call = await soon(alice.dial("bob"))
        await until(incoming, "call:incoming")
        answered = await soon(bob.answer())
        await call.connected(PATIENCE)
        await soon(asyncio.gather(alice.send_dtmf_tone("11a", tag="t"), call.send_dtmf_tone("#", gap_ms=100)))
        for key in "11A#":
            for name in ("dtmf:tone-sending", "dtmf:tone-sent"):
                event = await until(sent, name)
                assert event.call is call and event.text("tone") == key
                assert event.tag == ("t" if key != "#" else None)
            heard_key = await until(keys, "dtmf:received")
            assert heard_key.text("tone") == key and heard_key.call is answered
        await soon(alice.hold())
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(call.send_dtmf_tone("1"))
        assert caught.value.error_code == "4741"


async def test_rejected(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as alice, logged_in(gateway, "bob") as bob:
        incoming = bob.events("call:incoming")
        call = await soon(alice.dial("bob"))
        await until(incoming, "call:incoming")
        waiting = asyncio.create_task(call.connected(PATIENCE))
        await soon(bob.reject())
        with pytest.raises(ewebrtc.CallEndedError) as caught:
            await soon(waiting)
        assert caught.value.event.call is call and caught.value.event.name in str(caught.value)
        # Who asks later finds out the same.
        with pytest.raises(ewebrtc.CallEndedError):
            await call.connected(PATIENCE)


async def test_cancelled_by_its_handle_and_by_the_phone(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as alice, logged_in(gateway, "bob") as bob:
        incoming = bob.events("call:incoming")
        call = await soon(alice.dial("bob"))
        event = await until(incoming, "call:incoming")
        await soon(call.hangup())
        assert (await call.ended(PATIENCE)).name == "call:canceled"
        assert event.call is not None
        await event.call.ended(PATIENCE)
        await soon(alice.dial("bob"))
        await until(incoming, "call:incoming")
        await soon(alice.cancel())


async def test_nobody_there(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as alice:
        call = await soon(alice.dial("nobody"))
        with pytest.raises(ewebrtc.CallEndedError):
            await call.connected(PATIENCE)


async def test_a_file_that_cannot_be_opened_is_named(gateway: ewebrtc.Gateway, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "a.wav"
    async with logged_in(gateway, "alice") as alice:
        for settings in ({"local_media": missing}, {"remote_media": missing, "local_media": "silence"}):
            errors = alice.events("error")
            call = await soon(alice.dial("echo", **settings))
            with pytest.raises(ewebrtc.CallEndedError, match=re.escape(str(missing))) as caught:
                await call.connected(PATIENCE)
            event = await soon(anext(errors))
            error = caught.value.error
            assert error is not None and event.error is not None and error.fields == event.error.fields
            assert error.error_code in str(caught.value) and error.error_message == caught.value.reason
            assert str(missing) in (error.additional_information or "")
            # Who asks later finds out the same.
            with pytest.raises(ewebrtc.CallEndedError, match=re.escape(str(missing))):
                call.write(b"..")


async def test_an_end_without_an_error_has_none(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as alice:
        call = await soon(alice.dial("nobody"))
        with pytest.raises(ewebrtc.CallEndedError) as caught:
            await call.connected(PATIENCE)
        assert caught.value.error is None
        assert str(caught.value) == f"{caught.value.event.name}: {caught.value.reason}"


async def test_media_named_in_one_call_is_that_of_the_next(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice", pcm_rate=8_000) as alice:
        for settings in ({"local_media": "tone:700", "remote_media": "pcm"}, {}):
            call = await soon(alice.dial("echo", **settings))
            await call.connected(PATIENCE)
            await heard(call, 700)
            await soon(call.hangup())


async def test_a_recording_goes_on_in_the_next_call(gateway: ewebrtc.Gateway, tmp_path: Path) -> None:
    path = tmp_path / "all.wav"

    async def recorded(calls: int) -> tuple[float, list[float]]:
        """Seconds in the file, and how long the calls were at most."""
        lengths = []
        async with logged_in(gateway, "alice", local_media="tone:700", remote_media=path) as alice:
            for _ in range(calls):
                established = alice.events("media:established")
                began = time.monotonic()
                call = await soon(alice.dial("echo"))
                await until(established, "media:established")
                await asyncio.sleep(0.8)
                await soon(call.hangup())
                lengths.append(time.monotonic() - began)
        pcm, rate = recording(path)
        return len(pcm) / 2 / rate, lengths

    both, lengths = await recorded(2)
    assert max(lengths) + 0.3 < both
    # Another phone begins it anew.
    one, lengths = await recorded(1)
    assert 0.3 < one < lengths[0] + 0.3


async def test_several_phones_at_once(gateway: ewebrtc.Gateway) -> None:
    async def one(number: int) -> None:
        async with logged_in(
            gateway, f"user{number}", local_media="tone:600", remote_media="pcm", pcm_rate=8_000
        ) as phone:
            call = await soon(phone.dial("echo"))
            await call.connected(PATIENCE)
            await heard(call, 600)

    await asyncio.gather(*(one(number) for number in range(8)))


async def test_logout_and_login_again(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        disconnected = phone.events("session:disconnected")
        await soon(phone.logout(tag="bye"))
        assert (await until(disconnected, "session:disconnected")).tag == "bye"
        await soon(phone.login((await soon(ewebrtc.dev_token(gateway.url, "alice"))).access_token))
        assert await soon(phone.get_version()) == ewebrtc.__version__


def udp_ports() -> set[int]:
    """UDP ports of this process."""
    own = set()
    for entry in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            own.add(os.readlink(f"/proc/self/fd/{entry}"))
    lines = [line for name in ("udp", "udp6") for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]]
    entries = [line.split() for line in lines]
    return {int(entry[1].rsplit(":", 1)[1], 16) for entry in entries if f"socket:[{entry[9]}]" in own}


async def test_settings_reach_the_media(gateway: ewebrtc.Gateway) -> None:
    ports = range(21_000, 21_200)  # the system itself gives out higher ones
    assert not udp_ports().intersection(ports)
    settings = {"audio_codecs": ["pcma"], "ports": (ports[0], ports[-1]), "ipv6": False, "opus_complexity": 3}
    async with logged_in(gateway, "alice", **settings) as phone:
        established = phone.events("media:established")
        call = await soon(phone.dial("echo"))
        await until(established, "media:established")
        assert udp_ports().intersection(ports)
        stats = call.stats()
        assert stats is not None and stats.codec == "PCMA"
    # Only relays, and there is none: nothing can be offered, and the phone says so.
    async with logged_in(gateway, "bob", relay_only=True) as phone:
        failed = phone.events("error", "call:disconnected")
        await soon(phone.dial("echo"))
        assert await soon(anext(failed))


async def test_the_domain_is_the_gateways() -> None:
    with ewebrtc.Gateway(domain="example.org") as other:
        token = await soon(other.dev_token("alice"))
        assert token.address.endswith("alice@example.org") and token.expires_in > 0
        async with ewebrtc.Phone(other, domain="example.org") as phone:
            await soon(phone.login(token))


async def test_with_ringback_the_caller_hears_it_ring() -> None:
    for ringback in (True, False):
        with ewebrtc.Gateway(ringback=ringback) as other:
            async with (
                logged_in(other, "alice", remote_media="pcm", pcm_rate=16_000) as alice,
                logged_in(other, "bob", local_media="tone:1000") as bob,
            ):
                news, at_bob = alice.events("call:ringback-provided", "call:connected"), bob.events("call:incoming")
                call = await soon(alice.dial("bob"))
                await until(at_bob, "call:incoming")
                if ringback:
                    assert (await soon(anext(news))).name == "call:ringback-provided"
                    early = b""
                    async with deadline(PATIENCE):
                        while not any(early):
                            early += await call.receive(3_200)
                await soon(bob.answer())
                assert (await soon(anext(news))).name == "call:connected"
                await heard(call, 1000)
    with pytest.raises(TypeError, match="ringback"):
        ewebrtc.Gateway(ringback="yes")  # type: ignore[arg-type]


async def test_hold_a_second_call_and_the_transfer(gateway: ewebrtc.Gateway) -> None:
    async with (
        logged_in(gateway, "alice", local_media="tone:440") as alice,
        logged_in(gateway, "bob", local_media="tone:1000", remote_media="pcm", pcm_rate=16_000) as bob,
        logged_in(gateway, "carol", local_media="tone:1700", remote_media="pcm", pcm_rate=16_000) as carol,
    ):
        at_bob, at_carol = bob.events(), carol.events()
        first = await soon(alice.dial("bob"))
        await until(at_bob, "call:incoming")
        to_bob = await soon(bob.answer())
        await first.connected(PATIENCE)
        await heard(to_bob, 440)
        await soon(alice.hold())
        await until(at_bob, "call:held")
        with pytest.raises(ewebrtc.PhoneError, match="2503"):
            await soon(alice.hold())
        await soon(alice.resume())
        await until(at_bob, "call:resumed")

        second = await soon(alice.add_call("carol"))
        await until(at_carol, "call:incoming")
        to_carol = await soon(carol.answer())
        await second.connected(PATIENCE)
        assert [call.foreground for call in await soon(alice.get_calls())] == [False, True]
        await soon(alice.switch_call())
        assert [call.foreground for call in await soon(alice.get_calls())] == [True, False]
        await soon(alice.transfer())
        assert {(await call.ended(PATIENCE)).name for call in (first, second)} == {"call:disconnected"}
        await heard(to_bob, 1700)
        await heard(to_carol, 1000)
        with pytest.raises(ewebrtc.PhoneError):
            await soon(alice.move())
