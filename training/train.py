"""One training, whole: judged out of time, fitted on everything known, written as a bundle, tracked, and held against the champion."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cutoffs import day_date
from features.errors import DataRefused, UsageRefused
from features.model import Model
from features.settings import Settings
from features.snapshot import Market
from training import bundle, duel, tracking
from training.backtest import Progress, judged_and_trained
from training.card import model_card
from training.evaluate import evaluate
from training.gate import Verdict, verdict
from training.labels import to_shorten
from training.models import COMMON, HEADS
from training.plots import beeswarm_plot, calibration_plot, capture_plot
from training.search import search
from training.slices import sliced
from training.timeline import training_cutoffs

TEST_CUTOFFS = 3
GOLDEN_ROWS = 32
PLOTTED = 2000


@dataclass(frozen=True)
class Training:
    """What a training left behind."""

    model_version: str
    mlflow_version: int
    run_id: str
    evaluation: dict[str, Any]
    verdict: Verdict
    bundle: Path
    card: dict[str, Any]


def test_cutoffs(market: Market, as_of: int) -> list[int]:
    """The latest complete cutoffs that have training cutoffs of their own before them, at most `TEST_CUTOFFS`.

    Raises
    ------
    DataRefused
        When there is none: a model could be fitted, but nothing could be said about it.
    """
    found = training_cutoffs(market, as_of)
    judged = [cutoff for cutoff in found if _trainable(market, cutoff)][-TEST_CUTOFFS:]
    if not judged:
        raise DataRefused(
            f"the history suffices to train at {day_date(found[-1]):%Y-%m-%d}, but not to judge the model on a later cutoff: that needs two "
            f"label windows one after the other. Add months of orders, or shorten {to_shorten(market.settings)}."
        )
    return judged


def _trainable(market: Market, cutoff: int) -> bool:
    try:
        return bool(training_cutoffs(market, cutoff))
    except DataRefused:
        return False


def train(market: Market, mlruns: Path | None = None, progress: Progress = lambda _: None, budget: float = 0) -> Training:
    """Train on everything known, register the bundle as the challenger and judge it against the champion.

    Parameters
    ----------
    mlruns : the folder of the MLflow store; by default `mlruns` of the current directory.
    progress : called with what is done next.
    budget : seconds to search for better settings, on windows before the first judged cutoff; by default none.
    """
    as_of = market.source.end_day
    judged = test_cutoffs(market, as_of)
    bundle.champion(market.settings.state_dir)  # what it refuses should not cost a training
    store = cache(lambda: tracking.open_store(market.settings, mlruns))
    if budget:
        store()  # what it refuses should not cost a search
    searched = search(market, judged[0], budget, progress) if budget else None
    tuned = searched.tuned if searched else None
    predictions, model, data = judged_and_trained(market, judged, as_of, lambda what: progress(f"training at {what}"), tuned, store)
    evaluation = evaluate(judgeable(predictions))
    evaluation["questions"] = model.card.get("questions", [])
    card = dict(model.card) | {"evaluation": {part: evaluation[part] for part in ("cutoffs", "mean", "interval", "quality", "questions")}}
    card |= {"search": searched.told} if searched else {}
    model = replace(model, card=card)
    progress("writing the bundle")
    state = market.settings.state_dir
    golden = data.features.iloc[np.linspace(0, len(data.features) - 1, min(GOLDEN_ROWS, len(data.features))).astype(int)]
    version = bundle.write_bundle(model, golden.droplevel("cutoff"), state / "bundles")
    progress("recording in MLflow")
    registered = _track(store(), market, model, data.features, evaluation, state / "bundles" / version, version)
    duel.keep(state, version, judgeable(duel.with_champion(state, predictions)))
    bundle.challenge(state, version, registered.version)
    held = held_against_champion(state, version, evaluation)
    return Training(version, registered.version, registered.run_id, evaluation, held, state / "bundles" / version, card)


def judgeable(predictions: pd.DataFrame) -> pd.DataFrame:
    """The backtest's frame as `training.evaluate.evaluate` reads it."""
    frame = predictions.reset_index()
    return sliced(frame.assign(recency=frame["days_since_last_order"]))


