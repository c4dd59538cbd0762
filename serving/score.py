"""Scoring: snapshot → scores of the cohort → grades, warnings and plays → money → reasons, ready to be published.

Only the cohort, merchants with an order in the `active_days` before the cutoff, gets scores. Everyone else known at the cutoff gets
a stage, points and warnings, and the reason why there is no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.cutoffs import day_date, day_number
from features.drift import drift
from features.errors import DataRefused
from features.sheet import Frame, column
from features.snapshot import Market
from serving.benchmarks import traits_of
from serving.calls import call_list, growth_list, worth_acting
from serving.ledger import Entry
from serving.memory import Memory, remembered
from serving.money import money, ranked, trailing_gmv
from serving.movement import TABLE as MOVEMENT
from serving.movement import Before, movement
from serving.overrides import overridden
from serving.portfolio.facts import portfolio_tables
from serving.reasons import reasons
from serving.reasons.numbers import Lang
from serving.reasons.telling import COLUMNS, LANGS
from serving.rules import Graded, Rules, setting_values
from serving.rules.team import Team
from serving.weeks import TABLE, weeks_of

EXPLAINED = 2000
IDENTITY = ("name", "owner", "industry", "region", "scale", "parent_id")
FACTS = ("tenure_days", "days_since_last_order", "orders_90d", "gmv_90d", "gmv_180d", "gmv_change_90d")


@dataclass(frozen=True)
class Scored:
    """A scoring that is not published yet: give `header` and `tables` to `serving.run.publish`, and `entry` to the ledger."""

    header: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    entry: Entry | None = None


def score(
    market: Any,
    cutoff: Any,
    model: Any,
    rules: Rules,
    *,
    model_version: str,
    created_at: str,
    explained: int = EXPLAINED,
    memory: Memory | None = None,
    before: Before | None = None,
) -> Scored:
    """Score all merchants known at a cutoff.

    Parameters
    ----------
    market : a `features.snapshot.Market`.
    model : a `features.model.Model`.
    created_at : the present time as text; it is only noted.
    memory : what the ledger knows of the runs before; without it every run is the first, nothing is drawn and no warning stays.
    explained : how many merchants get reasons, the first of the at-risk list and as many of the growth list.
    before : the run before, for why each merchant moved since.

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
    graded = _graded(rules, joined, settings, moment, memory)
    values = money(joined.join(graded.table), settings)
    facts = frame[[name for name in FACTS if name in frame]]
    merchants = pd.concat([_identity(market, frame), scores, why, values, graded.table, facts], axis=1)
    merchants["worth_acting"] = worth_acting(merchants, rules.team)
    header = {"cutoff": str(moment), "model_version": model_version, "created_at": created_at} | _header(market, rules, graded, merchants)
    warnings, entry = graded.warnings, None
    if memory is not None:
        merchants["gmv_before"] = trailing_gmv(frame, settings.growth.horizon_days)
        kept = remembered(memory, rules, graded, merchants, moment, settings.churn.gap_days + settings.churn.horizon_days, header)
        merchants[["arm", "propensity"]] = kept.arms
        warnings, entry = kept.warnings, kept.entry
        header["counts"] |= {"warnings": _counts(warnings["kind"]), "warnings_waiting": kept.waiting, "arms": _counts(merchants["arm"])}
    told = _reasons(model, frame, _first(merchants, rules.team, explained), moment, settings.timeline.currency)
    items = graded.items.reset_index()
    tables = {"merchants": merchants.reset_index(), "reasons": told, "warnings": warnings, "scorecard": items}
    tables["traits"] = traits_of(frame).reset_index()
    tables["drift"] = drift(getattr(model, "seen", {}), joined[why["no_score"].isna().to_numpy()])
    if before is not None:
        then = market.snapshot(before.run.cutoff)
        tables[MOVEMENT], header[MOVEMENT] = movement(before, then, frame, partial(_scores_of, market), model, rules, setting_values(settings))
    if isinstance(market, Market):  # a stand-in has no events to add up
        tables[TABLE] = weeks_of(market, moment).loc[frame.index].reset_index()
        tables |= portfolio_tables(market, moment, frame)
        context = market.context(moment)  # so that a merchant sent with its events is scored like those of the run
        tables["peers"], header["live"] = context.frame(), context.facts()
    return Scored(header, tables, entry)


