"""What became of merchants after a decision or a warning, read from snapshots once the horizon has passed.

A snapshot at the end of a horizon says all there is to know of it: who has not sold since longer than the horizon left, and the sales of
the last horizon's days are those after the decision. So an outcome is known no earlier than anybody could have known it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

from features.declare import Feature
from features.settings import Settings
from features.snapshot import Market
from features.verbs import Events

SILENT = "days_since_last_order"
SOLD = "gmv_over_horizon"
DAY = "datetime64[s]"


def horizon_end(settings: Settings) -> int:
    """Days from a decision to the instant at which its outcome is known."""
    return settings.churn.gap_days + max(settings.churn.horizon_days, settings.growth.horizon_days)


def settled(market: Market, waiting: pd.DataFrame) -> pd.DataFrame:
    """The outcomes that are known by now.

    Parameters
    ----------
    waiting : merchant_id, since: one row an outcome that is asked for.

    Returns
    -------
    Columns of the ledger's outcomes; those whose horizon has not passed are left out, and merchants that the data does not have any more.
    """
    settings, end = market.settings, pd.Timestamp(market.source.end_day, unit="D")
    known = waiting[waiting["since"] + pd.Timedelta(days=horizon_end(settings)) <= end]
    known = known[known["merchant_id"].isin(market.merchants["merchant_id"])].drop_duplicates()
    looked = Market.of(market.source, {SILENT: market.features[SILENT], SOLD: _sold(settings.growth.horizon_days)})
    parts = [_after(looked, settings, pd.Timestamp(day), known.loc[known["since"] == day, "merchant_id"].tolist()) for day in known["since"].unique()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _after(market: Market, settings: Settings, since: pd.Timestamp, merchants: list[str]) -> pd.DataFrame:
    """The outcomes of one day's decisions."""
    start = since + timedelta(days=settings.churn.gap_days)
    churn_end, value_end = (start + timedelta(days=section.horizon_days) for section in (settings.churn, settings.growth))
    quiet = market.snapshot(churn_end, merchants, [SILENT])[SILENT].astype(float)
    sold = market.snapshot(value_end, merchants, [SOLD])[SOLD].astype(float)
    last = churn_end - pd.to_timedelta(quiet, unit="D")
    return pd.DataFrame(
        {
            "merchant_id": merchants,
            "since": since,
            "settled_on": max(churn_end, value_end),
            "churned": ~(quiet.to_numpy() <= settings.churn.horizon_days),
            "silent_on": (last + timedelta(days=1)).to_numpy(),
            "gmv": sold.fillna(0).to_numpy(),
        }
    ).astype({"since": DAY, "settled_on": DAY, "silent_on": DAY, "merchant_id": object})


def _sold(days: int) -> Feature:
    """Sales of the last so many days, however many: the horizon need not be a window of the catalogue."""
    words = ("sales over the horizon", "预测期内交易额")
    tree: Any = Events("orders").last(days=days).total("amount")
    return Feature(SOLD, "currency", words, "Sales over the horizon.", "outcomes", ("orders",), tree)
