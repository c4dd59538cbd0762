"""Every refusal of a platform's tables: one sentence, its exit code, and nothing written."""

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from features import intake
from features.errors import DataRefused, Refused, UsageRefused
from features.source import read_source

TODAY = date(2026, 4, 30)
ORDERS = """
    order_id | merchant_id | ordered_at          | amount
    o1       | bakery      | 2026-01-01 10:00:00 | 10.00
    o2       | florist     | 2026-01-02 11:00:00 | 20.50
"""
MERCHANTS = """
    merchant_id | joined_at
    bakery      | 2025-06-01
    florist     | 2025-07-01
"""


def csv(table: str) -> str:
    """An ASCII table as CSV; `-` is an empty cell."""
    rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return "\n".join(",".join("" if cell == "-" else cell for cell in row) for row in rows) + "\n"


def write(home: Path, **tables: str | bytes | dict[str, str]) -> Path:
    """A keepwell.toml over CSV files made from ASCII tables, over files of the given bytes (name "*.parquet"), or over mappings."""
    lines = ["[source]"]
    for name, content in tables.items():
        if isinstance(content, dict):
            lines.append(
                f"{name} = {{ {', '.join(f'{key} = {json.dumps(value, ensure_ascii=False)}' for key, value in content.items())} }}"
            )
            continue
        ending = "csv" if isinstance(content, str) else "parquet"
        (home / f"{name}.{ending}").write_bytes(csv(content).encode() if isinstance(content, str) else content)
        lines.append(f'{name} = "{name}.{ending}"')
    path = home / "keepwell.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def refusal(path: Path, kind: type[Refused] = DataRefused) -> str:
    """The sentence with which a source is refused; asserts its class and that nothing was written."""
    before = sorted((each, each.stat().st_mtime_ns) for each in path.parent.rglob("*"))
    with pytest.raises(Refused) as refused:
        read_source(path, today=TODAY)
    assert type(refused.value) is kind
    assert sorted((each, each.stat().st_mtime_ns) for each in path.parent.rglob("*")) == before
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def expect_words(sentence: str, *words: str) -> None:
    for word in words:
        assert word in sentence, f"{word!r} is not in: {sentence}"


