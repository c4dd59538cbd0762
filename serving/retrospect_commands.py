"""The command `retrospect`: look back at the merchants that were lost."""

from __future__ import annotations

import json
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from features import shell
from features.cutoffs import day_date
from features.errors import ModelRefused, UsageRefused, did_you_mean
from features.settings import Settings
from features.shell import AsJson, Config
from features.snapshot import Market
from features.whole import write_atomically
from serving.export import refuse_ending, write_list
from serving.ledger import Ledger
from serving.lists import Column, Listing, check_lang, closest
from serving.reasons.numbers import Lang
from serving.retrospect import keep, look_back
from serving.retrospect_causes import WORDS
from serving.retrospect_words import on_a_day, told
from serving.rule_commands import rules_of

TIERS = ("A", "B", "C", "D", "E")
COLUMNS = (
    Column("merchant_id", "merchant", "商户"),
    Column("tier", "tier", "分层"),
    Column("industry", "industry", "行业", in_terminal=False),
    Column("last_order", "last order", "最后一单"),
    Column("lost_on", "lost on", "流失日", in_terminal=False),
    Column("warned", "warned", "已预警"),
    Column("days_ahead", "days ahead", "提前天数", "count"),
    Column("acted_on", "acted on", "已行动"),
    Column("cause", "likely cause", "可能原因"),
    Column("sure", "how sure", "把握", in_terminal=False),
    Column("evidence", "evidence", "依据", "texts"),
    Column("caught", "what would have caught it", "可发现的规则"),
    Column("likes", "active merchants like it", "相似在营商户", in_terminal=False),
    Column("same", "of these with the same signs", "其中有相同迹象", in_terminal=False),
)
NEW = (
    Column("merchant_id", "merchant", "商户"),
    Column("industry", "industry", "行业"),
    Column("joined", "joined", "入驻"),
    Column("first_order", "first order", "首单"),
    Column("last_order", "last order", "最后一单"),
    Column("lost_on", "lost on", "流失日", in_terminal=False),
    Column("days_of_sales", "days of sales", "销售天数", "count"),
    Column("last_step", "last step", "最后一步"),
    Column("why", "what was missing, or signs", "缺少什么，或迹象", "texts"),
)
SHOWN = 50
"""Rows on a terminal; a file has all."""
MORE = {"en": "… and {more:,} more; --out FILE writes all of them", "zh": "……另有{more:,}家；--out 文件名 可写出全部"}
YES = {"en": {True: "yes", False: "no", None: "not known"}, "zh": {True: "是", False: "否", None: "未知"}}


