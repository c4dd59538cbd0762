"""Why a merchant left: the signs of each cause are weighed, and the cause that is more likely than not is named; else nobody knows.

The weights of a cause's signs add up (each is a ratio of chances, in logs). All causes are as likely beforehand, and so is *unknown*, for which
nothing weighs; so where nothing speaks for any cause, unknown it is. The share that the best one then has of all is its `confidence`. It is a
little high, since signs of one cause are taken to be independent of each other: `tests/benchmarks/bench_retrospect.py` prints how often it
was right. A person who said why is believed before all signs.

`business closed` is told by what did not happen: the better all was until the end, the likelier. So it also weighs that no other cause shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from serving.retrospect_evidence import Evidence
from serving.retrospect_signs import CLOSED, EVEN_CHANCE, SIGNS
from serving.retrospect_weighing import AGAINST, Frame, Sign, Weighed, weighed

CAUSES = ("price", "service", "product fit", "rival", "season", CLOSED, "unknown")
NAMED = 0.5
"""A cause is named if it is more likely than not."""
WORDS: dict[str, tuple[str, str]] = {
    "price": ("price", "价格"),
    "service": ("service", "服务"),
    "product fit": ("product fit", "产品匹配"),
    "rival": ("a rival", "竞争平台"),
    "season": ("season", "季节"),
    "business closed": ("business closed", "停业"),
    "unknown": ("unknown", "未知"),
}
SURE = ((0.9, "clear", "明确"), (0.7, "likely", "较可能"), (NAMED, "possible", "可能"), (0.0, "not known", "不明"))
"""What a confidence is called from which on."""
LATER = ("tickets", "effort", "late", "rating", "refunds", "fees", "functions", "topic")
"""Signs that a merchant can still give after its last order; a cancelled contract (`contract`) is always read then."""
CONTRADICTED = ("price", "service", "rival", "season")
"""Causes that, where they show, speak against closing."""
EVIDENCE = ("evidence_en", "evidence_zh")
MOST_TOLD, WORTH_TELLING, RARE = 5, float(np.log(2)), 0.8
WELL = Sign("well", (CLOSED,), "nothing else had changed before it stopped", "停售前没有其他异常", SIGNS["held"].read)


def causes_of(views: list[Evidence], said: Mapping[str, str], without: tuple[str, ...] = ()) -> pd.DataFrame:
    """The likely cause of each merchant's leaving.

    Parameters
    ----------
    views : the evidence, with `chain_stopped`, as of the last order, and as of the last that was heard of it (the same rows).
    said : by merchant what a person recorded as the cause, believed before all signs.
    without : causes that cannot be: who still sells has not closed.

    Returns
    -------
    `cause`, `by` ("person" or "signs"), `confidence` in [0, 1] (missing where a person said it), `evidence_en`, `evidence_zh` (lists), and one
    column a cause with its weight in natural logs.
    """
    signs = _weighed(views)
    index = views[0].lost.index
    weights = pd.DataFrame({cause: sum(signs[name].weight for name, one in SIGNS.items() if cause in one.causes) for cause in CAUSES[:-1]}, index)
    well = np.clip(-weights[list(CONTRADICTED)].max(axis=1).to_numpy() / 2, AGAINST, EVEN_CHANCE)
    signs["well"] = Weighed(well, np.zeros(len(index)), np.full(len(index), np.nan))
    weights[CLOSED] += well
    weights = weights.assign(unknown=0.0)
    chance = weights.drop(columns=list(without)).apply(np.exp)
    chance = chance.div(chance.sum(axis=1), axis=0)
    best, confidence = chance.idxmax(axis=1), chance.max(axis=1)
    named = best.where(confidence >= NAMED, "unknown")
    rows = [_row(place, str(named.iloc[place]), said.get(name), signs) for place, name in enumerate(index)]
    told = pd.DataFrame(rows, index, columns=["cause", "by", *EVIDENCE])
    return pd.concat([told, confidence.where(told["by"] == "signs").rename("confidence"), weights], axis=1)


def sure(confidence: float | None) -> tuple[str, str]:
    """A confidence in words of both languages."""
    if confidence is None or confidence != confidence:
        return "recorded by a person", "人工记录"
    return next((en, zh) for bound, en, zh in SURE if confidence >= bound)


def _weighed(views: list[Evidence]) -> dict[str, Weighed]:
    """Each sign by the view that shows it: the first; for `LATER` that in which it weighs more; for a contract the last."""
    frames = [(Frame(view.lost), Frame(view.peers)) for view in views]
    found: dict[str, Weighed] = {}
    for name, one in SIGNS.items():
        if name == "contract":
            found[name] = weighed(one, *frames[-1])
            continue
        found[name] = weighed(one, *frames[0])
        for frame in frames[1:] if name in LATER else ():
            found[name] = _heavier(found[name], weighed(one, *frame))
    return found


def _heavier(first: Weighed, second: Weighed) -> Weighed:
    is_more = second.weight > first.weight
    both = {name: np.where(is_more, getattr(second, name), getattr(first, name)) for name in ("weight", "value", "above")}
    return replace(first, **both)


def _row(place: int, named: str, said: str | None, signs: Mapping[str, Weighed]) -> dict[str, Any]:
    """The cause of one merchant and its signs in words: those of its cause first, then by weight; signs of closing only where it closed."""
    cause = said or named
    known = SIGNS | {"well": WELL}
    heavy = [name for name, found in signs.items() if found.weight[place] >= WORTH_TELLING and (CLOSED not in known[name].causes or cause == CLOSED)]
    heavy.sort(key=lambda name: (cause not in known[name].causes, -signs[name].weight[place]))
    told = {f"evidence_{lang}": [_words(known[name], signs[name], place, lang) for name in heavy[:MOST_TOLD]] for lang in ("en", "zh")}
    return {"cause": cause, "by": "person" if said else "signs", **told}


def _words(one: Sign, found: Weighed, place: int, lang: str) -> str:
    text, above = getattr(one, lang).format(value=found.value[place]), found.above[place]
    if one.is_contrary or not above >= RARE:
        return str(text)
    number = int(100 * above)
    return str(text) + (f"（超过同期{number}%的商户）" if lang == "zh" else f" (more than at {number} of 100 others)")
