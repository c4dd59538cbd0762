"""`keepwell replay`: what serving does of it. `keepwell.py` hands over the models, for serving knows nothing of training."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features import shell
from features.errors import DataRefused
from features.snapshot import Market
from features.whole import write_atomically
from serving.replay import ModelOf, Replayed, replay
from serving.replay_report import measured
from serving.replay_text import kinds_table, lost_table, told, weeks_csv
from serving.rules import Rules

PLANTED = ("merchant_id", "left_on")


def replayed(
    market: Market,
    days: Sequence[int],
    model_of: ModelOf,
    rules: Rules,
    tell: Callable[..., None],
    truth: Path | None = None,
    state: Path | None = None,
) -> tuple[dict[str, Any], Replayed]:
    """Replay, and measure: in a temporary folder, or in an empty state directory in which the ledger and the runs stay."""
    planted = None if truth is None else left(truth)
    if state is not None:
        done = replay(market, days, model_of, rules, state, shell.now(), tell, keep_runs=True)
        return measured(done, rules, market.settings, planted), done
    with tempfile.TemporaryDirectory(prefix="keepwell-replay-") as folder:
        done = replay(market, days, model_of, rules, Path(folder), shell.now(), tell)
    return measured(done, rules, market.settings, planted), done


def left(truth: Path) -> pd.DataFrame:
    """Who was made to leave and when, from a made-up market's truth.

    Raises
    ------
    DataRefused : the file is not one.
    """
    try:
        table = pd.read_parquet(truth, columns=list(PLANTED))
    except (OSError, ValueError) as error:
        raise DataRefused(
            f"{truth} cannot be read as the truth of a made-up market ({error}); name the truth.parquet that keepwell simulate wrote."
        ) from None
    gone = table[table["left_on"].notna()]
    return gone.assign(silent_on=pd.to_datetime(gone["left_on"])).drop(columns="left_on")


def write(out: Path, facts: dict[str, Any], done: Replayed) -> None:
    """`replay.json`, `weeks.csv` (a row a run) and `warnings.parquet` (a row a warning) in a directory."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "replay.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False).encode())
    write_atomically(out / "weeks.csv", weeks_csv(facts))
    write_atomically(out / "warnings.parquet", done.warnings.to_parquet(index=False))


def show(facts: dict[str, Any]) -> None:
    """A replay on the terminal."""
    for line in told(facts):
        shell.line(line)
    if facts["kinds"]:
        shell.console.print(kinds_table(facts))
    shell.console.print(lost_table(facts))
