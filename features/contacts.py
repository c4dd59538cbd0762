"""Leads, won or not, and the roles of those who log in: what the portfolio shows beside the features, known before a cutoff."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.source import Source, again
from features.streams import CHUNK

DAY = "datetime64[s]"


def leads_before(source: Source, cutoff: int) -> pd.DataFrame | None:
    """The leads contacted before a cutoff, one row each; None where the platform has no table of them.

    Returns
    -------
    `contacted_on`, `won_on` (NaT where it was not won before the cutoff), `merchant_id` (None before it was won), `channel` (None where
    unknown) and `cost` (NaN where unknown). Where the table does not say when a lead was won, its merchant's joining does.
    """
    if "leads" not in source.settings.source:
        return None
    table = _leads(source)
    table = table[table["contacted_on"] < cutoff].reset_index(drop=True)
    joined = table["merchant_id"].map(source.merchants.set_index("merchant_id")["joined"])
    won = table.get("won_on", joined).astype(float)
    won = won.where(won < cutoff)
    return pd.DataFrame(
        {
            "contacted_on": _days(table["contacted_on"]),
            "won_on": _days(won),
            "merchant_id": table["merchant_id"].astype(object).where(won.notna() & table["merchant_id"].notna(), None),
            "channel": table["channel"].astype(object).where(table["channel"].notna(), None),
            "cost": table["cost"].astype(float),
        }
    )


def roles_before(source: Source, cutoff: int, days: int = 90) -> pd.Series | None:
    """The role with the most logins of each merchant in `[cutoff − days, cutoff)`, by merchant_id; None where roles are not known.

    Of equally many logins the role that comes first in the alphabet counts. Merchants without a login are not in it.
    """
    if "role" not in source.streams.get("logins", ()):
        return None
    names = _role_names(source)
    found = source.connection.execute(
        "SELECT merchant, role, count(*) AS logins FROM stream_logins "
        f"WHERE day >= {cutoff - days} AND day < {cutoff} AND seen < {cutoff} AND role IS NOT NULL GROUP BY merchant, role"
    ).df()
    found["role"] = found["role"].map(names).astype(object)
    first = found.sort_values(["merchant", "logins", "role"], ascending=[True, False, True], kind="stable").drop_duplicates("merchant")
    ids = source.merchants["merchant_id"].to_numpy(object)[first["merchant"].to_numpy(int)]
    return pd.Series(first["role"].to_numpy(object), index=pd.Index(ids, name="merchant_id"), name="role", dtype=object)


def _leads(source: Source) -> pd.DataFrame:
    with again(source, "leads") as cells:
        columns = ["contacted_at_day AS contacted_on"]
        columns += ["won_at_day AS won_on"] if "won_at" in cells else []
        columns += [name if name in cells else f"NULL AS {name}" for name in ("merchant_id", "channel", "cost")]
        return source.connection.execute(f"SELECT {', '.join(columns)} FROM read_leads ORDER BY lead_id").df()


def _role_names(source: Source) -> dict[int, str]:
    """The name of each code of `stream_logins.role`: codes count the hashes in order, part by part (`features.streams`)."""
    parts = max(1, -(-source.counts["logins"] // CHUNK))
    with again(source, "logins"):
        query = f"SELECT role FROM (SELECT DISTINCT role FROM read_logins WHERE role IS NOT NULL) ORDER BY hash(role) % {parts}, hash(role)"
        return {code: str(name) for code, (name,) in enumerate(source.connection.execute(query).fetchall())}


def _days(days: pd.Series) -> pd.Series:
    return pd.to_datetime(days.astype(float), unit="D").astype(DAY)  # type: ignore[call-overload]


def ticket_topics(source: Source) -> pd.DataFrame:
    """The tickets that have a topic: `merchant_id`, `day` (a day number) and `topic` in small letters; empty where topics are not known."""
    if "topic" not in source.streams.get("tickets", ()):
        return pd.DataFrame({"merchant_id": pd.Series(dtype=object), "day": pd.Series(dtype=np.int64), "topic": pd.Series(dtype=object)})
    with again(source, "tickets"):
        query = "SELECT merchant_id, opened_at_day AS day, lower(topic) AS topic FROM read_tickets WHERE topic IS NOT NULL ORDER BY ALL"
        return source.connection.execute(query).df()
