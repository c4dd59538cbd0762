"""The commands that close the loop: record what was done, prove whether acting helps."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Table

from features import shell
from features.errors import UsageRefused
from features.settings import Settings, read_settings
from features.shell import AsJson, Config
from features.snapshot import Market
from serving.ledger import Ledger
from serving.ledger.acts import OUTCOMES, Disposition, Override
from serving.ledger.schema import dispositions
from serving.proving import Proven, facts, proven, told
from serving.record import lifted, overruled, recorded, snoozed
from serving.rules import read_rules
from serving.run import Run, current_run

Merchant = Annotated[str, typer.Argument(help="The merchant's id.")]
ConfigOption = Annotated[Path | None, typer.Option(help="A keepwell.toml; by default that of this directory, else the demo's.")]
Reason = Annotated[str, typer.Option(help="Why; needed to snooze and to override.")]
OVERRIDING = ("--reason", "--lock", "--by")
GOES_WITH = {
    "--outcome": ("--kind", "--offer", "--cost", "--note", "--by", "--on", "--key"),
    "--snooze-until": ("--reason", "--kind", "--by"),
    "--tier": OVERRIDING,
    "--stage": OVERRIDING,
    "--lift": ("--reason", "--by"),
}
KEYS = "A name for this deed: recording it again under the same key changes nothing; by default a new one."


def record(
    merchant: Merchant,
    outcome: Annotated[str | None, typer.Option(help=f"What came of it: {', '.join(OUTCOMES)}.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only the warning of this kind; by default all of the merchant.")] = None,
    offer: Annotated[str | None, typer.Option(help="What was offered.")] = None,
    cost: Annotated[float | None, typer.Option(help="What it cost; by default what the play costs.")] = None,
    note: Annotated[str | None, typer.Option(help="Anything else.")] = None,
    by: Annotated[str | None, typer.Option(help="Who did it.")] = None,
    on: Annotated[str | None, typer.Option(help="The day it was done; by default that of the list.")] = None,
    key: Annotated[str | None, typer.Option(help=KEYS)] = None,
    snooze_until: Annotated[str | None, typer.Option(help="Put the open warnings aside until this day.")] = None,
    tier: Annotated[str | None, typer.Option(help="Override the tier until the next scoring.")] = None,
    stage: Annotated[str | None, typer.Option(help="Override the stage until the next scoring.")] = None,
    lock: Annotated[bool, typer.Option("--lock", help="The override stays until it is lifted.")] = False,
    lift: Annotated[str | None, typer.Option(help="End the override of the tier or stage.")] = None,
    reason: Reason = "",
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Record what was done for a merchant and what came of it, put its warnings aside, or override its tier or stage."""
    wanted = {"--outcome": outcome, "--snooze-until": snooze_until, "--tier": tier, "--stage": stage, "--lift": lift}
    more = {"--kind": kind, "--offer": offer, "--cost": cost, "--note": note, "--on": on, "--key": key, "--lock": lock or None, "--reason": reason or None}
    _refuse_mixed(merchant, wanted, more)
    settings = read_settings(shell.config_path(config))
    run = current_run(settings.state_dir)
    with closing(_ledger(settings)) as ledger:
        if outcome is not None:
            day = _day(on, "--on") if on else date.fromisoformat(run.cutoff)
            done = Disposition(key or str(uuid4()), merchant, day, outcome, kind, offer, cost, note, by)
            _deed(ledger, run, done, as_json)
        elif snooze_until is not None:
            kinds = snoozed(ledger, run, merchant, _day(snooze_until, "--snooze-until"), reason, kind=kind, actor=by, at=shell.now())
            shell.answer({"merchant_id": merchant, "snoozed": kinds}, as_json, f"Put aside until {snooze_until}: {', '.join(kinds)}.")
        elif lift is not None:
            lifted(ledger, run, merchant, lift, reason=reason, actor=by, at=shell.now())
            shell.answer({"merchant_id": merchant, "lifted": lift}, as_json, f"The {lift} is that of the rules again from the next scoring on.")
        else:
            field, value = ("tier", str(tier)) if tier is not None else ("stage", str(stage))
            _overrule(ledger, run, Override(merchant, field, value, reason, date.fromisoformat(run.cutoff), lock, by), as_json)


