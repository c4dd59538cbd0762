"""What a run publishes for its portfolio, against the tables of a made-up market counted again in pandas."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.contacts import leads_before, roles_before
from features.cutoffs import day_number
from features.simulate import simulate
from features.snapshot import Market
from serving.portfolio.facts import last_month, portfolio_tables

CUTOFF = date(2025, 9, 15)
ZONE = "Europe/Berlin"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("market")
    simulate(home, 120, seed=5)
    return home


@pytest.fixture(scope="module")
def market(home: Path) -> Market:
    return Market.open(home / "keepwell.toml")


@pytest.fixture(scope="module")
def tables(market: Market) -> dict[str, pd.DataFrame]:
    return portfolio_tables(market, CUTOFF, market.snapshot(CUTOFF))


def events(home: Path, table: str, *times: str) -> pd.DataFrame:
    """A table as it was written, its times as local days."""
    frame = pd.read_parquet(home / f"{table}.parquet")
    for name in times:
        moments = pd.to_datetime(frame[name])
        moments = moments.dt.tz_localize("UTC") if moments.dt.tz is None else moments
        frame[name] = moments.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
    return frame


def test_the_months_with_an_order_are_those_of_the_orders_known_by_then(home: Path, tables: dict[str, pd.DataFrame]) -> None:
    orders = events(home, "orders", "ordered_at", *(["completed_at"] if "completed_at" in pd.read_parquet(home / "orders.parquet") else []))
    seen = orders[["ordered_at", *(["completed_at"] if "completed_at" in orders else [])]].max(axis=1)
    known = orders[seen < pd.Timestamp(CUTOFF)]
    back = (last_month(CUTOFF).ordinal - known["ordered_at"].dt.to_period("M").astype("int64")).rename("back")
    expected = known.assign(bit=2**back).drop_duplicates(["merchant_id", "bit"]).groupby("merchant_id")["bit"].sum()
    found = tables["portfolio"].set_index("merchant_id")
    assert len(found) > 80 and (found["sold_months"] > 0).sum() > 60
    assert (found["sold_months"] == expected.reindex(found.index).fillna(0).astype(np.int64)).all()
    gmv = known.groupby("merchant_id")["amount"].sum().reindex(found.index).fillna(0)
    assert np.allclose(found["gmv_ever"], gmv, rtol=1e-5)


def test_leads_are_those_contacted_and_won_by_then(home: Path, market: Market, tables: dict[str, pd.DataFrame]) -> None:
    leads = events(home, "leads", "contacted_at", "won_at")
    known = leads[leads["contacted_at"] < pd.Timestamp(CUTOFF)]
    won = known[known["won_at"] < pd.Timestamp(CUTOFF)]
    found = leads_before(market.source, day_number(CUTOFF))
    assert found is not None and (len(found), found["won_on"].notna().sum()) == (len(known), len(won)) and len(won) < len(known)
    assert found["merchant_id"].notna().sum() == won["merchant_id"].notna().sum()
    assert tables["leads"]["leads"].sum() == len(known) and tables["leads"]["cost"].sum() == pytest.approx(known["cost"].sum())
    mine = tables["portfolio"].set_index("merchant_id")["lead_cost"].dropna()
    assert np.allclose(mine, won.groupby("merchant_id")["cost"].sum().reindex(mine.index))
    assert "merchant_id" not in tables["leads"]  # so it is told to those only who see all merchants


def test_the_role_is_that_of_most_logins_before_the_cutoff(home: Path, market: Market) -> None:
    logins = events(home, "logins", "occurred_at")
    day = pd.Timestamp(CUTOFF)
    known = logins[(logins["occurred_at"] < day) & (logins["occurred_at"] >= day - pd.Timedelta(days=90)) & logins["role"].notna()]
    counts = known.groupby(["merchant_id", "role"]).size().rename("n").reset_index().sort_values(["merchant_id", "n", "role"], ascending=[True, False, True])
    expected = counts.drop_duplicates("merchant_id").set_index("merchant_id")["role"]
    found = roles_before(market.source, day_number(CUTOFF))
    assert found is not None and found.nunique() > 1
    assert found.sort_index().to_dict() == expected.sort_index().to_dict()


def test_nothing_after_the_cutoff_is_published(home: Path, tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    """The tables are the same when everything that became known later is struck out."""
    times = {"orders": ["ordered_at", "completed_at"], "leads": ["contacted_at"], "logins": ["occurred_at"], "merchants": ["joined_at", "known_at"]}
    for path in home.glob("*.parquet"):
        frame = pd.read_parquet(path)
        for name in times.get(path.stem, []):
            local = events(home, path.stem, name)[name] if name in frame else None
            if local is not None:
                frame = frame[(local.loc[frame.index] < pd.Timestamp(CUTOFF)) | local.loc[frame.index].isna()]
        if path.stem == "leads":
            later = events(home, "leads", "won_at")["won_at"].loc[frame.index] >= pd.Timestamp(CUTOFF)
            frame = frame.assign(won_at=frame["won_at"].where(~later), merchant_id=frame["merchant_id"].where(~later))
        frame.to_parquet(tmp_path / path.name)
    kept = set(pd.read_parquet(tmp_path / "merchants.parquet")["merchant_id"])
    for path in tmp_path.glob("*.parquet"):
        frame = pd.read_parquet(path)
        if "merchant_id" in frame:
            frame[frame["merchant_id"].isin(kept) | frame["merchant_id"].isna()].to_parquet(path)
    (tmp_path / "keepwell.toml").write_text((home / "keepwell.toml").read_text())
    struck = Market.open(tmp_path / "keepwell.toml")
    again = portfolio_tables(struck, CUTOFF, struck.snapshot(CUTOFF))
    for name, table in tables.items():
        pd.testing.assert_frame_equal(again[name], table, check_dtype=False)


def test_a_market_without_leads_and_logins_has_neither(home: Path, tmp_path: Path) -> None:
    text = (home / "keepwell.toml").read_text()
    (home / "few.toml").write_text("\n".join(line for line in text.splitlines() if not line.startswith(("leads", "logins"))))
    few = Market.open(home / "few.toml")
    assert leads_before(few.source, day_number(CUTOFF)) is None and roles_before(few.source, day_number(CUTOFF)) is None
    found: dict[str, Any] = portfolio_tables(few, CUTOFF, few.snapshot(CUTOFF))
    assert set(found) == {"portfolio"} and "role" not in found["portfolio"] and "lead_cost" not in found["portfolio"]
