"""Platform tables to streams: days, known times, fields, codes, merchants, and a fingerprint of the content alone."""

import json
import os
from datetime import date
from pathlib import Path

import pytest

from features.overview import profile
from features.source import Source, read_source

BASE = date(1970, 1, 1).toordinal()


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - BASE


def values(table: str) -> str:
    """A query over an ASCII table whose cells are SQL."""
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    tuples = ", ".join("(" + ", ".join(row) + ")" for row in rows)
    return f"SELECT * FROM (VALUES {tuples}) t({', '.join(head)})"


def market(home: Path, timezone: str = "UTC", **tables: str) -> Source:
    """The source of a keepwell.toml over ASCII tables."""
    lines = ["[source]", *(f"{name} = {{ query = {json.dumps(values(table))} }}" for name, table in tables.items())]
    path = home / "keepwell.toml"
    path.write_text("\n".join([*lines, "[timeline]", f'timezone = "{timezone}"']), encoding="utf-8")
    return read_source(path)


def rows(source: Source, stream: str, *columns: str) -> list[tuple]:
    """A stream's rows by merchant name, in order."""
    found = source.connection.execute(f"SELECT merchant, {', '.join(columns)} FROM stream_{stream} ORDER BY ALL").fetchall()
    return [(source.merchants["merchant_id"][code], *rest) for code, *rest in found]


ORDERS = """
    order_id | merchant_id | ordered_at                     | amount
    1        | 'b'         | TIMESTAMP '2026-01-01 10:00:00' | 10.00
    2        | 'a'         | TIMESTAMP '2026-01-02 23:59:59' | 0.29
    3        | 'b'         | TIMESTAMP '2026-01-05 00:00:00' | 1.006
"""


def test_orders_alone_make_merchants_and_a_stream_of_integers(tmp_path):
    source = market(tmp_path, orders=ORDERS)
    assert list(source.merchants["merchant_id"]) == ["a", "b"]
    assert list(source.merchants["joined"]) == [day("2026-01-02"), day("2026-01-01")]
    assert source.streams == {"orders": ("amount", "orders")}
    assert rows(source, "orders", "day", "seen", "amount", "orders") == [
        ("a", day("2026-01-02"), day("2026-01-02"), 29, 1),
        ("b", day("2026-01-01"), day("2026-01-01"), 1000, 1),
        ("b", day("2026-01-05"), day("2026-01-05"), 101, 1),
    ]
    assert (source.first_day, source.last_day, source.end_day) == (day("2026-01-01"), day("2026-01-05"), day("2026-01-06"))
    types = source.connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'stream_orders'"
    ).fetchall()
    assert dict(types) == {"merchant": "INTEGER", "day": "INTEGER", "seen": "INTEGER", "amount": "BIGINT", "orders": "BIGINT"}


@pytest.mark.parametrize(
    ("when", "zone", "local"),
    [
        ("TIMESTAMP '2026-06-30 22:59:59'", "Europe/London", "2026-06-30"),
        ("TIMESTAMP '2026-06-30 23:00:00'", "Europe/London", "2026-07-01"),
        ("TIMESTAMP '2026-12-31 23:00:00'", "Europe/London", "2026-12-31"),
        ("TIMESTAMP '2026-03-08 04:59:59'", "America/New_York", "2026-03-07"),
        ("TIMESTAMP '2026-03-09 03:59:59'", "America/New_York", "2026-03-08"),
        ("TIMESTAMP '2026-03-09 04:00:00'", "America/New_York", "2026-03-09"),
        ("TIMESTAMPTZ '2026-01-01 00:30:00+08'", "UTC", "2025-12-31"),
        ("TIMESTAMPTZ '2026-01-01 00:30:00+08'", "Asia/Shanghai", "2026-01-01"),
        ("TIMESTAMP_NS '2026-01-01 16:00:00.123456789'", "Asia/Shanghai", "2026-01-02"),
        ("DATE '2026-01-01'", "America/New_York", "2026-01-01"),
        ("'2026-01-01'", "America/New_York", "2026-01-01"),
        ("'2026-01-01T03:00:00Z'", "America/New_York", "2025-12-31"),
        ("'2026-01-01 03:00:00+03:00'", "UTC", "2026-01-01"),
        ("'2026-01-01 02:59:59+03:00'", "UTC", "2025-12-31"),
    ],
)
def test_a_day_begins_where_the_platform_is(tmp_path, when, zone, local):
    """Other orders span a year, so that the zone's changes of the clock lie between the first and the last."""
    kind = when.split("'")[0]
    others = "".join(f"\n{n} | 'x' | {kind}'{at}' | 1" for n, at in ((1, "2025-12-30"), (2, "2026-12-31")))
    source = market(tmp_path, zone, orders=f"order_id | merchant_id | ordered_at | amount \n 0 | 'm' | {when} | 1 {others}")
    assert dict(rows(source, "orders", "day"))["m"] == day(local)