def retrospect(
    config: Config = None,
    merchant: Annotated[str | None, typer.Option(help="Tell of this merchant only, with its timeline.")] = None,
    newcomers: Annotated[bool, typer.Option("--newcomers", help="List who never grew, or never sold, instead.")] = False,
    since: Annotated[str | None, typer.Option(help="Only merchants lost on this day or later; by default within the last year.")] = None,
    tier: Annotated[str, typer.Option(help="Tiers they had before, with commas between them.")] = "A,B",
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[Path | None, typer.Option(help="A .csv, .xlsx or .json file to write instead of showing it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look back at lost merchants: warned or not, acted on or not, why they left, and which rule would have caught it."""
    tiers, spoken, day = _tiers(tier), check_lang(lang), _since(since)
    if out is not None:
        refuse_ending(out)
    if merchant is not None and out is not None:
        raise UsageRefused("--merchant tells of one merchant on the screen and --out writes a list; leave one of them out, or use --json.")
    with shell.working("looking back", as_json):
        market = Market.open(shell.config_path(config), shell.today())
        settings = market.settings
        if day is not None and day > (end := day_date(market.source.end_day).date()):
            raise UsageRefused(f"--since {day} is after {end}, when the data ends, so nobody can have been lost since; give an earlier day.")
        if merchant is not None:
            _known(market, merchant)
        shell.refuse_unless_writable(settings.state_dir)
        with closing(Ledger.open(settings)) if Ledger.is_made(settings) else nullcontext() as ledger:
            found = look_back(market, rules_of(settings, None), model=_model(settings), ledger=ledger, since=day, tiers=tiers)
        keep(settings.state_dir, found)
    if merchant is not None:
        _tell(_row_of(found, merchant), spoken, as_json)
        return
    make = listed_newcomers if newcomers else listed
    _answer(found, make(found, settings.timeline.currency, spoken), "newcomers" if newcomers else "lost", out, as_json)


def _answer(found: dict[str, Any], listing: Listing, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a list, or show it."""
    if out is not None and out.suffix.lower() != ".json":
        write_list(listing, out)
    elif out is not None:
        shell.refuse_unless_writable(out.parent)
        write_atomically(out, json.dumps(found, ensure_ascii=False, indent=1).encode())
    if out is not None:
        shell.answer({"out": str(out), "rows": len(found[kind])}, as_json, f"Wrote {len(found[kind]):,} look backs to {out}.")
    elif as_json:
        shell.print_json(found)
    else:
        if len(listing.rows):
            some = replace(listing, rows=listing.rows.head(SHOWN))
            shell.console.print(_table(some) if kind == "lost" else _plain(some))
        if len(listing.rows) > SHOWN:
            shell.line(MORE[listing.lang].format(more=len(listing.rows) - SHOWN))
        for note in listing.notes:
            shell.line(note)


def _known(market: Market, merchant: str) -> None:
    """Refuse a merchant that is not in the data."""
    ids = [str(name) for name in market.merchants["merchant_id"]]
    if merchant not in ids:
        raise UsageRefused(f"merchant {merchant!r} is not in the data; {closest(merchant, ids)}")


def _row_of(found: dict[str, Any], merchant: str) -> dict[str, Any]:
    """The look back of one merchant.

    Raises
    ------
    UsageRefused : it has none.
    """
    for row in (*found["lost"], *found["newcomers"]):
        if row["merchant_id"] == merchant:
            return dict(row)
    raise UsageRefused(
        f"merchant {merchant!r} has no look back: it was not lost from tier {', '.join(found['tiers'])} between {found['since']} and "
        f"{found['as_of']}; give other tiers with --tier or an earlier --since, or type keepwell explain {merchant}."
    )


def _tell(row: dict[str, Any], lang: Lang, as_json: bool) -> None:
    """One look back: in sentences, then day by day."""
    if as_json:
        shell.print_json(row)
        return
    shell.line(" · ".join(row[key] for key in ("merchant_id", "name") if row[key] is not None))
    for sentence in told(row, lang):
        shell.line(sentence)
    for one in row.get("timeline", []):
        shell.line(f"{one['on']}  {on_a_day(one, lang)}")


def listed(found: dict[str, Any], currency: str, lang: Lang = "en") -> Listing:
    """A look back as a list for a terminal or a file, one row a lost merchant."""
    rows = [
        {
            **{key: row[key] for key in ("merchant_id", "tier", "industry", "last_order", "lost_on", "days_ahead")},
            "warned": YES[lang][row["warned"]],
            "acted_on": YES[lang][row["acted_on"]],
            "cause": row[f"cause_{lang}"],
            "sure": row[f"sure_{lang}"],
            "evidence": row[f"evidence_{lang}"],
            "caught": row[f"caught_{lang}"],
            "likes": ", ".join(like["merchant_id"] for like in row["likes"]),
            "same": ", ".join(row["likes_with_same_signs"]),
        }
        for row in found["lost"]
    ]
    table = pd.DataFrame(rows, columns=[column.key for column in COLUMNS])
    facts = {"currency": currency, "cutoff": found["as_of"], "as_of": found["as_of"], "since": found["since"]}
    title = {"en": "Look back at lost merchants", "zh": "流失商户复盘"}[lang]
    return Listing(title, COLUMNS, table, facts, lang, (*summed(found, lang), *found[f"notes_{lang}"]))


def listed_newcomers(found: dict[str, Any], currency: str, lang: Lang = "en") -> Listing:
    """Who never grew as a list, one row a merchant: what those that never sold were missing, and signs of why the others left."""
    rows = [
        {key: row.get(key) for key in ("merchant_id", "industry", "joined", "first_order", "last_order", "lost_on", "days_of_sales")}
        | {"last_step": row[f"last_step_{lang}"], "why": row[f"missing_{lang}"] or row[f"evidence_{lang}"]}
        for row in found["newcomers"]
    ]
    table = pd.DataFrame(rows, columns=[column.key for column in NEW])
    facts = {"currency": currency, "cutoff": found["as_of"], "as_of": found["as_of"], "since": found["since"]}
    title = {"en": "Look back at newcomers that never grew", "zh": "未成长新商户复盘"}[lang]
    return Listing(title, NEW, table, facts, lang, (*summed(found, lang), *found[f"notes_{lang}"]))


def _plain(listing: Listing) -> Table:
    """A list of newcomers for a terminal."""
    table = Table(title=listing.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown = [column for column in listing.columns if column.in_terminal]
    for column in shown:
        table.add_column(column.heading(listing.lang), overflow="fold", justify="right" if column.kind == "count" else "left")
    for row in listing.rows.to_dict("records"):
        cells = [row[column.key] for column in shown]
        table.add_row(*(Text("" if cell is None or cell != cell else "; ".join(cell) if isinstance(cell, list) else str(cell)) for cell in cells))
    return table


def _table(listing: Listing) -> Table:
    """The list for a terminal: the facts, and in the last column the merchant, why it left and what would have caught it."""
    table = Table(title=listing.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    told = ("merchant_id", "evidence", "caught")
    shown = [column for column in listing.columns if column.in_terminal and column.key not in told]
    for column in shown:
        table.add_column(column.heading(listing.lang).replace(" ", "\n", 1), justify="right" if column.kind == "count" else "left", no_wrap=True)
    table.add_column({"en": "merchant, and why", "zh": "商户与原因"}[listing.lang], overflow="fold", ratio=1)
    for row in listing.rows.to_dict("records"):
        cells = ["" if row[column.key] is None or row[column.key] != row[column.key] else _cell(row[column.key]) for column in shown]
        lines = [f"· {sign}\n" for sign in row["evidence"]]
        table.add_row(*map(Text, cells), Text.assemble((str(row["merchant_id"]), "bold"), f" · {row['sure']}\n", *lines, (f"→ {row['caught']}", "italic")))
    return table


def _cell(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def summed(found: dict[str, Any], lang: Lang = "en") -> list[str]:
    """All look backs together, in words."""
    sums, place = found["sums"], 1 if lang == "zh" else 0
    causes = ", ".join(f"{WORDS[cause][place]} {count}" for cause, count in sums["causes"].items() if count)
    asked = {"tiers": ", ".join(found["tiers"]), "since": found["since"], "as_of": found["as_of"]}
    first = SUMS["causes" if sums["lost"] else "nobody"][place].format(**sums, **asked, named=causes)
    lines = [first, SUMS["newcomers"][place].format(**sums)]
    if sums["missed_churn_rate"] is not None:
        lines.append(SUMS["rates"][place].format(**sums, days=_number(sums["median_days_ahead"])))
    return lines


SUMS = {
    "nobody": (
        "Nobody was lost from tier {tiers} between {since} and {as_of}; give other tiers with --tier or an earlier --since.",
        "{since}至{as_of}之间，{tiers}层无商户流失；可用--tier或更早的--since扩大范围。",
    ),
    "causes": ("{lost} lost; causes: {named}", "流失{lost}家；原因：{named}"),
    "newcomers": (
        "{newcomers} newcomers left before they grew, {never_sold} of them without a first order",
        "新商户未成长即流失{newcomers}家，其中{never_sold}家从未出单",
    ),
    "rates": (
        "missed without a warning: {missed_churn_rate:.0%} of {covered}; median days ahead: {days}; acted on: {acted_on:.0%}",
        "漏报率{missed_churn_rate:.0%}（共{covered}家）；提前天数中位数{days}；已行动{acted_on:.0%}",
    ),
}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _model(settings: Settings) -> Any | None:
    from serving.champion import load_champion

    try:
        return load_champion(settings.state_dir).model
    except ModelRefused:
        return None


def _tiers(given: str) -> tuple[str, ...]:
    tiers = tuple(name.strip() for name in given.split(",") if name.strip())
    for name in tiers or (given,):
        if name not in TIERS:
            raise UsageRefused(f"--tier {name!r} is not a tier; {did_you_mean(name, TIERS)}")
    return tiers


def _since(given: str | None) -> date | None:
    try:
        return None if given is None else date.fromisoformat(given)
    except ValueError:
        raise UsageRefused(f"--since {given!r} is not a date; write it as 2026-06-01.") from None
