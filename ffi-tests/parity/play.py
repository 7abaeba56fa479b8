#!/usr/bin/env python3
"""Plays the scenarios of this folder with the runners of the languages, and compares what their phones report.

    play.py [--only NAME] [--repeat N] LANGUAGE...     each line that differs from scenarios/NAME.events is shown
    play.py --accept LANGUAGE                           writes scenarios/NAME.events from what this language reports

Owns: the runner of a scenario, what has come from it, and the comparison. Lives on: one thread per scenario, one more that
reads from its runner. Must not import: anything but the standard library and wire.py.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import difflib
import json
import math
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from wire import Wire

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Seconds for one event or answer, far beyond what a loaded machine needs.
PATIENCE = 30.0
RATE = 8000

#: Properties that are other in every run, or of a language's own choosing.
LEFT_OUT = {"seq", "timestamp", "tag"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ADDRESS = re.compile(r"127\.0\.0\.1:\d+")


class Failure(Exception):
    """A scenario cannot go on."""


class Ticket:
    """A command under way."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.answer: list[str] | None = None


class Runner:
    """A runner, what its phones have reported, and how its commands have ended."""

    def __init__(self, program: Path) -> None:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=ROOT
        )
        self._news = threading.Condition()
        self._tickets: dict[str, Ticket] = {}
        self._ended = False
        #: The events by phone, as they came.
        self.events: dict[str, list[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.rstrip("\n").split(" ", 2)
            with self._news:
                if words[0] == "event" and len(words) == 3:
                    self.events.setdefault(words[1], []).append(json.loads(words[2]))
                elif words[0] in self._tickets:
                    self._tickets[words[0]].answer = words[1:]
                else:
                    print(f"a line that is no answer: {line!r}", file=sys.stderr)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def begin(self, line: str) -> Ticket:
        """Gives a command."""
        assert self._process.stdin is not None
        with self._news:
            number = str(len(self._tickets) + 1)
            ticket = self._tickets[number] = Ticket(line)
        try:
            self._process.stdin.write(f"{number} {line}\n")
            self._process.stdin.flush()
        except OSError:
            raise Failure(f"the runner has ended before {line!r}") from None
        return ticket

    def finish(self, ticket: Ticket) -> list[str]:
        """How the command ended."""
        self.until(lambda: ticket.answer is not None, f"no answer to {ticket.line!r}")
        assert ticket.answer is not None
        return ticket.answer

    def until(self, met: Any, complaint: str) -> None:
        """Waits until something is so."""
        with self._news:
            self._news.wait_for(lambda: met() or self._ended, PATIENCE)
            if not met():
                raise Failure(complaint + (" (the runner has ended)" if self._ended else ""))

    def end(self) -> str:
        """Lets it end by itself. Answers what it had to complain of."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return "the runner does not end\n" + self.kill()
        return (f"the runner ended with status {status}\n" + self.kill()) if status else ""

    def kill(self) -> str:
        """Ends it at once. Answers what it had written to standard error."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.seek(0)
        return self._errors.read()


class Scenario:
    """A scenario that is being played."""

    def __init__(self, path: Path, program: Path, gateway: Path) -> None:
        self.path = path
        lines = [line.strip() for line in path.read_text().splitlines()]
        self.lines = [line for line in lines if line and not line.startswith("#")]
        options: list[str] = []
        if self.lines and self.lines[0].startswith("options "):
            options = self.lines.pop(0).split()[1:]
        self.wire = Wire(gateway, options)
        self.runner = Runner(program)
        self.phones: dict[str, bool] = {}
        #: How far `await` has looked, by phone.
        self.seen: dict[str, int] = {}
        self.handles: dict[str, int] = {}
        self.started: list[tuple[str, Ticket]] = []
        self.outcomes: list[str] = []

    def play(self) -> tuple[list[str], str]:
        """What was reported and how the commands ended, and what went wrong."""
        try:
            for line in self.lines:
                try:
                    self._step(line)
                except Failure as failure:
                    return self._report(), f"at {line!r}: {failure}\n{self.runner.kill()}"
            for name, is_open in self.phones.items():
                if is_open:
                    self._step(f"close {name}")
            for name in self.phones:
                names = [event["event"] for event in self.runner.events.get(name, [])]
                if names[-1:] != ["phone:closed"]:
                    return self._report(), f"the last event of {name} is not phone:closed: {names[-3:]}"
            return self._report(), self.runner.end()
        except Failure as failure:
            return self._report(), f"at the end: {failure}\n{self.runner.kill()}"
        finally:
            self.runner.kill()
            self.wire.close()

    def _step(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        words = rest.split(" ")
        if verb == "phone":
            self.phones[words[0]] = True
            self._expect(self.runner.begin(" ".join(["phone", words[0], self.wire.url, *words[1:]])), "ok")
        elif verb == "login":
            user = words[1] if len(words) > 1 else words[0]
            self._outcome(f"{words[0]} login", self.runner.begin(f"login {words[0]} {user}"))
        elif verb in ("do", "start"):
            name, target = words[0], "do"
            if words[1].startswith("$"):
                target = "on"
            ticket = self.runner.begin(f"{target} {self._filled(rest)}")
            method = words[2] if target == "on" else words[1]
            if verb == "do":
                self._outcome(f"{name} {method}", ticket)
            else:
                self.started.append((f"{name} {method}", ticket))
        elif verb == "finish":
            for number, (label, ticket) in enumerate(self.started):
                if label == rest:
                    del self.started[number]
                    self._outcome(label, ticket)
                    return
            raise Failure("nothing of this name was started")
        elif verb == "get":
            answer = self.runner.finish(self.runner.begin(f"get {rest}"))
            if answer[0] == "value":
                answer = ["value", json.dumps(json.loads(" ".join(answer[1:])), sort_keys=True)]
            self.outcomes.append(f"{words[0]} {words[1]}: {' '.join(answer)}")
        elif verb == "await":
            self._await(words)
        elif verb == "gateway":
            {"cut": self.wire.cut, "mend": self.wire.connect, "restart": self.wire.restart}[rest]()
        elif verb == "say":
            self._say(words[0], words[1], float(words[2]), int(words[3]))
        elif verb == "hear":
            self._hear(words[0], words[1], float(words[2]))
        elif verb == "close":
            self.phones[words[0]] = False
            self._expect(self.runner.begin(f"close {words[0]}"), "ok")
        else:
            raise Failure("no such step")

    def _filled(self, text: str) -> str:
        return re.sub(r"\$(\w+)", lambda found: str(self.handles[found[1]]), text)

    def _expect(self, ticket: Ticket, wanted: str) -> None:
        answer = self.runner.finish(ticket)
        if answer[0] != wanted:
            raise Failure(f"answered {answer}")

    def _outcome(self, label: str, ticket: Ticket) -> None:
        self.outcomes.append(f"{label}: {' '.join(self.runner.finish(ticket))}")

    def _await(self, words: list[str]) -> None:
        """`await PHONE EVENT [KEY=VALUE] [as HANDLE]`: the next one after what was awaited before at this phone."""
        name, wanted = words[0], words[1]
        variable = words[-1] if len(words) > 3 and words[-2] == "as" else None
        conditions = dict(word.split("=", 1) for word in words[2:] if "=" in word)
        events = self.runner.events.setdefault(name, [])
        begin = self.seen.get(name, 0)
        place = begin

        def found() -> bool:
            nonlocal place
            while place < len(events):
                event = events[place]
                place += 1
                if event["event"] == wanted and all(str(event.get(k)) == v for k, v in conditions.items()):
                    return True
            return False

        hit: list[bool] = []
        self.runner.until(lambda: bool(hit) or (found() and (hit.append(True) or True)), "it does not come")
        self.seen[name] = place
        if variable is not None:
            event = events[place - 1]
            self.handles[variable] = event.get("call", event.get("conference"))

    def _say(self, name: str, call: str, hertz: float, ms: int) -> None:
        count = RATE * ms // 1000
        samples = [round(12_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count)]
        hexed = struct.pack(f"<{count}h", *samples).hex()
        self._expect(self.runner.begin(f"write {name} {self._filled(call)} {hexed}"), "value")

    def _hear(self, name: str, call: str, hertz: float) -> None:
        """Waits until a fifth of a second of what comes is this tone, and little else."""
        heard: list[int] = []
        piece = RATE // 5
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self.runner.finish(self.runner.begin(f"read {name} {self._filled(call)}"))
            if answer[0] != "value":
                raise Failure(f"answered {answer}")
            if answer[1] == "-":
                time.sleep(0.05)
                continue
            data = bytes.fromhex(answer[1])
            heard += struct.unpack(f"<{len(data) // 2}h", data)
            while len(heard) >= piece:
                if share(heard[:piece], hertz) > 0.8:
                    return
                del heard[:piece]
        raise Failure("the tone does not come")

    def _report(self) -> list[str]:
        lines = [f"{name}: {line}" for name in self.phones for line in map(plain, self._numbered(name))]
        return lines + [f"> {outcome}" for outcome in self.outcomes]

    def _numbered(self, name: str) -> list[dict[str, Any]]:
        """The events with their handles as numbers in the order of their coming."""
        numbers: dict[int, str] = {}
        told = []
        for event in self.runner.events.get(name, []):
            event = dict(event)
            for key in ("call", "conference"):
                if key in event:
                    event[key] = numbers.setdefault(event[key], f"#{len(numbers) + 1}")
            told.append(event)
        return told


def share(samples: list[int], hertz: float) -> float:
    """How much of the power is at this frequency, 0 to 1."""
    power = sum(s * s for s in samples)
    if power < len(samples) * 500 * 500:
        return 0.0
    step = 2 * math.pi * hertz / RATE
    cosine = sum(s * math.cos(step * n) for n, s in enumerate(samples))
    sine = sum(s * math.sin(step * n) for n, s in enumerate(samples))
    return 2 * (cosine * cosine + sine * sine) / (power * len(samples))


def short(section: dict[str, Any]) -> str:
    """A section of the property `codec` as one text, with all of its facts."""
    codecs = [f"{c['payload']}={c['codec']}/{c['rate']}/{c.get('encoding', '')}".rstrip("/") for c in section["rtp"]]
    return " ".join([section["type"], *codecs, *sorted(section.keys() - {"type", "rtp"})])


def plain(event: dict[str, Any]) -> str:
    """An event as a line, without what differs from run to run."""
    kept = {key: value for key, value in event.items() if key not in LEFT_OUT and key != "event"}
    if isinstance(kept.get("codec"), list):
        kept["codec"] = [short(section) for section in kept["codec"]]
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False)
    return f"{event['event']} {ADDRESS.sub('GATEWAY', UUID.sub('ID', text))}"


# Scenarios that there are at least: with fewer, some are lost.
LEAST = 16


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description="Plays the scenarios with the runners of the languages.")
    parser.add_argument("languages", nargs="+", help="c, c++, python, kotlin, swift")
    parser.add_argument("--accept", action="store_true", help="write the .events anew")
    parser.add_argument("--only", default="", help="scenarios whose name has this in it")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=4, help="scenarios at a time")
    parser.add_argument("--runners", type=Path, default=ROOT / "target/parity")
    parser.add_argument("--gateway", type=Path, default=ROOT / "target/debug/ewebrtc-gateway")
    given = parser.parse_args()
    paths = sorted(path for path in (HERE / "scenarios").glob("*.txt") if given.only in path.name)
    if not given.only and (len(paths) < LEAST or {p.stem for p in paths} < {p.stem for p in (HERE / "scenarios").glob("*.events")}):
        print(f"parity: FAILED: of {LEAST} scenarios and more there are {len(paths)}, or one of them has events only")
        return 1
    work = [(path, language) for language in given.languages for path in paths for _ in range(given.repeat)]

    def play(job: tuple[Path, str]) -> tuple[list[str], str]:
        return Scenario(job[0], given.runners / job[1], given.gateway).play()

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for (path, language), (lines, fault) in zip(work, pool.map(play, work)):
            golden = path.with_suffix(".events")
            if given.accept and not fault:
                golden.write_text("".join(line + "\n" for line in lines))
            wanted = golden.read_text().splitlines() if golden.exists() else []
            differences = list(difflib.unified_diff(wanted, lines, golden.name, language, lineterm="", n=1))
            if fault or differences:
                failed += 1
                print(f"FAILED: {path.stem} in {language}")
                print("\n".join([fault.rstrip(), *differences]) if fault else "\n".join(differences))
    for language in given.languages:
        print(f"parity: {language}: {len(paths)} scenarios")
    print(f"parity: {f'{failed} of {len(work)} FAILED' if failed else 'passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
