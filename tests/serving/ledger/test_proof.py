"""The proof that acting helps: honest while little is known, right on simulated markets with a planted response and with none."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.cutoffs import day_date
from serving.holdout import HOLD, drawn, held, strata
from serving.ledger import Entry, Ledger
from serving.ledger.acts import Disposition, record
from serving.outcomes import settled
from serving.proof import Proof, joined, measured_rates, proof
from serving.proving import facts, proven, settle, told
from tests.serving.ledger.planted_effect import TAKE, Planted, coverage, planted_in, replayed, truths

DAY = "datetime64[s]"
NOTHING = pd.DataFrame({"merchant_id": [], "done_on": pd.Series([], dtype=DAY), "outcome": [], "cost": [], "kind": []})


# --- the draw


def eligible(size: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = {
        "tier": rng.choice(["A", "B", "C"], size, p=[0.1, 0.3, 0.6]),
        "churn_risk": rng.beta(3, 3, size),
        "expected_gmv": rng.lognormal(7, 1, size),
        "gmv_before": rng.lognormal(7, 1, size),
        "action": rng.choice(["call", "visit"], size),
        "action_save_rate": 0.2,
        "action_cost": 15.0,
    }
    return pd.DataFrame(table, index=pd.Index([f"m{row:05d}" for row in range(size)], name="merchant_id"))


def test_the_share_is_the_same_in_every_tier_and_third_of_the_risk() -> None:
    table = drawn(eligible(3000), 0.1, "seed", date(2026, 1, 1), 90)
    by = table.assign(is_held=table["arm"] == HOLD).groupby("stratum")["is_held"].agg(["sum", "size"])
    assert len(by) == 9 and ((by["sum"] - 0.1 * by["size"]).abs() <= 1.0).all()
    assert (table["propensity"] == 0.1).all()
    assert (table["until"] - table["decided_on"] == pd.Timedelta(days=90)).all()


def test_each_is_left_alone_with_exactly_the_chance_that_is_noted_even_if_it_is_the_only_one() -> None:
    times = np.mean([held(np.array(["a", "b", "b"], dtype=object), 0.3, seed) for seed in range(4000)], axis=0)
    assert np.allclose(times, 0.3, atol=0.03)


def test_the_draw_follows_from_its_seed_and_the_day_alone() -> None:
    table = eligible(500)
    first = drawn(table, 0.2, "seed", date(2026, 1, 1), 90)
    pd.testing.assert_frame_equal(first, drawn(table.sample(frac=1, random_state=1), 0.2, "seed", date(2026, 1, 1), 90))
    assert not first["arm"].equals(drawn(table, 0.2, "seed", date(2026, 1, 2), 90)["arm"])
    assert not first["arm"].equals(drawn(table, 0.2, "other", date(2026, 1, 1), 90)["arm"])


def test_nobody_is_drawn_for_a_share_of_zero() -> None:
    assert drawn(eligible(5), 0.0, "seed", date(2026, 1, 1), 90).empty
    assert strata(eligible(1)).tolist() == ["C.low"] or len(strata(eligible(1))) == 1


# --- what is said


def decided(size: int = 2000, share: float = 0.3, response: float = 0.0, seed: int = 0, acted_on: float = 1.0) -> tuple[Any, Any, Any]:
    """Decisions, their outcomes and the dispositions."""
    rng = np.random.default_rng(seed)
    table = drawn(eligible(size, seed), share, f"s{seed}", date(2026, 1, 1), 90).assign(decision_no=np.arange(size))
    done = (table["arm"] != HOLD) & (rng.random(size) < acted_on)
    leaves = rng.random(size) < table["churn_risk"]
    churned = leaves & ~(done & (rng.random(size) < response))
    outcomes = pd.DataFrame(
        {
            "merchant_id": table["merchant_id"],
            "since": table["decided_on"],
            "settled_on": table["until"],
            "churned": churned,
            "silent_on": table["until"],
            "gmv": np.where(churned, 0, table["gmv_before"]),
        }
    )
    deeds = table.loc[done, ["merchant_id"]].assign(done_on=pd.Timestamp("2026-01-05"), outcome="resolved", cost=np.nan, kind=None)
    return table, outcomes, deeds


def of(**given: Any) -> tuple[pd.DataFrame, Proof]:
    table = joined(*decided(**given))
    return table, proof(table, take_rate=TAKE)


def test_a_planted_response_is_found_and_replaces_the_assumed_save_rate() -> None:
    table, found = of(size=4000, response=0.3)
    assert found.verdict == "helps" and found.saved_rate and found.kept
    assert found.saved_rate.low <= 0.3 <= found.saved_rate.high and found.kept.low <= 0.15 <= found.kept.high
    rates = measured_rates(table, found, take_rate=TAKE).set_index("action")
    assert rates.loc["any", "save_rate"] == found.saved_rate.value
    assert (rates["low"] <= 0.3).all() and (rates["high"] >= 0.3).all()


def test_no_response_is_not_found() -> None:
    table, found = of(size=6000, response=0.0)
    assert found.verdict == "no effect" and found.kept and found.kept.low < 0 < found.kept.high
    assert measured_rates(table, found, take_rate=TAKE).set_index("action").loc["any", "save_rate"] < 0.1


def test_it_cannot_tell_while_too_few_are_known_and_says_how_many_more() -> None:
    _, found = of(size=150, response=0.3)
    assert found.verdict == "cannot tell yet" and found.still_needed and found.needed
    assert found.still_needed == int(np.ceil(found.needed)) - 150 > 0
    assert measured_rates(*of(size=150, response=0.3), take_rate=TAKE).empty, "an assumption is replaced by knowledge only"


def test_before_any_outcome_the_need_is_told_from_the_predicted_risks() -> None:
    decisions, outcomes, deeds = decided(size=500)
    found = proof(joined(decisions, outcomes.iloc[:0], deeds), take_rate=TAKE)
    assert (found.matured, found.waiting, found.verdict) == (0, 500, "cannot tell yet")
    assert found.kept is None and 300 < (found.still_needed or 0) < 3000


def test_a_save_rate_is_that_of_acting_though_only_half_were_reached() -> None:
    _, found = of(size=20_000, response=0.4, acted_on=0.5)
    assert found.acted_on == pytest.approx(0.5, abs=0.02)
    assert found.kept and found.kept.value == pytest.approx(0.1, abs=0.02), "of all that were to be acted on"
    assert found.saved_rate and found.saved_rate.low <= 0.4 <= found.saved_rate.high


def test_nothing_was_done_nothing_is_proved() -> None:
    _, found = of(size=3000, acted_on=0.0)
    assert found.verdict == "cannot tell yet" and found.still_needed is None
    assert (found.kept, found.gmv, found.saved, found.net, found.saved_rate) == (None,) * 5, "no deed, no money saved"


def test_money_is_the_effect_on_sales_times_the_take_rate_less_what_was_spent() -> None:
    decisions, outcomes, deeds = decided(size=4000, response=0.3)
    deeds = deeds.assign(cost=2.0)
    found = proof(joined(decisions, outcomes, deeds), take_rate=TAKE)
    assert found.spent == 2.0 * len(deeds) and found.gmv and found.saved and found.net
    assert found.saved.value == pytest.approx(found.gmv.value * TAKE * found.acted)
    assert found.net.value == pytest.approx(found.saved.value - found.spent)
    assert found.gmv.low <= found.gmv.value <= found.gmv.high and found.gmv.low > 0


def test_a_cost_that_was_not_noted_is_that_of_the_play() -> None:
    decisions, outcomes, deeds = decided(size=100)
    assert (joined(decisions, outcomes, deeds).query("was_acted_on")["spent"] == 15.0).all()


def test_deeds_count_from_the_decision_to_its_end_and_a_wrong_alarm_is_none() -> None:
    decisions, outcomes, deeds = decided(size=100)
    late = deeds.assign(done_on=pd.Timestamp("2026-06-01"))
    assert not joined(decisions, outcomes, late)["was_acted_on"].any()
    assert not joined(decisions, outcomes, deeds.assign(outcome="wrong alarm"))["was_acted_on"].any()


def test_a_business_that_closed_is_counted_apart_and_stays_in_the_comparison() -> None:
    decisions, outcomes, deeds = decided(size=2000)
    found = proof(joined(decisions, outcomes, deeds.assign(outcome="business closed")), take_rate=TAKE)
    assert found.closed_businesses == len(deeds) and found.acted == len(deeds)


# --- on a simulated market


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A simulated market with decisions of two days."""
    return planted_in(tmp_path_factory.mktemp("planted") / "market")


