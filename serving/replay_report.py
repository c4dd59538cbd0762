"""What a replay shows: warnings a week, how often and how early they were right, who was lost unwarned, how steady tiers were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.settings import Settings
from serving.replay import Replayed
from serving.replay_alarms import right, under_warning
from serving.rules import Rules
from serving.warning_report import DECLINE, warning_report

FORESEEN = ("churn_risk", "decline_risk")
"""Scores that say a merchant will leave or decline: kinds of warning that look at one of them when they open are the churn warnings."""
URGENT = ("critical", "high")
UPPER = ("A", "B")
BACK_DAYS = 90
"""A tier that is left and taken up again within so many days has flapped."""
RUN_IN = 28
"""Days that the watch has to begin with before anybody is missed by it."""
FIELDS = ("fired", "matured", "precision", "precision_churn", "lead_days", "days_before_last_order")


def measured(done: Replayed, rules: Rules, settings: Settings, planted: pd.DataFrame | None = None) -> dict[str, Any]:
    """All figures of a replay, ready for JSON.

    Parameters
    ----------
    planted : merchant_id, silent_on: the first day without it of each merchant that was made to leave, where the market is a made-up one; in place
        of those whose silence grew longer than `active_days`.
    """
    first, last = done.weeks["cutoff"].min(), done.weeks["cutoff"].max()
    horizon, begun = settings.churn.gap_days + settings.churn.horizon_days, first + pd.Timedelta(days=RUN_IN)
    everybody = done.lost if planted is None else planted
    lost = with_tier(everybody, done.scores)
    stayed = stayers(done.sample, lost, horizon)
    lost, stayed = (rows[(rows["silent_on"] > begun) & (rows["silent_on"] <= last)] for rows in (lost, stayed))
    upper = (lost[lost["tier"].isin(UPPER)], stayed[stayed["tier"].isin(UPPER)])
    cooldowns = {kind.kind: kind.cooldown_days for kind in rules.warnings}
    return {
        "first": f"{first:%Y-%m-%d}",
        "last": f"{last:%Y-%m-%d}",
        "runs": len(done.weeks),
        "models": int(done.weeks["model"].nunique()),
        "merchants": int(done.weeks["merchants"].max()),
        "rules_hash": rules.hash,
        "kinds": kinds(done, settings),
        "by_chance": by_chance(done.sample),
        "lost": {
            "planted": planted is not None,
            "warned": [
                caught(done, left, kept, rules, settings, name) | alarms(done, everybody, rules, settings, tiers)
                for name, (left, kept), tiers in (("A and B", upper, UPPER), ("all", (lost, stayed), ()))
            ],
        },
        "tiers": steadiness(done.scores),
        "repeats_in_cooldown": repeats(done.warnings, cooldowns),
        "capacity": capacity(done, rules),
        "weeks": weekly(done),
    }


def kinds(done: Replayed, settings: Settings) -> list[dict[str, Any]]:
    """The report of the warnings, one entry a kind, most often fired first, and all together last.

    `precision` counts who ended in churn or decline, `precision_churn` who ended in churn; `lead_days` is ahead of the day on which the merchant
    counted as lost, `days_before_last_order` ahead of its last order (below zero: it was silent already).
    """
    if done.warnings.empty:
        return []
    both = pd.concat([done.warnings, done.warnings.assign(kind="all")])
    report = warning_report(both, done.outcomes, pd.DataFrame(columns=["merchant_id", "done_on", "kind"]), settings.churn.active_days)
    ends = both.merge(done.outcomes.rename(columns={"since": "opened_on"}), how="left", on=["merchant_id", "opened_on"])
    left = ends["churned"].eq(True)
    ahead = (ends["silent_on"] - ends["opened_on"]).dt.days.where(left)
    report["precision_churn"] = left.where(ends["churned"].notna()).astype(float).groupby(ends["kind"]).mean()
    report["days_before_last_order"] = ahead.groupby(ends["kind"]).median()
    report["a_week"] = report["fired"] / len(done.weeks)
    ordered = report.loc[[*(kind for kind in report.index if kind != "all"), "all"], ["a_week", *FIELDS]]
    return [{"kind": str(kind), **{str(name): _plain(value) for name, value in row.items()}} for kind, row in ordered.iterrows()]


def by_chance(sample: pd.DataFrame) -> dict[str, float | int | None]:
    """How often a warning of anybody scored, picked blindly, would have been right."""
    churned = sample["churned"].astype(float)
    right = (churned == 1) | (sample["gmv"] < DECLINE * sample["gmv_before"])
    return {"merchants": len(sample), "precision": _plain(right.mean() if len(sample) else np.nan), "precision_churn": _plain(churned.mean())}


def caught(done: Replayed, lost: pd.DataFrame, stayed: pd.DataFrame, rules: Rules, settings: Settings, name: str) -> dict[str, Any]:
    """Which share of those that were lost had been warned of, and how early.

    A warning counts when it was open on the day before the silence began or fired within the horizon before; `in_silence` also counts those that
    fired later, before the merchant counted as lost. `stayers` is the share of those who stayed that had been warned of likewise: who warns of
    everybody catches everybody.
    """
    horizon, active = settings.churn.gap_days + settings.churn.horizon_days, settings.churn.active_days
    found: dict[str, Any] = {"name": name, "lost": len(lost)}
    for what, which in asked(rules).items():
        fired = done.warnings.loc[done.warnings["kind"].isin(which), ["merchant_id", "opened_on", "closed_on"]]
        before, later = (_ahead(fired, lost, horizon, days) for days in (0, active))
        found[what] = {
            "warned": _plain(len(before) / len(lost) if len(lost) else np.nan),
            "days_ahead": _plain(before.median()),
            "in_silence": _plain(len(later) / len(lost) if len(lost) else np.nan),
            "days_before_lost": _plain((later + active).median()),
            "stayers": _plain(len(_ahead(fired, stayed, horizon, 0)) / len(stayed) if len(stayed) else np.nan),
        }
    return found


def asked(rules: Rules) -> Mapping[str, Collection[str]]:
    """Groups of kinds of warning that are looked at together."""
    return {
        "churn_risk": ["churn_risk"],
        "churn_warnings": [kind.kind for kind in rules.warnings if {*FORESEEN} & {test.name for test in kind.when}],
        "urgent": [kind.kind for kind in rules.warnings if kind.severity in URGENT],
        "any": [kind.kind for kind in rules.warnings],
    }


def alarms(done: Replayed, lost: pd.DataFrame, rules: Rules, settings: Settings, tiers: tuple[str, ...]) -> dict[str, Any]:
    """`alarms`: for each group of kinds how often it was right, and the shares of `under_warning`; of merchants of some tiers, none for all."""
    horizon = settings.churn.gap_days + settings.churn.horizon_days
    rows = done.warnings.assign(was_right=right(done))
    found: dict[str, Any] = {}
    for what, which in asked(rules).items():
        fired = rows[rows["kind"].isin(which)]
        of_tier = with_tier(fired.rename(columns={"opened_on": "silent_on"}), done.scores)
        of_tier = of_tier[of_tier["tier"].isin(tiers)] if tiers else of_tier
        shares = under_warning(done, fired[["merchant_id", "opened_on", "closed_on"]], lost, tiers, horizon)
        found[what] = {"right": _plain(of_tier["was_right"].mean())} | {name: _plain(share) for name, share in shares.items()}
    return {"alarms": found}


def _ahead(fired: pd.DataFrame, silent: pd.DataFrame, horizon: int, until: int) -> pd.Series:
    """Days from the first warning of a merchant to its silence, for those warned less than `until` days after it began."""
    pairs = silent[["merchant_id", "silent_on"]].merge(fired, on="merchant_id")
    stood = pairs["closed_on"].isna() | (pairs["closed_on"] >= pairs["silent_on"])
    recent = stood | (pairs["opened_on"] >= pairs["silent_on"] - pd.Timedelta(days=horizon))
    timely = pairs[recent & (pairs["opened_on"] < pairs["silent_on"] + pd.Timedelta(days=until))]
    first = timely.groupby(["merchant_id", "silent_on"])["opened_on"].min().reset_index()
    return (first["silent_on"] - first["opened_on"]).dt.days


def stayers(sample: pd.DataFrame, lost: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Merchants on days after which they did not leave for a horizon; `silent_on` is that day."""
    rows = sample.loc[sample["churned"].eq(False), ["merchant_id", "since", "tier"]].rename(columns={"since": "silent_on"})
    soon = rows.merge(lost[["merchant_id", "silent_on"]], on="merchant_id", suffixes=("", "_then"))
    left = soon["silent_on_then"].between(soon["silent_on"], soon["silent_on"] + pd.Timedelta(days=horizon))
    gone = pd.MultiIndex.from_frame(soon.loc[left, ["merchant_id", "silent_on"]])
    return rows[~pd.MultiIndex.from_frame(rows[["merchant_id", "silent_on"]]).isin(gone)]


