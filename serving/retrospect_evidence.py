"""What is known of lost merchants' last weeks, and of everybody else's in the same weeks: what the signs of a cause are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.contacts import ticket_topics
from features.cutoffs import day_date
from features.declare import Feature
from features.snapshot import Market
from features.verbs import Column, Events, volatility

NOW, SKIP, BEFORE = 42, 84, 182
"""The last six weeks, against the half-year that ended twelve weeks ago: what grows for weeks is not yet in it."""
LATE = SKIP
"""All twelve weeks, for what needs more orders to be seen than six weeks have."""
WEEK, YEAR, AHEAD, SEASON = 7, 365, 56, 140
PEERS, SELLING = 1000, 5
"""Of how many others in each part of the market usual changes are learnt, and how many orders make one worth learning from."""
AMONG = ("industry", "region")
COMPARED = ("orders_now", "orders_late", "orders_before", "year", "ahead", "season")
ABOUT = {
    "fees": ("fee", "price", "pricing", "commission", "billing", "cost", "subsid", "费", "佣", "价", "补贴"),
    "rival": ("rival", "competitor", "migrat", "switch", "竞", "对手", "迁移"),
    "closing": ("closing", "closure", "bankrupt", "停业", "关店", "倒闭"),
}
"""Parts of the words of ticket topics and notes, by what they are about."""


@dataclass(frozen=True)
class Evidence:
    """One row a merchant: `lost`, as of its own day, and `peers`, others that sold in the same weeks."""

    lost: pd.DataFrame
    peers: pd.DataFrame


def evidence_features(market: Market) -> dict[str, Feature]:
    """The features that signs are read from, as far as the market has their tables."""
    made: dict[str, Feature] = {}
    for name, (streams, tree, field) in (_sold() | _served() | _used()).items():
        has = all(stream in market.source.streams for stream in streams)
        if has and (field is None or field in market.source.streams[streams[0]]):
            made[name] = Feature(name, "count", (name, name), name, "retrospect", streams, tree)
    kept = ("campaign_share_90d", "days_since_campaign_end", "tenure_days", "contract_days_left")
    return made | {name: market.features[name] for name in kept if name in market.features}


Needed = dict[str, tuple[tuple[str, ...], Column, str | None]]
"""By name the streams, the tree and the field that the data must have."""


def _sold() -> Needed:
    orders = Events("orders")
    now, before, one = orders.last(NOW), orders.last(BEFORE, SKIP), ("orders",)
    weekly = [orders.last(WEEK, SKIP + WEEK * back).count() for back in range(BEFORE // WEEK)]
    return {
        "quiet": (one, orders.days_since_last(), None),
        "age": (one, orders.days_since_first(), None),
        "orders_now": (one, now.count(), None),
        "orders_late": (one, orders.last(LATE).count(), None),
        "orders_before": (one, before.count(), None),
        "bursts": (one, volatility(weekly), None),
        "gmv_now": (one, now.total("amount"), None),
        "gmv_before": (one, before.total("amount"), None),
        "year": (one, orders.last(YEAR).count(), None),
        "ahead": (one, orders.last(AHEAD, YEAR - AHEAD).count(), None),
        "year_ago": (one, orders.last(YEAR, YEAR - AHEAD).count(), None),
        "season": (one, orders.last(SEASON).count(), None),
        "subsidy_now": (one, now.total("subsidy") / now.total("amount"), "subsidy"),
        "subsidy_before": (one, before.total("subsidy") / before.total("amount"), "subsidy"),
        "lines_now": (one, now.total("lines") / now.count(), "lines"),
        "lines_before": (one, before.total("lines") / before.count(), "lines"),
    }


def _served() -> Needed:
    orders, deliveries, tickets = Events("orders"), Events("deliveries"), Events("tickets")
    resolutions, reviews, refunds = Events("resolutions"), Events("reviews"), Events("refunds")
    late, both = ("deliveries",), ("orders", "refunds")
    return {
        "asked": (("tickets",), tickets.days_since_last(), None),
        "tickets_now": (("tickets",), tickets.last(NOW).count(), None),
        "tickets_before": (("tickets",), tickets.last(BEFORE, SKIP).count(), None),
        "effort_now": (("resolutions",), resolutions.last(NOW).mean("effort_score"), "effort_score"),
        "resolved_now": (("resolutions",), resolutions.last(NOW).count(), None),
        "late_now": (late, deliveries.last(NOW).mean("late"), "late"),
        "late_before": (late, deliveries.last(BEFORE, SKIP).mean("late"), "late"),
        "delivered_now": (late, deliveries.last(NOW).count(), None),
        "delivered_before": (late, deliveries.last(BEFORE, SKIP).count(), None),
        "rating_now": (("reviews",), reviews.last(NOW).mean("rating"), None),
        "rating_before": (("reviews",), reviews.last(BEFORE, SKIP).mean("rating"), None),
        "reviews_now": (("reviews",), reviews.last(NOW).count(), None),
        "reviews_before": (("reviews",), reviews.last(BEFORE, SKIP).count(), None),
        "refunds_now": (both, refunds.last(NOW).total("amount") / orders.last(NOW).total("amount"), None),
        "refunds_before": (both, refunds.last(BEFORE, SKIP).total("amount") / orders.last(BEFORE, SKIP).total("amount"), None),
    }


def _used() -> Needed:
    logins = Events("logins")
    return {
        "unheard": (("logins",), logins.days_since_last(), None),
        "logins_now": (("logins",), logins.last(NOW).count(), None),
        "logins_before": (("logins",), logins.last(BEFORE, SKIP).count(), None),
        "functions_now": (("logins",), logins.last(NOW).distinct("function"), "function"),
        "functions_before": (("logins",), logins.last(BEFORE, SKIP).distinct("function"), "function"),
        "cancelled": (("cancellations",), Events("cancellations").days_since_last(), None),
    }


def evidence(market: Market, wanted: Mapping[int, list[str]]) -> Evidence:
    """What the signs are read from, of the merchants wanted at each cutoff (a day number); indexed by merchant_id, column `day`.

    The orders of its industry, of its region and of the whole market stand beside a merchant's own. One pass over the events, however
    many cutoffs there are.
    """
    known = market.merchants.set_index("merchant_id")
    asked = pd.MultiIndex.from_tuples([(name, day_date(day)) for day, names in wanted.items() for name in names])
    chosen, peers = [], []
    sums: dict[str, list[pd.DataFrame]] = {name: [] for name in (*AMONG, "market")}
    for part in Market.of(market.source, evidence_features(market)).parts(sorted(wanted)):
        ids = part.index.get_level_values("merchant_id")
        groups = {name: known[name].reindex(ids).fillna("?").to_numpy(object) if name in known else "?" for name in AMONG}
        keyed = part.assign(**groups, market="all", moment=part.index.get_level_values("cutoff"))
        for name, found in sums.items():
            found.append(keyed.groupby([name, "moment"])[list(COMPARED)].sum())
        is_asked = part.index.isin(asked)
        chosen.append(keyed[is_asked])
        others = keyed[~is_asked & (keyed["quiet"] <= WEEK) & (keyed["orders_before"] >= SELLING)]
        peers.append(others.sample(min(len(others), PEERS), random_state=0))
    first, frames = int(market.source.first_day), []
    for frame in (pd.concat(chosen), pd.concat(peers)):
        for name, found in sums.items():
            frame = frame.join(pd.concat(found).groupby(level=[0, 1]).sum().add_prefix(f"{name}_"), on=[name, "moment"])
        day = (pd.DatetimeIndex(frame["moment"]) - pd.Timestamp(0)).days
        frames.append(frame.assign(day=day, reach=day - first).droplevel("cutoff").drop(columns=["moment", "market", *AMONG]))
    return Evidence(*frames)


def topics(market: Market) -> pd.DataFrame:
    """Tickets whose topic is about something that tells a cause: merchant_id, day, about."""
    rows = ticket_topics(market.source)
    about = {topic: next((name for name, parts in ABOUT.items() if any(part in topic for part in parts)), None) for topic in rows["topic"].unique()}
    return rows.assign(about=rows["topic"].map(about)).dropna(subset=["about"])[["merchant_id", "day", "about"]]


def with_topics(frame: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The evidence with how many tickets of each kind there were in the last weeks before each row's day, and in the half-year before."""
    joined = frame[["day"]].rename(columns={"day": "cutoff"}).reset_index().merge(told, on="merchant_id")
    back = joined["cutoff"] - joined["day"]
    found: dict[str, Any] = {}
    for stem, is_in in (("", (back > 0) & (back <= NOW)), ("_before", (back > SKIP) & (back <= SKIP + BEFORE))):
        counts = joined[is_in].groupby(["merchant_id", "about"]).size().unstack(fill_value=0)
        found |= {f"about_{name}{stem}": counts.get(name, pd.Series(dtype=float)).reindex(frame.index).fillna(0).to_numpy(float) for name in ABOUT}
    return frame.assign(**found)
