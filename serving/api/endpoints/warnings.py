"""GET /v1/warnings: the calls to act of the run, with their state in the ledger."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import asked, place, ready
from serving.api.choosing import has_text, ledger_or_none
from serving.api.describing import describes
from serving.api.endpoints.lists import records
from serving.api.ledgers import day_texts, reached, state_of
from serving.api.problem import Problem
from serving.api.published import View
from serving.api.schemas import Warned, WarningsAnswer, WarningsQuestion
from serving.ledger import Ledger
from serving.rules.warnings import SEVERITIES

STATE = ("status", "opened_on", "due_on", "snoozed_until")


@describes("warnings", WarningsAnswer, question=WarningsQuestion, problems=("run-gone", "no-ledger"), has_tag=True)
async def warnings(request: Request) -> Response:
    """The calls to act, the most severe first; with owner, due day and status."""
    return await ready(request, _warnings, state_of(request))


def _warnings(request: Request, view: View) -> WarningsAnswer:
    question = asked(request, WarningsQuestion)
    where = place(request, question)
    with reached():
        table = _chosen(where.view, question, _stated(request, where.view))
    shown = table.iloc[where.rows].rename(columns={f"words_{question.lang}": "words", f"play_{question.lang}": "play"})
    rows = [Warned.model_construct(**row) for row in records(shown, Warned)]
    return WarningsAnswer.model_construct(**where.facts(len(table)), rows=rows)


def _stated(request: Request, view: View) -> pd.DataFrame:
    """All warnings with their state, the most severe first, then by value at risk, then by merchant; made anew where the ledger changed."""
    key = state_of(request)
    if view.stated[0] != key:
        table = view.run.warnings
        known = [name for name in ("name", "value_at_risk", "owner") if name in view.run.merchants]
        table = table.drop(columns=[name for name in known if name in table]).join(view.run.merchants[known], on="merchant_id")
        level = table["severity"].map({name: place for place, name in enumerate(SEVERITIES)})
        order = table.assign(level=level).sort_values(["level", "value_at_risk", "merchant_id"], ascending=[False, False, True])
        view.stated = (key, _with_state(order.drop(columns="level"), ledger_or_none(request)))
    found: pd.DataFrame = view.stated[1]
    return found


def _chosen(view: View, question: WarningsQuestion, table: pd.DataFrame) -> pd.DataFrame:
    """The warnings asked for."""
    kinds = sorted({*view.run.warnings["kind"], *view.run.header["inactive_warnings"]})
    if question.kind is not None and question.kind not in kinds:
        raise Problem("invalid-request", f"there is no warning {question.kind!r}; known are {', '.join(kinds)}.")
    for name in ("kind", "severity", "owner", "status"):
        wanted = getattr(question, name)
        if wanted is not None:
            table = table[(table[name] == wanted).to_numpy(bool)] if name in table else table.head(0)
    return table if question.q is None else table[has_text(view.run.merchants.loc[table["merchant_id"]], question.q)]


def _with_state(table: pd.DataFrame, ledger: Ledger | None) -> pd.DataFrame:
    """Warnings with what the ledger knows of them; nothing where there is none."""
    table = table.drop(columns=[name for name in STATE if name in table])
    if ledger is None:
        return table.assign(**dict.fromkeys(STATE))
    now = ledger.open_warnings(("merchant_id", "kind", *STATE[1:])).drop_duplicates(["merchant_id", "kind"]).set_index(["merchant_id", "kind"])
    state = now.reindex(pd.MultiIndex.from_frame(table[["merchant_id", "kind"]]))
    status = np.where(state["opened_on"].isna(), "closed", np.where(state["snoozed_until"].isna(), "open", "snoozed"))
    days: dict[str, Any] = {name: day_texts(state[name]) for name in STATE[1:]}
    found = table.assign(status=status.astype(object), **days)
    owners = ledger.table("desk").set_index("merchant_id")["owner"]
    own = found["owner"] if "owner" in found else pd.Series(None, found.index, dtype=object)
    return found.assign(owner=found["merchant_id"].map(owners).astype(object).where(lambda one: one.notna(), own))


ROUTES = (Route("/v1/warnings", warnings),)
