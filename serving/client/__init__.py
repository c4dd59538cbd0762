"""A client of Keepwell's API for other programs: typed answers, retries, paging. It needs httpx and nothing else of Keepwell.

Copy this directory, or install Keepwell; either way:

    from serving.client import Client

    with Client("https://keepwell.example.com", key="kw_…") as keepwell:
        for row in keepwell.at_risk(owner="Ann"):
            print(row["merchant_id"], row["churn_risk"], row["reasons"])
"""

from __future__ import annotations

from .answers import AtRisk, Growing, PredictAnswer, Prediction, Reason, Run, Scores, Warned
from .calling import Retries
from .client import Client
from .errors import Denied, Invalid, KeepwellError, NotFound, NotReached, Overloaded, RunChanged, RunGone
from .paging import Paged

__all__ = [
    "AtRisk",
    "Client",
    "Denied",
    "Growing",
    "Invalid",
    "KeepwellError",
    "NotFound",
    "NotReached",
    "Overloaded",
    "Paged",
    "PredictAnswer",
    "Prediction",
    "Reason",
    "Retries",
    "Run",
    "RunChanged",
    "RunGone",
    "Scores",
    "Warned",
]
