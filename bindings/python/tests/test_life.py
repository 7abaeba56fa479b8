"""Lives and ends of phones inside one process: loops, handlers, collection, what is left."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
import weakref
from pathlib import Path

import ewebrtc
import pytest
from ewebrtc._native import object_counts

from .support import PATIENCE, logged_in, soon, until


def test_another_loop_and_a_closed_one(gateway: ewebrtc.Gateway) -> None:
    async def use() -> None:
        await phone.invoke("getVersion")

    phone = ewebrtc.Phone(gateway)
    asyncio.run(use())
    with pytest.raises(ewebrtc.LoopError, match="is closed"):
        asyncio.run(use())
    with pytest.raises(RuntimeError, match="no running event loop"):
        phone.events()

    async def elsewhere() -> None:
        other = ewebrtc.Phone(gateway)
        async with other:
            caught: list[Exception] = []

            def run() -> None:
                async def touch() -> None:
                    await other.invoke("getVersion")

                try:
                    asyncio.run(touch())
                except ewebrtc.LoopError as error:
                    caught.append(error)

            await asyncio.to_thread(run)
            assert "another event loop" in str(caught[0])

    asyncio.run(elsewhere())


async def test_everything_after_close(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
    await phone.close()
    for work in (phone.logout(), phone.dial("echo"), phone.invoke("getCalls"), phone.login("token")):
        with pytest.raises(ewebrtc.ClosedError):
            await soon(work)
    assert call.state is None and call.stats() is None
    assert (await call.ended(PATIENCE)).name == "call:disconnected"
    phone.begin_close()
    phone.set_connectivity(False)


async def test_what_waits_when_the_phone_closes_is_told(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as alice, logged_in(gateway, "bob") as bob:
        incoming = bob.events("call:incoming")
        call = await soon(alice.dial("bob"))
        await until(incoming, "call:incoming")
        waiting = [asyncio.create_task(call.connected()), asyncio.create_task(call.ended())]
        await asyncio.sleep(0)
        await soon(alice.close())
        results = await soon(asyncio.gather(*waiting, return_exceptions=True))
        assert isinstance(results[0], ewebrtc.Error), results
        assert isinstance(results[1], (ewebrtc.Error, ewebrtc.Event)), results


async def test_closed_inside_its_own_handlers(gateway: ewebrtc.Gateway) -> None:
    for handler_waits in (True, False):
        phone = ewebrtc.Phone(gateway)
        done = asyncio.Event()

        async def end(event: ewebrtc.Event, phone: ewebrtc.Phone = phone, done: asyncio.Event = done) -> None:
            await phone.close()
            done.set()

        def begin(event: ewebrtc.Event, phone: ewebrtc.Phone = phone) -> None:
            phone.begin_close()

        phone.on("session:ready", end if handler_waits else begin)
        closed = phone.events("phone:closed")
        await soon(phone.login(await soon(gateway.dev_token("alice"))))
        await until(closed, "phone:closed")
        if handler_waits:
            await soon(done.wait())
        await soon(phone.close())


async def test_closing_without_a_gateway_that_answers_is_bounded() -> None:
    with ewebrtc.Gateway() as gateway:
        async with logged_in(gateway, "alice") as phone:
            await (await soon(phone.dial("echo"))).connected(PATIENCE)
            await asyncio.to_thread(gateway.stop)
    # One that takes connections and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with ewebrtc.Phone(f"http://127.0.0.1:{silent.getsockname()[1]}") as phone:
            waiting = asyncio.create_task(phone.login("token"))
            await asyncio.sleep(0)
        with pytest.raises(ewebrtc.Error):
            await soon(waiting)


async def test_a_handler_that_does_not_end_is_cancelled(gateway: ewebrtc.Gateway) -> None:
    phone = ewebrtc.Phone(gateway)
    begun = asyncio.Event()
    ended: list[str] = []

    async def endless(event: ewebrtc.Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event.name)

    phone.on("command:finished", endless)
    await soon(phone.invoke("getVersion", tag="x"))
    await soon(begun.wait())
    await soon(phone.close(timeout=0.3))
    assert ended == ["command:finished"]


async def all_of(events: ewebrtc.Events) -> list[str]:
    return [event.name async for event in events]


async def test_a_phone_that_is_not_closed_in_time_is_closed_all_the_same(gateway: ewebrtc.Gateway) -> None:
    """Streams end, and nobody waits for ever, also when there was no time for `phone:closed`."""
    phone = ewebrtc.Phone(gateway)
    events, before = phone.events(), phone.events("session:expired")
    await soon(phone.login(await soon(gateway.dev_token("alice"))))
    call = await soon(phone.dial("echo"))
    await call.connected(PATIENCE)
    waiting = [asyncio.create_task(anext(before, None)), asyncio.create_task(phone.wait_for("call:incoming"))]
    await asyncio.sleep(0)
    await soon(phone.close(timeout=-1))
    names = await soon(all_of(events))
    assert names[0] == "session:ready"
    assert await soon(waiting[0]) is None
    with pytest.raises(ewebrtc.ClosedError):
        await soon(waiting[1])
    # The end of the call may have come in the last moment.
    try:
        assert (await soon(call.ended())).name == "call:disconnected"
    except ewebrtc.ClosedError:
        pass


async def test_a_phone_that_nobody_holds_is_collected(gateway: ewebrtc.Gateway) -> None:
    phone = ewebrtc.Phone(gateway)
    phone.on("session:ready", lambda event: print(phone))
    await soon(phone.login(await soon(gateway.dev_token("alice"))))
    await (await soon(phone.dial("echo"))).connected(PATIENCE)
    there, stopped = weakref.ref(phone), phone._finalizer
    # The handler refers to this very variable.
    phone = ewebrtc.Phone(gateway)
    gc.collect()
    assert there() is None and not stopped.alive
    await soon(phone.close())


async def test_the_other_party_hears_of_a_phone_that_the_collector_found(gateway: ewebrtc.Gateway) -> None:
    async def call_and_forget() -> None:
        phone = ewebrtc.Phone(gateway)
        phone.on_any(lambda event: (phone, event.call))
        await soon(phone.login(await soon(gateway.dev_token("alice"))))
        await (await soon(phone.dial("bob"))).connected(PATIENCE)

    async with logged_in(gateway, "bob") as bob:
        bob.on("call:incoming", lambda event: bob.answer())
        ended = asyncio.ensure_future(bob.wait_for("call:disconnected", timeout=PATIENCE))
        await call_and_forget()
        await asyncio.to_thread(gc.collect)
        await ended


async def test_a_collection_on_the_phones_own_thread(gateway: ewebrtc.Gateway) -> None:
    """Garbage is found by whichever thread allocates: a phone may be ended inside a callback of another."""
    ended = threading.Event()

    class Cycle:
        def __init__(self) -> None:
            self.me = self
            self.phone = ewebrtc.Phone(gateway)

        def __del__(self) -> None:
            ended.set()

    async with ewebrtc.Phone(gateway) as phone:
        collect, push = [True], phone._hub.push

        def pushing(event: object) -> None:
            if collect:
                collect.clear()
                gc.collect()
            push(event)  # type: ignore[arg-type]

        phone._hub.push = pushing  # type: ignore[method-assign]
        Cycle()
        await soon(phone.invoke("getVersion", tag="x"))
        assert await asyncio.to_thread(ended.wait, PATIENCE)


def counts() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


async def test_nothing_is_left_of_fifty_phones(gateway: ewebrtc.Gateway) -> None:
    async def one(number: int) -> None:
        async with logged_in(gateway, f"user{number}", local_media="pcm", remote_media="pcm") as phone:
            call = await soon(phone.dial("echo"))
            await call.connected(PATIENCE)

    for number in range(3):
        await one(number)
    before = counts()
    for number in range(50):
        await one(number)
    gc.collect()
    deadline = time.monotonic() + PATIENCE
    # Connections that are kept for the next request are few, and things that end in their own time take a moment.
    limit = (before[0] + 1, before[1] + 8)
    while (now := counts()) and (now[0] > limit[0] or now[1] > limit[1]) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert now[0] <= limit[0] and now[1] <= limit[1], (before, now)
    assert sum(isinstance(o, ewebrtc.Phone) for o in gc.get_objects()) == 0


async def test_the_audio_of_closed_phones_does_not_wait_for_the_collector(gateway: ewebrtc.Gateway) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def one_call() -> None:
        async with logged_in(gateway, "alice", local_media="pcm", remote_media="pcm") as phone:
            call = await soon(phone.dial("echo"))
            await call.connected(PATIENCE)
            await soon(call.send(bytes(96_000)))

    gc.disable()
    try:
        await one_call()
        before = resident()
        for _ in range(40):
            await one_call()
        # Half a minute of audio in each direction is 5.8 MB a call.
        assert resident() - before < 100_000_000
    finally:
        gc.enable()


async def test_dropped_by_the_thousand_from_other_threads(gateway: ewebrtc.Gateway) -> None:
    """Phones and calls that nobody closes, in cycles that only a collector finds, which runs on other threads all the time:
    with calls up, commands awaited and events on their way."""
    rounds, together = 20, 6
    gc.collect()
    others = object_counts()
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            gc.collect()
            time.sleep(0.003)

    async def begin(number: int) -> None:
        phone = ewebrtc.Phone(gateway, local_media="pcm", remote_media="pcm")
        # A cycle through a handler, and one through the stream that is being read.
        phone.on_any(lambda event: (phone, event.call))
        events = phone.events()
        await soon(phone.login(await soon(gateway.dev_token(f"user{number}"))))
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
        call.write(bytes(9_600))
        cycle: list[object] = [phone, call, events, asyncio.ensure_future(phone.hold())]
        cycle.append(cycle)
        if number % 2:
            # The call outlives its phone.
            kept.append(call)
        await asyncio.sleep(0)

    async def one_round() -> None:
        await asyncio.gather(*(begin(number) for number in range(together)))
        for call in kept:
            call.stats()
        kept.clear()

    kept: list[ewebrtc.Call] = []
    collectors = [threading.Thread(target=collect) for _ in range(2)]
    for thread in collectors:
        thread.start()
    try:
        for _ in range(3):
            await one_round()
        before = counts()
        for _ in range(rounds):
            await one_round()
    finally:
        stop.set()
        for thread in collectors:
            await asyncio.to_thread(thread.join)
    limit = (before[0] + 8, before[1] + 60)
    end = time.monotonic() + PATIENCE

    def left() -> int:
        return sum(isinstance(o, ewebrtc.Phone) for o in gc.get_objects())

    def native_left() -> int:
        # What the library keeps for Python, beyond what other tests have.
        now = object_counts()
        return max(now.phones - others.phones, now.calls - others.calls)

    while (left() or native_left() or counts()[0] > limit[0] or counts()[1] > limit[1]) and time.monotonic() < end:
        gc.collect()
        await asyncio.sleep(0.1)
    assert (left(), native_left()) == (0, 0)
    now = counts()
    assert now[0] <= limit[0] and now[1] <= limit[1], (before, now)
    # Everything goes on: a phone of somebody else has a call.
    async with logged_in(gateway, "alice") as phone:
        await (await soon(phone.dial("echo"))).connected(PATIENCE)


def test_loops_that_end_before_their_phones_which_another_thread_collects(gateway: ewebrtc.Gateway) -> None:
    """Events come for a loop that is closed; a call is looked at meanwhile, and outlives the last other reference to its phone."""

    async def begin(user: str) -> ewebrtc.Call:
        phone = ewebrtc.Phone(gateway, local_media="tone:440", remote_media="pcm")
        phone.on_any(lambda event: (phone, event.call))
        await soon(phone.login(await soon(gateway.dev_token(user))))
        call = await soon(phone.dial("echo"))
        await call.connected(PATIENCE)
        for number in range(50):
            # What is under way ends with the loop, its events do not.
            asyncio.ensure_future(phone.invoke("getVersion", tag=str(number)))
        await asyncio.sleep(0)
        return call

    def live(number: int) -> None:
        call = asyncio.run(begin(f"user{number}"))
        assert call.state == "connected" and call.stats() is not None
        call.phone.set_connectivity(False)
        with pytest.raises(ewebrtc.LoopError, match="is closed"):
            asyncio.run(call.hangup())
        call.read()

    def one_round() -> None:
        threads = [threading.Thread(target=live, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            gc.collect()
            time.sleep(0.003)

    for _ in range(2):
        one_round()
    before = counts()
    for _ in range(10):
        one_round()
    limit = (before[0] + 8, before[1] + 60)
    end = time.monotonic() + PATIENCE

    def left() -> int:
        return sum(isinstance(o, ewebrtc.Phone) for o in gc.get_objects())

    while (left() or counts()[0] > limit[0] or counts()[1] > limit[1]) and time.monotonic() < end:
        gc.collect()
        time.sleep(0.1)
    now = counts()
    assert left() == 0 and now[0] <= limit[0] and now[1] <= limit[1], (left(), before, now)
