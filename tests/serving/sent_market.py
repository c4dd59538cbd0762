"""A simulated market's merchants as an app would send them: JSON rows of everything that was known before a cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features.tables import TABLES


def bodies(home: Path, merchants: Sequence[str], cutoff: Any, zone: str) -> list[dict[str, Any]]:
    """`merchant_id`, `merchant` and `events` of each merchant, in order."""
    begin = pd.Timestamp(cutoff).tz_localize(zone)
    found: dict[str, dict[str, Any]] = {one: {"merchant_id": one, "merchant": {}, "events": {}} for one in merchants}
    for name in TABLES:
        path = home / f"{name}.parquet"
        if path.exists():
            table = pd.read_parquet(path)
            for row in _known(name, table[table["merchant_id"].isin(merchants)], begin):
                mine = found[row.pop("merchant_id")]
                if name == "merchants":
                    mine["merchant"] = row
                else:
                    mine["events"].setdefault(name, []).append(row)
    return list(found.values())


def _known(name: str, table: pd.DataFrame, begin: pd.Timestamp) -> list[dict[str, Any]]:
    """The rows known before an instant; what fills in later is left out of them."""
    contract = TABLES[name]
    for column, about in contract.columns.items():
        if about.kind != "time" or column not in table:
            continue
        when = pd.to_datetime(table[column], utc=True)
        late = when >= begin
        if column in (contract.time, contract.known):
            table, when = table[~late], when[~late]
        elif column not in contract.planned:
            when = when.where(~late, pd.NaT)
        table = table.assign(**{column: when.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").astype(object).where(when.notna(), None)})
    rows = table[[column for column in contract.columns if column in table]].astype(object)
    plain = rows.where(rows.notna(), None).to_dict("records")
    return [{key: value.item() if hasattr(value, "item") else value for key, value in row.items() if value is not None} for row in plain]
