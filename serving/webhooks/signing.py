"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import digest

from features.errors import UsageRefused

PREFIX = "whsec_"
LENGTHS = range(24, 65)
"""Bytes that a secret may have, as the standard says."""


@dataclass(frozen=True)
class Secret:
    """The secrets that messages are signed with: one, or two with a space between them while one replaces the other."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str], name: str) -> Secret:
        """The secret in an environment variable.

        Raises
        ------
        UsageRefused : it is missing or none; it is never repeated.
        """
        texts = environment.get(name, "").split()
        try:
            keys = tuple(b64decode(text.removeprefix(PREFIX), validate=True) for text in texts)
        except binascii.Error:
            keys = (b"",)
        if not keys or any(len(key) not in LENGTHS for key in keys):
            wrong = "holds no secret that can be used" if texts else "is not set"
            raise UsageRefused(
                f"[webhooks] has an url, but the environment variable {name} {wrong}; set it to whsec_ and the base64 of 24 to 64 random "
                "bytes, the same as at the receiver, or remove [webhooks]."
            )
        return cls(keys)

    def headers(self, message_id: str, body: bytes, now: str) -> dict[str, str]:
        """The headers of one attempt to deliver a message.

        Examples
        --------
        >>> secret = Secret((b"0123456789abcdef01234567",))
        >>> secret.headers("msg_1", b"{}", "2026-01-01T06:00:00+00:00")["webhook-timestamp"]
        '1767247200'
        """
        at = str(int(datetime.fromisoformat(now).timestamp()))
        signed = b".".join((message_id.encode(), at.encode(), body))
        signatures = " ".join(f"v1,{b64encode(digest(key, signed, sha256)).decode()}" for key in self.keys)
        return {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": signatures}
