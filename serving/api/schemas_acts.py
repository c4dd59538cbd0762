"""What people tell the API, and what it answers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.api.schemas import Answer

Day = Annotated[date, Field(description="A day such as 2026-06-01.")]
Outcome = Literal["attempted", "identified", "resolved", "no issue", "lost", "wrong alarm", "business closed"]


class Told(BaseModel):
    """What is told; fields that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Deed(Told):
    """What was done for a merchant and what came of it; on the day of the list unless `done_on` says otherwise."""

    outcome: Outcome
    kind: str | None = Field(None, min_length=1, max_length=80)
    offer: str | None = Field(None, min_length=1, max_length=500)
    cost: float | None = Field(None, ge=0, le=1e12)
    note: str | None = Field(None, min_length=1, max_length=2000)
    done_on: Day | None = None


class Snooze(Told):
    """Until when a merchant can wait, and why."""

    until: Day
    reason: str = Field(min_length=1, max_length=500)


class Assignment(Told):
    """Who looks after a merchant from now on."""

    owner: str = Field(min_length=1, max_length=200)


class Nothing(Told):
    """Nothing has to be said."""


class Done(Answer):
    """What was done: `entry_no` undoes it, and is null where it was so already; `is_new` is false there too."""

    merchant_id: str
    is_new: bool
    entry_no: int | None


class Recorded(Done):
    """A disposition: the kinds of warning that it closed, and whether the merchant was to be left alone."""

    disposition_no: int
    outcome: str
    key: str
    closed: list[str]
    is_held_out: bool


class Snoozed(Done):
    """Until when the merchant waits, and the kinds of its open warnings that wait with it."""

    until: str
    kinds: list[str]


class Acknowledged(Done):
    """Who has seen it."""

    acknowledged_by: str | None
    acknowledged_on: str


class Assigned(Done):
    """Who looks after it."""

    owner: str


class Undone(Done):
    """What was taken back."""

    undone: str


class GivenUp(BaseModel):
    """A message that did not arrive in all its attempts, and why the last one failed."""

    message_id: str
    kind: str
    made_at: str
    dead_at: str
    attempts: int
    failure: str | None


class WebhooksAnswer(Answer):
    """Messages to other systems: how many wait, when the oldest of them was made, and which were given up (at most 1,000 are told)."""

    waiting: int
    oldest: str | None
    dead: int
    messages: list[GivenUp]


class Retried(Answer):
    """How many messages are tried again."""

    messages: int


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error as RFC 9457 has it: what kind, and one sentence that ends in what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:keepwell:problem:[a-z-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "name", "detail"],
                "properties": {"where": {"type": "string", "enum": ["query", "body"]}, "name": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        **{name: {"type": "string"} for name in ("run_id", "model_version", "cutoff", "currency")},
    },
}
