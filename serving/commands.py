"""The commands of `serving`: score, at-risk, growth, explain, rules check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from features import shell
from features.settings import read_settings
from features.shell import AsJson, Config
from features.snapshot import Market, day_number
from serving.explain import explain as explained
from serving.export import to_json, to_table, write_list
from serving.lists import Listing, check_lang
from serving.lists import at_risk as at_risk_list
from serving.lists import growth as growth_list
from serving.rules import read_rules
from serving.run import Run, current_run, publish, read_run
from serving.score import score as scored

rules = typer.Typer(help="The rules of tiers, stages, warnings and plays.", no_args_is_help=True)
Lang = Annotated[str, typer.Option(help="en or zh.")]
Capacity = Annotated[int | None, typer.Option(help="How many merchants the team can act on.")]
Out = Annotated[Path | None, typer.Option(help="A .csv, .xlsx or .json file to write instead of showing the list.")]
Tier = Annotated[str | None, typer.Option(help="Only this tier.")]
Owner = Annotated[str | None, typer.Option(help="Only the merchants of this account manager.")]
RulesFile = Annotated[Path | None, typer.Option("--rules", help="A rules.toml; by default the one beside the configuration, else the built-in.")]
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
        run = published(shell.config_path(config), cutoff, rules_file)
    counts = run.header["counts"]
    text = (
        f"Published run {run.run_id}: {counts['scored']:,} of {counts['merchants']:,} merchants scored as of {run.cutoff} by model "
        f"{run.model_version}; about {counts['expected_leavers']:,.0f} will leave, {sum(counts['warnings'].values()):,} warnings.\n"
        "Next: keepwell at-risk"
    )
    shell.answer(dict(run.header), as_json, text)


def published(config: Path, cutoff: str | None = None, rules_file: Path | None = None, market: Market | None = None) -> Run:
    """Score with the champion and publish, as `keepwell score` does."""
    from serving.champion import load_champion

    settings = read_settings(config)
    day = None if cutoff is None else day_number(cutoff)
    shell.refuse_unless_writable(settings.state_dir)
    champion = load_champion(settings.state_dir)
    own = settings.home / "rules.toml"
    path = rules_file or (own if own.exists() else None)
    chosen = read_rules(path)
    market = market or Market.open(config, shell.today())
    made = scored(
        market,
        market.source.end_day if day is None else day,
        champion.model,
        chosen,
        model_version=champion.model_version,
        created_at=shell.now(),
    )
    return publish(settings.state_dir, made.header, made.tables, chosen.text)


def at_risk(
    config: Config = None,
    capacity: Capacity = None,
    tier: Tier = None,
    owner: Owner = None,
    lang: Lang = "en",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Who to act on first, by expected profit of acting."""
    run = current_run(read_settings(shell.config_path(config)).state_dir)
    show(at_risk_list(run, capacity=_rows(capacity, out, as_json), tier=tier, owner=owner, lang=check_lang(lang)), out, as_json)


