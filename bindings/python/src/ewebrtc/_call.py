"""Calls and conferences: what can be done with one, and its program audio.

Owns: `Call`, `CallStats`. Lives on: the phone's event loop; `state`, `stats`, `write`, `read`, `clear` and `queued_ms`
may be used on any thread and never wait. Must not import: the phone (it is named for type checkers only).
"""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, Union

from . import _check, _native, _process
from ._errors import (
    ArgumentError,
    CallEndedError,
    ClosedError,
    NotFoundError,
    PhoneError,
    answer,
    phone_error,
    translated,
)
from ._events import Event
from ._time import timeout as deadline

if TYPE_CHECKING:
    from ._phone import Phone

    # In quotes: until 3.12 the class itself cannot be asked for its elements.
    _Array: TypeAlias = "array.array[Any]"
else:
    _Array = array.array

T = TypeVar("T")


class _HasArray(Protocol):
    """What NumPy's arrays have, and those of other libraries."""

    @property
    def __array_interface__(self) -> Any: ...


Samples = Union[bytes, bytearray, memoryview, _Array, _HasArray]
"""Program audio: bytes (16-bit little-endian samples), or an array of 16-bit numbers or of floating-point numbers between
-1 and 1, such as `array.array` and `numpy.ndarray`."""

VideoCodec = Literal["vp8", "h264"]
"""A codec for video."""

#: Events that end a call or conference.
_ENDS = frozenset(
    {"call:disconnected", "call:rejected", "call:canceled", "conference:ended", "conference:canceled"}
)


def _ends(event: Event) -> bool:
    """Whether the call or conference of this event is over. An invitation that this phone has declined is; the host of a
    conference hears of invitees who have, and goes on."""
    if event.name == "conference:invitation-rejected":
        return event.get("participant") is None
    return event.name in _ENDS


#: How often program audio is looked for, in seconds: the library moves it every 10 ms.
_TICK = 0.01

#: How much program audio waits at most, in milliseconds.
_QUEUE_MS = 30_000


