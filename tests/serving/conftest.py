"""A tiny fitted model, a small market with hostile names, and a run published from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from features.bands import Bands
from features.churn_model import ChurnModel
from features.model import SCORES, Head, Model
from features.settings import Churn, Economics, Growth, Timeline
from features.trees import Encoding
from features.value_model import Carry, Sizes, Trees, ValueModel
from serving.durable import MANIFEST, manifest_of
from serving.rules import Rules, read_rules
from serving.run import Run, publish
from serving.score import Scored, score

HEADS = ("churn", "churn_two_thirds", "churn_third", "growth", "decline")
WINDOWS = (28, 90)
NUMBERS = (
    "days_since_last_order",
    "silence_ratio",
    "gap_mean",
    "orders_28d",
    "orders_prior_28d",
    "gmv_28d",
    "gmv_prior_28d",
    "gmv_90d",
    "tickets_open",
)
FEATURES = (*NUMBERS, "industry")
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "\u00a0=1+1",
    "\u3000＝cmd",
    "Line\nbreak, Ltd",
    "🍞 Bäckerei",
    "@SUM(A1)",
    "-2+3",
    "\t=1",
    "https://example.com",
    "\ufeff+1",
    "王记面包",
    'He said "hi"',
)


def frame_of(merchants: int = 60, seed: int = 0) -> pd.DataFrame:
    """A snapshot in which every fifth merchant has been silent too long for the cohort and every seventh never sold."""
    rng = np.random.default_rng(seed)
    prior = rng.poisson(20, merchants).astype(np.float32)
    since = rng.integers(1, 60, merchants).astype(np.float32)
    since[::5] = 200
    since[::7] = np.nan
    gap = rng.integers(1, 12, merchants).astype(np.float32)
    columns: dict[str, Any] = {
        "tenure_days": rng.integers(20, 900, merchants).astype(np.float32),
        "days_since_last_order": since,
        "gap_mean": gap,
        "silence_ratio": since / gap,
        "orders_28d": np.floor(prior * rng.uniform(0.2, 1.6, merchants)).astype(np.float32),
        "orders_prior_28d": prior,
        "orders_90d": (prior * 3).astype(np.float32),
        "gmv_28d": rng.lognormal(6, 1, merchants).astype(np.float32),
        "gmv_prior_28d": rng.lognormal(6, 1, merchants).astype(np.float32),
        "gmv_90d": rng.lognormal(8, 1, merchants).astype(np.float32),
        "gmv_180d": rng.lognormal(9, 1, merchants).astype(np.float32),
        "gmv_change_90d": rng.uniform(-0.8, 0.8, merchants).astype(np.float32),
        "tickets_open": rng.poisson(1, merchants).astype(np.float32),
        "tickets_90d": rng.poisson(3, merchants).astype(np.float32),
        "industry": np.array(["bakery", "florist", None], dtype=object)[rng.integers(0, 3, merchants)],
    }
    return pd.DataFrame(columns, index=pd.Index([f"m{row:03d}" for row in range(merchants)], name="merchant_id"))


def fitted(seed: int = 0) -> Model:
    """A model of few small trees."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(5, 4, (400, len(FEATURES)))
    rows[:, -1] = rng.integers(0, 2, 400)

    def head(place: int, objective: str, rows: np.ndarray, names: list[str]) -> Head:
        target = (rows[:, place % len(NUMBERS)] + rng.normal(0, 1, 400) > 5).astype(float)
        given = {"objective": objective, "num_leaves": 5, "verbose": -1, "num_threads": 1, "seed": 1}
        data = lgb.Dataset(rows, target, feature_name=names, categorical_feature=["industry"])
        return Head(lgb.train(given, data, 4).model_to_string(), slope=1.1, intercept=-0.2)

    heads = {name: head(place, "binary", rows, list(FEATURES)) for place, name in enumerate(HEADS)}
    categories = {"industry": ["bakery", "florist"]}
    shorter = (heads.pop("churn_two_thirds"), heads.pop("churn_third"))
    churn = ChurnModel(Encoding(FEATURES, categories), (heads.pop("churn"),), shorter, 90)
    wide = np.column_stack([rows, rng.normal(0, 1, (400, len(WINDOWS)))])
    ratio = Trees(head(5, "regression", wide, [*FEATURES, *(f"ratio_{days}d" for days in WINDOWS)]))
    carry, bands = Carry(90, WINDOWS, WINDOWS, 1.0), Bands((0.0,), (0.01, 0.5, 0.99), ((0.1, 0.8, 3.0),))
    value = ValueModel(carry, {"ratio": ratio}, {"ratio": Sizes()}, {"ratio": 1.0}, 0.8, 0.8, bands, 1.0)
    return Model(churn, value, heads, {"features": list(FEATURES), "categories": categories})


