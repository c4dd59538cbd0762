"""Which rows of the lists are asked for: by what the data says of a merchant, by what people did since, and by a text in its name or id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from starlette.requests import Request

from serving.api.asking import published, who
from serving.api.ledgers import access_of, reached, today
from serving.api.problem import Problem
from serving.api.published import View
from serving.api.schemas import AtRiskQuestion, MerchantsQuestion
from serving.calls import cut_to
from serving.ledger import Ledger
from serving.lists import closest, only, team_of
from serving.page.at_risk import AtRiskQuestion as Asked
from serving.page.at_risk import chosen
from serving.page.board import Board, board_of
from serving.page.desk import Desk, desk_of
from serving.run import earlier_id

FILTERS = ("tier", "stage", "region", "industry")


@dataclass(frozen=True)
class Choice:
    """The rows asked for: the desk they lie on, and their places on it in order."""

    board: Board
    desk: Desk
    places: NDArray[np.int64]


def ledger_or_none(request: Request) -> Ledger | None:
    """The ledger; None as long as there is none."""
    with reached():
        return access_of(request).keyring.opened()


def at_risk_choice(request: Request, view: View, question: AtRiskQuestion) -> Choice:
    """The at-risk list as it is asked for.

    Raises
    ------
    UsageRefused : a tier or owner that nobody has.
    """
    board = board_of(view, previous_of(request, view))
    with reached():
        desk = desk_of(board, ledger_or_none(request), today(request, view))
    _refuse_unknown(view, question, {*map(str, desk.table["owner"].dropna())})
    given = question.model_dump(include={"q", "owner", *FILTERS, "reason", "show", "sort"})
    places = chosen(board, desk, Asked(**given)).places
    if question.capacity is not None:
        rows = board.rows.iloc[places].assign(place=places)
        places = cut_to(rows, question.capacity, team_of(view.run).capacity_per_owner)["place"].to_numpy(np.int64)
    return Choice(board, desk, places)


def narrowed(view: View, rows: pd.DataFrame, question: MerchantsQuestion) -> pd.DataFrame:
    """The rows of a list, with the column merchant_id, that are asked for.

    Raises
    ------
    UsageRefused : a tier or owner that nobody has.
    """
    _refuse_unknown(view, question, set())
    merchants = view.run.merchants.loc[rows["merchant_id"]]
    fits = np.ones(len(rows), bool)
    for name in ("owner", *FILTERS):
        wanted = getattr(question, name)
        if wanted is not None:
            fits &= (merchants[name].astype(str) == wanted).to_numpy(bool) if name in merchants else False
    if question.q is not None:
        fits &= has_text(merchants, question.q)
    found = rows[fits]
    if question.capacity is not None:
        found = cut_to(found, question.capacity, team_of(view.run).capacity_per_owner)
    return found


def has_text(merchants: pd.DataFrame, q: str) -> NDArray[np.bool_]:
    """Which merchants have all words of a text in their name or id."""
    names = merchants["name"].fillna("") if "name" in merchants else pd.Series("", index=merchants.index)
    texts = [f"{name}\n{merchant}".casefold() for merchant, name in zip(merchants.index, names, strict=True)]
    words = q.casefold().split()
    return np.array([all(word in text for word in words) for text in texts], bool)


def day_text(value: Any) -> str | None:
    """A day as text."""
    return None if value is None or pd.isna(value) else f"{value:%Y-%m-%d}"


def _refuse_unknown(view: View, question: MerchantsQuestion, owners: set[str]) -> None:
    owner = None if question.owner in owners else question.owner
    if owners and owner is not None and "owner" not in view.run.merchants:
        raise Problem("invalid-request", f"nobody is called {owner!r}; {closest(owner, sorted(owners))}")
    only(view.run, view.run.merchants, question.tier, owner)


def previous_of(request: Request, view: View) -> View | None:
    """The run before, of an earlier cutoff, as far as the caller may see it; None where there is none any more."""
    before = earlier_id(published(request).state_dir, view.run)
    try:
        return published(request).of(before).within(who(request)) if before else None
    except Problem:
        return None


