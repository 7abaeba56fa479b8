"""What calls are set up with, the network, and the report of what works here."""

from __future__ import annotations

from typing import Any

import ewebrtc
import pytest

from .support import PATIENCE, logged_in, soon, until


def codec(event: ewebrtc.Event) -> str:
    """The first codec of an event."""
    return str(event.data["codec"][0]["rtp"][0]["codec"])


async def test_what_cannot_be_a_setting_is_refused_and_changes_nothing(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway, ipv4=False) as phone:
        events = phone.events("error")
        refused: list[tuple[str, Any]] = [
            ("4811", lambda: phone.set_ice_servers([])),
            ("4811", lambda: phone.set_ice_servers([ewebrtc.IceServer([])])),
            ("4811", lambda: phone.set_ice_servers([ewebrtc.IceServer(["http://secret"])])),
            ("4821", lambda: phone.set_ice_transport("some")),  # type: ignore[arg-type]
            ("4821", lambda: phone.set_ice_transport("")),  # type: ignore[arg-type]
            ("4831", lambda: phone.set_ipv6(False)),
        ]
        for code, step in refused:
            with pytest.raises(ewebrtc.PhoneError) as caught:
                step()
            assert caught.value.error_code == code and "secret" not in str(caught.value)
            assert (await until(events, "error")).get("ErrorCode") == code
        with pytest.raises(ewebrtc.ConfigError, match="PCMU"):
            phone.set_audio_codec("G729")
        with pytest.raises(TypeError, match=r"^ice_servers\[0\]"):
            phone.set_ice_servers(["stun:192.0.2.1"])  # type: ignore[list-item]
        assert phone.get_ice_servers() == [] and phone.get_ice_transport() == "all"
        assert phone.get_ipv6() is True and phone.get_audio_codec() is None


async def test_settings_are_read_set_and_reset(gateway: ewebrtc.Gateway) -> None:
    first = ewebrtc.IceServer(["turn:192.0.2.7"], "user", "secret")
    async with ewebrtc.Phone(gateway, ice_servers=[first], relay_only=True, ipv6=False) as phone:
        assert phone.get_ice_servers() == [first] and "secret" not in repr(phone.get_ice_servers())
        assert (phone.get_ice_transport(), phone.get_ipv6()) == ("relay", False)
        second = ewebrtc.IceServer(["stun:[2001:db8::1]:3478", "turns:192.0.2.8"])
        phone.set_ice_servers([second])
        phone.set_ice_transport("none")
        phone.set_ipv6(True)
        phone.set_audio_codec("OPUS")
        assert phone.get_ice_servers() == [second]
        assert (phone.get_ice_transport(), phone.get_ipv6(), phone.get_audio_codec()) == ("none", True, "OPUS")
        assert await phone.perform("getIceServers") == [{"urls": list(second.urls)}]
        assert await phone.perform("setIceTransport", {"iceTransport": "all"}, tag="t") is None
        assert phone.get_ice_transport() == "all"
        phone.reset_ice_servers()
        phone.reset_ice_transport()
        phone.reset_ipv6()
        phone.reset_audio_codec()
        assert phone.get_ice_servers() == [first] and phone.get_audio_codec() is None
        assert (phone.get_ice_transport(), phone.get_ipv6()) == ("relay", False)
        assert ewebrtc.Phone.get_supported_audio_codecs() == ["opus", "PCMU", "PCMA"]


async def test_settings_are_those_of_calls_made_afterwards(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        events = phone.events("call:connected")
        first = await soon(phone.dial("echo"))
        assert codec(await until(events, "call:connected")) == "opus"
        phone.set_audio_codec("pcmu")
        await soon(first.hangup())
        second = await soon(phone.dial("echo"))
        assert codec(await until(events, "call:connected")) == "PCMU"
        await soon(second.hangup())
        phone.set_ice_transport("none")
        third = await soon(phone.dial("echo"))
        with pytest.raises(ewebrtc.CallEndedError) as caught:
            await third.connected(PATIENCE)
        assert caught.value.error is not None and "no path" in str(caught.value)
        phone.reset_ice_transport()
        fourth = await soon(phone.dial("echo"))
        await fourth.connected(PATIENCE)


async def test_online_is_what_the_system_says_or_the_program(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        events = phone.events("connectivity:on", "connectivity:off")
        assert phone.is_online(), "a gateway on loopback needs no network"
        phone.set_connectivity(False)
        assert not phone.is_online()
        assert set((await until(events, "connectivity:off")).data) == {"event", "seq", "timestamp"}
        with pytest.raises(ewebrtc.PhoneError, match="^0002"):
            await soon(phone.dial("echo"))
        assert await phone.perform("isOnline") is False
        phone.follow_network()
        await until(events, "connectivity:on")
        assert phone.is_online()
        await (await soon(phone.dial("echo"))).connected(PATIENCE)


def test_the_report_says_what_works_here() -> None:
    report = ewebrtc.capabilities()
    assert report.version == ewebrtc.__version__ and report.support in ("Supported", "Not Certified")
    assert report.audio_codecs == ["opus", "PCMU", "PCMA"] and "gateway" in report.features
    assert {"silence", "tone", "wav", "pcm"} <= set(report.sources) and {"discard", "wav", "pcm"} <= set(report.sinks)
    assert report.network_connected == ewebrtc.is_network_connected()
    assert isinstance(report.ipv4, bool) and isinstance(report.ipv6, bool)
