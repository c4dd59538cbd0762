"""The at-risk list as a file: the rows that the page shows, in its order, with owner, due day and status."""

from __future__ import annotations

from dataclasses import replace

from serving.lists import Column, Listing, at_risk
from serving.page.at_risk import AtRiskQuestion, chosen, status_of
from serving.page.board import Board
from serving.page.desk import Desk
from serving.page.formats import absent
from serving.page.visit import Visit

ADDED = (Column("owner", "owner", "负责人"), Column("due", "due", "截止日"), Column("status", "status", "状态"))


def taken(board: Board, desk: Desk, asked: AtRiskQuestion, visit: Visit) -> Listing:
    """The list as asked for, whole: ready for CSV or a workbook."""
    whole = at_risk(board.run, lang=visit.lang)
    places = chosen(board, desk, asked).places
    rows = whole.rows.iloc[places].reset_index(drop=True)
    states = desk.records(places)
    rows["rank"] = range(1, len(rows) + 1)
    rows["owner"] = [None if absent(state["owner"]) else str(state["owner"]) for state in states]
    rows["due"] = [None if absent(state["due_on"]) else f"{state['due_on']:%Y-%m-%d}" for state in states]
    rows["status"] = [status_of(state, desk.today, visit)["status_words"] for state in states]
    columns = (*(column for column in whole.columns if column.key != "owner"), *ADDED)
    return replace(whole, rows=rows, columns=columns, calling=None)
