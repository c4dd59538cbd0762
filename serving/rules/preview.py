"""What a change of the rules would do: who would change tier today, and which warnings would have fired over the past months.

Warnings of the past are rehearsed day by day with the same watch that keeps the real ones, in memory: entry, looser bound, cool-down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from serving.rules.grade import Graded, Rules
from serving.watch import State, Today, watch

DATED = ("escalated_on", "snoozed_until", "woken_on", "closed_on", "rearmed_on")
OPEN = (
    "warning_no",
    "merchant_id",
    "kind",
    "severity",
    "owner",
    "opened_on",
    "due_on",
    "turned_on",
    "is_holding",
    "recurrences",
    "value",
    "churn_risk",
    "value_at_risk",
    "gmv_before",
    "escalated_from",
    "escalations",
    "is_held_out",
    "snooze_risk",
    "closed_why",
    *DATED,
)
CLOSED = ("warning_no", "merchant_id", "kind", "owner", "opened_on", "closed_on", "rearmed_on")
FLAGS = ("is_holding", "is_held_out")
NUMBERS = ("warning_no", "value", "churn_risk", "value_at_risk", "gmv_before", "escalated_from", "snooze_risk")


@dataclass
class Rehearsal:
    """Warnings of one set of rules, day after day, as nobody but the rules would have opened and closed them."""

    rules: Rules
    settings: Mapping[str, float] | None = None
    state: State = field(default_factory=lambda: State(_empty(OPEN), _empty(CLOSED)))
    history: pd.DataFrame | None = None
    fired: list[pd.DataFrame] = field(default_factory=list)
    days: int = 0

    def day(self, day: date, frame: pd.DataFrame) -> Graded:
        """Grade a day's merchants and go through its warnings; `frame` as for `Rules.apply`, with `owner` if there is one."""
        graded = self.rules.apply(frame, self.settings, cutoff=day, previous=self.history)
        self.history = graded.history
        kinds = {kind.kind: kind for kind in self.rules.warnings}
        holding = graded.warnings[["merchant_id", "kind", "severity", "value"]]
        today = Today(day, holding, graded.staying, _facts(frame, graded), kinds, tuple(graded.inactive))
        done = watch(self.state, today, self.rules.watch)
        self.fired.append(done.opened[["merchant_id", "kind", "severity", "opened_on", "value"]])
        self._keep(done.changed, done.standing, done.rearmed)
        self.days += 1
        return graded

    def _keep(self, changed: pd.DataFrame, standing: pd.DataFrame, rearmed: pd.DataFrame) -> None:
        """What is open and what was closed, for the next day."""
        ends = ["warning_no", "closed_on", "rearmed_on"]
        ended = changed.loc[changed["closed_on"].notna(), ends] if len(changed) else _empty(tuple(ends))
        closing = self.state.open.drop(columns=["closed_on", "rearmed_on"]).merge(ended, on="warning_no")[list(CLOSED)]
        closed = self.state.closed.copy()
        closed.loc[closed["warning_no"].isin(rearmed["warning_no"]), "rearmed_on"] = rearmed["rearmed_on"].max() if len(rearmed) else pd.NaT
        rows = standing.reindex(columns=list(OPEN))
        rows = rows[rows["closed_on"].isna()].reset_index(drop=True)
        known = rows["warning_no"].to_numpy(float)
        first = np.nanmax([0, *known, *closed["warning_no"].to_numpy(float)]) + 1
        rows["warning_no"] = np.where(np.isnan(known), first + np.arange(len(rows)), known)
        self.state = State(_typed(rows), _typed(pd.concat([closed, closing], ignore_index=True) if len(closing) else closed))

    def table(self) -> pd.DataFrame:
        """Everything that fired: merchant_id, kind, severity, opened_on, value."""
        return pd.concat(self.fired, ignore_index=True) if self.fired else _empty(("merchant_id", "kind", "severity", "opened_on", "value"))


@dataclass(frozen=True)
class Preview:
    """What a change would do.

    Attributes
    ----------
    moved : merchants that change tier or stage today: `tier`, `new_tier`, `points`, `new_points`, `stage`, `new_stage`.
    matrix : how many go from a tier (rows) to a tier (columns).
    warnings : one row a kind: `fired` and `new_fired` over the past, and a day: `a_day`, `new_a_day`.
    first, last : the first and the last of the past days looked at, `days` of them.
    """

    moved: pd.DataFrame
    matrix: pd.DataFrame
    warnings: pd.DataFrame
    first: date
    last: date
    days: int


def preview(now: Rules, new: Rules, past: Iterable[tuple[date, pd.DataFrame]], settings: Mapping[str, float] | None = None) -> Preview:
    """Compare two sets of rules.

    Parameters
    ----------
    past : days in rising order with their merchants (a snapshot joined with the scores); the last one is today.

    Tiers are those of the points alone, as if nobody had been graded before: margin and grace only delay what is shown.
    """
    rehearsals = Rehearsal(now, settings), Rehearsal(new, settings)
    days: list[date] = []
    frame = pd.DataFrame()
    for day, frame in past:
        days.append(day)
        for rehearsal in rehearsals:
            rehearsal.day(day, frame)
    if not days:
        raise ValueError("there is no day to look at")
    moved, matrix = _moved(now.apply(frame, settings).table, new.apply(frame, settings).table)
    span = max((days[-1] - days[0]).days, 1)
    return Preview(moved, matrix, _fired(*rehearsals, span), days[0], days[-1], len(days))


def _moved(was: pd.DataFrame, will: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = was[["tier", "points", "stage"]].join(will[["tier", "points", "stage"]].add_prefix("new_"))
    tiers = table[["tier", "new_tier"]].fillna("none")
    differs = (tiers["tier"] != tiers["new_tier"]) | (table["stage"] != table["new_stage"])
    return table[differs], pd.crosstab(tiers["tier"], tiers["new_tier"])


def _fired(now: Rehearsal, new: Rehearsal, span: int) -> pd.DataFrame:
    kinds = [*dict.fromkeys(kind.kind for rehearsal in (now, new) for kind in rehearsal.rules.warnings)]
    counts = [rehearsal.table()["kind"].value_counts().reindex(kinds, fill_value=0).to_numpy() for rehearsal in (now, new)]
    columns: dict[str, Any] = {"kind": kinds, "fired": counts[0], "new_fired": counts[1]}
    return pd.DataFrame(columns | {"a_day": counts[0] / span, "new_a_day": counts[1] / span})


def _facts(frame: pd.DataFrame, graded: Graded) -> pd.DataFrame:
    """What the watch looks at; without owners nothing is capped, and without money nothing escalates."""
    owner = frame["owner"].astype(object) if "owner" in frame else pd.Series(None, index=frame.index, dtype=object)
    risk = frame.get("churn_risk", np.nan)
    lost = (graded.table["stage"] == "churned").to_numpy(bool)
    facts = {"owner": owner, "churn_risk": risk, "value_at_risk": np.nan, "gmv_before": np.nan, "is_held_out": False, "is_lost": lost}
    return pd.DataFrame(facts, index=frame.index)


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    return _typed(pd.DataFrame({name: pd.Series(dtype=object) for name in columns}))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    kinds: dict[str, Any] = dict.fromkeys((*DATED, "opened_on", "due_on", "turned_on"), "datetime64[s]")
    kinds |= (
        dict.fromkeys(("merchant_id", "kind", "severity", "owner", "closed_why"), object)
        | dict.fromkeys(FLAGS, bool)
        | dict.fromkeys(NUMBERS, "float64")
    )
    return frame.astype({name: kind for name, kind in kinds.items() if name in frame})
