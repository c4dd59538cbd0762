"""Scoring: the cohort gets scores, everybody else a reason why not; the result is published and read back."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.errors import DataRefused
from features.model import SCORES, Model
from serving.rules import Rules, setting_values
from serving.run import Run
from serving.score import Scored, no_score, score


def test_the_cohort_is_scored_by_the_model_and_nobody_else(scored: Scored, snapshot: pd.DataFrame, model: Model) -> None:
    merchants = scored.tables["merchants"].set_index("merchant_id")
    cohort = snapshot["days_since_last_order"] <= 90
    assert 0 < cohort.sum() < len(cohort)
    pd.testing.assert_frame_equal(merchants.loc[cohort, list(SCORES)], model.scores(snapshot[cohort]))
    assert merchants.loc[~cohort, list(SCORES)].isna().all(axis=None)
    assert merchants["no_score"].isna().tolist() == cohort.tolist()


def test_no_score_says_why() -> None:
    frame = pd.DataFrame({"days_since_last_order": [90.0, 91.0, np.nan]})
    table = no_score(frame, 90)
    assert table["no_score"].fillna("").tolist() == ["", "inactive", "no_order"]
    assert table["no_score_en"].fillna("").tolist() == ["", "no order in the last 90 days", "has no order yet"]
    assert table["no_score_zh"].notna().tolist() == [False, True, True]


def test_everyone_gets_stage_tier_and_next_action(scored: Scored) -> None:
    merchants = scored.tables["merchants"]
    assert merchants[["stage", "tier", "action", "action_en", "action_zh"]].notna().all(axis=None)


def test_reasons_are_of_scored_merchants_in_both_languages(scored: Scored) -> None:
    told = scored.tables["reasons"]
    merchants = scored.tables["merchants"].set_index("merchant_id")
    assert merchants.loc[told["merchant_id"], "no_score"].isna().all()
    assert set(told["head"]) == {"churn", "growth"} and set(told["direction"]) == {"raises", "lowers"}
    assert told[["sentence_en", "sentence_zh"]].notna().all(axis=None)


def test_only_as_many_are_explained_as_asked_for(market: SimpleNamespace, model: Model, rules: Rules) -> None:
    few = score(market, "2026-01-01", model, rules, model_version="v", created_at="t", explained=3).tables["reasons"]
    assert few[few["head"] == "churn"]["merchant_id"].nunique() <= 3


def test_the_header_says_what_it_was_made_from(scored: Scored, rules: Rules) -> None:
    header = scored.header
    assert (header["cutoff"], header["model_version"], header["currency"]) == ("2026-01-01", "abc123", "GBP")
    assert header["rules_hash"] == rules.hash
    assert header["counts"]["merchants"] == 60
    assert sum(header["counts"]["stages"].values()) == 60
    assert header["settings"]["churn"]["active_days"] == 90
    assert "contract_ending" in header["inactive_warnings"]


def test_a_published_scoring_is_read_back(run: Run, scored: Scored) -> None:
    expected = scored.tables["merchants"].set_index("merchant_id")
    pd.testing.assert_frame_equal(run.merchants, expected, check_dtype=False)
    assert len(run.warnings) == len(scored.tables["warnings"])


def test_scoring_twice_gives_the_same(market: SimpleNamespace, model: Model, rules: Rules, scored: Scored) -> None:
    again = score(market, "2026-01-01", model, rules, model_version="abc123", created_at="2026-01-01T06:00:00Z")
    for name, table in scored.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])


def test_nobody_known_and_nobody_active_are_refused(market: SimpleNamespace, model: Model, rules: Rules, snapshot: pd.DataFrame) -> None:
    def of(frame: pd.DataFrame) -> SimpleNamespace:
        return SimpleNamespace(**{**vars(market), "snapshot": lambda cutoff: frame})

    with pytest.raises(DataRefused, match="no merchant is known before 2026-01-01"):
        score(of(snapshot.iloc[:0]), "2026-01-01", model, rules, model_version="v", created_at="t")
    with pytest.raises(DataRefused, match="nobody can be scored"):
        score(of(snapshot.assign(days_since_last_order=np.nan)), "2026-01-01", model, rules, model_version="v", created_at="t")


def test_rules_see_the_settings(settings: SimpleNamespace) -> None:
    assert setting_values(settings) == {"active_days": 90, "half_active_days": 45, "horizon_days": 90, "contact_cost": 15}
