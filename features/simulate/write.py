"""Run the simulation a part of the merchants at a time and write it as one directory, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UsageRefused
from features.simulate import contracts, orders, service, truth
from features.simulate.clock import Clock
from features.simulate.columns import Columns, merchant_ids, record
from features.simulate.demand import Demand, demand
from features.simulate.life import Lives, lives
from features.simulate.market import Merchants, merchants
from features.simulate.trouble import Troubles, troubles
from features.tables import TABLES

TIMEZONE = "Europe/Berlin"
EFFECT_OF_CALL = 0.5
PART = 4096
"""Merchants simulated at a time: one row group in each file."""
UNIQUE = ("order_id", "lead_id", "ticket_id", "buyer_id", "ordered_at", "completed_at", "hazard")
"""Columns that a dictionary would make larger."""
LEAST_DAYS = 120
PILOTS = 4
"""Parts by which the number of orders is calibrated."""
LEAST_ACTIVITY = 2.0
"""Weeks of selling that a market is calibrated by at least, lest a few merchants that hardly sell make one seller a giant."""

CONFIG = """\
# A made-up market. What was planted is in truth.parquet and truth_daily.parquet, which nothing here reads.
[source]
{sources}

[churn]
active_days = 90
horizon_days = 90

[timeline]
every = "month"
currency = "EUR"
timezone = "{timezone}"
"""


@dataclass(frozen=True)
class Part:
    """Some of the merchants, and what becomes of them."""

    merchants: Merchants
    ids: list[str]
    troubles: Troubles
    demand: Demand
    tickets: service.Tickets
    lives: Lives


def simulate(
    out: Path,
    merchants: int = 2000,
    seed: int = 0,
    days: int = 730,
    start: date = date(2024, 1, 1),
    orders_per_merchant: float = 100.0,
    effect_of_call: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a made-up market with planted truth to the directory `out`; the same arguments give the same rows.

    Parameters
    ----------
    out : must not exist, or be empty; appears only when all is written.
    merchants : how many ever join; about half had joined before `start`.
    orders_per_merchant : mean of completed orders over the whole time; a market of sparse sellers is more silent.
    effect_of_call : share of the chance to leave that a call removes where poor service is the cause (0.5 when not given);
        other causes respond less, a closing business not at all. Zero plants a market in which calling does nothing.
    progress : called with merchants done and merchants in all.

    Returns
    -------
    Path of the `keepwell.toml` that maps the tables.

    Raises
    ------
    UsageRefused : for numbers out of range, or an `out` that is not empty.
    """
    effect = EFFECT_OF_CALL if effect_of_call is None else effect_of_call
    _check(out, merchants, seed, days, orders_per_merchant, effect)
    clock = Clock(start, days, TIMEZONE)
    with _whole(out.resolve()) as directory:
        _write(directory, merchants, seed, clock, orders_per_merchant, effect, progress)
        sources = "\n".join(f'{table} = "{table}.parquet"' for table in TABLES)
        (directory / "keepwell.toml").write_text(CONFIG.format(sources=sources, timezone=TIMEZONE), encoding="utf-8")
    return out / "keepwell.toml"


