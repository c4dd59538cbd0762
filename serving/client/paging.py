"""A list of the service, gone through page by page, all pages of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from .answers import Run
from .calling import Calling

Row = TypeVar("Row")


class Paged(Generic[Row]):
    """The rows of a list, fetched as they are gone through.

    The first page binds the list to the run that stands then: a run that is published meanwhile neither repeats nor skips anybody. Going
    through it again begins with the first page as it was.
    """

    def __init__(self, call: Calling, path: str, query: Mapping[str, Any]) -> None:
        self._call, self._path, self._query = call, path, query

    @cached_property
    def _first(self) -> dict[str, Any]:
        return self._page(None)

    @property
    def run(self) -> Run:
        """The run that the list is of."""
        return cast(Run, {name: self._first[name] for name in Run.__annotations__})

    @property
    def facts(self) -> dict[str, Any]:
        """What the first page says beside its rows, such as notes and the value at risk of all."""
        return {name: value for name, value in self._first.items() if name != "rows"}

    def __len__(self) -> int:
        """How many rows there are, on all pages."""
        return int(self._first["count"])

    def __iter__(self) -> Iterator[Row]:
        page = self._first
        yield from page["rows"]
        while page["next_cursor"] is not None:
            page = self._page(page["next_cursor"])
            yield from page["rows"]

    def _page(self, cursor: str | None) -> dict[str, Any]:
        page: dict[str, Any] = self._call("GET", self._path, query={**self._query, "cursor": cursor})
        return page
