"""What a table of the portfolio is made of, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.explain import plain
from serving.ledger import Ledger
from serving.lists import words
from serving.portfolio.facts import LEADS, MERCHANTS
from serving.reasons.numbers import Lang
from serving.run import Run

Kind = Literal["text", "money", "percent", "count", "points"]


@dataclass(frozen=True)
class Column:
    """A column of a table: its key for machines, its heading, and how its values are written."""

    key: str
    en: str
    zh: str
    kind: Kind = "text"

    def heading(self, lang: Lang) -> str:
        """The heading in a language."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Table:
    """A table of the portfolio; where it cannot be made, `absent` says why and there are no rows. `curve` is drawn, finer than the rows."""

    key: str
    title: str
    columns: tuple[Column, ...] = ()
    rows: Sequence[Mapping[Any, Any]] = ()
    notes: tuple[str, ...] = ()
    absent: str | None = None
    curve: Mapping[str, list[float]] = field(default_factory=dict)

    def facts(self, lang: Lang) -> dict[str, Any]:
        """The table, ready for JSON."""
        columns = [{"key": column.key, "heading": column.heading(lang), "kind": column.kind} for column in self.columns]
        rows = [{str(name): plain(value) for name, value in row.items()} for row in self.rows]
        told = {"key": self.key, "title": self.title, "columns": columns, "rows": rows, "notes": [*self.notes], "absent": self.absent}
        return told | ({"curve": dict(self.curve)} if self.curve else {})


@dataclass(frozen=True)
class Book:
    """A run, the run before it and the ledger, as far as whoever asks may see them; and the language."""

    run: Run
    previous: Run | None = None
    ledger: Ledger | None = None
    lang: Lang = "en"
    by: str | None = None
    every: Literal["quarter", "month"] = "quarter"

    def say(self, en: str, zh: str, /, **values: Any) -> str:
        """The words in the language asked for, filled in."""
        return (zh if self.lang == "zh" else en).format(**values)

    @cached_property
    def merchants(self) -> pd.DataFrame:
        """All merchants of the run, with what was published for the portfolio where it was."""
        table = self.run.merchants
        more = self.facts
        return table if more is None else table.join(more[[name for name in more if name not in table]])

    @cached_property
    def facts(self) -> pd.DataFrame | None:
        """What was published of each merchant for the portfolio; None for a run without it."""
        return self.run.table(MERCHANTS).set_index("merchant_id") if f"{MERCHANTS}.parquet" in self.run.files else None

    @cached_property
    def leads(self) -> pd.DataFrame | None:
        """Leads by channel; None where there are none, or not for the one who asks."""
        return self.run.table(LEADS) if f"{LEADS}.parquet" in self.run.files else None

    @property
    def currency(self) -> str:
        """The currency of all amounts."""
        return str(self.run.header["currency"])

    @property
    def take_rate(self) -> float:
        """The platform's margin on GMV."""
        return float(self.run.header["settings"]["economics"]["take_rate"])

    @property
    def active_days(self) -> int:
        """After so many days without an order a merchant is not selling any more."""
        return int(self.run.header["settings"]["churn"]["active_days"])

    @property
    def tiers(self) -> list[str]:
        """The tiers of the rules, the best first."""
        return list(self.run.header["words"]["tiers"])

    @property
    def stages(self) -> list[str]:
        """The stages of the rules, each once."""
        return list(self.run.header["words"]["stages"])

    def named(self, what: Literal["tiers", "stages"], key: str) -> str:
        """The words of a tier or stage."""
        return words(self.run, what, key, self.lang)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of the merchants as numbers; NaN throughout where there is none."""
        if name not in self.merchants:
            return np.full(len(self.merchants), np.nan)
        return self.merchants[name].to_numpy(np.float64)

    @cached_property
    def costs(self) -> pd.DataFrame | None:
        """`acquisition_cost` and `lead_cost` of each merchant, NaN where unknown; None where neither is known of anybody.

        Where all leads are seen, those of a channel that were lost are shared out over its merchants.
        """
        acquisition, lead = self.numbers("acquisition_cost"), self.numbers("lead_cost")
        if self.leads is not None and "channel" in self.merchants:
            leads = self.leads.set_index("channel")
            each = leads["cost"] / leads["joined"].where(leads["joined"] > 0)
            code, names = pd.factorize(self.merchants["channel"].astype(object))
            shared = np.append(each.reindex(names).to_numpy(np.float64), np.nan)[code]
            lead = np.where(np.isnan(lead), np.nan, np.where(np.isnan(shared), lead, shared))
        table = pd.DataFrame({"acquisition_cost": acquisition, "lead_cost": lead}, index=self.merchants.index)
        return table if table.notna().to_numpy().any() else None

    @cached_property
    def is_selling(self) -> NDArray[np.bool_]:
        """Who had an order within the active days."""
        return self.numbers("days_since_last_order") <= self.active_days

    @cached_property
    def has_sold(self) -> NDArray[np.bool_]:
        """Who has ever had an order."""
        return ~np.isnan(self.numbers("days_since_last_order"))

    def absent(self, key: str, title: str, en: str, zh: str) -> Table:
        """A table that cannot be made, and why."""
        return Table(key, title, absent=self.say(en, zh))


def share(part: float, whole: float) -> float | None:
    """A share; None of nothing.

    Examples
    --------
    >>> share(1, 4), share(0, 0)
    (0.25, None)
    """
    return float(part) / float(whole) if whole else None


def total(values: NDArray[np.float64]) -> float:
    """The sum of the values that are known."""
    return float(np.nansum(values))
