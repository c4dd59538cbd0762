"""All look backs together: how many were missed, how early the others were warned of, and why they left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.ledger import Ledger
from serving.retrospect_causes import CAUSES
from serving.retrospect_newcomers import STEPS


def sums_of(lost: list[dict[str, Any]], newcomers: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """All look backs together, and who never grew; rates are of those that the ledger covers, None where it covers none."""
    covered = [row for row in lost if row["is_covered"]]
    ahead = [row["days_ahead"] for row in covered if row["days_ahead"] is not None]
    table: dict[str, dict[str, int]] = {}
    for row in lost:
        counts = table.setdefault(row["industry"] or "?", dict.fromkeys(CAUSES, 0))
        counts[row["cause"]] += 1
    return {
        "lost": len(lost),
        "covered": len(covered),
        "missed_churn_rate": None if not covered else round(1 - len(ahead) / len(covered), 4),
        "median_days_ahead": float(np.median(ahead)) if ahead else None,
        "acted_on": None if not covered else round(sum(bool(row["acted_on"]) for row in covered) / len(covered), 4),
        "rules_would_have_caught": None if not lost else round(sum(bool(row["rules_that_held"]) for row in lost) / len(lost), 4),
        "causes": {cause: sum(row["cause"] == cause for row in lost) for cause in CAUSES},
        "causes_by_industry": table,
        "newcomers": len(newcomers),
        "never_sold": sum(row["first_order"] is None for row in newcomers),
        "never_sold_by_last_step": {step: sum(row["last_step"] == step and row["first_order"] is None for row in newcomers) for step in STEPS},
    }


def notes_of(ledger: Ledger | None, model: Any | None) -> dict[str, list[str]]:
    """What a reader must know of how the look backs came about: `notes_en`, `notes_zh`."""
    notes: dict[str, list[str]] = {"notes_en": [], "notes_zh": []}
    if ledger is None or not len(ledger.table("runs")):
        notes["notes_en"].append("no run is in the ledger yet: risk and warnings are recomputed from past snapshots, and nothing counts as warned")
        notes["notes_zh"].append("台账中尚无运行记录：风险与预警由历史快照重算，不计为已预警")
    else:
        notes["notes_en"].append("where no run is from before the last order, risk and warnings are recomputed and do not count as warned")
        notes["notes_zh"].append("最后一单前没有运行记录的商户，其风险与预警为重算结果，不计为已预警")
    if model is not None:
        notes["notes_en"].append("recomputed risks are by today's model, which has learnt from later days too")
        notes["notes_zh"].append("重算风险使用当前模型，该模型也学习过其后的数据")
    else:
        notes["notes_en"].append("no model was promoted yet, so rules that look at scores could not be looked back on")
        notes["notes_zh"].append("尚未上线模型，依赖评分的规则无法复盘")
    return notes


