"""What may be asked and what is answered. Questions with names that nobody knows are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Lang = Literal["en", "zh"]
MerchantId = Annotated[str, Field(min_length=1, max_length=200)]
MOST_IDS = 1000


class Question(BaseModel):
    """A question; its fields are the parameters that are understood."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lang: Lang = "en"


class ListQuestion(Question):
    """A question for a list, a page at a time."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=200)


class MerchantsQuestion(ListQuestion):
    """Who: at most `capacity` merchants, only those of a tier or account manager."""

    capacity: int | None = Field(None, ge=1, le=10_000_000)
    tier: str | None = Field(None, max_length=20)
    owner: str | None = Field(None, max_length=200)


class WarningsQuestion(ListQuestion):
    """Which warnings: of a kind or severity."""

    kind: str | None = Field(None, max_length=80)
    severity: Literal["low", "medium", "high", "critical"] | None = None


class PredictQuestion(Question):
    """The scores of these merchants, as of the published run."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    merchant_ids: list[MerchantId] = Field(min_length=1, max_length=MOST_IDS)


class Answer(BaseModel):
    """What every answer carries: the run, the model that scored it, and the instant that it knows nothing after."""

    run_id: str
    model_version: str
    cutoff: str
    currency: str


class Ready(Answer):
    """A run is published and loaded."""

    status: Literal["ready"] = "ready"


class Listed(BaseModel):
    """A merchant of a list."""

    rank: int
    merchant_id: str
    name: str | None
    owner: str | None
    tier: str | None
    tier_words: str | None
    stage: str | None
    stage_words: str | None
    reasons: list[str]
    action: str | None


class AtRisk(Listed):
    """A merchant that may leave; money in the market's currency over the horizon."""

    churn_risk: float
    value_at_risk: float | None
    expected_profit: float
    warning: str | None


class Growing(Listed):
    """A merchant that may grow."""

    growth_potential: float | None
    gmv_to_add: float | None
    growth_value: float
    expected_gmv: float | None


class Warned(BaseModel):
    """A call to act."""

    merchant_id: str
    name: str | None
    kind: str
    severity: str
    words: str
    measure: str
    value: float | None
    value_at_risk: float | None
    play: str


class ListAnswer(Answer):
    """A page of a list: `count` rows in all, and where it goes on."""

    horizon_days: int
    count: int
    next_cursor: str | None


class AtRiskAnswer(ListAnswer):
    """The at-risk list, by expected profit of acting."""

    value_at_risk: float
    notes: list[str]
    rows: list[AtRisk]


class GrowthAnswer(ListAnswer):
    """The growth list, by growth value."""

    rows: list[Growing]


class WarningsAnswer(ListAnswer):
    """The warnings, the most severe first, and among those by value at risk."""

    rows: list[Warned]


class NoScore(BaseModel):
    """Why there is no score."""

    reason: str
    words: str


class Scores(BaseModel):
    """The scores of a merchant of the cohort."""

    churn_risk_third: float
    churn_risk_two_thirds: float
    churn_risk: float
    expected_gmv: float
    expected_gmv_p10: float
    expected_gmv_p90: float
    growth_potential: float


class Money(BaseModel):
    """What the scores mean in money."""

    value_if_kept: float | None
    value_at_risk: float | None
    expected_profit: float | None
    growth_value: float | None


class Prediction(BaseModel):
    """A merchant's scores, or why it has none; `unknown` where the run does not know the id."""

    merchant_id: str
    status: Literal["scored", "no_score", "unknown"]
    no_score: NoScore | None = None
    scores: Scores | None = None
    money: Money | None = None
    tier: str | None = None
    stage: str | None = None
    action: str | None = None


class PredictAnswer(Answer):
    """One prediction for each id, in the order of asking."""

    horizon_days: int
    predictions: list[Prediction]


class MerchantAnswer(Answer):
    """Everything the run says of one merchant."""

    horizon_days: int
    merchant_id: str
    name: str | None
    owner: str | None
    industry: str | None
    region: str | None
    scale: str | None
    status: Literal["scored", "no_score"]
    no_score: NoScore | None
    scores: Scores | None
    money: Money | None
    tier: str | None
    tier_words: str | None
    stage: str | None
    stage_words: str | None
    points: dict[str, float | None]
    scorecard: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    action: str | None
    moved: dict[str, Any] | None


class ModelAnswer(Answer):
    """The model of the run and the run itself; `champion` is the model that the next run will use."""

    champion: str | None
    card: dict[str, Any] | None
    run: dict[str, Any]
