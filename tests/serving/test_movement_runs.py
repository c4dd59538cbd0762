"""Why it moved, on real runs: another model, other rules, later days and rows that came late, all between two `keepwell score`."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.cutoffs import day_date
from features.simulate import simulate
from features.snapshot import Market
from serving.champion import load_bundle
from serving.movement import PARTS, POINTS
from serving.rules import parse_rules, read_rules, setting_values
from serving.run import Run, published, read_run
from serving.score import with_scores
from tests.conftest import typed
from training.backtest import trained
from training.bundle import promote_bundle, write_bundle

APART = 28
"""Days between the two runs."""
LATE = 15
"""So many merchants had orders that came late."""
STEP = '{ name = "active_days_90d", op = ">=", value = 3, points = 2,'


def champion(home: Path) -> None:
    """Train on what the market has by now, and serve that."""
    market = Market.open(home / "keepwell.toml")
    model, data = trained(market, market.source.end_day)
    state = market.settings.state_dir
    (state / "bundles").mkdir(parents=True, exist_ok=True)
    version = write_bundle(model, data.features.head(20).droplevel("cutoff"), state / "bundles")
    promote_bundle(state, version, None, "2026-01-01T00:00:00Z")


class Moved:
    """A market scored twice, and all that the parts should follow from."""

    def __init__(self, home: Path) -> None:
        simulate(home, merchants=160, seed=5, days=420, orders_per_merchant=50)
        self.home, whole = home, pd.read_parquet(home / "orders.parquet")
        end = Market.open(home / "keepwell.toml").source.end_day
        day = whole["completed_at"].dt.tz_localize(None)
        first = day_date(end - APART)
        busy = whole.loc[(day >= first - pd.Timedelta(days=20)) & (day < first), "merchant_id"].value_counts().index[:LATE]
        self.late = set(busy)
        came_late = whole["merchant_id"].isin(busy) & (day >= first - pd.Timedelta(days=20))
        whole[(day < first) & ~came_late].to_parquet(home / "orders.parquet", index=False)
        champion(home)
        assert typed("score", "keepwell.toml", "--cutoff", f"{first:%Y-%m-%d}", at=home).code == 0
        whole.to_parquet(home / "orders.parquet", index=False)
        champion(home)
        text = read_rules().text
        assert STEP in text
        (home / "rules.toml").write_text(text.replace(STEP, STEP.replace("points = 2", "points = 4")), encoding="utf-8")
        assert typed("score", "keepwell.toml", at=home).code == 0
        self.market = Market.open(home / "keepwell.toml")
        self.runs = [read_run(self.market.settings.state_dir, name) for name in published(self.market.settings.state_dir)]
        self.table = self.runs[1].table("movement").set_index("merchant_id")

        self.models = [load_bundle(self.market.settings.state_dir / "bundles" / run.model_version) for run in self.runs]
        self.laws = [parse_rules(run.rules_text) for run in self.runs]
        self.snapshots = [self.market.snapshot(run.cutoff) for run in self.runs]

    def numbers(self, snapshot: int, model: int, rules: int) -> pd.DataFrame:
        """Risk and points by today's rows, on the day of one run, with the model of one and the rules of one."""
        scored = with_scores(self.market, self.snapshots[snapshot], self.models[model])
        graded = self.laws[rules].apply(scored, setting_values(self.market.settings))
        return scored[["churn_risk"]].join(graded.table[[POINTS]]).reindex(self.table.index)


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    return Moved(tmp_path_factory.mktemp("moved") / "market")


def test_the_two_runs_differ_in_everything(moved: Moved) -> None:
    before, after = moved.runs
    assert after.header["movement"] == {"run_id": before.run_id, "cutoff": before.cutoff, "changed": ["model", "rules"], "unknown": []}
    assert before.model_version != after.model_version and before.header["rules_hash"] != after.header["rules_hash"]
    assert before.header["data_fingerprint"] != after.header["data_fingerprint"]


