"""The commands of `features`: check, features, simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from features import shell
from features.cutoffs import day_number
from features.declare import catalogue
from features.errors import UsageRefused, did_you_mean
from features.overview import refuse_days_without_data
from features.shell import AsJson, Config
from features.snapshot import Market
from features.tables import STREAMS
from features.whole import write_atomically

catalogued = typer.Typer(help="The catalogue of features, and snapshots of them.", no_args_is_help=True)


def simulate(
    out: Annotated[Path, typer.Argument(help="The directory to write; it must not exist, or be empty.")],
    merchants: Annotated[int, typer.Option(min=1, help="How many merchants.")] = 2000,
    days: Annotated[int, typer.Option(min=200, help="How many days.")] = 730,
    orders: Annotated[float, typer.Option(min=0.1, help="Orders per merchant on average.")] = 100.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write a made-up market with planted truth: all tables of the contract."""
    from features.simulate import simulate as written

    with shell.working("simulating", as_json) as tell:
        config = written(out, merchants=merchants, seed=seed, days=days, orders_per_merchant=orders, progress=tell)
    shell.answer({"config": str(config)}, as_json, f"Wrote a market of {merchants:,} merchants.\nNext: {shell.command('check', config)}")


@catalogued.command("list")
def listed(config: Config = None, as_json: AsJson = False) -> None:
    """Every feature, by module; with a configuration, whether its tables allow it."""
    present = set(Market.open(config, shell.today()).features) if config is not None else None
    rows = [_described(name) | ({} if present is None else {"available": name in present}) for name in catalogue()]
    if as_json:
        shell.print_json(rows)
        return
    for module in dict.fromkeys(row["module"] for row in rows):
        here = [row for row in rows if row["module"] == module]
        shell.heading(f"{module} ({len(here)})")
        for row in here:
            mark = "" if row.get("available", True) else "  [needs a table or column that is absent]"
            shell.line(f"  {row['name']:<28} {row['unit']:<9} {row['doc'].splitlines()[0]}{mark}")
    shell.line(f"{len(rows)} features")


@catalogued.command()
def describe(name: Annotated[str, typer.Argument(help="The feature's name.")], as_json: AsJson = False) -> None:
    """One feature: what it means, its unit, what it needs, and the words it is told in."""
    if name not in catalogue():
        raise UsageRefused(f"there is no feature {name!r}; {did_you_mean(name, catalogue())}")
    row = _described(name)
    shell.answer(row, as_json, "\n".join(f"{key:>7}  {value}" for key, value in row.items()))


def _described(name: str) -> dict[str, Any]:
    one = catalogue()[name]
    needs = [need if need in STREAMS or need == "merchants" else f"feature {need}" for need in one.needs]
    return {
        "name": name,
        "module": one.module,
        "unit": one.unit,
        "doc": one.doc,
        "needs": ", ".join(needs),
        "en": one.reason[0],
        "zh": one.reason[1],
    }


@catalogued.command()
def build(
    config: Config = None,
    cutoff: Annotated[str | None, typer.Option(help="A date; by default the day after the last order.")] = None,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = Path("snapshot.parquet"),
    as_json: AsJson = False,
) -> None:
    """A snapshot of all merchants at a cutoff, to Parquet."""
    with shell.working("building", as_json):
        market = Market.open(shell.config_path(config), shell.today())
        day = market.source.end_day if cutoff is None else day_number(cutoff)
        refuse_days_without_data(market.source, day)
        frame = market.snapshot(day)
        write_atomically(out, frame.to_parquet())
    facts = {"rows": len(frame), "features": frame.shape[1], "out": str(out)}
    shell.answer(facts, as_json, f"Wrote {len(frame):,} merchants with {frame.shape[1]} features to {out}.")
