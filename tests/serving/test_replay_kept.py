"""A replay that is kept is a state like any other: its ledger is judged by `portfolio`, told against happened, warning by warning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.cutoffs import day_date, day_number
from features.simulate import simulate
from features.snapshot import Market
from serving.ledger import Ledger
from serving.replay_commands import replayed
from serving.rules import read_rules
from serving.run import published, read_run
from tests.conftest import typed
from training.bundle import promote_bundle, write_bundle
from training.replayed import Retrained, replayed_days, training_days

FIRST = "2024-08-07"
SHARE = 0.5
"""Sales below this share of those before are a decline."""


class Kept:
    """A small market replayed every four weeks into its own state, and then scored as on any night."""

    def __init__(self, home: Path) -> None:
        self.home = home
        market = Market.open(simulate(home, 220, seed=6, days=400, orders_per_merchant=60))
        self.settings, self.end = market.settings, market.source.end_day
        days = replayed_days(market, day_number(FIRST), self.end - 1, 28)
        found = Retrained(market, training_days(days, "once"))(days[0])
        assert found is not None
        state = self.settings.state_dir
        (state / "bundles").mkdir(parents=True)
        version = write_bundle(found[0], market.snapshot(days[0]).query("days_since_last_order <= 90").head(20), state / "bundles")
        self.facts, self.done = replayed(market, days, lambda _: (found[0], version), read_rules(), lambda *_: None, home / "truth.parquet", state)
        promote_bundle(state, version, None, "2026-01-01T00:00:00Z")
        scored = typed("score", "keepwell.toml", at=home)
        assert scored.code == 0, scored.err
        orders = pd.read_parquet(home / "orders.parquet")
        zone = self.settings.timeline.timezone
        ordered, known = (orders[name].dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None).dt.normalize() for name in ("ordered_at", "completed_at"))
        self.orders = orders.assign(day=ordered, known=known)

    def table(self, key: str) -> dict[str, Any]:
        """A table of `keepwell portfolio --json`."""
        said = typed("portfolio", "--json", at=self.home)
        assert said.code == 0, said.err
        return next(one for one in json.loads(said.out)["tables"] if one["key"] == key)

    def sales(self, since: pd.Timestamp, days: int) -> pd.Series:
        """What each merchant sold in the days from an instant on, as far as it was known at their end."""
        until = since + pd.Timedelta(days=days)
        rows = self.orders[(self.orders["day"] >= since) & (self.orders["day"] < until) & (self.orders["known"] < until)]
        return rows.groupby("merchant_id")["amount"].sum()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept") / "market")


def test_the_runs_and_the_ledger_stay(kept: Kept) -> None:
    names = published(kept.settings.state_dir)
    assert [name[:10] for name in names[:-1]] == [week["cutoff"] for week in kept.facts["weeks"]] and len(names) > 4
    with_outcome = [name for name in names if day_number(name[:10]) + 90 <= kept.end]
    assert 2 <= len(with_outcome) < len(names), "some of the runs can be judged, and some not yet"


def test_expected_churn_stands_against_what_the_orders_say(kept: Kept) -> None:
    """Each run's own list, and the orders themselves: who of it sold nothing in the 90 days after."""
    table = kept.table("expected")
    names = published(kept.settings.state_dir)
    assert [row["cutoff"] for row in table["rows"]] == [name[:10] for name in names if day_number(name[:10]) + 90 <= kept.end]
    for row, name in zip(table["rows"], names, strict=False):
        listed = read_run(kept.settings.state_dir, name).merchants
        risk = listed["churn_risk"].dropna().astype(float)
        sold = kept.sales(pd.Timestamp(row["cutoff"]), 90).reindex(risk.index)
        assert row["merchants"] == len(risk) > 40
        assert row["told"] == pytest.approx(risk.mean()) and row["happened"] == pytest.approx(sold.isna().mean(), abs=1e-12)
        assert row["gmv_told"] == pytest.approx(listed.loc[risk.index, "expected_gmv"].astype(float).sum())
        assert row["gmv_happened"] == pytest.approx(sold.sum(), rel=1e-5)
        noise = 1.96 * np.sqrt((risk * (1 - risk)).sum()) / len(risk)
        assert (row["low"], row["high"]) == pytest.approx((risk.mean() - noise, risk.mean() + noise))
        apart = abs(row["happened"] - row["told"]) / (noise / 1.96)
        assert row["level"] == ("as told" if apart <= 1.96 else "somewhat off" if apart <= 3 else "off")


