"""What is of the wrong type or size is refused by its name, everywhere, and nothing else is raised for it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import ewebrtc
import pytest

from .support import PATIENCE, logged_in, soon

#: Nobody is there: what reaches the network fails at once.
NOWHERE = "http://127.0.0.1:9"


class Index:
    """A whole number, as those of arrays are."""

    def __index__(self) -> int:
        return 16_000


class BytesPath:
    """A path of bytes."""

    def __fspath__(self) -> bytes:
        return b"x.wav"


class Endless:
    """An object that no JSON can hold."""


#: Values of every kind.
VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 2**31, 2**63, 2**64, -(2**70), 10**400, 5, 5j),
    *("", "x\0y", "\ud800", "é☎", "a" * 100_000),
    *(b"x", bytearray(b"x"), memoryview(b"abc"), BytesPath()),
    *([], {}, (), [1, "a"], {"a": 1}, [None], [[]], [b"x"], {1}, object(), print, int, Endless()),
]


async def refused_or_not(argument: str, step: Callable[[], Any]) -> None:
    """The step works, or it is refused in one of the ways that it may be."""
    try:
        result = step()
        if asyncio.iscoroutine(result):
            await asyncio.wait_for(result, 2)
    except ewebrtc.ArgumentError as error:
        assert re.search(rf"\b{argument}\b", str(error)), error
    except (ewebrtc.Error, TimeoutError, asyncio.TimeoutError):
        pass
    except TypeError as error:
        assert str(error).startswith(argument), error


SETTINGS = (
    "domain local_media remote_media pcm_rate ice_servers relay_only ipv4 ipv6 loopback ports gather_ms connect_ms "
    "event_channel audio_codecs video_codecs opus_complexity root_certificates"
).split()


@pytest.mark.parametrize("name", SETTINGS)
async def test_settings_of_a_phone(name: str) -> None:
    def step() -> None:
        ewebrtc.Phone(NOWHERE, **{name: value}).begin_close()

    for value in VALUES:
        await refused_or_not(name, step)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"relay_only": None}, TypeError),
        ({"ipv4": ""}, TypeError),
        ({"ipv6": 1.5}, TypeError),
        ({"loopback": 1}, TypeError),
        ({"ports": []}, TypeError),
        ({"ports": {}}, TypeError),
        ({"ports": (1, 2, 3)}, TypeError),
        ({"ports": (1, 65_536)}, ewebrtc.ConfigError),
        ({"ice_servers": "turn:example.org"}, TypeError),
        ({"ice_servers": ["turn:example.org"]}, TypeError),
        ({"event_channel": 1}, TypeError),
        ({"event_channel": "post"}, ewebrtc.ConfigError),
        ({"audio_codecs": b"x"}, TypeError),
        ({"audio_codecs": "opus"}, TypeError),
        ({"audio_codecs": [1]}, TypeError),
        ({"video_codecs": "vp8"}, TypeError),
        ({"video_codecs": ["av1"]}, ewebrtc.ConfigError),
        ({"video_codecs": []}, ewebrtc.ConfigError),
        ({"root_certificates": "text"}, TypeError),
        ({"pcm_rate": -1}, ewebrtc.ConfigError),
        ({"pcm_rate": None}, TypeError),
        ({"opus_complexity": 2**70}, ewebrtc.ConfigError),
        ({"local_media": "\ud800"}, ewebrtc.ConfigError),
        ({"local_media": BytesPath()}, TypeError),
        ({"domain": "a\0b"}, ewebrtc.ConfigError),
        ({"domain": "a\nb"}, ewebrtc.ConfigError),
        ({"domain": "a" * 254}, ewebrtc.ConfigError),
    ],
)
def test_a_setting_is_named(settings: dict[str, Any], kind: type[Exception]) -> None:
    (name,) = settings
    with pytest.raises(kind, match=f"^{name}"):
        ewebrtc.Phone(NOWHERE, **settings)


def test_ice_servers_are_checked_where_they_are_made() -> None:
    made: Any = ewebrtc.IceServer
    for arguments, name in (
        (("turn:example.org",), "urls"),
        (([5],), "urls"),
        ((["turn:h"], None), "username"),
        ((["turn:h"], "", 5), "credential"),
    ):
        with pytest.raises(TypeError, match=f"^{name}"):
            made(*arguments)


@pytest.mark.parametrize(
    "listen", ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "::1:80", "x\0y", "\ud800"]
)
def test_a_gateway_cannot_listen_there(listen: str) -> None:
    with pytest.raises(ewebrtc.ConfigError, match="listen"):
        ewebrtc.Gateway(listen)


@pytest.mark.parametrize("domain", ["", "x\0y", "a b", "a\n", "é", "\ud800", "a" * 254])
def test_a_gateway_cannot_have_this_domain(domain: str) -> None:
    with pytest.raises(ewebrtc.ConfigError, match="domain"):
        ewebrtc.Gateway(domain=domain)


def test_addresses_that_a_gateway_can_have() -> None:
    with ewebrtc.Gateway("127.0.0.1:0", domain="a" * 253) as gateway:
        assert gateway.url.startswith("http://127.0.0.1:")
    with pytest.raises(ewebrtc.SystemRefusedError):
        ewebrtc.Gateway("192.0.2.1:80")  # an address of somebody else
    if os.path.exists("/proc/net/if_inet6"):
        try:
            ewebrtc.Gateway("[::1]:0").stop()
        except ewebrtc.SystemRefusedError:
            pass  # there is no IPv6


async def test_gateways_and_tokens(gateway: ewebrtc.Gateway) -> None:
    made: Any = ewebrtc.Gateway
    token: Any = ewebrtc.dev_token
    user: Any = gateway.dev_token
    for value in VALUES:
        await refused_or_not("gateway", lambda: ewebrtc.Phone(value).begin_close())
        await refused_or_not("listen", lambda: made(listen=value).stop())
        await refused_or_not("domain", lambda: made(domain=value).stop())
        await refused_or_not("user", lambda: user(value))
        await refused_or_not("gateway", lambda: token(value, "alice"))
        await refused_or_not("user", lambda: token(gateway.url, value))
        await refused_or_not("root_certificates", lambda: token(gateway.url, "alice", root_certificates=value))


async def test_methods_of_a_phone(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as made:
        # Not logged in, so that nothing that is accepted leads to a call.
        phone: Any = made
        steps: list[tuple[str, Callable[[Any], Any]]] = [
            ("token", lambda v: phone.login(v) if v != 5 and not isinstance(v, str) else None),
            ("user_id", lambda v: phone.login("", user_id=v)),
            ("e911_id", lambda v: phone.login("", e911_id=v)),
            ("destination", lambda v: phone.dial(v)),
            ("media_type", lambda v: phone.dial("echo", media_type=v)),
            ("local_media", lambda v: phone.dial("echo", local_media=v)),
            ("remote_media", lambda v: phone.dial("echo", remote_media=v)),
            ("destination", lambda v: phone.add_call(v)),
            ("media_type", lambda v: phone.add_call("echo", media_type=v)),
            ("local_media", lambda v: phone.add_call("echo", local_media=v)),
            ("remote_media", lambda v: phone.add_call("echo", remote_media=v)),
            ("local_media", lambda v: phone.answer(local_media=v)),
            ("remote_media", lambda v: phone.answer(remote_media=v)),
            ("action", lambda v: phone.answer(action=v)),
            ("media_type", lambda v: phone.start_conference(media_type=v)),
            ("local_media", lambda v: phone.start_conference(local_media=v)),
            ("remote_media", lambda v: phone.start_conference(remote_media=v)),
            ("local_media", lambda v: phone.join_conference(local_media=v)),
            ("remote_media", lambda v: phone.join_conference(remote_media=v)),
            ("action", lambda v: phone.join_conference(action=v)),
            ("participant", lambda v: phone.add_participant(v)),
            ("participant", lambda v: phone.remove_participant(v)),
            ("e911_id", lambda v: phone.associate_e911_id(v)),
            ("method", lambda v: phone.invoke(v)),
            ("options", lambda v: phone.invoke("getCalls", v)),
            ("options", lambda v: phone.perform("dial", {"destination": v})),
            ("call", lambda v: phone.invoke("getCalls", call=v)),
            ("call", lambda v: phone.perform("getCalls", call=v)),
            ("handle", lambda v: phone.call(v).state),
            ("name", lambda v: phone.on(v, print)),
            ("handler", lambda v: phone.on("call:held", v if v is not print else None)),
            ("handler", lambda v: phone.on_any(v if v is not print else None)),
            ("names", lambda v: phone.events(v)),
            ("names", lambda v: phone.wait_for(v, timeout=0)),
            ("timeout", lambda v: asyncio.wait_for(phone.wait_for("call:held", timeout=v), 0.05)),
            ("online", lambda v: phone.set_connectivity(v)),
            ("tones", lambda v: phone.send_dtmf_tone(v)),
            ("gap_ms", lambda v: phone.send_dtmf_tone("1", gap_ms=v)),
            ("ice_servers", lambda v: phone.set_ice_servers(v)),
            ("ice_servers", lambda v: phone.set_ice_servers([v])),
            ("ice_transport", lambda v: phone.set_ice_transport(v)),
            ("ipv6", lambda v: phone.set_ipv6(v)),
            ("codec", lambda v: phone.set_audio_codec(v)),
        ]
        for method in ("login", "dial", "add_call", "associate_e911_id", "send_dtmf_tone", "invoke", "perform"):
            steps.append(("tag", lambda v, m=method: getattr(phone, m)("", tag=v)))  # type: ignore[misc]
        for method in "logout answer reject cancel hangup mute unmute hold resume switch_call transfer move".split():
            steps.append(("tag", lambda v, m=method: getattr(phone, m)(tag=v)))  # type: ignore[misc]
        for method in "start_conference join_conference reject_conference end_conference".split():
            steps.append(("tag", lambda v, m=method: getattr(phone, m)(tag=v)))  # type: ignore[misc]
        for method in ("add_participant", "remove_participant"):
            steps.append(("tag", lambda v, m=method: getattr(phone, m)("", tag=v)))  # type: ignore[misc]
        for argument, step in steps:
            for value in VALUES:
                await refused_or_not(argument, lambda: step(value))
        with pytest.raises(TypeError, match="^timeout"):
            await phone.close("soon")
        with pytest.raises(ewebrtc.ArgumentError, match="^timeout"):
            await phone.close(float("nan"))


async def test_a_call_that_is_none_is_not_taken_for_no_call(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        values: list[Any] = [0, 5, "", [], {}, False]
        for value in values:
            with pytest.raises(TypeError, match="^call must be Call"):
                await phone.invoke("getCalls", call=value)
        assert await soon(phone.invoke("getCalls", call=None)) == []


async def test_options_that_no_json_can_hold(gateway: ewebrtc.Gateway) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    async with ewebrtc.Phone(gateway) as phone:
        for options in (circle, {"destination": float("nan")}):
            with pytest.raises(ewebrtc.ArgumentError, match="^options"):
                await phone.invoke("dial", options)
        with pytest.raises(TypeError, match="^options"):
            await phone.invoke("dial", {"destination": Endless()})


async def test_methods_of_a_call(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice", local_media="pcm", remote_media="pcm", pcm_rate=Index()) as phone:
        assert phone.pcm_rate == 16_000
        made = await soon(phone.dial("echo"))
        await made.connected(PATIENCE)
        call: Any = made
        steps: list[tuple[str, Callable[[Any], Any]]] = [
            ("samples", lambda v: call.write(v)),
            ("samples", lambda v: call.send(v)),
            ("most", lambda v: call.read(v)),
            ("size", lambda v: asyncio.wait_for(call.receive(v), 0.05)),
            ("ms", lambda v: asyncio.wait_for(anext(call.listen(v)), 0.05)),
            ("timeout", lambda v: call.connected(v)),
            ("timeout", lambda v: asyncio.wait_for(call.ended(v), 0.05)),
            ("tones", lambda v: call.send_dtmf_tone(v)),
            ("gap_ms", lambda v: call.send_dtmf_tone("!", gap_ms=v)),
            ("tag", lambda v: call.send_dtmf_tone("!", tag=v)),
            ("tag", lambda v: call.mute(tag=v)),
            ("tag", lambda v: call.unmute(tag=v)),
            ("tag", lambda v: call.hangup(tag=v) if not isinstance(v, (str, type(None))) else None),
        ]
        for argument, step in steps:
            for value in VALUES:
                await refused_or_not(argument, lambda: step(value))
        await call.connected(Fraction(1, 2))
        assert made.state == "connected"


def test_data_of_errors() -> None:
    made: Any = ewebrtc.PhoneError
    fields: Any = ewebrtc.ErrorFields
    with pytest.raises(TypeError, match="^error_fields"):
        made("2241")
    with pytest.raises(TypeError, match="^data"):
        fields.from_dict("2241")


async def test_names_of_properties(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        events = phone.events("error")
        with pytest.raises(ewebrtc.PhoneError):
            await soon(phone.hangup())
        event: Any = await soon(anext(events))
        for read in (event.get, event.text):
            with pytest.raises(TypeError, match="^name"):
                read([])
        assert event.text("ErrorCode") == "2401" and event.get("nothing", 5) == 5


def test_a_path_is_a_wav_file() -> None:
    ewebrtc.Phone(NOWHERE, local_media=Path("a.wav"), remote_media=Path("b.wav")).begin_close()