@pytest.fixture(scope="session")
def model() -> Model:
    """The tiny model."""
    return fitted()


@pytest.fixture(scope="session")
def snapshot() -> pd.DataFrame:
    """The small market's snapshot."""
    return frame_of()


@pytest.fixture(scope="session")
def rules() -> Rules:
    """The built-in rules."""
    return read_rules()


@pytest.fixture(scope="session")
def settings() -> SimpleNamespace:
    """Defaults, in pounds."""
    return SimpleNamespace(churn=Churn(), growth=Growth(), economics=Economics(), timeline=Timeline(currency="GBP"))


@pytest.fixture(scope="session")
def market(snapshot: pd.DataFrame, settings: SimpleNamespace) -> SimpleNamespace:
    """A stand-in for `features.snapshot.Market` with names that want to be formulas."""
    ids = snapshot.index
    names = [HOSTILE[row % len(HOSTILE)] for row in range(len(ids))]
    merchants = pd.DataFrame({"merchant_id": ids, "name": names, "owner": ["Ann" if row % 2 else "Ben" for row in range(len(ids))]})
    return SimpleNamespace(
        settings=settings, merchants=merchants, snapshot=lambda cutoff: snapshot, source=SimpleNamespace(fingerprint="f00d")
    )


@pytest.fixture(scope="session")
def scored(market: SimpleNamespace, model: Model, rules: Rules) -> Scored:
    """The small market scored."""
    return score(market, "2026-01-01", model, rules, model_version="abc123", created_at="2026-01-01T06:00:00Z")


@pytest.fixture(scope="session")
def run(scored: Scored, rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scoring published."""
    return publish(tmp_path_factory.mktemp("state"), scored.header, scored.tables, rules.text)


@pytest.fixture(scope="session")
def golden(model: Model) -> dict[str, Any]:
    """Golden rows of the tiny model."""
    frame = frame_of(5, seed=3)[list(FEATURES)]
    texts = frame.astype(object).where(frame.notna(), None)
    features = {name: [value.item() if hasattr(value, "item") else value for value in texts[name]] for name in FEATURES}
    return {"features": features, "scores": {name: model.scores(frame)[name].tolist() for name in SCORES}}


@pytest.fixture
def bundle(model: Model, golden: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """Writes a state directory whose champion is the tiny model, with some files replaced; returns the directory."""

    def write(*, manifest: bool = True, **replaced: bytes) -> Path:
        files = {**model.to_files(), "golden.json": json.dumps(golden).encode()}
        state, version = tmp_path / "state", "abcdef012345"
        changed = files | {
            name.replace("__", "/").replace("_txt", ".txt").replace("_json", ".json"): content for name, content in replaced.items()
        }
        folder = state / "bundles" / version
        for name, content in changed.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / MANIFEST).write_bytes(manifest_of(changed if manifest else files, model_version=version))
        (state / "champion.json").write_text(json.dumps({"model_version": version, "previous": []}))
        return state

    return write
