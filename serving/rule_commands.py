"""The commands `rules check` and `rules preview`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from features import shell
from features.cutoffs import day_date
from features.declare import catalogue
from features.errors import DataRefused, Refused, UsageRefused
from features.settings import Settings, read_settings
from features.shell import AsJson
from features.snapshot import Market
from features.tables import ATTRIBUTES
from serving.rules import Rules, read_rules, setting_values
from serving.rules.check import counted, dead
from serving.rules.preview import Preview, preview
from serving.score import with_scores

rules = typer.Typer(help="The rules of tiers, stages, warnings and plays.", no_args_is_help=True)
ConfigOption = Annotated[Path | None, typer.Option("--config", help="A keepwell.toml; by default that of this directory, else the demo's.")]
SHOWN = 20
WEEK = timedelta(days=7)
YEAR = 365
MOST_TOGETHER = 13
ROWS_TOGETHER = 1_000_000
"""Snapshots of so many weeks are built together, as long as they have so few rows: each costs little more than one."""
Tell = Callable[..., None]


def known_names() -> set[str]:
    """Names of all features and attributes, which rules may look at."""
    return {*catalogue(), *ATTRIBUTES}


def rules_of(settings: Settings, path: Path | None = None) -> Rules:
    """The rules of a platform: those of a file, else those beside its configuration, else the built-in ones."""
    own = settings.home / "rules.toml"
    return read_rules(path or (own if own.exists() else None), known_names())


@rules.command("check")
def check_rules(
    file: Annotated[
        Path | None, typer.Argument(help="A rules.toml; by default the one beside the configuration, else the built-in.")
    ] = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Validate the rules; where there is data, count how many merchants each is for, and name those that are for nobody."""
    settings = _settings(config)
    chosen = read_rules(file, known_names()) if file or settings is None else rules_of(settings)
    facts: dict[str, Any] = {"hash": chosen.hash}
    facts |= {name: len(getattr(chosen, name)) for name in ("tiers", "stages", "warnings", "plays")}
    text = "The rules are valid: " + ", ".join(f"{value} {key}" for key, value in facts.items() if key != "hash") + "."
    if settings is not None:
        with shell.working("counting", as_json):
            counts = _counted(chosen, settings, required=config is not None)
        if counts is not None:
            facts |= {"rules": counts.to_dict("records"), "dead": dead(counts).to_dict("records")}
            text += f"\n{_told(counts)}"
    shell.answer(facts, as_json, text)


