"""GET /v1/at-risk and /v1/growth: the lists of the run, a page at a time, or whole as a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access.audit import audit_export
from serving.api.asking import Place, asked, place, ready
from serving.api.choosing import Choice, at_risk_choice, day_text, narrowed
from serving.api.describing import CSV, XLSX, describes
from serving.api.files import attachment, wanted_format
from serving.api.ledgers import state_of
from serving.api.published import View
from serving.api.schemas import AtRisk, AtRiskAnswer, AtRiskQuestion, Growing, GrowthAnswer, Lang, MerchantsQuestion, Warned
from serving.explain import plain
from serving.export import to_csv, to_xlsx
from serving.lists import Listing, words

FILES = {"csv": (to_csv, f"{CSV}; charset=utf-8"), "xlsx": (to_xlsx, XLSX)}
LISTED: dict[str, Any] = {"problems": ("run-gone", "no-ledger"), "files": (CSV, XLSX), "has_tag": True}


@describes("atRisk", AtRiskAnswer, question=AtRiskQuestion, **LISTED)
async def at_risk(request: Request) -> Response:
    """Who to act on first, by the expected profit of acting; with what was done so far."""
    if wanted_format(request, tuple(FILES)) != "json":
        return await run_in_threadpool(_file, request, _whole_at_risk, "at_risk")
    return await ready(request, _at_risk, state_of(request))


@describes("growth", GrowthAnswer, question=MerchantsQuestion, **LISTED)
async def growth(request: Request) -> Response:
    """Who is about to grow, by growth value."""
    if wanted_format(request, tuple(FILES)) != "json":
        return await run_in_threadpool(_file, request, _whole_growth, "growth")
    return await ready(request, _growth)


def _at_risk(request: Request, view: View) -> AtRiskAnswer:
    question = asked(request, AtRiskQuestion)
    where = place(request, question)
    choice = at_risk_choice(request, where.view, question)
    listing = where.view.listing("at_risk", None, None, None, question.lang)
    at_stake = float(choice.board.rows["value_at_risk"].to_numpy(np.float64)[choice.places].sum())
    rows = [AtRisk.model_construct(**row) for row in _at_risk_rows(where, listing, choice, question.lang)]
    notes = _notes(where.view, question)
    return AtRiskAnswer.model_construct(**where.facts(len(choice.places)), value_at_risk=at_stake, notes=notes, rows=rows)


def _notes(view: View, question: AtRiskQuestion) -> list[str]:
    """What the list says of itself; of one that is narrowed by more than tier and owner, what it says of those."""
    known = question.owner is None or ("owner" in view.run.merchants and (view.run.merchants["owner"] == question.owner).any())
    return list(view.listing("at_risk", question.capacity, question.tier, question.owner if known else None, question.lang).notes)


def _at_risk_rows(where: Place, listing: Listing, choice: Choice, lang: Lang) -> list[dict[str, Any]]:
    here = choice.places[where.rows]
    rows = listed(where.view, listing.rows.iloc[here].assign(rank=range(where.offset + 1, where.offset + 1 + len(here))), AtRisk, lang)
    merchants, before = choice.board.rows.iloc[here], choice.board.before.iloc[here]
    change = merchants["churn_risk"].to_numpy(np.float64) - before["risk"].to_numpy(np.float64)
    of_merchant = [merchants[name].tolist() if name in merchants else [None] * len(here) for name in ("region", "industry")]
    for row, state, moved, is_new, *facts in zip(rows, choice.desk.records(here), change.tolist(), choice.board.is_new[here].tolist(), *of_merchant, strict=True):
        row |= {"region": plain(facts[0]), "industry": plain(facts[1]), "risk_change": plain(moved), "is_new": is_new}
        row |= {"owner": plain(state["owner"]), "status": state["status"], "due_on": day_text(state["due_on"]), "snoozed_until": day_text(state["until"])}
    return rows


def _growth(request: Request, view: View) -> GrowthAnswer:
    question = asked(request, MerchantsQuestion)
    where = place(request, question)
    found = _grown(where.view, question)
    rows = [Growing.model_construct(**row) for row in listed(where.view, found.iloc[where.rows], Growing, question.lang)]
    return GrowthAnswer.model_construct(**where.facts(len(found)), rows=rows)


def _grown(view: View, question: MerchantsQuestion) -> pd.DataFrame:
    found = narrowed(view, view.listing("growth", None, None, None, question.lang).rows, question)
    return found.assign(rank=range(1, len(found) + 1))


def listed(view: View, shown: pd.DataFrame, kind: type[AtRisk] | type[Growing], lang: Lang) -> list[dict[str, Any]]:
    """The rows of a page, with the words of the tier beside its code."""
    rows = records(shown, kind)
    for row in rows:
        row["tier_words"] = row["tier"] and words(view.run, "tiers", row["tier"], lang)
    return rows


def records(table: pd.DataFrame, kind: type[AtRisk] | type[Growing] | type[Warned]) -> list[dict[str, Any]]:
    """The rows of a table as plain values: the columns that a schema has, null where the table has none."""
    columns = {name: table[name].tolist() if name in table else [None] * len(table) for name in kind.model_fields}
    return [dict(zip(columns, map(plain, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def _whole_at_risk(request: Request) -> tuple[View, Listing, MerchantsQuestion]:
    question = asked(request, AtRiskQuestion)
    view = place(request, question).view
    choice = at_risk_choice(request, view, question)
    listing = view.listing("at_risk", None, None, None, question.lang)
    rows = listing.rows.iloc[choice.places].assign(rank=range(1, len(choice.places) + 1))
    return view, replace(listing, rows=rows, calling=None), question


def _whole_growth(request: Request) -> tuple[View, Listing, MerchantsQuestion]:
    question = asked(request, MerchantsQuestion)
    view = place(request, question).view
    return view, replace(view.listing("growth", None, None, None, question.lang), rows=_grown(view, question)), question


def _file(request: Request, whole: Callable[[Request], tuple[View, Listing, MerchantsQuestion]], name: str) -> Response:
    """A whole list as a file, written down before it is handed out."""
    kind = wanted_format(request, tuple(FILES))
    view, listing, question = whole(request)
    narrowing = question.model_dump(exclude_defaults=True, exclude={"format", "cursor", "limit"})
    audit_export(request, f"{name}.{kind}", len(listing.rows), view.run.run_id, **narrowing)
    write, media_type = FILES[kind]
    return attachment(write(listing), f"keepwell-{name.replace('_', '-')}-{view.run.cutoff}.{kind}", media_type)


ROUTES = (Route("/v1/at-risk", at_risk), Route("/v1/growth", growth))
