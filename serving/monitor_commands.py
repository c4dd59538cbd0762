"""The command `monitor`."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer
from rich.table import Table

from features import shell
from features.errors import GateRefused
from features.shell import AsJson, Config
from features.snapshot import Market
from serving.ledger import Ledger
from serving.matured import Matured, matured
from serving.monitor import facts, monitored, worst
from serving.run import current_run

STYLES = {"ok": "green", "warn": "yellow", "alarm": "red"}


def monitor(
    config: Config = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 4 when anything is an alarm.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drift, calibration of predictions whose time has come, and how fresh the data is."""
    with shell.working("looking", as_json):
        market = Market.open(shell.config_path(config), shell.today())
        run = current_run(market.settings.state_dir)
        with closing(Ledger.open(market.settings)) as ledger:
            past = matured(ledger, market)
        found = monitored(market, run, past, shell.today())
    if as_json:
        shell.print_json(facts(found, run, past))
    else:
        for one in found:
            shell.console.print(f"{one.level:>5}  {one.what}: {one.words}", style=STYLES[one.level], markup=False, highlight=False, soft_wrap=True)
        if past:
            shell.console.print(_table(past))
    if strict and worst(found) == "alarm":
        raise GateRefused("something is an alarm: " + ", ".join(one.what for one in found if one.level == "alarm") + "; see above for what to do.")


def _table(past: list[Matured]) -> Table:
    """Past runs, told and happened."""
    table = Table(title="Runs whose horizon has passed")
    for heading in ("as of", "merchants", "told", "happened", "AUC", "ECE", "sales against those told"):
        table.add_column(heading, justify="left" if heading == "as of" else "right")
    for one in past:
        auc = "" if one.auc is None else f"{one.auc:.3f}"
        sales = f"{one.gmv_happened / one.gmv_told - 1:+.1%}" if one.gmv_told else ""
        table.add_row(one.cutoff, f"{one.merchants:,}", f"{one.told:.1%}", f"{one.happened:.1%}", auc, f"{one.ece:.3f}", sales)
    return table
