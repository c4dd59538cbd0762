"""A replay for people: tables of the kinds, of who was warned, and sentences about tiers and the load on owners."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.table import Table

HEADINGS = {
    "kind": "kind",
    "a_week": "a week",
    "fired": "fired",
    "matured": "matured",
    "precision": "churn or decline",
    "precision_churn": "churn",
    "lead_days": "days before lost",
    "days_before_last_order": "days before last order",
}
WARNED = {"churn_risk": "by churn_risk", "churn_warnings": "by the churn warnings", "urgent": "by critical or high ones", "any": "by any"}


def kinds_table(facts: Mapping[str, Any]) -> Table:
    """Each kind of warning: how often it fired, how often it was right, how early."""
    table = Table(title="Warnings")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for row in facts["kinds"]:
        table.add_row(
            row["kind"],
            _number(row["a_week"], 1),
            _number(row["fired"], 0),
            _number(row["matured"], 0),
            _share(row["precision"]),
            _share(row["precision_churn"]),
            _number(row["lead_days"], 0),
            _number(row["days_before_last_order"], 0),
        )
    return table


def lost_table(facts: Mapping[str, Any]) -> Table:
    """Who was lost and had been warned of."""
    table = Table(title="Planted leavers" if facts["lost"]["planted"] else "Lost merchants")
    for heading in ("tier", "lost", "warned", "while selling", "days ahead", "before lost", "days before", "of stayers", "right"):
        table.add_column(heading, justify="left" if heading in ("tier", "warned") else "right")
    for group in facts["lost"]["warned"]:
        for name, words in WARNED.items():
            row = group[name]
            shown = (_share(row["warned"]), _number(row["days_ahead"], 0), _share(row["in_silence"]), _number(row["days_before_lost"], 0))
            table.add_row(group["name"], f"{group['lost']:,}", words, *shown, _share(row["stayers"]), _share(group["alarms"][name]["right"]))
    return table


def told(facts: Mapping[str, Any]) -> list[str]:
    """What tables do not show, in sentences."""
    tiers, load, chance = facts["tiers"], facts["capacity"], facts["by_chance"]
    lines = [
        f"{_counted(facts['runs'], 'run')} from {facts['first']} to {facts['last']} with {_counted(facts['models'], 'model')}, "
        f"{facts['merchants']:,} merchants at most.",
    ]
    if chance["precision"] is not None:
        lines.append(
            f"Of anybody scored {_share(chance['precision'])} end in churn or decline, {_share(chance['precision_churn'])} in churn: "
            "a kind that is right no more often says nothing."
        )
    lines += [
        _tier_changes(facts["runs"], tiers),
        f"Kinds that fired again within their cool-down: {facts['repeats_in_cooldown']}.",
    ]
    if load["owners"]:
        lines.append(
            f"{load['owners']} owners, {_number(load['new_per_owner_and_run'], 1)} new warnings for each a run on average, "
            f"{_number(load['most_per_owner_and_run'], 0)} at most (cap {load['cap']}, reached on {_share(load['owner_days_at_the_cap'])} of their days); "
            f"{load['waited']:,} times one waited for another day."
        )
    if all(value is None for group in facts["lost"]["warned"] for value in _alarmed(group)):
        lines.append("Whom the warnings found is not known yet: the horizon of none of these runs has ended.")
        return [*lines, *_last(facts)]
    for group in facts["lost"]["warned"]:
        found, whom = group["alarms"]["churn_warnings"], "all merchants" if group["name"] == "all" else f"tiers {group['name']}"
        lines.append(
            f"Under a churn warning at any time, of {whom}: {_known(found['stayers'])} of those who stay, {_known(found['leavers'])} of those "
            f"who leave within the horizon, {_known(found['leavers_soon'])} of those who leave within 28 days."
        )
    return [*lines, *_last(facts)]


def _last(facts: Mapping[str, Any]) -> list[str]:
    listed = f"Worth acting on: {_number(facts['capacity']['listed_a_run'], 0)} merchants a run on average."
    return [listed, *(f"note: {note}" for note in facts.get("notes", ()))]


def _alarmed(group: Mapping[str, Any]) -> list[float | None]:
    return [group["alarms"]["churn_warnings"][name] for name in ("stayers", "leavers", "leavers_soon")]


def _tier_changes(runs: int, tiers: Mapping[str, Any]) -> str:
    """How often tiers change; what no two runs have shown is not told."""
    if runs < 2:
        return "Tier changes show from the second run on."
    back = "" if tiers["flaps_a_year"] is None else f", of which it takes back {_number(tiers['flaps_a_year'], 2)} within 90 days"
    return (
        f"Tier changes of a merchant: {_number(tiers['median_a_quarter'], 0)} a quarter at the median, {_number(tiers['mean_a_quarter'], 2)} on average; "
        f"{_number(tiers['mean_a_year'], 2)} a year{back}."
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _known(share: float | None) -> str:
    return "an unknown share" if share is None else _share(share)


def weeks_csv(facts: Mapping[str, Any]) -> bytes:
    """The runs as a table: one row each, one column a kind."""
    names = [row["kind"] for row in facts["kinds"] if row["kind"] != "all"]
    rows = [{**{key: value for key, value in week.items() if key != "fired"}, **{name: week["fired"].get(name, 0) for name in names}} for week in facts["weeks"]]
    buffer = io.StringIO()
    pd.DataFrame(rows).to_csv(buffer, index=False)
    return buffer.getvalue().encode()


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
