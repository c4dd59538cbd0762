"""The at-risk list: what is asked for, which rows that is, and each row ready for the template."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from serving.lists import words
from serving.page import svg
from serving.page.board import FILTERS, Board
from serving.page.desk import TODO, Desk
from serving.page.formats import absent
from serving.page.visit import Visit, address, merchant_path

Show = Literal["todo", "new", "late", "acknowledged", "snoozed", "done", "all"]
Sort = Literal["profit", "value", "risk", "rise", "due", "name", "owner"]
SHOWS: tuple[Show, ...] = get_args(Show)
SORTS: tuple[Sort, ...] = get_args(Sort)
LIMIT = 50
NOBODY = "–"
"""The owner to ask for when those without one are meant."""


class AtRiskQuestion(BaseModel):
    """What the list can be narrowed to and ordered by; all of it stands in the address."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lang: Literal["en", "zh"] | None = None
    q: str | None = Field(None, max_length=100)
    owner: str | None = Field(None, max_length=200)
    tier: str | None = Field(None, max_length=20)
    stage: str | None = Field(None, max_length=40)
    region: str | None = Field(None, max_length=200)
    industry: str | None = Field(None, max_length=200)
    reason: str | None = Field(None, max_length=80)
    show: Show = "todo"
    sort: Sort = "profit"
    limit: int = Field(LIMIT, ge=1, le=500)
    calls: int | None = Field(None, ge=1, le=10_000_000)
    cursor: str | None = Field(None, max_length=200)
    done: str | None = Field(None, max_length=200)

    @property
    def filters(self) -> dict[str, Any]:
        """What decides which rows there are and their order."""
        return self.model_dump(include={"q", *FILTERS, "reason", "show", "sort"})

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the status is asked for."""
        return any(getattr(self, name) is not None for name in ("q", *FILTERS, "reason"))


@dataclass(frozen=True)
class Chosen:
    """The rows asked for, as places on the board: `order` all of the board's rows in the order asked for, `fits` which of those are shown."""

    order: NDArray[np.int64]
    fits: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many are shown in all."""
        return int(self.fits.sum())

    @property
    def places(self) -> NDArray[np.int64]:
        """Places on the board of those shown, in order."""
        return self.order[self.fits]

    def page(self, start: int, limit: int) -> tuple[NDArray[np.int64], int | None, int]:
        """Places of one page, where the next begins, and how many shown rows come before.

        A page begins at a place of the whole order, so that what people do meanwhile neither repeats nor skips anybody.
        """
        shown = np.flatnonzero(self.fits)
        first = int(np.searchsorted(shown, start))
        here = shown[first : first + limit]
        following = int(shown[first + limit]) if first + limit < len(shown) else None
        return self.order[here], following, first


def chosen(board: Board, desk: Desk, asked: AtRiskQuestion) -> Chosen:
    """Which rows of a board are asked for, and their order."""
    fits = desk.shows(asked.show)
    for name in FILTERS:
        wanted = getattr(asked, name)
        if wanted is not None:
            values = (
                desk.table["owner"]
                if name == "owner"
                else board.rows[name]
                if name in board.rows
                else pd.Series(None, index=board.rows.index)
            )
            fits &= (values.isna() if wanted == NOBODY else values.astype(str) == wanted).to_numpy(bool)
    if asked.reason is not None:
        fits &= board.has_reason(asked.reason)
    if asked.q is not None:
        terms = asked.q.casefold().split()
        fits &= np.array([all(term in text for term in terms) for text in board.searched], bool)
    order = _order(board, desk, asked.sort)
    return Chosen(order, fits[order])


def _order(board: Board, desk: Desk, sort: Sort) -> NDArray[np.int64]:
    """All rows in an order; the list's own where it is equal."""
    rows = board.rows
    if sort == "profit":
        return np.arange(len(rows))
    if sort in ("name", "owner", "due"):
        named = rows["name"] if "name" in rows else pd.Series(rows.index, index=rows.index)
        values = {"name": named.fillna(""), "owner": desk.table["owner"].fillna("\uffff").astype(str), "due": desk.table["due_on"]}[sort]
        return values.reset_index(drop=True).sort_values(kind="stable", na_position="last").index.to_numpy()
    before = board.before["risk"].to_numpy(np.float64)
    risk = rows["churn_risk"].to_numpy(np.float64)
    keys = {"value": rows["value_at_risk"].to_numpy(np.float64), "risk": risk, "rise": np.where(np.isnan(before), -np.inf, risk - before)}
    return np.argsort(-keys[sort], kind="stable")


def rows_of(board: Board, desk: Desk, places: NDArray[np.int64], visit: Visit, days: int) -> list[dict[str, Any]]:
    """Some rows, written out."""
    states = desk.records(places)
    return [_row(board, row, state, desk, visit, days) for row, state in zip(board.records(places), states, strict=True)]