@rules.command("preview")
def preview_rules(
    file: Annotated[Path, typer.Argument(help="The new rules.")],
    config: ConfigOption = None,
    now: Annotated[
        Path | None, typer.Option("--rules", help="The rules of now; by default those beside the configuration, else the built-in.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What new rules would do: who would change tier, and which warnings would have fired over the last 12 months, how many a day."""
    settings = read_settings(shell.config_path(config))
    standing, new = rules_of(settings, now), read_rules(file, known_names())
    with shell.working("preview", as_json) as tell:
        market = Market.open(settings.path, shell.today())
        found = preview(standing, new, past_weeks(market, _model(settings), tell), setting_values(settings))
    shell.answer(_facts(found, standing, new), as_json, preview_text(found))


def past_weeks(market: Market, model: Any, tell: Tell = lambda *_: None) -> Iterator[tuple[date, pd.DataFrame]]:
    """The merchants of each week of the last twelve months, from `active_days` after the data's first day on.

    The scores of past weeks are today's model's, which has seen some of what came after: fair for comparing rules, not for judging them
    (`keepwell backtest` and `keepwell replay` do that).
    """
    source = market.source
    last = day_date(source.end_day).date()
    first = max(last - timedelta(days=YEAR), day_date(source.first_day).date() + timedelta(days=market.settings.churn.active_days))
    days = [last - back * WEEK for back in range(max((last - first) // WEEK, 0), -1, -1)]
    together = max(1, min(MOST_TOGETHER, ROWS_TOGETHER // max(len(market.merchants), 1)))
    for start in range(0, len(days), together):
        tell(days[start])
        some = days[start : start + together]
        frames = {pd.Timestamp(moment).date(): part for moment, part in market.snapshots(some).groupby(level="cutoff")}  # type: ignore[arg-type]
        for day in (day for day in some if day in frames):
            with suppress(DataRefused):  # nobody was active yet
                yield day, with_scores(market, frames[day].droplevel("cutoff"), model)


def preview_text(found: Preview) -> str:
    """A preview for people."""
    changed = found.moved[found.moved["tier"] != found.moved["new_tier"]]
    lines = [f"Merchants that would change tier: {len(changed):,}; stage: {(found.moved['stage'] != found.moved['new_stage']).sum():,}."]
    if len(changed):
        lines += ["from \\ to", found.matrix.to_string(header=True, index_names=False)]
        for one in changed.head(SHOWN).itertuples():
            lines.append(f"  {one.Index}: {one.tier} → {one.new_tier} ({one.points:g} → {one.new_points:g} points)")
    lines.append(f"\nWarnings that would have fired in {found.days} weekly runs, {found.first} to {found.last}: now → new (a day)")
    for row in found.warnings.to_dict("records"):
        if row["fired"] or row["new_fired"]:
            lines.append(f"  {row['kind']:<22} {row['fired']:>7,} → {row['new_fired']:>7,}   ({row['a_day']:.1f} → {row['new_a_day']:.1f})")
    total = found.warnings[["fired", "new_fired", "a_day", "new_a_day"]].sum()
    lines.append(f"  {'all':<22} {total['fired']:>7,.0f} → {total['new_fired']:>7,.0f}   ({total['a_day']:.1f} → {total['new_a_day']:.1f})")
    return "\n".join(lines)


def _facts(found: Preview, now: Rules, new: Rules) -> dict[str, Any]:
    changed = found.moved[found.moved["tier"] != found.moved["new_tier"]]
    return {
        "hash": now.hash,
        "new_hash": new.hash,
        "from": str(found.first),
        "to": str(found.last),
        "weeks": found.days,
        "change_tier": len(changed),
        "change_stage": int((found.moved["stage"] != found.moved["new_stage"]).sum()),
        "matrix": {str(tier): row for tier, row in found.matrix.to_dict("index").items()},
        "merchants": changed.reset_index(names="merchant_id").astype(object).where(lambda table: table.notna(), None).to_dict("records"),
        "warnings": found.warnings.to_dict("records"),
    }


def _settings(config: Path | None) -> Settings | None:
    try:
        return read_settings(shell.config_path(config))
    except UsageRefused:
        if config is not None:
            raise
        return None


def _counted(chosen: Rules, settings: Settings, required: bool) -> pd.DataFrame | None:
    """The rules counted on the latest data; None where there is no data or model yet and nobody asked for it."""
    try:
        market = Market.open(settings.path, shell.today())
        frame = with_scores(market, market.snapshot(market.source.end_day), _model(settings))
        return counted(chosen, frame, setting_values(settings))
    except Refused:
        if required:
            raise
        return None


def _model(settings: Settings) -> Any:
    from serving.champion import load_champion

    return load_champion(settings.state_dir).model


def _told(counts: pd.DataFrame) -> str:
    """How many merchants each rule is for, and what is for nobody."""
    lines = []
    for part in ("tier", "stage", "warning"):
        lines += [
            f"{part:<8} {row.merchants:>9,}  {row.rule}" for row in counts[(counts["part"] == part) & (counts["lacks"] == "")].itertuples()
        ]
    lacking = counts[counts["lacks"] != ""]
    nobody = dead(counts)
    lines.append(
        f"{len(lacking)} rules wait for data that is not there: {', '.join(sorted({name for one in lacking['lacks'] for name in one.split(', ')})) or 'none'}"
    )
    lines.append(f"{len(nobody)} rules are for nobody: {'; '.join(f'{row.part} {row.rule}' for row in nobody.itertuples()) or 'none'}")
    return "\n".join(lines)
