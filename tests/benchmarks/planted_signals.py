"""Whether the cause of which a made-up merchant left can be seen in its tables at all: plain tests on the rows, one declared for each cause.

A merchant may leave for a cause that never touched it (a small rest of the chance to leave has no trouble behind it), or so early in a trouble
that nothing had changed yet. No look back can name such a cause. So a look back is judged on those whose signal is there: in the six weeks before
the last order something moved by a plain amount *and* by more than chance alone would move it once in ten times. Of leavers planted for another
cause, two to fourteen of a hundred show a signal of this one all the same (seeds 1 to 10). Nothing here knows how look backs reach their causes.

* price: more subsidy in its orders, smaller baskets, tickets about fees, or most of its sales under a campaign that had just ended.
* service: more late deliveries, more tickets, lower ratings.
* rival: its orders fell by half against its industry's, or those who logged in used fewer functions than as many logins used before.
* season: at this time of last year it, too, sold next to nothing; or in its first year nearly all that it sold came in one season.
* business closed: all was well and then it stopped: orders as before, nothing of the above, no contract cancelled; or its chain stopped with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

NOW, SKIP, BEFORE, YEAR, AHEAD = 42, 84, 182, 365, 56
CHANCE = 0.1
CAUSES = ("price", "service", "rival", "season", "business closed")
TABLES = ("orders", "tickets", "reviews", "logins", "campaigns", "contracts", "merchants")


@dataclass
class Life:
    """The rows of one merchant, in days; `last` is the day of its last order."""

    tables: dict[str, pd.DataFrame]
    last: int
    first_day: int
    industry: pd.Series  # orders a day

    def now(self, table: str) -> pd.DataFrame:
        """The rows of the last six weeks that it sold."""
        rows = self.tables[table]
        return rows[(rows["day"] > self.last - NOW) & (rows["day"] <= self.last)]

    def before(self, table: str) -> pd.DataFrame:
        """The rows of its half-year before, twelve weeks back."""
        rows = self.tables[table]
        return rows[(rows["day"] > self.last - SKIP - BEFORE) & (rows["day"] <= self.last - SKIP)]

    @cached_property
    def weeks_before(self) -> float:
        """Weeks of that half-year in which it sold already."""
        first = self.tables["orders"]["day"].min()
        return max(0.0, (self.last - SKIP - max(first, self.last - SKIP - BEFORE)) / 7)


def _fewer(later: pd.Series, sooner: pd.Series) -> bool:
    """Whether values became lower by more than chance."""
    return len(later) >= 3 and len(sooner) >= 3 and stats.mannwhitneyu(later, sooner, alternative="less").pvalue < CHANCE


def _more(later: int, sooner: int, weeks: float) -> bool:
    """Whether so many in six weeks are more than chance, after so many in the weeks before."""
    return weeks > 0 and stats.binomtest(later, later + sooner, NOW / 7 / (NOW / 7 + weeks), "greater").pvalue < CHANCE if later else False


def price(life: Life) -> bool:
    """More subsidy (8 % of sales), smaller baskets (a sixth), two fee tickets more than usual, or only campaigns sold, and they ended."""
    now, before = life.now("orders"), life.before("orders")
    share, usual = now["subsidy"] / now["amount"], before["subsidy"] / before["amount"]
    if share.mean() - usual.mean() >= 0.08 and _fewer(-share, -usual):
        return True
    if now["amount"].mean() <= before["amount"].mean() * 5 / 6 and _fewer(now["amount"], before["amount"]):
        return True
    fees, before_fees = ((rows["topic"] == "fees").sum() for rows in (life.now("tickets"), life.before("tickets")))
    if fees >= 2 and _more(fees, before_fees, life.weeks_before):
        return True
    ran = life.tables["campaigns"]
    ended = ran[(ran["until"] <= life.last) & (ran["until"] > life.last - NOW)]
    sold = life.tables["orders"]
    sold = sold[sold["day"] > life.last - 90]
    under = np.zeros(len(sold), bool)
    for start, until in zip(ran["day"], ran["until"], strict=True):
        under |= ((sold["day"] >= start) & (sold["day"] <= until)).to_numpy()
    return bool(len(ended) and len(sold) and sold["amount"][under].sum() >= 0.6 * sold["amount"].sum())


def service(life: Life) -> bool:
    """More late deliveries (a tenth of all), more tickets (twice as many and two more), or ratings lower by half a star."""
    now, before = life.now("orders"), life.before("orders")
    late, usual = (rows["delivered"] > rows["promised"] for rows in (now, before))
    if late.mean() - usual.mean() >= 0.10:
        table = [[late.sum(), (~late).sum()], [usual.sum(), (~usual).sum()]]
        if stats.fisher_exact(table, alternative="greater").pvalue < CHANCE:
            return True
    asked, sooner = len(life.now("tickets")), len(life.before("tickets"))
    if asked >= 2 + 2 * sooner * NOW / 7 / max(life.weeks_before, 1) and _more(asked, sooner, life.weeks_before):
        return True
    told, once = life.now("reviews")["rating"], life.before("reviews")["rating"]
    return bool(told.mean() - once.mean() <= -0.5 and _fewer(told, once))


def rival(life: Life) -> bool:
    """Orders fell by half against the industry's, week by week beyond chance; or fewer functions than as many logins used before."""
    return _fell(life) or _narrowed(life)


