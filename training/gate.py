"""The quality gate between a challenger and the merchants: a few questions, each answered in a sentence.

A first model must rank better than chance and than days since the last order. Every other one must be better than the champion with
confidence on the last complete windows, merchant by merchant (`training.duel`), fall in no slice, and stay calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.duel import Duel

MAY_LOSE_ECE = 0.01
"""How much worse than the champion's the calibration error may be."""
MAY_EXCEED_FLOOR = 0.1
"""How far a first model's calibration error may lie above what chance alone would show."""

Evaluation = Mapping[str, Any]
Check = tuple[bool, str]


@dataclass(frozen=True)
class Verdict:
    """Whether a challenger may be promoted, and one sentence for each thing that was looked at, failures first."""

    passed: bool
    reasons: list[str]


def verdict(challenger: Evaluation, against: Duel | str | None = None) -> Verdict:
    """Judge a challenger.

    Parameters
    ----------
    challenger : what `training.evaluate.evaluate` found of it.
    against : its comparison with the champion, or a sentence why there is none; None where there is no champion.
    """
    rate = challenger["mean"].get("churned")
    if not _finite(challenger, "auc"):
        who = "Nobody" if rate == 0 else "Everybody" if rate == 1 else "No cutoff had both somebody who stayed and somebody who"
        said = f"{who} left at the cutoffs it was tested on, so nothing can be said about it. Use other cutoffs or a longer horizon_days."
        return Verdict(False, [said])
    checks = [_whole(challenger), _above_chance(challenger), *((False, asked) for asked in challenger.get("questions", ()))]
    if against is None:
        checks += [_above_recency(challenger), _calibrated(challenger)]
    elif isinstance(against, str):
        checks.append((False, against))
    else:
        checks += [_better(against), _no_slice_falls(against), _as_calibrated(against)]
    passed = [said for fine, said in checks if fine]
    failed = [said for fine, said in checks if not fine]
    return Verdict(not failed, failed + passed)


def _whole(challenger: Evaluation) -> Check:
    lacking = [name for name in ("brier", "ece", "rmse") if not _finite(challenger, name)]
    if lacking:
        return False, f"It has no finite {' and no finite '.join(lacking)}; something broke in training. Train again, or report this."
    return True, "Its metrics are all finite."


def _above_chance(challenger: Evaluation) -> Check:
    auc, low = challenger["mean"]["auc"], challenger["interval"]["auc"]["low"]
    if low is not None and low > 0.5:
        return True, f"It ranks better than chance: AUC {auc:.3f}, surely above {low:.3f}."
    doubt = f"It may be no better than chance: AUC {auc:.3f}, but its interval begins at {_shown(low)}."
    return False, f"{doubt} It needs more merchants or cutoffs."


def _above_recency(challenger: Evaluation) -> Check:
    auc, rule = challenger["mean"]["auc"], challenger["mean"].get("recency_auc")
    if rule is None:
        return True, "There is no champion to compare it with."
    if auc > rule:
        return True, f"It is the first model, and beats days since the last order (AUC {auc:.3f} against {rule:.3f})."
    beaten = f"It does not beat days since the last order (AUC {auc:.3f} against {rule:.3f})"
    return False, f"{beaten}; sort by that instead until there is more history."


def _calibrated(challenger: Evaluation) -> Check:
    error, floor = (challenger["mean"].get(name) or 0.0 for name in ("ece", "ece_floor"))
    if error - floor <= MAY_EXCEED_FLOOR:
        return True, f"Its percentages hold: calibration error {error:.3f}, of which {floor:.3f} is chance."
    return False, f"Its percentages do not hold: calibration error {error:.3f}, of which only {floor:.3f} is chance. It needs more seasons to learn from."


def _better(against: Duel) -> Check:
    where = f"on the last {_counted(len(against.cutoffs), 'complete window')} ({against.merchants:,} merchants)"
    if against.same:
        return False, f"It says exactly what the champion said {where}, so nothing shows that it is better. Keep the champion until more is known."
    told = {name: f"{label} ahead by {_ends(against.ahead[name])}" for name, label in (("auc", "AUC"), ("brier", "Brier score"))}
    surely = [name for name, one in against.ahead.items() if one["low"] > 0]
    worse = [name for name, one in against.ahead.items() if one["high"] < 0]
    if worse:
        return False, f"It is surely worse than the champion {where}: {'; '.join(told[name] for name in worse)}."
    if not surely:
        return False, f"It is not surely better than the champion {where}: {'; '.join(told.values())}. Keep the champion, or train on more."
    return True, f"It is surely better than the champion {where}: {'; '.join(told[name] for name in surely)}."


def _no_slice_falls(against: Duel) -> Check:
    falling = [one for one in against.slices if one["high"] < 0]
    if not against.slices:
        return True, "No slice has enough merchants to be judged alone."
    if not falling:
        return True, f"It falls in none of {_counted(len(against.slices), 'slice')}."
    worst = min(falling, key=lambda one: one["by"])
    rest = f", and in {len(falling) - 1} more" if len(falling) > 1 else ""
    return False, f"It is surely worse where {worst['slice']} is {worst['name']} ({worst['n']:,} rows: Brier score ahead by {_ends(worst)}){rest}."


def _as_calibrated(against: Duel) -> Check:
    ours, theirs = against.ece
    fine = math.isnan(theirs) or ours - theirs <= MAY_LOSE_ECE + 1e-12
    word = "holds" if fine else "does not hold"
    return fine, f"Its calibration {word}: error {ours:.3f} against the champion's {theirs:.3f} (may lose {MAY_LOSE_ECE:g})."


def _ends(one: Mapping[str, Any]) -> str:
    return f"{one['by']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"


def _finite(side: Evaluation, name: str) -> bool:
    value = side["mean"].get(name)
    return value is not None and math.isfinite(value)


def _shown(value: float | None) -> str:
    return "nowhere" if value is None else f"{value:.3f}"
