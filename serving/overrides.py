"""A person's tier or stage in place of that of the rules, with a reason. It lapses at the next scoring unless it is locked.

What the rules said stays beside it (`tier_by_rules`, `stage_by_rules`) and is what the next run starts from. Models are trained on event
tables alone, so no override ever reaches one.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

FIELDS = ("tier", "stage")


def lapsing(overrides: pd.DataFrame, day: date) -> pd.DataFrame:
    """Those in force that end at a scoring of a later day: `override_no` and `lapsed_on`."""
    ending = overrides[~overrides["is_locked"].astype(bool) & (overrides["made_on"] < pd.Timestamp(day))]
    return ending[["override_no"]].assign(lapsed_on=pd.Series(pd.Timestamp(day), index=ending.index, dtype="datetime64[s]"))


def overridden(table: pd.DataFrame, overrides: pd.DataFrame) -> pd.DataFrame:
    """The grades with the overrides put in place.

    Parameters
    ----------
    table : indexed by merchant_id: tier, stage.
    overrides : in force: merchant_id, field, value, reason.

    Returns
    -------
    `table` with `tier_by_rules`, `stage_by_rules`, and `override_reason`, None for most.
    """
    table = table.assign(**{f"{field}_by_rules": table[field] for field in FIELDS})
    table["override_reason"] = pd.Series(None, index=table.index, dtype=object)
    for field in FIELDS:
        mine = overrides[(overrides["field"] == field) & overrides["merchant_id"].isin(table.index)].set_index("merchant_id")
        table[field] = table[field].astype(object)
        table.loc[mine.index, field] = mine["value"].astype(object)
        table.loc[mine.index, "override_reason"] = mine["reason"].astype(object)
    return table
