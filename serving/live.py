"""Merchants that are sent with their events, scored as of the cutoff of a run: the features, model and reasons of the nightly scoring.

What the run was published with is enough: no event table is read. Tier, stage and next action compare merchants with each other by rules
that look at all of them, so they are left to the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataRefused
from features.inline import Context
from features.sent import Merchant, Refusal, snapshot_of_sent
from features.settings import Churn, Economics, Growth
from serving.explain import plain
from serving.money import GROWN, trailing_gmv, value_if_kept
from serving.reasons import reasons
from serving.reasons.facts import Facts
from serving.reasons.numbers import Lang
from serving.run import Run
from serving.score import no_score

PEERS = "peers"
HEADS = (("churn", "raises"), ("churn", "lowers"), ("growth", "raises"))


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a run says of all its merchants together, against which one that was sent is seen; always that of the whole run."""

    run: Run

    @cached_property
    def context(self) -> Context:
        """What their features are compared with.

        Raises
        ------
        DataRefused : the run was published without it.
        """
        if "live" not in self.run.header or f"{PEERS}.parquet" not in self.run.files:
            raise DataRefused(f"run {self.run.run_id} was published without what live scoring needs; type `keepwell score` again.")
        return Context.read(self.run.header["live"], self.run.table(PEERS))

    @cached_property
    def settings(self) -> SimpleNamespace:
        """The settings that the run was scored with."""
        given = self.run.header["settings"]
        kinds: dict[str, Any] = {"churn": Churn, "growth": Growth, "economics": Economics}
        return SimpleNamespace(**{name: kind.model_validate(given[name]) for name, kind in kinds.items()})


def live_rows(around: Surroundings, model: Any, merchants: Sequence[Merchant], *, explain: bool = False, lang: Lang = "en") -> list[dict[str, Any]]:
    """One answer for each merchant, in order: scores and money, or why there are none; with `explain` the reasons in words.

    The scores equal those that the nightly scoring gives the same merchant at the same cutoff, bit for bit.
    """
    frame, refused = snapshot_of_sent(around.context, merchants)
    found = pd.concat([no_score(frame, around.settings.churn.active_days), frame], axis=1)
    chosen = frame[found["no_score"].isna().to_numpy()]
    table = _scored(around, model, chosen) if len(chosen) else pd.DataFrame(index=chosen.index)
    told = _reasons(around, model, chosen, lang) if explain and len(chosen) else [[] for _ in range(len(chosen))]
    scored = iter(zip(table.to_dict("records"), told, strict=True))
    left = iter(zip(*(map(plain, found[name].tolist()) for name in ("no_score", f"no_score_{lang}")), strict=True))
    rows = []
    for place, one in enumerate(merchants):
        why = _of(refused[place], lang) if place in refused else next(left)
        rows.append({"merchant_id": one.merchant_id, **(_row(*next(scored), explain) if why[0] is None else _refused(*why))})
    return rows


def _of(refusal: Refusal, lang: Lang) -> tuple[str, str]:
    return refusal.reason, refusal.zh if lang == "zh" else refusal.en


def _refused(reason: str, words: str) -> dict[str, Any]:
    return {"status": "no_score", "no_score": {"reason": reason, "words": words}}


def _row(values: dict[Any, Any], told: list[dict[str, Any]], explain: bool) -> dict[str, Any]:
    return {"status": "scored", "values": {name: plain(value) for name, value in values.items()}, "reasons": told if explain else None}


def _scored(around: Surroundings, model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Scores and what they mean in money, as `serving.score` and `serving.money` have it."""
    scores = model.scores(frame)
    take, trailing = around.settings.economics.take_rate, trailing_gmv(frame, around.settings.growth.horizon_days)
    risk = scores["churn_risk"].to_numpy(np.float64)
    value = value_if_kept(risk, scores["expected_gmv"], trailing, take)
    to_add = scores["growth_potential"].to_numpy(np.float64) * trailing * GROWN
    return scores.assign(value_if_kept=value, value_at_risk=risk * value, gmv_to_add=to_add, growth_value=take * to_add)


def _reasons(around: Surroundings, model: Any, frame: pd.DataFrame, lang: Lang) -> list[list[dict[str, Any]]]:
    """The reasons of each row, strongest first, risk before growth."""
    unique = frame.set_axis(pd.RangeIndex(len(frame)), axis=0)  # the same id may be sent twice
    told: list[list[dict[str, Any]]] = [[] for _ in range(len(frame))]
    contributions = {head: model.contributions(unique, head=head) for head in dict.fromkeys(head for head, _ in HEADS)}
    cutoff, currency = date.fromisoformat(around.run.cutoff), str(around.run.header["currency"])
    facts = Facts(unique)
    for head, direction in HEADS:
        given: dict[str, Any] = {"cutoff": cutoff, "currency": currency, "head": head, "direction": direction, "facts": facts}
        found = reasons(contributions[head], unique, **given)
        columns = ("merchant_id", "head", "direction", f"group_{lang}", f"sentence_{lang}", "contribution")
        for place, *values in zip(*(found[name].tolist() for name in columns), strict=True):
            told[place].append(dict(zip(("head", "direction", "group", "sentence", "contribution"), values, strict=True)))
    return told
