"""The model behind a run, for people: how good, how true, how far the world has moved, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from serving.page.judged import Judged
from serving.page.model_charts import calibration_chart, gain_chart, time_chart
from serving.page.visit import Visit
from serving.reasons.plain import declared_words
from serving.run import Run

DRIFTED = 12
"""So many features are shown, those that moved furthest."""


@dataclass(frozen=True)
class Made:
    """What is known of a run's model: its card (None where the bundle is gone), its judged predictions, and the champion's pointer."""

    run: Run
    card: Mapping[str, Any] | None
    judged: Judged | None
    champion: Mapping[str, Any] | None
    mlflow_url: str | None = None


def model(made: Made, visit: Visit) -> dict[str, Any]:
    """Everything that the template shows."""
    card, champion = made.card, made.champion or {}
    is_champion = champion.get("model_version") == made.run.model_version
    content = {
        "version": made.run.model_version,
        "champion": champion.get("model_version"),
        "is_champion": is_champion,
        "promoted": visit.f.day(champion["promoted_at"]) if is_champion and champion.get("promoted_at") else None,
        "mlflow_version": champion.get("mlflow_version") if is_champion else None,
        "mlflow_url": made.mlflow_url,
        "judged": made.judged and {"calibration": calibration_chart(made.judged, visit), "gain": gain_chart(made.judged, visit)},
        "drift": drift(made.run, visit),
        "about_run": _about_run(made.run, visit),
        "card": None,
        "figures": [],
    }
    if card is None:
        return content
    return content | {
        "card": _card(card, visit),
        "figures": _figures(card, visit),
        "over_time": _over_time(card, visit),
        "quality": _quality(card, visit),
    }


def _quality(card: Mapping[str, Any], visit: Visit) -> dict[str, str]:
    """The verdict in a word and a sentence."""
    found, f = card["evaluation"]["quality"], visit.f
    told = {name: f.count(round(found[name])) for name in ("highest", "left", "chance")}
    means = visit.t("o_quality_means", cutoffs=len(card["evaluation"]["cutoffs"]), **told)
    return {"word": visit.t(f"o_quality_{found['word']}"), "means": means}


def _figures(card: Mapping[str, Any], visit: Visit) -> list[dict[str, str]]:
    t, f = visit.t, visit.f
    mean, interval, quality = (card["evaluation"][name] for name in ("mean", "interval", "quality"))
    return [
        {
            "number": f.number(mean["auc"]),
            "what": t("o_auc"),
            "means": t("o_auc_means", low=f.number(interval["auc"]["low"]), high=f.number(interval["auc"]["high"])),
        },
        {"number": f.number(mean["ece"]), "what": t("o_ece"), "means": t("o_ece_means", floor=f.number(mean["ece_floor"]))},
        {
            "number": f.count(round(quality["left"])),
            "what": t("o_lift"),
            "means": t("o_lift_means", chance=f.count(round(quality["chance"]))),
        },
        {"number": f.percent(mean["value_captured_at"]), "what": t("o_value"), "means": t("o_value_means")},
        {"number": f.percent(mean["cover"]), "what": t("o_cover"), "means": t("o_cover_means")},
    ]


def _over_time(card: Mapping[str, Any], visit: Visit) -> dict[str, Any]:
    f, cutoffs = visit.f, card["evaluation"]["cutoffs"]
    rows = [
        {
            "day": f.day(cutoff),
            "cells": [
                f.count(one["n"]),
                f.percent(one["churned"]),
                f.percent(one["predicted"]),
                f.number(one["auc"]),
                f.number(one["brier"]),
                f.number(one["ece"]),
                f.number(one["precision_at"]),
            ],
        }
        for cutoff, one in cutoffs.items()
    ]
    heads = ("o_merchants", "o_left", "o_told", "o_auc", "o_brier", "o_ece", "o_precision")
    return {
        "chart": time_chart(list(cutoffs), [one["auc"] for one in cutoffs.values()], visit),
        "heads": [visit.t(head) for head in heads],
        "rows": rows,
    }


def drift(run: Run, visit: Visit) -> dict[str, Any] | None:
    """The features that moved furthest since training; None where the run does not say."""
    if "drift.parquet" not in run.files:
        return None
    t, f, table = visit.t, visit.f, run.table("drift")
    if table.empty:
        return None
    features = table[table["name"] != "churn_risk"]
    counts = features["level"].value_counts()
    rows = pd.concat([table[table["name"] == "churn_risk"], features.sort_values("psi", ascending=False).head(DRIFTED)])
    most = max(float(rows["psi"].max()), 0.25)
    return {
        "sum": t(
            "o_drift_sum",
            far=f.count(int(counts.get("alarm", 0))),
            little=f.count(int(counts.get("warn", 0))),
            number=f.count(len(features)),
        ),
        "rows": [
            {
                "name": row["name"],
                "words": _named(str(row["name"]), visit),
                "psi": f.number(row["psi"]),
                "share": float(row["psi"]) / most,
                "level": row["level"],
                "level_words": t(f"o_level_{row['level']}"),
            }
            for row in rows.to_dict("records")
        ],
    }


def _named(name: str, visit: Visit) -> str:
    return visit.t("m_churn_risk") if name == "churn_risk" else str(getattr(declared_words(name), visit.lang))


def _card(card: Mapping[str, Any], visit: Visit) -> dict[str, Any]:
    """What the model is made of, as pairs."""
    t, f = visit.t, visit.f
    out = len(card.get("left_out", ()))
    pairs = [
        (t("o_predicts"), t("o_predicts_words", days=card["horizon_days"], active=card["active_days"])),
        (t("o_rows"), t("o_rows_words", rows=f.count(card["rows"]), merchants=f.count(card["merchants"]), cutoffs=len(card["cutoffs"]))),
        (t("o_features"), t("o_features_words", number=len(card["features"]), out=out)),
        (t("o_members"), " · ".join(f"{name} {f.number(weight, 2)}" for name, weight in card["weights"].items())),
        (t("o_base_rate"), f.percent(card["base_rate"])),
        (t("o_level"), card["level"]),
        (t("o_data"), card["data"]),
    ]
    features = [{"name": name, "words": _named(name, visit)} for name in card["features"]]
    return {"pairs": pairs, "features": features, "questions": card["evaluation"]["questions"], "trained": f.day(card["as_of"])}


def _about_run(run: Run, visit: Visit) -> list[tuple[str, str]]:
    t, f, header = visit.t, visit.f, run.header
    counts = header["counts"]
    pairs = [
        (t("run"), run.run_id),
        (t("o_run_made"), str(header["created_at"])[:16].replace("T", " ") + " UTC"),
        (t("o_run_scored"), t("o_run_scored_words", scored=f.count(counts["scored"]), merchants=f.count(counts["merchants"]))),
        (t("o_run_rules"), str(header["rules_hash"])),
    ]
    if header.get("previous"):
        pairs.append((t("o_run_before"), str(header["previous"])))
    if header.get("inactive_warnings"):
        pairs.append((t("o_waiting"), ", ".join(header["inactive_warnings"])))
    return pairs
