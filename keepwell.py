"""The command line: joins the commands of `features`, `training` and `serving`, and turns refusals into exit codes.

Exit codes: 0 ok · 2 usage · 3 data refused · 4 quality gate · 5 model refused.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import features.commands as of_features
import serving.access.commands as of_access
import serving.acting_commands as of_acting
import serving.commands as of_serving
import serving.monitor_commands as of_monitoring
import serving.portfolio_commands as of_portfolio
import serving.retrospect_commands as of_retrospect
import training.commands as of_training
from features import shell
from features.errors import Refused, UsageRefused
from features.settings import Settings
from features.shell import AsJson, Config

EPILOG = "Exit codes: 0 ok, 2 usage, 3 data refused, 4 quality gate, 5 model refused."
STOPPED = 130
"""The exit code that typer makes of a keyboard interrupt."""
app = typer.Typer(
    help="Which merchants are about to leave, which will grow, why, what it is worth, and what to do next.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the demo's data and state are written.")] = shell.DEMO,
    capacity: of_serving.Capacity = 15,
    lang: of_serving.Lang = "en",
) -> None:
    """The whole story on real data: brands selling on a retailer's platform."""
    from features.demo_market import write_demo
    from features.snapshot import Market

    config = out / "keepwell.toml"
    with shell.working("demo") as tell:
        from training.train import promote, train

        if not config.exists():
            tell("writing the event tables")
            write_demo(out)
        tell("checking the event tables")
        market = Market.open(config, shell.today())
        done = train(market, progress=tell)
        tell("promoting")
        promotion = promote(market.settings, shell.now())
        tell("scoring")
        run = of_serving.published(config, market=market)
    _tell_demo(market, done, promotion, run, capacity, of_serving.check_lang(lang), out)


def _tell_demo(market: Any, done: Any, promotion: Any, run: Any, capacity: int | None, lang: Any, out: Path) -> None:
    from serving.lists import at_risk

    counts, mean = run.header["counts"], done.evaluation["mean"]
    of_serving.show(at_risk(run, capacity=capacity, lang=lang))
    shell.line(
        f"\n{counts['scored']:,} of {counts['merchants']:,} brands were active before {run.cutoff}; about {counts['expected_leavers']:,.0f} of them "
        f"will sell nothing for {market.settings.churn.horizon_days} days.\n"
        f"Judged out of time on {', '.join(done.evaluation['cutoffs'])}: AUC {mean['auc']:.3f}, calibration error {mean['ece']:.3f}.\n"
        f"Quality {done.evaluation['quality']['sentence']}."
    )
    champion = "" if promotion.verdict.passed else " (the challenger did not pass the gate; the champion before it was kept)"
    shell.line(f"Model {run.model_version}{champion}, run {run.run_id}, all in {out}; MLflow's store in mlruns/.")
    shell.line(
        "Next: keepwell explain MERCHANT · keepwell growth · keepwell at-risk --lang zh · keepwell at-risk --out list.xlsx\n"
        "The page: keepwell serve, then http://127.0.0.1:3000/"
    )


@app.command()
def backtest(
    config: Config = None,
    cutoffs: Annotated[str, typer.Option(help="Dates with commas between them.")] = "",
    out: Annotated[Path, typer.Option(help="The directory to write.")] = Path("out"),
    peers: Annotated[bool, typer.Option("--peers", help="Set rules and other learners beside the model, on the same rows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Strictly out of time: at each cutoff uses only what was known then; writes predictions, metrics and a report."""
    path, days = shell.config_path(config), of_training.cutoff_list(cutoffs)
    command = f"{shell.command('backtest', path)} --cutoffs {shlex.quote(cutoffs)} --out {shlex.quote(str(out))}" + " --peers" * peers
    with shell.working("backtest", as_json) as tell:
        found = of_training.run_backtest(path, days, out, _grade, command, tell, peers=peers)
    text = of_training.backtest_text(found) + f"\nWrote predictions.parquet, metrics.json and report.html to {out}."
    shell.answer(found | {"out": str(out)}, as_json, text)


@app.command()
def replay(
    config: Config = None,
    first: Annotated[str | None, typer.Option("--from", help="The first day; by default as early as a model could be trained.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day; by default the day after the last order.")] = None,
    every: Annotated[str, typer.Option(help="Days from one run to the next.")] = "7d",
    retrain: Annotated[str, typer.Option(help="When a new model is trained: month, once, or every so many days, such as 28d.")] = "month",
    out: Annotated[Path | None, typer.Option(help="A directory for replay.json, weeks.csv and warnings.parquet.")] = None,
    rules_file: of_serving.RulesFile = None,
    truth: Annotated[Path | None, typer.Option(help="The truth.parquet of a made-up market: who was made to leave, and when.")] = None,
    as_json: AsJson = False,
) -> None:
    """Weekly runs over the past months, each with what was known then: warnings a week, how right and how early they were, tier changes."""
    import serving.replay_commands as of_replay
    from features.cutoffs import day_number
    from features.snapshot import Market
    from training.replayed import Retrained, replayed_days, step_of, training_days

    step = step_of(every, "--every")
    with shell.working("replay", as_json) as tell:
        if out is not None:
            shell.refuse_unless_writable(out)
        market = Market.open(shell.config_path(config), shell.today())
        rules = of_serving.rules_of(market.settings, rules_file)
        asked = [None if day is None else day_number(day) for day in (first, last)]
        days = replayed_days(market, asked[0], asked[1], step)
        models = Retrained(market, training_days(days, retrain), tell)
        facts, done = of_replay.replayed(market, days, models, rules, tell, truth)
    facts |= {"notes": models.notes}
    if out is not None:
        of_replay.write(out, facts, done)
    if as_json:
        shell.print_json(facts)
        return
    of_replay.show(facts)
    if out is not None:
        shell.line(f"Wrote replay.json, weeks.csv and warnings.parquet to {out}.")


def _grade(frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    from serving.rules import grade, setting_values

    return grade(frame, settings=setting_values(settings))


app.command()(of_features.simulate)
app.add_typer(of_features.catalogued, name="features")
app.command()(of_training.check)
app.command()(of_training.train)
app.command()(of_training.promote)
app.command()(of_training.rollback)
app.command()(of_serving.score)
app.command("at-risk")(of_serving.at_risk)
app.command()(of_serving.growth)
app.command()(of_serving.explain)
app.command()(of_serving.benchmarks)
app.command("portfolio")(of_portfolio.show_portfolio)
app.command()(of_acting.record)
app.command()(of_acting.proof)
app.command()(of_retrospect.retrospect)
app.command()(of_monitoring.monitor)
app.command()(of_serving.serve)
app.add_typer(of_serving.rules, name="rules")
app.add_typer(of_access.keys, name="keys")


def main() -> None:
    """Run the command line; a refusal is one sentence on standard error and its exit code."""
    try:
        app()
    except Refused as refusal:
        shell.errors.print(f"keepwell: {refusal}", style="red", markup=False)
        sys.exit(refusal.exit_code)
    except OSError as error:
        where = f"{error.filename} cannot be used" if error.filename else "a file cannot be used"
        shell.errors.print(f"keepwell: {where} ({error.strerror}); make room or give another place.", style="red", markup=False)
        sys.exit(UsageRefused.exit_code)
    except SystemExit as ended:
        if ended.code == STOPPED:
            shell.errors.print("keepwell: stopped; nothing half-written was left.", markup=False)
        raise


if __name__ == "__main__":
    main()
