"""Where a webhook may go: an address is resolved, checked and then used itself, so a name cannot lead into the network behind it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

LOCAL = ("127.0.0.1", "::1", "localhost")
Resolve = Callable[[str, int], list[str]]


class NotAllowed(Exception):
    """An address that messages are not sent to."""


@dataclass(frozen=True)
class Target:
    """An address that was checked: `url` with the number in place of the name, `host` for the Host header, `name` for the certificate."""

    url: str
    host: str
    name: str


def resolved(name: str, port: int) -> list[str]:
    """The numbers of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


def target_of(url: str, allow_private: bool, resolve: Resolve = resolved) -> Target:
    """The checked address of a webhook.

    Parameters
    ----------
    allow_private : also networks of one's own, such as 10.0.0.0/8; never link-local ones, where clouds keep their credentials.

    Raises
    ------
    NotAllowed : the name leads to an address of this machine, of a private network or of none; OSError where there is no such name.

    Examples
    --------
    >>> target_of("https://crm.example/in?a=1", False, lambda name, port: ["93.184.216.34"]).url
    'https://93.184.216.34:443/in?a=1'
    """
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    numbers = resolve(name, port)
    for number in numbers:
        if not _is_allowed(number, name, allow_private):
            raise NotAllowed(f"{name} leads to {number}, which is not a public address; allow_private = true in [webhooks] allows one's own network")
    number = f"[{numbers[0]}]" if ":" in numbers[0] else numbers[0]
    return Target(urlunsplit((parts.scheme, f"{number}:{port}", parts.path or "/", parts.query, "")), parts.netloc, name)


def _is_allowed(number: str, name: str, allow_private: bool) -> bool:
    address = ipaddress.ip_address(number.split("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return name in LOCAL
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return False
    return allow_private or address.is_global