ORDER = "order_id | merchant_id | ordered_at | amount"
ROWS = {
    "an amount is missing": ("o3 | bakery | 2026-01-03 | -", "1 of 3 rows", "without amount", '"o3"'),
    "a merchant is missing": ("o3 | - | 2026-01-03 | 5", "1 of 3 rows", "without merchant_id", '"o3"'),
    "an amount is a word": ("o3 | bakery | 2026-01-03 | ten", "1 of 3 rows", "amount is not a number", '"ten"', "convert"),
    "a time is a word": ("o3 | bakery | soon | 5", "ordered_at is not a date or a timestamp", '"soon"'),
    "a date that does not exist": ("o3 | bakery | 2026-02-30 | 5", "ordered_at", '"2026-02-30"'),
    "a negative amount": ("o3 | bakery | 2026-01-03 | -5.00", "negative amount", "-5.00", "refunds"),
    "an infinite amount": ("o3 | bakery | 2026-01-03 | inf", "amount is not a finite number", "inf"),
    "an amount that is not a number": ("o3 | bakery | 2026-01-03 | nan", "amount is not a finite number", "nan"),
    "an amount beyond reason": ("o3 | bakery | 2026-01-03 | 1e300", "amount is beyond", "1e300"),
    "a duplicate order": ("o1 | bakery | 2026-01-03 | 5", "duplicate order_id", "1 value occurs", '"o1" (2 times)', "keep one"),
    "an unknown merchant": ("o3 | butcher | 2026-01-03 | 5", "1 of 3 rows", "does not know", '"butcher"', "add them"),
    "an order in the future": ("o3 | bakery | 2026-05-01 | 5", "in the future", "2026-05-01", "today is 2026-04-30"),
    "an order before computers": ("o3 | bakery | 1899-12-30 | 5", "not between 1970 and 2199", "1899-12-30"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_bad_order_is_refused(tmp_path, case):
    row, *words = ROWS[case]
    expect_words(refusal(write(tmp_path, orders=ORDERS + row, merchants=MERCHANTS)), 'table orders ("orders.csv")', *words)


TABLES = {
    "completed before ordered": (
        "orders",
        "order_id | merchant_id | ordered_at | amount | completed_at \n o1 | bakery | 2026-01-02 | 5 | 2026-01-01",
        ("completed_at lies before ordered_at", "2026-01-01 before 2026-01-02"),
    ),
    "resolved before opened": (
        "tickets",
        "ticket_id | merchant_id | opened_at | resolved_at \n t1 | bakery | 2026-01-02 10:00 | 2026-01-02 09:59",
        ("resolved_at lies before opened_at",),
    ),
    "a contract that ends before it starts": (
        "contracts",
        "merchant_id | starts_at | ends_at \n bakery | 2026-02-01 | 2026-01-01",
        ("ends_at lies before starts_at",),
    ),
    "a campaign that ends before it starts": (
        "campaigns",
        "merchant_id | started_at | ended_at \n bakery | 2026-02-01 | 2026-01-01",
        ("ended_at lies before started_at",),
    ),
    "an effort score of 8": (
        "tickets",
        "ticket_id | merchant_id | opened_at | effort_score \n t1 | bakery | 2026-01-02 | 8 \n t2 | bakery | 2026-01-02 | 7",
        ("1 of 2 rows", "effort_score is outside 1–7", "8"),
    ),
    "half an order line": (
        "orders",
        "order_id | merchant_id | ordered_at | amount | lines \n o1 | bakery | 2026-01-02 | 5 | 1.5",
        ("lines is not a whole number", "1.5"),
    ),
    "negative refunds": (
        "refunds",
        "merchant_id | refunded_at | amount \n bakery | 2026-01-02 | -5",
        ("negative amount", "give refunds as positive amounts"),
    ),
    "the same merchant twice": (
        "merchants",
        "merchant_id | joined_at \n bakery | 2026-01-02 \n bakery | 2026-01-03 \n florist | 2026-01-03",
        ("duplicate merchant_id", '"bakery" (2 times)'),
    ),
    "a table without rows": ("logins", "merchant_id | occurred_at", ("has no rows", "leave the table out")),
    "a missing column": (
        "refunds",
        "merchant_id | refund_at | amount \n bakery | 2026-01-02 | 5",
        ('no column "refunded_at"', 'rename "refund_at"'),
    ),
    "a missing column without a namesake": (
        "reviews",
        "merchant_id | reviewed_at | x \n bakery | 2026-01-02 | 5",
        ('no column "rating"', "merchant_id, reviewed_at, x"),
    ),
    "a ticket resolved in the future": (
        "tickets",
        "ticket_id | merchant_id | opened_at | resolved_at \n t1 | bakery | 2026-01-02 | 2026-06-01",
        ("resolved_at lies in the future",),
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_is_refused(tmp_path, case):
    table, rows, words = TABLES[case]
    given = {"orders": ORDERS, "merchants": MERCHANTS, table: rows}
    expect_words(refusal(write(tmp_path, **given)), f"table {table}", *words)


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("campaigns", "merchant_id | started_at | ended_at \n bakery | 2026-04-01 | 2027-01-01"),
        ("contracts", "merchant_id | starts_at | ends_at \n bakery | 2026-06-01 | 2027-06-01"),
    ],
)
def test_planned_times_may_lie_in_the_future(tmp_path, table, rows):
    path = write(tmp_path, orders=ORDERS, **{table: rows})
    assert read_source(path, today=TODAY).counts[table] == 1


def test_without_a_clock_no_time_is_in_the_future(tmp_path):
    path = write(tmp_path, orders=f"{ORDER} \n o1 | bakery | 2150-01-01 | 5")
    assert read_source(path).counts == {"orders": 1}


@pytest.mark.parametrize(("zone", "refused"), [("Asia/Shanghai", False), ("America/New_York", True), ("UTC", True)])
def test_today_ends_at_local_midnight(tmp_path, zone, refused):
    """2026-04-30 15:59 UTC is still the 30th in Shanghai; 2026-05-01 04:00 UTC is the 1st of May everywhere west of it too."""
    when = "2026-05-01 04:00:00" if refused else "2026-04-30 15:59:59"
    path = write(tmp_path, orders=f"{ORDER} \n o1 | bakery | {when} | 5")
    path.write_text(f'{path.read_text()}\n[timeline]\ntimezone = "{zone}"\n')
    if refused:
        expect_words(refusal(path), "in the future")
    else:
        assert read_source(path, today=TODAY).last_day == (TODAY - date(1970, 1, 1)).days


def parquet(query: str, path: Path) -> bytes:
    duckdb.sql(query).write_parquet(str(path))
    return path.read_bytes()


MANY = "SELECT 'o' || i AS order_id, 'm' AS merchant_id, TIMESTAMP '2026-01-01' AS ordered_at, CAST(hash(i) % 1000 AS DOUBLE) AS amount FROM range(5000) t(i)"


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 200]) + content[at + 200 :]


