"""The interpreter may end at any moment: no crash, no hang, no complaint of the library.

Each program is run several times, since what is looked for is a race.
"""

from __future__ import annotations

import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

#: Begins every program: a phone in a call with the echo, audio running both ways.
BEGIN = """
import asyncio, os, signal, sys, threading
import ewebrtc

gateway = ewebrtc.Gateway()
kept = []

async def calling(user="alice"):
    phone = ewebrtc.Phone(gateway, local_media="tone:440", remote_media="pcm")
    kept.append(phone)
    phone.on_any(lambda event: None)
    await phone.login(await gateway.dev_token(user))
    call = await phone.dial("echo")
    await call.connected(30)
    return phone

async def ask(phone, number):
    try:
        await phone.invoke("getVersion", tag=str(number))
    except ewebrtc.ClosedError:
        pass

async def flood(phone):
    for n in range(100):
        asyncio.ensure_future(ask(phone, n))
    await asyncio.sleep(0)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in an interpreter of its own."""
    command = [sys.executable, "-X", "faulthandler", "-c", BEGIN + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


#: What a crash or a call into a dying interpreter leaves on standard error.
OURS = ("ctypes", "Fatal", "FATAL", "panicked", "ewebrtc/_native", "Current thread")

#: Name, program, expected exit status.
PROGRAMS = [
    ("end of main with a call running", "asyncio.run(calling()); print('end')", 0),
    ("the phone is collected at the end", "asyncio.run(calling()); kept.clear(); print('end')", 0),
    (
        "several phones with events under way",
        """
async def main():
    phones = await asyncio.gather(*(calling(f"user{n}") for n in range(4)))
    for phone in phones:
        await flood(phone)
    print('end')
asyncio.run(main())
""",
        0,
    ),
    (
        "sys.exit with commands under way",
        """
async def main():
    phone = await calling()
    await flood(phone)
    print('end')
    sys.exit(7)
asyncio.run(main())
""",
        7,
    ),
    (
        "sys.exit inside a handler",
        """
async def main():
    phone = await calling()
    phone.on("command:finished", lambda event: (print('end'), sys.exit(7)))
    await flood(phone)
    await asyncio.sleep(30)
asyncio.run(main())
""",
        7,
    ),
    (
        "sys.exit inside an asynchronous handler",
        """
async def leave(event):
    print('end')
    sys.exit(7)
async def main():
    phone = await calling()
    phone.on("command:finished", leave)
    await flood(phone)
    await asyncio.sleep(30)
asyncio.run(main())
""",
        7,
    ),
    (
        "the block is left by an exception",
        """
async def main():
    async with await calling() as phone:
        await flood(phone)
        print('end')
        raise SystemExit(7)
asyncio.run(main())
""",
        7,
    ),
    (
        "daemon threads with loops of their own",
        """
ready = threading.Barrier(3)
async def stay(user):
    phone = await calling(user)
    ready.wait(30)
    while True:
        await flood(phone)
for user in ("ann", "ben"):
    threading.Thread(target=lambda user=user: asyncio.run(stay(user)), daemon=True).start()
ready.wait(30)
print('end')
""",
        0,
    ),
    (
        "the loop is closed and the phone goes on",
        """
loop = asyncio.new_event_loop()
phone = loop.run_until_complete(calling())
loop.close()
phone.set_connectivity(False)
phone.begin_close()
print('end')
""",
        0,
    ),
    ("os._exit", "asyncio.run(calling()); print('end', flush=True); os._exit(7)", 7),
    (
        "an interrupt",
        """
async def main():
    phone = await calling()
    await flood(phone)
    print('end', flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(30)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(7)
""",
        7,
    ),
    (
        "collectors on other threads, and phones that nobody holds",
        """
import gc
def collect():
    while True:
        gc.collect()
async def drop(number):
    phone = await calling(f"user{number}")
    kept.remove(phone)
    phone.on_any(lambda event: (phone, event.call))
    cycle = [phone, phone.events(), asyncio.ensure_future(ask(phone, 0))]
    cycle.append(cycle)
    await flood(phone)
    if number % 2:
        kept.append(phone)
async def main():
    await asyncio.gather(*(drop(number) for number in range(6)))
    print('end')
for _ in range(2):
    threading.Thread(target=collect, daemon=True).start()
asyncio.run(main())
""",
        0,
    ),
    (
        "exit functions use the phone",
        """
import atexit
phone = asyncio.run(calling())
atexit.register(lambda: (phone.begin_close(), print('end')))
""",
        0,
    ),
    (
        "a forked child",
        """
import warnings
warnings.simplefilter("ignore")  # newer versions of Python warn of every fork with threads
phone = asyncio.run(calling())
child = os.fork()
if child == 0:
    try:
        ewebrtc.Phone(gateway)
    except ewebrtc.LoopError:
        sys.exit(3)
    sys.exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
print('end')
""",
        0,
    ),
]


@pytest.mark.parametrize(("program", "status"), [p[1:] for p in PROGRAMS], ids=[p[0] for p in PROGRAMS])
def test_the_interpreter_ends(program: str, status: int) -> None:
    # Two at a time: on a busy machine the threads meet in other orders.
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run(program), range(2)))
    for one in runs:
        assert one.returncode == status, one
        assert set(one.stdout.split()) == {"end"}, one
        # Python itself complains about tasks that a second SystemExit left behind.
        assert not one.stderr or (status and not any(word in one.stderr for word in OURS)), one


