"""One run from beginning to end: what the ledger remembers, scores, and the publication together with the ledger's transaction.

The order is what makes a kill harmless: the run's files are written and renamed, then the ledger commits in one transaction, then the run
becomes the current one. Killed before the commit, the ledger knows nothing of it; killed after, the list before still stands. Either way
the same command again finishes the same run: it reads tiers and stages of an earlier cutoff, a day of warnings twice changes nothing, the
draw follows from the data and the day, and the ledger knows the run by its id.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.cutoffs import day_date, day_number
from features.settings import Webhooks
from features.snapshot import Market
from serving.ledger import Entry, Ledger
from serving.memory import recalled
from serving.movement import run_before
from serving.portfolio.expected import judged_before
from serving.rules import Rules
from serving.run import Run, Step, publish
from serving.score import EXPLAINED, Scored, score
from serving.webhooks.messages import messages


def run_once(
    market: Any,
    cutoff: Any,
    champion: Any,
    rules: Rules,
    ledger: Ledger | Callable[[], Ledger],
    *,
    state_dir: Path,
    created_at: str,
    at: Step = lambda step: None,
    explained: int = EXPLAINED,
) -> Run:
    """Score all merchants at a cutoff, publish the run, and add it to the ledger.

    Parameters
    ----------
    champion : its `model` and `model_version`.
    ledger : where there is none yet, what makes one: it is made when there is a run to add, so a refused scoring leaves nothing behind.
    created_at : the present time as text.
    at : called with the name of each step before it is taken; tests die there.
    explained : how many merchants get reasons.
    """
    day = day_date(day_number(cutoff)).date()
    if isinstance(ledger, Ledger):
        memory = recalled(ledger, day, rules)
    else:
        with closing(Ledger.at("sqlite://")) as nothing:
            memory = recalled(nothing, day, rules)
    at("score")
    given: dict[str, Any] = {"model_version": champion.model_version, "created_at": created_at, "memory": memory, "explained": explained}
    if explained and isinstance(market, Market):  # a replay tells nobody why, and a stand-in has no snapshot of an earlier day
        given["before"] = run_before(state_dir, day, champion.model, champion.model_version)
    made = score(market, cutoff, champion.model, rules, **given)
    if isinstance(market, Market) and isinstance(ledger, Ledger):  # a stand-in has no events to look back on
        made.tables.update(judged_before(ledger, market, day, state_dir))


    def commit(run_id: str) -> None:
        at("ledger begin")
        entry = _named(made, run_id, getattr(market.settings, "webhooks", None))
        if isinstance(ledger, Ledger):
            ledger.commit_run(entry, at)
        else:
            with closing(ledger()) as new:
                new.commit_run(entry, at)

    return publish(state_dir, made.header, made.tables, rules.text, at=at, commit=commit)


def _named(made: Scored, run_id: str, hook: Webhooks | None) -> Entry:
    """What the run adds to the ledger, now that it has a name, with what others are told of it."""
    assert made.entry is not None  # scored with a memory
    header = {**made.entry.header, "run_id": run_id}
    told = messages(header, made.tables["merchants"], made.entry.opened, made.entry.told, hook)
    return replace(made.entry, header=header, messages=told)
