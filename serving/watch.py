"""Warnings over time: what fires, stays, escalates, wakes and closes on a day, given what was open before.

Pure: the ledger holds the state, so nothing repeats after a restart or a missed day, and the same day again changes nothing.

* A warning fires when its condition holds, none of its merchant and kind is open, the cool-down after the last one is over, and the
  condition was seen not to hold since (a warning that a person closed does not come back while nothing has changed).
* It stays while the looser bound holds; a condition that comes back meanwhile is a recurrence of it. Data that is missing is no recovery.
* It escalates when the value at risk has grown, and a snooze ends when it is over, when the risk jumps or when the warning escalates.
* An owner gets no more than so many new ones a day; what waits is tried again the next day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.rules.team import Watch
from serving.rules.warnings import DUE, SEVERITIES, WarningKind

Flags = NDArray[np.bool_]
DAY = "datetime64[s]"
ROW = "row"
OPENED = (
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
)
CHANGING = ("severity", "owner", "due_on", "turned_on", "is_holding", "recurrences", "escalated_from", "escalated_on", "escalations")
CLOSING = ("closed_on", "closed_why", "rearmed_on")


@dataclass(frozen=True)
class State:
    """What the ledger knows before a day.

    Attributes
    ----------
    open : the open warnings, columns of the ledger's table.
    closed : closed ones that may still keep their kind quiet: warning_no, merchant_id, kind, owner, opened_on, closed_on, rearmed_on.
    """

    open: pd.DataFrame
    closed: pd.DataFrame


@dataclass(frozen=True)
class Today:
    """What the rules say on a day.

    Attributes
    ----------
    holding : merchant_id, kind, severity, value, where the condition holds. staying : merchant_id, kind, where the looser bound does.
    merchants : indexed by merchant_id: owner, churn_risk, value_at_risk, gmv_before, is_held_out, is_lost.
    kinds : the kinds of the rules by name. blind : those that the data has no columns for.
    """

    day: date
    holding: pd.DataFrame
    staying: pd.DataFrame
    merchants: pd.DataFrame
    kinds: Mapping[str, WarningKind]
    blind: Sequence[str] = ()


@dataclass(frozen=True)
class Watched:
    """What changes on a day: rows for `serving.ledger.runs.Entry`; `standing` is every warning open after it; `waiting` counts the capped."""

    opened: pd.DataFrame
    changed: pd.DataFrame
    woken: pd.DataFrame
    rearmed: pd.DataFrame
    told: pd.DataFrame
    standing: pd.DataFrame
    waiting: int


class _Pairs:
    """Merchants and kinds as one whole number each; −1 for a merchant that is not known today."""

    def __init__(self, today: Today, state: State) -> None:
        self.ids = today.merchants.index
        self.kinds = pd.Index([*dict.fromkeys([*today.kinds, *state.open["kind"].unique(), *state.closed["kind"].unique()])])

    def rows(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """The place of each row's merchant among today's, looked up once a frame that is `placed`; −1 where it is not there."""
        return frame[ROW].to_numpy() if ROW in frame else self.ids.get_indexer(pd.Index(frame["merchant_id"])).astype(np.int64)

    def placed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with the places of its merchants."""
        return frame.assign(**{ROW: self.rows(frame)})

    def of(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """The number of each row."""
        merchant = self.rows(frame)
        return np.where(merchant < 0, -1, merchant * len(self.kinds) + self.kinds.get_indexer(frame["kind"])).astype(np.int64)

    def flags(self, *numbers: NDArray[np.int64]) -> Flags:
        """Whether each number is among some; looked up by number, and never true for −1, the last place."""
        table = np.zeros(len(self.ids) * len(self.kinds) + 1, bool)
        for some in numbers:
            table[some] = True
        table[-1] = False
        return table


def watch(state: State, today: Today, settings: Watch) -> Watched:
    """One day of warnings."""
    pairs = _Pairs(today, state)
    state = State(pairs.placed(state.open), pairs.placed(state.closed))
    today = replace(today, holding=pairs.placed(today.holding))
    holding = pairs.of(today.holding)
    seen = _Seen(pairs, holding, pairs.flags(holding), pairs.flags(holding, pairs.of(today.staying)), today)
    after, told = _followed(state.open, seen, today, settings)
    is_closed = after["closed_on"].notna().to_numpy()
    opened, waiting = _fired(state, after, seen, today, settings)
    unarmed = state.closed[state.closed["rearmed_on"].isna()]
    rearmed = unarmed.loc[seen.is_over(unarmed), ["warning_no"]].assign(rearmed_on=_day(today.day))
    changes = [*CHANGING, *CLOSING]
    touched = (
        np.zeros(0, bool) if after.empty else ~np.all([_same(after[name], state.open[name]) for name in changes], axis=0)
    )
    woken = after["snoozed_until"].isna().to_numpy() & state.open["snoozed_until"].notna().to_numpy()
    fired = opened[["merchant_id", "kind"]].assign(what="fired", detail=_details(opened, ("severity", "value_at_risk")))
    standing = [frame for frame in (after[~is_closed], opened) if len(frame)]
    return Watched(
        opened=opened,
        changed=after.loc[touched, ["warning_no", *changes]],
        woken=after.loc[woken, ["warning_no", "snoozed_until", "woken_on"]],
        rearmed=rearmed,
        told=pd.concat([told, fired], ignore_index=True) if len(told) else fired,
        standing=(pd.concat(standing, ignore_index=True) if standing else after[~is_closed]).drop(columns=ROW, errors="ignore"),
        waiting=waiting,
    )


@dataclass(frozen=True)
class _Seen:
    """What today's rules say of any merchant and kind: `holding` numbers the rows of today's, `is_holding` and `is_staying` are by number."""

    pairs: _Pairs
    holding: NDArray[np.int64]
    is_holding: Flags
    is_staying: Flags
    today: Today

    def holds(self, frame: pd.DataFrame) -> Flags:
        return self.is_holding[self.pairs.of(frame)]

    def is_over(self, frame: pd.DataFrame) -> Flags:
        """Outside the looser bound, and known to be."""
        keys = self.pairs.of(frame)
        return ~self.is_staying[keys] & (keys >= 0) & ~frame["kind"].isin(self.today.blind).to_numpy()

    def setting(self, frame: pd.DataFrame, name: str) -> pd.Series:
        """A setting of each row's kind; 0 for a kind that the rules do not have any more."""
        return frame["kind"].map({kind: getattr(rule, name) for kind, rule in self.today.kinds.items()}).fillna(0)

    def column(self, frame: pd.DataFrame, name: str) -> pd.Series:
        """A column of the merchants, for the rows of a frame."""
        return self.today.merchants[name].reset_index(drop=True).reindex(self.pairs.rows(frame)).set_axis(frame.index)


def _followed(before: pd.DataFrame, seen: _Seen, today: Today, settings: Watch) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The open warnings after a day, and what there is to tell of them."""
    after, day = before.copy(), _day(today.day)
    holds, was = seen.holds(after), before["is_holding"].to_numpy(bool)
    removed = ~after["kind"].isin([*today.kinds]).to_numpy()
    over = seen.is_over(after) | removed
    blind = after["kind"].isin(today.blind).to_numpy() | (seen.pairs.of(after) < 0)
    recurred, faded = holds & ~was & ~removed, ~holds & was & ~over & ~blind
    after.loc[recurred, "recurrences"] += 1
    after.loc[recurred | faded, "turned_on"] = day
    after["is_holding"] = np.where(recurred, True, np.where(faded, False, was))
    owner = seen.column(after, "owner")
    after["owner"] = owner.where(owner.notna(), after["owner"])
    after["is_held_out"] = seen.column(after, "is_held_out").fillna(False).astype(bool)
    escalated = _escalate(after, seen, holds & ~over, day)
    early, due = _wake(after, seen, escalated, day, settings)
    lost = seen.column(after, "is_lost").fillna(False).to_numpy(bool)
    after.loc[over, "closed_on"] = day
    after.loc[over, "rearmed_on"] = day
    after.loc[over, "closed_why"] = np.where(removed, "rule removed", np.where(lost, "lost", "over")).astype(object)[over]
    events = {"recurred": recurred, "escalated": escalated, "woken early": early, "snooze over": due, "closed": over}
    told = [
        after.loc[rows, ["merchant_id", "kind"]].assign(what=what, detail=_details(after[rows], ("severity", "escalated_from", "closed_why")))
        for what, rows in events.items()
        if rows.any()
    ]
    return after, pd.concat(told, ignore_index=True) if told else pd.DataFrame()


def _escalate(after: pd.DataFrame, seen: _Seen, alive: Flags, day: pd.Timestamp) -> Flags:
    """Mark those whose value at risk has grown enough; a value first known becomes what growth is measured against."""
    value = seen.column(after, "value_at_risk").to_numpy(np.float64)
    base = after["escalated_from"].to_numpy(np.float64)
    grown = alive & (base > 0) & (value >= seen.setting(after, "escalate").to_numpy() * base)
    known = alive & ~(base > 0) & (value > 0)
    after["escalated_from"] = np.where(grown | known, value, base)
    level = np.minimum(_levels(after["severity"]) + grown, len(SEVERITIES) - 1)
    after["severity"] = np.array(SEVERITIES, dtype=object)[level]
    after.loc[grown, "escalations"] += 1
    after.loc[grown, "escalated_on"] = day
    after["due_on"] = np.where(grown, np.minimum(after["due_on"], _later(day, [DUE[SEVERITIES[one]] for one in level])), after["due_on"]).astype(DAY)
    return grown


def _wake(after: pd.DataFrame, seen: _Seen, escalated: Flags, day: pd.Timestamp, settings: Watch) -> tuple[Flags, Flags]:
    """End the snoozes that are over, and early those whose merchant's risk jumped or that escalated."""
    snoozed = after["snoozed_until"].notna().to_numpy()
    over = snoozed & (after["snoozed_until"] <= day).to_numpy()
    risk = seen.column(after, "churn_risk").to_numpy(np.float64)
    jumped = risk >= after["snooze_risk"].to_numpy(np.float64) + settings.wake_on_jump
    early = snoozed & ~over & (jumped | escalated)
    after.loc[over | early, "snoozed_until"] = pd.NaT
    after.loc[over | early, "woken_on"] = day
    return early, over


def _fired(state: State, after: pd.DataFrame, seen: _Seen, today: Today, settings: Watch) -> tuple[pd.DataFrame, int]:
    """The new warnings of a day, and how many wait because their owner has enough."""
    day = _day(today.day)
    taken = seen.pairs.flags(seen.pairs.of(after), _quiet(state, seen, day))
    new = today.holding[~taken[seen.holding]].reset_index(drop=True)
    for name in ("owner", "churn_risk", "value_at_risk", "gmv_before", "is_held_out"):
        new[name] = seen.column(new, name)
    level = _levels(new["severity"])
    new = new.assign(
        opened_on=day,
        turned_on=day,
        due_on=_later(day, seen.setting(new, "due_days")),
        is_holding=True,
        recurrences=0,
        escalations=0,
        escalated_from=new["value_at_risk"],
        is_held_out=new["is_held_out"].fillna(False).astype(bool),
    )
    today_already = pd.concat([frame[["owner", "opened_on"]] for frame in (state.open, state.closed)])
    had = today_already.loc[today_already["opened_on"] == day, "owner"].value_counts()
    order = np.lexsort((new["merchant_id"].to_numpy(str), -new["value_at_risk"].fillna(0).to_numpy(np.float64), -level))
    queue = new.iloc[order]
    queue = queue[~queue["is_held_out"] & queue["owner"].notna()]
    place = queue.groupby("owner").cumcount() + queue["owner"].map(had).fillna(0)
    waiting = queue.index[place >= settings.per_owner_and_day]
    return new.drop(index=waiting)[list(OPENED)], len(waiting)


def _quiet(state: State, seen: _Seen, day: pd.Timestamp) -> NDArray[np.int64]:
    """Merchants and kinds that must not fire: in their cool-down, or closed by a person and never seen outside their bounds since."""
    closed = state.closed
    days = seen.setting(closed, "cooldown_days").astype(int)
    cooling = (closed["closed_on"] + pd.to_timedelta(days, unit="D") > day).to_numpy()
    return seen.pairs.of(closed)[cooling | closed["rearmed_on"].isna().to_numpy()]


def _levels(severity: pd.Series) -> NDArray[np.int64]:
    return pd.Index(SEVERITIES).get_indexer(pd.Index(severity)).astype(np.int64)


def _later(day: pd.Timestamp, days: Sequence[int] | pd.Series) -> NDArray[np.datetime64]:
    return (np.datetime64(day, "s") + np.asarray(days, np.int64).astype("timedelta64[D]")).astype(DAY)


def _day(day: date) -> pd.Timestamp:
    return pd.Timestamp(day).as_unit("s")


def _same(one: pd.Series, other: pd.Series) -> Flags:
    return ((one == other) | (one.isna() & other.isna())).to_numpy(bool)


def _details(frame: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """The known values of some columns, row by row."""
    rows = frame[[name for name in names if name in frame]].astype(object)
    told = [{str(name): value for name, value in row.items() if not pd.isna(value)} for row in rows.to_dict("records")]
    return pd.Series(told, index=frame.index, dtype=object)
