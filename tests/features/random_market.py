"""A market made up at random: every table of the contract with every column, late rows, missing values and hard edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from features.tables import TABLES

Tables = dict[str, pd.DataFrame]
ZONE = "Europe/Berlin"
START, END = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-10-31")
CUTOFF = "2025-06-30"
CUTOFFS = ("2024-03-31", "2025-02-01", CUTOFF)
"""The first is the day on which Berlin's clocks change, 90 days after the first event; the last sees a year and a half."""
NEWCOMERS = ("2025-06-20", "2025-06-29", "2025-07-01", "2025-08-09", "2025-01-25")
"""When merchants 3 to 7 join; they have no events before."""


def midnight(cutoff: str, zone: str = ZONE) -> pd.Timestamp:
    """The UTC instant at which a local day begins."""
    return pd.Timestamp(cutoff, tz=zone).tz_convert("UTC").tz_localize(None)


def made_up(seed: int = 7, merchants: int = 24) -> Tables:
    """All tables, with events around the midnight of each of `CUTOFFS`.

    Merchant 0 has no events, 1 a single order, 2 a single order that is known only after `CUTOFF`; 3 to 7 have none before they join.
    """
    dice = Dice(seed, merchants)
    tables = {"merchants": dice.merchants(), "orders": dice.orders()} | {name: make(dice) for name, make in OTHERS.items()}
    newcomers = tables["merchants"].set_index("merchant_id")["joined_at"].iloc[3:8]
    for table, rows in tables.items():
        if table != "merchants":
            tables[table] = rows[~(rows[TABLES[table].time] < rows["merchant_id"].map(newcomers))].reset_index(drop=True)
    return tables


