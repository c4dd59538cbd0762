"""Contracts that every rule of the built-in file keeps; a new rule inherits them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from features import model
from features.declare import catalogue
from features.tables import ATTRIBUTES
from serving.rules import Rules, read, read_rules
from serving.rules.bounds import spans
from serving.rules.conditions import GRADES, Columns, Condition, all_hold
from serving.rules.warnings import WarningKind
from tests.serving.test_rules import frame

RULES = read_rules()
CHINESE = re.compile(r"[\u4e00-\u9fff]")
every_kind = pytest.mark.parametrize("kind", RULES.warnings, ids=lambda kind: kind.kind)
every_ladder = pytest.mark.parametrize("ladder", RULES.scorecard.ladders, ids=lambda ladder: ladder.column)
every_play = pytest.mark.parametrize("key", RULES.book.keys)


def merchant(conditions: tuple[Condition, ...]) -> pd.DataFrame:
    """A merchant that meets some conditions, and of whom nothing else is known."""
    row: dict[str, object] = {}
    for name, span in spans(conditions).items():
        if span.present is False:
            row[name] = np.nan
        elif span.only:
            row[name] = next(iter(span.only))
        elif span.never and isinstance(next(iter(span.never)), str):
            row[name] = "something else"
        else:
            low, high = (bound if np.isfinite(bound) else None for bound in (span.low, span.high))
            row[name] = (low + high) / 2 if low is not None and high is not None else (low + 0.001 if low is not None else high - 0.001)  # type: ignore[operator]
    return frame(**{name: [value] for name, value in row.items()})


def test_all_names_are_those_of_features_scores_and_attributes() -> None:
    assert read_rules(known={*catalogue(), *ATTRIBUTES}).hash == RULES.hash


def test_rules_may_look_at_every_score() -> None:
    assert {*read.SCORES} == {*model.SCORES, "activation_chance"}


def test_all_words_are_in_both_languages() -> None:
    told: list[tuple[str, str]] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if set(value) == {"en", "zh"}:
                told.append((value["en"], value["zh"]))
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                walk(inner)

    walk(RULES.model_dump())
    assert len(told) > 120
    for english, chinese in told:
        assert english and not CHINESE.search(english)
        assert CHINESE.search(chinese), chinese


@every_ladder
def test_every_step_can_be_earned_and_rises(ladder) -> None:
    columns = Columns(pd.concat([merchant((step,)) for step in ladder.steps], ignore_index=True))
    reached = ladder.reached(columns)
    assert reached.tolist() == sorted(reached.tolist()) and reached.min() >= 1
    assert len({*reached.tolist()}) == len(ladder.steps)


@every_kind
def test_every_warning_opens_stays_and_is_not_closed_as_it_opens(kind: WarningKind) -> None:
    rows = merchant(kind.when)
    columns = Columns(rows)
    for name in GRADES:
        if name in rows:
            columns.give(name, rows[name].to_numpy(object))
    opens = all_hold(kind.when, columns)
    assert opens.all()
    assert kind.stays(columns, opens).all()
    for condition in kind.until:
        assert not kind.is_tighter(condition)
    assert kind.cooldown_days > 0 and kind.due_days > 0 and kind.until


@every_kind
def test_every_warning_is_inactive_without_its_columns(kind: WarningKind) -> None:
    graded = RULES.apply(frame(unrelated=[1.0]))
    assert kind.kind in graded.inactive and set(graded.inactive[kind.kind]) <= set(kind.names)


@every_play
def test_every_play_is_somebodys(key: str) -> None:
    assert key not in RULES.book.dead


def test_benefits_grow_with_the_tier() -> None:
    got = [sum(getattr(benefit, tier) is not None for benefit in RULES.benefits) for tier in "ABCDE"]
    assert got == sorted(got, reverse=True) and got[0] == len(RULES.benefits)
    assert {benefit.phase for benefit in RULES.benefits} == {"pre-sale", "onboarding", "selling", "after-sale"}


def test_the_rules_do_not_depend_on_the_order_or_company_of_merchants(snapshot: pd.DataFrame) -> None:
    alone = Rules.apply(RULES, snapshot).table
    shuffled = RULES.apply(snapshot.sample(frac=1, random_state=3)).table.loc[snapshot.index]
    pd.testing.assert_frame_equal(alone, shuffled)
