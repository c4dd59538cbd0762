"""Fitting buy till you die: planted parameters are found, whatever the unit, and quickly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.btyd import BgNbd, GammaGamma, History, ParetoNbd
from tests.features.test_btyd import BG, PARETO, SPEND, lives
from training.btyd import fit_bg_nbd, fit_gamma_gamma, fit_pareto_nbd, likelier

MERCHANTS = 5_000


def spends(model: GammaGamma, merchants: int = MERCHANTS) -> History:
    rng = np.random.default_rng(5)
    days = rng.integers(1, 12, merchants).astype(float)
    rate = rng.gamma(model.q, 1 / model.gamma, merchants)
    return History(days, days, days, days, rng.gamma(model.p * days, 1 / rate) / days)


@pytest.mark.parametrize(("fit", "truth"), [(fit_bg_nbd, BG), (fit_pareto_nbd, PARETO)])
def test_planted_parameters_are_found(fit, truth):
    seen, _ = lives(truth, MERCHANTS, age=39, horizon=20)
    model = fit(seen)
    assert model.log_likelihood(seen).sum() >= truth.log_likelihood(seen).sum()
    assert model.r == pytest.approx(truth.r, rel=0.15)
    assert model.expected(seen, 20).mean() == pytest.approx(truth.expected(seen, 20).mean(), rel=0.06)


def test_planted_spend_is_found():
    seen = spends(SPEND)
    model = fit_gamma_gamma(seen)
    assert (model.p, model.q) == pytest.approx((SPEND.p, SPEND.q), rel=0.12)
    assert model.p * model.gamma / (model.q - 1) == pytest.approx(35.22, rel=0.03)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_does_not_matter(unit):
    seen, _ = lives(BG, 1_000, age=39, horizon=20)
    other = replace(seen, last=seen.last * unit, age=seen.age * unit)
    for fit in (fit_bg_nbd, fit_pareto_nbd):
        assert fit(other).silent(other, 20 * unit) == pytest.approx(fit(seen).silent(seen, 20), rel=1e-4)
    money = spends(SPEND, 1_000)
    inflated = replace(money, spend=money.spend * unit)
    assert fit_gamma_gamma(inflated).expected(inflated) == pytest.approx(fit_gamma_gamma(money).expected(money) * unit, rel=1e-4)


def test_the_likelier_model_is_taken():
    assert isinstance(likelier(lives(BG, MERCHANTS, age=80, horizon=1)[0]), BgNbd)
    assert isinstance(likelier(lives(PARETO, MERCHANTS, age=80, horizon=1)[0]), ParetoNbd)


@pytest.mark.parametrize("merchants", [0, 1, 3])
def test_hardly_anybody_is_no_catastrophe(merchants):
    ones = np.ones(merchants)
    for seen in (History(0 * ones, 0 * ones, 0 * ones, 0 * ones, 0 * ones), History(2 * ones, 5 * ones, 9 * ones, 3 * ones, 7 * ones)):
        for fit in (fit_bg_nbd, fit_pareto_nbd):
            assert np.isfinite(fit(seen).silent(seen, 30)).all()
        assert np.isfinite(fit_gamma_gamma(seen).expected(seen)).all()
