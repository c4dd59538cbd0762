"""What a request says of itself before anyone trusts it: its host, its origin, its key or cookie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import cookie_parser

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
SAFE = ("GET", "HEAD", "OPTIONS")
COOKIE = "keepwell_session"
HOST_COOKIE = f"__Host-{COOKIE}"
"""Browsers take a cookie of such a name over https only, for this very host and from nobody else: no neighbour can plant one."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
ALONE = (b"host", b"authorization", b"origin")
BEARER = "bearer "


@dataclass(frozen=True)
class Head:
    """The head of a request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    address: str

    @classmethod
    def of(cls, scope: Any) -> Head:
        """The head of an ASGI request; a header that may be given once and is given twice counts as empty, so that nobody picks one."""
        names = [name for name, _ in scope["headers"]]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        headers |= {name.decode(): "" for name in ALONE if names.count(name) > 1}
        client = scope.get("client")
        query = scope.get("query_string", b"").decode("latin-1")
        return cls(scope["method"], scope["path"], query, headers, client[0] if client else "")

    def __getitem__(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def host(self) -> str:
        """The name that was called, without the port."""
        return without_port(self["host"])

    @property
    def is_local(self) -> bool:
        """Whether this machine was called by one of its own names, and by no proxy that says that it is one."""
        return self.host in LOCAL_NAMES and not any(name in self.headers for name in FORWARDED)

    @property
    def key(self) -> str | None:
        """The key given in `Authorization: Bearer …`; None where there is no such header, empty where it holds something else."""
        if "authorization" not in self.headers:
            return None
        given = self["authorization"]
        return given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""

    @property
    def cookie_name(self) -> str:
        """The session's cookie: on this machine a plain one, elsewhere one that browsers guard."""
        return COOKIE if self.host in LOCAL_NAMES else HOST_COOKIE

    @property
    def cookie(self) -> str | None:
        """The session's cookie, as far as the browser sent one."""
        return cookie_parser(self["cookie"]).get(self.cookie_name) if "cookie" in self.headers else None

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks for something to look at."""
        return "text/html" in self["accept"] and not self.path.startswith("/v1/")

    @property
    def is_safe(self) -> bool:
        """Whether the method changes nothing."""
        return self.method in SAFE

    @property
    def kind(self) -> str:
        """The type of the body."""
        return self["content-type"].partition(";")[0].strip().lower()


def without_port(host: str) -> str:
    """A host's name in lower case.

    Examples
    --------
    >>> without_port("LocalHost:3000"), without_port("[::1]:3000"), without_port("[::1]"), without_port("a.example")
    ('localhost', '[::1]', '[::1]', 'a.example')
    """
    name, _, port = host.lower().rpartition(":")
    return name if port.isdigit() and port.isascii() else host.lower()
