"""What is known of lost merchants' last weeks: the features that signs of a cause are read from, and what their tickets were about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.contacts import ticket_topics
from features.declare import Feature
from features.snapshot import Market, day_date
from features.verbs import Column, Events

NOW, SKIP, BEFORE = 56, 84, 182
YEAR, AHEAD = 365, 56
OF_INDUSTRY = ("orders_now", "orders_before")
ABOUT = {
    "fees": ("fee", "price", "pricing", "commission", "billing", "cost", "subsid", "费", "佣", "价", "补贴"),
    "rival": ("rival", "competitor", "migrat", "switch", "竞", "对手", "迁移"),
    "closing": ("closing", "closure", "bankrupt", "停业", "关店", "倒闭"),
}
"""Parts of the words of ticket topics and notes, by what they are about."""


def evidence_features(market: Market) -> dict[str, Feature]:
    """The features that signs are read from, as far as the market has their tables."""
    orders, tickets, logins = Events("orders"), Events("tickets"), Events("logins")
    now, before = orders.last(NOW), orders.last(BEFORE, SKIP)
    trees: dict[str, tuple[tuple[str, ...], Column]] = {
        "quiet": (("orders",), orders.days_since_last()),
        "unheard": (("logins",), logins.days_since_last()),
        "asked": (("tickets",), tickets.days_since_last()),
        "age": (("orders",), orders.days_since_first()),
        "orders_now": (("orders",), now.count()),
        "orders_before": (("orders",), before.count()),
        "gmv_now": (("orders",), now.total("amount")),
        "gmv_before": (("orders",), before.total("amount")),
        "year": (("orders",), orders.last(YEAR).count()),
        "ahead": (("orders",), orders.last(AHEAD, YEAR - AHEAD).count()),
        "year_ago": (("orders",), orders.last(AHEAD, YEAR).count()),
        "subsidy_now": (("orders",), now.total("subsidy") / now.total("amount")),
        "subsidy_before": (("orders",), before.total("subsidy") / before.total("amount")),
        "lines_now": (("orders",), now.total("lines") / now.count()),
        "lines_before": (("orders",), before.total("lines") / before.count()),
        "tickets_now": (("tickets",), tickets.last(NOW).count()),
        "tickets_before": (("tickets",), tickets.last(BEFORE, SKIP).count()),
        "effort_now": (("resolutions",), Events("resolutions").last(NOW).mean("effort_score")),
        "late_now": (("deliveries",), Events("deliveries").last(NOW).mean("late")),
        "late_before": (("deliveries",), Events("deliveries").last(BEFORE, SKIP).mean("late")),
        "rating_now": (("reviews",), Events("reviews").last(NOW).mean("rating")),
        "rating_before": (("reviews",), Events("reviews").last(BEFORE, SKIP).mean("rating")),
        "refunds_now": (("orders", "refunds"), Events("refunds").last(NOW).total("amount") / now.total("amount")),
        "refunds_before": (("orders", "refunds"), Events("refunds").last(BEFORE, SKIP).total("amount") / before.total("amount")),
        "logins_now": (("logins",), logins.last(NOW).count()),
        "functions_now": (("logins",), logins.last(NOW).distinct("function")),
        "functions_before": (("logins",), logins.last(NOW, SKIP).distinct("function")),
    }
    fields = {"subsidy_now": "subsidy", "subsidy_before": "subsidy", "lines_now": "lines", "lines_before": "lines"}
    fields |= {"functions_now": "function", "functions_before": "function", "effort_now": "effort_score"}
    made: dict[str, Feature] = {}
    for name, (streams, tree) in trees.items():
        has = all(stream in market.source.streams for stream in streams)
        if has and (name not in fields or fields[name] in market.source.streams[streams[0]]):
            made[name] = Feature(name, "count", (name, name), name, "retrospect", streams, tree)
    kept = ("campaign_share_90d", "days_since_campaign_end", "tenure_days")
    return made | {name: market.features[name] for name in kept if name in market.features}


def evidence(market: Market, wanted: Mapping[int, list[str]]) -> pd.DataFrame:
    """What the signs are read from, of the merchants wanted at each cutoff (a day number); indexed by merchant_id, column `day`.

    The industry's orders, now and before, stand beside a merchant's own. One pass over the events, however many cutoffs there are.
    """
    if not wanted:
        return pd.DataFrame()
    industry = market.merchants.set_index("merchant_id").get("industry")
    asked = pd.MultiIndex.from_tuples([(name, day_date(day)) for day, names in wanted.items() for name in names])
    chosen, sums = [], []
    for part in Market.of(market.source, evidence_features(market)).parts(sorted(wanted)):
        ids = part.index.get_level_values("merchant_id")
        group = np.full(len(part), "?", dtype=object) if industry is None else industry.reindex(ids).fillna("?").to_numpy(object)
        keyed = part.assign(group=group, moment=part.index.get_level_values("cutoff"))
        sums.append(keyed.groupby(["group", "moment"])[list(OF_INDUSTRY)].sum())
        chosen.append(keyed[part.index.isin(asked)])
    frame = pd.concat(chosen)
    whole = pd.concat(sums).groupby(level=[0, 1]).sum().add_prefix("industry_")
    frame = frame.join(whole, on=["group", "moment"])
    day = (pd.DatetimeIndex(frame["moment"]) - pd.Timestamp(0)).days
    return frame.assign(day=day).droplevel("cutoff").drop(columns=["group", "moment"])


def topics(market: Market) -> pd.DataFrame:
    """Tickets whose topic is about something that tells a cause: merchant_id, day, about."""
    rows = ticket_topics(market.source)
    about = {topic: next((name for name, parts in ABOUT.items() if any(part in topic for part in parts)), None) for topic in rows["topic"].unique()}
    return rows.assign(about=rows["topic"].map(about)).dropna(subset=["about"])[["merchant_id", "day", "about"]]


def with_topics(frame: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The evidence with how many tickets of each kind there were in the last eight weeks before each row's day."""
    joined = frame[["day"]].rename(columns={"day": "cutoff"}).reset_index().merge(told, on="merchant_id")
    joined = joined[(joined["day"] < joined["cutoff"]) & (joined["day"] >= joined["cutoff"] - NOW)]
    counts = joined.groupby(["merchant_id", "about"]).size().unstack(fill_value=0)
    found = {f"about_{name}": counts.get(name, pd.Series(dtype=float)).reindex(frame.index).fillna(0).to_numpy(float) for name in ABOUT}
    return frame.assign(**found)
