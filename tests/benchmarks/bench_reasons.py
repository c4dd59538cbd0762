"""Whether reasons hold: additive, the same for another seed, and without what they name the alarm would not ring.

    uv run python tests/benchmarks/bench_reasons.py CONFIG --cutoff 2011-09-01

Trains at the cutoff with several seeds and looks at the merchants above the alert line, the risk from which the churn warning of the
built-in rules fires. Additive: the largest difference between the sum of contributions and the log-odds. Stable: the mean Jaccard index
of the three groups told, between seeds. Neutralised: the share of merchants whose risk falls below the line when all features of the
groups named are set to the cohort's median (or most frequent category).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cutoffs import day_number
from features.declare import catalogue
from features.snapshot import Market
from features.trees import log_odds
from serving.reasons import reasons
from serving.reasons.groups import groups_of
from serving.rules import read_rules
from training import models
from training.backtest import today, trained

SEEDS = (0, 1000, 2000)
STABLE, FALLEN = 0.8, 0.7


@contextmanager
def seeded(more: int) -> Iterator[None]:
    """All seeds of the trees moved by so many."""
    before = {name: dict(chosen) for name, chosen in models.HEADS.items()}, dict(models.COMMON)
    try:
        for chosen in (*models.HEADS.values(), models.COMMON):
            if "seed" in chosen:
                chosen["seed"] += more
        yield
    finally:
        for name, chosen in before[0].items():
            models.HEADS[name].update(chosen)
        models.COMMON.update(before[1])


def alert_line() -> float:
    """The risk from which the churn warning of the built-in rules fires."""
    warning = next(one for one in read_rules(None).warnings if one.kind == "churn_risk")
    return float(next(one.value for one in warning.when if one.name == "churn_risk"))


def groups_told(model: Any, frame: pd.DataFrame, cutoff: Any) -> dict[str, frozenset[str]]:
    """The groups that each merchant is told."""
    told = reasons(model.contributions(frame), frame, cutoff=cutoff, currency="EUR")
    return {str(merchant): frozenset(rows["group"]) for merchant, rows in told.groupby("merchant_id")}


def neutralised(model: Any, frame: pd.DataFrame, cohort: pd.DataFrame, told: dict[str, frozenset[str]]) -> np.ndarray:
    """The risks (n,) with the groups told set to the cohort's middle."""
    group = groups_of([str(name) for name in frame.columns])
    changed = frame.copy()
    for name in frame:
        rows = np.array([group[str(name)] in told.get(str(merchant), ()) for merchant in frame.index])
        usual = cohort[name].median() if pd.api.types.is_numeric_dtype(cohort[name]) else cohort[name].mode().iloc[0]
        changed.loc[rows, name] = usual
    return np.asarray(model.scores(changed)["churn_risk"])


def main() -> None:
    """Measure, print, and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--cutoff", required=True)
    given = parser.parse_args()
    assert catalogue()
    market, day = Market.open(given.config), day_number(given.cutoff)
    cohort = today(market, day).cohort
    found = []
    for seed in SEEDS:
        with seeded(seed):
            found.append(trained(market, day)[0])
    line = alert_line()
    scores = found[0].scores(cohort)
    frame = cohort[scores["churn_risk"].to_numpy() >= line]
    apart = np.abs(found[0].contributions(frame).sum(axis=1).to_numpy() - log_odds(found[0].scores(frame)["churn_risk"].to_numpy())).max()
    told = [groups_told(model, frame, pd.Timestamp(given.cutoff).date()) for model in found]
    jaccard = np.mean([len(one[m] & other[m]) / len(one[m] | other[m]) for one, other in combinations(told, 2) for m in one.keys() & other.keys()])
    fallen = (neutralised(found[0], frame, cohort, told[0]) < line).mean()
    print(f"merchants above the line of {line:g}: {len(frame):,} of {len(cohort):,}")
    print(f"additive to {apart:.1e}   bar 1e-9: {'holds' if apart < 1e-9 else 'MISSED'}")
    print(f"same groups for another seed, Jaccard {jaccard:.3f}   bar {STABLE:g}: {'holds' if jaccard >= STABLE else 'MISSED'}")
    print(f"below the line without the groups named {fallen:.1%}   bar {FALLEN:.0%}: {'holds' if fallen >= FALLEN else 'MISSED'}")


if __name__ == "__main__":
    main()
