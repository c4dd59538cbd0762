"""What an endpoint says of itself, for the OpenAPI document: what it is asked, what it answers, and which problems it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HTML = "text/html"


@dataclass(frozen=True)
class Described:
    """An endpoint.

    Attributes
    ----------
    name : its operationId. answer : the schema of its answer. question : that of its parameters. body : that of what is sent to it.
    problems : kinds of problems, beside those that every endpoint has.
    files : media types that the answer may also have.
    has_tag : whether its answers have an ETag. is_keyed : whether it takes an Idempotency-Key.
    """

    name: str
    answer: Any
    question: Any = None
    body: Any = None
    status: int = 200
    problems: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    has_tag: bool = False
    is_keyed: bool = False
    is_open: bool = False
    examples: Mapping[str, Any] = field(default_factory=dict)


def describes(name: str, answer: Any, **given: Any) -> Callable[[Handler], Handler]:
    """Mark an endpoint with its description; its docstring is its summary."""

    def marked(handler: Handler) -> Handler:
        handler.described = Described(name, answer, **given)  # type: ignore[attr-defined]
        return handler

    return marked
