"""Requests that a foreign page makes a browser send: what they carry is the user's, what they want is not.

Whatever changes something and comes without a key in its header must come from a page of this service: `Sec-Fetch-Site` or `Origin` says
so, and browsers let no page set either. With a session the form's token is asked for too. Method after OWASP's cheat sheet on cross-site
request forgery: origin check plus a token bound to the session by an HMAC.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from urllib.parse import parse_qs

from starlette.types import Message, Receive

from serving.access.head import Head
from serving.api.problem import Problem

HEADER, FIELD = "x-csrf-token", "csrf"
MOST_FIELDS = 5000
FORM = "application/x-www-form-urlencoded"


def token_of(cookie: str) -> str:
    """The token that the forms of a session carry."""
    return hmac(cookie.encode(), b"keepwell form", sha256).hexdigest()


def check_origin(head: Head, *, must_say: bool) -> None:
    """Let through what a page of this service sent.

    Parameters
    ----------
    must_say : refuse also what says nothing of where it comes from; browsers always do.

    Raises
    ------
    Problem : it comes from elsewhere.
    """
    site, origin = head["sec-fetch-site"], head["origin"]
    if site and site != "same-origin":
        raise Problem("forbidden", "the request was sent by a page of another site, so nothing was changed; do it on Keepwell's own page.")
    own = origin.partition("://")[2].lower() == head["host"].lower()
    if (origin and not own and site != "same-origin") or (must_say and not origin and not site):
        raise Problem("forbidden", "the request does not say that it comes from Keepwell's own page, so nothing was changed; reload the page.")


async def check_token(head: Head, token: str, receive: Receive) -> Receive:
    """Let through what carries the session's token, in the header `X-CSRF-Token` or the field `csrf`; returns what the body is read from.

    Raises
    ------
    Problem : it does not.
    """
    given = head[HEADER]
    if not given and head.kind == FORM:
        body = await whole(receive)
        given, receive = field(body, FIELD), again(body, receive)
    if not compare_digest(given.encode(), token.encode()):
        raise Problem("forbidden", "the form is not one of this session, so nothing was changed; reload the page and send it again.")
    return receive


async def whole(receive: Receive) -> bytes:
    """A body read to its end."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return receiving


def field(body: bytes, name: str) -> str:
    """A field of a form; empty where it is missing or given twice.

    Examples
    --------
    >>> field(b"csrf=ab&next=%2F", "next"), field(b"csrf=ab&csrf=cd", "csrf")
    ('/', '')
    """
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=MOST_FIELDS, keep_blank_values=True, errors="replace")
    except ValueError:
        return ""
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else ""
