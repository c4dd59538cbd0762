"""What a run publishes for its portfolio: one row a merchant, and the leads that nobody came of, counted.

Everything is as of the cutoff. Which calendar months a merchant sold in is kept as the bits of a whole number: bit 0 is the month of the
day before the cutoff, bit 1 the one before, and so on.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.contacts import leads_before, roles_before
from features.cutoffs import day_date, day_number
from features.declare import Feature
from features.snapshot import Market
from features.verbs import Events

MERCHANTS, LEADS = "portfolio", "leads"
"""Names of the tables: `portfolio` has a row a merchant; `leads`, a row a channel, is of nobody in particular."""
KEPT = ("acquisition_cost", "orders_365d", "gmv_365d", "functions_90d", "days_since_last_login", "logins_90d")
"""Columns of the snapshot that the portfolio needs, as far as there are."""
MONTHS = 60
"""So many calendar months before the cutoff are kept, as far back as there are data."""
DAY = "datetime64[s]"


def portfolio_tables(market: Market, cutoff: date, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that a run publishes beside its merchants.

    Parameters
    ----------
    frame : the snapshot of the cutoff.
    """
    day = day_number(cutoff)
    leads = leads_before(market.source, day)
    table = frame[[name for name in KEPT if name in frame]].copy()
    table["joined_on"] = _past(day, frame["tenure_days"])
    table["first_order_on"] = _past(day, frame["days_since_first_order"])
    table["channel"] = _channel(frame, leads)
    role = roles_before(market.source, day)
    if role is not None:
        table["role"] = role.reindex(frame.index).astype(object)
    if leads is not None:
        won = leads[leads["merchant_id"].notna()].groupby("merchant_id").agg({"contacted_on": "min", "won_on": "min", "cost": "sum"})
        names = {"contacted_on": "lead_on", "won_on": "won_on", "cost": "lead_cost"}
        table = table.join(won.rename(columns=names).reindex(frame.index))
    table = table.join(_sold(market, cutoff).reindex(frame.index))
    tables = {MERCHANTS: table.reset_index()}
    return tables | ({} if leads is None else {LEADS: _lost_and_won(leads)})


def last_month(cutoff: date | str) -> pd.Period:
    """The calendar month of bit 0: that of the day before a cutoff.

    Examples
    --------
    >>> str(last_month("2026-03-01")), str(last_month("2026-03-02"))
    ('2026-02', '2026-03')
    """
    return pd.Period(pd.Timestamp(cutoff) - pd.Timedelta(days=1), "M")


def _sold(market: Market, cutoff: date) -> pd.DataFrame:
    """`gmv_ever`, and the months with an order as bits; windows of one snapshot, so it sees nothing after the cutoff."""
    last, day = last_month(cutoff), day_number(cutoff)
    months = min(MONTHS, (last - pd.Period(day_date(market.source.first_day), "M")).n + 1)
    asked = {"gmv_ever": _feature("gmv_ever", Events("orders").total("amount"))}
    for back in range(months):
        start, end = day_number((last - back).start_time), min(day_number((last - back + 1).start_time), day)
        asked[f"m{back}"] = _feature(f"m{back}", Events("orders").last(days=end - start, skip=day - end).count())
    found = Market.of(market.source, asked).snapshot(cutoff)
    bits = np.zeros(len(found), np.int64)
    for back in range(months):
        bits |= (found[f"m{back}"].to_numpy() > 0).astype(np.int64) << back
    return pd.DataFrame({"gmv_ever": found["gmv_ever"].fillna(0).astype(float), "sold_months": bits}, index=found.index)


def _channel(frame: pd.DataFrame, leads: pd.DataFrame | None) -> pd.Series:
    """The channel that the merchants table names, else that of the lead that was won."""
    channel = frame["acquisition_channel"].astype(object) if "acquisition_channel" in frame else pd.Series(None, frame.index, dtype=object)
    if leads is not None:
        won = leads[leads["merchant_id"].notna()].sort_values("won_on", kind="stable").drop_duplicates("merchant_id")
        channel = channel.where(channel.notna(), won.set_index("merchant_id")["channel"].reindex(frame.index))
    return channel.where(channel.notna(), None)


def _lost_and_won(leads: pd.DataFrame) -> pd.DataFrame:
    """Leads by channel: how many, how many were won and how many of these have a merchant, what they cost, and the usual days to winning."""
    days = (leads["won_on"] - leads["contacted_on"]).dt.days.where(leads["won_on"].notna())
    table = leads.assign(channel=leads["channel"].fillna("").astype(str), is_won=leads["won_on"].notna(), is_joined=leads["merchant_id"].notna(), days=days)
    found = table.groupby("channel", sort=True).agg(
        leads=("contacted_on", "size"),
        won=("is_won", "sum"),
        joined=("is_joined", "sum"),
        cost=("cost", lambda cost: cost.sum(min_count=1)),
        days_to_win=("days", "median"),
    )
    return found.reset_index()


def _past(day: int, since: pd.Series) -> pd.Series:
    return pd.to_datetime(day - since.astype(float), unit="D").astype(DAY)  # type: ignore[call-overload]


def _feature(name: str, tree: Any) -> Feature:
    words = ("sales or orders of one period", "单期交易")
    return Feature(name, "currency", words, "Sales or orders of one period.", "portfolio", ("orders",), tree)
