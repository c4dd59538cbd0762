"""Keys and cookies: 256 bits from the operating system, recognised by their form, kept only as a hash.

A key is `kw_`, 43 characters of chance and 6 of a checksum, so that a scanner of leaked secrets knows one when it sees it, and a mistyped
one is told from a wrong one without asking the ledger. 256 bits cannot be guessed, so one round of sha256 keeps them, where a password
would need many.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable
from hashlib import sha256
from zlib import crc32

PREFIX = "kw_"
LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
BYTES = 32
LENGTH, CHECK, HINT = 43, 6, 8
FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{LENGTH + CHECK}}}")


def new_key(chance: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A new key, to be shown once.

    Examples
    --------
    >>> new_key(lambda size: bytes(size))
    'kw_00000000000000000000000000000000000000000002CZclj'
    """
    body = _written(int.from_bytes(chance(BYTES)), LENGTH)
    return f"{PREFIX}{body}{_checksum(body)}"


def new_cookie() -> str:
    """A new session's cookie."""
    return secrets.token_urlsafe(BYTES)


def is_key(text: str) -> bool:
    """Whether a text has the form of a key and its checksum holds.

    Examples
    --------
    >>> is_key(new_key()), is_key(new_key()[:-1]), is_key("kw_" + "0" * 49)
    (True, False, False)
    """
    return bool(FORM.fullmatch(text)) and _checksum(text[len(PREFIX) : -CHECK]) == text[-CHECK:]


def hint_of(key: str) -> str:
    """The beginning of a key, by which people tell keys apart; the 208 bits behind it stay unknown."""
    return key[: len(PREFIX) + HINT]


def digest_of(secret: str) -> str:
    """What is kept of a key or cookie."""
    return sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _written(crc32(body.encode()), CHECK)


def _written(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(LETTERS))
        letters.append(LETTERS[digit])
    return "".join(reversed(letters))
