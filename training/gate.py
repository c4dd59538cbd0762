"""The quality gate between a challenger and the merchants: four questions, each answered in a sentence.

Both sides are results of `training.evaluate.evaluate`, and are compared on the cutoffs they share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAY_LOSE_AUC = 0.005
MAY_LOSE_ECE = 0.02

Evaluation = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Whether a challenger may be promoted, and one sentence for each thing that was looked at, failures first."""

    passed: bool
    reasons: list[str]


def verdict(challenger: Evaluation, champion: Evaluation | None = None) -> Verdict:
    """Judge a challenger: finite, surely better than chance, and not worse than the champion or, at first, than recency alone."""
    rate = challenger["mean"].get("churned")
    if not _finite(challenger, "auc"):
        who = "Nobody" if rate == 0 else "Everybody" if rate == 1 else "No cutoff had both somebody who stayed and somebody who"
        said = f"{who} left at the cutoffs it was tested on, so nothing can be said about it. Use other cutoffs or a longer horizon_days."
        return Verdict(False, [said])
    checks = [_whole(challenger), _above_chance(challenger)]
    checks += [_above_recency(challenger)] if champion is None else _against(challenger, champion)
    passed = [said for fine, said in checks if fine]
    failed = [said for fine, said in checks if not fine]
    return Verdict(not failed, failed + passed)


def _whole(challenger: Evaluation) -> tuple[bool, str]:
    lacking = [name for name in ("brier", "ece", "rmse") if not _finite(challenger, name)]
    if lacking:
        return False, f"It has no finite {' and no finite '.join(lacking)}; something broke in training. Train again, or report this."
    return True, "Its metrics are all finite."


def _above_chance(challenger: Evaluation) -> tuple[bool, str]:
    auc, low = challenger["mean"]["auc"], challenger["interval"]["auc"]["low"]
    if low is not None and low > 0.5:
        return True, f"It ranks better than chance: AUC {auc:.3f}, surely above {low:.3f}."
    doubt = f"It may be no better than chance: AUC {auc:.3f}, but its interval begins at {_shown(low)}."
    return False, f"{doubt} It needs more merchants or cutoffs."


def _above_recency(challenger: Evaluation) -> tuple[bool, str]:
    auc, rule = challenger["mean"]["auc"], challenger["mean"].get("recency_auc")
    if rule is None:
        return True, "There is no champion to compare it with."
    if auc > rule:
        return True, f"It is the first model, and beats days since the last order (AUC {auc:.3f} against {rule:.3f})."
    beaten = f"It does not beat days since the last order (AUC {auc:.3f} against {rule:.3f})"
    return False, f"{beaten}; sort by that instead until there is more history."


def _against(challenger: Evaluation, champion: Evaluation) -> list[tuple[bool, str]]:
    shared = sorted(challenger["cutoffs"].keys() & champion["cutoffs"].keys())
    if not shared:
        return [(False, "It shares no cutoff with the champion, so the two cannot be compared. Evaluate both on the same cutoffs.")]
    where = f"on {len(shared)} shared cutoff{'s' * (len(shared) > 1)}"
    checks = []
    for name, label, sign, limit in (("auc", "AUC", 1, MAY_LOSE_AUC), ("ece", "calibration error", -1, MAY_LOSE_ECE)):
        ours, theirs = (_mean(side, name, shared) for side in (challenger, champion))
        fine = math.isnan(theirs) or sign * (theirs - ours) <= limit + 1e-12
        word = "is no worse than" if fine else "is worse than"
        checks.append((fine, f"Its {label} {where} {word} the champion's ({ours:.3f} against {theirs:.3f}; may lose {limit:g})."))
    return checks


def _mean(side: Evaluation, name: str, cutoffs: list[str]) -> float:
    values = [side["cutoffs"][cutoff].get(name) for cutoff in cutoffs]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _finite(side: Evaluation, name: str) -> bool:
    value = side["mean"].get(name)
    return value is not None and math.isfinite(value)


def _shown(value: float | None) -> str:
    return "nowhere" if value is None else f"{value:.3f}"
