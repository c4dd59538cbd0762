"""Merchants that are sent with their events, scored as of the cutoff of a run: the features, model and reasons of the nightly scoring.

What the run was published with is enough: no event table is read. Tier, stage and next action compare merchants with each other by rules
that look at all of them, so they are left to the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from features.errors import DataRefused
from features.inline import Context
from features.sent import DAY, Merchant, Moment, Refusal, snapshot_of_sent
from features.settings import Churn, Economics, Growth
from features.sheet import Sheet
from serving.money import GROWN, trailing_gmv, value_if_kept
from serving.reasons.facts import Facts
from serving.reasons.groups import GROUPS, grouping_of
from serving.reasons.numbers import Lang, Style
from serving.reasons.telling import Direction, Head, strongest
from serving.run import Run
from serving.score import no_score_words, unscored

PEERS = "peers"
HEADS: dict[Head, tuple[Direction, ...]] = {"churn": ("raises", "lowers"), "growth": ("raises",)}


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
    answers = _answers(around, model, Sheet.of(frame), lang, explain)
    rows = (_of(refused[place], lang) if place in refused else next(answers) for place in range(len(merchants)))
    return [{"merchant_id": one.merchant_id, **row} for one, row in zip(merchants, rows, strict=True)]


def _answers(around: Surroundings, model: Any, sheet: Sheet, lang: Lang, explain: bool) -> Iterator[dict[str, Any]]:
    """One answer for each row."""
    active_days = around.settings.churn.active_days
    why, words = unscored(sheet, active_days), no_score_words(active_days)
    cohort = sheet.part(np.array([one is None for one in why], bool))
    scored = iter(_scored(around, model, cohort, lang if explain else None) if len(cohort) else ())
    for reason, chance in zip(why, _plain(model.activation_chance(sheet)), strict=True):
        yield next(scored) if reason is None else _refused(reason, str(words[reason][lang])) | {"activation_chance": chance}


def _of(refusal: Refusal, lang: Lang) -> dict[str, Any]:
    return _refused(refusal.reason, refusal.zh if lang == "zh" else refusal.en)


def warm(around: Surroundings, model: Any) -> None:
    """Score a made-up merchant with an order on the day before the cutoff: the first one sent then finds everything read and parsed."""
    day = Moment((around.context.day - 1) * DAY, True)
    live_rows(around, model, [Merchant("", {}, {"orders": [{"order_id": "1", "ordered_at": day, "amount": 1.0}]})], explain=True)


def _refused(reason: str, words: str) -> dict[str, Any]:
    return {"status": "no_score", "no_score": {"reason": reason, "words": words}}


def _scored(around: Surroundings, model: Any, sheet: Sheet, lang: Lang | None) -> list[dict[str, Any]]:
    """Scores and money of each row; with a language the reasons too."""
    rows = model.encode(sheet)
    values = _values(around, model.columns(sheet, rows), sheet)
    by_row = zip(*map(_plain, values.values()), strict=True)
    told = _reasons(around, model, sheet, rows, lang) if lang else [None] * len(sheet)
    return [{"status": "scored", "values": dict(zip(values, own, strict=True)), "reasons": why} for own, why in zip(by_row, told, strict=True)]


def _values(around: Surroundings, scores: dict[str, Any], sheet: Sheet) -> dict[str, np.ndarray]:
    """Scores and what they mean in money, as `serving.score` and `serving.money` have it."""
    take, trailing = around.settings.economics.take_rate, trailing_gmv(sheet, around.settings.growth.horizon_days)
    risk = scores["churn_risk"]
    value = value_if_kept(risk, scores["expected_gmv"], trailing, take)
    to_add = scores["growth_potential"] * trailing * GROWN
    return scores | {"value_if_kept": value, "value_at_risk": risk * value, "gmv_to_add": to_add, "growth_value": take * to_add}


def _plain(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them: missing ones become null."""
    return [value if value == value else None for value in values.tolist()]


def _reasons(around: Surroundings, model: Any, sheet: Sheet, rows: np.ndarray, lang: Lang) -> list[list[dict[str, Any]]]:
    """The reasons of each row, strongest first, risk before growth."""
    told: list[list[dict[str, Any]]] = [[] for _ in range(len(sheet))]
    style = Style(lang, str(around.run.header["currency"]), date.fromisoformat(around.run.cutoff))
    facts = Facts(sheet)
    for head, directions in HEADS.items():
        names, parts = model.pushes(sheet, rows, head)
        grouping = grouping_of(names[:-1])
        for direction in directions:
            found = strongest(grouping, parts[:, :-1], facts, {lang: style}, head=head, direction=direction)
            titles = [getattr(GROUPS[key], lang) for key in found.keys]
            given = zip(found.row.tolist(), titles, found.texts[lang], found.contribution.tolist(), strict=True)
            for place, group, sentence, contribution in given:
                told[place].append({"head": head, "direction": direction, "group": group, "sentence": sentence, "contribution": contribution})
    return told
