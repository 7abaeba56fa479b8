"""The phone.

Owns: `Phone`, `CallInfo`, `Participant`. Lives on: one asyncio event loop, the one on which it is first used. Must not
import: anything but this package.
"""

from __future__ import annotations

import enum
import json
import logging
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeVar

from . import _check, _native, _process
from ._call import Call, VideoCodec, about
from ._errors import ClosedError, ConfigError, answer, translated
from ._events import Event, Events, Handler, Subscription
from ._gateway import DevToken, Gateway
from ._hub import Hub, Listener
from ._settings import Codec, IceServer, Settings, native_servers
from ._time import timeout as deadline
from ._time import timeout_at

_log = logging.getLogger("ewebrtc")

Media = str | os.PathLike[str]
"""A source or a sink: a text of the grammar (`silence`, `tone:440`, `wav:PATH`, `pcm`, `discard`, for video followed by
`;video=ivf:PATH` or `;video=frames`), or the path of a WAV file."""

C = TypeVar("C", bound=enum.Enum)

EventChannel = Literal["long-poll", "websocket"]
"""Ways in which events come from the gateway."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a conference of this phone."""

    participant: str
    """Who it is: the number, or the account id."""
    status: str
    """`active`."""


@dataclass(frozen=True, slots=True)
class CallInfo:
    """An entry of `Phone.get_calls`."""

    index: int
    """Ordinal among the live calls."""
    state: str
    """State, such as `connected`."""
    breed: str
    """`call` or `conference`."""
    kind: str
    """`Outgoing` or `Incoming`."""
    peer: str
    """The other party; empty for conferences."""
    foreground: bool
    """True for the one the user talks on."""
    participants: tuple[Participant, ...] = ()
    """Who is in a conference of this phone."""


def _address(gateway: object) -> str:
    if not isinstance(gateway, str):
        raise _check.wrong("gateway", "str or Gateway", gateway)
    return _check.text("gateway", gateway, ConfigError)


def _ports(ports: object) -> _native.PortRange:
    if not isinstance(ports, (tuple, list)) or len(ports) != 2:
        raise TypeError("ports must be a pair of int: the first and the last one")
    first, last = (_check.whole(f"ports[{n}]", port, 0, 65_535, ConfigError) for n, port in enumerate(ports))
    return _native.PortRange(first=first, last=last)


def _event_channel(name: object) -> _native.EventChannel:
    known = {"long-poll": _native.EventChannel.LONG_POLL, "websocket": _native.EventChannel.WEB_SOCKET}
    given = _check.text("event_channel", name, ConfigError)
    if given not in known:
        raise ConfigError(f"event_channel is neither 'long-poll' nor 'websocket': {name!r}")
    return known[given]


def _codecs(argument: str, names: object, kind: type[C]) -> list[C]:
    known = {codec.name.lower(): codec for codec in kind}
    given = _check.texts(argument, names, ConfigError)
    for name in given:
        if name.lower() not in known:
            raise ConfigError(f"{argument} names an unknown codec: {name!r}")
    return [known[name.lower()] for name in given]


def _tag(tag: object) -> str | None:
    return _check.optional_text("tag", tag)


def _command(method: object, options: object, call: object, tag: object) -> tuple[str, str, int | None, str | None]:
    if call is not None and not isinstance(call, Call):
        raise _check.wrong("call", "Call", call)
    handle = None if call is None else call.handle
    return _check.text("method", method), _check.options("options", options), handle, _tag(tag)