def test_an_order_is_seen_when_it_completes_and_a_merchant_when_its_first_order_is(tmp_path):
    source = market(
        tmp_path,
        orders="""
        order_id | merchant_id | ordered_at        | completed_at      | amount
        1        | 'm'         | DATE '2026-01-01' | DATE '2026-01-09' | 1
        2        | 'm'         | DATE '2026-01-05' | NULL              | 2
        """,
    )
    assert rows(source, "orders", "day", "seen") == [
        ("m", day("2026-01-01"), day("2026-01-09")),
        ("m", day("2026-01-05"), day("2026-01-05")),
    ]
    merchant = source.merchants.iloc[0]
    assert (merchant.joined, merchant.known) == (day("2026-01-05"), day("2026-01-05"))


def test_each_moment_has_its_stream(tmp_path):
    source = market(
        tmp_path,
        orders="""
        order_id | merchant_id | ordered_at        | completed_at      | amount | promised_at                     | delivered_at                    | order_count
        1        | 'm'         | DATE '2026-01-01' | DATE '2026-01-04' | 1      | TIMESTAMP '2026-01-03 12:00:00' | TIMESTAMP '2026-01-03 12:00:01' | 3
        2        | 'm'         | DATE '2026-01-01' | DATE '2026-01-02' | 1      | NULL                            | TIMESTAMP '2026-01-05 12:00:00' | NULL
        3        | 'm'         | DATE '2026-01-02' | DATE '2026-01-02' | 1      | TIMESTAMP '2026-01-03 12:00:00' | NULL                            | NULL
        """,
        tickets="""
        ticket_id | merchant_id | opened_at                       | resolved_at                     | topic   | effort_score | satisfaction
        1         | 'm'         | TIMESTAMP '2026-01-01 10:00:00' | TIMESTAMP '2026-01-03 10:01:00' | 'price' | 2.5          | NULL
        2         | 'm'         | TIMESTAMP '2026-01-02 10:00:00' | NULL                            | 'other' | NULL         | NULL
        3         | 'm'         | TIMESTAMP '2026-01-03 10:00:00' | NULL                            | 'price' | NULL         | NULL
        """,
        contracts="""
        merchant_id | starts_at         | ends_at           | cancelled_at      | value
        'm'         | DATE '2026-01-01' | DATE '2027-01-01' | DATE '2026-01-20' | 99.5
        """,
    )
    first, second, fifth = day("2026-01-01"), day("2026-01-02"), day("2026-01-05")
    assert rows(source, "orders", "orders") == [("m", 1), ("m", 1), ("m", 3)]
    assert rows(source, "deliveries", "day", "seen", "late") == [
        ("m", day("2026-01-03"), day("2026-01-04"), 1),
        ("m", fifth, fifth, None),
    ]
    assert source.streams["tickets"] == ("topic",)
    topics = [topic for *_, topic in rows(source, "tickets", "day", "topic")]
    assert topics[0] == topics[2] != topics[1]
    assert set(topics) == {0, 1}
    assert rows(source, "resolutions", "day", "seconds", "effort_score", "satisfaction") == [
        ("m", day("2026-01-03"), 2 * 86400 + 60, 2500, None)
    ]
    assert rows(source, "contracts", "day", "value", "ends") == [("m", first, 9950, day("2027-01-01"))]
    assert rows(source, "cancellations", "day") == [("m", day("2026-01-20"))]
    assert second - first == 1


