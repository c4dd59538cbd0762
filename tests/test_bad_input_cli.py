"""Bad input through the command line: one sentence that ends in an action, the documented exit code, and nothing half-written."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

Run = Callable[..., Any]
START = pd.Timestamp("2024-01-01 10:00")
DAYS = 420
HOSTILE = ("=cmd|' /C calc'!A0", "🍞 Bäckerei", "王记面包", "@SUM(A1)", "\t=1+1", "[bold]x[/bold]", "-2+3", "two\nlines, Ltd")


def sales(merchants: int = 40, last: Callable[[int], int] = lambda who: DAYS, every: int = 12) -> pd.DataFrame:
    """Orders every few days of each merchant, until its last day."""
    rng = np.random.default_rng(0)
    rows = []
    for who in range(merchants):
        day = 0
        while day < last(who):
            rows.append((f"m{who:03d}", START + pd.Timedelta(days=day), round(float(rng.lognormal(3, 1)), 2)))
            day += int(rng.integers(1, every))
    frame = pd.DataFrame(rows, columns=["merchant_id", "ordered_at", "amount"])
    frame.insert(0, "order_id", [f"o{number}" for number in range(len(frame))])
    return frame


def leaving(who: int) -> int:
    """Every third merchant leaves, one after the other."""
    return DAYS if who % 3 else 60 + 6 * who


def one_more(orders: pd.DataFrame, **cells: Any) -> pd.DataFrame:
    """The orders and another, which is a good one but for the given cells."""
    good = {"order_id": "more", "merchant_id": "m000", "ordered_at": START, "amount": 5.0}
    return pd.concat([orders, pd.DataFrame([good | cells])], ignore_index=True)


def written(home: Path, more: str = "", **tables: pd.DataFrame | bytes) -> Path:
    """A directory with tables as Parquet (bytes as they are) and a configuration that names them, with more below."""
    home.mkdir(parents=True, exist_ok=True)
    lines = ["[source]"]
    for name, table in tables.items():
        lines.append(f'{name} = "{name}.parquet"')
        if isinstance(table, bytes):
            (home / f"{name}.parquet").write_bytes(table)
        else:
            table.to_parquet(home / f"{name}.parquet", index=False)
    (home / "keepwell.toml").write_text("\n".join([*lines, more]) + "\n", encoding="utf-8")
    return home


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


@pytest.fixture
def refused(run: Run, listing: Callable[[Path], dict[str, str]]) -> Callable[..., str]:
    """`refused(code, *words, at=home)` → the one sentence of a refusal that left everything (in `home`, or as said) as it was."""

    def ask(code: int, *words: object, at: Path, watched: Path | None = None) -> str:
        before = listing(watched or at)
        said = run(*words, at=at)
        assert (said.code, said.out) == (code, ""), said
        assert listing(watched or at) == before
        assert said.err.startswith("keepwell: ")
        assert said.err.count("\n") == 1, said.err
        sentence = str(said.err.removeprefix("keepwell: ").strip())
        assert len(sentence) < 420, sentence
        assert sentence[-1] in ".?", sentence
        return sentence

    return ask


# --- the tables: refused by every command that reads them

ORDERS = sales(3)
MERCHANTS = pd.DataFrame({"merchant_id": ["m000", "m001", "m002"], "joined_at": START})
DAMAGED = parquet(ORDERS)
FOOTER = len(DAMAGED) - 8 - int.from_bytes(DAMAGED[-8:-4], "little")
"""Where the footer of a Parquet file begins: damage in the pages before it goes unnoticed by every reader."""
TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "a missing column": (
        {"orders": ORDERS.rename(columns={"amount": "amuont"})},
        r'table orders \("orders\.parquet"\) has no column "amount" .*; rename "amuont" to it in keepwell\.toml\.',
    ),
    "a column missing altogether": (
        {"orders": ORDERS.drop(columns="ordered_at")},
        r'has no column "ordered_at" .*; add it, or name it in a query in keepwell\.toml\.',
    ),
    "a wrong type": (
        {"orders": ORDERS.assign(amount="ten")},
        r'has [\d,]+ of [\d,]+ rows whose amount is not a number, such as "ten" \(VARCHAR\); convert amount in the data or in a query\.',
    ),
    "a duplicate order": (
        {"orders": one_more(ORDERS, order_id="o1")},
        r'has a duplicate order_id: 1 value occurs more than once, such as "o1" \(2 times\); keep one row of each\.',
    ),
    "an unknown merchant": (
        {"orders": one_more(ORDERS, merchant_id="butcher"), "merchants": MERCHANTS},
        r'has 1 of [\d,]+ rows of merchants that the table merchants does not know, such as "butcher"; add them to merchants, or .*\.',
    ),
    "a date in the future": (
        {"orders": one_more(ORDERS, ordered_at=pd.Timestamp("2190-01-01"))},
        r"whose ordered_at lies in the future, such as 2190-01-01 .*\(today is .*\); times are UTC: correct them or this machine's clock\.",
    ),
    "a negative amount": (
        {"orders": one_more(ORDERS, amount=-5.0)},
        r"has 1 of [\d,]+ rows with a negative amount, such as -5\.0; put returned money in the table refunds\.",
    ),
    "an infinite amount": (
        {"orders": one_more(ORDERS, amount=np.inf)},
        r"whose amount is not a finite number, such as inf; correct amount, and leave it empty where it is not known\.",
    ),
    "no orders": ({"orders": ORDERS[:0]}, r"has no rows; give it rows or leave the table out of keepwell\.toml\."),
    "no merchants": (
        {"orders": ORDERS, "merchants": MERCHANTS[:0]},
        r'table merchants \("merchants\.parquet"\) has no rows; give it rows or leave the table out of keepwell\.toml\.',
    ),
    "an empty file": ({"orders": b""}, r'file "orders\.parquet" is empty \(0 bytes\); write it again or leave the table out\.'),
    "a truncated file": ({"orders": DAMAGED[: len(DAMAGED) // 2]}, r"is not a readable Parquet file: .*; write the file again\."),
    "a file that is no Parquet": ({"orders": b"order_id,merchant_id\n"}, r"is not a readable Parquet file: .*; write the file again\."),
    "a damaged footer": (
        {"orders": DAMAGED[:FOOTER] + bytes(64) + DAMAGED[FOOTER + 64 :]},
        r"is not a readable Parquet file: .*; write the file again\.",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_is_refused_by_every_command(tmp_path: Path, refused: Callable[..., str], case: str) -> None:
    tables, expected = TABLES[case]
    home = written(tmp_path / "home", **tables)
    sentence = refused(3, "check", at=home)
    assert re.search(expected, sentence), sentence
    for words in (("train",), ("backtest", "--cutoffs", "2024-11-01"), ("features", "build"), ("features", "list", "keepwell.toml")):
        assert refused(3, *words, at=home) == sentence, words


def test_a_chinese_csv_is_refused_with_the_line_that_reads_it(tmp_path: Path, run: Run, refused: Callable[..., str]) -> None:
    home = written(tmp_path / "home", orders=ORDERS)
    names = "朝阳区面包店", "海淀区花店", "西城区书店"
    text = "merchant_id,joined_at,name\n" + "".join(f"m{who:03d},2024-01-01,{name}\n" for who, name in enumerate(names))
    (home / "shops.csv").write_bytes(text.encode("gb18030"))
    config = home / "keepwell.toml"
    config.write_text('[source]\norders = "orders.parquet"\nmerchants = "shops.csv"\n', encoding="utf-8")
    sentence = refused(3, "check", at=home)
    assert '"shops.csv" is not UTF-8: byte 0xb3 at offset 43, line 2' in sentence or "is not UTF-8: byte" in sentence
    remedy = re.search(r"write (merchants = \{.*\}) in keepwell\.toml", sentence)
    assert remedy is not None
    config.write_text(f'[source]\norders = "orders.parquet"\n{remedy[1]}\n', encoding="utf-8")
    assert run("check", at=home).code == 0


CONFIGS = {
    "an unknown key": ("[churn]\nhorizon_day = 90", r'line 4: unknown key "horizon_day" in \[churn\]; did you mean "horizon_days"\?'),
    "an unknown section": ("[chrun]\nactive_days = 90", r'line 3: unknown section "chrun"; did you mean "churn"\?'),
    "a text for a number": ('[churn]\nactive_days = "90"', r'active_days = "90" in \[churn\] must be a valid integer; correct it\.'),
    "no days at all": ("[churn]\nhorizon_days = 0", r"horizon_days = 0 in \[churn\] must be greater than 0; correct it\."),
    "a wrong step": ('[timeline]\nevery = "moon"', r'every = "moon" in \[timeline\] must be "month", "week" or a number of days'),
    "a wrong time zone": ('[timeline]\ntimezone = "Europe/Berlim"', r'did you mean "Europe/Berlin"\?; correct it\.'),
    "an unknown table": ('[source.order]\npath = "x"', r'unknown table "order" in \[source\]; did you mean "orders"\?'),
    "no TOML": ("[churn", r"keepwell\.toml is not valid TOML: .*line 3.*; correct that line\."),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_bad_configuration_is_refused_by_every_command(tmp_path: Path, refused: Callable[..., str], case: str) -> None:
    more, expected = CONFIGS[case]
    home = written(tmp_path / "home", more, orders=ORDERS)
    sentence = refused(2, "check", at=home)
    assert re.search(expected, sentence), sentence
    for words in (("train",), ("promote",), ("score",), ("at-risk",), ("growth",), ("explain", "m000"), ("rollback",)):
        assert refused(2, *words, at=home) == sentence, words


@pytest.mark.parametrize("words", [("check",), ("train",), ("score",), ("at-risk",), ("features", "build")])
def test_a_directory_without_a_configuration_is_refused(tmp_path: Path, refused: Callable[..., str], words: tuple) -> None:
    assert refused(2, *words, at=tmp_path) == "there is no keepwell.toml in this directory; name one, or run keepwell demo first."


# --- tables that are fine, but nothing can be learnt from them

GONE = one_more(sales(last=lambda who: 12, every=4), merchant_id="late", ordered_at=START + pd.Timedelta(days=400))
FADING = one_more(sales(last=lambda who: 100 + 4 * who), merchant_id="late", ordered_at=START + pd.Timedelta(days=460))
ONE_THAT_CAME_BACK = sales(1, last=lambda who: 900)
ONE_THAT_CAME_BACK = ONE_THAT_CAME_BACK[
    (ONE_THAT_CAME_BACK["ordered_at"] - START).dt.days.map(lambda day: day < 130 or 330 <= day < 560 or day >= 700)
]
UNLEARNABLE = {
    "one merchant": (sales(1), r"nobody churned at all \d+ rows of the training cutoffs: there is nothing to tell apart\. Change active_days"),
    "one merchant that left and came back": (ONE_THAT_CAME_BACK, r"merchants .* cannot be told apart: .*\. Add merchants, or raise active_days in"),
    "two merchants": (sales(2, last=lambda who: 270 if who else 50), r"too few to learn from \(1 row for the head \w+\)\. Add merchants or months"),
    "nobody churned": (sales(), r"^nobody churned at all \d+ rows .*\. Change active_days or horizon_days in keepwell\.toml, or add months of orders"),
    "everybody churned": (GONE, r"^everybody churned at all \d+ rows .*\. Change active_days or horizon_days in keepwell\.toml, or add months"),
    "everybody gone at the end": (FADING, r"^no merchant has a completed order in the 90 days before .*; use other cutoffs or a larger active_days"),
    "one day": (sales(last=lambda who: 1), r"2024-01-01 to 2024-01-01: too little history for one label window, .*\. Add 145 days of orders, or shorten"),
    "a day too little": (sales(last=lambda who: 145, every=2), r"too little history for one label window, which needs 56 days .* Add 1 day of orders"),
    "one label window": (sales(last=lambda who: 200), r"the history suffices to train at 2024-04-20, but not to judge .*\. Add months of orders, or"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where MLflow's store is, which takes seconds to make: training opens it first, so even a refused one makes an empty one."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize("case", UNLEARNABLE)
def test_what_cannot_be_learnt_from_is_checked_but_not_trained_on(
    tmp_path: Path, store: Path, run: Run, refused: Callable[..., str], case: str
) -> None:
    orders, expected = UNLEARNABLE[case]
    home = written(tmp_path / "home", orders=orders)
    said = run("check", at=home)
    assert (said.code, said.err) == (0, "")
    assert f"{orders['merchant_id'].nunique():,} merchants" in said.out
    sentence = refused(3, "train", home / "keepwell.toml", at=store, watched=home)
    assert re.search(expected, sentence), sentence
    assert not (store / "mlruns" / "artifacts").exists()


# --- commands


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A market with a published run, hostile names and an attribute that is the same for all."""
    orders = sales(60, leaving)
    ids = sorted(orders["merchant_id"].unique())
    shops = {
        "merchant_id": ids,
        "joined_at": pd.Timestamp("2023-01-01"),
        "name": [HOSTILE[who % len(HOSTILE)] for who in range(len(ids))],
        "industry": "bakery",
        "owner": ["=Ann()" if who % 2 else "Ben" for who in range(len(ids))],
    }
    home = written(tmp_path_factory.mktemp("market") / "home", '[timeline]\nevery = "100d"', orders=orders, merchants=pd.DataFrame(shops))
    (home / "file").write_text("no directory", encoding="utf-8")
    for words in (("train",), ("promote", "--force"), ("score",)):
        said = run(*words, at=home)
        assert (said.code, said.err) == (0, ""), said.err
    return home


