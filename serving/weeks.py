"""What each merchant sold in each of the last 52 weeks before a cutoff: for the lines that people look at, not for any score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cutoffs import Cutoff
from features.declare import Feature
from features.snapshot import Market
from features.verbs import Events
from serving.run import Run

WEEKS = 52
DAYS = 7
TABLE = "weeks"


def weeks_of(market: Market, cutoff: Cutoff) -> pd.DataFrame:
    """GMV of each week `[cutoff − 7 (k + 1) days, cutoff − 7 k days)`, from nothing that was not known before the cutoff.

    Returns
    -------
    Indexed by merchant_id; columns `w51` (the oldest) … `w00` (the last seven days), float32.
    """
    asked = {feature.name: feature for feature in map(_week, range(WEEKS))}
    found = Market.of(market.source, asked).snapshot(cutoff)
    return found[[f"w{week:02d}" for week in reversed(range(WEEKS))]].fillna(0)


def weekly(run: Run) -> pd.DataFrame | None:
    """The weeks of a run; None for a run that was published without them."""
    return run.indexed(TABLE) if f"{TABLE}.parquet" in run.files else None


def sold(weeks: pd.DataFrame, merchant_ids: pd.Index, last: int = 12) -> NDArray[np.float64]:
    """(merchants, last) GMV of the last weeks, the oldest first; zero for those that the table does not have."""
    return weeks.iloc[:, -last:].reindex(merchant_ids).fillna(0).to_numpy(np.float64)


def _week(week: int) -> Feature:
    words = ("sales of one week", "单周交易额")
    tree: Any = Events("orders").last(days=DAYS, skip=week * DAYS).total("amount")
    return Feature(f"w{week:02d}", "currency", words, "Sales of one week.", "weeks", ("orders",), tree)
