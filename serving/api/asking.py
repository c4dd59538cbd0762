"""From a request to a checked question and the page of a list it asks for, and from an answer to a response."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from serving.access import Who
from serving.api.cursor import Cursor, digest_of
from serving.api.kept import Ready
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
    caller: Who = request.state.who
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


def answered(answer: BaseModel, status: int = 200) -> Response:
    """An answer as JSON; numbers that are missing are null."""
    return Response(answer.model_dump_json().encode(), status, media_type="application/json")


def sent(request: Request, ready: Ready) -> Response:
    """A ready answer, or that nothing has changed since the caller got it."""
    wanted = request.headers.get("if-none-match")
    if wanted is not None and (wanted.strip() == "*" or ready.tag in (tag.strip().removeprefix("W/") for tag in wanted.split(","))):
        return Response(status_code=304, headers={"ETag": ready.tag})
    return Response(ready.body, headers={"ETag": ready.tag}, media_type=ready.media_type)


async def ready(request: Request, make: Callable[[Request, View], BaseModel], since: Hashable = None, is_quick: bool = False) -> Response:
    """What `make` answers of the run that stands, made once for everybody who sees the same merchants and asks the same.

    Parameters
    ----------
    since : what else the answer rests on; another answer is made where it has changed.
    is_quick : it is made within a millisecond, so to hand it to another thread would take longer.
    """
    runs = published(request)
    view = runs.at_hand
    view = (await run_in_threadpool(standing, request)) if view is None or not who(request).sees_all else view
    asking = (request.scope["path"], request.scope["query_string"], since)
    found = view.kept.get(asking)
    if found is None:
        answer = make(request, view) if is_quick else await run_in_threadpool(make, request, view)
        found = view.kept.put(asking, Ready.of(answer.model_dump_json().encode()))
    return sent(request, found)


def horizon_days(view: View) -> int:
    """How many days the risk is told for."""
    return int(section(view, "churn")["horizon_days"])


def section(view: View, name: str) -> Mapping[str, Any]:
    """The settings that the run was scored with."""
    found: Mapping[str, Any] = view.run.header["settings"][name]
    return found
