"""How open a server may be: this machine alone without keys, anywhere else with them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from threading import Lock

from features.errors import UsageRefused
from features.settings import Settings
from serving.access.callers import Access
from serving.access.keyring import Clock, Keyring
from serving.access.limits import with_environment
from serving.ledger import Ledger

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def access_of(settings: Settings, host: str, environment: Mapping[str, str], clock: Clock) -> Access:
    """What a server at an address asks of its callers.

    Parameters
    ----------
    host : loopback, or an address of this machine that others reach; `0.0.0.0` and `::` are all of them.
    clock : the present time as text, UTC, to the second.

    Raises
    ------
    UsageRefused : others reach the address and no live key says who may; a wrong setting in the environment; not an address.
    DataRefused : the ledger cannot be read.
    """
    limits, keyring = with_environment(settings.serve, environment), Keyring(when_made(settings), clock)
    if host in LOOPBACK:
        return Access(keyring, clock, limits)
    address = _address(host)
    keyring.look()
    now = clock()
    if not any(key.standing(now) == "live" for key in keyring.known.by_number.values()):
        keyring.close()
        raise UsageRefused(
            f"host {host!r} can be reached from elsewhere, and there are no keys yet to say who may read; type "
            "`keepwell keys add NAME --role ROLE` first, or use 127.0.0.1."
        )
    return Access(keyring, clock, limits, f"[{address}]" if address.version == 6 else str(address))


def when_made(settings: Settings) -> Callable[[], Ledger | None]:
    """The ledger of a keepwell.toml, opened once it is there: to serve alone makes none."""
    held: list[Ledger] = []
    opening = Lock()

    def opened() -> Ledger | None:
        with opening:
            if not held and Ledger.is_made(settings):
                held.append(Ledger.open(settings))
            return held[0] if held else None

    return opened


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise UsageRefused(f"host {host!r} is not an address; give one of this machine's, 0.0.0.0 for all of them, or 127.0.0.1.") from None