def _refuse_mixed(merchant: str, wanted: dict[str, Any], more: dict[str, Any]) -> None:
    """Refuse nothing to record, two things at once, and an option that would be passed over in silence."""
    given = [name for name, value in wanted.items() if value is not None]
    if len(given) != 1:
        said = f"{' and '.join(given)} were" if given else "nothing was"
        raise UsageRefused(f"{said} given to record for {merchant!r}; give one of {', '.join(wanted)}.")
    extra = [name for name, value in more.items() if value is not None and name not in GOES_WITH[given[0]]]
    if extra:
        fits = ", ".join(GOES_WITH[given[0]])
        raise UsageRefused(f"{extra[0]} does not go with {given[0]}, so nothing was recorded for {merchant!r}; leave it out ({fits} go with it).")


def _overrule(ledger: Ledger, run: Run, given: Override, as_json: bool) -> None:
    overruled(ledger, run, given, shell.now())
    until = "until it is lifted" if given.is_locked else "until the next scoring"
    facts_of = {"merchant_id": given.merchant_id, given.field: given.value, "is_locked": given.is_locked}
    shell.answer(facts_of, as_json, f"The {given.field} is {given.value} {until}.")


def _deed(ledger: Ledger, run: Run, done: Disposition, as_json: bool) -> None:
    if done.done_on > shell.today():
        raise UsageRefused(f"--on {done.done_on} has not come yet, so nothing was recorded; give a day up to today.")
    answer = recorded(ledger, run, done, shell.now())
    text = f"Recorded: {answer['outcome']} for {done.merchant_id}"
    text = text if answer["is_new"] else f"Key {done.key!r} was recorded before with the same words; nothing was added"
    text += f"; closed the warnings {', '.join(answer['closed'])}." if answer["closed"] else "."
    if answer["is_new"] and _alike(ledger, replace(done, outcome=answer["outcome"])) > 1:
        text += f"\nThe same was recorded for {done.done_on} before, and both count; --key makes a repeat harmless."
    if answer["is_held_out"]:
        text += "\nThis merchant was to be left alone, to learn what acting achieves; the proof counts it as left alone."
    shell.answer(answer, as_json, text)


def _alike(ledger: Ledger, done: Disposition) -> int:
    """How many deeds of the same words are in the ledger, under whatever key."""
    table, told = dispositions.c, asdict(done)
    return len(ledger.table("dispositions", *(table[name] == value for name, value in told.items() if name != "key")))


def proof(config: Config = None, as_json: AsJson = False) -> None:
    """Whether acting helps, against the merchants left alone at random; and what each kind of warning was worth."""
    with shell.working("settling outcomes", as_json):
        market = Market.open(shell.config_path(config), shell.today())
        own = market.settings.home / "rules.toml"
        power = read_rules(own if own.exists() else None).holdout.power
        with closing(_ledger(market.settings)) as ledger:
            done = proven(ledger, market, shell.now(), power)
    if as_json:
        shell.print_json(facts(done))
        return
    for line in told(done, market.settings.timeline.currency):
        shell.line(line)
    if len(done.warnings):
        shell.console.print(_warnings(done))


def _ledger(settings: Settings) -> Ledger:
    shell.refuse_unless_writable(settings.state_dir)
    return Ledger.open(settings)


def _warnings(done: Proven) -> Table:
    """The report of the warnings for a terminal."""
    table = Table(title="Warnings")
    for heading in ("kind", "fired", "open", "matured", "right", "right, left alone", "days ahead", "acted on"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for row in done.warnings.reset_index().to_dict("records"):
        shares = [_share(row[name]) for name in ("precision", "precision_left_alone")]
        lead = "" if row["lead_days"] != row["lead_days"] else f"{row['lead_days']:.0f}"
        table.add_row(str(row["kind"]), *(f"{row[name]:,}" for name in ("fired", "open", "matured")), *shares, lead, _share(row["acted_on"]))
    return table


def _share(value: Any) -> str:
    return "" if value != value else f"{value:.0%}"


def _day(given: str, option: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise UsageRefused(f"{option} {given!r} is not a date, so nothing was recorded; write it as 2026-06-01.") from None
