"""Whether published predictions came true: risks and sales told by past runs against what happened since."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select

from features.snapshot import Market
from serving.ledger import Ledger
from serving.ledger.bulk import read
from serving.ledger.schema import scores
from serving.outcomes import horizon_end, settled

BINS = 10
SURE = 1.96
LATEST = 12
"""So many matured runs are looked at, the latest ones."""
MERELY_NOISE = 3.0
"""Within so many standard errors a difference between told and happened is not yet called an alarm."""


@dataclass(frozen=True)
class Matured:
    """One run whose horizon has passed: `told` and `happened` are shares that leave, `low` to `high` what noise allows around `told`."""

    run_id: str
    cutoff: str
    model_version: str
    merchants: int
    told: float
    happened: float
    low: float
    high: float
    auc: float | None
    brier: float
    ece: float
    gmv_told: float
    gmv_happened: float

    @property
    def level(self) -> str:
        """Whether what happened is within the noise of what was told: ok, warn or alarm."""
        apart = abs(self.happened - self.told) / max((self.high - self.told) / SURE, 1e-12)
        return "ok" if apart <= SURE else "warn" if apart <= MERELY_NOISE else "alarm"


def matured(ledger: Ledger, market: Market, *, until: date | None = None, but: Container[str] = ()) -> list[Matured]:
    """The latest runs whose horizon has passed, oldest first; of several runs of one cutoff the last.

    A run whose model was trained on data from after its cutoff is left out: it knew what it tells.

    Parameters
    ----------
    until : only runs of cutoffs up to this day. but : not these runs.
    """
    end = pd.Timestamp(market.source.end_day, unit="D")
    whole = ledger.table("runs").drop_duplicates("cutoff", keep="last")
    learnt = whole["model_version"].map({version: _trained_on(market, version) for version in whole["model_version"].unique()})
    whole = whole[~(pd.to_datetime(learnt) > whole["cutoff"])]
    over = whole[whole["cutoff"] + pd.Timedelta(days=horizon_end(market.settings)) <= end].sort_values("cutoff")
    over = over if until is None else over[over["cutoff"] <= pd.Timestamp(until)]
    found = [_judged(ledger, market, run) for run in over.tail(LATEST).to_dict("records") if run["run_id"] not in but]
    return [one for one in found if one is not None]


def _trained_on(market: Market, version: str) -> str | None:
    """The day of training, as far as the bundle is still there to say."""
    card = market.settings.state_dir / "bundles" / version / "card.json"
    try:
        day: str | None = json.loads(card.read_bytes()).get("as_of")
    except (OSError, ValueError):
        return None
    return day


def _judged(ledger: Ledger, market: Market, run: dict[Any, Any]) -> Matured | None:
    with ledger.reading() as connection:
        columns = (scores.c.merchant_id, scores.c.churn_risk, scores.c.expected_gmv)
        told = read(connection, select(*columns).where(scores.c.run_no == run["run_no"], scores.c.churn_risk.is_not(None)))
    after = settled(market, told[["merchant_id"]].assign(since=run["cutoff"]))
    if after.empty:
        return None
    both = told.merge(after, on="merchant_id")
    risk, left = both["churn_risk"].to_numpy(float), both["churned"].to_numpy(float)
    error = float(np.sqrt((risk * (1 - risk)).sum())) / len(both)
    told_share = float(risk.mean())
    return Matured(
        run_id=str(run["run_id"]),
        cutoff=f"{run['cutoff']:%Y-%m-%d}",
        model_version=str(run["model_version"]),
        merchants=len(both),
        told=told_share,
        happened=float(left.mean()),
        low=told_share - SURE * error,
        high=told_share + SURE * error,
        auc=ranking(left, risk),
        brier=float(((risk - left) ** 2).mean()),
        ece=calibration_error(left, risk),
        gmv_told=float(both["expected_gmv"].sum()),
        gmv_happened=float(both["gmv"].sum()),
    )


def ranking(left: np.ndarray, risk: np.ndarray) -> float | None:
    """Chance that one who left had a higher risk than one who stayed (AUC, by ranks); None where all did the same.

    Examples
    --------
    >>> ranking(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    gone = int(left.sum())
    if gone in (0, len(left)):
        return None
    return float((pd.Series(risk).rank().to_numpy()[left == 1].sum() - gone * (gone + 1) / 2) / (gone * (len(left) - gone)))


def calibration_error(left: np.ndarray, risk: np.ndarray) -> float:
    """Mean absolute difference between told and happened over ten classes of equally many merchants, by risk."""
    place = np.minimum((pd.Series(risk).rank().to_numpy() / len(risk) * BINS - 1e-9).astype(int), BINS - 1)
    return float(np.abs(np.bincount(place, left, BINS) - np.bincount(place, risk, BINS)).sum() / len(left))
