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

from features.snapshot import day_date, day_number
from serving.ledger import Ledger
from serving.memory import recalled
from serving.rules import Rules
from serving.run import Run, Step, publish
from serving.score import Scored, score


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
) -> Run:
    """Score all merchants at a cutoff, publish the run, and add it to the ledger.

    Parameters
    ----------
    champion : its `model` and `model_version`.
    ledger : where there is none yet, what makes one: it is made when there is a run to add, so a refused scoring leaves nothing behind.
    created_at : the present time as text.
    at : called with the name of each step before it is taken; tests die there.
    """
    with closing(Ledger.at("sqlite://")) as nothing:
        memory = recalled(ledger if isinstance(ledger, Ledger) else nothing, day_date(day_number(cutoff)).date(), rules)
    at("score")
    made = score(market, cutoff, champion.model, rules, model_version=champion.model_version, created_at=created_at, memory=memory)

    def commit(run_id: str) -> None:
        at("ledger begin")
        if isinstance(ledger, Ledger):
            ledger.commit_run(_named(made, run_id), at)
        else:
            with closing(ledger()) as new:
                new.commit_run(_named(made, run_id), at)

    return publish(state_dir, made.header, made.tables, rules.text, at=at, commit=commit)


def _named(made: Scored, run_id: str) -> Any:
    assert made.entry is not None  # scored with a memory
    return replace(made.entry, header={**made.entry.header, "run_id": run_id})