def test_on_a_simulated_market_the_effect_covers_the_planted_one(planted: Planted) -> None:
    assert truths(planted)["kept"] > 0.03
    found = coverage(planted, 30, response=True)
    assert found["kept"] >= 0.86 and found["gmv"] >= 0.86


def test_on_a_simulated_market_without_a_response_none_is_claimed(planted: Planted) -> None:
    found = coverage(planted, 50, response=False)
    assert found["kept"] >= 0.88 and found["gmv"] >= 0.88 and found["claims"] <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("response", [True, False])
def test_intervals_keep_their_promise_over_many_repeats(planted: Planted, response: bool) -> None:
    found = coverage(planted, 200, response)
    assert 0.93 <= found["kept"] <= 0.97 and 0.93 <= found["gmv"] <= 0.98
    assert response or found["claims"] <= 0.05


# --- through the ledger


def test_the_proof_through_the_ledger(planted: Planted, ledger: Ledger) -> None:
    market, *_ = planted
    decisions, _, deeds = replayed(planted, 1, response=False)
    first = decisions[decisions["decided_on"] == decisions["decided_on"].min()]
    day = first["decided_on"].iloc[0]
    header = {"run_id": "r", "cutoff": f"{day:%Y-%m-%d}", "model_version": "m", "rules_hash": "r", "created_at": "t"}
    ledger.commit_run(Entry(header, pd.DataFrame(index=pd.Index([], name="merchant_id")), drawn=first.drop(columns="decision_no")))
    with ledger.writing() as connection:
        for number, one in enumerate(deeds[deeds["done_on"] == day].itertuples()):
            record(connection, Disposition(f"k{number}", one.merchant_id, one.done_on.date(), "resolved"), "t")
    done = proven(ledger, market, "t")
    assert done.effect.matured == len(first) and done.effect.acted_on == 1.0
    assert settle(ledger, market) == 0, "an outcome is settled once"
    assert facts(done)["matured"] == len(first) and facts(done)["as_of"] == f"{day_date(market.source.end_day):%Y-%m-%d}"
    text = "\n".join(told(done, "EUR"))
    assert "Cannot tell yet" in text and "more are needed" in text


def test_outcomes_are_known_only_when_the_horizon_has_passed(planted: Planted) -> None:
    market, table, _ = planted
    early = table[["merchant_id"]].assign(since=day_date(market.source.end_day - 89).as_unit("s"))
    assert settled(market, early).empty


def test_outcomes_are_those_of_the_orders_themselves(planted: Planted) -> None:
    market, _, alone = planted
    orders = pd.read_parquet(market.settings.home / "orders.parquet")
    day, known = (orders[name].dt.tz_localize(None).dt.normalize() for name in ("ordered_at", "completed_at"))
    for one in alone.sample(25, random_state=1).itertuples():
        end = one.since + pd.Timedelta(days=90)
        mine = orders[(orders["merchant_id"] == one.merchant_id) & (day >= one.since) & (day < end) & ~(known >= end)]
        assert one.churned == mine.empty
        assert one.gmv == pytest.approx(mine["amount"].sum(), rel=1e-5)
