"""GET /metrics: figures for Prometheus; they tell of all merchants together, so they take a key that sees all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import needs
from serving.ops.metrics import CONTENT_TYPE, Metrics


@needs("model", whole=True)
def metrics(request: Request) -> Response:
    """The figures of this moment."""
    figures: Metrics = request.app.state.metrics
    return Response(figures.text(), media_type=CONTENT_TYPE)


ROUTES = (Route("/metrics", metrics),)
