"""Why a merchant left, by rules over what its own events showed in its last eight weeks against the half-year before.

Each sign is a number against the size that would be plain to anybody; one is plain, two is as much as one sign may count. The signs of a cause
are added up, and the cause with the most is named if it reaches one: else nobody knows. The sizes follow from what the cause means and not from
any market. A fall of sales stands behind every cause, so by itself it speaks for a rival only where service, price and season do not.

* service: many more tickets than usual, hard ones, late deliveries, worse reviews.
* price: tickets about fees, subsidy in place of own sales, smaller baskets, sales that ended with a campaign.
* rival: sales fall while those of the industry do not, and fewer functions are used although people still log in.
* season: in the coming weeks of last year it, too, sold next to nothing.
* product fit: refunds, shorter orders.
* business closed: the other stores of its chain stopped in the same weeks; a person who said so is believed before all signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.declare import Feature
from features.snapshot import Market
from features.source import again
from features.verbs import Column, Events

Numbers = NDArray[np.float64]
CAUSES = ("price", "service", "product fit", "rival", "season", "business closed", "unknown")
NOW, SKIP, BEFORE = 56, 84, 182
YEAR, AHEAD = 365, 56
PLAIN, MOST = 1.0, 2.0
FEW_ORDERS = 5
ABOUT = {
    "fees": ("fee", "price", "pricing", "commission", "billing", "cost", "subsid", "费", "佣", "价", "补贴"),
    "rival": ("rival", "competitor", "migrat", "switch", "竞", "对手", "迁移"),
    "closing": ("closing", "closure", "bankrupt", "停业", "关店", "倒闭"),
}
"""Parts of the words of ticket topics and notes, by what they are about."""
WORDS: dict[str, tuple[str, str]] = {
    "price": ("price", "价格"),
    "service": ("service", "服务"),
    "product fit": ("product fit", "产品匹配"),
    "rival": ("a rival", "竞争平台"),
    "season": ("season", "季节"),
    "business closed": ("business closed", "停业"),
    "unknown": ("unknown", "未知"),
}


@dataclass(frozen=True)
class Sign:
    """One sign of a cause: how much of it was there (1 is plain) in words of both languages, `{value}` in them."""

    cause: str
    name: str
    en: str
    zh: str


SIGNS = (
    Sign("service", "tickets", "{value:.0f} tickets in eight weeks, far above its usual", "八周内工单{value:.0f}个，远超平常"),
    Sign("service", "effort", "help cost an effort of {value:.1f} of 7", "获得支持的费力度{value:.1f}（满分7）"),
    Sign("service", "late", "late deliveries rose by {value:.0%} of all", "延迟送达占比上升{value:.0%}"),
    Sign("service", "rating", "its rating moved by {value:+.1f}", "评分变化{value:+.1f}"),
    Sign("price", "fees", "{value:.0f} tickets about fees in eight weeks", "八周内费用类工单{value:.0f}个"),
    Sign("price", "subsidy", "subsidy rose by {value:.0%} of its sales", "补贴占交易额上升{value:.0%}"),
    Sign("price", "basket", "its average order fell by {value:.0%}", "客单价下降{value:.0%}"),
    Sign("price", "campaign", "{value:.0%} of its sales came in campaigns, and the last had just ended", "{value:.0%}的交易额来自活动，且活动刚结束"),
    Sign("rival", "fall", "its orders fell by {value:.0%} against its industry's", "订单相对行业下降{value:.0%}"),
    Sign("rival", "functions", "it used {value:.0%} fewer functions than before", "使用的功能减少{value:.0%}"),
    Sign("rival", "topic", "{value:.0f} tickets about another platform", "{value:.0f}个工单提及其他平台"),
    Sign("season", "ahead", "last year the coming eight weeks brought {value:.0%} of an even share", "去年同期未来八周仅为平均水平的{value:.0%}"),
    Sign("product fit", "refunds", "refunds rose by {value:.0%} of its sales", "退款率上升{value:.0%}"),
    Sign("product fit", "lines", "its orders had {value:.0%} fewer lines", "每单行数减少{value:.0%}"),
    Sign("business closed", "chain", "{value:.0f} more stores of its chain stopped in the same weeks", "同一连锁另有{value:.0f}家门店同期停售"),
)


LATER = ("tickets", "effort", "fees", "functions", "topic", "fall")
"""Signs that a merchant can still give after its last order: one that logs in and sells nothing sells elsewhere."""


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


def evidence(market: Market, days: list[int], wanted: Mapping[int, list[str]]) -> pd.DataFrame:
    """What the signs are read from, at the cutoffs `days`, of the merchants wanted at each; indexed by merchant_id, column `day`.

    The industry's orders, now and before, stand beside a merchant's own.
    """
    looked = Market.of(market.source, evidence_features(market))
    industry = market.merchants.set_index("merchant_id").get("industry")
    parts = []
    for day in days:
        frame = looked.snapshot(day)
        group = "all" if industry is None else industry.reindex(frame.index).fillna("?").to_numpy()
        for name in ("orders_now", "orders_before"):
            frame[f"industry_{name}"] = frame[name].groupby(np.broadcast_to(group, len(frame))).transform("sum")
        chosen = frame.loc[frame.index.intersection(pd.Index(wanted[day], dtype=object))]
        parts.append(chosen.assign(day=day))
    return pd.concat(parts) if parts else pd.DataFrame()


def topics(market: Market) -> pd.DataFrame:
    """Tickets whose topic is about something that tells a cause: merchant_id, day, about."""
    nothing = pd.DataFrame({"merchant_id": [], "day": [], "about": []})
    if "topic" not in market.source.streams.get("tickets", ()):
        return nothing
    with again(market.source, "tickets"):
        rows = market.source.connection.execute(
            'SELECT merchant_id, opened_at_day AS day, lower(topic) AS topic FROM "read_tickets" WHERE topic IS NOT NULL'
        ).df()
    about = {topic: next((name for name, parts in ABOUT.items() if any(part in topic for part in parts)), None) for topic in rows["topic"].unique()}
    return rows.assign(about=rows["topic"].map(about)).dropna(subset=["about"])[["merchant_id", "day", "about"]]


def with_topics(frame: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The evidence with how many tickets of each kind there were in the last eight weeks before each row's day."""
    joined = frame[["day"]].rename(columns={"day": "cutoff"}).reset_index().merge(told, on="merchant_id")
    joined = joined[(joined["day"] < joined["cutoff"]) & (joined["day"] >= joined["cutoff"] - NOW)]
    counts = joined.groupby(["merchant_id", "about"]).size().unstack(fill_value=0)
    found = {f"about_{name}": counts.get(name, pd.Series(dtype=float)).reindex(frame.index).fillna(0).to_numpy(float) for name in ABOUT}
    return frame.assign(**found)