def _scores_of(market: Any, model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The scores of a snapshot's cohort, for why merchants moved."""
    return _scores(model, frame, no_score(frame, market.settings.churn.active_days)["no_score"].isna().to_numpy())


def _graded(rules: Rules, frame: pd.DataFrame, settings: Any, day: date, memory: Memory | None) -> Graded:
    """What the rules say, after what was before, with measured save rates, and with what people overrode."""
    values = setting_values(settings)
    if memory is None:
        return rules.apply(frame, values, cutoff=day)
    graded = rules.apply(frame, values, cutoff=day, previous=memory.previous, save_rates=memory.save_rates(rules))
    return replace(graded, table=overridden(graded.table, memory.in_force(day)))


def with_scores(market: Any, frame: pd.DataFrame, model: Any) -> pd.DataFrame:
    """What the rules look at: a snapshot joined with the scores of its cohort and the owners.

    Raises
    ------
    DataRefused : nobody in it can be scored.
    """
    cohort = no_score(frame, market.settings.churn.active_days)["no_score"].isna().to_numpy()
    owner = _identity(market, frame)
    return frame.join(_scores(model, frame, cohort)).join(owner[[name for name in ("owner",) if name in owner]])


def no_score(frame: pd.DataFrame, active_days: int) -> pd.DataFrame:
    """Why a merchant gets no score: `no_score` (None in the cohort) and the words in both languages."""
    key, words = unscored(frame, active_days), {None: dict.fromkeys(LANGS)} | no_score_words(active_days)
    table = {"no_score": key} | {f"no_score_{lang}": np.array([words[k][lang] for k in key], dtype=object) for lang in LANGS}
    return pd.DataFrame(table, index=frame.index)


def unscored(frame: Frame, active_days: int) -> np.ndarray:
    """The reason (n,) why each merchant gets no score; None in the cohort."""
    since = column(frame, "days_since_last_order")
    key = np.where(np.isnan(since), "no_order", np.where(since > active_days, "inactive", "")).astype(object)
    key[key == ""] = None
    return key


def no_score_words(active_days: int) -> dict[str | None, dict[Lang, str | None]]:
    """Each of these reasons in words, by language."""
    return {
        "no_order": {"en": "has no order yet", "zh": "尚无订单"},
        "inactive": {"en": f"no order in the last {active_days} days", "zh": f"近{active_days}天没有订单"},
    }


def _scores(model: Any, frame: pd.DataFrame, cohort: np.ndarray) -> pd.DataFrame:
    if not cohort.any():
        raise DataRefused(
            "no merchant has had an order within active_days before the cutoff, so nobody can be scored; check the cutoff and active_days."
        )
    return model.scores(frame[cohort]).reindex(frame.index).assign(activation_chance=model.activation_chance(frame))


def _identity(market: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Who the merchants are, as the merchants table says."""
    known = market.merchants.set_index("merchant_id")
    return known.loc[frame.index, [name for name in IDENTITY if name in known]].astype(object)


def _first(merchants: pd.DataFrame, team: Team, explained: int) -> dict[str, pd.Index]:
    """Of whom reasons are told: the first of the call list for why they may leave, of the growth list for why they may grow."""
    rows = {"churn": call_list(merchants, team).rows, "growth": growth_list(merchants, team)}
    first = {head: found.index[:explained] for head, found in rows.items()}
    return first | {"churn": _filled(first["churn"], ranked(merchants, "expected_profit").index, explained)}


def _filled(first: pd.Index, more: pd.Index, size: int) -> pd.Index:
    """So many of one order, filled up from another."""
    return first.append(more[~more.isin(first)])[:size]


def _reasons(model: Any, frame: pd.DataFrame, first: Mapping[str, pd.Index], cutoff: date, currency: str) -> pd.DataFrame:
    parts: list[pd.DataFrame] = []
    for head, directions in (("churn", ("raises", "lowers")), ("growth", ("raises",))):
        chosen = frame.loc[first[head]]
        if len(chosen):
            contributions = model.contributions(chosen, head=head)
            for direction in directions:
                parts.append(reasons(contributions, chosen, cutoff=cutoff, currency=currency, head=head, direction=direction))  # type: ignore[arg-type]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


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
        "team": rules.team.model_dump(),
    }


def words_of(rules: Rules) -> dict[str, dict[str, dict[str, str]]]:
    """The words of tiers and stages in both languages, for the lists."""
    tiers = {str(tier.name): tier.words.model_dump() for tier in rules.tiers}
    return {"tiers": tiers, "stages": {str(stage.name): stage.words.model_dump() for stage in rules.stages}}


def _counts(values: pd.Series) -> Mapping[str, int]:
    return {str(name): int(number) for name, number in values.value_counts().sort_index().items()}
