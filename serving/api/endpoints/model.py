"""GET /v1/model: the card of the model that scored the run, and the run itself. GET /readyz: whether a run can be served."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.errors import ModelRefused
from serving.api.asking import answered, asked, published, standing
from serving.api.describing import describes
from serving.api.published import Published, View
from serving.api.schemas import ModelAnswer, Question, Ready
from serving.champion import champion_pointer
from serving.durable import checked_files

ABOUT_RUN = ("created_at", "previous", "rules_hash", "data_fingerprint", "settings", "counts", "inactive_warnings")


@describes("model", ModelAnswer, question=Question)
def model(request: Request) -> Response:
    """The model and the run."""
    asked(request, Question)
    runs = published(request)
    view = standing(request)
    about = {name: view.run.header.get(name) for name in ABOUT_RUN}
    return answered(ModelAnswer(**view.facts, champion=_champion(runs), card=card_of(runs, view), run=about))


@describes("ready", Ready, is_open=True)
def readyz(request: Request) -> Response:
    """Ready once a run is published; says too whether a newer run or model was refused."""
    runs = published(request)
    facts = runs.now().facts
    runs.champions.look()
    return answered(Ready(**facts, refused=runs.refused))


def _champion(runs: Published) -> str | None:
    try:
        return str(champion_pointer(runs.state_dir)["model_version"])
    except ModelRefused:
        return None


def card_of(runs: Published, view: View) -> dict[str, Any] | None:
    """The card out of the bundle, if that is still there and whole."""
    try:
        files = checked_files(runs.state_dir / "bundles" / view.run.model_version, ModelRefused)
    except ModelRefused:
        return None
    card: dict[str, Any] | None = json.loads(files["card.json"]) if "card.json" in files else None
    return card


ROUTES = (Route("/v1/model", model), Route("/readyz", readyz))
