"""The rules: scorecard, tiers, stages, warnings and plays of a rules.toml, applied to all merchants at once."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from serving.rules.conditions import setting_values
from serving.rules.grade import Graded, Rules
from serving.rules.read import parse_rules, read_rules

__all__ = ["Graded", "Rules", "grade", "parse_rules", "read_rules", "setting_values"]


def grade(frame: pd.DataFrame, rules: Rules | None = None, settings: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Tier and stage of each merchant.

    Parameters
    ----------
    frame : a snapshot of all merchants known at the cutoff joined with their scores (NaN outside the cohort); ranks are among its rows.
    rules : the built-in rules if None.
    settings : see `setting_values`.

    Returns
    -------
    Columns `tier` (A–E) and `stage`, in the order of `frame`.
    """
    return (rules or read_rules()).apply(frame, settings).table[["tier", "stage"]]