@dataclass(frozen=True, slots=True)
class CallStats:
    """Figures of a call's audio and video. Times are in milliseconds, levels in dB of full scale (root mean square over
    about 200 ms; -127 is silence)."""

    codec: str | None
    """The codec that is sent: `opus`, `PCMU` or `PCMA`; `None` before it is agreed."""
    packets_sent: int
    """Packets of audio sent."""
    packets_received: int
    """Packets of audio received, without duplicates."""
    packets_lost: int
    """Packets of audio that never came."""
    packets_late: int
    """Packets that came too late to be played."""
    concealed_ms: float
    """Audio invented in place of packets that were not there in time."""
    jitter_ms: float
    """Interarrival jitter of what is received."""
    jitter_delay_ms: float
    """How long the packet played last was held back."""
    round_trip_ms: float | None
    """The way there and back; `None` while unknown."""
    remote_loss: float
    """Share of our packets that the other side loses, 0 to 1."""
    level_in_dbfs: float
    """Level of what is heard."""
    level_out_dbfs: float
    """Level of what is sent."""
    frames_sent: int
    """Pictures sent."""
    frames_received: int
    """Complete pictures received."""
    frames_dropped: int
    """Complete pictures that were not handed on, because they need one that was lost."""
    video_packets_lost: int
    """Packets of video that never came."""
    video_packets_recovered: int
    """Packets of video that came after they were asked for again."""


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One encoded picture."""

    codec: VideoCodec
    """`vp8`, or `h264`: an access unit, each NAL unit behind a start code."""
    timestamp: int
    """When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around at 2**32."""
    key: bool
    """Whether it can be decoded without the pictures before it."""
    data: bytes
    """The encoded picture."""


class Call:
    """A call or conference. Made by `Phone.dial`, `Phone.answer`, `Phone.start_conference` and `Phone.join_conference`, and
    found in events; it may be held after its end.

    Methods that are awaited complete when the command finishes. `tag` comes back in the events that it causes.

    Methods that need a live call raise `CallEndedError` when it has ended, from that moment on, and `NotFoundError` when there
    never was such a call as far as the phone knows: it remembers the latest 64 that have ended.
    """

    def __init__(self, phone: Phone, native: _native.Call) -> None:
        self.phone = phone
        """The phone it belongs to."""
        self._native = native
        self.handle: int = native.handle()
        """The handle: never used twice in this process, and the value of `call` or `conference` in the data of
        events."""
        # There is or was such a call; the events of its end may still be on their way.
        self._seen = native.state() is not None
        self._is_connected = False
        self._end: Event | None = None
        # Of the last `error` event: why a call ends is often said there in full.
        self._error: PhoneError | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # ---- what events say -------------------------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        """Keeps what an event of this call says. Called on the loop."""
        if event.name in ("call:connected", "conference:connected"):
            self._is_connected = True
        elif _ends(event):
            self._end = event
        elif event.name == "error":
            self._error = event.error
            return
        else:
            return
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def _over(self) -> bool:
        return self._end is not None

    async def _until(self, met: Callable[[], bool], timeout: float | None) -> None:
        loop = self.phone._hub.bind()
        patience = _check.optional_seconds("timeout", timeout)
        if not self._seen and self.state is None:
            raise NotFoundError("no live call has this handle")
        async with deadline(patience):
            while not met():
                if self.phone._hub.ended:
                    raise ClosedError("the phone is closed")
                waiter = loop.create_future()
                self._waiters.append(waiter)
                await waiter

    async def connected(self, timeout: float | None = None) -> None:
        """Waits until the call is connected, `timeout` seconds at most.

        Raises `CallEndedError` with the event that ended it and the last error of the call, `NotFoundError` when there
        never was such a call, `ClosedError`, `TimeoutError`.
        """
        self.phone._hub.bind()
        if not self._is_connected and self.state not in (None, "created", "connecting"):
            self._is_connected = True
        await self._until(lambda: self._is_connected or self._over, timeout)
        if self._end is not None:
            raise CallEndedError(self._end, self._error)

    async def ended(self, timeout: float | None = None) -> Event:
        """Waits until the call has ended, `timeout` seconds at most, and gives the event that ended it.

        Raises `NotFoundError` when there never was such a call, `ClosedError`, `TimeoutError`.
        """
        await self._until(lambda: self._over, timeout)
        assert self._end is not None
        return self._end

    @property
    def state(self) -> str | None:
        """State, such as `connecting` or `connected`; `None` when the call has ended."""
        _process.check()
        return self._native.state()

    # ---- commands --------------------------------------------------------------------------------------------------

    async def hangup(self, *, tag: str | None = None) -> None:
        """Ends the call as its state demands: cancels, rejects or hangs up. Completes with the call's end.

        Raises `CallEndedError` when it has ended already; `PhoneError` with codes of hangup, cancel, reject.
        """
        self.phone._hub.bind()
        await self._answer(self._native.hangup(_check.optional_text("tag", tag)))

    async def mute(self, *, tag: str | None = None) -> None:
        """Sends silence from now on.

        Raises `CallEndedError`; `PhoneError` 2702 before the call is connected.
        """
        self.phone._hub.bind()
        await self._answer(self._native.mute(_check.optional_text("tag", tag)))

    async def unmute(self, *, tag: str | None = None) -> None:
        """Sends the source again.

        Raises `CallEndedError`; `PhoneError` 2802 before the call is connected.
        """
        self.phone._hub.bind()
        await self._answer(self._native.unmute(_check.optional_text("tag", tag)))

    async def send_dtmf_tone(self, tones: str, *, gap_ms: int | None = None, tag: str | None = None) -> None:
        """Presses keys, as `Phone.send_dtmf_tone` does in the call in the foreground.

        Raises `CallEndedError`; `PhoneError` as there.
        """
        self.phone._hub.bind()
        keys, between = _check.text("tones", tones), _check.optional_whole("gap_ms", gap_ms, 0, _check.U32)
        await self._answer(self._native.send_dtmf_tone(keys, between, _check.optional_text("tag", tag)))

    def stats(self) -> CallStats | None:
        """Figures of the call's audio; `None` before it has media and after its end."""
        _process.check()
        stats = self._native.stats()
        return None if stats is None else CallStats(**{f.name: getattr(stats, f.name) for f in fields(CallStats)})

    # ---- program audio: 16-bit little-endian mono samples at the phone's pcm_rate ----------------------------------

    def write(self, samples: Samples) -> int:
        """Appends audio to what a call with `local_media="pcm"` sends, and says how many bytes fitted: about 30 seconds
        wait at most. When nothing waits silence is sent. Takes bytes that are contiguous in memory, and arrays with one
        channel: 16-bit numbers as they are, floating-point numbers as parts of full scale, clipped to -1 to 1. Of a
        floating-point number two bytes are counted, those of its sample.

        Raises `TypeError` for what is no buffer, `ArgumentError` for half a sample, other numbers, several channels and
        what is not a number, `NoAudioError`, `CallEndedError`, `NotFoundError`.
        """
        return self._write(_check.samples("samples", samples))

    def _write(self, data: memoryview) -> int:
        def step() -> int:
            room = _QUEUE_MS - self._native.pcm_queued_ms()
            most = max(0, room) * self.phone.pcm_rate // 1000 * _check.SAMPLE
            return self._native.pcm_write(bytes(data[:most]))

        return self._living(step)

    def read(self, most: int | None = None) -> bytes:
        """Takes audio that was heard in a call with `remote_media="pcm"`, at most `most` bytes of it; empty when none
        is there. About 30 seconds are kept, then the oldest are dropped. What came before the end may be read after it.

        Raises `ArgumentError` for a number that is none of bytes, `NoAudioError`, `CallEndedError` when the call has ended
        without audio, `NotFoundError`.
        """
        _process.check()
        size = _check.optional_whole("most", most, 0, _check.U64)
        return self._living(lambda: self._native.pcm_read(self._native.pcm_available() if size is None else size))

    def clear(self) -> None:
        """Drops what was written and not sent yet, as when the other party begins to talk. Of a call that has ended
        nothing is left.

        Raises `NoAudioError`, `NotFoundError` when there never was such a call.
        """
        try:
            self._living(self._native.pcm_clear)
        except CallEndedError:
            pass

    @property
    def queued_ms(self) -> int:
        """How much was written and not sent yet, in milliseconds, rounded up; 0 when the call has ended.

        Raises as `clear`.
        """
        try:
            return self._living(self._native.pcm_queued_ms)
        except CallEndedError:
            return 0

    @property
    def dropped(self) -> int:
        """How many bytes were dropped so far because nobody read them in time.

        Raises as `read`.
        """
        return self._living(self._native.pcm_dropped)

    async def send(self, samples: Samples) -> None:
        """Writes all of it, waiting for room. It returns when all is in the queue, see `drain`.

        Raises as `write`, also when the call ends meanwhile.
        """
        self.phone._hub.bind()
        rest = _check.samples("samples", samples)
        while True:
            rest = rest[self._write(rest) :]
            if not rest:
                return
            await asyncio.sleep(_TICK)

    async def drain(self) -> None:
        """Waits until all that was written has been sent.

        Raises `CallEndedError`, also when the call ends meanwhile, and as `clear`.
        """
        self.phone._hub.bind()
        while queued := self._living(self._native.pcm_queued_ms):
            await asyncio.sleep(max(_TICK, queued / 2000))

    def _living(self, step: Callable[[], T]) -> T:
        """Something that needs a live call."""
        _process.check()
        try:
            with translated():
                return step()
        except NotFoundError as gone:
            raise self._gone(gone) from None

    async def _answer(self, work: Awaitable[T]) -> T:
        """Awaits a method that needs a live call."""
        try:
            return await answer(work)
        except NotFoundError as gone:
            raise self._gone(gone) from None

    def _gone(self, otherwise: NotFoundError) -> NotFoundError:
        """The exception for a call that is not there: it has ended, as the library knows before the event comes here, or never
        was."""
        if self._end is not None:
            return CallEndedError(self._end, self._error)
        end = self._native.end()
        if end is None:
            return otherwise
        return CallEndedError(Event(end.event, self), None if end.error is None else phone_error(end.error))

    async def receive(self, size: int) -> bytes:
        """Reads `size` bytes, waiting for them. Fewer are the last ones before the call's end, none is its end.

        Raises `ArgumentError` when `size` is no whole number of samples, `NoAudioError`, `NotFoundError`.
        """
        self.phone._hub.bind()
        size = _check.whole("size", size, 1, _check.U64)
        if size % _check.SAMPLE:
            raise ArgumentError("size is not that of whole samples of two bytes")
        parts: list[bytes] = []
        while size:
            # In this order: nothing comes any more once the state is gone.
            over = self.state is None
            try:
                part = self.read(size)
            except CallEndedError:
                break
            parts.append(part)
            size -= len(part)
            if size and over and not part:
                break
            if size and not part:
                await asyncio.sleep(_TICK)
        return b"".join(parts)

    def listen(self, ms: int = 20) -> AsyncIterator[bytes]:
        """What is heard, in pieces of `ms` milliseconds, until the call ends.

        Raises as `receive`.
        """
        _process.check()
        ms = _check.whole("ms", ms, 1, _check.U32)
        return self._listen(self.phone.pcm_rate * ms // 1000 * _check.SAMPLE)

    async def _listen(self, size: int) -> AsyncIterator[bytes]:
        while part := await self.receive(size):
            yield part

    # ---- program video: encoded pictures ---------------------------------------------------------------------------

    def write_frame(
        self, data: bytes | bytearray | memoryview, *, timestamp: int, codec: VideoCodec = "vp8"
    ) -> bool:
        """Gives the next encoded picture to a call with `local_media="...;video=frames"`. It is sent as it comes, when the
        call has video and is connected. `False` when it was not taken because the queue (about four seconds) is full or a
        picture that it needs was not taken: then only a key frame is taken next. timestamp: as of `VideoFrame`.

        Raises `TypeError` for what is no buffer, `ArgumentError` for a picture that is empty or larger than 2 MiB, another
        codec or timestamp, `NoVideoError`, `CallEndedError`, `NotFoundError`.
        """
        kinds = {"vp8": _native.VideoCodec.VP8, "h264": _native.VideoCodec.H264}
        kind = kinds.get(_check.text("codec", codec))
        if kind is None:
            raise ArgumentError(f"codec must be one of {', '.join(kinds)}, not {codec!r}")
        when = _check.whole("timestamp", timestamp, 0, _check.U32)
        picture = _check.frame("data", data)
        return self._living(lambda: self._native.video_write(kind, when, picture))

    def key_frame_wanted(self) -> bool:
        """Is the next picture to be a key frame? True once after the other party, or a picture that was not taken, has
        asked for one, and once at the beginning: ask before each picture.

        Raises `NoVideoError`, `CallEndedError`, `NotFoundError`.
        """
        return self._living(self._native.video_key_frame_wanted)

    @property
    def frames_queued(self) -> int:
        """How many pictures were written and not sent yet.

        Raises as `key_frame_wanted`.
        """
        return self._living(self._native.video_queued)

    def read_frame(self) -> VideoFrame | None:
        """Takes the next picture of a call with `remote_media="...;video=frames"`: complete ones only, beginning with a key
        frame, also after a loss; `None` when none is there. About four seconds are kept, then what comes is dropped up to
        the next key frame. What came before the end may be read after it.

        Raises `NoVideoError`, `CallEndedError` when the call has ended without video, `NotFoundError`.
        """
        frame = self._living(self._native.video_read)
        if frame is None:
            return None
        codec: VideoCodec = "vp8" if frame.codec is _native.VideoCodec.VP8 else "h264"
        return VideoFrame(codec, frame.timestamp, frame.key, frame.data)

    @property
    def frames_dropped(self) -> int:
        """How many pictures were dropped so far because nobody read them in time.

        Raises as `read_frame`.
        """
        return self._living(self._native.video_dropped)

    async def frames(self) -> AsyncIterator[VideoFrame]:
        """The pictures that come, until the call ends.

        Raises `NoVideoError`, `NotFoundError`.
        """
        self.phone._hub.bind()
        while True:
            # In this order: nothing comes any more once the state is gone.
            over = self.state is None
            try:
                frame = self.read_frame()
            except CallEndedError:
                return
            if frame is not None:
                yield frame
            elif over:
                return
            else:
                await asyncio.sleep(_TICK)

    def request_key_frame(self) -> None:
        """Asks the other party for a key frame, for a program that cannot go on without one. After a loss the library asks
        by itself.

        Raises `NoVideoError` before the call has media, `CallEndedError`, `NotFoundError`.
        """
        self._living(self._native.request_key_frame)

    def __repr__(self) -> str:
        # Also in a forked child, where the state is not known.
        return f"<Call {self.handle} {'?' if _process.forked() else self.state or 'ended'}>"


async def about(call: Call | None, work: Awaitable[T]) -> T:
    """Awaits a method that may be about a call."""
    return await (answer(work) if call is None else call._answer(work))
