"""How far a backtest's figures are from the best that the same members could show: what noise, and what hindsight, would make of them.

    uv run python tests/benchmarks/bench_floor.py CONFIG --cutoffs 2011-05-01,2011-06-01

For each figure: the mean over the cutoffs, its 95 % interval (merchants drawn again), and the same in hindsight. Hindsight knows the
answers: it weighs the members of the churn model anew at each cutoff to fit them (logistic regression on the very labels), sets the level
of risks and the total of sales right, and weighs the members of the value model by least squares on the very sales. What hindsight does
not reach, no weighing and no forecast of the season can; only features that tell more could. Members are also listed one by one.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from features.cutoffs import day_date, day_number
from features.model import Model
from features.snapshot import Market
from features.trees import Array, Encoding, log_odds, logistic
from training import metrics
from training.backtest import backtest
from training.evaluate import evaluate
from training.logistic import ridge, shift_to
from training.train import judgeable

RISK = {"auc": metrics.auc, "average_precision": metrics.average_precision, "brier": metrics.brier, "ece": metrics.ece}
MONEY = {"rmse": metrics.rmse, "wape": metrics.wape, "ngini": metrics.ngini}
MEMBERS = ("trees", "trees 2", "linear", "rhythm")


def hindsight_risk(members: Array, churned: Array) -> Array:
    """Chances (n,) by the members (n, k) weighed on the answers."""
    design = np.column_stack([np.ones(len(members)), members])
    return np.asarray(logistic(design @ ridge(design, churned, np.full(design.shape[1], 1e-3), np.zeros(design.shape[1]))))


def at_level(risk: Array, churned: Array) -> Array:
    """The risks (n,) with their level set right."""
    raw = log_odds(risk)
    return np.asarray(logistic(raw + shift_to(raw, float(churned.mean()))))


def money_parts(model: Model, frame: pd.DataFrame, risk: Array) -> dict[str, Array]:
    """What each member of the value model expects, (n,)."""
    encoded = Encoding(tuple(model.card["features"]), model.card["categories"]).rows(frame)
    rows = model.value.rows(frame, encoded, risk)
    return {
        name: model.value.level * model.value.sizes[name].of(rows.base) * one.ratio(rows) * rows.base
        for name, one in model.value.members.items()
    }


def hindsight_money(parts: dict[str, Array], value: Array) -> Array:
    """Expected sales (n,) by the members weighed on the answers: least squares, large merchants held to their share of attention."""
    columns = np.column_stack(list(parts.values()))
    middle = columns.mean(axis=1)
    attention = (middle + 0.1 * np.median(middle)) ** -0.75
    weights, _ = nnls(columns * attention[:, None], value * attention)
    return np.asarray(columns @ weights)


def judged(model: Model, rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """All figures of one cutoff, by the way in which they came about."""
    churned, value = rows["churned"].to_numpy(float), rows["value"].to_numpy(float)
    risk, sales = rows["churn_risk"].to_numpy(float), rows["expected_gmv"].to_numpy(float)
    members, parts = model.churn.members(rows, model.churn.encoding.rows(rows)), money_parts(model, rows, risk)
    risks = {"Keepwell": risk, "level known": at_level(risk, churned), "hindsight": hindsight_risk(members, churned)}
    risks |= {name: at_level(logistic(column), churned) for name, column in zip(MEMBERS, members.T, strict=False)}
    money = {"Keepwell": sales, "level known": sales * value.sum() / sales.sum(), "hindsight": hindsight_money(parts, value)}
    money |= {f"sales: {name}": part * value.sum() / max(part.sum(), 1e-9) for name, part in parts.items()}
    found: dict[str, dict[str, float]] = {}
    for how, chances in risks.items():
        found.setdefault(how, {}).update({name: one(churned, chances) for name, one in RISK.items()})
    for how, expected in money.items():
        found.setdefault(how, {}).update({name: one(value, expected) for name, one in MONEY.items()})
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--cutoffs", required=True)
    given = parser.parse_args()
    cutoffs = [day_number(pd.Timestamp(text)) for text in given.cutoffs.split(",")]
    market = Market.open(given.config, date.today())
    predictions, models = backtest(market, cutoffs)
    evaluation = evaluate(judgeable(predictions))
    frames = {cutoff: pd.DataFrame(predictions.xs(day_date(cutoff), level="cutoff")) for cutoff in cutoffs}
    tables = [pd.DataFrame(judged(models[cutoff], frame)).T for cutoff, frame in frames.items()]
    mean = pd.concat(tables).groupby(level=0, sort=False).mean()
    mean.loc["Keepwell", "ece"] = evaluation["mean"]["ece"]
    bounds = pd.DataFrame(evaluation["interval"]).reindex(columns=mean.columns)
    mean.loc["95 % from"], mean.loc["95 % to"] = bounds.loc["low"], bounds.loc["high"]
    order = ["Keepwell", "95 % from", "95 % to", "level known", "hindsight"]
    mean = mean.loc[[*order, *(name for name in mean.index if name not in order)]]
    print(mean.to_string(float_format=lambda number: f"{number:,.4f}" if abs(number) < 10 else f"{number:,.0f}", na_rep=""))
    print(f"ECE of a perfect model: {evaluation['mean']['ece_floor']:.4f}")


if __name__ == "__main__":
    main()
