"""The log: levels, loggers, the function that gets the lines. It belongs to the whole process, so each test cleans up."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import ewebrtc
import pytest
from ewebrtc import LogLine, LogManager

from .support import PATIENCE, logged_in, soon


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    LogManager.set_callback(None)
    LogManager.reset_log_levels()
    for name in LogManager.get_loggers():
        if LogManager.get_logger(name).is_custom_type():
            LogManager.delete_custom_logger(name)


def collected() -> list[LogLine]:
    """Lines from now on; complete when the callback was taken away."""
    lines: list[LogLine] = []
    LogManager.set_callback(lines.append)
    return lines


def test_arguments_of_every_wrong_kind() -> None:
    steps: list[tuple[str, Any]] = [
        ("module", LogManager.get_logger),
        ("module", LogManager.create_custom_logger),
        ("module", LogManager.delete_custom_logger),
        ("level", LogManager.set_global_log_level),
        ("level", LogManager.get_logger("call").set_log_level),
    ]
    odd: list[Any] = [None, 5, True, b"call", [], {}, object()]
    for argument, step in steps:
        for value in odd:
            with pytest.raises(TypeError, match=f"^{argument} must be str"):
                step(value)
        for value in ("", "\ud800", "LOUD\n"):
            with pytest.raises(ewebrtc.ConfigError):
                step(value)
    for value in ([5, "x", [], object()]):
        with pytest.raises(TypeError, match="^callback must be a function"):
            LogManager.set_callback(value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="made by LogManager"):
        ewebrtc.Logger("call")  # type: ignore[arg-type]
    with pytest.raises(ewebrtc.ConfigError, match="nobody"):
        LogManager.get_logger("nobody")
    with pytest.raises(ewebrtc.ConfigError, match="module of the library"):
        LogManager.delete_custom_logger("call")


def test_levels_are_set_for_all_for_one_and_back() -> None:
    assert LogManager.get_log_levels() == ["error", "warn", "info", "debug", "trace"]
    assert (LogManager.get_global_log_level(), LogManager.get_default_log_level()) == ("warn", "warn")
    assert LogManager.get_module_defaults() == {"call": "info", "session": "info", "webrtc": "off"}
    before = LogManager.get_current_module_log_levels()
    assert set(before) == set(LogManager.get_loggers())
    LogManager.set_global_log_level("debug")
    call = LogManager.get_logger("call")
    call.set_log_level("error")
    assert (LogManager.get_global_log_level(), call.get_log_level(), call.is_custom_type()) == ("debug", "error", False)
    assert LogManager.get_current_module_log_levels()["session"] == "debug"
    LogManager.reset_log_levels()
    assert LogManager.get_current_module_log_levels() == before and LogManager.get_global_log_level() == "warn"


def test_lines_of_an_own_logger_arrive_with_level_and_place() -> None:
    lines = collected()
    own = LogManager.create_custom_logger("billing")
    assert (own.name, own.get_log_level(), own.is_custom_type()) == ("billing", "warn", True)
    with pytest.raises(ewebrtc.ConfigError, match="already"):
        LogManager.create_custom_logger("billing")
    own.log_info("left out")
    own.log_error("e")
    own.set_log_level("trace")
    own.log_warning(5)
    own.log_info({"a": 1})
    own.log_debug("half \ud800")
    own.log_trace("t", {"b": [2]})
    own.log_trace("t")
    LogManager.delete_custom_logger("billing")
    own.log_error("nobody writes this")
    LogManager.set_callback(None)
    own.log_error("nor this")
    texts = [(line.level, line.message) for line in lines if line.module == "billing"]
    expected = [("error", "e"), ("warn", "5"), ("info", "{'a': 1}"), ("debug", "half \\ud800")]
    assert texts == [*expected, ("trace", 't\n{"b": [2]}'), ("trace", "t")]
    assert lines[0].file == __file__ and (lines[0].line or 0) > 0
    assert str(lines[1]).startswith("[WARNING] 5 [") and repr(own).startswith("<Logger billing")


async def test_a_call_is_logged_on_a_thread_of_its_own(gateway: ewebrtc.Gateway) -> None:
    names: set[str] = set()
    lines: list[LogLine] = []

    def callback(line: LogLine) -> None:
        names.add(str(threading.get_ident()))
        lines.append(line)

    LogManager.set_global_log_level("debug")
    LogManager.set_callback(callback)
    async with logged_in(gateway, "alice") as phone:
        # Something to write about: options that are of no use.
        assert phone.get_ipv6()
        await (await soon(phone.dial("echo"))).connected(PATIENCE)
        assert await phone.perform("formatNumber", {"number": "#"}) is None
    LogManager.set_callback(None)
    assert any(line.module == "phoneNumber" for line in lines)
    assert names == names - {str(threading.get_ident())} and len(names) == 1


def test_a_callback_that_raises_or_logs_gets_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))
    own = LogManager.create_custom_logger("own")
    seen: list[str] = []

    def callback(line: LogLine) -> None:
        seen.append(line.message)
        own.log_error("inside")
        if line.message == "first":
            raise ValueError("mine")

    LogManager.set_callback(callback)
    own.log_error("first")
    own.log_error("second")
    LogManager.set_callback(None)
    assert seen == ["first", "second"] and [str(error) for error in raised] == ["mine"]


def test_a_callback_may_replace_itself() -> None:
    own = LogManager.create_custom_logger("own")
    second: list[LogLine] = []
    done = threading.Event()

    def callback(line: LogLine) -> None:
        LogManager.set_callback(second.append)
        done.set()

    LogManager.set_callback(callback)
    own.log_error("first")
    assert done.wait(PATIENCE)
    own.log_error("second")
    LogManager.set_callback(None)
    assert [line.message for line in second] == ["second"]


def test_a_slow_callback_loses_lines_and_says_so() -> None:
    own = LogManager.create_custom_logger("own")
    gate, lines = threading.Event(), list[LogLine]()

    def callback(line: LogLine) -> None:
        gate.wait(PATIENCE)
        lines.append(line)

    LogManager.set_callback(callback)
    for _ in range(5_000):
        own.log_error("many")
    gate.set()
    for _ in range(100_000):
        own.log_error("later")
        if any(line.module == "phone" for line in lines):
            break
    LogManager.set_callback(None)
    told = next(line for line in lines if line.module == "phone")
    assert "lines were left out" in told.message and int(told.message.split()[0]) >= 900


def test_lines_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    LogManager.use_logging()
    own = LogManager.create_custom_logger("own")
    own.set_log_level("trace")
    with caplog.at_level(1, "ewebrtc"):
        own.log_warning("50 % of it")
        own.log_trace("step")
        LogManager.set_callback(None)
    got = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert got == [("ewebrtc.own", logging.WARNING, "50 % of it"), ("ewebrtc.own", 5, "step")]


def test_the_interpreter_may_end_with_a_callback_and_in_it() -> None:
    program = """
import ewebrtc, sys, threading
own = ewebrtc.LogManager.create_custom_logger("own")
sys.kept_to_the_very_end = ewebrtc.LogManager.get_logger("call")
ewebrtc.LogManager.set_callback(lambda line: print(line.message, flush=True))
def flood():
    while True:
        own.log_error("line")
threading.Thread(target=flood, daemon=True).start()
threading.Event().wait(0.2)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "" and "line" in done.stdout


def test_the_last_lines_are_not_lost_at_the_end() -> None:
    program = """
import ewebrtc
ewebrtc.LogManager.set_callback(lambda line: print(line.message))
own = ewebrtc.LogManager.create_custom_logger("own")
for number in range(1000):
    own.log_error(number)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(number) for number in range(1000)]


async def test_threads_and_loops_may_log_at_once() -> None:
    lines = collected()
    own = LogManager.create_custom_logger("own")

    def flood() -> None:
        for _ in range(100):
            own.log_error("x")

    await soon(asyncio.gather(*(asyncio.to_thread(flood) for _ in range(8))))
    LogManager.set_callback(None)
    assert len(lines) == 800