def test_a_delivery_on_the_promised_day_is_not_late(tmp_path):
    source = market(
        tmp_path,
        orders="""
        order_id | merchant_id | ordered_at        | amount | promised_at       | delivered_at
        1        | 'm'         | DATE '2026-01-01' | 1      | DATE '2026-01-03' | TIMESTAMP '2026-01-03 18:00:00'
        2        | 'm'         | DATE '2026-01-01' | 1      | DATE '2026-01-03' | TIMESTAMP '2026-01-04 00:00:00'
        """,
    )
    assert rows(source, "deliveries", "day", "late") == [("m", day("2026-01-03"), 0), ("m", day("2026-01-04"), 1)]


def test_an_order_is_in_a_campaign_on_its_days_once_however_many_overlap(tmp_path):
    source = market(
        tmp_path,
        orders="""
        order_id | merchant_id | ordered_at        | amount
        1        | 'm'         | DATE '2026-01-01' | 1
        2        | 'm'         | DATE '2026-01-02' | 2
        3        | 'm'         | DATE '2026-01-06' | 3
        4        | 'm'         | DATE '2026-01-07' | 4
        5        | 'other'     | DATE '2026-01-03' | 5
        6        | 'm'         | DATE '2026-01-30' | 6
        """,
        campaigns="""
        merchant_id | started_at        | ended_at
        'm'         | DATE '2026-01-02' | DATE '2026-01-06'
        'm'         | DATE '2026-01-03' | DATE '2026-01-04'
        'm'         | DATE '2026-01-05' | DATE '2026-01-06'
        'm'         | DATE '2026-01-30' | NULL
        """,
    )
    assert rows(source, "orders", "amount", "in_campaign") == [
        *[("m", 100, 0), ("m", 200, 1), ("m", 300, 1), ("m", 400, 0), ("m", 600, 1)],
        ("other", 500, 0),
    ]
    assert [end for _, end in rows(source, "campaign_ends", "day")] == [day("2026-01-04"), day("2026-01-06"), day("2026-01-06")]


def test_campaigns_without_ends_say_nothing_of_orders(tmp_path):
    source = market(tmp_path, orders=ORDERS, campaigns="merchant_id | started_at \n 'a' | DATE '2026-01-01'")
    assert "in_campaign" not in source.streams["orders"]


def test_buyers_get_dense_codes_and_no_code_where_unknown(tmp_path):
    rows_of = "\n".join(
        f"{n} | 'm' | DATE '2026-01-01' | 1 | {buyer}" for n, buyer in enumerate(["'x'", "'y'", "'x'", "NULL", "''"])
    )
    source = market(tmp_path, orders=f"order_id | merchant_id | ordered_at | amount | buyer_id \n {rows_of}")
    codes = [code for _, code in rows(source, "orders", "buyer_id")]
    assert sorted(code for code in codes if code is not None) in ([0, 0, 1], [0, 1, 1])
    assert codes.count(None) == 2


