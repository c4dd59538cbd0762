"""What calling a merchant is expected to bring, and what it did: the economics that profit is judged by, declared before any test.

The settings are the field's defaults for business customers (Verbraken et al. 2013; Janssens et al. 2022); a platform's own take rate
and costs rank its lists, not its tests.
"""

from __future__ import annotations

import numpy as np

from training.ranks import Array

WORTH = 0.1
"""A merchant's lifetime value, as a share of its trailing GMV."""
ACCEPT = 0.3
"""Chance that a leaver who is called accepts the offer: the mean of beta(6, 14)."""
INCENTIVE = 0.05
"""The offer, as a share of the lifetime value; those who would have stayed take it too."""
CONTACT = 0.005
"""A call's cost, as a share of the median lifetime value."""


def margins(trailing: Array, accept: float = ACCEPT, incentive: float = INCENTIVE, contact: float = CONTACT) -> tuple[Array, Array]:
    """What calling each merchant wins if it was leaving, and wastes if it was not, both (n,) in money."""
    worth = WORTH * trailing
    fee, gift = contact * np.median(worth), incentive * worth
    return accept * (worth - gift) - fee, gift + fee


def expected_profit(churn_risk: Array, trailing: Array) -> Array:
    """Expected profit of calling each merchant, (n,).

    Examples
    --------
    >>> expected_profit(np.array([0.5, 0.04]), np.array([1000.0, 1000.0])).round(2).tolist()
    [11.25, -4.16]
    """
    won, wasted = margins(trailing)
    return churn_risk * won - (1 - churn_risk) * wasted


def realised_profit(churned: Array, trailing: Array) -> tuple[Array, float]:
    """What calling each merchant brought, (n,), and what perfect knowledge would have earned in all."""
    won, wasted = margins(trailing)
    return churned * won - (1 - churned) * wasted, float((churned * np.maximum(won, 0)).sum())