def test_what_waits_on_a_closed_loop_does_not_crash() -> None:
    """Python itself complains about the tasks that were left."""
    program = """
loop = asyncio.new_event_loop()
phone = loop.run_until_complete(calling())
left = [loop.create_task(phone.wait_for("call:incoming")), loop.create_task(phone.logout())]
loop.run_until_complete(asyncio.sleep(0))
loop.close()
print('end')
"""
    for _ in range(2):
        ended = run(program)
        assert (ended.returncode, ended.stdout) == (0, "end\n"), ended
        assert not any(word in ended.stderr for word in OURS), ended


def test_recordings_and_sessions_are_complete_at_exit(tmp_path: Path) -> None:
    path = tmp_path / "late.wav"
    program = f"""
async def main():
    phone = ewebrtc.Phone(gateway, local_media="tone:440", remote_media="wav:{path}")
    kept.append(phone)
    await phone.login(await gateway.dev_token("alice"))
    events = phone.events("media:established")
    await phone.dial("echo")
    await anext(events)
    await asyncio.sleep(0.3)
asyncio.run(main())
"""
    ended = run(program)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    with wave.open(str(path)) as file:
        assert file.getnframes() > 4_800


def test_an_interrupt_reaches_the_program_and_nobody_waits_for_ever() -> None:
    """Commands that are ready at once call back on the loop's own thread, where the handler of Ctrl-C may raise."""
    program = """
async def work():
    async with ewebrtc.Phone(gateway) as phone:
        while True:
            await phone.invoke("getVersion")

for number in range(60):
    interrupt = threading.Timer(0.02 + number % 17 * 0.0013, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    try:
        asyncio.run(work())
    except KeyboardInterrupt:
        pass
    interrupt.join()
print('end')
"""
    ended = run(program)
    assert (ended.returncode, ended.stdout) == (0, "end\n"), ended
    assert not any(word in ended.stderr for word in OURS), ended


def test_what_a_signal_raises_while_the_library_wakes_the_loop_is_raised_in_the_loop() -> None:
    program = """
from ewebrtc import _process
tell, interrupted = _process._tell, []

def interrupted_once(handle, code):
    tell(handle, code)
    if not interrupted and threading.current_thread() is threading.main_thread():
        interrupted.append(True)
        raise KeyboardInterrupt

async def main():
    phone = ewebrtc.Phone(gateway)
    _process._tell = interrupted_once
    while not interrupted:
        await phone.invoke("getVersion")
    await asyncio.sleep(30)

# As Python 3.10 does it: what is raised leaves the loop.
loop = asyncio.new_event_loop()
task = loop.create_task(main())
try:
    loop.run_until_complete(task)
except KeyboardInterrupt:
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    print('end')
"""
    ended = run(program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "end\n", ""), ended
