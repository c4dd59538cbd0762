"""The commands of `serving`: score, at-risk, growth, explain, serve; `rules` has a file of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from features import shell
from features.cutoffs import day_number
from features.errors import Refused, UsageRefused, did_you_mean
from features.overview import refuse_days_without_data
from features.settings import Settings, read_settings
from features.shell import AsJson, Config
from features.snapshot import Market
from serving.access.binding import access_of, when_made
from serving.benchmark_commands import benchmarks
from serving.chains import at_risk_by_chain, growth_by_chain
from serving.explain import explain as explained
from serving.explanation import explanation
from serving.export import to_json, to_table, write_list
from serving.handled import handled, with_handled
from serving.ledger import Ledger
from serving.lists import Listing, check_lang
from serving.lists import at_risk as at_risk_list
from serving.lists import growth as growth_list
from serving.nightly import run_once
from serving.override_words import in_force, override_facts, with_overrides
from serving.reasons.numbers import Lang as Language
from serving.rule_commands import rules, rules_of
from serving.run import Run, current_run, run_before
from serving.webhooks.sender import Background, Sender

__all__ = ["benchmarks", "rules"]
Lang = Annotated[str, typer.Option(help="en or zh.")]
Capacity = Annotated[int | None, typer.Option(help="How many merchants the team can act on.")]
Out = Annotated[Path | None, typer.Option(help="A .csv, .xlsx or .json file to write instead of showing the list.")]
Tier = Annotated[str | None, typer.Option(help="Only this tier.")]
By = Annotated[str, typer.Option(help="merchant, or chain: stores rolled up to their parent.")]
BYS = ("merchant", "chain")
Owner = Annotated[str | None, typer.Option(help="Only the merchants of this account manager.")]
RulesFile = Annotated[
    Path | None, typer.Option("--rules", help="A rules.toml; by default the one beside the configuration, else the built-in.")
]
SHOWN = 20
"""Rows of a list on a terminal when no capacity is given."""


def score(
    config: Config = None,
    cutoff: Annotated[str | None, typer.Option(help="A date; by default the day after the last order.")] = None,
    rules_file: RulesFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish a run: scores, reasons, tiers, stages and warnings of all merchants."""
    with shell.working("scoring", as_json):
        path = shell.config_path(config)
        before = _standing(read_settings(path))
        run = published(path, cutoff, rules_file)
    counts = run.header["counts"]
    text = (
        f"Published run {run.run_id}: {counts['scored']:,} of {counts['merchants']:,} merchants scored as of {run.cutoff} by model "
        f"{run.model_version}; about {counts['expected_leavers']:,.0f} will leave, {sum(counts['warnings'].values()):,} warnings.\n"
        f"{of_earlier_day(run, before)}Next: {shell.command('at-risk', config)}"
    )
    shell.answer(dict(run.header), as_json, text)


def _standing(settings: Settings) -> Run | None:
    """The run that the lists show, if there is one that can be read."""
    with suppress(Refused, OSError):
        return current_run(settings.state_dir)
    return None


def of_earlier_day(run: Run, before: Run | None) -> str:
    """A word of warning where a run of an earlier day took the place of a later one."""
    if before is None or before.cutoff <= run.cutoff:
        return ""
    return (
        f"It is of an earlier day than run {before.run_id}, and the lists show it from now on; score without --cutoff to have the latest "
        "day again.\n"
    )


def published(config: Path, cutoff: str | None = None, rules_file: Path | None = None, market: Market | None = None) -> Run:
    """Score with the champion and publish, as `keepwell score` does."""
    from serving.champion import load_champion

    settings = read_settings(config)
    sender = Sender.of(settings.webhooks, os.environ, shell.now)
    day = None if cutoff is None else day_number(cutoff)
    shell.refuse_unless_writable(settings.state_dir)
    champion = load_champion(settings.state_dir)
    chosen = rules_of(settings, rules_file)
    market = market or Market.open(config, shell.today())
    cutoff_day = market.source.end_day if day is None else day
    refuse_days_without_data(market.source, cutoff_day)
    given: dict[str, Any] = {"state_dir": settings.state_dir, "created_at": shell.now()}
    if not Ledger.is_made(settings):
        run = run_once(market, cutoff_day, champion, chosen, partial(Ledger.open, settings), **given)
    else:
        with closing(Ledger.open(settings)) as ledger:
            run = run_once(market, cutoff_day, champion, chosen, ledger, **given)
    if sender is not None:
        with closing(Ledger.open(settings)) as ledger:
            sender.all_due(ledger)
    return run



