"""Why it moved: the change of each merchant's risk and points since the run before, split exactly into four parts.

* data: the run before, computed again at its own cutoff from today's rows, against what it published. Rows that came late or were corrected.
* behaviour: the same model and rules at the new cutoff against the old one.
* model: another model on the same snapshot. rules: other rules or settings on the same snapshot.

Data comes first, because it is what the run before would have said had it known. The three others have no order of their own: each is the
average of what it changes over all orders in which they could have followed each other (Shapley, "A value for n-person games", 1953), so
none is favoured. The last part is what is left of the change, so the parts add up to it; only what did change is tried.

The run before is the last one of an earlier cutoff, so the same scoring twice says the same. Nothing of its snapshot is kept: a snapshot at
its cutoff is computed again, which is what finds corrected rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import permutations
from math import factorial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import Refused
from serving.champion import load_bundle
from serving.reasons.numbers import Lang
from serving.rules import Rules, parse_rules, setting_values
from serving.rules.conditions import Columns
from serving.run import Run, published, read_run

TABLE = "movement"
PARTS = ("behaviour", "rules", "model", "data")
RISK, POINTS = "churn_risk", "points"
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Before:
    """The run that this one is compared with, and what made it, as far as that still stands.

    Attributes
    ----------
    model : the model that gave its scores; None where it cannot be read any more. rules : None where today's program cannot read them.
    """

    run: Run
    model: Any | None
    rules: Rules | None


def run_before(state_dir: Path, day: date, model: Any, model_version: str) -> Before | None:
    """The last run of an earlier cutoff; None where there is none that can be read.

    Parameters
    ----------
    day : the cutoff of the new run.
    model, model_version : what scores the new run; the bundle is read only where the run before had another.
    """
    names = [name for name in published(state_dir) if name[:10] < str(day)]
    newest = [name for name in names if name[:10] == names[-1][:10]]
    runs = [run for run in (_whole(state_dir, name) for name in newest) if run is not None]
    if not runs:
        return None
    run = max(runs, key=lambda one: (str(one.header.get("created_at")), one.run_id))
    return Before(run, model if run.model_version == model_version else _bundle(state_dir, run.model_version), _rules(run))


def _whole(state_dir: Path, name: str) -> Run | None:
    try:
        return read_run(state_dir, name)
    except Refused:
        return None  # a damaged run is no reason not to publish the next one


def _bundle(state_dir: Path, version: str) -> Any | None:
    try:
        return load_bundle(Path(state_dir) / "bundles" / version)
    except Refused:
        return None


def _rules(run: Run) -> Rules | None:
    try:
        return parse_rules(run.rules_text)
    except Refused:
        return None


def movement(
    then: Before,
    old: pd.DataFrame,
    new: pd.DataFrame,
    scores: Callable[[Any, pd.DataFrame], pd.DataFrame],
    model: Any,
    rules: Rules,
    settings: Mapping[str, float],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The parts of each merchant's change, and what the run says of the comparison.

    Parameters
    ----------
    old, new : snapshots at the two cutoffs, both of today's rows.
    scores : the scores of a snapshot's cohort by a model.
    settings : what the settings' names mean in the rules now.

    Returns
    -------
    One row a merchant that both runs know, indexed by merchant_id: `risk_change` and `risk_behaviour`, `risk_rules`, `risk_model`,
    `risk_data`, which add up to it; `points_change` and its parts in the same way. Missing where either run has no such number.
    The header: `run_id`, `cutoff`, `changed` (which of model and rules did), `unknown` (which of them cannot be told from behaviour).
    """
    ids = new.index.intersection(then.run.merchants.index).intersection(old.index)
    versions = {"model": (then.model, model), "rules": ((then.rules, _settings_of(then.run)), (rules, settings))}
    gone = [name for name, lost in (("model", then.model is None), ("rules", then.rules is None)) if lost]
    changed = [name for name in _changed(then, model, rules, settings) if name not in gone]
    pick = {name: tuple(both[1] if name in gone else one for one in both) for name, both in versions.items()}

    @cache
    def scored(is_new: bool, which: int) -> pd.DataFrame:
        frame = new if is_new else old
        return frame.join(scores(pick["model"][which], frame))

    @cache
    def numbers(state: frozenset[str]) -> tuple[Numbers, Numbers]:
        """Risk and points with those of behaviour, model and rules that are new."""
        frame = scored("behaviour" in state, int("model" in state))
        chosen: Any = pick["rules"][int("rules" in state)]  # where rules are gone, both are today's
        law, named = chosen
        points = law.scorecard.score(Columns(frame, named)).table[POINTS]
        return frame[RISK].reindex(ids).to_numpy(np.float64), points.reindex(ids).to_numpy(np.float64)

    players = ("behaviour", *changed)
    table: dict[str, Numbers] = {}
    for place, (stem, digits) in enumerate(((RISK, None), (POINTS, 1))):
        was = then.run.merchants[stem].reindex(ids).to_numpy(np.float64)
        now = numbers(frozenset(players))[place]
        # with a bundle or rules gone, the old state cannot be computed: what the data changed stays with what is gone
        data = np.zeros(len(ids)) if gone else numbers(frozenset())[place] - was
        parts = {"data": data} | shapley(players, lambda state, place=place: numbers(state)[place])  # type: ignore[misc]
        rest = gone[0] if gone else "behaviour"
        table |= _adding_up(stem.removeprefix("churn_"), now - was, parts, rest, digits)
    header = {"run_id": then.run.run_id, "cutoff": then.run.cutoff, "changed": [*changed, *gone], "unknown": gone}
    return pd.DataFrame(table, index=ids.rename("merchant_id")), header


