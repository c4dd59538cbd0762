"""What may be predicted, by id or from events that are sent along, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, WithJsonSchema
from typing_extensions import TypedDict  # pydantic reads no other one before Python 3.12

from features.sent import moment
from features.tables import TABLES, Column

MerchantId = Annotated[str, Field(min_length=1, max_length=200)]
MOST = 1000
"""Merchants in one call."""
MOST_ROWS = 10_000
"""Rows of one table of one merchant."""
BEYOND = 2**53 // 100
"""Numbers above this are not exact any more."""
Time = Annotated[
    str, Field(max_length=40), AfterValidator(moment), WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]})
]
CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _type_of(column: Column) -> Any:
    """The type of a column of the data contract."""
    if column.kind == "time":
        return Time
    if column.kind in ("id", "text"):
        return Annotated[str, Field(min_length=1, max_length=500)]
    if column.kind == "count":
        return Annotated[int, Field(ge=0, le=BEYOND)]
    low = 0 if column.kind == "money" else -BEYOND
    given = (low if column.low is None else column.low, BEYOND if column.high is None else column.high)
    return Annotated[float, Field(ge=given[0], le=given[1])]


def _row(table: str) -> Any:
    """A row of a table of the contract, without the merchant's id."""
    columns = {name: column for name, column in TABLES[table].columns.items() if name != "merchant_id"}
    fields = {name: _type_of(one) if one.required else NotRequired[_type_of(one) | None] for name, one in columns.items()}  # type: ignore[valid-type]
    row = TypedDict(f"{table[:-1].title()}Row", fields)  # type: ignore[misc]
    row.__pydantic_config__ = CONFIG  # type: ignore[attr-defined]
    row.__doc__ = f"A row of the table {table}."
    return row


def _events() -> Any:
    """The rows of a merchant, by table."""
    tables = {name: NotRequired[Annotated[list[_row(name)], Field(max_length=MOST_ROWS)]] for name in TABLES if name != "merchants"}  # type: ignore[misc]
    events = TypedDict("Events", tables)  # type: ignore[misc]
    events.__pydantic_config__ = CONFIG  # type: ignore[attr-defined]
    events.__doc__ = "Everything that happened to a merchant before the cutoff, by table; tables left out are empty."
    return events


def _attributes() -> Any:
    columns = {name: column for name, column in TABLES["merchants"].columns.items() if name != "merchant_id"}
    merchant = TypedDict("Attributes", {name: NotRequired[_type_of(one) | None] for name, one in columns.items()})  # type: ignore[misc]
    merchant.__pydantic_config__ = CONFIG  # type: ignore[attr-defined]
    merchant.__doc__ = "What is known of a merchant; without `joined_at` it joined with its first order."
    return merchant


Events: Any = _events()
Attributes: Any = _attributes()


class SentMerchant(BaseModel):
    """A merchant with its events."""

    model_config = CONFIG
    merchant_id: MerchantId
    merchant: Attributes = Field(default_factory=dict)
    events: Events = Field(default_factory=dict)


class PredictIds(BaseModel):
    """The scores of these merchants, as of the published run."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    merchant_ids: list[MerchantId] = Field(min_length=1, max_length=MOST)
    lang: Literal["en", "zh"] = "en"
    explain: bool = False


class PredictEvents(BaseModel):
    """The scores of merchants from their events, as of the cutoff of the published run; `cutoff` and `currency`, if given, must be its own."""

    model_config = CONFIG
    merchants: list[SentMerchant] = Field(min_length=1, max_length=MOST)
    cutoff: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    lang: Literal["en", "zh"] = "en"
    explain: bool = False


def _kind(body: Any) -> str:
    return "events" if isinstance(body, dict) and "merchants" in body else "ids"


PredictQuestion = Annotated[Annotated[PredictIds, Tag("ids")] | Annotated[PredictEvents, Tag("events")], Discriminator(_kind)]
PREDICT: TypeAdapter[PredictIds | PredictEvents] = TypeAdapter(PredictQuestion)


class NoScore(BaseModel):
    """Why there is no score."""

    reason: str
    words: str


class Scores(BaseModel):
    """The scores of a merchant of the cohort; `decline_risk` is null in a run that was published before there was one."""

    churn_risk_third: float
    churn_risk_two_thirds: float
    churn_risk: float
    expected_gmv: float
    expected_gmv_p10: float
    expected_gmv_p90: float
    growth_potential: float
    decline_risk: float | None


class Money(BaseModel):
    """What the scores mean in money; `lifetime_value` is over the next year, and null in a run that was published before there was one."""

    value_if_kept: float | None
    value_at_risk: float | None
    expected_profit: float | None
    growth_value: float | None
    lifetime_value: float | None


class Reason(BaseModel):
    """A group of features that raises or lowers a score, in words with the merchant's own numbers; its contribution is in log-odds."""

    head: str
    direction: str
    group: str
    sentence: str
    contribution: float


class Prediction(BaseModel):
    """A merchant's scores, or why it has none; `unknown` where the run does not know the id. Reasons only where they were asked for.

    `activation_chance` is that of a first order soon, of a merchant that has none yet.
    """

    merchant_id: str
    status: Literal["scored", "no_score", "unknown"]
    no_score: NoScore | None = None
    scores: Scores | None = None
    money: Money | None = None
    activation_chance: float | None = None
    tier: str | None = None
    stage: str | None = None
    action: str | None = None
    reasons: list[Reason] | None = None
