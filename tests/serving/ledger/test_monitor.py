"""`keepwell monitor`: what it finds in a market whose truth is known."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_nightly import stage

from features.cutoffs import day_date
from features.overview import longest_pause
from features.simulate import simulate
from features.snapshot import Market
from serving.ledger import Ledger
from serving.matured import Matured, calibration_error, matured, ranking
from serving.monitor import Finding, freshness, monitored, worst
from serving.nightly import run_once
from serving.run import current_run


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Any:
    """The command line, as at the top of the tests."""
    return request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py")).typed  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated market scored 150, 120 and 0 days before its end."""
    home = tmp_path_factory.mktemp("monitored") / "market"
    simulate(home, merchants=250, seed=5, days=420, orders_per_merchant=40)
    market = Market.open(home / "keepwell.toml")
    _, champion, rules = stage()
    ledger = Ledger.open(market.settings)
    for ago in (150, 120, 0):
        run_once(market, market.source.end_day - ago, champion, rules, ledger, state_dir=market.settings.state_dir, created_at="t")
    ledger.close()
    return home


@pytest.fixture(scope="module")
def open_market(home: Path) -> Any:
    market = Market.open(home / "keepwell.toml")
    ledger = Ledger.open(market.settings)
    yield SimpleNamespace(market=market, ledger=ledger, run=current_run(market.settings.state_dir))
    ledger.close()


def test_only_runs_whose_horizon_has_passed_are_judged_and_by_what_happened(open_market: Any) -> None:
    market, found = open_market.market, matured(open_market.ledger, open_market.market)
    assert [one.cutoff for one in found] == [f"{day_date(market.source.end_day - ago):%Y-%m-%d}" for ago in (150, 120)]
    one = found[0]
    start = market.source.end_day - 150
    sold = market.source.connection.execute(
        f"SELECT DISTINCT merchant FROM stream_orders WHERE day >= {start} AND day < {start + market.settings.churn.horizon_days}"
    ).fetchnumpy()["merchant"]
    ids = set(market.held.ids[sold])
    told = open_market.ledger.table("scores")
    cohort = told[(told["run_no"] == 1) & told["churn_risk"].notna()]
    assert one.merchants == len(cohort)
    assert one.happened == pytest.approx(np.mean([merchant not in ids for merchant in cohort["merchant_id"]]))
    assert one.told == pytest.approx(cohort["churn_risk"].mean())
    assert one.low < one.told < one.high


def test_a_model_that_knew_the_outcome_is_not_praised_for_it(home: Path, open_market: Any, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home, tmp_path / "market"))
    market = Market.open(copy / "keepwell.toml")
    version = open_market.run.model_version
    card = market.settings.state_dir / "bundles" / version / "card.json"
    card.parent.mkdir(parents=True)
    for day, left in ((market.source.end_day, 0), (market.source.end_day - 130, 1), (market.source.end_day - 150, 2)):
        card.write_text(json.dumps({"as_of": f"{day_date(day):%Y-%m-%d}"}))
        assert len(matured(open_market.ledger, market)) == left


@pytest.mark.parametrize(("late", "level"), [(0, "ok"), (2, "ok"), (4, "warn"), (40, "alarm")])
def test_data_that_stopped_coming_is_noticed(open_market: Any, late: int, level: str) -> None:
    market = open_market.market
    pause = longest_pause(market.source)
    today = date.fromisoformat(f"{day_date(market.source.end_day):%Y-%m-%d}") + timedelta(days=pause + late)
    data = freshness(market, today)[0]
    assert (data.what, data.level) == ("data", level)
    assert (data.level == "ok") != data.words.endswith("bring the event tables up to date")


def test_a_table_that_ran_dry_is_named(open_market: Any, home: Path, tmp_path: Path) -> None:
    assert {one.level for one in freshness(open_market.market, date(2025, 1, 1))[1:]} <= {"ok", "warn"}
    copy = Path(shutil.copytree(home, tmp_path / "market"))
    market = Market.open(copy / "keepwell.toml")
    market.source.connection.execute(f"DELETE FROM stream_logins WHERE day >= {market.source.end_day - 7}")
    found = {one.what: one for one in freshness(market, date(2025, 1, 1))}
    assert found["table logins"].level == "alarm"
    assert "see whether its feed has stopped" in found["table logins"].words


def test_ranking_and_calibration_are_those_of_the_field() -> None:
    rng = np.random.default_rng(0)
    risk = rng.random(4000)
    left = (rng.random(4000) < risk).astype(float)
    from sklearn.metrics import roc_auc_score

    assert ranking(left, risk) == pytest.approx(roc_auc_score(left, risk))
    assert calibration_error(left, risk) < 0.03 < calibration_error(left, np.clip(risk + 0.1, 0, 1))
    assert ranking(np.zeros(3), np.arange(3.0)) is None


@pytest.mark.parametrize(("happened", "level"), [(0.30, "ok"), (0.324, "warn"), (0.35, "alarm")])
def test_a_difference_beyond_noise_is_called_one(happened: float, level: str) -> None:
    one = Matured("r", "2025-01-01", "m", 2000, 0.30, happened, 0.28, 0.32, 0.8, 0.1, 0.02, 100.0, 90.0)
    assert one.level == level


def test_the_run_says_when_it_is_behind_and_when_its_model_says_nothing_of_drift(open_market: Any, home: Path) -> None:
    found = {one.what: one for one in monitored(open_market.market, open_market.run, [], date(2025, 1, 1))}
    assert found["run"].level == "ok"
    assert found["drift"].level == "warn"  # the stand-in of a model has seen nothing
    assert "no run of a model trained before it" in found["calibration"].words
    assert worst([Finding("a", "ok", ""), Finding("b", "alarm", ""), Finding("c", "warn", "")]) == "alarm"


def test_the_command_speaks_to_people_and_machines_and_can_fail_a_schedule(run: Any, home: Path) -> None:
    said = run("monitor", at=home)
    assert said.code == 0, said.err
    assert "calibration" in said.out and "Runs whose horizon has passed" in said.out
    facts = json.loads(run("monitor", "--json", at=home).out)
    assert facts["level"] == "alarm"  # the made-up market's last order is long ago
    assert len(facts["matured"]) == 2
    strict = run("monitor", "--strict", at=home)
    assert strict.code == 4
    assert "alarm" in strict.err