class Dice:
    """Throws for the cells of the tables."""

    def __init__(self, seed: int, merchants: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.ids = np.array([f"m{number:02d}" for number in range(merchants)], object)
        weights = self.rng.lognormal(0, 0.8, merchants - 3)
        self.weights = weights / weights.sum()

    def rows(self, times: float) -> tuple[np.ndarray, pd.Series]:
        """Merchants and instants, so many of each on average; the first lie around the midnights."""
        count = int(times * len(self.weights))
        instants = pd.Series(START + pd.to_timedelta(self.rng.integers(0, (END - START) // pd.Timedelta("1s"), count), unit="s"))
        edges = [midnight(cutoff) + pd.Timedelta(seconds=shift) for cutoff in CUTOFFS for shift in (-86400, -1, 0, 86399)]
        instants[: len(edges)] = edges
        return self.rng.choice(self.ids[3:], count, p=self.weights), instants

    def some(self, values: Iterable, share: float = 0.8) -> pd.Series:
        """A share of the values, the others missing."""
        filled = pd.Series(values)
        return filled.where(self.rng.random(len(filled)) < share, None if filled.dtype == object else np.nan)

    def later(self, instants: pd.Series, days: int, share: float) -> pd.Series:
        """The same instants or up to so many days later, for a share of them."""
        seconds = np.where(self.rng.random(len(instants)) < 0.3, 0, self.rng.integers(0, days * 86400, len(instants)))
        return (instants + pd.to_timedelta(seconds, unit="s")).where(self.rng.random(len(instants)) < share)

    def choice(self, values: Sequence[object], count: int) -> pd.Series:
        """Any of some values, each time."""
        return pd.Series(self.rng.choice(np.array(values, object), count))

    def cents(self, high: int, count: int) -> pd.Series:
        """Amounts of money below so many cents."""
        return pd.Series(self.rng.integers(0, high, count) / 100)

    def whole(self, low: int, high: int, count: int) -> pd.Series:
        """Whole numbers."""
        return pd.Series(self.rng.integers(low, high, count))

    def merchants(self) -> pd.DataFrame:
        """All merchants; three are there from the start, five are newcomers."""
        count = len(self.ids)
        joined = pd.Series(START + pd.to_timedelta(self.rng.integers(-100, 640, count), unit="D"))
        joined[:3] = START
        joined[3:8] = pd.to_datetime(list(NEWCOMERS))
        return pd.DataFrame(
            {
                "merchant_id": self.ids,
                "joined_at": joined,
                "name": self.some("shop " + pd.Series(self.ids)),
                "industry": self.some(self.choice(["food", "shoes", "toys"], count), 0.9),
                "region": self.some(self.choice(["north", "south"], count)),
                "scale": self.some(self.choice(["small", "large"], count)),
                "registered_capital": self.some(self.cents(10**9, count)),
                "founded_at": self.some(joined - pd.Timedelta(days=900)),
                "acquisition_channel": self.some(self.choice(["web", "fair"], count)),
                "acquisition_cost": self.some(self.cents(10**5, count)),
                "owner": self.some(self.choice(["ann", "bob"], count)),
                "parent_id": self.some(self.choice(["chain a", "chain b"], count), 0.5),
                "known_at": self.later(joined, 200, 0.5),
            }
        )

    def orders(self) -> pd.DataFrame:
        """Orders of most merchants, and the single ones of merchants 1 and 2."""
        who, when = self.rows(70)
        amount = self.cents(50_000, len(who))
        many = pd.DataFrame(
            {
                "merchant_id": who,
                "ordered_at": when,
                "amount": amount,
                "completed_at": self.later(when, 40, 0.7),
                "buyer_id": self.some(self.choice([f"buyer {n}" for n in range(12)], len(who))),
                "subsidy": self.some((amount * 100 * self.rng.choice([0, 0.1, 0.3], len(who))).round() / 100),
                "lines": self.some(self.whole(0, 9, len(who))),
                "promised_at": self.some(when + pd.Timedelta(days=5)),
                "delivered_at": self.later(when, 12, 0.8),
                "order_count": self.some(self.whole(0, 4, len(who))),
            }
        )
        day = midnight(CUTOFFS[0]) - pd.Timedelta(days=3)
        early = many.iloc[:1].assign(merchant_id=self.ids[1], ordered_at=day, completed_at=pd.NaT, delivered_at=pd.NaT)
        late = early.assign(merchant_id=self.ids[2], completed_at=midnight(CUTOFF) + pd.Timedelta(days=9))
        rows = pd.concat([many, early, late], ignore_index=True)
        rows.insert(0, "order_id", [f"o{number}" for number in range(len(rows))])
        return rows


def _refunds(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(6)
    return pd.DataFrame({"merchant_id": who, "refunded_at": when, "amount": dice.cents(9_000, len(who))})


def _tickets(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(10)
    return pd.DataFrame(
        {
            "ticket_id": [f"t{number}" for number in range(len(who))],
            "merchant_id": who,
            "opened_at": when,
            "resolved_at": dice.later(when, 60, 0.8),
            "topic": dice.some(dice.choice(["price", "bug", "other"], len(who))),
            "effort_score": dice.some(dice.whole(1, 8, len(who))),
            "satisfaction": dice.some(dice.whole(-20, 50, len(who)) / 10),
        }
    )


def _logins(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(20)
    return pd.DataFrame(
        {
            "merchant_id": who,
            "occurred_at": when,
            "user_id": dice.some(dice.choice(["u1", "u2", "u3"], len(who))),
            "role": dice.some(dice.choice(["boss", "clerk"], len(who))),
            "function": dice.some(dice.choice(["list", "pay", "ads"], len(who))),
        }
    )


def _reviews(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(8)
    return pd.DataFrame({"merchant_id": who, "reviewed_at": when, "rating": dice.whole(2, 11, len(who)) / 2})


def _campaigns(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(5)
    return pd.DataFrame(
        {
            "merchant_id": who,
            "started_at": when,
            "ended_at": dice.later(when, 45, 0.8),
            "kind": dice.some(dice.choice(["sale", "gift"], len(who))),
            "cost": dice.some(dice.cents(90_000, len(who))),
        }
    )


def _leads(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(2)
    return pd.DataFrame(
        {
            "lead_id": [f"l{number}" for number in range(len(who))],
            "contacted_at": when,
            "merchant_id": dice.some(pd.Series(who), 0.9),
            "channel": dice.some(dice.choice(["web", "fair"], len(who))),
            "won_at": dice.later(when, 60, 0.6),
            "cost": dice.some(dice.cents(9_000, len(who))),
        }
    )


def _contracts(dice: Dice) -> pd.DataFrame:
    who, when = dice.rows(4)
    return pd.DataFrame(
        {
            "merchant_id": who,
            "starts_at": when,
            "ends_at": when + pd.to_timedelta(dice.rng.integers(1, 400, len(who)), unit="D"),
            "value": dice.some(dice.cents(900_000, len(who))),
            "plan": dice.some(dice.choice(["basic", "plus"], len(who))),
            "cancelled_at": dice.later(when, 300, 0.4),
        }
    )


OTHERS: dict[str, Callable[[Dice], pd.DataFrame]] = {
    "refunds": _refunds,
    "tickets": _tickets,
    "logins": _logins,
    "reviews": _reviews,
    "campaigns": _campaigns,
    "leads": _leads,
    "contracts": _contracts,
}
