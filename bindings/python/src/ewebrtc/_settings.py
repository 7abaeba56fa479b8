"""What calls are set up with, changed while the phone lives, and the network: methods of the phone.

Owns: `IceServer`, `Settings`. Lives on: any thread; nothing waits. Must not import: the phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from . import _check, _native, _process
from ._errors import ConfigError, translated

Codec = Literal["opus", "pcmu", "pcma"]
"""Names of audio codecs."""

IceTransport = Literal["all", "relay", "none"]
"""Which paths media may take: all, only those through TURN, or none, with which calls fail."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server with one account."""

    urls: Sequence[str]
    """`stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port][?transport=tcp]`."""
    username: str = ""
    """User name for TURN."""
    credential: str = field(default="", repr=False)
    """Password for TURN; not shown when the object is printed."""

    def __post_init__(self) -> None:
        _check.texts("urls", self.urls, ConfigError)
        _check.text("username", self.username, ConfigError)
        _check.text("credential", self.credential, ConfigError)


def native_servers(servers: object) -> list[_native.IceServer]:
    """The servers for the library."""
    made = []
    for number, server in enumerate(_check.several("ice_servers", "IceServer", servers)):
        if not isinstance(server, IceServer):
            raise _check.wrong(f"ice_servers[{number}]", "IceServer", server)
        urls = _check.texts("urls", server.urls, ConfigError)
        made.append(_native.IceServer(urls=urls, username=server.username, credential=server.credential))
    return made


class Settings:
    """A part of `Phone`. What is set holds for calls made or answered afterwards; the resets go back to what the phone was
    made with."""

    _native: _native.Phone

    def get_ice_servers(self) -> list[IceServer]:
        """STUN and TURN servers of calls made from now on."""
        _process.check()
        return [IceServer(server.urls, server.username, server.credential) for server in self._native.ice_servers()]

    def set_ice_servers(self, ice_servers: Iterable[IceServer]) -> None:
        """Sets the STUN and TURN servers of calls made from now on.

        Raises `PhoneError` 4811 for an empty list, a server without a URL and a URL that cannot be read.
        """
        _process.check()
        servers = native_servers(ice_servers)
        with translated():
            self._native.set_ice_servers(servers)

    def reset_ice_servers(self) -> None:
        """Goes back to the servers with which the phone was made."""
        _process.check()
        self._native.reset_ice_servers()

    def get_ice_transport(self) -> IceTransport:
        """Which paths the media of calls made from now on may take."""
        _process.check()
        with translated():
            return cast(IceTransport, self._native.ice_transport())

    def set_ice_transport(self, ice_transport: IceTransport) -> None:
        """Sets which paths the media of calls made from now on may take: `all`, `relay` (only through TURN) or `none`. Without a
        path a call fails when it is set up.

        Raises `PhoneError` 4821 for anything else.
        """
        _process.check()
        with translated():
            self._native.set_ice_transport(_check.text("ice_transport", ice_transport))

    def reset_ice_transport(self) -> None:
        """Goes back to the paths with which the phone was made."""
        _process.check()
        self._native.reset_ice_transport()

    def get_ipv6(self) -> bool:
        """Whether calls made from now on offer IPv6 addresses."""
        _process.check()
        return bool(self._native.ipv6())

    def set_ipv6(self, ipv6: bool) -> None:
        """Sets whether calls made from now on offer IPv6 addresses.

        Raises `PhoneError` 4831 for `False` in a phone made without IPv4.
        """
        _process.check()
        with translated():
            self._native.set_ipv6(_check.flag("ipv6", ipv6))

    def reset_ipv6(self) -> None:
        """Goes back to the IPv6 setting with which the phone was made."""
        _process.check()
        self._native.reset_ipv6()

    @staticmethod
    def get_supported_audio_codecs() -> list[str]:
        """Audio codecs that can be chosen, best first."""
        return list(_native.supported_audio_codecs())

    def get_audio_codec(self) -> str | None:
        """The codec that was chosen, as it was named; `None`: those with which the phone was made, by preference."""
        _process.check()
        with translated():
            return self._native.audio_codec()

    def set_audio_codec(self, codec: Codec | str) -> None:
        """Chooses the only audio codec of calls made from now on, by its name in any case.

        Raises `ConfigError` for a codec that is none; the text names those that are.
        """
        _process.check()
        with translated():
            self._native.set_audio_codec(_check.text("codec", codec, ConfigError))

    def reset_audio_codec(self) -> None:
        """Goes back to the codecs with which the phone was made."""
        _process.check()
        self._native.reset_audio_codec()

    # ---- the network -----------------------------------------------------------------------------------------------

    def is_online(self) -> bool:
        """Whether the phone counts as online: what the program said last by `set_connectivity`, else what the operating system
        says about the way to the gateway. A gateway on loopback needs no network.

        While a phone is offline, what needs the gateway is refused with 0002, and calls stay.
        """
        _process.check()
        return bool(self._native.is_online())

    def set_connectivity(self, online: bool) -> None:
        """Tells the phone that the device went offline or came back; events `connectivity:off` and `connectivity:on`. For
        programs that know better than the phone's own watching of the network. Their word counts from now on, until
        `follow_network`."""
        _process.check()
        self._native.set_connectivity(_check.flag("online", online))

    def follow_network(self) -> None:
        """Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning."""
        _process.check()
        self._native.follow_network()
