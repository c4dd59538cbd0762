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

from serving.retrospect_evidence import AHEAD, BEFORE, NOW, YEAR

Numbers = NDArray[np.float64]
CAUSES = ("price", "service", "product fit", "rival", "season", "business closed", "unknown")
PLAIN, MOST = 1.0, 2.0
FEW_ORDERS = 5
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
    strength = {name: _strength(given) for name, (given, _) in found.items()}
    return pd.DataFrame(strength, frame.index), pd.DataFrame({name: value for name, (_, value) in found.items()}, frame.index)


def _strength(given: Numbers) -> Numbers:
    """A sign's strength, from 0 to `MOST`; half of what is plain is noise."""
    held = np.clip(np.where(np.isfinite(given), given, 0), 0, MOST)
    return np.where(held < PLAIN / 2, 0, held)


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
    strengths, values = strength.to_dict("index"), value.to_dict("index")
    for merchant in strength.index:
        named = said.get(merchant, cause[merchant])
        told = _told(named, strengths[merchant], values[merchant])
        rows.append({"cause": named, "by": "person" if merchant in said else "signs", **told})
    return pd.concat([pd.DataFrame(rows, strength.index, columns=["cause", "by", *EVIDENCE]), weight.rename("weight"), sums], axis=1)


EVIDENCE = ("evidence_en", "evidence_zh")
MOST_TOLD = 5


def _told(cause: str, strength: Mapping[Any, float], value: Mapping[Any, float]) -> dict[str, list[str]]:
    """The signs of one merchant in words, those of its cause first, then by strength."""
    shown = sorted((one for one in SIGNS if strength[one.name] > 0), key=lambda one: (one.cause != cause, -strength[one.name]))[:MOST_TOLD]
    return {f"evidence_{lang}": [getattr(one, lang).format(value=value[one.name]) for one in shown] for lang in ("en", "zh")}