def with_tier(lost: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Those that were lost, with their tier in the last run before their silence began; None where there was none."""
    known = scores.rename(columns={"cutoff": "silent_on"}).sort_values("silent_on", kind="stable")
    asked = lost.astype({"silent_on": known["silent_on"].dtype}).sort_values("silent_on", kind="stable")
    return pd.merge_asof(asked, known, on="silent_on", by="merchant_id")


def steadiness(scores: pd.DataFrame) -> dict[str, float | int | None]:
    """How often merchants changed their tier, by merchant and quarter or year, and how often they went back within `BACK_DAYS`."""
    rows = scores[scores["tier"].notna()].sort_values(["merchant_id", "cutoff"], kind="stable").reset_index(drop=True)
    same = rows["merchant_id"].eq(rows["merchant_id"].shift())
    rows["changed"] = same & rows["tier"].ne(rows["tier"].shift())
    moves = rows[rows["changed"]].assign(left=rows["tier"].shift()[rows["changed"]])
    again = moves["merchant_id"].eq(moves["merchant_id"].shift()) & moves["tier"].eq(moves["left"].shift())
    flaps = int((again & (moves["cutoff"] - moves["cutoff"].shift() <= pd.Timedelta(days=BACK_DAYS))).sum())
    found: dict[str, Any] = {"changes": len(moves), "flaps": flaps}
    for period, letter in (("quarter", "Q"), ("year", "Y")):
        each = rows.groupby(["merchant_id", rows["cutoff"].dt.to_period(letter)])["changed"].sum()
        found |= {f"median_a_{period}": _plain(each.median()), f"mean_a_{period}": _plain(each.mean())}
    years = (rows["cutoff"].max() - rows["cutoff"].min()).days / 365.25
    found["flaps_a_year"] = _plain(flaps / (rows["merchant_id"].nunique() * years) if years else np.nan)
    return found


def repeats(warnings: pd.DataFrame, cooldowns: Mapping[str, int]) -> int:
    """How often a kind fired for a merchant while the one before was open or in its cool-down: always none, or the watch is broken."""
    rows = warnings.sort_values(["merchant_id", "kind", "opened_on"], kind="stable")
    again = rows[["merchant_id", "kind"]].eq(rows[["merchant_id", "kind"]].shift()).all(axis=1)
    free_on = rows["closed_on"].shift() + pd.to_timedelta(rows["kind"].map(cooldowns), unit="D")
    return int((again & (free_on.isna() | (rows["opened_on"] < free_on))).sum())


def capacity(done: Replayed, rules: Rules) -> dict[str, Any]:
    """How much of what the owners can take on a day the new warnings are; without owners nothing is capped."""
    owned = done.warnings[done.warnings["owner"].notna() & ~done.warnings["is_held_out"].astype(bool)]
    owners, runs = owned["owner"].nunique(), len(done.weeks)
    a_day = owned.groupby(["owner", "opened_on"]).size()
    return {
        "owners": int(owners),
        "cap": rules.watch.per_owner_and_day,
        "new_per_owner_and_run": _plain(len(owned) / (owners * runs) if owners else np.nan),
        "most_per_owner_and_run": _plain(a_day.max()),
        "owner_days_at_the_cap": _plain((a_day >= rules.watch.per_owner_and_day).sum() / (owners * runs) if owners else np.nan),
        "waited": int(done.weeks["waiting"].sum()),
        "listed_a_run": _plain(done.weeks["listed"].mean()),
    }


def weekly(done: Replayed) -> list[dict[str, Any]]:
    """One entry a run: its model, how many were scored, and how many warnings of each kind fired."""
    fired = done.warnings.groupby(["opened_on", "kind"]).size().rename("number").reset_index()
    by_day: dict[str, dict[str, int]] = {}
    for row in fired.to_dict("records"):
        by_day.setdefault(f"{row['opened_on']:%Y-%m-%d}", {})[str(row["kind"])] = int(row["number"])
    rows = done.weeks.assign(cutoff=done.weeks["cutoff"].dt.strftime("%Y-%m-%d")).to_dict("records")
    return [{**{str(name): value for name, value in row.items()}, "fired": by_day.get(str(row["cutoff"]), {})} for row in rows]


def _plain(value: Any) -> float | int | None:
    """A number for JSON; None where it is missing."""
    if pd.isna(value):
        return None
    return round(float(value), 4)
