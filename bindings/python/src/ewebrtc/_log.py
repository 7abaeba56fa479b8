"""The log of the library: levels by module, loggers, and a function that gets the lines.

Owns: `LogManager`, `Logger`, `LogLine`. Lives on: any thread; the function runs on a thread of the library of its own. Must
not import: the phone.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from . import _check, _native, _process
from ._errors import ConfigError, translated

LogLevel = Literal["off", "error", "warn", "info", "debug", "trace"]
"""How much is written; each level includes those before it. `off` is nothing."""

#: Levels of `logging`; `trace` is below its own.
_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG, "trace": 5}


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log."""

    level: str
    """`error`, `warn`, `info`, `debug` or `trace`."""
    module: str
    """The logger that wrote it."""
    message: str
    """What was written; may have several lines."""
    file: str | None
    """Source file, where known."""
    line: int | None
    """Line in that file."""

    def __str__(self) -> str:
        tag = "WARNING" if self.level == "warn" else self.level.upper()
        place = "" if self.file is None else f" [{self.file}:{self.line}]" if self.line else f" [{self.file}]"
        return f"[{tag}] {self.message}{place}"


class _Listener(_native.LogListener):
    """What the library calls."""

    def __init__(self, callback: Callable[[LogLine], object]) -> None:
        self._callback = callback

    def on_line(self, line: _native.LogLine) -> None:
        try:
            self._callback(LogLine(line.level, line.module, line.text, line.file, line.line))
        except Exception:
            # As of every thread: to `threading.excepthook`, and the next line comes as usual.
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


def _forward(line: LogLine) -> None:
    logging.getLogger(f"ewebrtc.{line.module}").log(_LEVELS[line.level], "%s", line.message)


def _level(level: object) -> str:
    return _check.text("level", level, ConfigError)


def _name(module: object) -> str:
    return _check.text("module", module, ConfigError)


class Logger:
    """A logger: a name, a level, and lines that are written when the level includes them. Made by `LogManager`."""

    def __init__(self, native: _native.Logger) -> None:
        if not isinstance(native, _native.Logger):
            raise TypeError("loggers are made by LogManager")
        self._native = native
        self.name: str = native.name()
        """Its name, as in `LogManager.get_loggers`."""

    def get_log_level(self) -> LogLevel:
        """Its level."""
        _process.check()
        return cast(LogLevel, self._native.level())

    def set_log_level(self, level: LogLevel) -> None:
        """Sets its level; without effect after the logger was deleted. Raises `ConfigError` for what is no level."""
        _process.check()
        with translated():
            self._native.set_level(_level(level))

    def is_custom_type(self) -> bool:
        """Whether an application has made it."""
        return bool(self._native.is_custom())

    def log_error(self, message: object) -> None:
        """Writes an error. What is no text is written as `str` makes one of it."""
        self._write("error", message)

    def log_warning(self, message: object) -> None:
        """Writes a warning."""
        self._write("warn", message)

    def log_info(self, message: object) -> None:
        """Writes what is good to know."""
        self._write("info", message)

    def log_debug(self, message: object) -> None:
        """Writes what helps to find a fault."""
        self._write("debug", message)

    def log_trace(self, message: object, data: object = None) -> None:
        """Writes a step, with `data` as JSON on a second line."""
        self._write("trace", message if data is None else f"{message}\n{json.dumps(data, default=str)}")

    def _write(self, level: str, message: object) -> None:
        _process.check()
        caller = sys._getframe(2)
        # Half of a surrogate pair must not make a line fail.
        text = str(message).encode("utf-8", "backslashreplace").decode()
        file = caller.f_code.co_filename.encode("utf-8", "backslashreplace").decode()
        self._native.write(level, text, file, caller.f_lineno)

    def __repr__(self) -> str:
        return f"<Logger {self.name} {self._native.level()}>"


class LogManager:
    """The log of the whole process. Its functions need no object; they may be called on any thread.

    The modules of the library log at `warn` until told otherwise, `call` and `session` at `info`, and `webrtc`, the crates
    beneath, not at all. Lines go nowhere until there is a function for them. No token is ever written, and no address, number
    or IP address at `info` and above; `webrtc` is the exception: its lines may contain packets.
    """

    @staticmethod
    def set_callback(callback: Callable[[LogLine], object] | None) -> None:
        """Sets the function that gets the lines, in place of the one before, which gets what is on its way; `None`: lines go
        nowhere. It is called with one line at a time, on a thread of the library of its own, so it never delays a call; of a
        flood that it does not follow the newest lines are left out and counted in a line of their own. What is logged inside it
        is left out. What it raises goes to `threading.excepthook`.

        Raises `ClosedError` at the end of the process.
        """
        _process.check()
        if callback is not None:
            _check.handler("callback", callback)
        with translated():
            _native.set_log_listener(None if callback is None else _Listener(callback))

    @staticmethod
    def use_logging() -> None:
        """Gives the lines to Python's `logging`: those of the module `call` to the logger `ewebrtc.call`, and so on. `trace` has
        the level 5. What is set here decides what is written at all, `logging` what becomes of it."""
        LogManager.set_callback(_forward)

    @staticmethod
    def get_log_levels() -> list[str]:
        """Levels that can be set, least first; `off` can be set, too."""
        return list(_native.log_levels())

    @staticmethod
    def get_global_log_level() -> LogLevel:
        """The level that was last set for all loggers, at first `warn`."""
        return cast(LogLevel, _native.global_log_level())

    @staticmethod
    def set_global_log_level(level: LogLevel) -> None:
        """Sets the level of every logger there is, except `webrtc`; those made later begin at their default. Raises `ConfigError`
        for what is no level."""
        _process.check()
        with translated():
            _native.set_global_log_level(_level(level))

    @staticmethod
    def get_default_log_level() -> LogLevel:
        """The level at which loggers begin that have no default of their own."""
        return cast(LogLevel, _native.default_log_level())

    @staticmethod
    def get_module_defaults() -> dict[str, str]:
        """Loggers that begin at another level."""
        return dict(_native.module_defaults())

    @staticmethod
    def get_current_module_log_levels() -> dict[str, str]:
        """Level of every logger."""
        return dict(_native.module_log_levels())

    @staticmethod
    def reset_log_levels() -> None:
        """Brings every logger and the global level back to their defaults."""
        _process.check()
        _native.reset_log_levels()

    @staticmethod
    def get_loggers() -> list[str]:
        """Names of all loggers."""
        return list(_native.loggers())

    @staticmethod
    def get_logger(module: str) -> Logger:
        """The logger of this name. Raises `ConfigError` when there is none."""
        _process.check()
        with translated():
            return Logger(_native.get_logger(_name(module)))

    @staticmethod
    def create_custom_logger(module: str) -> Logger:
        """A logger of the application, at the level `warn`. Raises `ConfigError` when the name is empty, longer than 64 bytes,
        has control characters or is that of another logger, or when there are 1024 of them."""
        _process.check()
        with translated():
            return Logger(_native.create_custom_logger(_name(module)))

    @staticmethod
    def delete_custom_logger(module: str) -> None:
        """Deletes a logger of the application. Whoever still holds it writes nothing any more. Raises `ConfigError` when there is
        none of this name, or it is a module of the library."""
        _process.check()
        with translated():
            _native.delete_custom_logger(_name(module))
