"""Look back at every merchant that was lost: was it warned of, did anybody act, why did it leave, and which rule would have caught it.

`look_back(market, rules, ...)` works it out from the events and the ledger; `keepwell retrospect` keeps the answer in the state directory.
Whoever has no events (the API, the page) reads what was kept: `kept(state_dir)` answers all of it, `kept_of(state_dir, merchant_id)` the
look back of one merchant, each as plain dicts ready for JSON, or None. Texts come in both languages, keys end in `_en` and `_zh`.

Lost is a merchant without an order for the horizon; it was lost on the day the horizon was full. Where the ledger has no run from before the
last order (the first weeks of use), past snapshots are graded by today's rules and scored by today's model. Their features are strictly past,
but today's model has learnt from what came later: `is_recomputed` says so, and such a warning never counts as given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.snapshot import Market, day_date, day_number
from serving.durable import replace_file
from serving.ledger import Ledger
from serving.retrospect_causes import ABOUT, CAUSES, WORDS, causes_of, evidence, evidence_features, topics, with_topics
from serving.rules import Rules
from serving.score import with_scores

FILE = "retrospect.json"
WEEK, STEP, PAST = 7, 28, 182
"""Days between the cutoffs of the evidence, between those of the rules, and how long before the last order they look."""
LIKES = 3
ALIKE = ("orders_90d", "gmv_90d", "aov_90d", "tenure_days")
IN_TIME = 21
"""Days ahead of the loss that a rule must fire to be of use."""


@dataclass(frozen=True)
class _Lost:
    """Lost merchants with the days (numbers) of their last order and of what was last heard of them."""

    last: pd.Series
    heard: pd.Series
    quiet: pd.Series
    frame: pd.DataFrame


def look_back(
    market: Market,
    rules: Rules,
    *,
    model: Any | None = None,
    ledger: Ledger | None = None,
    since: date | None = None,
    tiers: tuple[str, ...] = ("A", "B"),
) -> dict[str, Any]:
    """Look back at the merchants that were lost.

    Parameters
    ----------
    model : today's model, for what past snapshots would have been scored; without it rules on scores cannot be looked back on.
    ledger : what was published, warned of and done; without it all is recomputed.
    since : only merchants lost on this day or later; by default within a year of the end of the data.
    tiers : of the tier that they had before their last order.

    Returns
    -------
    `as_of`, `since`, `horizon_days`, `lost` (one dict a merchant), `newcomers`, `sums` and `notes_en`, `notes_zh`.
    """
    end, horizon = market.source.end_day, market.settings.churn.horizon_days
    first = end - 365 if since is None else day_number(since)
    found = _lost(market, end, horizon, first)
    facts = {"as_of": str(day_date(end).date()), "since": str(day_date(first).date()), "horizon_days": horizon, "tiers": list(tiers)}
    notes = _notes(ledger, model, first)
    if found.last.empty:
        return facts | {"lost": [], "newcomers": [], "sums": _sums([]), "notes_en": notes["en"], "notes_zh": notes["zh"]}
    past = _past(market, rules, model, found)
    of_ledger = _from_ledger(ledger, found.last.index)
    tier = _tier_before(past, of_ledger, found)
    named = _causes(market, found, of_ledger)
    chosen = [name for name in found.last.index if tier.get(name) in tiers]
    likes = _likes(market, past, chosen, found, end)
    known = market.merchants.set_index("merchant_id")
    lost = [_one(name, known.loc[name], tier[name], found, past, of_ledger, named.loc[name], likes.get(name, []), horizon) for name in chosen]
    grown = [_newcomer(name, known.loc[name], found, named.loc[name], horizon) for name in found.last.index if _never_grew(found, name)]
    return facts | {"lost": lost, "newcomers": grown, "sums": _sums(lost), "notes_en": notes["en"], "notes_zh": notes["zh"]}


def keep(state_dir: Path, found: Mapping[str, Any]) -> None:
    """Keep a look back in the state directory, for those who have no events."""
    replace_file(Path(state_dir) / FILE, json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False).encode())


def kept(state_dir: Path) -> dict[str, Any] | None:
    """The look back that was kept last; None where there is none."""
    try:
        found: dict[str, Any] = json.loads((Path(state_dir) / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found


def kept_of(state_dir: Path, merchant_id: str) -> dict[str, Any] | None:
    """The kept look back of one merchant, of `lost` or of `newcomers` (`kind` says which); None where there is none."""
    found = kept(state_dir) or {}
    rows = [row for kind in ("lost", "newcomers") for row in found.get(kind, []) if row["merchant_id"] == merchant_id]
    return rows[0] if rows else None


def _lost(market: Market, end: int, horizon: int, first: int) -> _Lost:
    named = evidence_features(market)
    looked = Market.of(market.source, {name: one for name, one in named.items() if name in ("quiet", "age", "unheard", "asked")})
    frame = looked.snapshot(end)
    quiet = frame["quiet"].astype(float)
    frame = frame[(quiet >= horizon) & (end - quiet + horizon >= first)]
    last = (end - frame["quiet"].astype(float)).astype(int)
    alive = frame[[name for name in ("quiet", "unheard", "asked") if name in frame]].astype(float).min(axis=1)
    heard = np.minimum((end - alive).astype(int), last + horizon - 1)
    return _Lost(last, heard, quiet, frame)


def _past(market: Market, rules: Rules, model: Any | None, found: _Lost) -> pd.DataFrame:
    """What today's rules say of past snapshots of the lost merchants: one row a merchant and cutoff, `kinds` that held among them."""
    from serving.rules import setting_values

    parts = []
    settings = setting_values(market.settings)
    start = max(int(found.last.min()) - PAST, int(market.source.first_day) + STEP)
    for day in range(start, int(found.last.max()) + STEP, STEP):
        wanted = found.last.index[(found.last >= day - STEP) & (found.last <= day + PAST)]
        frame = market.snapshot(day) if len(wanted) else pd.DataFrame()
        wanted = frame.index.intersection(wanted)
        if wanted.empty:
            continue
        active = (frame["days_since_last_order"] <= market.settings.churn.active_days).to_numpy()
        if model is not None and active.any():
            frame = with_scores(market, frame, model)
        graded = rules.apply(frame, settings, cutoff=day_date(day).date())
        kinds = graded.warnings[graded.warnings["merchant_id"].isin(wanted)].groupby("merchant_id")["kind"].agg(list)
        rows = graded.table.loc[wanted, ["tier", "stage", "points"]].copy()
        risk = frame["churn_risk"] if "churn_risk" in frame else pd.Series(np.nan, frame.index)
        rows["churn_risk"], rows["day"] = risk.reindex(wanted), day
        others = np.sort(risk[active].dropna().to_numpy(float))
        at = np.floor(rows["churn_risk"].to_numpy(float) * 20) / 20
        rows["flagged"] = 1 - np.searchsorted(others, at) / max(len(others), 1)
        rows["kinds"] = [kinds.get(name, []) for name in wanted]
        parts.append(rows.join(frame.loc[wanted, [name for name in ALIKE if name in frame]]))
    return pd.concat(parts) if parts else pd.DataFrame(columns=["tier", "stage", "points", "churn_risk", "day", "flagged", "kinds"])


