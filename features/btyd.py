"""Buy till you die: how long a merchant's silence is by chance, and when it is the end (models of orders and of spend).

A merchant orders at random at a rate of its own, until it drops out unseen; rates and drop-outs vary between merchants. A day
with orders counts as one, and time is in days. Only the parameters are learnt (`training.btyd`); all the rest follows in
closed form or by one smooth integral, for a million merchants in seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln, hyp2f1

from features.sheet import Frame, column

Array = np.ndarray[Any, np.dtype[np.float64]]
YEAR = 365
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
BLOCK = 1024
"""Merchants whose nodes are computed at once."""
NEEDS = (f"active_days_{YEAR}d", f"gmv_{YEAR}d", "gap_mean", "days_since_first_order", "days_since_last_order")
"""The features a history is read from."""


@dataclass(frozen=True)
class History:
    """What the models know of each merchant, arrays (n,): order days after the first, when the last of them was, how old.

    Both times are in days since the first order day; `days` of the last year brought `spend` each, on average (0 without any).
    A merchant older than a year is taken as born on its last order day before that year: its pace now is what counts.
    """

    repeats: Array
    last: Array
    age: Array
    days: Array
    spend: Array

    @classmethod
    def of(cls, frame: Frame) -> History:
        """The history that a snapshot holds; merchants without any order get an age of 0."""
        days, gmv, gap, since_first, since_last = (column(frame, name) for name in NEEDS)
        days, silence, gap = (np.where(values > 0, values, np.where(np.isnan(values), np.nan, 0)) for values in (days, since_last, gap))
        days, silence = np.nan_to_num(days), np.nan_to_num(silence)
        repeats = np.where(np.isfinite(gap), np.maximum(days - (np.nan_to_num(since_first) <= YEAR), 0), 0)
        last = np.round(repeats * np.maximum(np.nan_to_num(gap), 0))
        return cls(repeats, last, last + silence, days, np.maximum(np.nan_to_num(gmv), 0) / np.maximum(days, 1))

    def __getitem__(self, rows: np.ndarray) -> History:
        """Some of the merchants."""
        return History(self.repeats[rows], self.last[rows], self.age[rows], self.days[rows], self.spend[rows])

    def __len__(self) -> int:
        return len(self.repeats)


@dataclass(frozen=True)
class BgNbd:
    """BG/NBD: a merchant may drop out after any order, with a chance of its own (Fader, Hardie and Lee 2005).

    Rates are gamma(r, alpha per day), chances beta(a, b).
    """

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, history: History) -> Array:
        """Log-likelihood of each history, (n,)."""
        x, order = history.repeats, np.maximum(history.repeats, 1)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        stays = -(r + x) * np.log(alpha + history.age)
        gone = np.log(a) - np.log(b + order - 1) - (r + x) * np.log(alpha + history.last)
        return np.asarray(shared + np.logaddexp(stays, np.where(x > 0, gone, -np.inf)))

    def alive(self, history: History) -> Array:
        """Chance that a merchant has not dropped out yet, (n,).

        Examples
        --------
        >>> one = History(*(np.array([value]) for value in (26, 30.86, 31, 0, 0)))
        >>> BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426).alive(one).round(3).tolist()
        [0.969]
        """
        x = history.repeats
        odds = np.log(self.a / (self.b + np.maximum(x, 1) - 1)) + (self.r + x) * np.log((self.alpha + history.age) / (self.alpha + history.last))
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700))), 1.0)

    def expected(self, history: History, horizon: float) -> Array:
        """Expected order days in the next `horizon` days, (n,)."""
        x, beta = history.repeats, self.alpha + history.age
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        shape = a + self.b + x - 1
        kept = (beta / (beta + horizon)) ** (a - 1) * hyp2f1(a + self.b - 1 - self.r, a - 1, shape, horizon / (beta + horizon))
        return np.asarray(self.alive(history) * shape / (a - 1) * (1 - kept))

    def silent(self, history: History, horizon: float) -> Array:
        """Chance of no order in the next `horizon` days, (n,): dropped out, or alive and quiet."""
        beta, alive = self.alpha + history.age, self.alive(history)
        return np.asarray(1 - alive + alive * (beta / (beta + horizon)) ** (self.r + history.repeats))


@dataclass(frozen=True)
class ParetoNbd:
    """Pareto/NBD: a merchant may drop out at any time, at a rate of its own (Schmittlein, Morrison and Colombo 1987).

    Order rates are gamma(r, alpha days), drop-out rates gamma(s, beta days).
    """

    r: float
    alpha: float
    s: float
    beta: float

    def log_likelihood(self, history: History) -> Array:
        """Log-likelihood of each history, (n,)."""
        stays, gone = self._fates(history)
        return np.asarray(gammaln(self.r + history.repeats) - gammaln(self.r) + np.logaddexp(stays, gone))

    def alive(self, history: History) -> Array:
        """Chance that a merchant has not dropped out yet, (n,).

        Examples
        --------
        >>> one = History(*(np.array([value]) for value in (26, 30.86, 31, 0, 0)))
        >>> ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669).alive(one).round(4).tolist()
        [0.9979]
        """
        stays, gone = self._fates(history)
        return np.asarray(1 / (1 + np.exp(np.minimum(gone - stays, 700))))

    def expected(self, history: History, horizon: float) -> Array:
        """Expected order days in the next `horizon` days, (n,)."""
        s = self.s if abs(self.s - 1) > 1e-6 else 1 + 1e-6
        rate, left = (self.r + history.repeats) / (self.alpha + history.age), self.beta + history.age
        return np.asarray(self.alive(history) * rate * left / (s - 1) * (1 - (left / (left + horizon)) ** (s - 1)))

    def silent(self, history: History, horizon: float) -> Array:
        """Chance of no order in the next `horizon` days, (n,): dropped out, or alive and quiet."""
        shape, alpha, beta, alive = self.r + history.repeats, self.alpha + history.age, self.beta + history.age, self.alive(history)
        quiet = (alpha / (alpha + horizon)) ** shape * (beta / (beta + horizon)) ** self.s
        scale = shape * np.log(alpha) + self.s * np.log(beta)
        leaves = np.exp(scale + np.log(self.s) + _log_drop(shape, alpha, self.s, beta, np.full(len(history), float(horizon))))
        return np.asarray(1 - alive + alive * (quiet + leaves))

    def _fates(self, history: History) -> tuple[Array, Array]:
        """Log-likelihood, but for a shared term, of being alive still and of having dropped out since the last order."""
        shape, prior = self.r + history.repeats, self.r * np.log(self.alpha) + self.s * np.log(self.beta)
        stays = prior - shape * np.log(self.alpha + history.age) - self.s * np.log(self.beta + history.age)
        silence = history.age - history.last
        gone = _log_drop(shape, self.alpha + history.last, self.s, self.beta + history.last, silence)
        return np.asarray(stays), np.asarray(prior + np.log(self.s) + gone)


def _log_drop(shape: Array, alpha: Array, s: float, beta: Array, span: Array) -> Array:
    """Logarithm of the integral of `(alpha + u)**-shape * (beta + u)**-(s + 1)` over u in [0, span], (n,); -inf for no span.

    In `w = (alpha / (alpha + u))**(shape + s)` the integrand is `((alpha + u) / (beta + u))**(s + 1)`, smooth and bounded, so a
    few Gauss-Legendre nodes suffice where the textbook's hypergeometric functions overflow.
    """
    power = shape + s
    end = np.exp(-power * np.log1p(span / alpha))
    half = (1 - end) / 2
    peak = (s + 1) * np.maximum(np.log(alpha / beta), 0)  # taken out, or it overflows where s is large
    total = np.zeros(len(half))
    for start in range(0, len(half), BLOCK):
        rows = slice(start, start + BLOCK)
        reached = alpha[rows] * (1 - half[rows] * (1 - NODES[:, None])) ** (-1 / power[rows])
        parts = WEIGHTS[:, None] * np.exp((s + 1) * np.log(reached / (reached + (beta[rows] - alpha[rows]))) - peak[rows])
        for part in parts:  # in the nodes' order, however many rows there are
            total[rows] += part
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(half * total) + peak - power * np.log(alpha) - np.log(power))


@dataclass(frozen=True)
class GammaGamma:
    """Gamma-Gamma: what an order day brings, its mean pulled towards everybody's where there were few (Fader and Hardie 2013)."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, history: History) -> Array:
        """Log-likelihood of each mean spend, (n,); merchants without spend have none and must be left out."""
        x, mean, shape = history.days, history.spend, self.p * history.days
        shared = gammaln(shape + self.q) - gammaln(shape) - gammaln(self.q) + self.q * np.log(self.gamma)
        return np.asarray(shared + (shape - 1) * np.log(mean) + shape * np.log(x) - (shape + self.q) * np.log(self.gamma + x * mean))

    def expected(self, history: History) -> Array:
        """Expected spend on a coming order day, (n,), in money.

        Examples
        --------
        >>> nobody = History(*(np.zeros(1) for _ in range(5)))
        >>> GammaGamma(p=6.25, q=3.74, gamma=15.44).expected(nobody).round(2).tolist()
        [35.22]
        """
        return np.asarray(self.p * (self.gamma + history.days * history.spend) / (self.p * history.days + self.q - 1))


OrderModel = BgNbd | ParetoNbd
KINDS: dict[str, type[BgNbd] | type[ParetoNbd] | type[GammaGamma]] = {kind.__name__: kind for kind in (BgNbd, ParetoNbd, GammaGamma)}


def to_plain(model: OrderModel | GammaGamma) -> dict[str, Any]:
    """The model as JSON data: its kind and its parameters."""
    return {"kind": type(model).__name__, **asdict(model)}


def from_plain(data: dict[str, Any]) -> Any:
    """The model that `to_plain` wrote."""
    return KINDS[data["kind"]](**{name: value for name, value in data.items() if name != "kind"})
