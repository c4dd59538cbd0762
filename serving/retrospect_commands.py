"""The command `retrospect`: look back at the merchants that were lost."""

from __future__ import annotations

import json
from contextlib import closing, nullcontext
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from features import shell
from features.errors import ModelRefused, UsageRefused, did_you_mean
from features.settings import Settings
from features.shell import AsJson, Config
from features.snapshot import Market
from serving.export import write_list
from serving.ledger import Ledger
from serving.lists import Column, Listing, check_lang
from serving.reasons.numbers import Lang
from serving.retrospect import keep, look_back
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
    Column("evidence", "evidence", "依据", "texts"),
    Column("caught", "what would have caught it", "可发现的规则"),
    Column("likes", "active merchants like it", "相似在营商户", in_terminal=False),
    Column("same", "of these with the same signs", "其中有相同迹象", in_terminal=False),
)
YES = {"en": {True: "yes", False: "no", None: "not known"}, "zh": {True: "是", False: "否", None: "未知"}}


def retrospect(
    config: Config = None,
    since: Annotated[str | None, typer.Option(help="Only merchants lost on this day or later; by default within the last year.")] = None,
    tier: Annotated[str, typer.Option(help="Tiers they had before, with commas between them.")] = "A,B",
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[Path | None, typer.Option(help="A .csv, .xlsx or .json file to write instead of showing it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look back at lost merchants: warned or not, acted on or not, why they left, and which rule would have caught it."""
    tiers, spoken, day = _tiers(tier), check_lang(lang), _since(since)
    with shell.working("looking back", as_json):
        market = Market.open(shell.config_path(config), shell.today())
        settings = market.settings
        shell.refuse_unless_writable(settings.state_dir)
        with closing(Ledger.open(settings)) if Ledger.is_made(settings) else nullcontext() as ledger:
            found = look_back(market, rules_of(settings, None), model=_model(settings), ledger=ledger, since=day, tiers=tiers)
        keep(settings.state_dir, found)
    listing = listed(found, settings.timeline.currency, spoken)
    if out is not None and out.suffix.lower() != ".json":
        write_list(listing, out)
    elif out is not None:
        shell.refuse_unless_writable(out.parent)
        out.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    if out is not None:
        shell.answer({"out": str(out), "rows": len(found["lost"])}, as_json, f"Wrote {len(found['lost']):,} look backs to {out}.")
    elif as_json:
        shell.print_json(found)
    else:
        shell.console.print(_table(listing))
        for note in listing.notes:
            shell.line(note)


def listed(found: dict[str, Any], currency: str, lang: Lang = "en") -> Listing:
    """A look back as a list for a terminal or a file, one row a lost merchant."""
    rows = [
        {
            **{key: row[key] for key in ("merchant_id", "tier", "industry", "last_order", "lost_on", "days_ahead")},
            "warned": YES[lang][row["warned"]],
            "acted_on": YES[lang][row["acted_on"]],
            "cause": row[f"cause_{lang}"],
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
        table.add_row(*map(Text, cells), Text.assemble((f"{row['merchant_id']}\n", "bold"), *lines, (f"→ {row['caught']}", "italic")))
    return table


def _cell(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def summed(found: dict[str, Any], lang: Lang = "en") -> list[str]:
    """All look backs together, in words."""
    sums, place = found["sums"], 1 if lang == "zh" else 0
    from serving.retrospect_causes import WORDS

    causes = ", ".join(f"{WORDS[cause][place]} {count}" for cause, count in sums["causes"].items() if count)
    if lang == "zh":
        lines = [f"流失{sums['lost']}家；新商户未成长即流失{len(found['newcomers'])}家；原因：{causes}"]
        if sums["missed_churn_rate"] is not None:
            lines.append(f"漏报率{sums['missed_churn_rate']:.0%}；提前天数中位数{_number(sums['median_days_ahead'])}；已行动{sums['acted_on']:.0%}")
        return lines
    lines = [f"{sums['lost']} lost; {len(found['newcomers'])} newcomers left before they grew; causes: {causes}"]
    if sums["missed_churn_rate"] is not None:
        lines.append(
            f"missed without a warning: {sums['missed_churn_rate']:.0%} of {sums['covered']}; median days ahead: "
            f"{_number(sums['median_days_ahead'])}; acted on: {sums['acted_on']:.0%}"
        )
    return lines


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