def growth(
    config: Config = None,
    capacity: Capacity = None,
    tier: Tier = None,
    owner: Owner = None,
    lang: Lang = "en",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Who is about to grow, by the value of the growth."""
    run = current_run(read_settings(shell.config_path(config)).state_dir)
    show(growth_list(run, capacity=_rows(capacity, out, as_json), tier=tier, owner=owner, lang=check_lang(lang)), out, as_json)


def _rows(capacity: int | None, out: Path | None, as_json: bool) -> int | None:
    return capacity if capacity is not None or out is not None or as_json else SHOWN


def show(listing: Listing, out: Path | None = None, as_json: bool = False) -> None:
    """A list on the terminal, as JSON, or in a file."""
    if out is not None:
        write_list(listing, out)
        shell.answer({"out": str(out), "rows": len(listing.rows)}, as_json, f"Wrote {len(listing.rows):,} merchants to {out}.")
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
    state = read_settings(shell.config_path(config)).state_dir
    run = current_run(state)
    before = run.header.get("previous")
    facts = explained(run, merchant, lang=check_lang(lang), previous=read_run(state, before) if before else None)
    shell.answer(facts, as_json, explanation(facts, lang))


EXPLAINED: dict[str, dict[str, str]] = {
    "en": {
        "who": "{name}: tier {tier} ({tier_words}), {stage_words}, as of {cutoff}",
        "no score": "no score: {no_score}",
        "risk": "{churn_risk:.0%} leave within the horizon ({churn_risk_two_thirds:.0%} silent through two thirds of it, "
        "{churn_risk_third:.0%} through a third); {growth_potential:.0%} chance to grow",
        "money": "expected sales {expected_gmv:,.0f} {currency} (P10 {expected_gmv_p10:,.0f}, P90 {expected_gmv_p90:,.0f}); "
        "value at risk {value_at_risk:,.2f} {currency}, expected profit of acting {expected_profit:,.2f} {currency}",
        "raises": "what raises the risk:",
        "lowers": "what lowers it:",
        "warnings": "warnings: {warnings}",
        "points": "points: {points}",
        "moved": "since {since}: {changes}",
        "still": "nothing moved",
        "next": "next: {action}",
    },
    "zh": {
        "who": "{name}：{tier}级（{tier_words}），{stage_words}，截至{cutoff}",
        "no score": "无评分：{no_score}",
        "risk": "预测期内流失概率{churn_risk:.0%}（前三分之二期内无单{churn_risk_two_thirds:.0%}，前三分之一期内{churn_risk_third:.0%}）；"
        "成长概率{growth_potential:.0%}",
        "money": "预期交易额{expected_gmv:,.0f} {currency}（P10 {expected_gmv_p10:,.0f}，P90 {expected_gmv_p90:,.0f}）；"
        "在险价值{value_at_risk:,.2f} {currency}，行动期望收益{expected_profit:,.2f} {currency}",
        "raises": "推高风险的原因：",
        "lowers": "降低风险的原因：",
        "warnings": "预警：{warnings}",
        "points": "得分：{points}",
        "moved": "自{since}以来：{changes}",
        "still": "没有变化",
        "next": "下一步：{action}",
    },
}
"""The lines of an explanation, in both languages."""


def explanation(facts: dict[str, Any], lang: str = "en") -> str:
    """What `explain` answers, as lines for people."""
    words = EXPLAINED[lang]
    name = f"{facts['name']} ({facts['merchant_id']})" if facts["name"] else facts["merchant_id"]
    lines = [words["who"].format(**facts | {"name": name})]
    numbers = facts["scores"] | facts["money"] | {"currency": facts["currency"]}
    lines += [words["no score"].format(**facts)] if facts["no_score"] else [words[key].format(**numbers) for key in ("risk", "money")]
    for direction in ("raises", "lowers"):
        told = [row["sentence"] for row in facts["reasons"] if row["head"] == "churn" and row["direction"] == direction]
        lines += [words[direction], *(f"  {sentence}" for sentence in told)] if told else []
    lines += [words["warnings"].format(warnings="; ".join(row["words"] for row in facts["warnings"]))] if facts["warnings"] else []
    points = [f"{key.removeprefix('points_')} {value:g}" for key, value in facts["points"].items() if value is not None]
    lines += [words["points"].format(points=", ".join(points))]
    if facts["moved"]:
        changes = [f"{key} {_plain(pair['from'])} → {_plain(pair['to'])}" for key, pair in facts["moved"]["changes"].items()]
        lines += [words["moved"].format(since=facts["moved"]["cutoff"], changes=", ".join(changes) or words["still"])]
    return "\n".join([*lines, words["next"].format(**facts)])


def _plain(value: Any) -> str:
    return f"{value:,.3g}" if isinstance(value, float) else str(value)


def serve(
    config: Config = None,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 3000,
) -> None:
    """The API and the page over the published run."""
    from serving.service import serve as served

    served(read_settings(shell.config_path(config)).state_dir, host, port)


@rules.command("check")
def check_rules(
    file: Annotated[Path | None, typer.Argument(help="A rules.toml; by default the built-in one.")] = None, as_json: AsJson = False
) -> None:
    """Validate the rules."""
    chosen = read_rules(file)
    facts = {"hash": chosen.hash, "tiers": len(chosen.tiers), "stages": len(chosen.stages), "warnings": len(chosen.warnings)}
    shell.answer(facts, as_json, "The rules are valid: " + ", ".join(f"{value} {key}" for key, value in facts.items() if key != "hash") + ".")
