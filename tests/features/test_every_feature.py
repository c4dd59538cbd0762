"""Contracts that every feature of the catalogue inherits, checked on one made-up market with every table and late rows.

A new feature is covered here without a line: what is asked once for all is compared feature by feature.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from markets import by_numpy, futures, leaks, online, opened, same
from oracle import Oracle, agrees
from random_market import CUTOFF, CUTOFFS, ZONE, Tables, made_up

from features.declare import UNITS, catalogue, streams_of
from features.errors import UsageRefused
from features.program import Plan
from features.snapshot import Market
from features.tables import ATTRIBUTES, STREAMS, TABLES
from features.verbs import Age, Attribute, Peers, Ref, nodes

EVERY = sorted(catalogue())
Open = Callable[[Tables], Market]
every_feature = pytest.mark.parametrize("name", EVERY)
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def open_market(tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Opens tables, each time in a directory of its own."""
    return lambda tables: opened(tables, tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The made-up market."""
    return made_up()


@pytest.fixture(scope="module")
def market(tables: Tables, open_market: Open) -> Market:
    """The same, opened."""
    return open_market(tables)


@pytest.fixture(scope="module")
def batch(market: Market) -> dict[str, pd.DataFrame]:
    """A snapshot of everybody at each cutoff."""
    return {cutoff: market.snapshot(cutoff) for cutoff in CUTOFFS}


# --- the catalogue


def test_there_are_at_least_90_features():
    assert len(EVERY) >= 90


@every_feature
def test_it_has_a_unit_a_docstring_and_words_in_two_languages(name):
    one = catalogue()[name]
    english, chinese = one.reason
    assert one.unit in UNITS
    assert one.doc.endswith((".", "…")) and "{" not in one.doc + english + chinese
    assert english.strip() and not HAN.search(english) and not english.endswith(".")
    assert HAN.search(chinese)
    assert (one.unit == "text") == one.is_text


def windows(name: str, needs: bool = True) -> set[int]:
    """The lengths of a feature's windows, and how far back they reach; with `needs`, also of the features it needs."""
    found: set[int] = set()
    for node in nodes(catalogue()[name].tree):
        if isinstance(node, Ref):
            found |= windows(node.name) if needs else set()
        elif (days := getattr(node, "days", None)) is not None:
            found |= {days, days + getattr(node, "skip", 0)}
    return found


@every_feature
def test_its_name_and_its_words_say_its_window(name):
    one = catalogue()[name]
    named, told = ({int(days) for days in re.findall(rule, text)} for rule, text in ((r"_(\d+)d\b", name), (r"(\d+) days", one.reason[0])))
    assert named | told <= windows(name), f"{name} names {named}, tells {told}, looks at {windows(name)}"
    assert named or not windows(name, needs=False) or re.search(r"\d+ days|year", one.doc), f"{name} never says its window"


def test_no_two_features_say_the_same():
    for language in (0, 1):
        words = [one.reason[language] for one in catalogue().values()]
        assert len(set(words)) == len(words), [word for word in words if words.count(word) > 1]


# --- the past decides


@pytest.fixture(scope="module")
def leaking(tables: Tables, open_market: Open) -> dict[str, list[str]]:
    """At each cutoff, the features that another future changes."""
    found = {}
    for cutoff in CUTOFFS[1:]:
        found[cutoff] = leaks([open_market(one) for one in futures(tables, cutoff).values()], cutoff)
    return found


@every_feature
def test_nothing_known_at_or_after_the_cutoff_changes_it(leaking, name):
    assert [cutoff for cutoff, names in leaking.items() if name in names] == []


def test_the_rows_themselves_do_not_depend_on_the_future(leaking):
    assert not any("merchant_id" in names for names in leaking.values())


# --- one row per merchant


def test_everybody_has_one_row_in_order_of_ids(batch, tables):
    for cutoff, frame in batch.items():
        assert list(frame.index) == Oracle(tables, ZONE).merchants((pd.Timestamp(cutoff) - pd.Timestamp(0)).days)
        assert frame.index.name == "merchant_id"
    assert len(batch[CUTOFFS[0]]) < len(batch[CUTOFF]) < len(tables["merchants"])


@pytest.fixture(scope="module")
def shuffled(market: Market, batch: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A snapshot asked for in no order, of a market that has answered nothing else."""
    ids = np.random.default_rng(0).permutation(batch[CUTOFF].index.to_numpy(object))
    fresh = Market.of(market.source)
    return fresh.snapshot(CUTOFF, merchants=list(ids))


@every_feature
def test_the_order_asked_for_is_the_order_answered(shuffled, batch, name):
    assert sorted(shuffled.index) == list(batch[CUTOFF].index) != list(shuffled.index)
    assert same(shuffled[name], batch[CUTOFF].loc[shuffled.index, name])


def test_a_merchant_asked_for_twice_is_answered_twice(market, batch):
    frame = market.snapshot(CUTOFF, merchants=["m09", "m08", "m09"])
    assert list(frame.index) == ["m09", "m08", "m09"]
    assert all(same(frame[name], batch[CUTOFF].loc[frame.index, name]) for name in frame)


def test_who_is_not_there_yet_or_not_at_all_is_refused(market):
    with pytest.raises(UsageRefused, match="'m05' was not known before 2025-06-30; use a later cutoff"):
        market.snapshot(CUTOFF, merchants=["m09", "m05"])
    with pytest.raises(UsageRefused, match="'m9' is not in the data; did you mean"):
        market.snapshot(CUTOFF, merchants=["m9"])


def test_nobody_asked_for_is_nobody_answered(market, batch):
    frame = market.snapshot(CUTOFF, merchants=[])
    assert len(frame) == 0 and list(frame) == list(batch[CUTOFF])


# --- alone, in a batch, at many cutoffs, online


@pytest.fixture(scope="module")
def alone(market: Market) -> pd.DataFrame:
    """Every merchant asked for on its own, by a market that has answered nothing else."""
    fresh = Market.of(market.source)
    return pd.concat([fresh.snapshot(CUTOFF, merchants=[who]) for who in market.snapshot(CUTOFF, only=[]).index])


@pytest.fixture(scope="module")
def in_one_pass(market: Market) -> pd.DataFrame:
    """All cutoffs, and some between them, in one pass."""
    between = pd.date_range("2024-02-01", "2025-10-01", freq="37D").strftime("%Y-%m-%d")
    return market.snapshots([*between, *CUTOFFS])


@every_feature
def test_alone_is_as_in_a_batch(alone, batch, name):
    assert same(alone[name], batch[CUTOFF][name])


@every_feature
def test_at_many_cutoffs_is_as_at_one(in_one_pass, batch, name):
    for cutoff, frame in batch.items():
        assert same(in_one_pass[name].xs(pd.Timestamp(cutoff), level="cutoff"), frame[name])


@pytest.fixture(scope="module")
def in_pieces(market: Market, in_one_pass: pd.DataFrame) -> list[pd.DataFrame]:
    """The same pass with a few merchants in a block, a few events in a query; whole, and in parts."""
    small = {"holdings.CELLS": 300, "holdings.EVENTS": 200, "snapshot.BLOCKS": 4}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small.items():
            patch.setattr(f"features.{name}", value)
        fresh, cutoffs = Market.of(market.source), in_one_pass.index.levels[1]
        parts = list(fresh.parts(cutoffs))
        assert len(parts) > 1
        return [fresh.snapshots(cutoffs), pd.concat(parts)]


@every_feature
def test_in_pieces_it_is_as_in_one(in_pieces, in_one_pass, name):
    for frame in in_pieces:
        assert frame.index.equals(in_one_pass.index)
        assert same(frame[name], in_one_pass[name])


def test_a_pass_has_a_row_per_merchant_and_cutoff(in_one_pass, batch):
    assert in_one_pass.index.names == ["merchant_id", "cutoff"] and in_one_pass.index.is_unique
    assert list(in_one_pass) == list(batch[CUTOFF])
    for cutoff, frame in batch.items():
        assert list(in_one_pass.xs(pd.Timestamp(cutoff), level="cutoff").index) == list(frame.index)


@pytest.fixture(scope="module")
def one_by_one(market: Market) -> dict[str, pd.Series]:
    """Each feature asked for by itself."""
    fresh = Market.of(market.source)
    return {name: fresh.snapshot(CUTOFF, only=[name])[name] for name in EVERY}


@every_feature
def test_asked_for_alone_it_is_as_among_all(one_by_one, batch, name):
    assert same(one_by_one[name], batch[CUTOFF][name])


@pytest.fixture(scope="module")
def on_rows(market: Market) -> dict[str, pd.DataFrame]:
    """On tiles that numpy made of the rows."""
    fresh = by_numpy(market)
    return {cutoff: fresh.snapshot(cutoff) for cutoff in CUTOFFS}


@every_feature
def test_on_tiles_by_numpy_it_is_as_on_tiles_by_the_engine(on_rows, batch, name):
    assert all(same(on_rows[cutoff][name], frame[name]) for cutoff, frame in batch.items())


@pytest.mark.parametrize("stream", STREAMS)
def test_numpy_and_the_engine_make_the_same_tiles(market, stream):
    plan = Plan.of(market.features, EVERY)
    market.held.keep(plan)
    theirs, ours = (one.held.kernel(0, len(market.merchants), np.array([0]), plan) for one in (market, by_numpy(market)))
    assert theirs.tiles.keys() == ours.tiles.keys() and theirs.entities.keys() == ours.entities.keys()
    left, right = theirs.tiles[stream], ours.tiles[stream]
    assert left.measures.keys() == right.measures.keys() and len(left.merchant)
    for part in ("merchant", "day", "seen"):
        np.testing.assert_array_equal(getattr(left, part), getattr(right, part), part)
    for measure in left.measures:
        np.testing.assert_array_equal(left.measures[measure], right.measures[measure], repr(measure))
    for key in (key for key in theirs.entities if key[0] == stream):
        for part in ("merchant", "code", "day", "seen"):
            np.testing.assert_array_equal(getattr(theirs.entities[key], part), getattr(ours.entities[key], part), f"{key} {part}")


@pytest.fixture(scope="module")
def inline(market: Market, batch: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every merchant as a stranger whose events came with the request."""
    ids = batch[CUTOFF].index
    return pd.concat([online(market, who, CUTOFF) for who in ids]).set_axis(ids)


@every_feature
def test_of_events_that_come_with_a_request_it_is_as_in_a_batch(inline, batch, name):
    assert same(inline[name], batch[CUTOFF][name])


@every_feature
def test_it_is_what_the_oracle_says(batch, tables, oracle_frames, name):
    for cutoff, frame in batch.items():
        assert agrees(frame[name], oracle_frames[cutoff][name]), (
            f"{cutoff}\n{pd.DataFrame({'shown': frame[name], 'true': oracle_frames[cutoff][name]})}"
        )


@pytest.fixture(scope="module")
def oracle_frames(tables: Tables) -> dict[str, dict[str, list]]:
    """What the oracle says at each cutoff."""
    oracle = Oracle(tables, ZONE)
    days = {cutoff: (pd.Timestamp(cutoff) - pd.Timestamp(0)).days for cutoff in CUTOFFS}
    return {
        cutoff: {name: [oracle.value(name, who, day) for who in oracle.merchants(day)] for name in EVERY} for cutoff, day in days.items()
    }


@every_feature
def test_it_tells_merchants_apart(in_one_pass, name):
    """A made-up market in which a feature never varies would prove nothing about it."""
    assert in_one_pass[name].nunique() >= 2
    assert in_one_pass[name].dtype == (object if catalogue()[name].unit == "text" else np.float32)


# --- little data


def nothing_optional(tables: Tables) -> Tables:
    """Every column is there, and what is not required is empty."""
    return {
        table: rows.assign(**{name: None for name in rows if not TABLES[table].columns[name].required}) for table, rows in tables.items()
    }


def one_event(tables: Tables) -> Tables:
    """A single row in each table, of the same merchant, known before the last cutoff."""
    rows = {table: frame.head(1) for table, frame in tables.items()}
    known = {"joined_at": pd.Timestamp("2025-01-01"), "known_at": pd.NaT}
    one = {
        table: frame.assign(**({"merchant_id": "m09", TABLES[table].time: pd.Timestamp("2025-06-28")}))
        for table, frame in rows.items()
        if table != "merchants"
    }
    one["orders"] = one["orders"].assign(completed_at=pd.NaT, delivered_at=pd.NaT)
    one["contracts"] = one["contracts"].assign(ends_at=pd.Timestamp("2025-12-31"))
    for table, column in (("tickets", "resolved_at"), ("campaigns", "ended_at"), ("leads", "won_at"), ("contracts", "cancelled_at")):
        one[table] = one[table].assign(**{column: pd.NaT})
    return one | {"merchants": tables["merchants"].iloc[8:10].assign(**known)}


def only_later(tables: Tables) -> Tables:
    """Merchants who were known before the cutoff, and events after it only."""
    moved = {table: rows[rows[TABLES[table].time] >= "2025-07-05"] for table, rows in tables.items() if table != "merchants"}
    return moved | {"merchants": tables["merchants"].assign(joined_at=pd.Timestamp("2025-01-01"), known_at=pd.NaT)}


LITTLE = {"nothing optional": nothing_optional, "one event": one_event, "only later": only_later}


@pytest.fixture(scope="module", params=LITTLE)
def little(request: pytest.FixtureRequest, tables: Tables, open_market: Open) -> tuple[Tables, Market]:
    """A market of which little is known."""
    made = LITTLE[request.param](tables)
    return made, open_market(made)


def test_it_survives_little_data(little):
    made, market = little
    frame, oracle, day = market.snapshot(CUTOFF), Oracle(made, ZONE), (pd.Timestamp(CUTOFF) - pd.Timestamp(0)).days
    assert sorted(frame) == EVERY and len(frame) >= 2
    wrong = [name for name in frame if not agrees(frame[name], [oracle.value(name, who, day) for who in frame.index])]
    assert wrong == []
    on_rows = by_numpy(market).snapshot(CUTOFF)
    assert [name for name in frame if not same(frame[name], on_rows[name])] == []
    assert not np.isinf(frame.select_dtypes("float32")).any().any()


def test_before_anybody_came_there_are_columns_and_no_rows(market):
    frame = market.snapshot("2000-01-01")
    assert len(frame) == 0 and sorted(frame) == EVERY
    assert market.snapshots(["2000-01-01", "2000-02-01"]).empty


# --- absent tables


def reads(name: str) -> set[str]:
    """The tables that a feature reads, itself or through others."""
    found = {STREAMS[stream].table for stream in streams_of(catalogue()[name].tree)}
    for node in nodes(catalogue()[name].tree):
        if isinstance(node, Ref):
            found |= reads(node.name)
        elif isinstance(node, Attribute | Age) or (isinstance(node, Peers) and node.by):
            found.add("merchants")
    return found


@pytest.mark.parametrize("table", [table for table, one in TABLES.items() if table not in ("orders", "merchants")])
def test_features_of_an_absent_table_are_absent(tables, batch, open_market, table):
    frame = open_market({name: rows for name, rows in tables.items() if name != table}).snapshot(CUTOFF)
    gone = set(batch[CUTOFF]) - set(frame)
    under_campaigns = {name for name in EVERY if "campaign" in name} if table == "campaigns" else set()
    assert gone == {name for name in EVERY if table in reads(name)} | under_campaigns and gone
    assert [name for name in frame if not same(frame[name], batch[CUTOFF][name])] == []


def test_features_of_absent_columns_are_absent(tables, open_market):
    bare = {table: rows[[name for name in rows if TABLES[table].columns[name].required]] for table, rows in tables.items()}
    frame = open_market(bare).snapshot(CUTOFF)
    assert {"gmv_90d", "tickets_90d", "campaigns_begun_90d", "tenure_days", "contract_days_left", "logins_28d"} <= set(frame)
    absent = {"buyers_90d", "subsidy_share_90d", "campaign_share_90d", "tickets_open", "late_delivery_share_28d", "roles_90d", "industry"}
    assert not absent & set(frame)


def test_orders_alone_are_enough(tables, open_market):
    market = open_market({"orders": tables["orders"]})
    frame = market.snapshot(CUTOFF)
    assert set(frame) == {name for name in EVERY if reads(name) <= {"orders"} and "campaign" not in name} | {
        "tenure_days",
        "days_to_first_order",
    }
    with pytest.raises(UsageRefused, match="tickets_open.*needs a table or column that the data does not have"):
        market.snapshot(CUTOFF, only=["tickets_open"])
    with pytest.raises(UsageRefused, match="no feature 'gmv_90'; did you mean"):
        market.snapshot(CUTOFF, only=["gmv_90"])


def test_every_attribute_of_the_contract_can_be_read(market):
    assert set(ATTRIBUTES) <= set(market.merchants)
