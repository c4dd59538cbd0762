"""The command `benchmarks`: merchants to learn from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from features import shell
from features.settings import read_settings
from features.shell import AsJson
from serving.benchmarks import GROUPS, compared, every_group
from serving.explain import plain
from serving.lists import check_lang, run_facts
from serving.rule_commands import ConfigOption
from serving.run import current_run

MOST = 3


def benchmarks(
    merchant: Annotated[
        str | None, typer.Argument(help="A merchant's id: whom it can learn from, and in what; without it, every group.")
    ] = None,
    config: ConfigOption = None,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Benchmark merchants of each industry and scale, and what sets them apart from a given merchant."""
    run, spoken = current_run(read_settings(shell.config_path(config)).state_dir), check_lang(lang)
    facts: dict[str, Any] = dict(run_facts(run))
    if merchant is not None:
        found = compared(run, merchant, spoken)
        lines = [f"{row['merchant_id']}  {row['tier']}  {row['points']:g}" for row in found["merchants"]]
        shell.answer(facts | found, as_json, "\n".join([*lines, *(row["words"] for row in found["apart"])]) or "–")
        return
    table = every_group(run.merchants, MOST)
    names = [name for name in (*GROUPS[0], "place", "merchant_id", "name", "tier", "points") if name in table]
    rows = [{name: plain(value) for name, value in row.items()} for row in table[names].to_dict("records")]
    text = "\n".join(
        "  ".join(f"{row[name]:g}" if isinstance(row[name], float) else str(row[name] or "–") for name in names) for row in rows
    )
    shell.answer(facts | {"rows": rows}, as_json, text)
