"""The at-risk list of a run as the page needs it: worked out once for a run and a caller, so that a request only chooses and writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.api.published import View
from serving.calls import Calls, call_list, calling
from serving.lists import sentences, team_of
from serving.reasons.numbers import Lang
from serving.run import Run
from serving.weeks import sold, weekly

SHOWN_WEEKS = 12
SHOWN_REASONS = 3
SHOWN = ("name", "tier", "stage", "churn_risk", "value_at_risk", "expected_profit", "action_en", "action_zh")
FILTERS = ("owner", "tier", "stage", "region", "industry")


@dataclass(frozen=True, eq=False)
class Board:
    """The call list of a run and what stands beside each of its rows, in the order of the list.

    Attributes
    ----------
    previous : the run before, as far as the caller may see it; None for the first one.
    kept : what others worked out of it and want to find again.
    """

    run: Run
    previous: Run | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def calls(self) -> Calls:
        """Who to act on, best first."""
        return call_list(self.run.merchants, team_of(self.run))

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the list, indexed by merchant_id."""
        return self.calls.rows

    @cached_property
    def leavers(self) -> float:
        """How many of the caller's merchants are expected to leave, listed or not."""
        return float(self.run.merchants["churn_risk"].sum())

    @cached_property
    def weeks(self) -> NDArray[np.float64] | None:
        """(rows, 12) weekly sales, the oldest first; None where the run has none."""
        found = weekly(self.run)
        return None if found is None else sold(found, self.rows.index, SHOWN_WEEKS)

    @cached_property
    def before(self) -> pd.DataFrame:
        """What the run before said of each row: `risk`, and `listed`."""
        if self.previous is None:
            return pd.DataFrame({"risk": np.nan, "listed": True}, index=self.rows.index)
        risk = self.previous.merchants["churn_risk"].reindex(self.rows.index)
        return pd.DataFrame({"risk": risk, "listed": _are_in(self.rows.index, self._listed_before)}, index=self.rows.index)

    @cached_property
    def relieved(self) -> int:
        """How many were on the list of the run before and are not any more."""
        return int((~_are_in(self._listed_before, self.rows.index)).sum())

    @cached_property
    def _listed_before(self) -> pd.Index:
        """Who was on the list of the run before."""
        if self.previous is None:
            return self.rows.index[:0]
        return call_list(self.previous.merchants, team_of(self.previous)).rows.index

    def records(self, places: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Some rows as plain values, with what the run before said of them (`before`, missing where it did not know them) and their weeks."""
        rows = self.rows.iloc[places]
        rows = rows[[name for name in SHOWN if name in rows]].assign(before=self.before["risk"].to_numpy(np.float64)[places])
        found: list[dict[str, Any]] = rows.reset_index().to_dict("records")  # type: ignore[assignment]
        for place, row in zip(places, found, strict=True):
            row["weeks"] = None if self.weeks is None else self.weeks[place]
        return found

    @cached_property
    def money(self) -> dict[str, float]:
        """All that is at risk, how many are worth acting on, and what acting on them is expected to bring."""
        pays = self.rows["expected_profit"][self.rows["expected_profit"] > 0]
        return {"at_risk": float(self.rows["value_at_risk"].sum()), "pays": float(len(pays)), "brings": float(pays.sum())}

    @cached_property
    def is_new(self) -> NDArray[np.bool_]:
        """Which rows were not on the list of the run before."""
        return ~self.before["listed"].to_numpy(bool)

    @cached_property
    def told(self) -> pd.DataFrame:
        """The first reasons that raise the risk of leaving: merchant_id, group, and the words in both languages."""
        found = self.run.reasons
        found = found[(found["head"] == "churn") & (found["direction"] == "raises") & (found["rank"] <= SHOWN_REASONS)]
        return found[_are_in(pd.Index(found["merchant_id"]), self.rows.index)]

    @cached_property
    def _sentences(self) -> dict[Lang, dict[str, list[str]]]:
        return {lang: sentences(self.told, lang) for lang in get_args(Lang)}

    def reasons(self, merchant_id: str, lang: Lang) -> list[str]:
        """The reasons of a row in words; empty where none were worked out."""
        return self._sentences[lang].get(merchant_id, [])

    @cached_property
    def _with_reason(self) -> dict[str, frozenset[str]]:
        return {str(group): frozenset(rows) for group, rows in self.told.groupby("group")["merchant_id"]}

    def has_reason(self, group: str) -> NDArray[np.bool_]:
        """Which rows have a reason of a group."""
        return self.rows.index.isin(list(self._with_reason.get(group, ())))

    @cached_property
    def reason_groups(self) -> dict[Lang, list[tuple[str, str]]]:
        """The groups of reasons with their words, the most frequent first."""
        counted = self.told.groupby("group").agg(size=("rank", "size"), en=("group_en", "first"), zh=("group_zh", "first"))
        order = counted.sort_values("size", ascending=False)
        return {lang: [(str(group), str(words)) for group, words in order[lang].items()] for lang in ("en", "zh")}  # type: ignore[misc]

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What each filter can be set to."""
        present = [name for name in FILTERS if name in self.rows]
        return {name: sorted(map(str, self.rows[name].dropna().unique())) for name in present}

    @cached_property
    def searched(self) -> list[str]:
        """What a search looks at, a text for each row."""
        names = self.rows["name"].fillna("").astype(str) if "name" in self.rows else pd.Series("", index=self.rows.index)
        return [f"{name}\n{merchant}".casefold() for merchant, name in zip(self.rows.index, names, strict=True)]

    @cached_property
    def sums(self) -> dict[str, NDArray[np.float64]]:
        """Running sums down the list, beginning at no call: churners, saved, cost and profit."""
        rows = self.rows
        risk = rows["churn_risk"].to_numpy(np.float64)
        each = {
            "leavers": risk,
            "saved": risk * rows["action_save_rate"].to_numpy(np.float64),
            "cost": rows["action_cost"].to_numpy(np.float64),
            "profit": rows["expected_profit"].to_numpy(np.float64),
        }
        return {name: np.concatenate([[0.0], np.cumsum(values)]) for name, values in each.items()}

    def call(self, number: int) -> dict[str, float]:
        """What calling the first so many is expected to catch and to waste, as `serving.calls.calling` reckons it."""
        if not len(self.rows):
            return {"calls": 0, "leavers": 0, "share_of_leavers": 0, "wasted": 0, "saved": 0, "cost": 0, "profit": 0}
        number = min(max(number, 1), len(self.rows))
        table = calling(self.rows.head(number), self.leavers)
        return {str(name): float(value) for name, value in table.iloc[-1].items()}


def _are_in(ids: pd.Index, known: pd.Index) -> NDArray[np.bool_]:
    """Which ids are among those known: looked up, where `isin` of pandas' texts turns every one of them into an object of its own."""
    return known.get_indexer(ids) >= 0


_BOARDS: WeakKeyDictionary[View, Board] = WeakKeyDictionary()


def board_of(view: View, previous: View | None) -> Board:
    """The board of a view, made once for as long as the view is held."""
    found = _BOARDS.get(view)
    if found is None:
        found = _BOARDS[view] = Board(view.run, previous.run if previous else None)
    return found