class Phone(Settings):
    """A telephone: one user, one session.

        async with ewebrtc.Phone(gateway.url) as phone:
            await phone.login(token)

    The end of the block closes it: calls end, the session is given back, recordings are complete. It belongs to the
    event loop on which it is first used, `LoopError` otherwise. Methods that are awaited complete when the command
    finishes, `dial` as soon as the call exists; cancelling the task that waits does not end the command. `tag` comes
    back in the events that a command causes.

    gateway: its address, `http://host:port` or `https://host`, or a `Gateway`. domain: appended to names and short
    numbers; default: that of one's own address as the gateway names it. local_media, remote_media: where audio and video
    of calls come from and go to until a call names others, which are then those of later calls as well. pcm_rate:
    samples per second of program audio, 8000 to 48000. ice_servers: STUN and TURN servers. relay_only: only paths
    through TURN, so that one's own addresses stay hidden. ipv4, ipv6, loopback: which addresses are offered (loopback
    always when the gateway is there). ports: first and last UDP port for media. gather_ms: a description goes out this
    long after the search for addresses began; default 500. connect_ms: a connection that is not up by then fails;
    default 15000. event_channel: how the phone hears of events; with `websocket` it polls where the gateway offers no
    WebSocket. audio_codecs, video_codecs: in order of preference. opus_complexity: effort of the encoder, 0 to 10.
    root_certificates: texts in PEM, trusted beside the operating system's.

    Raises `ConfigError` for a setting that cannot be used, `TypeError` for one of the wrong type, both with its name;
    `SystemRefusedError` when there are no threads. Arguments of methods are checked likewise, with `ArgumentError`.
    """

    def __init__(
        self,
        gateway: str | Gateway,
        *,
        domain: str | None = None,
        local_media: Media = "silence",
        remote_media: Media = "discard",
        pcm_rate: int = 48_000,
        ice_servers: Iterable[IceServer] = (),
        relay_only: bool = False,
        ipv4: bool = True,
        ipv6: bool = True,
        loopback: bool = False,
        ports: tuple[int, int] | None = None,
        gather_ms: int | None = None,
        connect_ms: int | None = None,
        event_channel: EventChannel = "long-poll",
        audio_codecs: Sequence[Codec] = ("opus", "pcmu", "pcma"),
        video_codecs: Sequence[VideoCodec] = ("vp8", "h264"),
        opus_complexity: int | None = None,
        root_certificates: Sequence[str] = (),
    ) -> None:
        _process.check()
        self.pcm_rate = _check.whole("pcm_rate", pcm_rate, 0, _check.U32, ConfigError)
        """Samples per second of program audio."""
        config = _native.PhoneConfig(
            gateway=gateway.url if isinstance(gateway, Gateway) else _address(gateway),
            domain=_check.optional_text("domain", domain, ConfigError),
            local_media=_check.media("local_media", local_media, ConfigError),
            remote_media=_check.media("remote_media", remote_media, ConfigError),
            pcm_rate=self.pcm_rate,
            ice_servers=native_servers(ice_servers),
            relay_only=_check.flag("relay_only", relay_only),
            ipv4=_check.flag("ipv4", ipv4),
            ipv6=_check.flag("ipv6", ipv6),
            loopback=_check.flag("loopback", loopback),
            ports=None if ports is None else _ports(ports),
            gather_ms=_check.optional_whole("gather_ms", gather_ms, 0, _check.U32, ConfigError),
            connect_ms=_check.optional_whole("connect_ms", connect_ms, 0, _check.U32, ConfigError),
            event_channel=_event_channel(event_channel),
            audio_codecs=_codecs("audio_codecs", audio_codecs, _native.AudioCodec),
            video_codecs=_codecs("video_codecs", video_codecs, _native.VideoCodec),
            opus_complexity=_check.optional_whole("opus_complexity", opus_complexity, 0, _check.U8, ConfigError),
            root_certificates=_check.texts("root_certificates", root_certificates, ConfigError),
        )
        self._hub = Hub()
        with translated():
            self._native = _native.Phone(config, Listener(self._hub))
        self._hub.make_call = self._make_call
        # A phone that nobody holds any more must not go on calling into Python. What is left at exit is `_process`'s.
        self._finalizer = weakref.finalize(self, _process.shut_down, self._native)
        self._finalizer.atexit = False

    def _make_call(self, handle: int) -> Call:
        return Call(self, self._native.call(handle))

    # ---- events ----------------------------------------------------------------------------------------------------

    def _names(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset([self._name(f"names[{n}]", name) for n, name in enumerate(names)])

    def _name(self, argument: str, name: object) -> str:
        given = _check.text(argument, name)
        with translated():
            self._native.check_event_name(given)
        return given

    def events(self, *names: str) -> Events:
        """The events from now on, or those of these names, as an asynchronous iterator that ends after `phone:closed`.
        Make it before `login` to miss nothing. Must be called on the phone's event loop.

        Raises `PhoneError` 4901 for an empty name, 4902 for an unknown one.
        """
        self._hub.bind()
        stream = Events(self, self._names(names), self._hub.ended)
        self._hub.add_stream(stream)
        return stream

    async def wait_for(self, *names: str, timeout: float | None = None) -> Event:
        """The next event of one of these names, from now on; `timeout` is in seconds.

        Raises `TimeoutError`; `ClosedError` when the phone closes; `PhoneError` 4901, 4902.
        """
        patience = _check.optional_seconds("timeout", timeout)
        events = self.events(*names)
        async with deadline(patience):
            async for event in events:
                return event
        raise ClosedError("the phone is closed")

    def on(self, name: str, handler: Handler) -> Subscription:
        """Calls `handler` with every event of this name, on the phone's event loop, one at a time and in order. It may
        be a function or return something to await (`async def`); the next event of this handler waits until that is
        done. An exception goes to the loop's exception handler.

        Raises `PhoneError` 4901 for an empty name, 4902 for an unknown one.
        """
        _process.check()
        return self._subscribe(self._name("name", name), handler)

    def on_any(self, handler: Handler) -> Subscription:
        """Calls `handler` with every event, as `on` does with those of one name."""
        _process.check()
        return self._subscribe(None, handler)

    def _subscribe(self, name: str | None, handler: Handler) -> Subscription:
        _check.handler("handler", handler)
        subscription = Subscription(self._hub, name, handler)
        self._hub.add(subscription)
        return subscription

    @property
    def missed(self) -> int:
        """How many events were lost because the event loop did not turn for so long (65536 wait)."""
        return self._hub.missed

    # ---- commands --------------------------------------------------------------------------------------------------

    async def login(
        self, token: str | DevToken, *, user_id: str | None = None, e911_id: str | None = None, tag: str | None = None
    ) -> None:
        """Logs in. Completes at `session:ready`. user_id: bind the token to this user before. e911_id: emergency
        address, needed by numbers, forbidden for account ids.

        Raises `PhoneError` 2002 without a token, 2003 while logged in, 1541 and other codes of the gateway, 0002
        without an answer.
        """
        self._hub.bind()
        if not isinstance(token, (str, DevToken)):
            raise _check.wrong("token", "str or DevToken", token)
        options = _native.LoginOptions(
            token=_check.text("token", token.access_token if isinstance(token, DevToken) else token),
            user_id=_check.optional_text("user_id", user_id),
            e911_id=_check.optional_text("e911_id", e911_id),
        )
        await answer(self._native.login(options, _tag(tag)))

    async def logout(self, *, tag: str | None = None) -> None:
        """Ends all calls and the session. Completes at `session:disconnected`.

        Raises `PhoneError` 2101 while not logged in.
        """
        self._hub.bind()
        await answer(self._native.logout(_tag(tag)))

    async def dial(
        self,
        destination: str,
        *,
        media_type: str | None = None,
        local_media: Media | None = None,
        remote_media: Media | None = None,
        tag: str | None = None,
    ) -> Call:
        """Dials a name, `user@domain` or number. Completes when the call exists, before it is answered: see
        `Call.connected`. `local_media` and `remote_media` are also those of later calls that name none: media that is
        not named is that of the call before, at first the phone's.

        Raises `PhoneError` 2211 to 2213 for the destination, 2221 to 2232 for the media, 2241 while not logged in, 2251
        and 2252 while there is another call.
        """
        self._hub.bind()
        options = _native.DialOptions(
            destination=_check.text("destination", destination),
            media_type=_check.optional_text("media_type", media_type),
            local_media=_check.optional_media("local_media", local_media),
            remote_media=_check.optional_media("remote_media", remote_media),
        )
        call = await answer(self._native.dial(options, _tag(tag)))
        return self._hub.call(call.handle())

    async def answer(
        self,
        *,
        local_media: Media | None = None,
        remote_media: Media | None = None,
        media_type: str | None = None,
        action: str | None = None,
        tag: str | None = None,
    ) -> Call:
        """Answers the incoming call and gives it. Completes at `call:connected`. local_media, remote_media: as of
        `dial`, also those of later calls that name none. media_type: `audio` answers a video call with audio only, which
        may be upgraded later. action: what to do with the call in the foreground, `end` or `hold`.

        Raises `PhoneError` 2311 and 2312 for the media, 2321 while not logged in, 2331 while nothing rings, 2341 while
        there is another call and no action, 2300 for a media_type that cannot be; `NotFoundError` when it ended
        meanwhile.
        """
        self._hub.bind()
        options = _native.AnswerOptions(
            local_media=_check.optional_media("local_media", local_media),
            remote_media=_check.optional_media("remote_media", remote_media),
            media_type=_check.optional_text("media_type", media_type),
            action=_check.optional_text("action", action),
        )
        call = await answer(self._native.answer(options, _tag(tag)))
        return self._hub.call(call.handle())

    async def reject(self, *, tag: str | None = None) -> None:
        """Refuses the incoming call. Completes at `call:rejected`.

        Raises `PhoneError` 3001 while not logged in, 3002 while nothing rings.
        """
        self._hub.bind()
        await answer(self._native.reject(_tag(tag)))

    async def cancel(self, *, tag: str | None = None) -> None:
        """Withdraws the outgoing call before it is answered. Completes at `call:canceled`.

        Raises `PhoneError` 2901 while not logged in, 2902 while nothing is being dialled.
        """
        self._hub.bind()
        await answer(self._native.cancel(_tag(tag)))

    async def hangup(self, *, tag: str | None = None) -> None:
        """Ends the call in the foreground. Completes at `call:disconnected`.

        Raises `PhoneError` 2401 while not logged in, 2402 without a call.
        """
        self._hub.bind()
        await answer(self._native.hangup(_tag(tag)))

    async def mute(self, *, tag: str | None = None) -> None:
        """Sends silence in the call in the foreground.

        Raises `PhoneError` 2701 while not logged in, 2702 without a call.
        """
        self._hub.bind()
        await answer(self._native.mute(_tag(tag)))

    async def unmute(self, *, tag: str | None = None) -> None:
        """Sends the source in the call in the foreground again.

        Raises `PhoneError` 2801 while not logged in, 2802 without a call.
        """
        self._hub.bind()
        await answer(self._native.unmute(_tag(tag)))

    async def send_dtmf_tone(self, tones: str, *, gap_ms: int | None = None, tag: str | None = None) -> None:
        """Presses keys in the call in the foreground: `0-9`, `A-D`, `*`, `#`, and `,` for a pause of two seconds, behind those
        that are still to be sent. `gap_ms` is the pause between two, from 50 to 6000, by default 70. Each key is told by
        `dtmf:tone-sending` and `dtmf:tone-sent`. Completes when the last one was sent.

        Raises `PhoneError` 4712 for an empty text or another character, 4721 while not logged in, 4731 without a call, 4741
        while it is not connected, 0000 when the other side takes no keys, 4700 when the call ends first or too many wait.
        """
        self._hub.bind()
        keys, between = _check.text("tones", tones), _check.optional_whole("gap_ms", gap_ms, 0, _check.U32)
        await answer(self._native.send_dtmf_tone(keys, between, _tag(tag)))

    # ---- conferences ------------------------------------------------------------------------------------------------

    async def start_conference(
        self,
        *,
        media_type: str | None = None,
        local_media: Media | None = None,
        remote_media: Media | None = None,
        tag: str | None = None,
    ) -> Call:
        """Starts a conference with this phone as its host and nobody else in it; a call in the foreground is held for it.
        Completes at `conference:connected`. Arguments as of `dial`, also in that the media is that of later calls that
        name none.

        Raises `PhoneError` 3111 to 3122 for the media, 3131 while not logged in, 3961 with two calls, 3100 while something is
        being set up or the call in the foreground cannot be held, 0020 when there is no source or sink.
        """
        self._hub.bind()
        options = _native.ConferenceOptions(
            media_type=_check.optional_text("media_type", media_type),
            local_media=_check.optional_media("local_media", local_media),
            remote_media=_check.optional_media("remote_media", remote_media),
        )
        conference = await answer(self._native.start_conference(options, _tag(tag)))
        return self._hub.call(conference.handle())

    async def join_conference(
        self,
        *,
        local_media: Media | None = None,
        remote_media: Media | None = None,
        action: str | None = None,
        tag: str | None = None,
    ) -> Call:
        """Joins the conference that this phone is invited to (event `conference:invitation-received`) and gives it. Completes
        at `conference:connected`. action: what to do with the call or conference in the foreground, `end` or `hold`.

        Raises `PhoneError` 3211 and 3212 for the media, 3221 while not logged in, 3231 without an invitation, 3241 while
        there is a call and no action, 3200 when it fails on the way; `NotFoundError` when it ended meanwhile.
        """
        self._hub.bind()
        options = _native.JoinOptions(
            local_media=_check.optional_media("local_media", local_media),
            remote_media=_check.optional_media("remote_media", remote_media),
            action=_check.optional_text("action", action),
        )
        conference = await answer(self._native.join_conference(options, _tag(tag)))
        return self._hub.call(conference.handle())

    async def reject_conference(self, *, tag: str | None = None) -> None:
        """Declines the invitation to a conference. Completes at `conference:invitation-rejected`.

        Raises `PhoneError` 3301 while not logged in, 3302 without an invitation.
        """
        self._hub.bind()
        await answer(self._native.reject_conference(_tag(tag)))

    async def end_conference(self, *, tag: str | None = None) -> None:
        """Leaves the conference in the foreground; one of this phone ends for everybody. Completes at `conference:ended`.

        Raises `PhoneError` 3501 while not logged in, 3502 without a conference in the foreground.
        """
        self._hub.bind()
        await answer(self._native.end_conference(_tag(tag)))

    async def add_participant(self, participant: str, *, tag: str | None = None) -> None:
        """Invites a party to the conference of this phone in the foreground. Completes at `conference:invitation-sent`;
        whether the party comes is told by `conference:invitation-accepted`, `conference:invitation-rejected` or a
        `notification`.

        Raises `PhoneError` 3611 to 3613 for the text, 3621 while not logged in, 3631 without a conference of this phone, 3641
        when the party is in it, 3600 when the gateway takes no invitation.
        """
        self._hub.bind()
        await answer(self._native.add_participant(_check.text("participant", participant), _tag(tag)))

    async def remove_participant(self, participant: str, *, tag: str | None = None) -> None:
        """Takes a party out of the conference of this phone in the foreground. Completes at `conference:participant-removed`,
        also when the party is not on its list.

        Raises `PhoneError` 3711 for an empty text, 3721 while not logged in, 3731 without a conference of this phone, 3700
        when the text names nobody or the gateway refuses.
        """
        self._hub.bind()
        await answer(self._native.remove_participant(_check.text("participant", participant), _tag(tag)))

    async def get_participants(self) -> list[Participant]:
        """Who is in the conference of this phone in the foreground, in the order of their names.

        Raises `PhoneError` 3401 while not logged in, 3402 without a conference of this phone.
        """
        self._hub.bind()
        entries = await answer(self._native.get_participants())
        return [Participant(entry.participant, entry.status) for entry in entries]

    # ---- calls that are established ----------------------------------------------------------------------------------

    async def hold(self, *, tag: str | None = None) -> None:
        """Puts the call in the foreground on hold: neither side hears the other. Completes at `call:held`, which the other
        side gets too.

        Raises `PhoneError` 2501 while not logged in, 2502 without a call, 2503 while it is not connected; 2500 when it fails
        on the way.
        """
        await self.perform("hold", tag=tag)

    async def resume(self, *, tag: str | None = None) -> None:
        """Goes on with the call in the foreground that this phone holds. Completes at `call:resumed`.

        Raises `PhoneError` 2601 while not logged in, 2602 without a call, 2603 while it is not held; 2600 when it fails on
        the way.
        """
        await self.perform("resume", tag=tag)

    async def add_call(
        self,
        destination: str,
        *,
        media_type: str | None = None,
        local_media: Media | None = None,
        remote_media: Media | None = None,
        tag: str | None = None,
    ) -> Call:
        """Holds the call in the foreground and dials another party. Completes when the new call exists; it rings when the
        first one is held. Arguments as of `dial`, also in that the media is that of later calls that name none.

        Raises `PhoneError` with the codes of addCall (39xx).
        """
        options = {
            "destination": _check.text("destination", destination),
            "mediaType": _check.optional_text("media_type", media_type),
            "localMedia": _check.optional_media("local_media", local_media),
            "remoteMedia": _check.optional_media("remote_media", remote_media),
        }
        made = await self.invoke("addCall", {k: v for k, v in options.items() if v is not None}, tag=tag)
        return self._hub.call(made["call"])

    async def switch_call(self, *, tag: str | None = None) -> None:
        """Holds the call in the foreground and goes on with the other one. Completes at `session:call-switched`.

        Raises `PhoneError` with the codes of switchCall.
        """
        await self.perform("switchCall", tag=tag)

    async def transfer(self, *, tag: str | None = None) -> None:
        """Connects the party in the foreground with the one in the background and leaves. Completes at `call:transferred`,
        after which both calls end here.

        Raises `PhoneError` with the codes of transfer; then both calls go on.
        """
        await self.perform("transfer", tag=tag)

    async def move(self, *, tag: str | None = None) -> None:
        """Moves the call in the foreground to another session of the same user, where it rings. Completes at `call:moved`,
        after which it ends here; when nobody takes it, it goes on here.

        Raises `PhoneError` with the codes of move.
        """
        await self.perform("move", tag=tag)

    async def upgrade(self, *, tag: str | None = None) -> None:
        """Asks the other side to make the audio call in the foreground a video call. Completes when it has answered, also
        when it does not want to: then this side's video is sent all the same, and its own does not come.

        Raises `PhoneError` 4601 while not logged in, 4602 without a call, 4603 while it is not connected or is changing,
        4604 when it is a video call already; 0020 when its local_media names no source of video; 4600 when it fails on
        the way.
        """
        self._hub.bind()
        await answer(self._native.upgrade(_tag(tag)))

    async def downgrade(self, *, tag: str | None = None) -> None:
        """Stops sending video in the call in the foreground, and asks the other side to do the same. Completes when it has
        answered; when it does not want to, its video goes on coming.

        Raises `PhoneError` 4501 while not logged in, 4502 without a call, 4503 while it is not connected or is changing,
        4504 when it is an audio call already; 4500 when it fails on the way.
        """
        self._hub.bind()
        await answer(self._native.downgrade(_tag(tag)))

    async def accept_modification(self, *, tag: str | None = None) -> None:
        """Agrees to the upgrade or downgrade that the other side has asked for (event `call:media-modification`). Completes
        when the change is made; both sides have the same media then.

        Raises `PhoneError` 4301 while not logged in, 4302 without a call, 4304 when nothing was asked for, 4303 in a wrong
        state; 0020 for an upgrade of a call whose local_media names no source of video, and the request goes on waiting;
        4300 when it fails on the way.
        """
        self._hub.bind()
        await answer(self._native.accept_modification(_tag(tag)))

    async def reject_modification(self, *, tag: str | None = None) -> None:
        """Does not follow the upgrade or downgrade that the other side has asked for: this side keeps its media, the other
        side changes its own. Completes when that is made.

        Raises `PhoneError` as `accept_modification`, with the codes of rejectModification (44xx), and never 0020.
        """
        self._hub.bind()
        await answer(self._native.reject_modification(_tag(tag)))

    async def associate_e911_id(self, e911_id: str, *, tag: str | None = None) -> None:
        """Changes the emergency address of the session. Completes at `address-updated`.

        Raises `PhoneError` 2052 for an empty id, 2053 while not logged in, 1019 when the gateway does not know it.
        """
        await self.perform("associateE911Id", {"e911Id": _check.text("e911_id", e911_id)}, tag=tag)

    async def get_calls(self) -> list[CallInfo]:
        """The established calls and conferences, in order of establishment. Raises `ClosedError`."""
        entries = await self.invoke("getCalls")
        return [
            CallInfo(
                e["index"],
                e["state"],
                e["breed"],
                e["type"],
                e.get("peer", ""),
                e.get("foreground", False),
                tuple(Participant(p["participant"], p["status"]) for p in e.get("participants", ())),
            )
            for e in entries
        ]

    async def get_media_type(self) -> str | None:
        """Media type of the call in the foreground; `None` without one. Raises `ClosedError`."""
        value = await self.invoke("getMediaType")
        return value if isinstance(value, str) else None

    async def is_call_in_progress(self) -> bool:
        """Whether there is an established call in the foreground. Raises `ClosedError`."""
        return await self.invoke("isCallInProgress") is True

    async def get_version(self) -> str:
        """Version of the library. Raises `ClosedError`."""
        return str(await self.invoke("getVersion"))

    async def invoke(
        self,
        method: str,
        options: Mapping[str, Any] | None = None,
        *,
        call: Call | None = None,
        tag: str | None = None,
    ) -> Any:
        """Gives any Phone method by its documented name, with its options by theirs, and waits until it is accepted,
        not until it finishes. With `call`, on that call. Gives its value: that of a getter, `{"call": handle}` of
        `dial`, `{"conference": handle}` of `startConference`, else `None`.

        Raises `UnknownMethodError`, `PhoneError` with the code, `CallEndedError`, `NotFoundError`, `BusyError`, `ClosedError`.
        """
        self._hub.bind()
        return json.loads(await about(call, self._native.invoke(*_command(method, options, call, tag))))

    async def perform(
        self,
        method: str,
        options: Mapping[str, Any] | None = None,
        *,
        call: Call | None = None,
        tag: str | None = None,
    ) -> Any:
        """As `invoke`, and waits until the command has finished.

        Raises as `invoke`, and what the command failed of on the way.
        """
        self._hub.bind()
        return json.loads(await about(call, self._native.perform(*_command(method, options, call, tag))))

    def call(self, handle: int) -> Call:
        """The call with this handle. It is not checked whether it lives."""
        _process.check()
        return self._hub.call(_check.whole("handle", handle, 0, _check.U64), known=False)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def begin_close(self) -> None:
        """Begins to close the phone and never waits: calls end, the session is given back, `phone:closed` is the last
        event."""
        _process.check()
        self._native.begin_close()

    async def close(self, timeout: float = 10.0) -> None:
        """Closes the phone and waits, `timeout` seconds at most, for its last event and for the handlers (except the
        one that calls this; those that are late are cancelled). Afterwards nothing is called any more, recordings are
        complete, and every method raises `ClosedError`. Closing twice does nothing more.
        """
        loop = self._hub.bind()
        until = loop.time() + _check.seconds("timeout", timeout)
        if not self._finalizer.alive:
            return
        try:
            self._native.begin_close()
            try:
                async with timeout_at(until):
                    await answer(self._native.closed())
            except TimeoutError:
                _log.warning("a phone was not closed within %s s", timeout)
            await self._hub.finish(max(0.1, until - loop.time()))
        finally:
            self._finalizer()
            # Where the time was over before `phone:closed`, or whoever closes was cancelled.
            self._hub.end()

    async def __aenter__(self) -> Phone:
        self._hub.bind()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _process.to_be_ended(error):
            await self.close()
