"""Scoring: snapshot → scores of the cohort → grades, warnings and plays → money → reasons, ready to be published.

Only the cohort, merchants with an order in the `active_days` before the cutoff, gets scores. Everyone else known at the cutoff gets
a stage, points and warnings, and the reason why there is no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataRefused
from features.snapshot import day_date, day_number
from serving.money import money, ranked
from serving.reasons import reasons
from serving.rules import Graded, Rules, setting_values

EXPLAINED = 2000
IDENTITY = ("name", "owner", "industry", "region", "scale", "parent_id")
FACTS = ("tenure_days", "days_since_last_order", "orders_90d", "gmv_90d", "gmv_180d", "gmv_change_90d")


@dataclass(frozen=True)
class Scored:
    """A scoring that is not published yet: give `header` and `tables` to `serving.run.publish`."""

    header: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def score(market: Any, cutoff: Any, model: Any, rules: Rules, *, model_version: str, created_at: str, explained: int = EXPLAINED) -> Scored:
    """Score all merchants known at a cutoff.

    Parameters
    ----------
    market : a `features.snapshot.Market`.
    model : a `features.model.Model`.
    created_at : the present time as text; it is only noted.
    explained : how many merchants get reasons, the first of the at-risk list and as many of the growth list.

    Raises
    ------
    DataRefused : nobody is known at the cutoff.
    """
    settings = market.settings
    moment = day_date(day_number(cutoff)).date()
    frame = market.snapshot(moment)
    if frame.empty:
        raise DataRefused(f"no merchant is known before {moment}; score at a later cutoff.")
    why = no_score(frame, settings.churn.active_days)
    scores = _scores(model, frame, why["no_score"].isna().to_numpy())
    joined = frame.join(scores)
    graded = rules.apply(joined, setting_values(settings))
    values = money(joined.join(graded.table), settings)
    facts = frame[[name for name in FACTS if name in frame]]
    merchants = pd.concat([_identity(market, frame), scores, why, values, graded.table, facts], axis=1)
    told = _reasons(model, frame, merchants, moment, settings.timeline.currency, explained)
    items = graded.items.reset_index()
    tables = {"merchants": merchants.reset_index(), "reasons": told, "warnings": graded.warnings, "scorecard": items}
    header = {"cutoff": str(moment), "model_version": model_version, "created_at": created_at}
    return Scored(header | _header(market, rules, graded, merchants), tables)


def no_score(frame: pd.DataFrame, active_days: int) -> pd.DataFrame:
    """Why a merchant gets no score: `no_score` (None in the cohort) and the words in both languages."""
    since = frame["days_since_last_order"].to_numpy(np.float64)
    words: dict[str | None, tuple[str | None, str | None]] = {
        None: (None, None),
        "no_order": ("has no order yet", "尚无订单"),
        "inactive": (f"no order in the last {active_days} days", f"近{active_days}天没有订单"),
    }
    key = np.where(np.isnan(since), "no_order", np.where(since > active_days, "inactive", "")).astype(object)
    key[key == ""] = None
    table = {"no_score": key}
    table |= {f"no_score_{lang}": np.array([words[k][i] for k in key], dtype=object) for i, lang in enumerate(("en", "zh"))}
    return pd.DataFrame(table, index=frame.index)


def _scores(model: Any, frame: pd.DataFrame, cohort: np.ndarray) -> pd.DataFrame:
    if not cohort.any():
        raise DataRefused(
            "no merchant has had an order within active_days before the cutoff, so nobody can be scored; check the cutoff and active_days."
        )
    return model.scores(frame[cohort]).reindex(frame.index)


def _identity(market: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Who the merchants are, as the merchants table says."""
    known = market.merchants.set_index("merchant_id")
    return known.loc[frame.index, [name for name in IDENTITY if name in known]].astype(object)


def _reasons(model: Any, frame: pd.DataFrame, merchants: pd.DataFrame, cutoff: date, currency: str, explained: int) -> pd.DataFrame:
    """Reasons of those most worth acting on, and of those with the most growth to win."""
    parts: list[pd.DataFrame] = []
    wanted = (("churn", "expected_profit", ("raises", "lowers")), ("growth", "growth_value", ("raises",)))
    for head, by, directions in wanted:
        chosen = frame.loc[ranked(merchants, by).index[:explained]]
        if len(chosen):
            contributions = model.contributions(chosen, head=head)
            for direction in directions:
                parts.append(reasons(contributions, chosen, cutoff=cutoff, currency=currency, head=head, direction=direction))  # type: ignore[arg-type]
    return pd.concat(parts, ignore_index=True)


def _header(market: Any, rules: Rules, graded: Graded, merchants: pd.DataFrame) -> dict[str, Any]:
    settings = market.settings
    return {
        "rules_hash": rules.hash,
        "data_fingerprint": market.source.fingerprint,
        "currency": settings.timeline.currency,
        "settings": {name: getattr(settings, name).model_dump(mode="json") for name in ("churn", "growth", "economics", "timeline")},
        "counts": {
            "merchants": len(merchants),
            "scored": int(merchants["no_score"].isna().sum()),
            "expected_leavers": round(float(merchants["churn_risk"].sum()), 1),
            "tiers": _counts(merchants["tier"]),
            "stages": _counts(merchants["stage"]),
            "warnings": _counts(graded.warnings["kind"]),
        },
        "inactive_warnings": {kind: list(names) for kind, names in graded.inactive.items()},
        "words": words_of(rules),
    }


def words_of(rules: Rules) -> dict[str, dict[str, dict[str, str]]]:
    """The words of tiers and stages in both languages, for the lists."""
    tiers = {str(tier.name): tier.words.model_dump() for tier in rules.tiers}
    return {"tiers": tiers, "stages": {str(stage.name): stage.words.model_dump() for stage in rules.stages}}


def _counts(values: pd.Series) -> Mapping[str, int]:
    return {str(name): int(number) for name, number in values.value_counts().sort_index().items()}
