"""GET /: the at-risk list for people, narrowed, ordered and paged by its address."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access.callers import Access
from serving.api.asking import published, standing, who
from serving.api.choosing import previous_of
from serving.api.cursor import Cursor, digest_of
from serving.api.problem import Problem
from serving.api.published import View
from serving.ledger import Ledger
from serving.ledger.acts import OUTCOMES
from serving.lists import call_notes
from serving.page.at_risk import SHOWS, SORTS, AtRiskQuestion, Chosen, chosen, figures, filters, query_of, rows_of
from serving.page.board import Board, board_of
from serving.page.callings import callings
from serving.page.desk import Desk, desk_of
from serving.page.visit import Visit, address
from serving.page.visiting import around, asked_of, guarded, page, today_of, visit_of

SNOOZE_DAYS = 14


@guarded
def home(request: Request) -> Response:
    """The at-risk list; where no run is published, a page that says so."""
    asked = asked_of(request, AtRiskQuestion)
    view, start = _where(request, asked)
    visit = visit_of(request, "at_risk", view)
    board = board_at(request, view)
    desk = desk_of(board, ledger_of(request), today_of(request, view))
    content = around(request, visit, view)
    found = chosen(board, desk, asked)
    return page(
        visit,
        "at_risk",
        **content,
        **_head(board, asked, visit),
        **_choices(board, desk, asked, visit),
        **_rows(board, desk, asked, found, start, visit),
    )


def board_at(request: Request, view: View) -> Board:
    """The board of a view, beside the run before where that is still published."""
    return board_of(view, previous_of(request, view))


def ledger_of(request: Request) -> Ledger | None:
    """The ledger; None as long as there is none."""
    access: Access = request.app.state.access
    return access.keyring.opened()


def _where(request: Request, asked: AtRiskQuestion) -> tuple[View, int]:
    """The run to read from and the place to begin at."""
    if asked.cursor is None:
        return standing(request), 0
    cursor = Cursor.read(asked.cursor)
    if cursor.question != _digest(asked):
        raise Problem("invalid-request", "cursor belongs to another question; repeat its parameters, or leave the cursor out.")
    published(request).now()
    return published(request).of(cursor.run_id).within(who(request)), cursor.offset


def _digest(asked: AtRiskQuestion) -> str:
    return digest_of("/", asked.filters)


def _head(board: Board, asked: AtRiskQuestion, visit: Visit) -> dict[str, Any]:
    """What stands above the list."""
    days = horizon_of(board)
    kept = {
        name: value
        for name, value in asked.model_dump(exclude={"calls", "cursor", "done"}, exclude_defaults=True).items()
        if value is not None
    }
    return {
        "figures": figures(board, visit, days),
        "calling": callings(board, asked.calls, visit),
        "is_calling": asked.calls is not None,
        "kept": kept.items(),
        "notes": call_notes(board.run, board.calls, board.rows, None, visit.lang),
    }


def horizon_of(board: Board) -> int:
    """How many days the risk is told for."""
    return int(board.run.header["settings"]["churn"]["horizon_days"])


def _choices(board: Board, desk: Desk, asked: AtRiskQuestion, visit: Visit) -> dict[str, Any]:
    """The form that narrows the list."""
    counts = {which: f"{number:,}" for which, number in desk.counts.items()}
    return {"asked": asked, "shows": SHOWS, "sorts": SORTS, "counts": counts, "filters": filters(board, desk, asked, visit)}


def _rows(board: Board, desk: Desk, asked: AtRiskQuestion, found: Chosen, start: int, visit: Visit) -> dict[str, Any]:
    """A page of the list and where it goes on."""
    places, following, before = found.page(start, asked.limit)
    t, f, days = visit.t, visit.f, horizon_of(board)
    cursor = None if following is None else Cursor(board.run.run_id, following, _digest(asked)).text()
    calls, today = board.calls, max(desk.today, date.fromisoformat(board.run.cutoff))
    return {
        "rows": rows_of(board, desk, places, visit, days),
        "has_weeks": board.weeks is not None,
        "shown": t("shown", first=f.count(before + 1), last=f.count(before + len(places)), count=f.count(found.count)),
        "begin": query_of(asked) if start else None,
        "following": None if cursor is None else query_of(asked, cursor=cursor),
        "csv": address("/export.csv", asked.model_dump(exclude={"cursor", "done", "limit", "calls"}, exclude_defaults=True)),
        "xlsx": address("/export.xlsx", asked.model_dump(exclude={"cursor", "done", "limit", "calls"}, exclude_defaults=True)),
        "caption": t(
            "list_caption", order=t(f"sort_{asked.sort}"), sure=f.count(calls.sure), lost=f.count(calls.lost), held=f.count(calls.held_out)
        ),
        "empty": "empty_filtered" if asked.is_narrowed or asked.show != "todo" else "empty_done" if len(board.rows) else "empty",
        "outcomes": OUTCOMES,
        "owners": desk.owners,
        "earliest": str(today + timedelta(days=1)),
        "until": str(today + timedelta(days=SNOOZE_DAYS)),
        "key": uuid4().hex,
    }


ROUTES = (Route("/", home),)
