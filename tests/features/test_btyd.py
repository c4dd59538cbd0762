"""Buy till you die against published figures, against brute force, and at the edges of what a market holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaln, hyp2f1

from features.btyd import NEEDS, BgNbd, GammaGamma, History, ParetoNbd, from_plain, to_plain

BG = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""CDNOW, in weeks: Fader, Hardie and Lee (2005), table 2."""
PARETO = ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669)
SPEND = GammaGamma(p=6.25, q=3.74, gamma=15.44)
"""CDNOW: Fader and Hardie (2013), section 4."""


def history(repeats: float, last: float, age: float, days: float = 0, spend: float = 0) -> History:
    return History(*(np.array([value], float) for value in (repeats, last, age, days, spend)))


@pytest.mark.parametrize(
    ("model", "one", "weeks", "expected"),
    [
        (BG, history(2, 30.43, 38.86), 39, 1.226),  # Fader, Hardie and Lee's spreadsheet, customer 1
        (BG, history(26, 30.86, 31), 52, 25.76),  # the vignette of the R package BTYD, customer 1516
        (PARETO, history(26, 30.86, 31), 52, 25.46),
    ],
)
def test_published_expectations(model, one, weeks, expected):
    assert model.expected(one, weeks)[0] == pytest.approx(expected, abs=5e-3)


def test_published_chances_of_being_alive():
    assert BG.alive(history(26, 30.86, 31))[0] == pytest.approx(0.969, abs=5e-4)
    assert PARETO.alive(history(26, 30.86, 31))[0] == pytest.approx(0.9979, abs=5e-5)


def test_published_log_likelihood():
    assert BG.log_likelihood(history(2, 30.43, 38.86))[0] == pytest.approx(-9.4596, abs=2e-3)


def test_published_mean_spend():
    assert SPEND.expected(history(0, 0, 0))[0] == pytest.approx(35.22, abs=0.01)  # population mean p * gamma / (q - 1)
    assert SPEND.expected(history(0, 0, 0, days=1000, spend=80))[0] == pytest.approx(80, rel=0.01)  # many orders: the own mean


@pytest.mark.parametrize("x", [0, 1, 5, 40])
def test_bg_nbd_expectation_is_the_textbook_formula(x):
    one, t = history(x, min(x, 1) * 20.0, 30.0), 26.0
    shape, beta = BG.a + BG.b + x - 1, BG.alpha + 30
    textbook = 1 - (beta / (beta + t)) ** (BG.r + x) * hyp2f1(BG.r + x, BG.b + x, shape, t / (beta + t))
    assert BG.expected(one, t)[0] == pytest.approx(shape / (BG.a - 1) * textbook * BG.alive(one)[0], rel=1e-9)


@pytest.mark.parametrize(("x", "last", "age"), [(0, 0, 30), (1, 2, 30), (40, 29, 30), (300, 300, 330)])
def test_pareto_nbd_likelihood_is_its_integral(x, last, age):
    r, alpha, s, beta = PARETO.r, PARETO.alpha, PARETO.s, PARETO.beta

    def scaled(u: float) -> float:
        return float(np.exp((r + x) * np.log((alpha + last) / (alpha + u)) + s * np.log(beta / (beta + u))) / (beta + u))

    here = (r + x) * np.log((alpha + last) / (alpha + age)) + s * np.log(beta / (beta + age))
    inside = np.exp(here) + s * quad(scaled, last, age, epsabs=0, epsrel=1e-11)[0]
    whole = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + last) + np.log(inside)
    assert PARETO.log_likelihood(history(x, last, age))[0] == pytest.approx(whole, rel=1e-9)


def lives(model: BgNbd | ParetoNbd, merchants: int, age: float, horizon: float) -> tuple[History, np.ndarray]:
    """Merchants drawn from a model: their history at `age`, and their orders in the `horizon` after it."""
    rng = np.random.default_rng(11)
    rate = rng.gamma(model.r, 1 / model.alpha, merchants)
    gaps = rng.exponential(1, (merchants, 150)) / rate[:, None]
    times = gaps.cumsum(axis=1)
    if isinstance(model, BgNbd):
        drops = rng.random((merchants, 150)) < rng.beta(model.a, model.b, merchants)[:, None]
        survived = np.cumsum(drops, axis=1) - drops == 0  # no drop-out after any repeat order before this one
    else:
        survived = times < (rng.exponential(1, merchants) / rng.gamma(model.s, 1 / model.beta, merchants))[:, None]
    past, ahead = survived & (times < age), survived & (times >= age) & (times < age + horizon)
    last = np.where(past, times, 0).max(axis=1)
    nothing = np.zeros(merchants)
    return History(past.sum(axis=1).astype(float), last, np.full(merchants, age), nothing, nothing), ahead.sum(axis=1)


@pytest.mark.parametrize("model", [BG, PARETO], ids=["BG/NBD", "Pareto/NBD"])
def test_chances_come_true_among_merchants_drawn_from_the_model(model):
    seen, orders = lives(model, 25_000, age=39, horizon=20)
    silent, expected = model.silent(seen, 20), model.expected(seen, 20)
    assert expected.mean() == pytest.approx(orders.mean(), rel=0.05)
    for group in np.array_split(np.argsort(silent), 5):
        assert silent[group].mean() == pytest.approx((orders[group] == 0).mean(), abs=0.02)


@given(
    x=st.integers(0, 365),
    silence=st.floats(1, 700),
    pace=st.floats(1, 30),
    horizon=st.floats(1, 365),
    logs=st.lists(st.floats(-4, 6), min_size=4, max_size=4),
    kind=st.sampled_from([BgNbd, ParetoNbd]),
)
def test_any_merchant_has_honest_numbers(x, silence, pace, horizon, logs, kind):
    model, one = kind(*np.exp(logs)), history(x, x * pace, x * pace + silence)
    alive, silent, expected = model.alive(one)[0], model.silent(one, horizon)[0], model.expected(one, horizon)[0]
    assert 0 <= alive <= 1
    assert 1 - alive - 1e-9 <= silent <= 1 + 1e-9
    assert expected >= 1 - silent - 1e-6  # an order day at least wherever there is any
    assert model.silent(one, horizon * 2)[0] <= silent + 1e-9
    assert np.isfinite(model.log_likelihood(one)).all()


def test_longer_silence_makes_death_likelier():
    for model in (BG, PARETO):
        assert (np.diff([model.alive(history(10, 50, 50 + days))[0] for days in (1, 10, 30, 100)]) < 0).all()


def test_a_history_is_read_from_a_snapshot():
    rows = {
        "new": [1, 100.0, np.nan, 20, 20],  # a single order
        "young": [3, 600.0, 30.0, 100, 40],  # two gaps of 30 days, all within the year
        "old": [4, 400.0, 50.0, 900, 10],  # four gaps ended in the year: the first day before it is its birth
        "gone": [0, 0.0, np.nan, 900, 500],
        "never": [0, 0.0, np.nan, np.nan, np.nan],
    }
    seen = History.of(pd.DataFrame.from_dict(rows, orient="index", columns=list(NEEDS)))
    assert seen.repeats.tolist() == [0, 2, 4, 0, 0]
    assert seen.last.tolist() == [0, 60, 200, 0, 0]
    assert seen.age.tolist() == [20, 100, 210, 500, 0]
    assert seen.spend.tolist() == [100, 200, 100, 0, 0]


def test_a_model_survives_json():
    for model in (BG, PARETO, SPEND):
        assert from_plain(to_plain(model)) == model
