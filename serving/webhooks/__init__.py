"""Webhooks: new warnings told to another system, signed, at least once, and never lost between the ledger and the wire."""

from __future__ import annotations
