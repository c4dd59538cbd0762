"""What the service answers, as it is in JSON; fields that a newer service adds are simply there too."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Lang = Literal["en", "zh"]


class Run(TypedDict):
    """What every answer carries: the run, its model, and the day that it knows nothing after."""

    run_id: str
    model_version: str
    cutoff: str
    currency: str


class Listed(TypedDict):
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
    """A merchant that may leave."""

    churn_risk: float
    value_at_risk: float | None
    expected_profit: float
    warning: str | None
    region: str | None
    industry: str | None
    risk_change: float | None
    is_new: bool
    status: str
    due_on: str | None
    snoozed_until: str | None


class Growing(Listed):
    """A merchant that may grow."""

    growth_potential: float | None
    gmv_to_add: float | None
    growth_value: float
    expected_gmv: float | None


class Warned(TypedDict):
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
    status: str | None
    opened_on: str | None
    due_on: str | None
    snoozed_until: str | None


class NoScore(TypedDict):
    """Why there is no score."""

    reason: str
    words: str


class Scores(TypedDict):
    """The scores of a merchant; the three risks are for a third, two thirds and all of `horizon_days`."""

    churn_risk_third: float
    churn_risk_two_thirds: float
    churn_risk: float
    expected_gmv: float
    expected_gmv_p10: float
    expected_gmv_p90: float
    growth_potential: float
    decline_risk: float | None


class Money(TypedDict):
    """What the scores mean in money, over the horizon; `lifetime_value` is over the next year."""

    value_if_kept: float | None
    value_at_risk: float | None
    expected_profit: float | None
    growth_value: float | None
    lifetime_value: float | None


class Reason(TypedDict):
    """What raises or lowers a score, in words with the merchant's own numbers."""

    head: str
    direction: str
    group: str
    sentence: str
    contribution: float


class Prediction(TypedDict):
    """A merchant's scores, or why it has none; `unknown` where the run does not know the id.

    `activation_chance` is that of a first order soon, of a merchant that has none yet.
    """

    merchant_id: str
    status: Literal["scored", "no_score", "unknown"]
    no_score: NoScore | None
    scores: Scores | None
    money: Money | None
    activation_chance: float | None
    tier: str | None
    stage: str | None
    action: str | None
    reasons: list[Reason] | None


class PredictAnswer(Run):
    """One prediction for each merchant, in the order of asking, all of one run."""

    horizon_days: int
    predictions: list[Prediction]


class SentMerchant(TypedDict, total=False):
    """A merchant with its events by table, for a prediction live; what the tables hold is in the README."""

    merchant_id: str
    merchant: dict[str, Any]
    events: dict[str, list[dict[str, Any]]]
