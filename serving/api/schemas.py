"""What may be asked and what is answered. Questions with names that nobody knows are refused."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.api.schemas_predict import Money, NoScore, Prediction, Reason, Scores

Lang = Literal["en", "zh"]
Show = Literal["all", "todo", "new", "late", "acknowledged", "snoozed", "done"]
Sort = Literal["profit", "value", "risk", "rise", "due", "name", "owner"]
Status = Literal["new", "open", "acknowledged", "snoozed", "done"]
WarningStatus = Literal["open", "snoozed", "closed"]


class Question(BaseModel):
    """A question; its fields are the parameters that are understood."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lang: Lang = "en"


class ListQuestion(Question):
    """A question for a list, a page at a time."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=200)


class MerchantsQuestion(ListQuestion):
    """Who: at most `capacity` merchants, only those of a tier, account manager, stage, region or industry, or whose name or id has `q` in it."""

    capacity: int | None = Field(None, ge=1, le=10_000_000)
    tier: str | None = Field(None, max_length=20)
    owner: str | None = Field(None, max_length=200)
    stage: str | None = Field(None, max_length=40)
    region: str | None = Field(None, max_length=200)
    industry: str | None = Field(None, max_length=200)
    q: str | None = Field(None, min_length=1, max_length=100)
    format: Literal["json", "csv", "xlsx"] | None = None


class AtRiskQuestion(MerchantsQuestion):
    """Who to act on: also by reason and by what was done so far, and in which order."""

    reason: str | None = Field(None, max_length=80)
    show: Show = "all"
    sort: Sort = "profit"


class WarningsQuestion(ListQuestion):
    """Which warnings: of a kind, severity, account manager or status, or of merchants whose name or id has `q` in it."""

    kind: str | None = Field(None, max_length=80)
    severity: Literal["low", "medium", "high", "critical"] | None = None
    owner: str | None = Field(None, max_length=200)
    status: WarningStatus | None = None
    q: str | None = Field(None, min_length=1, max_length=100)


class PortfolioQuestion(Question):
    """How the portfolio is cut: by an attribute, in periods."""

    by: str | None = Field(None, max_length=40)
    every: Literal["quarter", "month"] = "quarter"
    format: Literal["json", "csv", "xlsx", "html"] | None = None


class Answer(BaseModel):
    """What every answer carries: the run, the model that scored it, and the instant that it knows nothing after."""

    run_id: str
    model_version: str
    cutoff: str
    currency: str


class Ready(Answer):
    """A run is published and loaded; `refused` is what came after it and cannot be used, so that the one before goes on."""

    status: Literal["ready"] = "ready"
    refused: list[Literal["run", "model"]] = []


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
    region: str | None
    industry: str | None
    risk_change: float | None
    is_new: bool
    status: Status
    due_on: str | None
    snoozed_until: str | None


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
    owner: str | None
    status: WarningStatus | None
    opened_on: str | None
    due_on: str | None
    snoozed_until: str | None


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


class PredictAnswer(Answer):
    """One prediction for each merchant, in the order of asking; `model_version` is that of the model that gave the scores."""

    horizon_days: int
    predictions: list[Prediction]


class Outlook(BaseModel):
    """What else the model expects; the range is that of the churn risk, money is over the next year."""

    churn_risk_low: float | None
    churn_risk_high: float | None
    days_to_last_order: float | None
    decline_risk: float | None
    activation_chance: float | None
    lifetime_value: float | None


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
    outlook: Outlook | None
    history: dict[str, Any]
    next_tier: dict[str, Any] | None
    benefits: list[dict[str, Any]]
    benchmarks: dict[str, Any] | None
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


class ReasonsAnswer(Answer):
    """Why a merchant may leave or grow: groups of features and the merchant's own numbers, the strongest first."""

    merchant_id: str
    status: Literal["scored", "no_score"]
    no_score: NoScore | None
    reasons: list[Reason]


class HistoryAnswer(Answer):
    """What the ledger knows of a merchant: scores by run, warnings, dispositions, overrides, decisions, and every change."""

    merchant_id: str
    scores: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    dispositions: list[dict[str, Any]]
    overrides: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    desk: dict[str, Any] | None


class PortfolioAnswer(Answer):
    """What all merchants look like together: headline figures and tables with their headings."""

    lang: Lang
    title: str
    by: str | None
    every: str
    headline: list[dict[str, Any]]
    tables: list[dict[str, Any]]


class RetrospectivesQuestion(ListQuestion):
    """Which merchants that were lost: whether they ever grew, why they left, and only those of a tier or account manager."""

    kind: Literal["lost", "newcomer"] = "lost"
    cause: str | None = Field(None, max_length=80)
    tier: str | None = Field(None, max_length=20)
    owner: str | None = Field(None, max_length=200)


class RetrospectivesAnswer(ListAnswer):
    """Merchants that were lost, each looked back on, as of a day; `sums` of all of them only for those who see all merchants."""

    as_of: str | None
    since: str | None
    notes: list[str]
    sums: dict[str, Any] | None
    rows: list[dict[str, Any]]