def _check(out: Path, merchants: int, seed: int, days: int, orders_per_merchant: float, effect: float) -> None:
    for name, value, low, high in (
        ("merchants", merchants, 1, 1_000_000),
        ("seed", seed, 0, 2**63),
        ("days", days, LEAST_DAYS, 3650),
        ("orders_per_merchant", orders_per_merchant, 0.1, 10_000),
        ("effect_of_call", effect, 0, 1),
    ):
        if not low <= value <= high:
            raise UsageRefused(f"{name} is {value}, expected {low} to {high}. Choose a number in that range.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageRefused(f"{out} exists and is not an empty directory. Name a new directory, or remove what is there.")


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out` that takes its name on success and vanishes on failure."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageRefused(f"{out} cannot be made: {error.strerror}. Name a directory whose parents can be.") from None
    directory = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    directory.chmod(0o755)
    try:
        yield directory
        directory.replace(out)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _write(
    directory: Path, count: int, seed: int, clock: Clock, mean: float, effect: float, progress: Callable[[int, int], None] | None
) -> None:
    everybody = merchants(count, clock, np.random.default_rng([seed, 0]))
    pilots = [_activity(_part(everybody, first, clock, seed), clock) for first in range(0, count, PART)[:PILOTS]]
    per_unit = mean / max(sum(expected for expected, _ in pilots) / sum(size for _, size in pilots), LEAST_ACTIVITY)
    files: dict[str, pq.ParquetWriter] = {}
    written = 0
    try:
        for first in range(0, count, PART):
            part = _part(everybody, first, clock, seed)
            made = _sales(part, clock, per_unit, max(int(count * mean / 4), 1), seed)
            for name, table in _tables(part, made, written, clock, effect, seed):
                _append(files, directory, name, table)
            written += len(made)
            if progress:
                progress(min(first + PART, count), count)
    finally:
        for file in files.values():
            file.close()


def _append(files: dict[str, pq.ParquetWriter], directory: Path, name: str, table: pa.Table) -> None:
    if name not in files:
        dictionary = [column for column in table.column_names if column not in UNIQUE]
        path = directory / f"{name}.parquet"
        files[name] = pq.ParquetWriter(path, table.schema, use_dictionary=dictionary, store_schema=False)
    files[name].write_table(table, row_group_size=max(table.num_rows, 1))


def _part(everybody: Merchants, first: int, clock: Clock, seed: int) -> Part:
    """The lives of the merchants from `first` on; their draws do not depend on other parts."""
    some = everybody.part(first, first + PART)
    rng = np.random.default_rng([seed, 1, first])
    trouble = troubles(some, clock, rng)
    wanted = demand(some, trouble, clock, rng)
    made = service.tickets(some, wanted, trouble, clock, rng)
    became = lives(some, trouble, wanted, service.pain(made, len(some), clock), clock, rng)
    return Part(some, merchant_ids(first, first + len(some)), trouble, wanted, made, became)


def _activity(part: Part, clock: Clock) -> tuple[float, float]:
    """Orders to expect over the whole time before calibration, and the sizes of their merchants."""
    firsts = np.maximum(part.merchants.activated, 0)[:, None]
    lasts = np.minimum(np.minimum(part.lives.left, part.lives.paused), clock.days)[:, None]
    week = np.arange(clock.weeks) * 7
    there = np.clip(np.minimum(lasts, week + 7) - np.maximum(firsts, week), 0, 7) / 7
    return float((part.demand.orders * there).sum()), float(part.merchants.size.sum())


def _sales(part: Part, clock: Clock, per_unit: float, buyers: int, seed: int) -> orders.Sales:
    rng = np.random.default_rng([seed, 2, int(part.merchants.code[0])])
    return orders.sales(part.merchants, part.demand, part.troubles, part.lives, clock, per_unit, buyers, rng)


def _tables(
    part: Part, made: orders.Sales, number: int, clock: Clock, effect: float, seed: int
) -> Iterator[tuple[str, pa.Table]]:
    """Every table's rows of one part of the merchants."""
    rng = np.random.default_rng([seed, 3, int(part.merchants.code[0])])
    some, ids, became = part.merchants, part.ids, part.lives
    contract: dict[str, Columns] = {
        "merchants": contracts.merchants_table(some, ids, clock, rng),
        "orders": orders.orders_table(made, number, ids),
        "refunds": orders.refunds_table(made, number, ids, clock, rng),
        "tickets": service.tickets_table(part.tickets, some, became, ids, clock, rng),
        "logins": service.logins_table(some, part.demand, part.troubles, became, ids, clock, rng),
        "reviews": orders.reviews_table(made, ids, clock, rng),
        "campaigns": contracts.campaigns_table(some, part.demand, became, ids, clock, rng),
        "leads": contracts.leads_table(some, ids, clock, rng),
        "contracts": contracts.contracts_table(some, became, ids, clock, rng),
    }
    for name, columns in contract.items():
        yield name, record(name, columns)
    yield "truth", truth.truth(some, became, ids, clock, effect, rng)
    yield "truth_daily", truth.truth_daily(some, part.demand, became, ids, clock)
