"""GET /v1/at-risk, /v1/growth and /v1/warnings: the lists of the run, a page at a time."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import Place, answered, asked, place
from serving.api.problem import Problem
from serving.api.published import View
from serving.api.schemas import (
    AtRisk,
    AtRiskAnswer,
    Growing,
    GrowthAnswer,
    Lang,
    MerchantsQuestion,
    Warned,
    WarningsAnswer,
    WarningsQuestion,
)
from serving.explain import plain
from serving.lists import Listing, words
from serving.rules.warnings import SEVERITIES


def at_risk(request: Request) -> Response:
    """Who to act on first."""
    question = asked(request, MerchantsQuestion)
    where = place(request, question)
    listing = listing_of(where.view, "at_risk", question)
    rows = [AtRisk(**row) for row in listed(where, listing, "at_risk", question.lang)]
    at_stake = float(listing.rows["value_at_risk"].sum())
    facts = where.facts(len(listing.rows))
    return answered(AtRiskAnswer(**facts, value_at_risk=at_stake, notes=list(listing.notes), rows=rows))


def growth(request: Request) -> Response:
    """Who is about to grow."""
    question = asked(request, MerchantsQuestion)
    where = place(request, question)
    listing = listing_of(where.view, "growth", question)
    rows = [Growing(**row) for row in listed(where, listing, "growth", question.lang)]
    return answered(GrowthAnswer(**where.facts(len(listing.rows)), rows=rows))


def warnings(request: Request) -> Response:
    """The calls to act."""
    question = asked(request, WarningsQuestion)
    where = place(request, question)
    table = _chosen(where.view, question)
    shown = table.iloc[where.rows].rename(columns={f"words_{question.lang}": "words", f"play_{question.lang}": "play"})
    rows = [Warned(**row) for row in records(shown, Warned)]
    return answered(WarningsAnswer(**where.facts(len(table)), rows=rows))


def listing_of(view: View, kind: Literal["at_risk", "growth"], question: MerchantsQuestion) -> Listing:
    """The whole list that a question asks for."""
    return view.listing(kind, question.capacity, question.tier, question.owner, question.lang)


def listed(where: Place, listing: Listing, kind: str, lang: Lang) -> list[dict[str, Any]]:
    """The rows of a page, with the words of the tier beside its code."""
    run = where.view.run
    shown = listing.rows.iloc[where.rows]
    rows = records(shown, AtRisk if kind == "at_risk" else Growing)
    for row in rows:
        row["tier_words"] = row["tier"] and words(run, "tiers", row["tier"], lang)
    return rows


def records(table: pd.DataFrame, kind: type[AtRisk] | type[Growing] | type[Warned]) -> list[dict[str, Any]]:
    """The rows of a table as plain values: the columns that a schema has, null where the table has none."""
    columns = {name: table[name].tolist() if name in table else [None] * len(table) for name in kind.model_fields}
    return [dict(zip(columns, map(plain, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def _chosen(view: View, question: WarningsQuestion) -> pd.DataFrame:
    """The warnings asked for, the most severe first, then by value at risk, then by merchant."""
    table = view.run.warnings
    kinds = sorted({*table["kind"], *view.run.header["inactive_warnings"]})
    if question.kind is not None and question.kind not in kinds:
        raise Problem("invalid-request", f"there is no warning {question.kind!r}; known are {', '.join(kinds)}.")
    for name, wanted in (("kind", question.kind), ("severity", question.severity)):
        table = table if wanted is None else table[table[name] == wanted]
    known = [name for name in ("name", "value_at_risk") if name in view.run.merchants]
    table = table.join(view.run.merchants[known], on="merchant_id")
    level = table["severity"].map({name: place for place, name in enumerate(SEVERITIES)})
    order = table.assign(level=level).sort_values(["level", "value_at_risk", "merchant_id"], ascending=[False, False, True])
    return order.drop(columns="level")


ROUTES = (Route("/v1/at-risk", at_risk), Route("/v1/growth", growth), Route("/v1/warnings", warnings))
