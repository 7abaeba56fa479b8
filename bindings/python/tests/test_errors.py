"""Errors: every field, every kind, every wrong order."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import ewebrtc
import pytest
from ewebrtc import _errors, _native

from .support import PATIENCE, logged_in, soon, until


def refused(kind: str) -> Exception:
    """An exception of the generated module, with texts where it has fields."""
    made = getattr(_native.PhoneError, kind)
    names = list(inspect.signature(made.__init__).parameters)[1:]
    error: Exception = made(*("text" for _ in names))
    return error


async def test_a_refused_dial_has_all_fields(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        events = phone.events("error")
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(phone.dial("bob", tag="early"))
        error = caught.value
        entry = ewebrtc.sdk_errors()["2241"]
        assert error.error_code == "2241"
        for name in ("js_object", "js_method", "error_message", "cause", "resolution"):
            assert getattr(error, name) == getattr(entry, name) != ""
        assert error.api_error is None and error.http_status_code is None
        assert str(error).startswith("2241: ")
        event = await until(events, "error")
        assert event.tag == "early" and event.error is not None and event.error.fields == error.fields
        assert error.fields.to_dict() == {k: v for k, v in event.data.items() if k in error.fields.to_dict()}


async def test_an_error_of_the_gateway_has_its_fields(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(phone.login("no such token"))
        error = caught.value
        assert error.error_code in ewebrtc.api_errors()
        assert error.http_status_code == "401" and error.message_id and error.api_error
        assert error.resource_method is not None and error.resource_method.startswith("POST ")


async def test_a_gateway_that_is_not_there() -> None:
    with ewebrtc.Gateway() as gateway:
        token = await soon(gateway.dev_token("alice"))
    assert "access_token" not in repr(token) and token.access_token not in repr(token)
    with pytest.raises(ewebrtc.PhoneError) as caught:
        await soon(gateway.dev_token("alice"))
    assert (caught.value.error_code, caught.value.http_status_code) == ("0002", "0")
    async with ewebrtc.Phone(gateway) as phone:
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(phone.login(token))
        assert caught.value.error_code == "0002"


async def test_wrong_order(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        steps: list[tuple[Callable[[], Awaitable[object]], str]] = [
            (lambda: phone.login("token"), "2003"),
            (lambda: phone.answer(), "2331"),
            (lambda: phone.hangup(), "2402"),
            (lambda: phone.cancel(), "2902"),
            (lambda: phone.reject(), "3002"),
            (lambda: phone.mute(), "2702"),
            (lambda: phone.unmute(), "2802"),
            (lambda: phone.send_dtmf_tone("1"), "4731"),
            (lambda: phone.send_dtmf_tone(""), "4712"),
            (lambda: phone.send_dtmf_tone("12e"), "4712"),
            (lambda: phone.dial(""), "2211"),
            (lambda: phone.dial("bob", media_type="smell"), "2221"),
            (lambda: phone.dial("bob", local_media="tone:loud"), "2231"),
            (lambda: phone.dial("bob", remote_media="nowhere"), "2232"),
            (lambda: phone.associate_e911_id(""), "2052"),
        ]
        for step, code in steps:
            with pytest.raises(ewebrtc.PhoneError) as caught:
                await soon(step())
            assert caught.value.error_code == code
        await soon(phone.dial("echo"))
        with pytest.raises(ewebrtc.PhoneError) as caught:
            await soon(phone.dial("echo"))
        assert caught.value.error_code in ("2251", "2252")


async def test_wrong_types_and_names(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        with pytest.raises(TypeError):
            await phone.dial(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await phone.login(None)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            phone.on("error", 5)  # type: ignore[arg-type]
        with pytest.raises(ewebrtc.UnknownMethodError, match="levitate"):
            await soon(phone.invoke("levitate"))
        with pytest.raises(ewebrtc.ArgumentError):
            await soon(phone.invoke("dial", ["bob"]))  # type: ignore[arg-type]
        with pytest.raises(ewebrtc.NotFoundError):
            await phone.call(7).connected(PATIENCE)
        with pytest.raises(ewebrtc.NotFoundError):
            await phone.call(7).hangup()
        for name, code in (("", "4901"), ("call:exploded", "4902")):
            for subscribe in (lambda n: phone.on(n, print), phone.events):
                with pytest.raises(ewebrtc.PhoneError) as caught:
                    subscribe(name)
                assert caught.value.error_code == code


@pytest.mark.parametrize(
    "settings",
    [
        {"local_media": "noise"},
        {"remote_media": "tone:440"},
        {"pcm_rate": 1},
        {"audio_codecs": ["mp3"]},
        {"audio_codecs": []},
        {"opus_complexity": 11},
        {"root_certificates": ["no certificate"]},
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, object]) -> None:
    with pytest.raises(ewebrtc.ConfigError) as caught:
        ewebrtc.Phone("http://127.0.0.1:1", **settings)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError) and str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ports": (0, 0)}, "ports 0 to 0 are no UDP ports"),
        ({"ports": (9, 8)}, "ports 9 to 8 are no UDP ports"),
        ({"ipv4": False, "ipv6": False}, "neither IPv4 nor IPv6 addresses are allowed"),
        ({"ice_servers": [ewebrtc.IceServer([])]}, "ICE server 1 has no URL, or one that cannot be read"),
        ({"ice_servers": [ewebrtc.IceServer(["http:x"])]}, "ICE server 1 has no URL, or one that cannot be read"),
        ({"pcm_rate": 7_999}, "pcm_rate 7999 is not within 8000 to 48000"),
        ({"opus_complexity": 11}, "opus_complexity 11 is not within 0 to 10"),
        ({"domain": "a" * 254}, "domain cannot be used: it has more than 253 bytes, or control characters"),
    ],
)
def test_settings_are_refused_with_the_words_of_every_language(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ewebrtc.ConfigError) as caught:
        ewebrtc.Phone("http://127.0.0.1:1", **settings)
    assert str(caught.value) == text


def test_a_gateway_address_that_cannot_be_used() -> None:
    with pytest.raises(ewebrtc.ConfigError):
        ewebrtc.Phone("not an address")
    with ewebrtc.Gateway() as gateway, pytest.raises(ewebrtc.SystemRefusedError):
        ewebrtc.Gateway(gateway.url.removeprefix("http://"))


def test_every_kind_of_the_library_has_its_class() -> None:
    kinds = {name for name, kind in vars(_native.PhoneError).items() if inspect.isclass(kind)}
    assert kinds - {"Refused", "Callback"} == set(_errors._PLAIN)
    for kind in sorted(kinds - {"Refused"}):
        error = _errors.lifted(refused(kind))
        assert isinstance(error, ewebrtc.Error) and str(error), kind


def test_errors_travel() -> None:
    error = ewebrtc.PhoneError(ewebrtc.ErrorFields("0002", cause="why"))
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (other.error_code, other.cause, str(other)) == ("0002", "why", str(error))
    assert ewebrtc.ErrorFields.from_dict(error.fields.to_dict()) == error.fields
    assert ewebrtc.ErrorFields.from_dict({}) is None


def test_tables() -> None:
    sdk, api = ewebrtc.sdk_errors(), ewebrtc.api_errors()
    assert len(sdk) > 100 and len(api) > 20
    assert sdk["2211"].js_method == "dial" and sdk["2211"].message_id is None
    assert all(entry.message_id is not None for entry in api.values())


async def test_cancelling_who_waits_does_not_end_the_command(gateway: ewebrtc.Gateway) -> None:
    async with ewebrtc.Phone(gateway) as phone:
        ready = phone.events("session:ready")
        waiting = asyncio.create_task(phone.login(await soon(gateway.dev_token("alice"))))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(ready, "session:ready")
        assert isinstance(await soon(phone.dial("echo")), ewebrtc.Call)
        with pytest.raises(TimeoutError):
            await phone.wait_for("call:incoming", timeout=0.01)
