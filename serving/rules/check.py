"""Rules counted on data: how many merchants each step, stage, kind of warning and play is for, and which are for nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from serving.rules.conditions import GRADES, Columns
from serving.rules.grade import Rules
from serving.rules.stages import stage_rule

PARTS = ("step", "tier", "stage", "warning", "play")


def counted(rules: Rules, frame: pd.DataFrame, settings: Mapping[str, float] | None = None) -> pd.DataFrame:
    """How many merchants of a run each rule is for.

    Parameters
    ----------
    frame : a snapshot joined with the scores.

    Returns
    -------
    One row a rule: `part` (one of `PARTS`), `rule`, `merchants`, and `lacks`: the names that the data does not have, so that it cannot hold.
    """
    columns, graded = Columns(frame, settings), rules.apply(frame, settings)
    rows: list[dict[str, Any]] = []
    for ladder in rules.scorecard.ladders:
        reached = np.bincount(ladder.reached(columns) + 1, minlength=len(ladder.steps) + 2)
        lacks = ladder.name if columns.array(ladder.name) is None else ""
        rows += [_row("step", f"{ladder.section}: {step}", reached[place + 2], lacks) for place, step in enumerate(ladder.steps)]
    tiers = graded.table["tier"].value_counts()
    rows += [_row("tier", tier.name, tiers.get(tier.name, 0)) for tier in rules.tiers]
    stages = np.bincount(stage_rule(columns, rules.stages), minlength=len(rules.stages))
    for place, stage in enumerate(rules.stages):
        lacks = _lacking(columns, [one.name for one in stage.when if not one.if_known])
        rows.append(_row("stage", f"{stage.name}: {' and '.join(map(str, stage.when)) or 'everyone else'}", stages[place], lacks))
    warned = graded.warnings["kind"].value_counts()
    rows += [_row("warning", kind.kind, warned.get(kind.kind, 0), ", ".join(graded.inactive.get(kind.kind, ()))) for kind in rules.warnings]
    played = graded.table["action"].value_counts()
    reasons = [*(kind.kind for kind in rules.warnings), *(rule.reason for rule in rules.plays)]
    for key, reason in zip(rules.book.keys, reasons, strict=True):
        rows.append(_row("play", key, played.get(key, 0), ", ".join(graded.inactive.get(reason or "", ()))))
    return pd.DataFrame(rows)


def dead(counts: pd.DataFrame) -> pd.DataFrame:
    """Rules that are for nobody although the data has what they look at."""
    return counts[(counts["merchants"] == 0) & (counts["lacks"] == "")]


def _lacking(columns: Columns, names: list[str]) -> str:
    return ", ".join(name for name in dict.fromkeys(names) if name not in GRADES and columns.array(name) is None)


def _row(part: str, rule: str, merchants: Any, lacks: str = "") -> dict[str, Any]:
    return {"part": part, "rule": rule, "merchants": int(merchants), "lacks": lacks}
