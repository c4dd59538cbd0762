"""Whether acting helped: those acted on against those left alone at random, in merchants kept and in money.

Nothing is assumed: the effect is measured on all who were worth acting on, whether or not somebody got round to them, and what acting on
one merchant achieves is that effect over the share acted on. While too few decisions have an outcome, it says so and how many are needed.
A business that closed is no failure of acting; such cases are counted apart, yet stay in both arms, for nobody counts them among those
left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from serving.effect import LEAST, Arms, Estimate, Floats, needed
from serving.holdout import HOLD
from serving.memory import ANY

LEAST_EACH = 10
"""Leavers and stayers in each arm below which an interval cannot be relied on."""
NO_DEED = ("wrong alarm",)
"""Dispositions without acting."""


@dataclass(frozen=True)
class Proof:
    """What is known of the effect of acting.

    Attributes
    ----------
    matured, waiting : decisions with an outcome, and without one yet. acted, left_alone : matured ones in each arm.
    acted_on : share of those to act on for whom something was done; spilled : the same of those to leave alone.
    needed : decisions that must have matured to notice the hoped-for effect `hoped`; None where nobody was left alone.
    kept : merchants kept of a hundred worth acting on, as a share. saved_rate : of those who would have left, for one acted on.
    gmv : sales added for each worth acting on. saved, spent, net : money over all that were to be acted on.
    verdict : helps, harms, no effect, cannot tell yet.
    """

    matured: int
    waiting: int
    acted: int
    left_alone: int
    acted_on: float
    spilled: float
    assumed: float
    hoped: float
    needed: float | None
    verdict: str
    kept: Estimate | None = None
    saved_rate: Estimate | None = None
    gmv: Estimate | None = None
    saved: Estimate | None = None
    net: Estimate | None = None
    spent: float = 0.0
    closed_businesses: int = 0

    @property
    def is_known(self) -> bool:
        """Whether enough decisions have an outcome."""
        return self.verdict != "cannot tell yet"

    @property
    def still_needed(self) -> int | None:
        """Decisions that must still mature; None where no number would do."""
        return None if self.needed is None else max(0, int(np.ceil(self.needed)) - self.matured)


def joined(decisions: pd.DataFrame, outcomes: pd.DataFrame, dispositions: pd.DataFrame) -> pd.DataFrame:
    """One row a decision: its outcome (NaN before it is known), `was_acted_on`, `spent`, `business_closed`."""
    table = decisions.merge(outcomes.rename(columns={"since": "decided_on"}), how="left", on=["merchant_id", "decided_on"])
    deeds = table[["decision_no", "merchant_id", "decided_on", "until", "cost"]].merge(dispositions, on="merchant_id", suffixes=("_of_play", ""))
    deeds = deeds[(deeds["done_on"] >= deeds["decided_on"]) & (deeds["done_on"] < deeds["until"]) & ~deeds["outcome"].isin(NO_DEED)]
    paid = deeds["cost"].where(deeds["cost"].notna(), deeds["cost_of_play"]).astype(float)
    spent = paid.groupby(deeds["decision_no"]).sum()
    closed = deeds.loc[deeds["outcome"] == "business closed", "decision_no"]
    return table.assign(
        was_acted_on=table["decision_no"].isin(deeds["decision_no"]),
        spent=table["decision_no"].map(spent).fillna(0.0).astype(float),
        business_closed=table["decision_no"].isin(closed),
    )


def proof(table: pd.DataFrame, *, take_rate: float, power: float = 0.8) -> Proof:
    """The effect of acting on all decisions of `joined` that have an outcome."""
    ripe = table[table["churned"].notna()]
    held = (ripe["arm"] == HOLD).to_numpy(bool)
    facts = _facts(table, ripe, held)
    if min(held.sum(), (~held).sum()) < LEAST:
        return Proof(**facts, needed=_needed_before(table, facts, power), verdict="cannot tell yet")
    compliance = facts["acted_on"] - facts["spilled"]
    if compliance <= 0:  # whatever differs between the arms, nothing that was done did it
        return Proof(**facts, needed=None, verdict="cannot tell yet")
    churned = ripe["churned"].to_numpy(np.float64)
    known = _known(ripe)
    chance = ripe["propensity"].to_numpy(np.float64)
    arms = Arms.of(churned, known, held, chance, ripe["merchant_id"])
    sales = Arms.of(ripe["gmv"].to_numpy(np.float64), known, held, chance, ripe["merchant_id"]).difference()
    wanted = needed(facts["hoped"], arms.act.spread, arms.hold.spread, float(chance.mean()), power)
    kept, gmv = arms.difference(), Estimate(-sales.value, -sales.high, -sales.low)
    acted = int((~held).sum())
    saved = gmv.times(take_rate * acted)
    net = Estimate(*(part - facts["spent"] for part in (saved.value, saved.low, saved.high)))
    rate = arms.saved().times(1 / compliance) if arms.hold.value > 0 else None
    verdict = _verdict(kept, len(ripe) >= wanted and _is_enough(churned, held))
    return Proof(
        **facts, needed=wanted if np.isfinite(wanted) else None, verdict=verdict, kept=kept, saved_rate=rate, gmv=gmv, saved=saved, net=net
    )


def _facts(table: pd.DataFrame, ripe: pd.DataFrame, held: np.ndarray) -> dict[str, Any]:
    acted = ripe[~held]
    acted_on = float(acted["was_acted_on"].mean()) if len(acted) else 0.0
    assumed = (table["save_rate"] * table["churn_risk"]).sum() / table["churn_risk"].sum() if len(table) else 0.0
    return {
        "matured": len(ripe),
        "waiting": len(table) - len(ripe),
        "acted": len(acted),
        "left_alone": int(held.sum()),
        "acted_on": acted_on,
        "spilled": float(ripe.loc[held, "was_acted_on"].mean()) if held.any() else 0.0,
        "assumed": float(assumed),
        "hoped": float((table["save_rate"] * table["churn_risk"]).mean()) * (acted_on if len(ripe) else 1.0) if len(table) else 0.0,
        "spent": float(acted["spent"].sum()),
        "closed_businesses": int(ripe["business_closed"].sum()),
    }


def _needed_before(table: pd.DataFrame, facts: dict[str, Any], power: float) -> float | None:
    """How many it takes, by the predicted risks, while there are too few outcomes to go by."""
    if table.empty or not facts["hoped"] > 0:
        return None
    risk = float(table["churn_risk"].mean())
    found = needed(facts["hoped"], np.sqrt(risk * (1 - risk)), np.sqrt(risk * (1 - risk)), float(table["propensity"].mean()), power)
    return found if np.isfinite(found) else None


def _known(ripe: pd.DataFrame) -> Floats:
    """What was known at the decision; nothing is missing for those worth acting on."""
    return ripe[["churn_risk", "expected_gmv"]].fillna(0).to_numpy(np.float64)


def _is_enough(churned: Floats, held: np.ndarray) -> bool:
    return all(min(churned[arm].sum(), (1 - churned[arm]).sum()) >= LEAST_EACH for arm in (held, ~held))


def _verdict(kept: Estimate, is_enough: bool) -> str:
    if not is_enough:
        return "cannot tell yet"
    return "helps" if kept.low > 0 else "harms" if kept.high < 0 else "no effect"


def measured_rates(table: pd.DataFrame, whole: Proof, *, take_rate: float, power: float = 0.8) -> pd.DataFrame:
    """The save rates that are known well enough to replace the assumed ones: of all actions together, and of each that has enough itself.

    Returns
    -------
    action, save_rate (in [0, 1]), low, high, decisions; no row while nothing is known.
    """
    parts = [(ANY, whole)]
    if whole.is_known:
        parts += [(str(action), proof(rows, take_rate=take_rate, power=power)) for action, rows in table.groupby("action")]
    rows = [
        {
            "action": action,
            "save_rate": min(max(one.saved_rate.value, 0.0), 1.0),
            "low": one.saved_rate.low,
            "high": one.saved_rate.high,
            "decisions": one.matured,
        }
        for action, one in parts
        if one.is_known and one.saved_rate is not None
    ]
    return pd.DataFrame(rows, columns=["action", "save_rate", "low", "high", "decisions"])