INCOMPLETE = (
    "cutoff 2025-02-01 has labels only until 2025-02-24, but the horizon ends on 2025-05-02. "
    "Use a cutoff on or before 2024-11-26, or shorten horizon_days of [churn] and [growth] in keepwell.toml."
)
COMMANDS: dict[str, tuple[int, tuple[str, ...], str]] = {
    "a cutoff that is no date": (2, ("score", "--cutoff", "soon"), "cutoff 'soon' is not a date; write it as 2026-06-01."),
    "a cutoff that is no day": (2, ("score", "--cutoff", "2024-02-30"), "cutoff '2024-02-30' is not a date; write it as 2026-06-01."),
    "a cutoff at noon": (2, ("score", "--cutoff", "2024-06-01 12:00"), "is not a midnight; give a date like 2024-06-01."),
    "a cutoff before everything": (3, ("score", "--cutoff", "2020-01-01"), "no merchant is known before 2020-01-01; score at a later cutoff."),
    "a cutoff after everybody": (3, ("score", "--cutoff", "2030-01-01"), "missing days would be read as merchants' silence. Bring the orders up to date"),
    "a snapshot after everybody": (3, ("features", "build", "--cutoff", "2030-01-01"), "missing days would be read as merchants' silence."),
    "a snapshot at no date": (2, ("features", "build", "--cutoff", "x"), "cutoff 'x' is not a date; write it as 2026-06-01."),
    "no test cutoff": (2, ("backtest",), "no cutoff was given; write --cutoffs 2011-05-01,2011-06-01."),
    "a test cutoff that is no date": (2, ("backtest", "--cutoffs", "2024-11-01,soon"), "cutoff 'soon' is not a date; write it as 2026-06-01."),
    "a test cutoff given twice": (
        2,
        ("backtest", "--cutoffs", "2024-11-01,2024-10-01,2024-11-01"),
        "cutoff 2024-11-01 is given twice; give each cutoff once.",
    ),
    "an incomplete label window": (2, ("backtest", "--cutoffs", "2024-11-01,2025-02-01"), INCOMPLETE),
    "a test cutoff without history": (3, ("backtest", "--cutoffs", "2024-02-01"), "Add 115 days of orders, or shorten horizon_days of ["),
    "an unknown feature": (2, ("features", "describe", "gmv_9d"), "there is no feature 'gmv_9d'; did you mean \"gmv_90d\"?"),
    "a feature like no other": (2, ("features", "describe", "zzzzz"), "there is no feature 'zzzzz'; known are acquisition_channel, "),
    "an unknown merchant": (2, ("explain", "m0000"), "merchant 'm0000' is not in run "),
    "a merchant like no other": (2, ("explain", "面包"), "there are 60, such as m000, m001, m002, m003, m004."),
    "an unknown tier": (2, ("at-risk", "--tier", "Z"), "has tier 'Z'; there are "),
    "an unknown owner": (2, ("growth", "--owner", "Bem"), "has owner 'Bem'; did you mean \"Ben\"?"),
    "an unknown language": (2, ("at-risk", "--lang", "fr"), "language 'fr' is not spoken here; use en or zh."),
    "an unknown language to explain in": (2, ("explain", "m001", "--lang", "de"), "language 'de' is not spoken here; use en or zh."),
    "a capacity of nobody": (2, ("at-risk", "--capacity", "0"), "capacity 0 is less than one merchant; give the number that the team can act on."),
    "an unknown ending": (2, ("at-risk", "--out", "list.pdf"), "expected one of .csv, .xlsx, .json; change the name of the file."),
    "a list below a file": (2, ("at-risk", "--out", "file/list.csv"), "file/list.csv cannot be written: Not a directory; give another path."),
    "a list in no directory": (2, ("at-risk", "--out", "none/list.csv"), "none/list.csv cannot be written: No such file or directory; give"),
    "a report below a file": (2, ("backtest", "--cutoffs", "2024-11-01", "--out", "file/out"), "/file is a file; name another one."),
    "a report instead of a file": (2, ("backtest", "--cutoffs", "2024-11-01", "--out", "file"), "file is a file; name another one."),
    "a snapshot below a file": (2, ("features", "build", "--out", "file/x.parquet"), "(Not a directory); name a file in a directory that exists."),
    "a market where there is one": (2, ("simulate", "."), "exists and is not an empty directory. Name a new directory, or remove what is there."),
    "a market below a file": (2, ("simulate", "file/market"), "cannot be made: "),
    "rules that are not there": (2, ("score", "--rules", "none.toml"), "none.toml cannot be read: No such file or directory; give the path of"),
    "rules that are no TOML": (2, ("rules", "check", "file"), "file is not valid TOML: "),
    "a configuration that is not there": (2, ("check", "none.toml"), 'there is no file "none.toml" in '),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_bad_command_is_refused(served: Path, refused: Callable[..., str], case: str) -> None:
    code, words, expected = COMMANDS[case]
    sentence = refused(code, *words, at=served)
    assert expected in sentence, sentence


@pytest.mark.parametrize("words", [("check", "--bogus"), ("chekc",), ("simulate",), ("at-risk", "--capacity", "many")])
def test_a_command_that_is_not_understood_shows_how_to_get_help(tmp_path: Path, run: Run, words: tuple) -> None:
    said = run(*words, at=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "--help" in said.err
    assert "Traceback" not in said.err


def test_a_promotion_that_mlflow_refuses_moves_nothing(served: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    home = shutil.copytree(served, tmp_path / "my market")
    (home / ".keepwell" / "champion.json").unlink()
    (tmp_path / "elsewhere").mkdir()
    sentence = refused(2, "promote", "--force", home / "keepwell.toml", at=tmp_path / "elsewhere", watched=home)
    assert sentence.endswith("repeat the command in the directory where `keepwell train` ran, or train anew here."), sentence


def test_what_to_type_next_can_be_typed(tmp_path: Path, run: Run) -> None:
    said = run("simulate", "my market", "--merchants", "5", "--days", "200", at=tmp_path)
    assert said.out.endswith("Next: keepwell check 'my market/keepwell.toml'\n"), said


def test_state_that_cannot_be_a_directory_is_refused_before_the_work(tmp_path: Path, refused: Callable[..., str]) -> None:
    home = written(tmp_path / "home", '[state]\ndir = "orders.parquet"', orders=sales(60, leaving))
    for words in (("train",), ("score",)):
        assert refused(2, *words, at=home).endswith("orders.parquet is a file; name another one.")
    assert refused(2, "at-risk", at=home).endswith("runs/CURRENT cannot be used (Not a directory); make room or give another place.")


# --- names are names


def test_hostile_names_are_told_and_cannot_become_formulas(served: Path, run: Run) -> None:
    for name in ("list.csv", "list.xlsx"):
        assert run("at-risk", "--out", name, at=served).code == 0
    rows = list(csv.reader(io.StringIO((served / "list.csv").read_bytes().decode("utf-8-sig"))))
    told = {row[2] for row in rows[1:]}
    assert any(name in told or f"'{name}" in told for name in HOSTILE)
    assert not [cell for row in rows for cell in row if re.match(r"\s*[=@+＝＠＋]|-[^\d]|\t", cell)]
    book = openpyxl.load_workbook(served / "list.xlsx")
    assert {cell.data_type for row in book.worksheets[0].iter_rows() for cell in row} <= {"s", "n"}
    assert {row[2].value for row in book.worksheets[0].iter_rows(min_row=2)} <= set(HOSTILE)
    (served / "list.csv").unlink()
    (served / "list.xlsx").unlink()


def test_every_hostile_name_is_explained_as_it_is(served: Path, run: Run) -> None:
    for who, name in enumerate(HOSTILE):
        said = run("explain", f"m{who:03d}", at=served)
        assert (said.code, said.err) == (0, "")
        assert name.split("\n")[0].strip() in said.out


def test_what_is_the_same_for_all_is_not_learnt_from(served: Path) -> None:
    cards = list((served / ".keepwell" / "bundles").glob("*/card.json"))
    assert len(cards) == 1
    features = cards[0].read_text(encoding="utf-8")
    assert '"industry"' not in features
    assert '"gmv_90d"' in features