def _list_command(name: str, made: Callable[..., Listing], by_chain: Callable[..., Listing], doc: str) -> Callable[..., None]:
    """A command that shows one of the lists, by merchant or by chain."""

    def command(
        config: Config = None,
        capacity: Capacity = None,
        tier: Tier = None,
        owner: Owner = None,
        by: By = "merchant",
        lang: Lang = "en",
        out: Out = None,
        as_json: AsJson = False,
    ) -> None:
        if by not in BYS:
            raise UsageRefused(f"--by {by!r} is not a way to list; {did_you_mean(by, BYS)}")
        settings = read_settings(shell.config_path(config))
        run = current_run(settings.state_dir)
        spoken = check_lang(lang)
        listing = (by_chain if by == "chain" else made)(run, capacity=_rows(capacity, out, as_json), tier=tier, owner=owner, lang=spoken)
        given, said = _by_people(settings, run, spoken)
        show(with_handled(with_overrides(listing, run, given), said), out, as_json)

    command.__name__, command.__doc__ = name, doc
    return command


at_risk = _list_command("at_risk", at_risk_list, at_risk_by_chain, "Who to act on first, by expected profit of acting.")
growth = _list_command("growth", growth_list, growth_by_chain, "Who deserves support: more than average chance to grow, by the value of the growth.")


def _by_people(settings: Settings, run: Run, lang: Language, merchant: str | None = None) -> tuple[pd.DataFrame, dict[str, str]]:
    """What people have overridden and done, as far as there is a ledger that says so: the list stands without it too."""
    with suppress(Refused, OSError):
        if Ledger.is_made(settings):
            with closing(Ledger.open(settings)) as ledger:
                return in_force(ledger, merchant), handled(ledger, run, lang)
    return pd.DataFrame({"merchant_id": []}), {}


def _rows(capacity: int | None, out: Path | None, as_json: bool) -> int | None:
    return capacity if capacity is not None or out is not None or as_json else SHOWN


def show(listing: Listing, out: Path | None = None, as_json: bool = False) -> None:
    """A list on the terminal, as JSON, or in a file."""
    if out is not None:
        write_list(listing, out)
        what = "chains" if "chain" in listing.rows else "merchants"
        shell.answer({"out": str(out), "rows": len(listing.rows)}, as_json, f"Wrote {len(listing.rows):,} {what} to {out}.")
    elif as_json:
        typer.echo(to_json(listing).decode())
    else:
        shell.console.print(to_table(listing))


def explain(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    config: Annotated[Path | None, typer.Option(help="A keepwell.toml; by default that of this directory, else the demo's.")] = None,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """One merchant: scores, reasons, scorecard, what moved since the last run, and the next action."""
    settings = read_settings(shell.config_path(config))
    run = current_run(settings.state_dir)
    facts = explained(run, merchant, lang=check_lang(lang), previous=run_before(settings.state_dir, run))
    given, said = _by_people(settings, run, check_lang(lang), merchant)
    facts |= {"overrides": override_facts(run, given, check_lang(lang)), "handled": said.get(merchant)}
    shell.answer(facts, as_json, explanation(facts, check_lang(lang)))


def serve(
    config: Config = None,
    host: Annotated[str, typer.Option(help="An address of this machine; any but loopback needs keys, see `keepwell keys`.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 3000,
) -> None:
    """The API and the page over the published run."""
    settings = read_settings(shell.config_path(config))
    access = access_of(settings, host, os.environ, shell.now)
    sender = Sender.of(settings.webhooks, os.environ, shell.now)
    from serving.service import serve as served

    background = None if sender is None else Background(sender, when_made(settings))
    served(settings.state_dir, host, port, access, background, settings.mlflow.url)
