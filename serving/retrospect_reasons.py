"""Why lost merchants were thought to be leaving, while they still were there: the reasons that runs told, else today's model's of back then."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from features.cutoffs import day_date
from serving.durable import digest, read_manifest
from serving.reasons import reasons
from serving.retrospect_days import Told
from serving.run import published

SENTENCES = ("sentence_en", "sentence_zh")
FILE = "reasons.parquet"


def recomputed(model: Any, frame: pd.DataFrame, names: pd.Index, day: int, currency: str) -> pd.Series:
    """What would raise the risk of merchants in a past snapshot, by the model of today: `reasons_en` and `reasons_zh` of each."""
    if model is None or not len(names):
        return pd.Series([None] * len(names), names, dtype=object)
    chosen = frame.loc[names]
    told = reasons(model.contributions(chosen), chosen, cutoff=day_date(day).date(), currency=currency)
    return _by_merchant(told).reindex(names)


def told_by_runs(state_dir: Path, names: Collection[str], since: str) -> dict[str, list[tuple[str, Told]]]:
    """The reasons that published runs from a day on gave for merchants: (cutoff, reasons) of each, oldest first.

    Runs give reasons for the first of their lists only. A run whose reasons are not what was published is left out.
    """
    found: dict[str, list[tuple[str, Told]]] = {}
    for run in published(state_dir):
        cutoff = run[:10]
        table = _table(Path(state_dir) / "runs" / run) if cutoff >= since else None
        if table is None or "head" not in table or table.empty:
            continue
        rows = table[(table["head"] == "churn") & (table["direction"] == "raises") & table["merchant_id"].isin(names)]
        for name, told in _by_merchant(rows).items():
            found.setdefault(str(name), []).append((cutoff, told))
    return found


def _table(run: Path) -> pd.DataFrame | None:
    try:
        content = (run / FILE).read_bytes()
        expected = dict(read_manifest(run, ValueError)["files"]).get(FILE)  # type: ignore[call-overload]
        return pd.read_parquet(io.BytesIO(content)) if digest(content) == expected else None
    except (OSError, ValueError):
        return None


def _by_merchant(told: pd.DataFrame) -> pd.Series:
    """The sentences of each merchant in both languages, the strongest reason first."""
    if told.empty:
        return pd.Series(dtype=object)
    ordered = told.sort_values("rank", kind="stable").groupby("merchant_id", sort=False)[list(SENTENCES)].agg(list)
    return pd.Series([{"reasons_en": en, "reasons_zh": zh} for en, zh in ordered.to_numpy()], ordered.index, dtype=object)
