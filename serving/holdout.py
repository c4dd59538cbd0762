"""The holdout: of the merchants worth acting on, a random share that is left alone, so that what acting achieves can be measured.

Who is newly worth acting on is drawn once, by tier and third of the risk, and keeps the arm until the horizon of the decision has passed;
then the merchant is drawn anew if it still is worth acting on. The draw follows from the data's fingerprint and the day, so a run that
is scored again, here or elsewhere, draws the same. Every merchant has exactly the same chance to be left alone, which is noted with the decision.
"""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ACT, HOLD = "act", "hold"
THIRDS = ("low", "middle", "high")
NOTED = ("tier", "churn_risk", "expected_gmv", "gmv_before", "action")


def strata(eligible: pd.DataFrame) -> NDArray[np.object_]:
    """Tier and third of the risk among the eligible, such as `B.high`."""
    rank = eligible["churn_risk"].rank(method="first").to_numpy(np.float64) - 1
    third = np.minimum((rank * len(THIRDS) / max(len(eligible), 1)).astype(int), len(THIRDS) - 1)
    tiers = eligible["tier"].astype(object).where(eligible["tier"].notna(), "none")
    return np.array([f"{tier}.{THIRDS[place]}" for tier, place in zip(tiers, third, strict=True)], dtype=object)


def held(stratum: NDArray[np.object_], share: float, seed: int) -> NDArray[np.bool_]:
    """Who is left alone: a systematic sample of each stratum in random order, so that the share is the same in all, as nearly as can be.

    Each is left alone with exactly the probability `share`, in a stratum of one too.

    Examples
    --------
    >>> int(held(np.array(["a"] * 50 + ["b"] * 50, dtype=object), 0.1, seed=1).sum())
    10
    """
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(stratum)), stratum.astype(str)))
    steps = np.floor(np.arange(len(stratum) + 1) * share + rng.random())
    chosen = np.zeros(len(stratum), bool)
    chosen[order] = np.diff(steps) > 0
    return chosen


def drawn(eligible: pd.DataFrame, share: float, seed: str, day: date, horizon_days: int) -> pd.DataFrame:
    """New decisions.

    Parameters
    ----------
    eligible : indexed by merchant_id: tier, churn_risk, expected_gmv, gmv_before, action, action_save_rate, action_cost.
    share : the chance to be left alone, in [0, 1); nobody is drawn for 0.
    seed : what the draw follows from, with the day; nothing that anybody could choose a merchant's arm by.
    horizon_days : so long a decision stands.

    Returns
    -------
    Columns of the ledger's decisions.
    """
    if eligible.empty or share == 0:
        return pd.DataFrame()
    eligible = eligible.sort_index()
    stratum = strata(eligible)
    number = int.from_bytes(sha256(f"{seed} {day}".encode()).digest()[:8], "big")
    table = pd.DataFrame(
        {
            "merchant_id": eligible.index.to_numpy(dtype=object),
            "decided_on": pd.Timestamp(day),
            "until": pd.Timestamp(day + timedelta(days=horizon_days)),
            "arm": np.where(held(stratum, share, number), HOLD, ACT).astype(object),
            "propensity": share,
            "stratum": stratum,
            "save_rate": eligible["action_save_rate"].to_numpy(np.float64),
            "cost": eligible["action_cost"].to_numpy(np.float64),
        }
    ).astype({"decided_on": "datetime64[s]", "until": "datetime64[s]"})
    return table.assign(**{name: eligible[name].to_numpy() for name in NOTED})
