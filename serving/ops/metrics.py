"""Figures for Prometheus. Every label comes from a list that is fixed or that the rules fix, so nobody can make series by asking."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError

from features.errors import Refused
from serving.api.problem import Problem
from serving.api.published import Published
from serving.ledger import Ledger
from serving.run import Run
from serving.webhooks.outbox import standing

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
RISKS = tuple(round(step / 10, 1) for step in range(1, 11))
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one application: of its requests as they are answered, of run, ledger and outbox when they are asked for."""

    def __init__(self, published: Published, ledger: Callable[[], Ledger | None], clock: Callable[[], str]) -> None:
        self.registry = CollectorRegistry()
        on: dict[str, Any] = {"registry": self.registry}
        self.seconds = Histogram("keepwell_request_seconds", "Time to the end of an answer.", ("method", "route"), buckets=SECONDS, **on)
        self.requests = Counter("keepwell_requests", "Requests answered.", ("method", "route", "status"), **on)
        self.busy = Gauge("keepwell_requests_under_way", "Requests being answered.", **on)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Standing(published, ledger, clock))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.seconds.labels(method, route).observe(seconds)
        self.requests.labels(method, route, str(status)).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _Standing:
    """What stands: the run, its age and scores, and the ledger."""

    def __init__(self, published: Published, ledger: Callable[[], Ledger | None], clock: Callable[[], str]) -> None:
        self.published, self.ledger, self.clock = published, ledger, clock
        self._of_run: tuple[str, list[Metric]] = ("", [])

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: what there is depends on the run."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        now = _instant(self.clock())
        try:
            run = self.published.now().run
        except Problem:
            run = None
        yield _gauge("keepwell_run_published", "Whether a run can be served.", int(run is not None))
        yield _gauge("keepwell_run_refused", "Whether the newest run cannot be read, so an older one or none is served.", int(bool(self.published.refusal)))
        yield from self._of_champion()
        if run is not None:
            yield _gauge("keepwell_run_age_seconds", "Since the run was scored.", now - _instant(str(run.header["created_at"])))
            yield _gauge("keepwell_data_age_seconds", "Since the cutoff, after which the run knows nothing.", now - _instant(run.cutoff))
            if self._of_run[0] != run.run_id:
                self._of_run = (run.run_id, list(_of(run)))
            yield from self._of_run[1]
        yield from self._of_ledger(now)

    def _of_champion(self) -> Iterator[Metric]:
        champion = self.published.champions.look()
        info = GaugeMetricFamily("keepwell_champion_info", "The model that scores what is sent with its events; always 1.", labels=("model_version",))
        if champion is not None:
            info.add_metric((champion.model_version,), 1)
        yield info
        refused = self.published.champions.is_refused
        yield _gauge("keepwell_champion_refused", "Whether the promoted model cannot be used, so the one before or none scores.", int(refused))

    def _of_ledger(self, now: float) -> Iterator[Metric]:
        try:
            ledger = self.ledger()
            is_up = True
            if ledger is not None:
                with ledger.reading() as connection:
                    outbox = standing(connection)
        except (Refused, SQLAlchemyError):
            ledger, is_up = None, False
        yield _gauge("keepwell_ledger_up", "Whether the ledger can be read; also 1 while there is none yet.", int(is_up))
        if ledger is not None:
            family = GaugeMetricFamily("keepwell_outbox_messages", "Messages to other systems.", labels=("state",))
            family.add_metric(("waiting",), outbox.waiting)
            family.add_metric(("dead",), outbox.dead)
            yield family
            oldest = 0.0 if outbox.oldest is None else now - _instant(outbox.oldest)
            yield _gauge("keepwell_outbox_oldest_seconds", "Since the oldest waiting message was made; 0 for none.", oldest)


def _of(run: Run) -> Iterator[Metric]:
    """What a run's scores look like."""
    info = GaugeMetricFamily("keepwell_run_info", "The run that is served; always 1.", labels=("run_id", "model_version", "cutoff"))
    info.add_metric((run.run_id, run.model_version, run.cutoff), 1)
    yield info
    risk = run.merchants["churn_risk"].dropna().to_numpy(np.float64)
    buckets = [(f"{edge}", float((risk <= edge).sum())) for edge in RISKS]
    yield HistogramMetricFamily(
        "keepwell_churn_risk", "Churn risks of the run's merchants.", buckets=[*buckets, ("+Inf", float(len(risk)))], sum_value=float(risk.sum())
    )
    merchants = GaugeMetricFamily("keepwell_merchants", "Merchants of the run.", labels=("status",))
    merchants.add_metric(("scored",), len(risk))
    merchants.add_metric(("no_score",), len(run.merchants) - len(risk))
    yield merchants
    at_stake = float(np.nansum(run.merchants["value_at_risk"].to_numpy(np.float64)))
    yield _gauge("keepwell_value_at_risk", "Money expected to be lost, in the run's currency.", at_stake)
    warnings = GaugeMetricFamily("keepwell_warnings", "Open warnings.", labels=("kind", "severity"))
    for told, number in Counted(zip(run.warnings["kind"], run.warnings["severity"], strict=True)).items():
        warnings.add_metric(tuple(map(str, told)), number)
    yield warnings


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value)


def _instant(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
