"""Runs over the past: on the nightly path, from what was known then, and measured as anybody would count by hand."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import keepwell
from features.cutoffs import day_date, day_number
from features.errors import DataRefused, UsageRefused
from features.simulate import simulate
from features.snapshot import Market
from serving.replay import Past, Replayed, replay
from serving.replay_commands import left
from serving.replay_report import by_chance, caught, measured, repeats, stayers, steadiness
from serving.replay_text import told
from serving.rules import read_rules
from training.replayed import Retrained, replayed_days, step_of, training_days

RULES = read_rules()
FIRST, LAST = "2024-09-25", "2024-12-25"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A small made-up market of one year."""
    return Market.open(simulate(tmp_path_factory.mktemp("market") / "market", 300, seed=5, days=366))


@pytest.fixture(scope="module")
def days(market: Market) -> list[int]:
    return replayed_days(market, day_number(FIRST), day_number(LAST), 7)


@pytest.fixture(scope="module")
def models(market: Market, days: list[int]) -> dict[int, Any]:
    """The model of each day, trained once for all tests."""
    model_of = Retrained(market, training_days(days, "once"))
    return {day: model_of(day) for day in days}


@pytest.fixture(scope="module")
def done(market: Market, days: list[int], models: dict[int, Any], tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return replay(market, days, models.__getitem__, RULES, tmp_path_factory.mktemp("replay"), "2026-01-01T00:00")


def test_each_run_is_that_of_its_day(market: Market, done: Replayed, days: list[int]) -> None:
    assert [day_number(day) for day in done.weeks["cutoff"]] == days
    assert set(pd.to_datetime(done.warnings["opened_on"]).map(day_number)) <= set(days)
    assert done.weeks["merchants"].is_monotonic_increasing
    known = market.snapshot(days[3]).index
    assert done.weeks["merchants"][3] == len(known) == (done.scores["cutoff"] == day_date(days[3])).sum()


def test_what_comes_later_changes_nothing_before(market: Market, done: Replayed, days: list[int], models: dict[int, Any], tmp_path: Path) -> None:
    """A replay that ends earlier says the same of the weeks that it has."""
    short = replay(market, days[:5], models.__getitem__, RULES, tmp_path, "2026-01-01T00:00")
    asked = ["merchant_id", "kind", "opened_on", "value", "churn_risk", "gmv_before"]
    early = done.warnings[done.warnings["opened_on"] <= day_date(days[4])]
    pd.testing.assert_frame_equal(short.warnings[asked], early[asked])


def test_snapshots_several_days_at_once_are_those_of_each_day(market: Market, days: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.replay.AT_ONCE", 3 * len(market.merchants))
    past = Past(market, days)
    for day in days[:5]:
        pd.testing.assert_frame_equal(past.snapshot(day_date(day).date()), market.snapshot(day))


def test_nothing_is_left_in_the_real_state(market: Market, done: Replayed) -> None:
    assert not (market.settings.state_dir / "runs").exists()
    assert not (market.settings.state_dir / "ledger.db").exists()


def test_lost_merchants_are_those_silent_for_longer_than_active_days(market: Market, done: Replayed, days: list[int]) -> None:
    active = market.settings.churn.active_days
    assert len(done.lost) > 10
    for merchant, silent_on in done.lost.head(5).itertuples(index=False):
        found = market.snapshot(days[-1], [merchant])["days_since_last_order"].iloc[0]
        assert day_date(days[-1]) - pd.Timedelta(days=int(found) - 1) >= silent_on
        assert silent_on <= day_date(days[-1]) - pd.Timedelta(days=active)


def test_the_figures_of_a_replay(done: Replayed, market: Market) -> None:
    facts = measured(done, RULES, market.settings)
    json.dumps(facts, allow_nan=False)
    fired = {row["kind"]: row for row in facts["kinds"]}
    assert fired["all"]["fired"] == len(done.warnings) == sum(row["fired"] for kind, row in fired.items() if kind != "all")
    assert sum(sum(week["fired"].values()) for week in facts["weeks"]) == len(done.warnings)
    assert facts["runs"] == len(facts["weeks"]) == len(done.weeks)
    assert facts["repeats_in_cooldown"] == 0
    assert facts["tiers"]["median_a_quarter"] <= 1
    assert facts["capacity"]["most_per_owner_and_run"] is None or facts["capacity"]["owners"] > 0


# --- counted by hand


def warned(*rows: tuple[str, str, str, str | None]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["merchant_id", "kind", "opened_on", "closed_on"])
    days = {name: pd.to_datetime(table[name]).astype("datetime64[s]") for name in ("opened_on", "closed_on")}
    return table.assign(**days, owner=None, is_held_out=False)


def silent(*rows: tuple[str, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["merchant_id", "silent_on"])
    return table.assign(silent_on=pd.to_datetime(table["silent_on"]).astype("datetime64[s]"), tier="A")


def replayed(warnings: pd.DataFrame) -> Replayed:
    nothing = pd.DataFrame()
    return Replayed(nothing, warnings, nothing, nothing, nothing, nothing)


def test_what_a_replay_cannot_know_is_said_and_not_left_blank(done: Replayed, market: Market) -> None:
    facts = measured(done, RULES, market.settings)
    assert any(line.startswith("Tier changes of a merchant: ") for line in told(facts))
    for group in facts["lost"]["warned"]:
        group["alarms"]["churn_warnings"] |= {"stayers": None, "leavers": None, "leavers_soon": None}
    facts |= {"runs": 1, "models": 1}
    lines = told(facts)
    assert " ".join(lines).startswith("1 run from ") and "with 1 model, " in lines[0]
    assert "Tier changes show from the second run on." in lines
    assert "Whom the warnings found is not known yet: the horizon of none of these runs has ended." in lines
    assert lines[-1].startswith("Worth acting on: ") and not [line for line in lines if "  " in line or ": of " in line]


def test_who_was_warned_before_it_fell_silent(market: Market) -> None:
    warnings = warned(
        ("early", "churn_risk", "2024-05-01", None),
        ("late", "churn_risk", "2024-06-20", None),
        ("past", "churn_risk", "2024-01-01", "2024-02-01"),
        ("other", "no_first_order", "2024-05-20", None),
    )
    lost = silent(*((name, "2024-06-01") for name in ("early", "late", "past", "other")))
    found = caught(replayed(warnings), lost, silent(("early", "2024-06-02"), ("calm", "2024-06-02")), RULES, market.settings, "all")
    assert found["lost"] == 4
    assert found["churn_risk"]["warned"] == 0.25  # only `early`: a warning long closed is no warning
    assert found["churn_risk"]["days_ahead"] == 31
    assert found["churn_risk"]["in_silence"] == 0.5  # `late` was warned of when it was silent but not yet lost
    assert found["any"]["warned"] == 0.5
    assert found["churn_risk"]["stayers"] == 0.5


def test_a_stayer_is_not_one_who_leaves_within_the_horizon() -> None:
    sample = pd.DataFrame({"merchant_id": ["a", "b", "c"], "since": pd.Timestamp("2024-01-01"), "churned": [False, False, True], "tier": "A"})
    assert stayers(sample, silent(("a", "2024-02-01"), ("b", "2024-09-01")), 90)["merchant_id"].tolist() == ["b"]


def test_a_kind_that_fires_inside_its_cool_down_is_counted() -> None:
    again = warned(("a", "silent", "2024-01-01", "2024-02-01"), ("a", "silent", "2024-02-10", None), ("b", "silent", "2024-02-10", None))
    assert repeats(again, {"silent": 14}) == 1
    assert repeats(again, {"silent": 9}) == 0
    assert repeats(warned(("a", "silent", "2024-01-01", None), ("a", "silent", "2024-03-10", None)), {"silent": 1}) == 1


def test_tier_changes_and_flaps() -> None:
    days = pd.date_range("2024-01-03", periods=4, freq="28D")
    tiers = {"flaps": "ABAA", "moves": "ABBB", "stays": "CCCC"}
    scores = pd.concat([pd.DataFrame({"merchant_id": name, "tier": list(path), "cutoff": days}) for name, path in tiers.items()])
    found = steadiness(scores)
    assert (found["changes"], found["flaps"]) == (3, 1)
    assert found["median_a_year"] == 1
    assert found["mean_a_year"] == 1


def test_a_blind_guess_is_right_as_often_as_merchants_leave_or_decline() -> None:
    sample = pd.DataFrame({"churned": [True, False, False, False], "gmv": [0.0, 4.0, 6.0, 9.0], "gmv_before": 10.0})
    assert by_chance(sample) == {"merchants": 4, "precision": 0.5, "precision_churn": 0.25}


# --- which days and which models


def test_a_model_is_never_from_after_its_day() -> None:
    days = [day_number("2024-01-31") + 7 * week for week in range(10)]
    monthly = training_days(days, "month")
    assert [day_date(day).month for day in dict.fromkeys(monthly.values())] == [1, 2, 3, 4]
    for retrain in ("month", "once", "28d"):
        chosen = training_days(days, retrain)
        assert all(on <= day and on in days for day, on in chosen.items())
    assert set(training_days(days, "once").values()) == {days[0]}


def test_days_that_cannot_be_replayed_are_refused(market: Market) -> None:
    with pytest.raises(UsageRefused, match="when the first model could be trained"):
        replayed_days(market, day_number("2024-01-10"), None, 7)
    with pytest.raises(UsageRefused, match="--from 2024-12-25 lies after --to 2024-12-11"):
        replayed_days(market, day_number("2024-12-25"), day_number("2024-12-11"), 7)
    with pytest.raises(UsageRefused, match="give --from and --to between"):
        replayed_days(market, None, market.source.end_day + 1, 7)
    for wrong in ("7", "week", "0d"):
        with pytest.raises(UsageRefused, match="write it as 7d"):
            step_of(wrong, "--every")


def test_a_refused_training_keeps_the_model_before_and_is_told(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.replayed.cohort_snapshots", lambda *_: None)
    asked: list[int] = []

    def trained(_: Market, on: int, __: Any) -> tuple[str, None]:
        asked.append(on)
        if len(asked) != 2:
            raise DataRefused("nobody left.")
        return f"model {on}", None

    monkeypatch.setattr("training.replayed.trained", trained)
    first = day_number("2024-10-02")
    models = Retrained(market, training_days([first, first + 28, first + 35, first + 56], "28d"))
    found = [models(day) for day in (first, first + 28, first + 35, first + 56)]
    assert found[0] is None
    assert [one[0] for one in found[1:] if one] == [f"model {first + 28}"] * 3
    assert asked == [first, first + 28, first + 56]
    assert len(models.notes) == 2
    assert "nobody left" in models.notes[0]


def test_no_model_at_all_is_refused(market: Market, days: list[int], tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="no model could be trained for any of these days"):
        replay(market, days, lambda day: None, RULES, tmp_path, "now")


def test_a_file_that_is_no_truth_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"merchant_id": ["a"]}).to_parquet(tmp_path / "orders.parquet")
    for name in ("orders.parquet", "missing.parquet"):
        with pytest.raises(DataRefused, match="as the truth of a made-up market"):
            left(tmp_path / name)


def test_the_command_prints_and_writes(market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, out = market.settings.home, tmp_path / "out"
    given: dict[str, Any] = {"first": "2024-12-11", "last": "2024-12-25", "retrain": "once", "out": out, "truth": home / "truth.parquet"}
    keepwell.replay(home / "keepwell.toml", **given)
    shown = capsys.readouterr().out
    assert "3 runs from 2024-12-11 to 2024-12-25 with 1 model, " in shown
    assert "Kinds that fired again within their cool-down: 0." in shown
    facts = json.loads((out / "replay.json").read_text("utf-8"))
    assert facts["lost"]["planted"] is True
    weeks = pd.read_csv(out / "weeks.csv")
    assert weeks["cutoff"].tolist() == ["2024-12-11", "2024-12-18", "2024-12-25"]
    assert len(pd.read_parquet(out / "warnings.parquet")) == next(row["fired"] for row in facts["kinds"] if row["kind"] == "all")
    assert date.fromisoformat(facts["last"]) == date(2024, 12, 25)
    assert np.isfinite(facts["capacity"]["listed_a_run"])
