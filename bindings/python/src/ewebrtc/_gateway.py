"""The gateway in the same process, and tokens from gateways in development mode.

Owns: `Gateway`, `DevToken`. Lives on: any thread; starting and stopping block for a moment. Must not import: the phone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from . import _check, _native, _process
from ._errors import ConfigError, answer, translated


@dataclass(frozen=True, slots=True)
class DevToken:
    """What a gateway in development mode gives for a name. `Phone.login` takes it as it is."""

    access_token: str = field(repr=False)
    """The token itself; not shown when the object is printed."""
    expires_in: int
    """Seconds until it ends."""
    kind: str
    """Kind of the user: an account id or a virtual number."""
    address: str
    """Address under which others reach the user."""

    @classmethod
    def _of(cls, token: _native.DevToken) -> DevToken:
        return cls(token.access_token, token.expires_in, token.kind, token.address)


class Gateway:
    """A gateway in this process, in development mode: every name may log in. It listens when the constructor returns,
    on a free port of 127.0.0.1 unless `listen` (`"address:port"`) says otherwise. `domain` is that of the accounts. With
    `ringback` callers hear it ring (early media, `call:ringback-provided`).

    Use it in a `with` or `async with` block, or call `stop`. It ends with the process.

    Raises `ConfigError` for a `listen` that is no address and port and a `domain` that is none, `SystemRefusedError`
    when the address cannot be listened on.
    """

    def __init__(self, listen: str | None = None, *, domain: str | None = None, ringback: bool = False) -> None:
        _process.check()
        address = _check.optional_text("listen", listen, ConfigError)
        name = _check.optional_text("domain", domain, ConfigError)
        with translated():
            self._native = _native.Gateway(address, name, _check.flag("ringback", ringback))
        self.url: str = self._native.url()
        """Address for `Phone`."""

    async def dev_token(self, user: str) -> DevToken:
        """A token for this user, who exists from then on: a name is an account id, 10 or 11 digits are a number.

        Raises `PhoneError` with the gateway's code when it does not accept the name, 0002 when it has stopped.
        """
        _process.check()
        return DevToken._of(await answer(self._native.dev_token(_check.text("user", user))))

    def stop(self) -> None:
        """Ends every session and stops listening. Blocks until the port is free again, five seconds at most."""
        _process.check()
        self._native.stop()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _process.to_be_ended(error):
            self.stop()

    async def __aenter__(self) -> Gateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _process.to_be_ended(error):
            await asyncio.to_thread(self.stop)


async def dev_token(gateway: str, user: str, *, root_certificates: Sequence[str] = ()) -> DevToken:
    """A token for this user from the gateway at this address, as `Gateway.dev_token`. `root_certificates` (PEM) are
    trusted beside the operating system's.

    Raises `ConfigError` for an unusable address, `SystemRefusedError` when the gateway is not in development mode,
    `PhoneError` as `Gateway.dev_token`.
    """
    _process.check()
    address, name = _check.text("gateway", gateway, ConfigError), _check.text("user", user)
    certificates = _check.texts("root_certificates", root_certificates, ConfigError)
    return DevToken._of(await answer(_native.dev_token(address, name, certificates)))
