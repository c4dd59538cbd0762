"""A made-up platform of two years on which a few merchants were lost, each with the trace of one cause, among others that sell on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

START, DAYS = pd.Timestamp("2024-01-01"), 731
END = DAYS - 1
"""The last day, the last of 2025."""
STOPPED = 590
"""The day (from the start) of the last order of all that were lost: 13 August 2025."""
TROUBLE = STOPPED - 42
PEERS = 60
LOST = ("price", "service", "rival", "season", "closed", "cancelled")
"""`cancelled` sold as ever and cancelled its contract: nothing tells why it left."""
BRIEF, IDLE, SLEEPY, KEEN = "brief", "idle", "sleepy", "keen"
"""Newcomers: one sold for three weeks; one joined and never logged in, one stopped logging in, one did all it could and found no buyer."""
SHOP = ("bakery", "florist")
FUNCTIONS = ("orders", "catalogue", "messages", "payouts", "inventory", "reports")
CONFIG = """\
[source]
orders = "orders.parquet"
merchants = "merchants.parquet"
refunds = "refunds.parquet"
tickets = "tickets.parquet"
logins = "logins.parquet"
reviews = "reviews.parquet"
contracts = "contracts.parquet"
campaigns = "campaigns.parquet"

[churn]
active_days = 90
horizon_days = 90
"""


def names() -> list[str]:
    """All merchants."""
    return [*(f"peer{number:02d}" for number in range(PEERS)), *LOST, BRIEF, IDLE, SLEEPY, KEEN]


def lost_market(home: Path, industry: dict[str, str] | None = None) -> Path:
    """Write the tables and `keepwell.toml` to a directory; returns the path of the latter."""
    rng, home = np.random.default_rng(0), Path(home)
    home.mkdir(parents=True, exist_ok=True)
    orders = _orders(rng)
    tables = {
        "merchants": _merchants(industry or {}),
        "orders": orders,
        "refunds": _times(orders.iloc[::40], "ordered_at", 5)[["merchant_id", "refunded_at", "amount"]],
        "tickets": _tickets(rng),
        "logins": _logins(rng),
        "reviews": _reviews(orders, rng),
        "contracts": _contracts(),
        "campaigns": pd.DataFrame({"merchant_id": ["peer00", KEEN], "started_at": [_day(300), _day(410)], "ended_at": [_day(310), _day(420)]}),
    }
    for name, table in tables.items():
        table.to_parquet(home / f"{name}.parquet")
    (home / "keepwell.toml").write_text(CONFIG, encoding="utf-8")
    return home / "keepwell.toml"


def _day(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=float(day), hours=12)


def _times(rows: pd.DataFrame, column: str, later: int) -> pd.DataFrame:
    return rows.assign(refunded_at=rows[column] + pd.Timedelta(days=later))


def _merchants(industry: dict[str, str]) -> pd.DataFrame:
    rows = [
        {
            "merchant_id": name,
            "joined_at": _day(400 if name in (BRIEF, IDLE, SLEEPY, KEEN) else -300),
            "name": name.title(),
            "industry": industry.get(name, SHOP[place % 2]),
            "region": ("North", "South")[place // 2 % 2],
            "owner": "Ann Lee",
        }
        for place, name in enumerate(names())
    ]
    return pd.DataFrame(rows)


def _sells(name: str, day: int) -> float:
    """Orders to expect on a day."""
    if name in (IDLE, SLEEPY, KEEN):
        return 0.0
    if name == BRIEF:
        return 1.0 if 410 <= day < 431 else 0.0
    if name in LOST and day > STOPPED:
        return 0.0
    if name == "season":
        return 3.0 if (STOPPED - day) % 365 < 120 else 0.0
    return 0.3 if name == "rival" and day > TROUBLE else 1.2


def _orders(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for name in names():
        for day in range(DAYS - 1):
            count = rng.poisson(_sells(name, day)) if day != STOPPED or name not in LOST else 1
            rows += [(name, day, hour) for hour in range(min(int(count), 8))]
    table = pd.DataFrame(rows, columns=["merchant_id", "day", "hour"])
    is_troubled = table["day"] > TROUBLE
    is_dear = (table["merchant_id"] == "price") & is_troubled
    is_late = rng.random(len(table)) < np.where((table["merchant_id"] == "service") & is_troubled, 0.6, 0.05)
    at = START + pd.to_timedelta(table["day"] * 24 + 9 + table["hour"], unit="h")
    amount = np.round(rng.lognormal(3.5, 0.3, len(table)) * np.where(is_dear, 0.65, 1.0), 2)
    return pd.DataFrame(
        {
            "order_id": [f"o{number}" for number in range(len(table))],
            "merchant_id": table["merchant_id"],
            "ordered_at": at,
            "amount": amount,
            "subsidy": np.round(amount * np.where(is_dear, 0.3, 0.03), 2),
            "lines": 1 + rng.poisson(1.0, len(table)),
            "promised_at": at + pd.Timedelta(days=3),
            "delivered_at": at + pd.to_timedelta(np.where(is_late, 5, 2), unit="D"),
        }
    )


def _tickets(rng: np.random.Generator) -> pd.DataFrame:
    rows = [(name, day, 3, "app") for name in names() for day in range(20, END, 120) if not _is_gone(name, day)]
    rows += [("service", day, 6, "delivery") for day in range(TROUBLE, STOPPED, 6)]
    rows += [("price", day, 3, "fees") for day in (TROUBLE + 5, TROUBLE + 20, TROUBLE + 30)]
    table = pd.DataFrame(rows, columns=["merchant_id", "day", "effort_score", "topic"])
    opened = START + pd.to_timedelta(table.pop("day") * 24 + 10, unit="h")
    numbers = [f"t{number}" for number in range(len(table))]
    return table.assign(ticket_id=numbers, opened_at=opened, resolved_at=opened + pd.Timedelta(hours=20), effort_score=table["effort_score"].astype(float))


def _is_gone(name: str, day: int) -> bool:
    last = {BRIEF: 431, IDLE: -1, SLEEPY: 420}.get(name, STOPPED if name in LOST else END)
    return day > last or (name in (BRIEF, IDLE, SLEEPY, KEEN) and day < 400)


def _logins(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for name in names():
        for day in range(0, END, 2):
            if _is_gone(name, day):
                continue
            few = name == SLEEPY or (name == "rival" and day > TROUBLE)
            rows.append((name, day, FUNCTIONS[0 if few else int(rng.integers(len(FUNCTIONS)))]))
    table = pd.DataFrame(rows, columns=["merchant_id", "day", "function"])
    return table.assign(occurred_at=START + pd.to_timedelta(table.pop("day") * 24 + 8, unit="h"), user_id=table["merchant_id"] + "-1")


def _reviews(orders: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    some = orders.iloc[::6]
    is_bad = (some["merchant_id"] == "service") & (some["ordered_at"] > _day(TROUBLE))
    rating = np.clip(np.round(rng.normal(np.where(is_bad, 2.0, 4.3), 0.6)), 1, 5)
    at = some["delivered_at"] + pd.Timedelta(hours=30)
    return pd.DataFrame({"merchant_id": some["merchant_id"], "reviewed_at": at, "rating": rating})[lambda rows: rows["reviewed_at"] < _day(END)]


def _contracts() -> pd.DataFrame:
    """Of a year each, running when they stopped; one was cancelled, and those with another cause cancelled too."""
    rows = [
        (name, _day(start), _day(start + 365), _day(STOPPED - 10) if name in ("cancelled", "price", "service", "rival") and start == 365 else pd.NaT)
        for name in (*names()[:PEERS:2], *LOST)
        for start in (0, 365)
    ]
    return pd.DataFrame(rows, columns=["merchant_id", "starts_at", "ends_at", "cancelled_at"])
