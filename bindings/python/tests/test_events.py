"""Streams and handlers."""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import datetime, timezone
from typing import Any

import ewebrtc
import pytest
from ewebrtc import _events, _hub
from ewebrtc._time import timeout as deadline

from .support import PATIENCE, logged_in, soon, until


async def flood(phone: ewebrtc.Phone, count: int) -> None:
    """That many events."""
    for n in range(count):
        await phone.invoke("getVersion", tag=str(n))


async def test_streams_are_complete_independent_and_end(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        first, second = phone.events(), phone.events("session:ready", "phone:closed")
        await soon(phone.login(await soon(gateway.dev_token("alice"))))
        call = await soon(phone.dial("echo", tag="mine"))
        await call.connected(PATIENCE)
    async with deadline(PATIENCE):
        everything = [event async for event in first]
        chosen = [event.name async for event in second]
        assert [event async for event in first] == []
    assert [event.seq for event in everything] == list(range(1, len(everything) + 1))
    assert everything[-1].name == "phone:closed"
    assert chosen == ["session:ready", "phone:closed"]
    dialing = next(event for event in everything if event.name == "dialing")
    assert dialing.tag == "mine" and dialing.call is call and dialing.data["call"] == call.handle
    assert dialing.get("nothing", 5) == 5 and dialing.text("index") is None
    assert abs((datetime.now(timezone.utc) - dialing.when).total_seconds()) < PATIENCE
    changed = [e for e in everything if e.name == "call:state-changed"]
    assert (changed[0].old_state, changed[0].new_state) == ("created", "connecting")
    assert repr(everything[0]) == "<Event 1 session:ready>"
    # A stream that begins after the end has nothing to tell.
    assert [event async for event in phone.events()] == []


async def test_a_slow_reader_misses_the_newest_and_is_told(
    gateway: ewebrtc.Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_events, "WAITING", 16)
    async with ewebrtc.Phone(gateway) as phone:
        slow, quick = phone.events(), phone.events()
        for n in range(50):
            await soon(phone.invoke("getVersion", tag=str(n)))
            assert (await soon(anext(quick))).tag == str(n)
    async with deadline(PATIENCE):
        kept = [event async for event in slow]
    assert [event.seq for event in kept] == list(range(1, 17))
    assert slow.missed == 50 - 16 + 1 and quick.missed == 0


async def test_a_loop_that_does_not_turn_loses_the_newest_but_not_the_last(
    gateway: ewebrtc.Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hub, "BACKLOG", 8)
    async with ewebrtc.Phone(gateway) as phone:
        events = phone.events()
        work = [asyncio.ensure_future(phone.invoke("getVersion", tag=str(n))) for n in range(40)]
        await asyncio.sleep(0)
        deadline = time.monotonic() + PATIENCE
        while not phone.missed and time.monotonic() < deadline:
            pass  # the loop is kept from turning, and the phone goes on
        await soon(asyncio.gather(*work))
    names = [event.name async for event in events]
    assert names[-1] == "phone:closed" and 0 < phone.missed <= 32


async def test_handlers_run_on_the_loop_in_order_one_at_a_time(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        seen: list[str] = []
        running = 0

        def plain(event: ewebrtc.Event) -> None:
            asyncio.get_running_loop()
            seen.append(f"plain {event.tag}")

        async def slow(event: ewebrtc.Event) -> None:
            nonlocal running
            running += 1
            assert running == 1, "one at a time"
            await asyncio.sleep(0.001)
            running -= 1
            seen.append(f"slow {event.tag}")

        one, two = phone.on("command:finished", plain), phone.on_any(slow)
        last = phone.events()
        await soon(flood(phone, 20))
        while (await soon(anext(last))).tag != "19":
            pass
        assert [s for s in seen if s.startswith("plain")] == [f"plain {n}" for n in range(20)]
        async with deadline(PATIENCE):
            while "slow 19" not in seen:
                await asyncio.sleep(0.001)
        assert [s for s in seen if s.startswith("slow")] == [f"slow {n}" for n in range(20)]
        assert one.off() and not one.off() and two.off()
        seen.clear()
        await soon(flood(phone, 3))
        await soon(anext(last))
        assert seen == []


async def test_what_handlers_raise_goes_to_the_loop(gateway: ewebrtc.Gateway) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def plain(event: ewebrtc.Event) -> None:
        raise ValueError(f"plain {event.tag}")

    async def later(event: ewebrtc.Event) -> None:
        await asyncio.sleep(0)
        raise KeyError(f"later {event.tag}")

    async with ewebrtc.Phone(gateway) as phone:
        phone.on("command:finished", plain)
        phone.on("command:finished", later)
        await soon(flood(phone, 2))
    assert {str(context["exception"]) for context in reported} == {"plain 0", "plain 1", "'later 0'", "'later 1'"}


async def test_handlers_give_commands(gateway: ewebrtc.Gateway) -> None:
    async with (
        logged_in(gateway, "alice") as alice,
        logged_in(gateway, "bob", local_media="tone:300") as bob,
    ):

        async def pick_up(event: ewebrtc.Event) -> None:
            call = await bob.answer()
            assert call is event.call
            await call.ended()

        bob.on("call:incoming", pick_up)
        for _ in range(2):
            established = alice.events("media:established")
            call = await soon(alice.dial("bob"))
            await until(established, "media:established")
            await soon(call.hangup())


async def test_wait_for_and_the_end(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        waiting = asyncio.create_task(phone.wait_for("session:ready", timeout=PATIENCE))
        await asyncio.sleep(0)
        await soon(phone.login(await soon(gateway.dev_token("alice"))))
        assert (await soon(waiting)).name == "session:ready"
        never = asyncio.create_task(phone.wait_for("call:incoming", timeout=PATIENCE))
        await asyncio.sleep(0)
    with pytest.raises(ewebrtc.ClosedError):
        await soon(never)


async def test_a_stream_that_nobody_holds_costs_nothing(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        for _ in range(100):
            phone.events()
        gc.collect()
        assert len(phone._hub._streams) == 0