def test_what_warnings_were_worth_is_what_became_of_the_merchants(kept: Kept) -> None:
    with_rows = {row["kind"]: row for row in kept.table("warnings")["rows"]}
    ledger = Ledger.open(kept.settings)
    fired = ledger.table("warnings")
    ledger.close()
    assert {kind: row["fired"] for kind, row in with_rows.items()} == fired["kind"].value_counts().to_dict()
    replayed_kinds = {row["kind"]: row for row in kept.facts["kinds"]}
    for kind, rows in fired.groupby("kind"):
        ripe = rows[rows["opened_on"] + pd.Timedelta(days=90) <= day_date(kept.end)]
        right = []
        for one in ripe.to_dict("records"):
            sold = kept.sales(one["opened_on"], 90).get(one["merchant_id"])
            right.append(sold is None or sold < SHARE * one["gmv_before"])
        shown = with_rows[str(kind)]
        assert shown["matured"] == len(ripe) and shown["acted_on"] == 0
        assert shown["precision"] == (pytest.approx(np.mean(right), abs=1e-12) if right else None)
        assert replayed_kinds[str(kind)]["precision"] == (pytest.approx(np.mean(right), abs=1e-4) if right else None)


def test_nobody_acted_so_nothing_is_said_to_be_saved(kept: Kept) -> None:
    table = kept.table("proof")
    assert table["rows"] == [] and "Cannot tell yet" in " ".join(table["notes"])
    said = typed("proof", at=kept.home)
    assert "Cannot tell yet" in said.out and "No number of decisions would tell" in said.out and "Saved" not in said.out


def test_the_share_acted_on_is_counted(kept: Kept) -> None:
    ledger = Ledger.open(kept.settings)
    still = ledger.open_warnings()
    ledger.close()
    still = still[still["opened_on"] > day_date(kept.end - 90)]  # once its outcome is known, what is done is not for this warning any more
    kind = str(still["kind"].value_counts().index[0])
    merchant = str(still.loc[still["kind"] == kind, "merchant_id"].iloc[0])
    assert typed("record", merchant, "--outcome", "attempted", "--kind", kind, at=kept.home).code == 0
    shown = next(row for row in kept.table("warnings")["rows"] if row["kind"] == kind)
    assert 0 < shown["acted_on"] <= 2 / shown["fired"]


def test_alarms_count_the_merchants_and_runs_under_a_warning(kept: Kept) -> None:
    """By hand, for the merchants that were never made to leave."""
    found = next(group for group in kept.facts["lost"]["warned"] if group["name"] == "all")["alarms"]["any"]
    gone = pd.read_parquet(kept.home / "truth.parquet").set_index("merchant_id")["left_on"]
    last = pd.Timestamp(kept.facts["last"]) - pd.Timedelta(days=90)
    on, weeks = 0, 0
    for name in published(kept.settings.state_dir)[:-1]:
        day = pd.Timestamp(name[:10])
        for merchant in read_run(kept.settings.state_dir, name).merchants.query("no_score.isna()").index:
            left = pd.to_datetime(gone[merchant])
            if day > last or (pd.notna(left) and -90 <= (left - day).days <= 90 and (left - day).days != 0):
                continue
            if pd.notna(left) and left == day:
                continue
            mine = kept.done.warnings[kept.done.warnings["merchant_id"] == merchant]
            weeks += 1
            on += bool(((mine["opened_on"] <= day) & ~(mine["closed_on"] <= day)).any())
    assert weeks > 100 and found["stayers"] == pytest.approx(on / weeks, abs=1e-4)
