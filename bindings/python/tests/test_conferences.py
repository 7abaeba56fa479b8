"""Conferences: what a host and a participant do. In the last test the gateway is the real one, which mixes; in the others it is
a stand-in that lets the test say what the others do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import ewebrtc
import pytest

from .focus import focus
from .support import PATIENCE, heard, logged_in, soon, until

BOB = "sip:bob@example.com"


async def test_a_host_fills_its_conference_and_ends_it() -> None:
    async with focus() as gateway, ewebrtc.Phone(gateway.url, domain="example.com") as phone:
        await soon(phone.login("token"))
        events = phone.events()
        conference = await soon(phone.start_conference(media_type="audio", tag="s"))
        connected = await until(events, "conference:connected")
        assert connected.conference is conference and connected.call is None and connected.tag == "s"
        assert conference.state == "connected"
        await conference.connected(PATIENCE)

        await soon(phone.add_participant("bob"))
        assert gateway.seen[-1].endswith("/participants/sip%3Abob%40example.com")
        sent = await until(events, "conference:invitation-sent")
        assert sent.data["invitations"]["bob@example.com"]["status"] == "invited"
        gateway.push("f1", "mod-terminated", modId="i1", reason="success", **{"from": BOB})
        await until(events, "conference:invitation-accepted")
        bob = ewebrtc.Participant("bob@example.com", "active")
        assert await soon(phone.get_participants()) == [bob]
        (info,) = await soon(phone.get_calls())
        assert (info.breed, info.kind, info.participants) == ("conference", "Outgoing", (bob,))
        with pytest.raises(ewebrtc.PhoneError) as refused:
            await soon(phone.add_participant("bob"))
        assert refused.value.error_code == "3641"

        # An invitee who declines is not the end of the conference.
        await soon(phone.add_participant("carol"))
        gateway.push("f1", "mod-terminated", modId="i2", reason="User busy", **{"from": "sip:carol@example.com"})
        await until(events, "conference:invitation-rejected")
        assert conference.state == "connected"
        await soon(phone.remove_participant("bob", tag="r"))
        assert (await until(events, "conference:participant-removed")).tag == "r"
        assert await soon(phone.get_participants()) == []

        await soon(conference.mute())
        await soon(conference.unmute())
        await soon(phone.end_conference())
        ended = await conference.ended(PATIENCE)
        assert ended.name == "conference:ended" and ended.conference is conference
        with pytest.raises(ewebrtc.NotFoundError):
            await soon(conference.hangup())


async def test_invitations_are_joined_and_declined() -> None:
    async with focus() as gateway, ewebrtc.Phone(gateway.url) as phone:
        await soon(phone.login("token"))
        events = phone.events()
        gateway.invite("g1")
        received = await until(events, "conference:invitation-received")
        assert received.peer_from == "sip:host@example.com"
        conference = await soon(phone.join_conference(local_media="tone:440"))
        assert conference is received.conference
        joining = await until(events, "conference:joining")
        assert joining.data["from"]["uri"] == "sip:host@example.com"
        with pytest.raises(ewebrtc.PhoneError) as refused:
            await soon(phone.get_participants())
        assert refused.value.error_code == "3402"
        await soon(conference.hangup())
        assert (await conference.ended(PATIENCE)).name == "conference:ended"

        gateway.invite("g2")
        received = await until(events, "conference:invitation-received")
        await soon(phone.reject_conference())
        assert received.conference is not None
        assert (await received.conference.ended(PATIENCE)).name == "conference:invitation-rejected"
        with pytest.raises(ewebrtc.CallEndedError):
            await received.conference.connected(PATIENCE)
        gateway.invite("g3")
        received = await until(events, "conference:invitation-received")
        gateway.push("g3", "session-terminated", reason="Call canceled")
        assert received.conference is not None
        assert (await received.conference.ended(PATIENCE)).name == "conference:canceled"


async def test_without_a_conference_every_method_is_refused_with_its_code(gateway: ewebrtc.Gateway) -> None:
    async with logged_in(gateway, "alice") as phone:
        steps: list[tuple[Callable[[], Awaitable[object]], str]] = [
            (lambda: phone.start_conference(media_type="both"), "3111"),
            (lambda: phone.join_conference(), "3231"),
            (lambda: phone.reject_conference(), "3302"),
            (lambda: phone.end_conference(), "3502"),
            (lambda: phone.add_participant("bob"), "3631"),
            (lambda: phone.add_participant(""), "3611"),
            (lambda: phone.remove_participant("bob"), "3731"),
            (lambda: phone.get_participants(), "3402"),
        ]
        for work, code in steps:
            with pytest.raises(ewebrtc.PhoneError) as refused:
                await soon(work())
            assert refused.value.error_code == code


async def test_host_and_guest_hear_each_other_over_the_gateway(gateway: ewebrtc.Gateway) -> None:
    settings = {"remote_media": "pcm", "pcm_rate": 16_000}
    async with (
        logged_in(gateway, "alice", local_media="tone:440", **settings) as alice,
        logged_in(gateway, "bob", local_media="tone:1000", **settings) as bob,
    ):
        news, invitations = alice.events(), bob.events()
        hosted = await soon(alice.start_conference())
        await soon(alice.add_participant("bob"))
        invitation = await until(invitations, "conference:invitation-received")
        await soon(bob.join_conference())
        await until(news, "conference:invitation-accepted")
        joined = invitation.conference
        assert joined is not None
        # Not oneself, or it would be no single tone.
        await heard(hosted, 1000)
        await heard(joined, 440)
        assert [guest.participant for guest in await soon(alice.get_participants())] == ["bob@ewebrtc.local"]
        await soon(alice.end_conference())
        assert (await joined.ended(PATIENCE)).name == "conference:ended"
