"""The command `portfolio`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from features import shell
from features.errors import UsageRefused
from features.settings import read_settings
from features.shell import AsJson, Config
from serving.durable import replace_file
from serving.ledger import Ledger
from serving.lists import check_lang
from serving.portfolio import BY, portfolio, to_csv, to_html, to_json, to_terminal, to_xlsx
from serving.run import current_run, earlier_run

WRITERS = {".html": to_html, ".xlsx": to_xlsx, ".csv": to_csv, ".json": to_json}
PERIODS = ("quarter", "month")


def show_portfolio(
    config: Config = None,
    by: Annotated[str | None, typer.Option(help=f"Also the merchants by one of {', '.join(BY)}.")] = None,
    every: Annotated[str, typer.Option(help="The periods of the cohorts: quarter or month.")] = "quarter",
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[Path | None, typer.Option(help="A .html, .xlsx, .csv or .json file to write instead of showing it.")] = None,
    as_json: AsJson = False,
) -> None:
    """All merchants together: funnel, tiers, stages, concentration, cohorts, what is at risk, LTV/CAC, and what warnings and acting were worth."""
    if every not in PERIODS:
        raise UsageRefused(f"--every {every!r} is not a period; use {' or '.join(PERIODS)}.")
    if out is not None and out.suffix.lower() not in WRITERS:
        raise UsageRefused(f"{out.name} ends in {out.suffix or 'nothing'!r}, expected one of {', '.join(WRITERS)}; change the name of the file.")
    settings = read_settings(shell.config_path(config))
    run = current_run(settings.state_dir)
    given: dict[str, Any] = {"previous": earlier_run(settings.state_dir, run), "by": by, "every": every, "lang": check_lang(lang)}
    if Ledger.is_made(settings):
        with closing(Ledger.open(settings)) as ledger:
            found = portfolio(run, ledger=ledger, **given)
    else:
        found = portfolio(run, **given)
    if out is not None:
        _write(out, found)
        shell.answer({"out": str(out), "tables": len(found["tables"])}, as_json, f"Wrote {len(found['tables'])} tables to {out}.")
    elif as_json:
        typer.echo(to_json(found).decode())
    else:
        shell.console.print(to_terminal(found))


def _write(out: Path, found: dict[str, Any]) -> None:
    try:
        replace_file(out, WRITERS[out.suffix.lower()](found))
    except OSError as error:
        raise UsageRefused(f"{out} cannot be written: {error.strerror}; give another path.") from None
