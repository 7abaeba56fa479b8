"""The parity runner in Python (see ffi-tests/parity/README.md): does what it is told line by line, by the package alone.

Owns: the phones by name. Lives on: one event loop; a thread reads the commands. Must not import: anything but the package
`ewebrtc` and the standard library.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import ewebrtc

Options = dict[str, Any]

#: How the package names what the Phone API calls so.
NAMES = {
    "mediaType": "media_type",
    "localMedia": "local_media",
    "remoteMedia": "remote_media",
    "input": "tones",
    "gap": "gap_ms",
}

#: The package's own methods for those of the Phone API, which take its options as arguments.
METHODS = {
    "logout": "logout",
    "dial": "dial",
    "addCall": "add_call",
    "answer": "answer",
    "reject": "reject",
    "cancel": "cancel",
    "hangup": "hangup",
    "hold": "hold",
    "resume": "resume",
    "switchCall": "switch_call",
    "transfer": "transfer",
    "move": "move",
    "mute": "mute",
    "unmute": "unmute",
    "upgrade": "upgrade",
    "downgrade": "downgrade",
    "acceptModification": "accept_modification",
    "rejectModification": "reject_modification",
    "sendDTMFTone": "send_dtmf_tone",
    "startConference": "start_conference",
    "joinConference": "join_conference",
    "rejectConference": "reject_conference",
    "endConference": "end_conference",
    "addParticipant": "add_participant",
    "removeParticipant": "remove_participant",
}

#: Exceptions without a code, the narrower ones first.
KINDS: list[tuple[type[ewebrtc.Error], str]] = [
    (ewebrtc.NotFoundError, "not-found"),
    (ewebrtc.ClosedError, "closed"),
    (ewebrtc.BusyError, "busy"),
    (ewebrtc.UnknownMethodError, "unknown-method"),
    (ewebrtc.NoAudioError, "no-audio"),
    (ewebrtc.ArgumentError, "argument"),
]


def say(*words: str) -> None:
    """A line, at once."""
    print(*words, flush=True)


class Runner:
    """See the head of this file."""

    def __init__(self) -> None:
        self.phones: dict[str, ewebrtc.Phone] = {}
        self.gateways: dict[str, str] = {}

    async def obey(self, number: str, verb: str, rest: str) -> None:
        """Carries a command out and answers it."""
        try:
            work: Callable[[str], Awaitable[str]] = getattr(self, f"on_{verb}")
            say(number, await work(rest))
        except ewebrtc.PhoneError as error:
            say(number, "error", error.error_code)
        except ewebrtc.Error as error:
            kind = next((word for known, word in KINDS if isinstance(error, known)), "other")
            print(f"runner: {number}: {error!r}", file=sys.stderr, flush=True)
            say(number, "fault", kind)
        except Exception as error:
            print(f"runner: {number}: {error!r}", file=sys.stderr, flush=True)
            say(number, "fault", "other")

    async def on_phone(self, rest: str) -> str:
        """Makes a phone."""
        name, gateway, *settings = rest.split(" ")
        given = dict(setting.split("=", 1) for setting in settings)
        wanted: dict[str, Any] = {}
        if "local" in given:
            wanted["local_media"] = given["local"]
        if "remote" in given:
            wanted["remote_media"] = given["remote"]
        if "rate" in given:
            wanted["pcm_rate"] = int(given["rate"])
        if "channel" in given:
            wanted["event_channel"] = given["channel"]
        phone = ewebrtc.Phone(gateway, **wanted)
        phone.on_any(lambda event: say("event", name, json.dumps(event.data)))
        self.phones[name], self.gateways[name] = phone, gateway
        return "ok"

    async def on_login(self, rest: str) -> str:
        """Logs in with a token for development."""
        name, user = rest.split(" ")
        await self.phones[name].login(await ewebrtc.dev_token(self.gateways[name], user))
        return "ok"

    async def on_do(self, rest: str) -> str:
        """A method of the phone."""
        name, method, *options = rest.split(" ", 2)
        return await self.give(self.phones[name], self.phones[name], method, options)

    async def on_on(self, rest: str) -> str:
        """A method of a call."""
        name, handle, method, *options = rest.split(" ", 3)
        phone = self.phones[name]
        return await self.give(phone, phone.call(int(handle)), method, options)

    async def give(self, phone: ewebrtc.Phone, target: ewebrtc.Phone | ewebrtc.Call, method: str, rest: list[str]) -> str:
        """Gives a method, by the package's own where there is one."""
        options: Options | None = json.loads(rest[0]) if rest else None
        own = getattr(target, METHODS.get(method, ""), None)
        if own is not None:
            await own(**{NAMES.get(key, key): value for key, value in (options or {}).items()})
        else:
            call = target if isinstance(target, ewebrtc.Call) else None
            await phone.perform(method, options, call=call)
        return "ok"

    async def on_get(self, rest: str) -> str:
        """Asks a getter."""
        name, method, *options = rest.split(" ", 2)
        value = await self.phones[name].invoke(method, json.loads(options[0]) if options else None)
        return f"value {json.dumps(value)}"

    async def on_write(self, rest: str) -> str:
        """Program audio out."""
        name, handle, samples = rest.split(" ")
        return f"value {self.phones[name].call(int(handle)).write(bytes.fromhex(samples)) // 2}"

    async def on_read(self, rest: str) -> str:
        """Program audio in."""
        name, handle = rest.split(" ")
        return f"value {self.phones[name].call(int(handle)).read().hex() or '-'}"

    async def on_close(self, rest: str) -> str:
        """Closes a phone."""
        await self.phones[rest].close()
        return "ok"


async def main() -> None:
    """Reads commands until there are none."""
    runner = Runner()
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    tasks: set[asyncio.Task[None]] = set()
    while line := await lines.get():
        number, verb, rest = line.split(" ", 2)
        task = asyncio.create_task(runner.obey(number, verb, rest))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for phone in runner.phones.values():
        await phone.close()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main())