def shapley(players: tuple[str, ...], value: Callable[[frozenset[str]], Numbers]) -> dict[str, Numbers]:
    """What each player adds, averaged over all orders in which they could come.

    Examples
    --------
    >>> worth = lambda who: np.array([float(len(who) == 2)])
    >>> {name: part.tolist() for name, part in shapley(("a", "b"), worth).items()}
    {'a': [0.5], 'b': [0.5]}
    """
    parts = {name: np.zeros_like(value(frozenset())) for name in players}
    for order in permutations(players):
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            parts[name] = parts[name] + (value(before | {name}) - value(before)) / factorial(len(players))
    return parts


def _adding_up(stem: str, change: Numbers, parts: Mapping[str, Numbers], rest: str, digits: int | None) -> dict[str, Numbers]:
    """The change and its parts, whatever rounding leaves and nobody else explains in the part `rest`."""

    def shown(values: Numbers) -> Numbers:
        return values if digits is None else np.round(values, digits) + 0.0

    known = {name: shown(parts.get(name, np.zeros_like(change))) for name in PARTS if name != rest}
    change = shown(change)
    total = np.sum([np.where(np.isnan(change), np.nan, values) for values in known.values()], axis=0)
    known[rest] = shown(change - total)
    return {f"{stem}_change": change, **{f"{stem}_{name}": np.where(np.isnan(change), np.nan, known[name]) for name in PARTS}}


def _changed(then: Before, model: Any, rules: Rules, settings: Mapping[str, float]) -> list[str]:
    other_rules = then.run.header["rules_hash"] != rules.hash or _settings_of(then.run) != dict(settings)
    return [name for name, is_other in (("model", then.model is not model), ("rules", other_rules)) if is_other]


def _settings_of(run: Run) -> dict[str, float]:
    """What the settings' names meant in the rules of a run."""
    given = run.header["settings"]
    return setting_values(SimpleNamespace(**{name: SimpleNamespace(**given[name]) for name in ("churn", "economics")}))


