"""The report is one file that tells the truth, escapes what it is given, and stands on its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training import plots
from training.card import model_card
from training.charts import Plane, calibration_chart
from training.evaluate import evaluate
from training.findings import answers
from training.report import Context, examples, windows, write_report

HOSTILE = '<script>alert("1")</script>'


def context_of(evaluation: dict[str, Any], **changes: Any) -> Context:
    made = Context(
        title="Giftware",
        evaluation=evaluation,
        active_days=180,
        horizon_days=90,
        first_day="2009-12-01",
        last_day="2011-12-09",
        merchants=5878,
        currency="GBP",
        command="keepwell backtest examples/giftware.toml",
        fingerprint="9f2c6d1b",
    )
    return replace(made, **changes)


class Tags(HTMLParser):
    """Every start tag with its attributes, and whether tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(path: Path) -> Tags:
    tags = Tags()
    tags.feed(path.read_text("utf-8"))
    assert tags.open == []
    return tags


def test_it_stands_on_its_own(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    path = write_report(tmp_path / "out" / "report.html", context_of(evaluation))
    tags = parsed(path)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags.seen}
    assert not re.search(r"url\(|https?://|@import", path.read_text("utf-8"))
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    assert sum(tag == "svg" and attributes.get("class") == "chart" for tag, attributes in tags.seen) == 3 + 4


