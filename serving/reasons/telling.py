"""Reasons: the groups that push a merchant's score most, told with the merchant's own numbers.

A group whose contribution raises the churn risk is told with bad news, one that lowers it with good news; growth the other way
round. Where no sentence of the group is true of the merchant, its most contributing feature and value can only be told plainly;
such a reason gives way to weaker ones that have a sentence, unless these are fewer than `WORDED`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.reasons.facts import Facts, Sentence
from serving.reasons.groups import BASE, GROUPS, Grouping, ModuleOf, declared_module, grouping_of
from serving.reasons.numbers import Lang, Style
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
Places = NDArray[np.intp]
Numbers = NDArray[np.float64]
LEAST = 1e-9
LANGS: tuple[Lang, ...] = ("en", "zh")
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
) -> pd.DataFrame:
    """The strongest reasons of each merchant.

    Parameters
    ----------
    contributions : SHAP contributions in log-odds, one column a feature and `base`; a row a merchant.
    frame : the snapshot they were made from, with those rows.
    cutoff, currency : what dates and money are written by.
    direction : whether the groups that raise the score are wanted, or those that lower it.
    most : reasons a merchant; fewer where fewer groups push that way.

    Returns
    -------
    One row a merchant and reason, in the order of `contributions`, strongest first: `rank` from 1, the group's `contribution`,
    the `feature` that contributes most to it, and the sentence in both languages.
    """
    names = tuple(str(name) for name in contributions.columns if name != BASE)
    grouping = grouping_of(names, module_of)
    pushes = contributions[list(names)].to_numpy(np.float64)
    styles = {lang: Style(lang, currency, cutoff) for lang in LANGS}
    told = strongest(grouping, pushes, Facts(frame.loc[contributions.index]), styles, head=head, direction=direction, most=most, describe=describe)
    keys = told.keys
    table = {
        "merchant_id": contributions.index.to_numpy(dtype=object)[told.row],
        "head": np.full(len(keys), head, dtype=object),
        "direction": np.full(len(keys), direction, dtype=object),
        "rank": told.rank,
        "group": np.array(keys, dtype=object),
        "group_en": np.array([GROUPS[key].en for key in keys], dtype=object),
        "group_zh": np.array([GROUPS[key].zh for key in keys], dtype=object),
        "contribution": told.contribution,
        "feature": told.feature,
    }
    return pd.DataFrame(table | {f"sentence_{lang}": texts for lang, texts in told.texts.items()}, columns=list(COLUMNS))


@dataclass(frozen=True, eq=False)
class Told:
    """Reasons, arrays of one length: whose they are (`row`), strongest first; `texts` by language."""

    row: Places
    rank: Places
    keys: Sequence[str]
    contribution: Numbers
    feature: NDArray[np.object_]
    texts: Mapping[Lang, NDArray[np.object_]]


def strongest(
    grouping: Grouping,
    pushes: Numbers,
    facts: Facts,
    styles: Mapping[Lang, Style],
    *,
    head: Head = "churn",
    direction: Direction = "raises",
    most: int = 3,
    describe: Describe = declared_words,
) -> Told:
    """The strongest reasons of some merchants, of which `reasons` makes a table.

    Parameters
    ----------
    grouping : the groups of the features that contribute. pushes : what they contribute, (n, features), in log-odds.
    facts : of the same merchants. styles : the languages that are wanted.
    """
    sign = 1.0 if direction == "raises" else -1.0
    sums = grouping.sums(pushes)
    row, group = _strongest(sums * sign, 2 * most)
    found = _Found(grouping, pushes * sign, facts, row, group)
    texts, plain = _told(found, (head == "churn") == (direction == "raises"), styles, describe)
    keep, rank = _kept(row, plain, most)
    keys = [grouping.keys[place] for place in group[keep].tolist()]
    return Told(row[keep], rank, keys, sums[row, group][keep], found.feature[keep], {lang: own[keep] for lang, own in texts.items()})


def _kept(row: Places, plain: NDArray[np.bool_], most: int) -> tuple[Places, Places]:
    """Places and ranks of the reasons that are told: the strongest ones with a sentence, and plain ones where there are fewer than `WORDED`."""
    worded = np.bincount(row, ~plain, minlength=1) if len(row) else np.zeros(1)
    keep = np.flatnonzero(~plain | (worded[row] < WORDED))
    mine = row[keep]  # in order, so the first of a merchant is where its number would go in
    rank = np.arange(len(mine)) - np.searchsorted(mine, mine) + 1
    return keep[rank <= most], rank[rank <= most]


def _strongest(push: Numbers, most: int) -> tuple[Places, Places]:
    """Row and column of the largest positive entries of each row, the largest first."""
    order = np.argsort(-push, axis=1, kind="stable")[:, :most]
    picked = np.take_along_axis(push, order, axis=1) > LEAST
    row, rank = np.nonzero(picked)
    return row, order[row, rank]


class _Found:
    """The groups that push, one an entry of `row` and `group`; and of each the feature that pushes most."""

    def __init__(self, grouping: Grouping, push: Numbers, facts: Facts, row: Places, group: Places) -> None:
        self.facts, self.row = facts, row
        self.of_key = {grouping.keys[place]: np.flatnonzero(group == place) for place in dict.fromkeys(group.tolist())}
        self.feature, self.known = np.full(len(row), None, dtype=object), np.zeros(len(row), bool)
        there = facts.sheet.known(grouping.names)
        for place in dict.fromkeys(group.tolist()):
            self._main(self.of_key[grouping.keys[place]], grouping.places[place], grouping.names, push, there)

    def _main(self, here: Places, places: Places, names: Sequence[str], push: Numbers, there: NDArray[np.bool_]) -> None:
        """Of the features whose value is known, where any of them pushes, the one that pushes most; and whether it is known."""
        cells = np.ix_(self.row[here], places)
        parts = push[cells]
        has_value = there[cells] & (parts > 0)
        best = np.where(has_value.any(axis=1), np.where(has_value, parts, -np.inf).argmax(axis=1), parts.argmax(axis=1))
        self.feature[here] = [names[place] for place in places[best].tolist()]
        self.known[here] = has_value[np.arange(len(here)), best]


def _told(found: _Found, bad: bool, styles: Mapping[Lang, Style], describe: Describe) -> tuple[dict[Lang, NDArray[np.object_]], NDArray[np.bool_]]:
    """The sentences in each language, and which of them only tell a feature and its value."""
    texts = {lang: np.full(len(found.row), None, dtype=object) for lang in styles}
    is_plain = np.zeros(len(found.row), bool)
    for key, here in found.of_key.items():
        left = here
        for sentence in _sentences(key, bad):
            true = sentence.holds(found.facts)[found.row[left]]
            for lang, style in styles.items() if true.any() else ():
                texts[lang][left[true]] = sentence.told(found.facts, found.row[left[true]], style)
            left = left[~true]
            if not len(left):
                break
        is_plain[left] = True
    _tell_plainly(found, np.flatnonzero(is_plain), texts, styles, describe)
    return texts, is_plain


def _tell_plainly(
    found: _Found, left: Places, texts: Mapping[Lang, NDArray[np.object_]], styles: Mapping[Lang, Style], describe: Describe
) -> None:
    """Tell the feature that pushes most and its value."""
    sheet = found.facts.sheet
    for name in dict.fromkeys(found.feature[left]):
        here = left[found.feature[left] == name]
        described = describe(name)
        values = sheet[name][found.row[here]].tolist() if name in sheet else [None] * len(here)
        given = [value if known else None for value, known in zip(values, found.known[here], strict=True)]
        for lang, style in styles.items():
            texts[lang][here] = [plain_sentence(name, value, described, style) for value in given]


@cache
def _sentences(group: str, bad: bool) -> tuple[Sentence, ...]:
    return tuple(one for one in SENTENCES if one.group == group and one.bad == bad)