def signs_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Strength and value of every sign, one row a merchant, columns by the names of `SIGNS`; strength 0 where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):  # what cannot be divided is no sign
        return _signs_of(frame)


def _signs_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    def column(name: str) -> Numbers:
        return frame[name].to_numpy(np.float64) if name in frame else np.full(len(frame), np.nan)

    def surge(now: Numbers, before: Numbers, least: float) -> Numbers:
        usual = np.maximum(before * NOW / BEFORE, least)
        return (now - usual) / np.sqrt(usual) / 3  # three standard deviations of a Poisson count

    own = column("orders_now") / NOW / (column("orders_before") / BEFORE)
    industry = column("industry_orders_now") / NOW / (column("industry_orders_before") / BEFORE)
    fall = np.where(column("orders_before") >= FEW_ORDERS, 1 - own / np.maximum(industry, 1e-9), np.nan)
    basket = 1 - (column("gmv_now") / column("orders_now")) / (column("gmv_before") / column("orders_before"))
    narrow = np.where(column("logins_now") >= column("functions_before"), 1 - column("functions_now") / column("functions_before"), np.nan)
    even = np.minimum(column("year") * AHEAD / YEAR, column("year_ago"))  # a young merchant sold less last year anyway
    ahead = np.where((column("age") >= YEAR + AHEAD) & (even >= FEW_ORDERS), column("ahead") / even, np.nan)
    late, rating = column("late_now") - column("late_before"), column("rating_now") - column("rating_before")
    subsidy, refunds = column("subsidy_now") - column("subsidy_before"), column("refunds_now") - column("refunds_before")
    lines = 1 - column("lines_now") / column("lines_before")
    campaign = np.where(column("days_since_campaign_end") <= NOW, column("campaign_share_90d"), np.nan)
    enough = column("orders_now") >= FEW_ORDERS
    found: dict[str, tuple[Any, Numbers]] = {
        "tickets": (surge(column("tickets_now"), column("tickets_before"), 1.0), column("tickets_now")),
        "effort": (np.where(column("tickets_now") >= 2, column("effort_now") - 4, np.nan), column("effort_now")),  # 4 is the scale's middle
        "late": (np.where(enough, late / 0.15, np.nan), late),
        "rating": (-rating / 1.0, rating),
        "fees": (column("about_fees") / 2, column("about_fees")),
        "subsidy": (subsidy / 0.10, subsidy),
        "basket": (np.where(enough, basket / 0.25, np.nan), basket),
        "campaign": (campaign / 0.5, campaign),
        "fall": (fall / 0.5, fall),
        "functions": (narrow / 0.4, narrow),
        "topic": (column("about_rival") * 2, column("about_rival")),
        "ahead": (np.where(ahead <= 0.5, 2 - 2 * ahead, np.nan), ahead),
        "refunds": (refunds / 0.10, refunds),
        "lines": (np.where(enough, lines / 0.3, np.nan), lines),
        "chain": (column("chain_stopped"), column("chain_stopped")),
    }
    strength = {name: np.clip(np.nan_to_num(np.where(np.isfinite(given), given, 0)), 0, MOST) for name, (given, _) in found.items()}
    for name, values in strength.items():
        values[values < PLAIN / 2] = 0  # half of what is plain is noise
        strength[name] = values
    return pd.DataFrame(strength, frame.index), pd.DataFrame({name: value for name, (_, value) in found.items()}, frame.index)