@pytest.mark.parametrize("damage", ["truncated", "not parquet", "footer", "empty", "pages"])
def test_a_damaged_parquet_file_is_refused(tmp_path, damage):
    whole = parquet(MANY, tmp_path / "whole")
    content = {
        "truncated": whole[: len(whole) // 2],
        "not parquet": b"order_id;merchant_id;ordered_at;amount\n" * 9,
        "footer": flipped(whole, len(whole) - 220),
        "empty": b"",
        "pages": flipped(whole, 30),
    }[damage]
    sentence = refusal(write(tmp_path, orders=content))
    expect_words(
        sentence, "table orders", "orders.parquet", "write it again" if damage == "empty" else "not a readable Parquet file"
    )


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("TIMESTAMP '2026-01-01' AS amount", ("amount is not a number", "2026-01-01 00:00:00", "TIMESTAMP")),
        ("true AS amount", ("amount is not a number", "true", "BOOLEAN")),
        ("[1, 2] AS amount", ("amount is not a number", "[1, 2]")),
        ("1767225600 AS ordered_at", ("ordered_at is not a date or a timestamp", "1767225600", "INTEGER", "convert")),
        ("{'a': 1} AS order_id", ("order_id is not an id",)),
        ("CAST(NULL AS DOUBLE) AS amount", ("1 of 1 rows without amount",)),
        ("TIMESTAMP 'infinity' AS ordered_at", ("not between 1970 and 2199", "infinity")),
    ],
)
def test_a_wrong_type_is_refused(tmp_path, column, words):
    good = "'o1' AS order_id, 'bakery' AS merchant_id, TIMESTAMP '2026-01-01' AS ordered_at, 5.0 AS amount"
    columns = ", ".join(part for part in good.split(", ") if part.rsplit(" AS ")[-1] != column.rsplit(" AS ")[-1])
    expect_words(refusal(write(tmp_path, orders={"query": f"SELECT {columns}, {column}"})), "table orders (its query)", *words)


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("SELEC 1", UsageRefused, ("table orders (its query)", 'syntax error at or near "SELEC"', "keepwell.toml")),
        ("SELECT shop FROM 'sales.csv'", UsageRefused, ('"shop" not found',)),
        ("SELECT * FROM sales", UsageRefused, ("sales does not exist",)),
        ("SELECT 1; SELECT 2", UsageRefused, ("must be a single SELECT",)),
        ("COPY (SELECT 1) TO 'out.csv'", UsageRefused, ("must be a single SELECT",)),
        ("SELECT * FROM 'absent.csv'", DataRefused, ("absent.csv", "No files found")),
        (
            "SELECT CAST(name AS INTEGER) AS n FROM 'sales.csv'",
            DataRefused,
            ("Could not convert", "correct the file or the query"),
        ),
    ],
)
def test_a_query_that_fails_is_refused(tmp_path, query, kind, words):
    (tmp_path / "sales.csv").write_text("name,paid\nbakery,5\n")
    sentence = refusal(write(tmp_path, orders={"query": query}), kind)
    expect_words(sentence, *words)
    assert str(tmp_path) not in sentence


@pytest.mark.parametrize(
    ("pattern", "words"), [("absent.csv", "does not exist"), ("*.parquet", "matches no file"), (".", "is a directory")]
)
def test_a_missing_file_is_refused(tmp_path, pattern, words):
    expect_words(refusal(write(tmp_path, orders={"path": pattern})), f'table orders: "{pattern}"', words)


def test_a_truncated_csv_is_refused(tmp_path):
    path = write(tmp_path, orders=ORDERS)
    whole = (tmp_path / "orders.csv").read_text()
    (tmp_path / "orders.csv").write_text(whole[:-8])
    expect_words(refusal(path), 'line 3 of file "orders.csv" has 3 cells, but its header has 4')


def test_a_time_that_is_only_a_day_is_not_before_an_instant_of_that_day(tmp_path):
    columns = "order_id | merchant_id | ordered_at | amount | completed_at"
    path = write(
        tmp_path,
        orders=f"{columns} \n o1 | bakery | 2026-01-02 10:00 | 5 | 2026-01-02 \n o2 | bakery | 2026-01-02 10:00 | 5 | 2026-01-03",
    )
    assert read_source(path).counts == {"orders": 2}


def test_a_long_or_broken_example_stays_on_one_line(tmp_path):
    values = "('o1', 'a\n' || repeat('b', 500), DATE '2026-01-01', 5.0)"
    query = f"SELECT * FROM (VALUES {values}) t(order_id, merchant_id, ordered_at, amount)"
    sentence = refusal(write(tmp_path, orders={"query": query}, merchants=MERCHANTS))
    expect_words(sentence, '"a bbb', "…")
    assert len(sentence) < 300


