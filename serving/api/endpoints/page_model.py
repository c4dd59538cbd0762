"""GET /model: the model behind the run, for people."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.errors import ModelRefused
from serving.api.asking import published, standing
from serving.api.endpoints.model import card_of
from serving.champion import champion_pointer
from serving.page.judged import judged
from serving.page.model import Made, model
from serving.page.visiting import around, guarded, page, visit_of


@guarded
def about(request: Request) -> Response:
    """How good the model is, how true its percentages are, and what it is made of."""
    view = standing(request)
    visit, runs = visit_of(request, "model", view), published(request)
    try:
        champion = champion_pointer(runs.state_dir)
    except ModelRefused:
        champion = None
    url: str | None = request.app.state.mlflow_url
    made = Made(view.run, card_of(runs, view), judged(runs.state_dir, view.run.model_version), champion, url)
    return page(visit, "model", **around(request, visit, view) | model(made, visit))


ROUTES = (Route("/model", about),)
