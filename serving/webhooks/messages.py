"""What another system is told of a run: one message for each warning that fired or escalated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import Any

import pandas as pd

from features.settings import Webhooks
from serving.access import Who
from serving.explain import plain
from serving.holdout import HOLD

COLUMNS = ("message_id", "kind", "body")
OPENED, ESCALATED = "warning.opened", "warning.escalated"
TOLD = ("severity", "owner", "opened_on", "due_on", "value", "churn_risk", "value_at_risk")
OF_RUN = ("run_id", "model_version", "cutoff", "currency")


def messages(header: Mapping[str, Any], merchants: pd.DataFrame, opened: pd.DataFrame, told: pd.DataFrame, hook: Webhooks | None) -> pd.DataFrame:
    """The messages of a run, columns of `COLUMNS`; none where nobody is to be told.

    A merchant of the holdout is left alone, so nobody is told of it. A message names a merchant by its id only. Its id follows from the run,
    the merchant and the warning, so what is told twice can be told apart from what is new.

    Parameters
    ----------
    merchants : one row a merchant, the column or index merchant_id; `owner`, `region`, `arm` where known.
    opened, told : as in `serving.ledger.runs.Entry`.
    hook : who is told, and of which kinds, owners and regions.
    """
    if hook is None or hook.url is None:
        return pd.DataFrame(columns=list(COLUMNS))
    heard = _heard(merchants, hook)
    rows = [_message(header, *found) for found in _found(opened, told) if _is_wanted(found[1], heard, hook)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _heard(merchants: pd.DataFrame, hook: Webhooks) -> frozenset[str]:
    """The merchants that may be told of: inside the scope, applied where everybody's is."""
    table = merchants if "merchant_id" in merchants else merchants.reset_index()
    owners, regions = (None if names is None else frozenset(names) for names in (hook.owners, hook.regions))
    seen = Who("webhook", "viewer", owners, regions).sees(table)
    if "arm" in table:
        seen &= (table["arm"] != HOLD).to_numpy(bool)
    return frozenset(table["merchant_id"][seen])


def _found(opened: pd.DataFrame, told: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in opened.to_dict("records"):
        yield OPENED, {str(name): row[name] for name in ("merchant_id", "kind", *TOLD)}
    escalated = told[told["what"] == "escalated"] if len(told) else told
    for row in escalated.to_dict("records"):
        yield ESCALATED, {"merchant_id": row["merchant_id"], "kind": row["kind"], **(row["detail"] or {})}


def _is_wanted(data: Mapping[str, Any], heard: frozenset[str], hook: Webhooks) -> bool:
    return data["merchant_id"] in heard and (hook.kinds is None or data["kind"] in hook.kinds)


def _message(header: Mapping[str, Any], kind: str, data: Mapping[str, Any]) -> tuple[str, str, str]:
    run = {name: header[name] for name in OF_RUN}
    digest = sha256(json.dumps([run["run_id"], kind, data["merchant_id"], data["kind"]]).encode()).hexdigest()
    said = {name: _plain(value) for name, value in data.items()}
    body = {"type": kind, "timestamp": header["created_at"], "data": run | said}
    return f"msg_{digest[:32]}", kind, json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """A value as JSON has it: days as texts, what is missing as null."""
    if isinstance(value, date):  # also pandas' own instants, and their missing one
        return None if pd.isna(value) else str(value)[:10]
    return plain(value)
