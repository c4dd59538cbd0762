"""How early leavers are warned of, against the rule that waits until a whole horizon has been silent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.ranks import list_length, top_weights

SHARE = 0.2
"""The share of the cohort with the highest risk that counts as warned of, at each cutoff."""


def lead_time(frame: pd.DataFrame, horizon_days: int, share: float = SHARE) -> dict[str, float] | None:
    """Days between the first warning of a leaver and the day on which the silence would have spoken for itself.

    A leaver's silence begins with its last order before its first lost cutoff, and is evident `horizon_days` after it. It is warned of at
    the first tested cutoff at which it is among the `share` of highest risk, if that is earlier. Leavers whose silence was evident before
    any cutoff was tested are left out: nothing could have warned of them in time.

    Parameters
    ----------
    frame : rows with merchant_id, cutoff, churned, churn_risk and recency (days since the last order).

    Returns
    -------
    `leavers`, `warned` (share of them, before it was evident), `median_days`, `p10_days` and `p90_days` ahead of the evident day, and
    `before_last_order` (share of leavers warned of while they were still ordering); None when there is no such leaver.
    """
    day = (pd.to_datetime(frame["cutoff"]) - pd.Timestamp(0)).dt.days
    rows = frame.assign(day=day, called=_called(frame, share))
    left = rows[rows["churned"] == 1].sort_values("day").groupby("merchant_id").first()
    left = left[left["day"] - left["recency"] + horizon_days > rows["day"].min()]
    if left.empty:
        return None
    last_order = left["day"] - left["recency"]
    warned = rows[rows["called"]].groupby("merchant_id")["day"].min().reindex(left.index)
    ahead = (last_order + horizon_days - warned).where(lambda days: days > 0)
    known = ahead.dropna().to_numpy(float)
    spread = np.quantile(known, [0.5, 0.1, 0.9]) if known.size else np.full(3, np.nan)
    return {
        "share": share,
        "leavers": len(left),
        "warned": float(ahead.notna().mean()),
        **dict(zip(("median_days", "p10_days", "p90_days"), map(float, spread), strict=True)),
        "before_last_order": float((warned <= last_order).mean()),
    }


def _called(frame: pd.DataFrame, share: float) -> pd.Series:
    def cut(risk: pd.Series) -> np.ndarray:
        return top_weights(risk.to_numpy(float), list_length(share, len(risk))) >= 0.5

    return frame.groupby("cutoff")["churn_risk"].transform(cut).astype(bool)
