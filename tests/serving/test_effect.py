"""The effect of acting: the interval covers what was planted, whatever it was, as often as it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from serving.effect import Arms, Estimate, needed

REPEATS = 600


def market(rng: np.random.Generator, size: int, response: float) -> dict[str, np.ndarray]:
    """Merchants worth acting on: their risk as predicted, whether they leave and what they sell, left alone and acted on."""
    risk = rng.beta(4, 4, size)
    truth = 1 / (1 + np.exp(-(np.log(risk / (1 - risk)) * 0.9 + rng.normal(0, 0.3, size))))  # predictions are not perfect
    worth = rng.lognormal(7, 1.0, size)  # sales are heavy-tailed
    expected = worth * rng.lognormal(0, 0.3, size) * (1 - risk)
    leaves = rng.random(size) < truth
    saved = rng.random(size) < response
    sold = worth * rng.lognormal(-0.08, 0.4, size)
    known = np.column_stack([risk, expected])
    return {
        "known": known,
        "alone": leaves.astype(float),
        "acted": (leaves & ~saved).astype(float),
        "gmv_alone": np.where(leaves, 0, sold),
        "gmv_acted": np.where(leaves & ~saved, 0, sold),
    }


def measured(rng: np.random.Generator, made: dict[str, np.ndarray], share: float) -> tuple[Arms, Arms]:
    """Draw a holdout and look at what can be seen: one outcome a merchant."""
    held = rng.random(len(made["alone"])) < share
    chance = np.full(len(held), share)
    merchant = pd.Series(np.arange(len(held)))
    churn = Arms.of(np.where(held, made["alone"], made["acted"]), made["known"], held, chance, merchant)
    return churn, Arms.of(np.where(held, made["gmv_alone"], made["gmv_acted"]), made["known"], held, chance, merchant)


def covered(response: float, size: int, share: float, repeats: int, seed: int) -> dict[str, float]:
    """How often the intervals hold the truth, which is known for a market as large as one likes."""
    rng = np.random.default_rng(seed)
    whole = market(np.random.default_rng(1), 400_000, response)
    truth = {
        "churn": (whole["alone"] - whole["acted"]).mean(),
        "gmv": (whole["gmv_alone"] - whole["gmv_acted"]).mean(),
        "saved": 1 - whole["acted"].mean() / whole["alone"].mean(),
    }
    hits = dict.fromkeys(truth, 0)
    for _ in range(repeats):
        churn, gmv = measured(rng, market(rng, size, response), share)
        for name, found in (("churn", churn.difference()), ("gmv", gmv.difference()), ("saved", churn.saved())):
            hits[name] += found.low <= truth[name] <= found.high
    return {name: hit / repeats for name, hit in hits.items()}


@pytest.mark.parametrize(("response", "size", "share"), [(0.0, 1500, 0.2), (0.3, 1500, 0.2)])
def test_intervals_cover_the_truth_with_and_without_an_effect(response: float, size: int, share: float) -> None:
    for name, share_covered in covered(response, size, share, REPEATS, seed=5).items():
        assert 0.93 <= share_covered <= 0.97, name


@pytest.mark.slow
@pytest.mark.parametrize("response", [0.0, 0.3])
@pytest.mark.parametrize(("size", "share"), [(400, 0.2), (1500, 0.1), (6000, 0.1), (3000, 0.5)])
def test_intervals_cover_the_truth_over_many_repeats(response: float, size: int, share: float) -> None:
    for name, share_covered in covered(response, size, share, 2000, seed=11).items():
        assert 0.93 <= share_covered <= 0.97, name


def test_what_is_known_makes_the_interval_narrower() -> None:
    rng = np.random.default_rng(2)
    made = market(rng, 4000, 0.2)
    held = rng.random(4000) < 0.3
    outcome, chance, merchant = np.where(held, made["alone"], made["acted"]), np.full(4000, 0.3), pd.Series(np.arange(4000))
    with_risk = Arms.of(outcome, made["known"], held, chance, merchant).difference()
    plain = Arms.of(outcome, np.zeros((4000, 1)), held, chance, merchant).difference()
    assert with_risk.high - with_risk.low < 0.97 * (plain.high - plain.low)
    assert plain.value == pytest.approx(outcome[held].mean() - outcome[~held].mean())


def test_unequal_chances_to_be_left_alone_are_weighed() -> None:
    rng = np.random.default_rng(3)
    size = 60_000
    risk = rng.choice([0.2, 0.8], size)
    chance = np.where(risk > 0.5, 0.4, 0.1)  # the riskier were left alone more often
    held = rng.random(size) < chance
    leaves = (rng.random(size) < risk).astype(float)
    found = Arms.of(leaves, np.zeros((size, 1)), held, chance, pd.Series(np.arange(size))).difference()
    assert found.low < 0 < found.high
    assert leaves[held].mean() - leaves[~held].mean() > 0.1, "a plain difference would claim an effect"


def test_a_merchant_drawn_again_and_again_is_not_as_good_as_many() -> None:
    rng = np.random.default_rng(4)
    base, held = (rng.random(300) < 0.5).astype(float), rng.random(300) < 0.5
    once = Arms.of(base, np.zeros((300, 1)), held, np.full(300, 0.5), pd.Series(np.arange(300))).difference()
    four = [np.tile(one, 4) for one in (base, held, np.full(300, 0.5), np.arange(300))]
    again = Arms.of(four[0], np.zeros((1200, 1)), four[1].astype(bool), four[2], pd.Series(four[3])).difference()
    assert again.high - again.low == pytest.approx(once.high - once.low, rel=0.05)


def test_the_number_needed_notices_the_effect_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    size = round(needed(0.08, 0.49, 0.49, share=0.3, power=0.8))
    noticed = 0
    for _ in range(400):
        held = rng.random(size) < 0.3
        leaves = (rng.random(size) < np.where(held, 0.5, 0.42)).astype(float)
        noticed += Arms.of(leaves, np.zeros((size, 1)), held, np.full(size, 0.3), pd.Series(np.arange(size))).difference().low > 0
    assert 0.74 <= noticed / 400 <= 0.86


def test_an_estimate_is_clear_on_one_side_of_zero() -> None:
    assert Estimate(1, 0.1, 2).is_clear and Estimate(-1, -2, -0.1).is_clear and not Estimate(1, -0.1, 2).is_clear
    assert needed(0, 1, 1, 0.1, 0.8) == float("inf")