def held_against_champion(state_dir: Path, version: str, evaluation: dict[str, Any]) -> Verdict:
    """The gate's verdict on a challenger, given the champion of the moment, if there is one."""
    pointer = bundle.champion(state_dir)
    if pointer is None:
        return verdict(evaluation)
    champion = pointer["model_version"]
    if champion == version:
        return Verdict(True, [f"It is the champion {champion} itself: the same data and settings gave the same model."])
    found = duel.other_target(state_dir, version, champion) or duel.duel(state_dir, version, champion)
    alone = "It shares no cutoff with the champion, so the two cannot be compared. Evaluate both on the same cutoffs, or use --force."
    return verdict(evaluation, found or alone)


def _track(
    store: tracking.Store, market: Market, model: Model, frame: pd.DataFrame, evaluation: dict[str, Any], place: Path, version: str
) -> tracking.MlflowVersion:
    settings = market.settings
    parameters = {f"churn.{k}": v for k, v in settings.churn.model_dump().items()} | {"growth.horizon_days": settings.growth.horizon_days}
    parameters |= COMMON | {f"{head}.{k}": v for head, chosen in HEADS.items() for k, v in chosen.items()}
    parameters |= {"cutoffs": ",".join(model.card["cutoffs"]), "rows": model.card["rows"], "features": len(model.features)}
    with tempfile.TemporaryDirectory() as folder:
        plots = Path(folder)
        calibration_plot(evaluation, plots / "calibration.png")
        capture_plot(evaluation, plots / "lift.png")
        sample = frame.iloc[np.linspace(0, len(frame) - 1, min(PLOTTED, len(frame))).astype(int)]
        beeswarm_plot(model.contributions(sample), sample, plots / "shap_beeswarm.png")
        (plots / "model_card.md").write_text(model_card(model.card), "utf-8")
        tags = {"data_fingerprint": market.source.fingerprint, "model_version": version}
        return store.log_training(parameters, evaluation["cutoffs"], tags, plots, place, version)


@dataclass(frozen=True)
class Promotion:
    """What came of the wish to promote: the gate's verdict, and the version that is the champion now (None: there is none)."""

    verdict: Verdict
    champion: str | None
    mlflow_version: int | None


def promote(settings: Settings, promoted_at: str, *, mlruns: Path | None = None, force: bool = False) -> Promotion:
    """Make the challenger the champion, in MLflow and for serving, if the gate lets it pass.

    Parameters
    ----------
    promoted_at : the present time as text; it is only noted.
    force : promote against the gate's advice.

    Raises
    ------
    UsageRefused
        When there is no challenger.
    """
    state = settings.state_dir
    chosen = bundle.challenger(state)
    if chosen is None:
        raise UsageRefused(f"there is no challenger to promote in {state}; run keepwell train first.")
    held = held_against_champion(state, chosen["model_version"], bundle.card_of(state, chosen["model_version"])["evaluation"])
    if held.passed or force:
        store = tracking.open_store(settings, mlruns)
        store.refuse_unless_registered(chosen["mlflow_version"], chosen["model_version"])
        bundle.promote_bundle(state, chosen["model_version"], chosen["mlflow_version"], promoted_at)
        store.promote(chosen["mlflow_version"])
    now = bundle.champion(state)
    return Promotion(held, now["model_version"], now["mlflow_version"]) if now else Promotion(held, None, None)


def rollback(settings: Settings, *, mlruns: Path | None = None) -> dict[str, Any]:
    """Make the champion before the champion again, for serving and in MLflow; returns its entry."""
    before, _ = bundle.before_champion(settings.state_dir)  # refuses before there is a store
    store = tracking.open_store(settings, mlruns)
    store.refuse_unless_registered(before["mlflow_version"], before["model_version"])
    entry = bundle.rollback_bundle(settings.state_dir)
    store.promote(int(entry["mlflow_version"]))
    return entry