@pytest.mark.parametrize(("stem", "column"), [("risk", "churn_risk"), ("points", "points")])
def test_the_parts_add_up_to_what_was_published(moved: Moved, stem: str, column: str) -> None:
    """The change is that between the two published lists, of everybody who has the number in both; the parts are all of it."""
    change = moved.runs[1].merchants[column].reindex(moved.table.index) - moved.runs[0].merchants[column].reindex(moved.table.index)
    known = change.notna()
    assert known.sum() > 50 and moved.table[f"{stem}_change"].notna().equals(known)
    np.testing.assert_allclose(moved.table.loc[known, f"{stem}_change"], change[known].astype(float), atol=1e-9, rtol=0)
    total = sum(moved.table.loc[known, f"{stem}_{part}"] for part in PARTS)
    np.testing.assert_allclose(total, moved.table.loc[known, f"{stem}_change"], atol=1e-12, rtol=0)
    told = ("behaviour", "model", "data") if stem == "risk" else PARTS
    assert all(moved.table[f"{stem}_{part}"].abs().max() > 0 for part in told), "nothing was tested where a part is zero"
    assert stem == "points" or (moved.table.loc[known, "risk_rules"] == 0).all()


def test_late_rows_are_data_and_belong_to_those_they_came_for(moved: Moved) -> None:
    """What the first run would have said, had it known: asked of its own model and rules at its own day."""
    then = moved.numbers(0, 0, 0)
    was = moved.runs[0].merchants.reindex(moved.table.index)
    known = moved.table["risk_change"].notna()
    np.testing.assert_allclose(moved.table.loc[known, "risk_data"], (then["churn_risk"] - was["churn_risk"])[known], atol=1e-12, rtol=0)
    np.testing.assert_allclose(moved.table["points_data"], (then[POINTS] - was[POINTS]).round(1), atol=1e-9, rtol=0)
    size = moved.table["risk_data"].abs()
    late = moved.table.index.isin(moved.late)
    assert size[late].mean() > 5 * size[~late & known].mean(), "others move only as far as they are compared with those"


@pytest.mark.parametrize(("stem", "column", "digits"), [("risk", "churn_risk", 9), ("points", POINTS, 1)])
def test_each_part_is_its_average_over_all_orders(moved: Moved, stem: str, column: str, digits: int) -> None:
    """Counted out one by one: behaviour, model and rules change in each of the six orders they can."""
    players = ("behaviour", "model", "rules")
    value = {
        frozenset(new): moved.numbers(*(int(name in new) for name in players))[column].astype(float)
        for size in range(4)
        for new in permutations(players, size)
    }
    for player in players:
        steps: list[pd.Series] = []
        for order in permutations(players):
            before = frozenset(order[: order.index(player)])
            steps.append(value[before | {player}] - value[before])
        expected = pd.concat(steps, axis=1).mean(axis=1, skipna=False)
        known = moved.table[f"{stem}_change"].notna()
        np.testing.assert_allclose(moved.table.loc[known, f"{stem}_{player}"], expected[known], atol=1.0001 * 10.0**-digits, rtol=0)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_people_are_told_adds_up(moved: Moved, lang: str) -> None:
    line = {"en": r"Risk (?:rose|fell) from ([\d.]+)% to ([\d.]+)% since \S+: (.*)", "zh": r"风险由([\d.]+)%[升降]至([\d.]+)%：(.*)"}[lang]
    known = moved.table["risk_change"].abs().nlargest(5).index
    for merchant in known:
        said = typed("explain", merchant, "--lang", lang, at=moved.home)
        found = next(filter(None, (re.search(line, one) for one in said.out.splitlines())), None)
        assert found, said.out
        was, now, parts = float(found[1]), float(found[2]), found[3]
        figures = [float(one) for one in re.findall(r"([+-]\d+\.\d) ?(?:behaviour|rules|model|data|行为|规则|模型|数据)", parts)]
        assert len(figures) >= 2 and sum(figures) == pytest.approx(now - was, abs=0.01), said.out


def test_the_first_run_has_nothing_to_compare_with(moved: Moved) -> None:
    first: Run = moved.runs[0]
    assert "movement.parquet" not in first.files
    said: Any = typed("explain", str(first.merchants.index[0]), "--json", at=moved.home)
    assert said.code == 0