def _stronger(views: list[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each sign as the view shows it in which it is strongest."""
    strength, value = views[0]
    for other, number in views[1:]:
        for name in LATER:
            is_more = other[name].reindex(strength.index) > strength[name]
            value[name] = value[name].mask(is_more, number[name])
            strength[name] = strength[name].mask(is_more, other[name])
    return strength, value


def causes_of(views: list[pd.DataFrame], said: Mapping[str, str]) -> pd.DataFrame:
    """The likely cause of each merchant's leaving.

    Parameters
    ----------
    views : the evidence, with `chain_stopped`, after the last order, and after the last that was heard of it.
    said : by merchant what a person recorded as the cause, believed before all signs.

    Returns
    -------
    `cause`, `weight` (1 is plain), `evidence_en`, `evidence_zh` (lists), and `by`, "person" or "signs"; one column a cause with its sum.
    """
    strength, value = _stronger([signs_of(view) for view in views])
    sums = pd.DataFrame({cause: strength[[one.name for one in SIGNS if one.cause == cause]].sum(axis=1) for cause in CAUSES[:-1]})
    others = sums.drop(columns="rival").max(axis=1)
    sums["rival"] = sums["rival"] - strength["fall"].where(others >= PLAIN, 0)  # a fall that another cause explains
    best, weight = sums.idxmax(axis=1), sums.max(axis=1)
    cause = best.where(weight >= PLAIN, "unknown")
    rows = []
    index = strength.index
    for merchant in index:
        named = said.get(merchant, cause[merchant])
        shown = sorted((one for one in SIGNS if strength.at[merchant, one.name] > 0), key=lambda one: (one.cause != named, -strength.at[merchant, one.name]))
        told = {lang: [getattr(one, lang).format(value=value.at[merchant, one.name]) for one in shown[:5]] for lang in ("en", "zh")}
        rows.append({"cause": named, "by": "person" if merchant in said else "signs", "evidence_en": told["en"], "evidence_zh": told["zh"]})
    return pd.concat([pd.DataFrame(rows, index, columns=["cause", "by", "evidence_en", "evidence_zh"]), weight.rename("weight"), sums], axis=1)