def test_merchants_keep_their_attributes_and_ids_of_any_type_meet(tmp_path):
    source = market(
        tmp_path,
        orders="order_id | merchant_id | ordered_at | amount \n 1 | 12.0::DOUBLE | DATE '2026-01-01' | 1 \n 2 | 7.0::DOUBLE | DATE '2026-01-01' | 1",
        merchants="""
        merchant_id | joined_at         | known_at          | name    | registered_capital | founded_at
        7           | DATE '2026-01-01' | NULL              | NULL    | 1e6                | DATE '1887-05-01'
        12          | DATE '2026-01-02' | DATE '2026-01-09' | '=cmd'  | NULL               | NULL
        """,
    )
    frame = source.merchants
    assert list(frame.columns) == ["merchant_id", "joined_at", "name", "registered_capital", "founded_at", "joined", "known"]
    assert list(frame["merchant_id"]) == ["12", "7"]
    assert list(frame["name"]) == ["=cmd", None]
    assert list(frame["known"] - frame["joined"]) == [7, 0]
    assert frame["founded_at"].isna().tolist() == [True, False]
    assert frame["founded_at"][1] == day("1887-05-01")
    assert len(rows(source, "orders", "day")) == 2
    assert any("1 merchants have orders before their joined_at" in note for note in source.notes)


def shuffled(table: str) -> str:
    head, *lines = table.strip().splitlines()
    return "\n".join([head, *reversed(lines)])


def test_the_fingerprint_is_of_the_content_not_of_its_order(tmp_path):
    with_buyers = (
        ORDERS.replace("amount", "amount | buyer_id")
        .replace("10.00", "10.00 | 'x'")
        .replace("0.29", "0.29 | 'y'")
        .replace("1.006", "1.006 | 'z'")
    )
    prints = {
        name: market(tmp_path, orders=table).fingerprint
        for name, table in {
            "as is": with_buyers,
            "again": with_buyers,
            "reversed": shuffled(with_buyers),
            "another amount": with_buyers.replace("0.29", "0.30"),
            "another order": with_buyers.replace("3        |", "4        |"),
            "another buyer": with_buyers.replace("'z'", "'w'"),
            "another merchant": with_buyers.replace("'a'", "'c'"),
            "another day": with_buyers.replace("2026-01-05", "2026-01-06"),
        }.items()
    }
    assert prints["as is"] == prints["again"] == prints["reversed"]
    assert len(set(prints.values())) == len(prints) - 2


def test_globs_and_queries_are_relative_to_the_configuration(tmp_path, monkeypatch):
    """Also where the current directory holds another file of the same name, and where the path looks like a pattern."""
    home, other = tmp_path / "a, [b] 'c'", tmp_path / "other"
    for place, amount in ((home, 5), (other, 99)):
        (place / "months").mkdir(parents=True)
        for month in (1, 2):
            text = f"order_id,merchant_id,ordered_at,amount\n00{month},m,2026-0{month}-01,{amount}\n"
            (place / "months" / f"{month}.csv").write_text(text)
    monkeypatch.chdir(other)
    query = (
        "SELECT merchant_id, min(a.ordered_at) AS joined_at FROM read_csv(['months/1.csv', './months/2.csv']) a "
        "JOIN 'months/1.csv' USING (merchant_id) GROUP BY 1"
    )
    (home / "keepwell.toml").write_text(f'[source]\norders = "months/*.csv"\nmerchants = {{ query = {json.dumps(query)} }}\n')
    source = read_source(Path(os.path.relpath(home / "keepwell.toml")))
    assert rows(source, "orders", "amount") == [("m", 500), ("m", 500)]
    assert source.merchants["joined"].tolist() == [day("2026-01-01")]


def test_the_profile_counts_what_is_there(tmp_path):
    found = profile(market(tmp_path, orders=ORDERS))
    assert (found["merchants"], found["selling"], found["orders"], found["days"]) == (2, 2, 3, 5)
    assert (found["first_order"], found["last_order"]) == ("2026-01-01", "2026-01-05")
    assert found["gmv"] == pytest.approx(11.30)
    assert found["top_share"] == pytest.approx(11.01 / 11.30)
    assert found["gap"] == {"days": 2, "first": "2026-01-03", "last": "2026-01-04"}
    assert found["tables"] == {"orders": 3}
    assert "buyer_id" in found["absent"]["orders"]
    assert json.loads(json.dumps(found)) == found
