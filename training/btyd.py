"""Fits the models of `features.btyd` by maximum likelihood.

Time and money are scaled by their own means first, so days, weeks, cents and millions give the same fit. Equal histories
are counted, not repeated. A pull of one part in a thousand of a merchant holds parameters that the data does not determine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.optimize import minimize

from features.btyd import BgNbd, GammaGamma, History, OrderModel, ParetoNbd

PULL = 1e-3
LOG_BOUND = 9.0
TIMES: dict[type[OrderModel], tuple[str, ...]] = {BgNbd: ("alpha",), ParetoNbd: ("alpha", "beta")}
"""The parameters that are times."""
Orders = TypeVar("Orders", BgNbd, ParetoNbd)


def fit_bg_nbd(history: History) -> BgNbd:
    """BG/NBD of some merchants; they should be all that ever ordered, for a cohort of the living hides the dead."""
    return _fit_orders(BgNbd, history, [1.0, 1.0, 1.0, 3.0])


def fit_pareto_nbd(history: History) -> ParetoNbd:
    """Pareto/NBD of some merchants, as for `fit_bg_nbd`."""
    return _fit_orders(ParetoNbd, history, [1.0, 1.0, 1.0, 1.0])


def likelier(history: History) -> OrderModel:
    """Whichever of the two order models, which have four parameters each, explains these merchants better."""
    found: list[OrderModel] = [fit_bg_nbd(history), fit_pareto_nbd(history)]
    return max(found, key=lambda model: float(model.log_likelihood(history).sum()))


def fit_gamma_gamma(history: History) -> GammaGamma:
    """Gamma-Gamma of the merchants that sold anything; without any, spend is 0 for everybody.

    The shape q is held above 1.05: below 1 a merchant's expected spend would be infinite.
    """
    sold = history[(history.days > 0) & (history.spend > 0)]
    if not len(sold):
        return GammaGamma(1.0, 2.0, 0.0)
    size = float(sold.spend.mean())
    unit = replace(sold, spend=sold.spend / size)

    def model(p: float, q: float, gamma: float) -> GammaGamma:
        return GammaGamma(p, 1.05 + q, gamma)

    fitted = _likeliest(lambda *values: model(*values).log_likelihood(unit).sum(), [2.0, 2.0, 1.0])
    return replace(model(*fitted), gamma=fitted[2] * size)


def _fit_orders(kind: type[Orders], history: History, start: list[float]) -> Orders:
    age = history.age[history.age > 0]
    scale = float(age.mean()) if len(age) else 1.0
    rows = np.column_stack([history.repeats, history.last / scale, history.age / scale])[history.age > 0]
    different, times = np.unique(rows, axis=0, return_counts=True)
    nothing = np.zeros(len(different))
    repeats, last, age = different.T
    unit = History(repeats, last, age, nothing, nothing)
    fitted = kind(*_likeliest(lambda *values: (times * kind(*values).log_likelihood(unit)).sum(), start))
    return replace(fitted, **{name: getattr(fitted, name) * scale for name in TIMES[kind]})


def _likeliest(log_likelihood: Callable[..., float], start: list[float]) -> list[float]:
    """The positive parameters that make a log-likelihood highest, searched on their logarithms."""

    def loss(logs: np.ndarray) -> float:
        return float(-log_likelihood(*np.exp(logs)) + PULL * (logs**2).sum())

    beginning, bounds = np.log(start), [(-LOG_BOUND, LOG_BOUND)] * len(start)
    scale = max(abs(loss(beginning)), 1.0)
    found = minimize(lambda logs: loss(logs) / scale, beginning, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8})
    return [float(value) for value in np.exp(found.x)]
