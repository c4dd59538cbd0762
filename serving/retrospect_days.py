"""Days and tables that look backs are told with: nothing here needs events, so the page can tell them too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from serving.rules import Rules

PAST = 182
"""How long (days) before the last order rules look at the past."""
Tables = Mapping[str, pd.DataFrame]
"""What the ledger knows of one merchant, by the table's name."""
FORESEEN = {"churn_risk", "decline_risk"}
"""Scores that say that a merchant will leave or decline."""
Told = dict[str, list[str]]
"""Reasons in both languages: `reasons_en`, `reasons_zh`."""


def kinds_of_leaving(rules: Rules) -> set[str]:
    """The kinds of warning that say that a merchant is leaving: those that look at a score of that when they open."""
    return {str(kind.kind) for kind in rules.warnings if FORESEEN & {test.name for test in kind.when}}


def day_of(value: Any) -> int:
    """The day number of a date."""
    return int((pd.Timestamp(value) - pd.Timestamp(0)).days)


def date_text(day: int) -> str:
    """A day number as a date."""
    return f"{pd.Timestamp(int(day), unit='D'):%Y-%m-%d}"