def moved_parts(run: Run, merchant: str) -> dict[str, Any] | None:
    """Why one merchant moved, from the published run: its changes and their parts; None where there is nothing to compare with."""
    if f"{TABLE}.parquet" not in run.files:
        return None
    rows = run.rows(TABLE)
    if merchant not in rows:
        return None
    values = rows.one(merchant)
    told: dict[str, Any] = {name: run.header[TABLE][name] for name in ("run_id", "cutoff", "changed", "unknown")}
    for stem in ("risk", POINTS):
        known = values[f"{stem}_change"] is not None
        told[stem] = {name: values[f"{stem}_{name}"] for name in ("change", *PARTS)} if known else None
    return told


WORDS: dict[str, dict[str, str]] = {
    "en": {
        "up": "Risk rose from {was:.1%} to {now:.1%} since {since}: {parts}",
        "down": "Risk fell from {was:.1%} to {now:.1%} since {since}: {parts}",
        "level": "Risk stayed at {now:.1%} since {since}: {parts}",
        "points": "Points moved by {change:+.1f} since {since}: {parts}",
        "behaviour": "behaviour",
        "rules": "rules",
        "model": "model",
        "data": "data corrected or late",
        "unknown": "the {what} of that run cannot be read any more; its part holds that of the data too",
        ", ": ", ",
        "; ": "; ",
        "why": " ({reasons})",
    },
    "zh": {
        "up": "自{since}以来风险由{was:.1%}升至{now:.1%}：{parts}",
        "down": "自{since}以来风险由{was:.1%}降至{now:.1%}：{parts}",
        "level": "自{since}以来风险保持在{now:.1%}：{parts}",
        "points": "自{since}以来得分变化{change:+.1f}：{parts}",
        "behaviour": "行为",
        "rules": "规则",
        "model": "模型",
        "data": "数据更正或迟到",
        "unknown": "该次运行的{what}已无法读取，其部分亦含数据更正",
        ", ": "，",
        "; ": "；",
        "why": "（{reasons}）",
    },
}
"""The words of a movement, in both languages; risk in points of percent."""


def movement_words(parts: Mapping[str, Any] | None, risk: float | None, reasons: list[str], lang: Lang = "en") -> list[str]:
    """Why a merchant moved, as lines for people.

    Parameters
    ----------
    parts : what `moved_parts` answers. risk : the risk now. reasons : what raises it, named beside behaviour where the risk rose.
    """
    words, lines = WORDS[lang], list[str]()
    if parts is None:
        return lines
    if parts["risk"] and risk is not None:
        change = parts["risk"]["change"]
        # the printed figures add up too: the largest part takes what rounding leaves
        shares = _rounded({name: 100 * parts["risk"][name] for name in PARTS}, round(100 * risk, 1) - round(100 * (risk - change), 1))
        why = words["why"].format(reasons=words["; "].join(reasons[:2])) if reasons and shares["behaviour"] > 0 else ""
        told = [f"{shares[name]:+.1f} {words[name]}{why * (name == 'behaviour')}" for name in PARTS if shares[name] or name != "rules"]
        way = "up" if change > 0 else "down" if change < 0 else "level"
        lines.append(words[way].format(was=risk - change, now=risk, since=parts["cutoff"], parts=words[", "].join(told)))
    if parts[POINTS] and parts[POINTS]["change"]:
        told = [f"{parts[POINTS][name]:+.1f} {words[name]}" for name in PARTS if parts[POINTS][name] or name != "model"]
        lines.append(words["points"].format(change=parts[POINTS]["change"], since=parts["cutoff"], parts=words[", "].join(told)))
    if lines and parts["unknown"]:
        lines.append(words["unknown"].format(what=words[", "].join(words[name] for name in parts["unknown"])))
    return lines


def _rounded(parts: dict[str, float], total: float) -> dict[str, float]:
    """The parts to a tenth, adding up to a total."""
    shown = {name: round(value, 1) for name, value in parts.items()}
    largest = max(parts, key=lambda name: abs(parts[name]))
    shown[largest] = round(shown[largest] + total - sum(shown.values()), 1)
    return {name: value + 0.0 for name, value in shown.items()}
