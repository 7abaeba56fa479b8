"""A forked child has the library's memory and none of its threads: everything that would wait for ever there, or tell
of the moment of the fork, raises `LoopError` at once.
"""

from __future__ import annotations

import ewebrtc

from .test_exit import run

#: Forks in a call, keeps the parent's call going, and gives each step in the child a deadline.
PROGRAM = """
import time, warnings
warnings.simplefilter("ignore")  # newer versions of Python warn of every fork with threads

SYNC = '''
ewebrtc.Gateway()
ewebrtc.Phone(gateway)
ewebrtc.Phone(gateway.url)
gateway.stop()
gateway.__exit__(None, None, None)
phone.begin_close()
phone.call(7)
phone.on("call:held", print)
phone.on_any(print)
phone.set_connectivity(False)
call.clear()
call.dropped
call.frames_dropped
call.frames_queued
call.key_frame_wanted()
call.listen()
call.queued_ms
call.read()
call.read(2)
call.read_frame()
call.request_key_frame()
call.state
call.stats()
call.write(b"..")
call.write_frame(b"..", codec="vp8", timestamp=0)
'''
ASYNC = '''
anext(stream)
ewebrtc.dev_token(gateway.url, "bob")
gateway.dev_token("bob")
gateway.__aexit__(None, None, None)
phone.__aenter__()
phone.__aexit__(None, None, None)
phone.accept_modification()
phone.add_call("bob")
phone.add_participant("bob")
phone.answer()
phone.associate_e911_id("id")
phone.cancel()
phone.close()
phone.dial("bob")
phone.downgrade()
phone.end_conference()
phone.events()
phone.get_calls()
phone.get_media_type()
phone.get_participants()
phone.get_version()
phone.hangup()
phone.hold()
phone.invoke("getCalls")
phone.is_call_in_progress()
phone.join_conference()
phone.login("token")
phone.logout()
phone.move()
phone.mute()
phone.perform("getCalls")
phone.reject()
phone.reject_conference()
phone.reject_modification()
phone.remove_participant("bob")
phone.resume()
phone.send_dtmf_tone("1")
phone.start_conference()
phone.switch_call()
phone.transfer()
phone.unmute()
phone.upgrade()
phone.wait_for("call:held")
call.connected()
call.drain()
call.ended()
anext(call.frames())
call.hangup()
call.mute()
call.receive(2)
call.send(b"..")
call.send_dtmf_tone("1")
call.unmute()
'''

async def begin():
    phone = ewebrtc.Phone(gateway, local_media="pcm", remote_media="pcm")
    await phone.login(await gateway.dev_token("alice"))
    stream = phone.events()
    call = await phone.dial("echo")
    await call.connected(30)
    return phone, stream, call, phone.on_any(lambda event: None)

async def awaited(step):
    await eval(step)

def outcome(step, wait):
    signal.alarm(5)  # ends a child that hangs
    began = time.monotonic()
    try:
        asyncio.run(awaited(step)) if wait else eval(step)
    except ewebrtc.LoopError:
        return time.monotonic() - began < 3
    except BaseException as error:
        print(step, "raised", repr(error), flush=True)
        return False
    print(step, "answered", flush=True)
    return False

loop = asyncio.new_event_loop()
phone, stream, call, subscription = loop.run_until_complete(begin())
"""

#: The parent ends as always, and so does the child.
END = """
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 3, status
assert call.state == "connected" and call.stats() is not None
loop.run_until_complete(phone.close())
assert call.state is None
gateway.stop()
print("end")
"""


def test_nothing_hangs_or_misleads_in_a_forked_child() -> None:
    program = """
child = os.fork()
if child == 0:
    steps = [(step, wait) for steps, wait in ((SYNC, False), (ASYNC, True)) for step in steps.split("\\n") if step]
    good = [outcome(*step) for step in steps]
    # What needs no thread works.
    assert repr(call) == f"<Call {call.handle} ?>" and phone.missed == 0 and subscription.off()
    assert ewebrtc.sdk_errors() and ewebrtc.__version__
    os._exit(3 if all(good) else 4)
"""
    ended = run(PROGRAM + program + END)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "end\n", ""), ended


def test_every_method_was_tried() -> None:
    """A method that comes later must be looked at as well."""
    local = {"missed"}
    for kind, name in ((ewebrtc.Phone, "phone"), (ewebrtc.Call, "call"), (ewebrtc.Gateway, "gateway")):
        for member in vars(kind):
            if not member.startswith("_") and member not in local:
                assert f"{name}.{member}" in PROGRAM, member


def test_a_child_that_leaves_a_block_by_an_exception_ends_with_it() -> None:
    # Without an event loop, which Python shares between parent and child.
    program = """
with ewebrtc.Gateway():
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        sys.exit(3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 3, status
print("end")
"""
    ended = run(program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "end\n", ""), ended
