"""From a request to a checked question and the page of a list it asks for, and from an answer to a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from serving.access import LOCAL, Who
from serving.api.cursor import Cursor, digest_of
from serving.api.problem import Problem, clip, invalid
from serving.api.published import Published, View
from serving.api.schemas import ListQuestion, Question

Asked = TypeVar("Asked", bound=Question)


@dataclass(frozen=True)
class Place:
    """The run that a list is read from, and the rows of it that are shown."""

    view: View
    offset: int
    limit: int
    question: str

    @property
    def rows(self) -> slice:
        """The rows of this page."""
        return slice(self.offset, self.offset + self.limit)

    def following(self, count: int) -> str | None:
        """The cursor of the next page of a list of `count` rows; None at its end."""
        after = self.offset + self.limit
        return Cursor(self.view.run.run_id, after, self.question).text() if after < count else None

    def facts(self, count: int) -> dict[str, Any]:
        """What every page of a list carries."""
        return {**self.view.facts, "horizon_days": horizon_days(self.view), "count": count, "next_cursor": self.following(count)}


def published(request: Request) -> Published:
    """The runs that the application serves."""
    runs: Published = request.app.state.published
    return runs


def who(request: Request) -> Who:
    """Who is asking, as the guard found out."""
    caller: Who = getattr(request.state, "who", LOCAL)
    return caller


def standing(request: Request) -> View:
    """The run that stands, with the merchants that the caller may see and no others: what every endpoint reads.

    Raises
    ------
    Problem : no run is published.
    """
    return published(request).now().within(who(request))


def asked(request: Request, kind: type[Asked]) -> Asked:
    """The parameters of a request, checked.

    Raises
    ------
    Problem : a parameter that is unknown, wrong or given twice.
    """
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Problem("invalid-request", f"{clip(twice)} is given more than once; give it once.")
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise invalid(error, list(kind.model_fields), "query") from None


def place(request: Request, question: ListQuestion) -> Place:
    """Where a list is to be read: from its beginning in the run that stands, or where a cursor says.

    Raises
    ------
    Problem : no run; a cursor that is none of ours, of another question, or of a run that is gone.
    """
    digest = digest_of(request.url.path, question.model_dump(exclude={"cursor", "limit"}))
    if question.cursor is None:
        return Place(standing(request), 0, question.limit, digest)
    cursor = Cursor.read(question.cursor)
    if cursor.question != digest:
        raise Problem("invalid-request", "cursor belongs to another question; repeat its parameters, or leave the cursor out.")
    published(request).now()  # so that a newer run is noticed while an older one is paged
    return Place(published(request).of(cursor.run_id).within(who(request)), cursor.offset, question.limit, digest)


def answered(answer: BaseModel) -> Response:
    """An answer as JSON; numbers that are missing are null."""
    return Response(answer.model_dump_json().encode(), media_type="application/json")


def horizon_days(view: View) -> int:
    """How many days the risk is told for."""
    return int(section(view, "churn")["horizon_days"])


def section(view: View, name: str) -> Mapping[str, Any]:
    """The settings that the run was scored with."""
    found: Mapping[str, Any] = view.run.header["settings"][name]
    return found
