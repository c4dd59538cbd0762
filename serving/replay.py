"""Runs over the past, week by week, on the nightly path: each knows what was known on its day, the ledger is a throw-away one.

Nothing of a replay is published: the runs and the ledger live in a folder of their own. Nobody acts in it, so what is measured is what
the warnings say, not what acting on them changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cutoffs import Cutoff, day_date, day_number
from features.errors import DataRefused
from features.snapshot import Market
from serving.ledger import Ledger
from serving.nightly import run_once
from serving.outcomes import settled
from serving.proving import settle
from serving.rules import Rules
from serving.run import Run

AT_ONCE = 250_000
"""Rows (a merchant on a day) of the snapshots that are made in one pass."""
SILENCE = "days_since_last_order"
ModelOf = Callable[[int], tuple[Any, str] | None]
"""From a day of scoring to the model that would have been the champion then and its name; None while there was none."""


@dataclass
class Past:
    """A market that is looked at on known days in rising order, whose snapshots are made several days at a time."""

    market: Market
    days: Sequence[int]
    _made: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        self.settings, self.merchants, self.source = self.market.settings, self.market.merchants, self.market.source
        self._together = max(1, AT_ONCE // max(1, len(self.merchants)))
        self._ready: dict[int, pd.DataFrame] = {}

    def snapshot(self, cutoff: Cutoff) -> pd.DataFrame:
        """What `Market.snapshot` gives on one of the days."""
        day = day_number(cutoff)
        if day not in self._ready:
            place = list(self.days).index(day)
            several = self.days[place : place + self._together]
            frame = self.market.snapshots(several)
            moments = frame.index.get_level_values("cutoff")
            self._ready = {one: _by_merchant(frame[moments == day_date(one)]) for one in several}
        return self._ready[day]


def _by_merchant(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of one day, indexed as `Market.snapshot` does."""
    ids = frame.index.get_level_values("merchant_id").to_numpy(object)
    return frame.set_axis(pd.Index(ids, dtype=object, name="merchant_id"))


@dataclass(frozen=True)
class Replayed:
    """What a replay leaves to be measured.

    Attributes
    ----------
    weeks : one row a run: cutoff, model, merchants, scored, waiting (warnings that waited because their owner had enough), listed (on the call list
        of the day).
    warnings, outcomes, scores : those of the ledger; `scores` has merchant_id, cutoff, tier, is_scored.
    lost : one row a merchant that came to be silent for longer than `active_days`: merchant_id, silent_on (the day after its last order).
    sample : outcomes of everybody scored, on one day of each month: what the precision of a warning is to be held against.
    """

    weeks: pd.DataFrame
    warnings: pd.DataFrame
    outcomes: pd.DataFrame
    scores: pd.DataFrame
    lost: pd.DataFrame
    sample: pd.DataFrame


@dataclass(frozen=True)
class _Champion:
    model: Any
    model_version: str


def replay(
    market: Market,
    days: Sequence[int],
    model_of: ModelOf,
    rules: Rules,
    folder: Path,
    created_at: str,
    tell: Callable[..., None] = lambda *_: None,
    *,
    keep_runs: bool = False,
) -> Replayed:
    """Score on each of some past days with the model of that day, and keep what the ledger keeps.

    Parameters
    ----------
    days : in rising order. folder : empty; the runs and the ledger are written there.
    created_at : the present time as text.
    keep_runs : leave the published runs in the folder, which is then a state directory like any other.

    Raises
    ------
    DataRefused : on none of the days there was a model.
    """
    past, weeks, seen = Past(market, days), [], _Seen(market)
    with closing(Ledger.at(f"sqlite:///{folder / 'ledger.db'}")) as ledger:
        for day in days:
            found = model_of(day)
            if found is None:
                continue
            tell(f"{day_date(day):%Y-%m-%d}")
            given: dict[str, Any] = {"state_dir": folder, "created_at": created_at, "explained": 0}
            run = run_once(past, day, _Champion(*found), rules, ledger, **given)
            weeks.append(_week(run))
            seen.look(run)
            if not keep_runs:
                shutil.rmtree(run.path)
        if not weeks:
            raise DataRefused("no model could be trained for any of these days; replay later ones, or add months of orders.")
        tell("settling outcomes")
        settle(ledger, market)
        scores = _tiers(ledger)
        return Replayed(pd.DataFrame(weeks), ledger.table("warnings"), ledger.table("outcomes"), scores, seen.lost(), seen.sample())


def _week(run: Run) -> dict[str, Any]:
    counts, table = run.header["counts"], run.merchants
    listed = table["worth_acting"] & (table["arm"] != "hold")
    told = {"merchants": counts["merchants"], "scored": counts["scored"], "waiting": counts.get("warnings_waiting", 0)}
    return {"cutoff": pd.Timestamp(run.cutoff), "model": run.model_version, **told, "listed": int(listed.sum())}


def _tiers(ledger: Ledger) -> pd.DataFrame:
    """Tier of each merchant and run, and whether it was scored."""
    dates = ledger.table("runs").set_index("run_no")["cutoff"]
    table = ledger.table("scores")[["merchant_id", "run_no", "tier", "churn_risk"]]
    return table.assign(cutoff=table["run_no"].map(dates), is_scored=table["churn_risk"].notna()).drop(columns=["run_no", "churn_risk"])


class _Seen:
    """What is noted of run after run: who came to be lost, and everybody's sales before one run a month."""

    def __init__(self, market: Market) -> None:
        self.market, self.active = market, market.settings.churn.active_days
        self.active_before = pd.Index([])
        self.found: list[pd.DataFrame] = []
        self.asked: dict[str, pd.DataFrame] = {}

    def look(self, run: Run) -> None:
        """Note a run."""
        table, day = run.merchants, pd.Timestamp(run.cutoff)
        silent = table[SILENCE].astype(float)
        gone = silent[(silent > self.active) & silent.index.isin(self.active_before)]
        silent_on = day - pd.to_timedelta(gone - 1, unit="D")
        self.found.append(pd.DataFrame({"merchant_id": gone.index, "silent_on": silent_on.to_numpy()}))
        self.active_before = silent.index[silent <= self.active]
        scored = table.loc[table["no_score"].isna(), ["gmv_before", "tier"]]
        self.asked.setdefault(run.cutoff[:7], scored.reset_index().assign(since=day.as_unit("s")))

    def lost(self) -> pd.DataFrame:
        """All that came to be lost, in the order in which it was seen."""
        return pd.concat(self.found, ignore_index=True)

    def sample(self) -> pd.DataFrame:
        """The outcomes of everybody scored on the first run of each month, as far as they are known."""
        asked = pd.concat(self.asked.values(), ignore_index=True)
        known = settled(self.market, asked[["merchant_id", "since"]])
        if known.empty:
            return asked.assign(churned=np.nan, gmv=np.nan)[:0]
        return asked.merge(known, on=["merchant_id", "since"])
