"""`python -m ewebrtc`: a demonstration that needs nothing, and the gateway as a program.

Owns: the command line. Lives on: the main thread and its event loop. Must not import: anything but the package's public
names.
"""

from __future__ import annotations

import argparse
import array
import asyncio
import math
import os
import signal
import sys
import time
import wave
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import ewebrtc

#: Samples per second of the demonstration.
RATE = 16_000

#: What alice sends: hertz, one after the other, each half a second long.
MELODY = (440, 554, 659)
NOTE_MS = 500

#: Longest wait for a step, in seconds.
PATIENCE = 30.0


def say(line: str) -> None:
    """A line, at once. When nobody reads any more, as behind `| head`, the rest goes nowhere."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(hertz: float) -> bytes:
    """Half a second of a tone."""
    count = RATE * NOTE_MS // 1000
    wave_form = (round(12_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count))
    return array.array("h", wave_form).tobytes()


def share(samples: array.array[int], hertz: float) -> float:
    """How much of the power is at this frequency, 0 to 1."""
    power = sum(s * s for s in samples)
    if power < len(samples) * 500 * 500:
        return 0.0
    step = 2 * math.pi * hertz / RATE
    cosine = sum(s * math.cos(step * n) for n, s in enumerate(samples))
    sine = sum(s * math.sin(step * n) for n, s in enumerate(samples))
    return 2 * (cosine * cosine + sine * sine) / (power * len(samples))


def recognised(heard: bytes) -> list[int]:
    """The notes of the melody that are in it, in the order in which they came."""
    samples, piece = array.array("h", heard), RATE // 10
    found: list[int] = []
    for begin in range(0, len(samples) - piece, piece // 2):
        part = samples[begin : begin + piece]
        for hertz in MELODY:
            if hertz not in found and share(part, hertz) > 0.8:
                found.append(hertz)
    return found


async def demo(gateway: str, record: BinaryIO | None) -> int:
    """Alice calls bob and sends him a melody; whether he hears it."""
    async with (
        ewebrtc.Phone(gateway, local_media="pcm", pcm_rate=RATE) as alice,
        ewebrtc.Phone(gateway, remote_media="pcm", pcm_rate=RATE) as bob,
    ):
        began = time.monotonic()
        for name, phone in (("alice", alice), ("bob", bob)):

            def show(event: ewebrtc.Event, name: str = name) -> None:
                state = f" {event.old_state} > {event.new_state}" if event.new_state else ""
                say(f"{time.monotonic() - began:7.3f} s  {name:5}  {event.name}{state}")

            phone.on_any(show)
            await phone.login(await ewebrtc.dev_token(gateway, name))
        waits = [
            asyncio.create_task(bob.wait_for(name, timeout=PATIENCE)) for name in ("call:incoming", "media:established")
        ]
        incoming, media = waits
        try:
            # Their streams begin before anybody dials.
            await asyncio.sleep(0)
            dialled = time.monotonic()
            call = await alice.dial("bob")
            await incoming
            answered = await bob.answer()
            await call.connected(timeout=PATIENCE)
            connected = time.monotonic() - dialled
            await call.send(b"".join(map(note, MELODY)))
            await media
            first = time.monotonic() - dialled
            heard = b""
            async for piece in answered.listen():
                heard += piece
                if not call.queued_ms and len(heard) > RATE * 2 * (len(MELODY) * NOTE_MS + 1000) // 1000:
                    break
            await call.hangup()
        finally:
            # Nobody asks for their results when the program is interrupted.
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
    if record is not None:
        with wave.open(record, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(heard)
    notes = recognised(heard)
    say(
        f"demo: connected in {connected * 1000:.0f} ms, media in {first * 1000:.0f} ms, "
        f"{len(notes)} of {len(MELODY)} notes heard" + (f", recorded in {record.name}" if record else "")
    )
    return 0 if notes == list(MELODY) else 1


async def interruptible(gateway: str, record: BinaryIO | None) -> int:
    """As `demo`; Ctrl-C cancels it where it waits, rather than be raised anywhere."""
    task = asyncio.current_task()
    assert task is not None, "inside a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    return await demo(gateway, record)


def run_demo(given: argparse.Namespace) -> int:
    """With a gateway of its own unless another one is named."""
    with ExitStack() as ends:
        # Before anybody calls: a file that cannot be written is said at once.
        record = ends.enter_context(open(given.record, "wb")) if given.record is not None else None
        gateway = given.gateway if given.gateway is not None else ends.enter_context(ewebrtc.Gateway()).url
        return asyncio.run(interruptible(gateway, record))


def run_gateway(given: argparse.Namespace) -> int:
    """Until the program is told to end."""
    # Before anything listens: a signal that comes early must not kill the program.
    wanted = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    with ewebrtc.Gateway(given.listen, domain=given.domain, ringback=given.ringback) as gateway:
        say(f"listening on {gateway.url}")
        signal.sigwait(wanted)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The program. Gives its exit status: 0, 1 when something went wrong, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m ewebrtc", description="A telephone for programs.")
    parser.add_argument("--version", action="version", version=f"ewebrtc {ewebrtc.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    one = commands.add_parser("demo", help="two phones call each other in this process; a melody is sent and recognised")
    one.add_argument("--gateway", metavar="URL", help="a gateway in development mode; default: one in this process")
    one.add_argument("--record", metavar="PATH", type=Path, help="a WAV file for what is heard")
    one.set_defaults(run=run_demo)
    one = commands.add_parser("gateway", help="a gateway for development, where any name may log in")
    one.add_argument("--listen", metavar="ADDRESS:PORT", default="127.0.0.1:8080", help="default: %(default)s")
    one.add_argument("--domain", metavar="NAME", help="domain of the accounts")
    one.add_argument("--ringback", action="store_true", help="callers hear it ring")
    one.set_defaults(run=run_gateway)
    given = parser.parse_args(arguments)
    try:
        status: int = given.run(given)
        return status
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    except (ewebrtc.Error, OSError, TimeoutError) as error:
        print(f"python -m ewebrtc: {error or 'nothing happened in time'}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
