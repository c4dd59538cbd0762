"""Why it moved: the parts are those that changed, and they add up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.movement import PARTS, Before, movement, movement_words, shapley
from serving.rules import Rules, parse_rules, read_rules, setting_values

SETTINGS = {"churn": {"active_days": 90, "horizon_days": 90}, "economics": {"contact_cost": 15.0}}
NAMED = setting_values(SimpleNamespace(**{name: SimpleNamespace(**given) for name, given in SETTINGS.items()}))
RULES = read_rules()


def snapshot(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    index = pd.Index([f"m{row}" for row in range(40)], name="merchant_id")
    columns = {name: rng.uniform(0, 5, 40) for name in ("gmv_90d", "orders_90d", "aov_90d", "tickets_90d", "gmv_change_90d", "tenure_days")}
    return pd.DataFrame(columns, index)


def scores(model: float, frame: pd.DataFrame) -> pd.DataFrame:
    """A model is a number here: how steeply the risk rises with the tickets."""
    return pd.DataFrame({"churn_risk": 1 / (1 + np.exp(-model * (frame["tickets_90d"] - 2.5)))}, frame.index)


def before(frame: pd.DataFrame, rules: Rules, model: Any, known: Any = "same", law: Rules | None = RULES) -> Before:
    joined = frame.join(scores(model, frame))
    from serving.rules.conditions import Columns

    table = joined[["churn_risk"]].assign(points=rules.scorecard.score(Columns(joined, NAMED)).table["points"])
    header = {"rules_hash": rules.hash, "settings": SETTINGS}
    run = SimpleNamespace(merchants=table, header=header, run_id="2026-05-01-00000000", cutoff="2026-05-01")
    return Before(run, model if known == "same" else known, law)  # type: ignore[arg-type]


def other_rules() -> Rules:
    """The built-in rules with other bounds of one criterion."""
    text = RULES.text
    ladder = next(one for one in RULES.scorecard.ladders if one.name in ("orders_90d", "gmv_90d", "aov_90d", "tickets_90d", "gmv_change_90d", "tenure_days"))
    old = f'name = "{ladder.name}", op = "{ladder.steps[0].op}", value = {ladder.steps[0].value:g}'
    changed = text.replace(old, old.replace(f"value = {ladder.steps[0].value:g}", "value = 0.01"), 1)
    return parse_rules(changed if changed != text else text + "\n# other\n")


def adds_up(table: pd.DataFrame) -> None:
    for stem in ("risk", "points"):
        total = sum(table[f"{stem}_{name}"] for name in PARTS)
        np.testing.assert_allclose(total, table[f"{stem}_change"], atol=1e-12, rtol=0)


def test_only_behaviour_where_nothing_else_changed() -> None:
    old, new = snapshot(0), snapshot(1)
    table, header = movement(before(old, RULES, 1.0), old, new, scores, 1.0, RULES, NAMED)
    adds_up(table)
    assert table["risk_behaviour"].abs().max() > 0.1
    assert (table[["risk_model", "risk_rules", "risk_data", "points_model", "points_rules", "points_data"]] == 0).all().all()
    assert header["changed"] == []


def test_corrected_rows_are_data_and_nothing_else() -> None:
    published, corrected = snapshot(0), snapshot(0)
    corrected.loc["m3", "tickets_90d"] += 2
    table, _ = movement(before(published, RULES, 1.0), corrected, corrected, scores, 1.0, RULES, NAMED)
    adds_up(table)
    assert table.loc["m3", "risk_data"] == pytest.approx(table.loc["m3", "risk_change"]) != 0
    assert (table.drop("m3")["risk_data"] == 0).all()
    assert (table["risk_behaviour"].abs() < 1e-15).all()


def test_another_model_on_the_same_snapshot_is_the_model() -> None:
    same = snapshot(0)
    table, header = movement(before(same, RULES, 1.0), same, same, scores, 2.0, RULES, NAMED)
    adds_up(table)
    np.testing.assert_allclose(table["risk_model"], table["risk_change"], atol=1e-15)
    assert table["risk_model"].abs().max() > 0.01
    assert header["changed"] == ["model"]


def test_all_four_at_once_add_up_and_the_model_and_behaviour_share_alike() -> None:
    published, old, new = snapshot(0), snapshot(0), snapshot(1)
    old["tickets_90d"] += 0.5
    table, header = movement(before(published, RULES, 1.0), old, new, scores, 2.0, other_rules(), NAMED)
    adds_up(table)
    assert header["changed"] == ["model", "rules"]
    a, b = (scores(1.0, one)["churn_risk"] for one in (old, new))
    c, d = (scores(2.0, one)["churn_risk"] for one in (old, new))
    np.testing.assert_allclose(table["risk_model"], ((c - a) + (d - b)) / 2, atol=1e-12)
    assert (table["risk_rules"] == 0).all()


def test_a_gone_model_is_said_and_still_adds_up() -> None:
    old, new = snapshot(0), snapshot(1)
    table, header = movement(before(old, RULES, 1.0, known=None), old, new, scores, 2.0, RULES, NAMED)
    adds_up(table)
    assert header["unknown"] == ["model"]
    expected = scores(2.0, new)["churn_risk"] - scores(2.0, old)["churn_risk"]
    np.testing.assert_allclose(table["risk_behaviour"], expected, atol=1e-12)
    assert (table["risk_data"] == 0).all()


def test_a_merchant_without_a_score_before_has_no_parts() -> None:
    old, new = snapshot(0), snapshot(1)
    then = before(old, RULES, 1.0)
    then.run.merchants.loc["m0", "churn_risk"] = np.nan
    table, _ = movement(then, old, new, scores, 1.0, RULES, NAMED)
    assert table.loc["m0", [f"risk_{name}" for name in ("change", *PARTS)]].isna().all()
    assert table.loc["m0", "points_change"] == table.loc["m0", "points_change"]


def test_shares_of_a_joint_effect_are_equal() -> None:
    parts = shapley(("a", "b", "c"), lambda who: np.array([float(len(who) == 3)]))
    assert [part[0] for part in parts.values()] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_printed_figures_add_up(lang: Any) -> None:
    parts = {"risk": {"change": 0.1334, "behaviour": 0.1104, "rules": 0.0, "model": 0.0224, "data": 0.0006}, "points": None}
    told = movement_words(parts | {"run_id": "x", "cutoff": "2026-05-01", "changed": ["model"], "unknown": []}, 0.3134, ["silence"], lang)[0]
    assert "18.0%" in told
    assert "31.3%" in told
    numbers = [float(word.split("+")[1].split()[0]) for word in told.replace("，", ", ").replace("：", ", ").split(", ") if "+" in word]
    assert sum(numbers) == pytest.approx(13.3)
