"""How the service is watched: figures for Prometheus and logs as lines of JSON, neither of which names a merchant."""

from __future__ import annotations