def test_it_says_what_was_measured_and_on_whom(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    text = write_report(tmp_path / "report.html", context_of(evaluation, gap_days=7)).read_text("utf-8")
    assert f"{evaluation['mean']['auc']:.3f}" in text
    assert f"{100 * evaluation['worst']['ece']:.1f} %" in text
    assert "[cutoff − 180 d, cutoff)" in text
    assert "[cutoff + 7 d, cutoff + 97 d)" in text
    assert "[2011-05-08, 2011-08-06)" in text
    assert "9f2c6d1b" in text


def test_errors_of_opposite_sign_do_not_cancel_in_words(made_up: Callable[..., pd.DataFrame]) -> None:
    frame = made_up(300, ["2011-05-01", "2011-06-01"])
    factor = frame["cutoff"].map({"2011-05-01": 1.5, "2011-06-01": 0.5})
    words = answers(evaluate(frame.assign(expected_gmv=frame["value"] * factor), resamples=2))["Is the money right?"]
    assert words.startswith("The total it promised was off by 50.0 % at a typical cutoff, between 50.0 % too little and 50.0 % too much.")


def test_hostile_names_are_words(tmp_path: Path, predictions: pd.DataFrame, evaluation: dict[str, Any]) -> None:
    rows = examples(predictions.assign(merchant_id=HOSTILE + predictions["merchant_id"]), {})
    named = examples(predictions, dict.fromkeys(predictions["merchant_id"], "<img src=x onerror=alert(1)>"))
    context = context_of(
        evaluation, title=HOSTILE, command=HOSTILE, settings={HOSTILE: HOSTILE}, notes=[HOSTILE], currency=HOSTILE, examples=rows + named
    )
    path = write_report(tmp_path / "report.html", context)
    assert not {"script", "img"} & {tag for tag, _ in parsed(path).seen}
    assert "&lt;script&gt;" in path.read_text("utf-8")


def test_hostile_tiers_are_words(tmp_path: Path, predictions: pd.DataFrame) -> None:
    path = write_report(tmp_path / "report.html", context_of(evaluate(predictions.assign(tier=HOSTILE), resamples=2)))
    assert "script" not in {tag for tag, _ in parsed(path).seen}


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(churned=0.0),
        lambda frame: frame.assign(churned=1.0, value=0.0),
        lambda frame: frame.head(1),
        lambda frame: frame.assign(value=0.0, expected_gmv=0.0, trailing=0.0),
        lambda frame: frame.drop(columns=["expected_gmv_p10", "expected_gmv_p90", "tier", "stage", "growth_potential", "recency"]),
    ],
    ids=["nobody left", "everybody left", "one merchant", "no money", "few columns"],
)
def test_poor_tests_are_reported_too(tmp_path: Path, predictions: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = write_report(tmp_path / "report.html", context_of(evaluate(change(predictions), resamples=2)))
    text = path.read_text("utf-8")
    parsed(path)
    assert not re.search(r"\b(nan|None|inf)\b", text)


def test_examples_are_the_last_cutoffs_money_at_risk(predictions: pd.DataFrame) -> None:
    rows = examples(predictions, {"m0001": "Bakery"}, count=400)
    assert [row["at_risk"] for row in rows] == sorted((row["at_risk"] for row in rows), reverse=True)
    assert {row["name"] for row in rows} == {None, "Bakery"}
    last = predictions[predictions["cutoff"] == "2011-07-01"].set_index("merchant_id")
    assert all(row["value"] == last["value"][row["merchant_id"]] for row in rows)


def test_windows_are_half_open_and_dated(evaluation: dict[str, Any]) -> None:
    first = windows(context_of(evaluation))[0]
    assert first == {"cutoff": "2011-05-01", "observed": "[2010-11-02, 2011-05-01)", "judged": "[2011-05-01, 2011-07-30)", "merchants": 400}


def test_the_end_of_an_axis_is_the_edge_of_the_drawing() -> None:
    plane = Plane(200, 100, right=2, top=50)
    assert (plane.x(2), plane.y(50)) == (200 - plane.edge, plane.edge)
    assert (plane.x(0), plane.y(0)) == (plane.left_margin, 100 - plane.bottom_margin)


def test_dots_lie_where_the_numbers_are() -> None:
    row = {"predicted": 0.5, "observed": 0.25, "low": 0.2, "high": 0.3}
    chart = calibration_chart([row], "x", 1.0)
    dot = re.search(r'<circle class="dot one" cx="([\d.]+)" cy="([\d.]+)"', chart)
    corners = re.search(r'<polyline class="ideal" points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', chart)
    assert dot and corners
    left, foot, right, top = map(float, corners.groups())
    assert float(dot[1]) == pytest.approx((left + right) / 2, abs=0.1)
    assert float(dot[2]) == pytest.approx(foot + (top - foot) / 4, abs=0.1)


def test_pictures_for_mlflow_are_drawn_and_closed(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    from matplotlib import pyplot

    rng = np.random.default_rng(0)
    features = pd.DataFrame({"gmv_90d": rng.random(50), "orders_90d": rng.random(50), "industry": ["bakery", None] * 25})
    parts = pd.DataFrame(rng.normal(size=(50, 4)), columns=[*features, "base"])
    before = np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    drawn = [
        plots.calibration_plot(evaluation, tmp_path / "calibration.png"),
        plots.capture_plot(evaluation, tmp_path / "capture.png"),
        plots.beeswarm_plot(parts, features, tmp_path / "shap.png", rows=40),
        plots.beeswarm_plot(parts, features, tmp_path / "again.png", rows=40),
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert drawn[2].read_bytes() == drawn[3].read_bytes()
    assert pyplot.get_fignums() == []
    assert np.random.get_state()[1].tolist() == before  # type: ignore[union-attr]


def test_the_card_has_limits_and_breaks_no_table() -> None:
    text = model_card(
        {"predicts": "silence", "metrics": {"2011-05-01": {"auc": 0.77777, "note": "a|b"}}, "features": ["gmv_90d", "aov_90d"], "seed": 7}
    )
    assert "| 2011-05-01 | 0.7778 | a\\|b |" in text
    assert "`gmv_90d`, `aov_90d`" in text
    assert text.index("## What it predicts") < text.index("## What it cannot do") < text.index("## Settings")


def test_a_fitted_models_card_is_told_in_words(evaluation: dict[str, Any]) -> None:
    settings = {
        "active_days": 180,
        "gap_days": 7,
        "horizons": [30, 60, 90],
        "value_horizon_days": 90,
        "growth_factor": 1.5,
        "currency": "GBP",
    }
    text = model_card({**settings, "evaluation": evaluation, "seed": 7})
    assert "no completed order in the first 30, 60, 90 days" in text
    assert r"\[cutoff + 7 d, cutoff + 97 d)" in text
    assert f"| mean | 400 | {evaluation['mean']['churned']:.4g} | {evaluation['mean']['auc']:.4g} |" in text
    assert "curve" not in text


def with_peers(predictions: pd.DataFrame) -> dict[str, Any]:
    """The evaluation beside three peers: dice, a twin of the model, and carry-forward, which tells no risk."""
    columns = {
        "churn_risk of dice": np.random.default_rng(0).random(len(predictions)),
        f"churn_risk of {HOSTILE}": predictions["churn_risk"],
        "expected_gmv of carry-forward": predictions["trailing"],
    }
    return evaluate(predictions.assign(**columns), resamples=30, horizon_days=90)


def test_peers_stand_in_the_report_with_what_the_model_is_ahead_by(tmp_path: Path, predictions: pd.DataFrame) -> None:
    found = with_peers(predictions) | {"notes": ["Something is absent."], "empb": {"Keepwell": {"profit": 1.25, "called": 0.3}}}
    path = write_report(tmp_path / "report.html", context_of(found))
    tags, text = parsed(path), path.read_text("utf-8")
    assert not {"script"} & {tag for tag, _ in tags.seen}
    assert "What the model's AUC is ahead of each peer's by" in unescape(text)
    assert f"{found['peers']['dice']['mean']['auc']:.3f}" in text
    assert f"{found['peers']['carry-forward']['mean']['rmse']:,.0f}" in text
    assert "Something is absent." in text
    assert "Keepwell 1.2" in text
    assert "Is it better than what others do?" not in write_report(path, context_of(evaluate(predictions, resamples=2))).read_text("utf-8")


def test_every_metric_shows_its_interval_at_every_cutoff(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    text = write_report(tmp_path / "report.html", context_of(evaluation)).read_text("utf-8")
    for cutoff in evaluation["cutoffs"]:
        ends = evaluation["cutoff_interval"][cutoff]["auc"]
        assert f"{ends['low']:.3f} … {ends['high']:.3f}" in text


def test_the_words_do_not_claim_more_than_the_intervals_hold(predictions: pd.DataFrame) -> None:
    found = answers(with_peers(predictions))
    said = found["Is it better than what others do?"]
    assert said.startswith("Not surely better than all")
    assert "surely above dice" in said
    assert "not to be told from <script>" in said
    assert "declared before the test" in found["What would calling have earned?"]
    assert "days before or more" in found["How early does it warn?"]
    turned = with_peers(predictions)
    for end in ("by", "low", "high"):
        turned["peers"]["dice"]["ahead"]["auc"][end] = -0.1
    assert answers(turned)["Is it better than what others do?"].startswith("No: ")
