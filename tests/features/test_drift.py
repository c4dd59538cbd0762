"""How far merchants have moved from those that a model learnt from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from features.drift import drift, level_of, reference, stability


@pytest.fixture
def learnt() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    industry = rng.choice(["food", "toys", "books"], 4000, p=[0.5, 0.3, 0.2])
    return pd.DataFrame({"orders": rng.poisson(5, 4000).astype(float), "gmv": rng.lognormal(3, 1, 4000), "industry": industry})


def test_the_same_merchants_have_not_moved(learnt: pd.DataFrame) -> None:
    found = drift(reference(learnt), learnt)
    assert set(found["name"]) == {"orders", "gmv", "industry"}
    assert (found["psi"] < 1e-9).all()
    assert set(found["level"]) == {"ok"}


def test_half_of_them_drawn_at_random_have_not_either(learnt: pd.DataFrame) -> None:
    assert set(drift(reference(learnt), learnt.sample(2000, random_state=1))["level"]) == {"ok"}


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("orders", lambda frame: frame["orders"] + 5),
        ("gmv", lambda frame: frame["gmv"].where(frame.index % 2 == 0)),  # half of it is missing now
        ("industry", lambda frame: "toys"),
        ("industry", lambda frame: "an industry never seen"),
    ],
)
def test_what_moved_far_is_an_alarm_and_comes_first(learnt: pd.DataFrame, name: str, moved: object) -> None:
    now = learnt.assign(**{name: moved})
    first = drift(reference(learnt), now).iloc[0]
    assert (first["name"], first["level"]) == (name, "alarm")


def test_the_index_is_that_of_the_literature() -> None:
    before, now = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.3])
    assert stability(before, now) == pytest.approx(-0.1 * np.log(0.8) + 0.1 * np.log(1.5))
    assert [level_of(psi) for psi in (0.09, 0.10, 0.25)] == ["ok", "warn", "alarm"]


def test_a_reference_is_plain_json_and_names_no_rare_category() -> None:
    frame = pd.DataFrame({"name": [f"shop {k}" for k in range(50)] + ["chain"] * 50, "nothing": [None] * 100, "same": 1.0})
    seen = json.loads(json.dumps(reference(frame), allow_nan=False))
    assert len(seen["name"]["categories"]) == 20
    assert drift(seen, frame)["psi"].abs().max() < 1e-9


def test_columns_that_are_gone_and_nobody_at_all_say_nothing(learnt: pd.DataFrame) -> None:
    assert drift(reference(learnt), learnt[["gmv"]])["name"].tolist() == ["gmv"]
    assert drift(reference(learnt), learnt[:0]).empty
