"""GET /merchants/{id}: one merchant for people. GET /find: the merchant that is looked for, or the list narrowed to it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.errors import Refused
from serving.api.asking import standing
from serving.api.choosing import previous_of
from serving.api.endpoints.page import ledger_of
from serving.api.problem import Problem, clip
from serving.ledger.acts import OUTCOMES
from serving.ledger.schema import desk
from serving.page.look_back import look_back
from serving.page.merchant import Case, merchant, snooze_days
from serving.page.visit import address, merchant_path
from serving.page.visiting import around, guarded, moved_to, page, today_of, visit_of


@guarded
def one(request: Request) -> Response:
    """Everything that is known of one merchant."""
    view, wanted = standing(request), request.path_params["merchant_id"]
    if wanted not in view.run.merchants.index:
        raise Problem("unknown-merchant", f"merchant {clip(wanted)!r} is not in run {view.run.run_id}; look for it in the list.")
    visit = visit_of(request, "at_risk", view)
    previous = previous_of(request, view)
    remembered = _remembered(request, wanted)
    case = Case(view.run, wanted, previous.run if previous else None, remembered.get("history"), remembered.get("runs"))
    content = around(request, visit, view) | merchant(case, visit) | snooze_days(case, today_of(request, view))
    given = {
        "outcomes": OUTCOMES,
        "owners": _owners(view),
        "owner": remembered.get("owner") or content["m"]["owner"],
        "lost": look_back(case, visit),
        "key": uuid4().hex,
        "ledger_off": remembered.get("off"),
    }
    return page(visit, "merchant", **content | given)


def _owners(view: Any) -> list[str]:
    merchants = view.run.merchants
    return sorted(map(str, merchants["owner"].dropna().unique())) if "owner" in merchants else []


def _remembered(request: Request, merchant_id: str) -> dict[str, Any]:
    """What the ledger knows of a merchant, or why it cannot be read."""
    ledger = ledger_of(request)
    if ledger is None:
        return {}
    try:
        decided = ledger.table("desk", desk.c.merchant_id == merchant_id)["owner"].dropna().tolist()
        return {"history": ledger.history(merchant_id), "runs": ledger.table("runs"), "owner": decided[0] if decided else None}
    except Refused as refused:
        return {"off": str(refused)}


@guarded
def find(request: Request) -> Response:
    """To the merchant whose id was typed, else to the list searched for it."""
    wanted = request.query_params.get("q", "").strip()[:100]
    if wanted in standing(request).run.merchants.index:
        return moved_to(merchant_path(wanted))
    return moved_to(address("/", {"q": wanted, "show": "all" if wanted else None}))


ROUTES = (Route("/merchants/{merchant_id:path}", one), Route("/find", find))