def _from_ledger(ledger: Ledger | None, names: pd.Index) -> dict[str, dict[str, pd.DataFrame]]:
    """What the ledger knows of each lost merchant that it knows."""
    return {} if ledger is None else {name: ledger.history(str(name)) for name in names}


def _day(value: Any) -> int:
    return int((pd.Timestamp(value) - pd.Timestamp(0)).days)


def _tier_before(past: pd.DataFrame, history: Mapping[str, dict[str, pd.DataFrame]], found: _Lost) -> dict[str, Any]:
    """The tier of each merchant in the last run, else the last past snapshot, up to the day after its last order."""
    before = past[past["day"] <= found.last.reindex(past.index) + 1]
    tier = dict(before.sort_values("day").groupby(level=0)["tier"].last()) if len(before) else {}
    for name, tables in history.items():
        scores = tables["scores"]
        rows = scores[[_day(cutoff) <= found.last[name] + 1 for cutoff in scores["cutoff"]]] if len(scores) else scores
        if len(rows):
            tier[name] = rows["tier"].iloc[-1]
    return tier


def _causes(market: Market, found: _Lost, history: Mapping[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    told, views = topics(market), []
    chain = _chain_stopped(market, found)
    for seen in (found.last, found.heard):
        day = seen + WEEK - seen % WEEK
        wanted = {int(key): list(rows.index) for key, rows in day.groupby(day)}
        views.append(with_topics(evidence(market, sorted(wanted), wanted), told).loc[found.last.index].assign(chain_stopped=chain))
    return causes_of(views, {name: cause for name, tables in history.items() if (cause := _said(tables["dispositions"]))})


def _said(deeds: pd.DataFrame) -> str | None:
    """The cause that a person recorded."""
    for row in deeds.iloc[::-1].to_dict("records"):
        note = str(row["note"] or "").lower()
        if row["outcome"] == "business closed" or any(part in note for part in ABOUT["closing"]):
            return "business closed"
        if any(part in note for part in ABOUT["rival"]):
            return "rival"
    return None


def _chain_stopped(market: Market, found: _Lost) -> pd.Series:
    """How many other stores of its chain had their last order within eight weeks of a merchant's, where that is half of them or more."""
    known = market.merchants.set_index("merchant_id")
    if "parent_id" not in known:
        return pd.Series(0.0, found.last.index)
    parent = known["parent_id"]
    stores = parent.groupby(parent).size()
    count = [
        float(((parent.reindex(found.last.index) == parent[name]) & ((found.last - found.last[name]).abs() <= 56)).sum() - 1)
        if isinstance(parent[name], str)
        else 0.0
        for name in found.last.index
    ]
    whole = parent.reindex(found.last.index).map(stores).to_numpy(float)
    return pd.Series(np.where(2 * (np.array(count) + 1) >= np.nan_to_num(whole, nan=np.inf), count, 0.0), found.last.index)


def _likes(market: Market, past: pd.DataFrame, chosen: list[str], found: _Lost, end: int) -> dict[str, list[dict[str, Any]]]:
    """The active merchants most like each lost one before it fell, of its industry where there are, and the signs they show now."""
    frame = market.snapshot(end, only=[name for name in ALIKE if name in market.features] + ["days_since_last_order"])
    active = frame[frame["days_since_last_order"] <= market.settings.churn.active_days / 2]
    if not len(active) or not chosen:
        return {}
    names = [name for name in ALIKE if name in frame]
    there = np.log1p(active[names].fillna(0).clip(lower=0).astype(float))
    spread = there.std().replace(0, 1)
    industry = market.merchants.set_index("merchant_id").get("industry", pd.Series(dtype=object))
    before = past[past["day"] <= found.last.reindex(past.index) - 56].sort_values("day")
    before = before[~before.index.duplicated(keep="last")]
    near: dict[str, pd.Index] = {}
    for name in chosen:
        if name in before.index:
            own = np.log1p(before.loc[name, names].astype(float).fillna(0).clip(lower=0))
            pool = there[industry.reindex(there.index).to_numpy() == industry.get(name)]
            pool = pool if len(pool) >= LIKES else there
            near[name] = (((pool - own) / spread) ** 2).sum(axis=1).nsmallest(LIKES).index
    everyone = sorted({like for index in near.values() for like in index})
    if not everyone:
        return {}
    now = with_topics(evidence(market, [end], {end: everyone}), topics(market)).assign(chain_stopped=0.0)
    signs = causes_of([now], {})
    row = lambda like: {"merchant_id": like, "cause": signs.at[like, "cause"], **_evidence(signs.loc[like])}  # noqa: E731
    return {name: [row(like) for like in index] for name, index in near.items()}


def _evidence(signs: pd.Series) -> dict[str, Any]:
    return {"evidence_en": signs["evidence_en"], "evidence_zh": signs["evidence_zh"]}


def _one(
    name: str,
    who: pd.Series,
    tier: str,
    found: _Lost,
    past: pd.DataFrame,
    history: Mapping[str, dict[str, pd.DataFrame]],
    cause: pd.Series,
    likes: list[dict[str, Any]],
    horizon: int,
) -> dict[str, Any]:
    """The look back of one merchant."""
    last, tables = int(found.last[name]), history.get(name, {})
    lost_on = last + horizon
    timeline, covered = _timeline(past.loc[[name]] if name in past.index else past.iloc[:0], tables, last, lost_on)
    warned = [row for row in timeline if row["what"] == "warning" and not row["is_recomputed"] and _day(row["on"]) < lost_on]
    acted = [row for row in timeline if row["what"] == "action" and _day(row["on"]) < lost_on]
    caught = _catching(timeline, past.loc[[name]] if name in past.index else past.iloc[:0], last, lost_on)
    same = [like["merchant_id"] for like in likes if like["cause"] == cause["cause"] != "unknown"]
    return {
        "kind": "lost",
        "merchant_id": name,
        **{key: who[key] if key in who and isinstance(who[key], str) else None for key in ("name", "owner", "industry", "region")},
        "tier": tier,
        "last_order": _text(last),
        "lost_on": _text(lost_on),
        "is_covered": covered,
        "warned": bool(warned) if covered else None,
        "days_ahead": lost_on - min(_day(row["on"]) for row in warned) if warned else None,
        "days_before_last_order": last - min(_day(row["on"]) for row in warned) if warned else None,
        "acted_on": bool(acted) if covered else None,
        "cause": cause["cause"],
        "cause_en": WORDS[cause["cause"]][0],
        "cause_zh": WORDS[cause["cause"]][1],
        "cause_by": cause["by"],
        **_evidence(cause),
        **caught,
        "likes": likes,
        "likes_with_same_signs": same,
        "timeline": timeline,
    }


def _timeline(past: pd.DataFrame, tables: Mapping[str, pd.DataFrame], last: int, lost_on: int) -> tuple[list[dict[str, Any]], bool]:
    """Risk, warnings and actions by day; the ledger's where it has a run from before the last order, else recomputed ones beside them."""
    rows: list[dict[str, Any]] = []
    scores = tables.get("scores", pd.DataFrame())
    covered = len(scores) > 0 and min(_day(cutoff) for cutoff in scores["cutoff"]) <= last
    for row in scores.to_dict("records"):
        risk = None if row["churn_risk"] is None or pd.isna(row["churn_risk"]) else float(row["churn_risk"])
        rows.append({"on": _text(_day(row["cutoff"])), "what": "risk", "risk": risk, "tier": row["tier"], "is_recomputed": False})
    for row in tables.get("warnings", pd.DataFrame()).to_dict("records"):
        rows.append({"on": _text(_day(row["opened_on"])), "what": "warning", "kind": row["kind"], "is_recomputed": False})
    for row in tables.get("dispositions", pd.DataFrame()).to_dict("records"):
        rows.append({"on": _text(_day(row["done_on"])), "what": "action", "outcome": row["outcome"], "offer": row["offer"], "is_recomputed": False})
    open_kinds: set[str] = set()
    for point in () if covered else past.sort_values("day").to_dict("records"):
        risk = None if pd.isna(point["churn_risk"]) else round(float(point["churn_risk"]), 4)
        rows.append({"on": _text(point["day"]), "what": "risk", "risk": risk, "tier": point["tier"], "is_recomputed": True})
        new = [kind for kind in point["kinds"] if kind not in open_kinds]
        rows += [{"on": _text(point["day"]), "what": "warning", "kind": kind, "is_recomputed": True} for kind in new]
        open_kinds = set(point["kinds"])
    return sorted((row for row in rows if _day(row["on"]) <= lost_on), key=lambda row: str(row["on"])), bool(covered)


def _catching(timeline: list[dict[str, Any]], past: pd.DataFrame, last: int, lost_on: int) -> dict[str, Any]:
    """Which rules held and how long before; else the churn threshold that would have fired in time, and what it would have cost."""
    first: dict[str, int] = {}
    for row in timeline:
        if row["what"] == "warning" and last - PAST <= _day(row["on"]) <= last + 1:
            first.setdefault(row["kind"], lost_on - _day(row["on"]))
    held = [{"kind": kind, "days_ahead": days} for kind, days in sorted(first.items(), key=lambda one: -one[1])]
    usable = past[(past["day"] <= lost_on - IN_TIME) & (past["day"] <= last + 1) & past["churn_risk"].notna()]
    change = None
    if len(usable):
        best = usable.loc[[usable["churn_risk"].to_numpy().argmax() == place for place in range(len(usable))]].iloc[0]
        bound = float(np.floor(best["churn_risk"] * 20) / 20)
        change = {"kind": "churn_risk", "when": f"churn_risk >= {bound:.2f}", "days_ahead": lost_on - int(best["day"]), "flags": round(float(best["flagged"]), 4)}
    en, zh = _caught_words(held, change)
    return {"rules_that_held": held, "rule_change": change, "caught_en": en, "caught_zh": zh}


def _caught_words(held: list[dict[str, Any]], change: dict[str, Any] | None) -> tuple[str, str]:
    if held:
        best = held[0]
        return f"{best['kind']} held {best['days_ahead']} days ahead of the loss", f"{best['kind']}在流失前{best['days_ahead']}天已成立"
    if change is None:
        return "no rule came near: it had no score before its last order", "无规则接近：最后一单前没有评分"
    return (
        f"no rule held; churn when {change['when'][11:]} would have fired {change['days_ahead']} days ahead, and for {change['flags']:.0%} of all",
        f"无规则成立；流失预警阈值改为{change['when'][11:]}可提前{change['days_ahead']}天触发，同时覆盖全部的{change['flags']:.0%}",
    )


def _never_grew(found: _Lost, name: str) -> bool:
    """Whether a lost merchant sold for less than two months in all."""
    return float(found.frame.at[name, "age"]) - float(found.frame.at[name, "quiet"]) < 60


def _newcomer(name: str, who: pd.Series, found: _Lost, cause: pd.Series, horizon: int) -> dict[str, Any]:
    """The look back at a merchant that left before it grew."""
    age, quiet = float(found.frame.at[name, "age"]), float(found.frame.at[name, "quiet"])
    last = int(found.last[name])
    words = {key: who[key] if key in who and isinstance(who[key], str) else None for key in ("name", "owner", "industry", "region")}
    days = {"first_order": _text(last - int(age - quiet)), "last_order": _text(last), "lost_on": _text(last + horizon), "days_of_sales": int(age - quiet) + 1}
    told = {"cause": cause["cause"], "cause_en": WORDS[cause["cause"]][0], "cause_zh": WORDS[cause["cause"]][1]}
    return {"kind": "newcomer", "merchant_id": name, **words, **days, **told, **_evidence(cause)}


def _sums(lost: list[dict[str, Any]]) -> dict[str, Any]:
    """All look backs together; rates are of those that the ledger covers, None where it covers none."""
    covered = [row for row in lost if row["is_covered"]]
    ahead = [row["days_ahead"] for row in covered if row["days_ahead"] is not None]
    table: dict[str, dict[str, int]] = {}
    for row in lost:
        counts = table.setdefault(row["industry"] or "?", dict.fromkeys(CAUSES, 0))
        counts[row["cause"]] += 1
    return {
        "lost": len(lost),
        "covered": len(covered),
        "missed_churn_rate": None if not covered else round(1 - len(ahead) / len(covered), 4),
        "median_days_ahead": float(np.median(ahead)) if ahead else None,
        "acted_on": None if not covered else round(sum(bool(row["acted_on"]) for row in covered) / len(covered), 4),
        "rules_would_have_caught": None if not lost else round(sum(bool(row["rules_that_held"]) for row in lost) / len(lost), 4),
        "causes": {cause: sum(row["cause"] == cause for row in lost) for cause in CAUSES},
        "causes_by_industry": table,
    }


def _notes(ledger: Ledger | None, model: Any | None, first: int) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {"en": [], "zh": []}
    if ledger is None or not len(ledger.table("runs")):
        notes["en"].append("no run is in the ledger yet: risk and warnings are recomputed from past snapshots, and nothing counts as warned")
        notes["zh"].append("台账中尚无运行记录：风险与预警由历史快照重算，不计为已预警")
    else:
        notes["en"].append("where no run is from before the last order, risk and warnings are recomputed and do not count as warned")
        notes["zh"].append("最后一单前没有运行记录的商户，其风险与预警为重算结果，不计为已预警")
    if model is not None:
        notes["en"].append("recomputed risks are by today's model, which has learnt from later days too")
        notes["zh"].append("重算风险使用当前模型，该模型也学习过其后的数据")
    else:
        notes["en"].append("no model was promoted yet, so rules that look at scores could not be looked back on")
        notes["zh"].append("尚未上线模型，依赖评分的规则无法复盘")
    return notes


def _text(day: int) -> str:
    return f"{day_date(day):%Y-%m-%d}"