def _fell(life: Life) -> bool:
    weekly = [_relative(life, life.last - 7 * back) for back in range(NOW // 7)]
    first = life.tables["orders"]["day"].min()
    usual = [_relative(life, life.last - SKIP - 7 * back) for back in range(BEFORE // 7) if life.last - SKIP - 7 * back - 6 >= first]
    return len(usual) >= 6 and np.mean(weekly) <= 0.5 * np.mean(usual) and _fewer(pd.Series(weekly), pd.Series(usual))


def _relative(life: Life, until: int) -> float:
    """Orders of a week against the industry's."""
    days = life.tables["orders"]["day"]
    return float(((days > until - 7) & (days <= until)).sum()) / max(float(life.industry.reindex(range(until - 6, until + 1)).sum()), 1.0)


def _narrowed(life: Life) -> bool:
    now, before = life.now("logins")["function"].to_numpy(), life.before("logins")["function"].to_numpy()
    if len(now) < 3 or len(before) < len(now):
        return False
    draws = np.random.default_rng(0).permuted(np.tile(np.unique(before, return_inverse=True)[1], (1000, 1)), axis=1)[:, : len(now)]
    drawn = np.array([len(set(row)) for row in draws])
    used = len(set(now))
    return bool(used <= 0.7 * drawn.mean() and (drawn <= used).mean() < CHANCE)


def season(life: Life) -> bool:
    """A year ago the coming eight weeks brought under a quarter of an even share; or a first year sold in twenty weeks for nine tenths."""
    days = life.tables["orders"]["day"]
    age = life.last - days.min()
    year = ((days > life.last - YEAR) & (days <= life.last)).sum()
    if age >= YEAR - 14:
        ahead = ((days > life.last - YEAR) & (days <= life.last - YEAR + AHEAD)).sum()
        return bool(year >= 20 and ahead <= 0.25 * year * AHEAD / YEAR)
    return bool(age >= 280 and year >= 20 and (days > life.last - 140).sum() >= 0.9 * year)


def business_closed(life: Life) -> bool:
    """Orders as before to the end (no less than two thirds, against the industry's), no other signal, and no contract cancelled."""
    weekly = [_relative(life, life.last - 7 * back) for back in range(NOW // 7)]
    usual = [_relative(life, life.last - SKIP - 7 * back) for back in range(int(life.weeks_before))]
    held = len(usual) >= 6 and np.mean(weekly) >= 2 / 3 * np.mean(usual)
    cancelled = life.tables["contracts"]["cancelled"].dropna()
    notice = ((cancelled > life.last - 60) & (cancelled <= life.last + 90)).any()
    return bool(held and not notice and not any(seen(life) for seen in (price, service, rival, season)))


SIGNALS = {"price": price, "service": service, "rival": rival, "season": season, "business closed": business_closed}


def signals(folder: Path, last: pd.Series) -> pd.DataFrame:
    """For merchants by the day (number) of their last order: whether each cause would have its signal in their tables."""
    tables = {name: _read(folder, name) for name in TABLES}
    register = tables.pop("merchants").set_index("merchant_id")
    orders = tables["orders"].join(register["industry"], on="merchant_id")
    daily = {name: rows.groupby("day").size() for name, rows in orders.groupby("industry", observed=True)}
    parts = {name: dict(list(rows[rows["merchant_id"].isin(last.index)].groupby("merchant_id", observed=True))) for name, rows in tables.items()}
    found = {}
    for name, day in last.items():
        own = {table: part.get(name, tables[table].iloc[:0]) for table, part in parts.items()}
        life = Life(own, int(day), int(orders["day"].min()), daily[register.at[name, "industry"]])
        found[name] = {cause: SIGNALS[cause](life) for cause in CAUSES}
    return pd.DataFrame.from_dict(found, orient="index")


TIMES = {
    "orders": ("ordered_at", {"promised_at": "promised", "delivered_at": "delivered"}),
    "tickets": ("opened_at", {}),
    "reviews": ("reviewed_at", {}),
    "logins": ("occurred_at", {}),
    "campaigns": ("started_at", {"ended_at": "until"}),
    "contracts": ("starts_at", {"cancelled_at": "cancelled"}),
}


def _read(folder: Path, name: str) -> pd.DataFrame:
    rows = pd.read_parquet(folder / f"{name}.parquet")
    if name not in TIMES:
        return rows
    event, others = TIMES[name]
    rows["merchant_id"] = rows["merchant_id"].astype(object)
    days = {new: (rows[old] - pd.Timestamp(0)).dt.days for old, new in others.items() if new in ("until", "cancelled")}
    instants = {new: rows[old] for old, new in others.items() if new not in days}
    return rows.assign(day=(rows[event] - pd.Timestamp(0)).dt.days, **days, **instants)
