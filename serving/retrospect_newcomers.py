"""Newcomers that never grew: those that sold for a few weeks only, and those that joined and never sold at all.

Of who never sold it is told which step was the last one reached (joined, signed, logged in, set up), and what was missing: that people logged in and went
on to, the set-up (against the functions that those who sell use), and a campaign that would have brought the first buyers. What the platform
has no table for is not asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.cutoffs import day_date
from features.declare import Feature
from features.snapshot import Market
from features.verbs import Column, Events
from serving.retrospect_days import date_text
from serving.retrospect_past import Lost

WEEK, MONTH, QUARTER = 7, 30, 90
GROWN = 60
"""A merchant that sold for fewer days than these never grew."""
STEPS: dict[str, tuple[str, str]] = {
    "joined": ("joined", "已入驻"),
    "signed": ("signed a contract", "已签约"),
    "logged in": ("logged in", "已登录"),
    "set up": ("set up what sellers use", "已完成开店设置"),
}
MISSING: dict[str, tuple[str, str]] = {
    "never logged in": ("nobody ever logged in", "从未登录"),
    "logins stopped": ("nobody logged in any more after {day}", "{day}之后无人登录"),
    "set-up": ("the set-up: it used {used:.0f} functions, those that sell use {usual:.0f}", "开店设置：仅使用{used:.0f}个功能，在营商户使用{usual:.0f}个"),
    "campaign": ("no campaign was begun for it", "未安排任何活动"),
    "first order": ("it was set up and visited, but no buyer came", "已完成设置并持续登录，但没有买家下单"),
}


def short_life(found: Lost, name: Any, horizon: int) -> dict[str, Any]:
    """When a merchant that left before it grew came and went."""
    last, days = int(found.last[name]), found.sold_for(name)
    return {
        "first_order": date_text(last - days),
        "last_order": date_text(last),
        "lost_on": date_text(last + horizon),
        "days_of_sales": days + 1,
        "last_step": "sold",
        "last_step_en": "sold",
        "last_step_zh": "已出单",
        "missing_en": [],
        "missing_zh": [],
    }


def never_sold(market: Market, end: int, horizon: int, first: int) -> pd.DataFrame:
    """The merchants that joined and had no order for the horizon, lost between two days (numbers): a row each, indexed by merchant_id.

    Returns
    -------
    `joined`, `lost_on` and `seen` (day numbers: until when it was looked at) and what was done until then, as far as there are tables:
    `logins`, `last_login` (days before the cutoff), `functions` of the last quarter, `usual` ones of those that sold, `campaigns`, `contracts`.
    """
    register = market.merchants
    joined = register.set_index("merchant_id")["joined"].astype(int)
    due = joined[(joined + horizon <= end) & (joined + horizon >= first)]
    if due.empty or "merchants" not in market.settings.source:
        return pd.DataFrame(columns=["lost_on", "joined"])
    lost_on = due + horizon
    day = (lost_on + (-lost_on) % WEEK).clip(upper=end)
    asked = pd.MultiIndex.from_arrays([day.index, [day_date(one) for one in day]])
    chosen, usual = [], []
    for part in Market.of(market.source, _features(market)).parts(sorted({int(one) for one in day})):
        sells = part[part["quiet"] <= MONTH]
        usual.append(sells[[name for name in ("functions",) if name in sells]])
        rows = part[part.index.isin(asked)]
        chosen.append(rows[rows["quiet"].isna()])
    frame = pd.concat(chosen).droplevel("cutoff")
    typical = pd.concat(usual)
    has = "functions" in typical and typical["functions"].notna().any()
    own = {name: column.reindex(frame.index) for name, column in (("joined", joined), ("lost_on", lost_on), ("seen", day))}
    return frame.assign(**own, usual=float(typical["functions"].median()) if has else np.nan)


def _features(market: Market) -> dict[str, Feature]:
    """What is asked about merchants without an order, as far as the market has their tables."""
    trees: dict[str, tuple[str, Column, str | None]] = {
        "quiet": ("orders", Events("orders").days_since_last(), None),
        "logins": ("logins", Events("logins").count(), None),
        "last_login": ("logins", Events("logins").days_since_last(), None),
        "functions": ("logins", Events("logins").last(QUARTER).distinct("function"), "function"),
        "campaigns": ("campaigns", Events("campaigns").count(), None),
        "contracts": ("contracts", Events("contracts").count(), None),
    }
    has = market.source.streams
    return {
        name: Feature(name, "count", (name, name), name, "retrospect", (stream,), tree)
        for name, (stream, tree, field) in trees.items()
        if stream in has and (field is None or field in has[stream])
    }


def never_started(row: pd.Series) -> dict[str, Any]:
    """The look back at one merchant that never sold."""
    step = _last_step(row)
    missing = _missing(row, step)
    told = {f"missing_{lang}": [text[place] for text in missing.values()] for place, lang in enumerate(("en", "zh"))}
    return {
        "joined": date_text(int(row["joined"])),
        "first_order": None,
        "last_order": None,
        "lost_on": date_text(int(row["lost_on"])),
        "days_of_sales": 0,
        "last_step": step,
        "last_step_en": STEPS[step][0],
        "last_step_zh": STEPS[step][1],
        "missing": list(missing),
        **told,
    }


def _last_step(row: pd.Series) -> str:
    if row.get("logins", np.nan) > 0:
        return "set up" if not _is_bare(row) and "functions" in row else "logged in"
    return "signed" if row.get("contracts", np.nan) > 0 else "joined"


def _is_bare(row: pd.Series) -> bool:
    """Whether it used fewer than half of the functions that those who sell use."""
    return bool(row.get("functions", np.nan) < row["usual"] / 2)


def _missing(row: pd.Series, step: str) -> dict[str, tuple[str, str]]:
    """What was missing, in words of both languages, by what it is."""
    names = []
    logins, since = row.get("logins", np.nan), row.get("last_login", np.nan)
    if logins == 0:
        names.append("never logged in")
    elif since > MONTH:
        names.append("logins stopped")
    if logins != 0 and _is_bare(row):
        names.append("set-up")
    if row.get("campaigns", np.nan) == 0:
        names.append("campaign")
    if not names and step == "set up":
        names.append("first order")
    day = date_text(int(row["seen"] - since)) if since == since else ""
    facts = {"day": day, "used": row.get("functions", np.nan), "usual": row["usual"]}
    return {name: (MISSING[name][0].format(**facts), MISSING[name][1].format(**facts)) for name in names}