def _row(board: Board, row: Mapping[str, Any], state: Mapping[str, Any], desk: Desk, visit: Visit, days: int) -> dict[str, Any]:
    t, f, lang = visit.t, visit.f, visit.lang
    merchant, risk = str(row["merchant_id"]), float(row["churn_risk"])
    name = one_line(row.get("name"))
    return {
        "id": merchant,
        "name": name or merchant,
        "has_name": bool(name),
        "path": merchant_path(merchant),
        "tier": row["tier"],
        "tier_words": words(board.run, "tiers", row["tier"], lang),
        "stage": words(board.run, "stages", row["stage"], lang),
        "leave": t("leave", leave=f.of_100(risk)),
        "within": t("leave_within", days=days),
        "risk": risk,
        "level": level(risk),
        "change": None if board.previous is None else change(risk, row["before"], visit),
        "value": f.money(row["value_at_risk"]),
        "profit": t("value_profit", profit=f.money(row["expected_profit"])),
        "spark": _spark(row["weeks"], visit),
        "reasons": [one_line(reason) for reason in board.reasons(merchant, lang)],
        "action": row[f"action_{lang}"],
        **status_of(state, desk.today, visit),
    }


def level(risk: float) -> str:
    """How loud a risk is told."""
    return "high" if risk >= 0.6 else "middle" if risk >= 0.3 else "low"


def change(risk: float, before: float, visit: Visit) -> dict[str, str]:
    """How a risk moved since the run before, in points of a hundred."""
    if absent(before):
        return {"sign": "new", "words": visit.t("change_new")}
    points = round(risk * 100) - round(before * 100)
    sign = "up" if points > 0 else "down" if points < 0 else "none"
    return {
        "sign": sign,
        "points": f"{'+' if points > 0 else '−' if points else ''}{abs(points)}",
        "words": visit.t(f"change_{sign}", points=abs(points)),
    }


def status_of(state: Mapping[str, Any], today: date, visit: Visit) -> dict[str, Any]:
    """Owner, due day and status of a row in words."""
    t, f, status, due_on = visit.t, visit.f, str(state["status"]), state["due_on"]
    told = {"snoozed": {"day": f.short_day(state["until"])}, "done": {"day": f.short_day(state["outcome_on"])}}.get(status, {})
    if status == "done":
        told["outcome"] = t(f"o_{state['outcome']}")
    is_late = status in TODO and not absent(due_on) and due_on < pd.Timestamp(today)
    due = None if absent(due_on) or status not in TODO else t("due_late" if is_late else "due", day=f.short_day(due_on))
    return {
        "status": status,
        "status_words": t(f"status_{status}", **told),
        "due": due,
        "is_late": is_late,
        "owner": one_line(state["owner"]) or None,
    }


def _spark(weeks: NDArray[np.float64] | None, visit: Visit) -> Markup | None:
    if weeks is None:
        return None
    first, last, most = (visit.f.short(float(value)) for value in (weeks[0], weeks[-1], weeks.max()))
    return svg.spark(weeks, visit.t("spark_alt", first=first, last=last, most=most))


def figures(board: Board, visit: Visit, days: int) -> list[dict[str, str]]:
    """The numbers on top."""
    t, f, rows, counts, money = visit.t, visit.f, board.rows, board.run.header["counts"], board.money
    previous = board.previous
    since = t("fig_new_means", day=f.day(previous.cutoff)) if previous else t("fig_new_first")
    if previous and board.relieved:
        since = f"{t('fig_left_means', number=f.count(board.relieved))} · {since}"
    return [
        {"key": "value", "number": f.short(money["at_risk"]), "what": t("fig_value"), "means": t("fig_value_means", days=days)},
        {
            "key": "listed",
            "number": f.count(len(rows)),
            "what": t("fig_listed"),
            "means": t("fig_listed_means", scored=f.count(counts["scored"])),
        },
        {"key": "new", "number": f.count(int(board.is_new.sum())), "what": t("fig_new"), "means": since},
        {
            "key": "pays",
            "number": f.count(money["pays"]),
            "what": t("fig_pays"),
            "means": t("fig_pays_means", profit=f.short(money["brings"])),
        },
        {"key": "leavers", "number": f.count(round(board.leavers)), "what": t("fig_leavers"), "means": t("fig_leavers_means", days=days)},
    ]


def filters(board: Board, desk: Desk, asked: AtRiskQuestion, visit: Visit) -> list[dict[str, Any]]:
    """The selects of the form: name, label, options, what is chosen."""
    t, lang = visit.t, visit.lang
    found = []
    options = {name: [(value, one_line(value)) for value in values] for name, values in board.choices.items()}
    if desk.owners:
        options["owner"] = [(owner, one_line(owner)) for owner in desk.owners] + (
            [(NOBODY, t("f_nobody"))] if desk.table["owner"].isna().any() else []
        )
    for name in ("tier", "stage"):
        options[name] = [(value, _told(board, name, value, lang)) for value in board.choices.get(name, [])]
    options["reason"] = board.reason_groups[lang]
    for name in ("owner", "tier", "stage", "region", "industry", "reason"):
        if options.get(name):
            found.append({"name": name, "label": t(f"f_{name}"), "options": options[name], "chosen": getattr(asked, name)})
    return found


def _told(board: Board, name: str, value: str, lang: Any) -> str:
    told = words(board.run, "tiers" if name == "tier" else "stages", value, lang)
    return f"{value} · {told}" if name == "tier" else told


def query_of(asked: AtRiskQuestion, **changed: Any) -> str:
    """The address of the list with something asked differently, from its beginning."""
    given = asked.model_dump(exclude={"cursor", "done"}, exclude_defaults=True) | changed
    return address("/", given)


def one_line(text: Any) -> str:
    """A text on one line: control characters become spaces; empty where there is none."""
    if absent(text):
        return ""
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in str(text))
