"""Reasons: the groups that push a merchant's score most, told with the merchant's own numbers.

A group whose contribution raises the churn risk is told with bad news, one that lowers it with good news; growth the other way
round. Where no sentence of the group is true of the merchant, its most contributing feature and value can only be told plainly;
such a reason gives way to weaker ones that have a sentence, unless these are fewer than `WORDED`.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.reasons.facts import Facts, Sentence
from serving.reasons.groups import BASE, GROUPS, ModuleOf, declared_module, group_sums, groups_of
from serving.reasons.numbers import Style
from serving.reasons.plain import Describe, declared_words, plain_sentence
from serving.reasons.surroundings import SENTENCES

Head = Literal["churn", "growth"]
Direction = Literal["raises", "lowers"]
COLUMNS = (
    "merchant_id",
    "head",
    "direction",
    "rank",
    "group",
    "group_en",
    "group_zh",
    "contribution",
    "feature",
    "sentence_en",
    "sentence_zh",
)
LEAST = 1e-9
WORDED = 2
"""So many reasons with a sentence are enough to leave those out that have none."""


def reasons(
    contributions: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    cutoff: date,
    currency: str,
    head: Head = "churn",
    direction: Direction = "raises",
    most: int = 3,
    module_of: ModuleOf = declared_module,
    describe: Describe = declared_words,
    facts: Facts | None = None,
) -> pd.DataFrame:
    """The strongest reasons of each merchant.

    Parameters
    ----------
    contributions : SHAP contributions in log-odds, one column a feature and `base`; a row a merchant.
    frame : the snapshot they were made from, with those rows.
    cutoff, currency : what dates and money are written by.
    direction : whether the groups that raise the score are wanted, or those that lower it.
    most : reasons a merchant; fewer where fewer groups push that way.
    facts : those of `frame`, where they are read already.

    Returns
    -------
    One row a merchant and reason, in the order of `contributions`, strongest first: `rank` from 1, the group's `contribution`,
    the `feature` that contributes most to it, and the sentence in both languages.
    """
    names = [str(name) for name in contributions.columns if name != BASE]
    groups = groups_of(names, module_of)
    sums = group_sums(contributions, groups).drop(columns=BASE)
    sign = 1.0 if direction == "raises" else -1.0
    row, group, rank = _strongest(sums.to_numpy(np.float64) * sign, 2 * most)
    keys = np.array([*sums.columns, ""], dtype=object)[group]
    frame = frame.loc[contributions.index]
    feature, known = _main_features(contributions[names].to_numpy(np.float64) * sign, frame, names, groups, row, keys)
    table = {
        "merchant_id": contributions.index.to_numpy(dtype=object)[row],
        "head": np.full(len(row), head, dtype=object),
        "direction": np.full(len(row), direction, dtype=object),
        "rank": rank + 1,
        "group": keys,
        "group_en": np.array([GROUPS[key].en for key in keys], dtype=object),
        "group_zh": np.array([GROUPS[key].zh for key in keys], dtype=object),
        "contribution": sums.to_numpy(np.float64)[row, group] if len(row) else np.empty(0),
        "feature": feature,
    }
    bad = (head == "churn") == (direction == "raises")
    styles = {lang: Style(lang, currency, cutoff) for lang in ("en", "zh")}  # type: ignore[arg-type]
    told, plain = _told(Facts(frame) if facts is None else facts, frame, row, keys, feature, known, bad, styles, describe)
    found = pd.DataFrame(table | {f"sentence_{lang}": texts for lang, texts in told.items()}, columns=list(COLUMNS))
    return _kept(found, row, plain, most)


def _kept(found: pd.DataFrame, row: NDArray[np.intp], plain: NDArray[np.bool_], most: int) -> pd.DataFrame:
    """The reasons that are told: the strongest ones with a sentence, and plain ones where there are fewer than `WORDED` of these."""
    worded = np.bincount(row, ~plain, minlength=1) if len(row) else np.zeros(1)
    keep = ~plain | (worded[row] < WORDED)
    mine = row[keep]  # in order, so the first of a merchant is where its number would go in
    rank = np.arange(len(mine)) - np.searchsorted(mine, mine) + 1
    kept = found[keep].assign(rank=rank)
    return kept[rank <= most].reset_index(drop=True)


def _strongest(push: NDArray[np.float64], most: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Row, column and rank of the largest positive entries of each row."""
    order = np.argsort(-push, axis=1, kind="stable")[:, :most]
    picked = np.take_along_axis(push, order, axis=1) > LEAST
    row, rank = np.nonzero(picked)
    return row, order[row, rank], rank


def _main_features(
    push: NDArray[np.float64],
    frame: pd.DataFrame,
    names: list[str],
    groups: dict[str, str],
    row: NDArray[np.intp],
    keys: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """The feature that pushes most in each (row, group), of those whose value is known where any of them pushes; and whether it is."""
    feature, known = np.full(len(row), None, dtype=object), np.zeros(len(row), bool)
    inside = [place for place, name in enumerate(names) if name in frame]
    there = np.zeros((len(frame), len(names)), bool)
    there[:, inside] = frame[[names[place] for place in inside]].notna().to_numpy()
    for key in dict.fromkeys(keys):
        here = np.flatnonzero(keys == key)
        places = np.array([place for place, name in enumerate(names) if groups[name] == key])
        members = [names[place] for place in places]
        parts = push[np.ix_(row[here], places)]
        has_value = there[np.ix_(row[here], places)] & (parts > 0)
        best = np.where(has_value.any(axis=1), np.where(has_value, parts, -np.inf).argmax(axis=1), parts.argmax(axis=1))
        feature[here] = np.array(members, dtype=object)[best]
        known[here] = has_value[np.arange(len(here)), best]
    return feature, known


def _told(
    facts: Facts,
    frame: pd.DataFrame,
    row: NDArray[np.intp],
    keys: NDArray[np.object_],
    feature: NDArray[np.object_],
    known: NDArray[np.bool_],
    bad: bool,
    styles: dict[str, Style],
    describe: Describe,
) -> tuple[dict[str, NDArray[np.object_]], NDArray[np.bool_]]:
    """The sentences in each language, and which of them only tell a feature and its value."""
    texts = {lang: np.full(len(row), None, dtype=object) for lang in styles}
    open_ = np.ones(len(row), bool)
    for sentence in SENTENCES:
        if sentence.bad == bad:
            _tell(sentence, facts, row, keys, open_, texts, styles)
    for name in dict.fromkeys(feature[open_]):
        here = np.flatnonzero(open_ & (feature == name))
        described = describe(name)
        values = frame[name].to_numpy()[row[here]].tolist() if name in frame else [None] * len(here)
        for lang, style in styles.items():
            texts[lang][here] = [plain_sentence(name, v if k else None, described, style) for v, k in zip(values, known[here], strict=True)]
    return texts, open_


def _tell(
    sentence: Sentence,
    facts: Facts,
    row: NDArray[np.intp],
    keys: NDArray[np.object_],
    open_: NDArray[np.bool_],
    texts: dict[str, NDArray[np.object_]],
    styles: dict[str, Style],
) -> None:
    """Tell a sentence to every reason of its group that is still without words and that it is true of."""
    here = np.flatnonzero(open_ & (keys == sentence.group))
    if len(here):
        here = here[sentence.holds(facts)[row[here]]]
    if len(here):
        for lang, style in styles.items():
            texts[lang][here] = sentence.told(facts, row[here], style)
        open_[here] = False
