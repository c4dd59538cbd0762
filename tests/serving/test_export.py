"""Exports: whatever a merchant is called, no cell becomes a formula, and nothing is lost on the way."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from rich.console import Console

from features.errors import UsageRefused
from serving.export import guarded, shown, to_csv, to_json, to_table, to_xlsx, write_list
from serving.lists import Column, Listing, at_risk, growth
from serving.run import Run

FACTS = {"run_id": "2026-01-01-00000000", "model_version": "abc", "cutoff": "2026-01-01", "currency": "GBP"}
DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "−1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "\u3000=1",
    "\ufeff=1",
    "\u200b=1",
    "＝1",
    "＋1",
    "－1",
    "＠A",
    "\u3000＝cmd",
    "=cmd|' /C calc'!A0",
]
HARMLESS = [
    "bakery",
    "a=b",
    "🍞 Bäckerei",
    "王记面包",
    "Line\nbreak",
    "https://example.com",
    'He said "hi"',
    "a,b;c",
    "'quoted",
    "",
    "007",
]


def listing_of(names: list[str], lang: str = "en") -> Listing:
    columns = (
        Column("merchant_id", "merchant", "商户"),
        Column("name", "name", "名称"),
        Column("money", "value", "价值", "money"),
    )
    extra = (Column("reasons", "reasons", "原因"), Column("action", "next action", "下一步行动", in_terminal=False))
    rows = pd.DataFrame({"merchant_id": names, "name": names, "money": [-5.5] * len(names), "reasons": "a · b", "action": "call"})
    return Listing("Merchants at risk", (*columns, *extra), rows, FACTS, lang)  # type: ignore[arg-type]


def read_csv(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_starts_like_a_formula_is_guarded_in_csv(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert read_csv(to_csv(listing_of([text])))[1][0] == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text
    assert read_csv(to_csv(listing_of([text])))[1][:2] == [text, text]


def test_negative_amounts_stay_numbers() -> None:
    assert read_csv(to_csv(listing_of(["a"])))[1][2] == "-5.5"


def test_no_cell_of_a_workbook_is_a_formula_or_a_link() -> None:
    names = [*DANGEROUS, *HARMLESS]
    content = to_xlsx(listing_of(names))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in cells)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/")]
    assert not any(b"<f>" in sheet or b"<f " in sheet or b"hyperlink" in sheet for sheet in sheets)
    read = [sheet.cell(row, 1).value for row in range(2, len(names) + 2)]
    kept = [(name, value) for name, value in zip(names, read, strict=True) if name and "\r" not in name]
    assert all(name == value for name, value in kept)
    assert sheet.cell(2, 3).value == -5.5


def test_a_control_workbook_written_carelessly_has_formulas() -> None:
    buffer = io.BytesIO()
    pd.DataFrame({"name": ["=1+1"]}).to_excel(buffer, index=False)
    assert openpyxl.load_workbook(buffer).worksheets[0]["A2"].data_type == "f"


def test_hostile_names_survive_the_lists_of_a_run(run: Run) -> None:
    for listing in (at_risk(run), growth(run, lang="zh")):
        names = listing.rows["name"].tolist()
        assert any(name.startswith("=cmd") for name in names)
        assert [row[2] for row in read_csv(to_csv(listing))[1:]] == [guarded(name) for name in names]
        assert [row["name"] for row in json.loads(to_json(listing))["rows"]] == names
        book = openpyxl.load_workbook(io.BytesIO(to_xlsx(listing)))
        assert [row[2].value for row in book.worksheets[0].iter_rows(min_row=2)] == names
        console = Console(width=120, file=io.StringIO(), record=True)
        console.print(to_table(listing))
        assert "王记面包" in console.export_text()


def test_chinese_headings_and_money_signs(run: Run) -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(at_risk(run, lang="zh"))))
    assert book.sheetnames == ["流失风险商户", "说明", "联系多少家"]
    headings = [cell.value for cell in book.worksheets[0][1]]
    assert "在险价值 (£)" in headings
    assert read_csv(to_csv(at_risk(run, lang="zh")))[0][0] == "序号"


def test_the_workbook_says_where_it_comes_from(run: Run) -> None:
    about = openpyxl.load_workbook(io.BytesIO(to_xlsx(at_risk(run)))).worksheets[1]
    assert {about.cell(row, 1).value: about.cell(row, 2).value for row in range(1, 4)} == {
        "run_id": run.run_id,
        "model_version": "abc123",
        "cutoff": "2026-01-01",
    }


def test_json_carries_the_run_and_plain_values(run: Run) -> None:
    content = json.loads(to_json(at_risk(run, capacity=2)))
    assert (content["run_id"], content["model_version"], content["cutoff"], content["count"]) == (
        run.run_id,
        "abc123",
        "2026-01-01",
        2,
    )
    assert isinstance(content["rows"][0]["expected_profit"], float)


def test_missing_values_are_empty_null_and_a_dash() -> None:
    listing = listing_of(["a"])
    hollow = Listing(listing.title, listing.columns, listing.rows.assign(money=float("nan"), name=None), FACTS, "en")
    assert read_csv(to_csv(hollow))[1][:3] == ["a", "", ""]
    assert json.loads(to_json(hollow))["rows"][0]["money"] is None
    assert shown(listing.columns[2], None, hollow) == "–"


def test_the_terminal_takes_no_orders_from_a_name() -> None:
    console = Console(width=100, file=io.StringIO(), record=True, force_terminal=True)
    console.print(to_table(listing_of(["[red]x[/red]", "\x1b[31mred\x1b[0m"])))
    text = console.export_text()
    assert "[red]x[/red]" in text and "\x1b[31m" not in text


def test_files_are_written_by_their_ending_or_refused(tmp_path: Path) -> None:
    for ending in (".csv", ".xlsx", ".json", ".CSV"):
        write_list(listing_of(["a"]), tmp_path / f"list{ending}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.CSV", "list.csv", "list.json", "list.xlsx"]
    with pytest.raises(UsageRefused, match=r"list\.pdf ends in '\.pdf', expected one of \.csv, \.xlsx, \.json"):
        write_list(listing_of(["a"]), tmp_path / "list.pdf")
    with pytest.raises(UsageRefused, match="cannot be written"):
        write_list(listing_of(["a"]), tmp_path / "nowhere" / "list.csv")


def test_a_long_cell_is_cut_to_what_a_workbook_holds() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(listing_of(["x" * 40_000])))).worksheets[0]
    assert len(sheet["A2"].value) == 32_767