def test_an_extension_that_is_not_installed_is_named():
    raised = "IO Error: An error occurred while trying to automatically install the required extension 'httpfs:\nExtension not found."
    expect_words(intake._told(duckdb.IOException(raised)), "needs DuckDB's extension httpfs, which is not installed")


def test_blanks_around_an_unknown_id_are_shown(tmp_path):
    orders = "order_id,merchant_id,ordered_at,amount\no1, bakery ,2026-01-01,5\n"
    path = write(tmp_path, orders={"path": "sales.csv"}, merchants=MERCHANTS)
    (tmp_path / "sales.csv").write_text(orders)
    expect_words(refusal(path), 'does not know, such as " bakery "')


def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_read(tmp_path):
    path = write(tmp_path, orders={"path": "sales.xlsx"})
    (tmp_path / "sales.xlsx").write_bytes(b"PK" + bytes(100))
    expect_words(refusal(path), '"sales.xlsx"', "save it as Parquet or as CSV (.csv, .tsv, .txt).")


CHINESE = "merchant_id,joined_at,name\nbakery,2025-06-01,朝阳区面包店\nflorist,2025-07-01,=cmd|'/c calc'!A0 🌸\n"


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
def test_a_chinese_csv_is_refused_with_the_remedy_that_reads_it(tmp_path, encoding):
    text = (
        CHINESE.replace("🌸", "") if encoding == "gb18030" else CHINESE.replace("🌸", "").replace("朝阳区面包店", "臺北市麵包店")
    ).encode(encoding)
    path = write(tmp_path, orders=ORDERS, merchants={"path": "shops.csv"})
    (tmp_path / "shops.csv").write_bytes(text)
    expect_words(refusal(path), '"shops.csv" is not UTF-8', "line 2", "offset 45", f'encoding = "{encoding}"')
    path = write(tmp_path, orders=ORDERS, merchants={"path": "shops.csv", "encoding": encoding})
    names = read_source(path, today=TODAY).merchants["name"]
    assert names[0] == ("朝阳区面包店" if encoding == "gb18030" else "臺北市麵包店")


def test_a_wrong_encoding_is_refused(tmp_path):
    path = write(tmp_path, orders=ORDERS, merchants={"path": "shops.csv", "encoding": "big5"})
    (tmp_path / "shops.csv").write_bytes(CHINESE.encode())
    expect_words(refusal(path), '"shops.csv" is not big5')


def test_an_encoding_of_parquet_is_refused(tmp_path):
    parquet(MANY, tmp_path / "o.parquet")
    expect_words(refusal(write(tmp_path, orders={"path": "o.parquet", "encoding": "big5"}), UsageRefused), "encoding is for CSV")


def test_odd_names_pass_unchanged(tmp_path):
    (tmp_path / "shops.csv").write_text(CHINESE, encoding="utf-8")
    source = read_source(write(tmp_path, orders=ORDERS, merchants={"path": "shops.csv"}), today=TODAY)
    assert list(source.merchants["name"]) == ["朝阳区面包店", "=cmd|'/c calc'!A0 🌸"]


def test_sums_beyond_exact_whole_numbers_are_refused(tmp_path):
    rows = "".join(f"\n o{i} | bakery | 2026-01-01 | 80000000000000" for i in range(2))
    expect_words(refusal(write(tmp_path, orders=ORDER + rows)), "amount adds up to 160,000,000,000,000", "larger unit")


def test_what_is_counted_rather_than_refused_is_noted(tmp_path):
    path = write(
        tmp_path,
        orders="order_id | merchant_id | ordered_at | amount | subsidi | colour \n o1 | bakery | 2026-01-01 | 5.001 | 1 | red",
        refunds="merchant_id | refunded_at | amount \n butcher | 2026-01-02 | 5",
        leads="lead_id | contacted_at | merchant_id \n l1 | 2026-01-01 | - \n l2 | 2026-01-01 | bakery",
    )
    source = read_source(path, today=TODAY)
    assert source.counts == {"orders": 1, "refunds": 1, "leads": 2}
    notes = "\n".join(source.notes)
    expect_words(
        notes,
        '"subsidi" is not in the contract',
        'did you mean "subsidy"?',
        '"colour"',
        "fractions of a cent",
        '"butcher"',
        "1 of 2 rows have no merchant_id",
    )
    assert source.connection.execute("SELECT count(*) FROM stream_refunds").fetchone() == (0,)
