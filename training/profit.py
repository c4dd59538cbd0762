"""Expected maximum profit for businesses (EMPB), through the package empulse: what the best threshold would have earned.

`training.metrics.profit` judges a cut-off that was declared before the test: call wherever the expected profit is positive.
EMPB (Janssens, Bogaert, Bagué and Van den Poel 2022) is the hindsight beside it: the profit per merchant at the threshold that
turned out best, averaged over the chance that a leaver accepts, beta(6, 14). empulse takes seconds to import and is optional.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from training.economics import CONTACT, INCENTIVE, WORTH

BETA = (6, 14)
ABSENT = "EMPB is not shown, because the package empulse is not installed: uv sync --extra peers."


def available() -> bool:
    """Whether empulse is installed."""
    return find_spec("empulse") is not None


def empb(part: pd.DataFrame) -> dict[str, float]:
    """EMPB of one cutoff's risks: profit per merchant in money, and the share of merchants called at the best threshold.

    Missing where nobody or everybody left, or nobody sold anything.
    """
    from empulse.metrics import empb_score

    churned, risk = part["churned"].to_numpy(int), part["churn_risk"].to_numpy(float)
    worth = WORTH * part["trailing"].to_numpy(float)
    sold = worth > 0
    if churned[sold].min(initial=1) == churned[sold].max(initial=0) or not sold.any():
        return {"profit": float("nan"), "called": float("nan")}
    costs: dict[str, Any] = {
        "clv": worth[sold],
        "alpha": BETA[0],
        "beta": BETA[1],
        "incentive_fraction": INCENTIVE,
        "contact_cost": CONTACT * float(np.median(worth)),
    }
    found = empb_score(churned[sold], risk[sold], **costs), empb_score.optimal_rate(churned[sold], risk[sold], **costs)
    return {"profit": float(found[0]) * sold.mean(), "called": float(found[1])}


def mean_empb(frame: pd.DataFrame) -> dict[str, float | None]:
    """The mean of `empb` over cutoffs; None where it is missing."""
    mean = pd.DataFrame([empb(part) for _, part in frame.groupby("cutoff")]).mean()
    return {str(name): float(value) if np.isfinite(value) else None for name, value in mean.items()}
