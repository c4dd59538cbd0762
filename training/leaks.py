"""Features that look too good to be known in time: what tells leavers from stayers alone has usually seen the future."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.dataset import Dataset
from training.metrics import auc

TOO_GOOD = 0.99
"""AUC of one feature alone, either way round, from which it is questioned."""
MOST_ROWS = 20_000
LEAST_OF_EACH = 10
"""Leavers and stayers that a feature must tell apart; among fewer, chance does it."""


def alone(data: Dataset) -> pd.Series:
    """The AUC of each feature by itself, either way round, best first; a missing value counts as the lowest.

    Looks at the newest cutoffs, and at a sample of large data. Texts are left out.
    """
    moments = data.features.index.get_level_values("cutoff")
    newest = np.flatnonzero(moments.isin(np.sort(moments.unique())[-2:]))
    chosen = newest[:: -(-len(newest) // MOST_ROWS)]
    churned = data.labels["churned"].to_numpy(float)[chosen]
    if min(churned.sum(), len(churned) - churned.sum()) < LEAST_OF_EACH:
        return pd.Series(dtype=float)
    numbers = data.features.iloc[chosen].select_dtypes("number")
    found = {str(name): auc(churned, np.nan_to_num(column.to_numpy(float), nan=-np.inf)) for name, column in numbers.items()}
    return pd.Series({name: max(value, 1 - value) for name, value in found.items()}, dtype=float).sort_values(ascending=False)


def questions(data: Dataset) -> list[str]:
    """A sentence for each feature that is too good; none is the rule."""
    return [
        f"Is {name} known before the cutoff? Alone it tells who leaves with an AUC of {value:.3f}, which is too good to be true: check when "
        "its table's rows become known (completed_at, known_at), and leave the table out until you are sure."
        for name, value in alone(data).items()
        if value > TOO_GOOD
    ]
