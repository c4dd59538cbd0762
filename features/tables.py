"""The event tables of the data contract, and the streams of events that features count.

A *table* is what a platform hands over. A *stream* is what happened at one kind of moment: a ticket is opened
(stream `tickets`) and, later, resolved (stream `resolutions`). A column that fills in later belongs to the stream
of the moment at which it was filled in, so no feature can read it before.

Every stream reaches the engine with the integer columns `merchant` (row number in the sorted merchants),
`day` (event time) and `seen` (known time), both in days since 1970-01-01 in the platform's time zone, and the
columns listed here: money in cents, times as days, spans in seconds, flags as 0/1, decimals times 1000, names as codes.

To add a table, add it to `TABLES` and its moments to `STREAMS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["id", "text", "time", "money", "number", "count"]
"""What a contract column holds: `count` is a whole number ≥ 0, `money` a finite amount ≥ 0, `number` any finite number."""


@dataclass(frozen=True)
class Column:
    """One column of a contract table."""

    kind: Kind
    required: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    `time` is its event time, `known` the optional column that says when the row could first be known (default: the event time),
    `key` the column that must be unique, `later` the columns that may lie after the last event (planned or filled in later).
    """

    columns: Mapping[str, Column]
    time: str
    known: str | None = None
    key: str | None = None
    required: bool = False
    planned: tuple[str, ...] = ()


def _must(kind: Kind) -> Column:
    return Column(kind, required=True)


TABLES: dict[str, Table] = {
    "merchants": Table(
        {
            "merchant_id": _must("id"),
            "joined_at": _must("time"),
            "name": Column("text"),
            "industry": Column("text"),
            "region": Column("text"),
            "scale": Column("text"),
            "registered_capital": Column("money"),
            "founded_at": Column("time"),
            "acquisition_channel": Column("text"),
            "acquisition_cost": Column("money"),
            "owner": Column("text"),
            "parent_id": Column("id"),
            "known_at": Column("time"),
        },
        time="joined_at",
        known="known_at",
        key="merchant_id",
        required=True,
    ),
    "orders": Table(
        {
            "order_id": _must("id"),
            "merchant_id": _must("id"),
            "ordered_at": _must("time"),
            "amount": _must("money"),
            "completed_at": Column("time"),
            "buyer_id": Column("id"),
            "subsidy": Column("money"),
            "lines": Column("count"),
            "promised_at": Column("time"),
            "delivered_at": Column("time"),
            "order_count": Column("count"),
        },
        time="ordered_at",
        known="completed_at",
        key="order_id",
        required=True,
        planned=("promised_at",),
    ),
    "refunds": Table(
        {"merchant_id": _must("id"), "refunded_at": _must("time"), "amount": _must("money"), "order_id": Column("id")},
        time="refunded_at",
    ),
    "tickets": Table(
        {
            "ticket_id": _must("id"),
            "merchant_id": _must("id"),
            "opened_at": _must("time"),
            "resolved_at": Column("time"),
            "topic": Column("text"),
            "effort_score": Column("number", low=1, high=7),
            "satisfaction": Column("number"),
        },
        time="opened_at",
        key="ticket_id",
    ),
    "logins": Table(
        {
            "merchant_id": _must("id"),
            "occurred_at": _must("time"),
            "user_id": Column("id"),
            "role": Column("text"),
            "function": Column("text"),
        },
        time="occurred_at",
    ),
    "reviews": Table(
        {"merchant_id": _must("id"), "reviewed_at": _must("time"), "rating": _must("number")},
        time="reviewed_at",
    ),
    "campaigns": Table(
        {
            "merchant_id": _must("id"),
            "started_at": _must("time"),
            "ended_at": Column("time"),
            "kind": Column("text"),
            "cost": Column("money"),
        },
        time="started_at",
        planned=("ended_at",),
    ),
    "leads": Table(
        {
            "lead_id": _must("id"),
            "contacted_at": _must("time"),
            "merchant_id": Column("id"),
            "channel": Column("text"),
            "won_at": Column("time"),
            "cost": Column("money"),
        },
        time="contacted_at",
        key="lead_id",
    ),
    "contracts": Table(
        {
            "merchant_id": _must("id"),
            "starts_at": _must("time"),
            "ends_at": _must("time"),
            "value": Column("money"),
            "plan": Column("text"),
            "cancelled_at": Column("time"),
        },
        time="starts_at",
        planned=("starts_at", "ends_at"),
    ),
}

StreamKind = Literal["money", "count", "flag", "number", "code", "day", "seconds"]
SCALE: dict[StreamKind, int] = {"money": 100, "count": 1, "flag": 1, "number": 1000, "code": 1, "day": 1, "seconds": 1}
"""Integers per unit in the tiles: money is kept in cents, decimals in thousandths."""


@dataclass(frozen=True)
class Field:
    """One integer column of a stream and where it comes from in its table.

    `source` is a column of the table; with `since`, the seconds from `since` to `source`; with `after`, the flag `source > after`;
    with `default`, the value where the column is absent or empty.
    """

    kind: StreamKind
    source: str
    since: str | None = None
    after: str | None = None
    default: int | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the table without which the field is absent."""
        if self.default is not None:
            return ()
        return tuple(name for name in (self.source, self.since, self.after) if name)


@dataclass(frozen=True)
class Stream:
    """What happens at one kind of moment: its table, event time, known time and fields."""

    table: str
    day: str
    seen: tuple[str, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict)


STREAMS: dict[str, Stream] = {
    "orders": Stream(
        "orders",
        day="ordered_at",
        seen=("completed_at",),
        fields={
            "amount": Field("money", "amount"),
            "orders": Field("count", "order_count", default=1),
            "buyer_id": Field("code", "buyer_id"),
            "subsidy": Field("money", "subsidy"),
            "lines": Field("count", "lines"),
            "in_campaign": Field("flag", "in_campaign"),
        },
    ),
    "deliveries": Stream(
        "orders",
        day="delivered_at",
        seen=("completed_at",),
        fields={"late": Field("flag", "delivered_at", after="promised_at")},
    ),
    "refunds": Stream("refunds", day="refunded_at", fields={"amount": Field("money", "amount")}),
    "tickets": Stream("tickets", day="opened_at", fields={"topic": Field("code", "topic")}),
    "resolutions": Stream(
        "tickets",
        day="resolved_at",
        fields={
            "seconds": Field("seconds", "resolved_at", since="opened_at"),
            "effort_score": Field("number", "effort_score"),
            "satisfaction": Field("number", "satisfaction"),
        },
    ),
    "logins": Stream(
        "logins",
        day="occurred_at",
        fields={
            "user_id": Field("code", "user_id"),
            "role": Field("code", "role"),
            "function": Field("code", "function"),
        },
    ),
    "reviews": Stream("reviews", day="reviewed_at", fields={"rating": Field("number", "rating")}),
    "campaigns": Stream("campaigns", day="started_at", fields={"cost": Field("money", "cost")}),
    "campaign_ends": Stream("campaigns", day="ended_at"),
    "leads": Stream("leads", day="contacted_at", fields={"cost": Field("money", "cost")}),
    "contracts": Stream(
        "contracts",
        day="starts_at",
        fields={"value": Field("money", "value"), "ends": Field("day", "ends_at")},
    ),
    "cancellations": Stream("contracts", day="cancelled_at"),
}

ATTRIBUTES: dict[str, Kind] = {
    name: column.kind for name, column in TABLES["merchants"].columns.items() if name not in ("merchant_id", "known_at")
}
"""Columns of `merchants` that a feature may read; empty before `known_at`."""
