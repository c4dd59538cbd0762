"""The made-up market: what was planted is there, the tables keep the contract, and nothing is half-written."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import UsageRefused
from features.simulate import simulate, truth, write
from features.simulate.clock import NEVER, Clock
from features.simulate.demand import demand
from features.simulate.life import CAUSES, Lives, lives
from features.simulate.market import Merchants, merchants
from features.simulate.naming import EMOJI, FORMULA
from features.simulate.trouble import troubles
from features.source import read_source
from features.tables import TABLES

COUNT, END = 2000, "2025-12-31"
FILES = {f"{table}.parquet" for table in TABLES} | {"truth.parquet", "truth_daily.parquet", "keepwell.toml"}
EVERY_TABLE = [*TABLES, "truth", "truth_daily"]


class Market:
    """SQL over one simulated directory; `local(t)` is the day in the market's time zone, `sold` the orders by such days."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.connection = duckdb.connect()
        self.connection.execute("CREATE MACRO local(t) AS CAST(t AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin' AS DATE)")
        for table in EVERY_TABLE:
            self.connection.execute(f"CREATE TABLE {table} AS FROM '{home / f'{table}.parquet'}'")
        self.connection.execute(
            "CREATE TABLE sold AS SELECT merchant_id, local(ordered_at) AS on_day, count(*) AS n FROM orders GROUP BY ALL"
        )

    def frame(self, sql: str) -> pd.DataFrame:
        return self.connection.execute(sql).df()

    def value(self, sql: str) -> float:
        row = self.connection.execute(sql).fetchone()
        assert row is not None and row[0] is not None, sql
        return float(row[0])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return Market(simulate(tmp_path_factory.mktemp("market") / "made", COUNT, seed=7).parent)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return simulate(tmp_path / "small", 60, seed=1, days=200, orders_per_merchant=20).parent


# --- the tables and their contract


def test_every_table_has_the_columns_of_the_contract(market: Market) -> None:
    assert {path.name for path in market.home.iterdir()} == FILES
    for name, table in TABLES.items():
        file = pq.ParquetFile(market.home / f"{name}.parquet")
        assert file.schema_arrow.names == list(table.columns)
        assert file.metadata.num_rows > 0
        nulls = market.frame(
            f"SELECT {', '.join(f'count(*) - count({column}) AS {column}' for column in table.columns)} FROM {name}"
        ).iloc[0]
        assert not [column for column, spec in table.columns.items() if spec.required and nulls[column]]
        assert (nulls < file.metadata.num_rows).all(), f"{name} has an empty column"


def test_the_config_maps_the_contract_and_not_the_truth(market: Market) -> None:
    config = tomllib.loads((market.home / "keepwell.toml").read_text(encoding="utf-8"))
    assert config["source"] == {table: f"{table}.parquet" for table in TABLES}
    assert config["churn"] == {"active_days": 90, "horizon_days": 90}
    assert config["timeline"]["currency"] == "EUR"


def test_the_source_accepts_it(market: Market) -> None:
    source = read_source(market.home / "keepwell.toml")
    assert source.counts["orders"] == market.value("SELECT count(*) FROM orders")
    assert set(source.streams) >= set(TABLES) - {"merchants"}


@pytest.mark.parametrize("table", [name for name in TABLES if name != "merchants"])
def test_every_row_belongs_to_a_known_merchant(market: Market, table: str) -> None:
    strangers = f"SELECT count(*) FROM {table} ANTI JOIN merchants USING (merchant_id) WHERE merchant_id IS NOT NULL"
    assert market.value(strangers) == 0


def test_keys_are_unique(market: Market) -> None:
    for name, table in TABLES.items():
        if table.key:
            assert market.value(f"SELECT count(*) - count(DISTINCT {table.key}) FROM {name}") == 0, name


def test_nothing_lies_after_the_end_except_what_is_planned(market: Market) -> None:
    for name, table in TABLES.items():
        for column, spec in table.columns.items():
            last = market.value(f"SELECT max(local({column})) > DATE '{END}' FROM {name}") if spec.kind == "time" else 0
            assert bool(last) is (column in table.planned), f"{name}.{column}"


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("orders", "completed_at < ordered_at OR delivered_at < ordered_at OR promised_at < ordered_at"),
        (
            "orders",
            "amount <= 0 OR subsidy < 0 OR subsidy > amount OR lines < 1 OR abs(amount * 100 - round(amount * 100)) > 1e-6",
        ),
        ("tickets", "resolved_at < opened_at OR effort_score NOT BETWEEN 1 AND 7"),
        ("tickets", "resolved_at IS NULL AND (effort_score IS NOT NULL OR satisfaction IS NOT NULL)"),
        ("reviews", "rating NOT IN (1, 2, 3, 4, 5)"),
        ("campaigns", "ended_at <= started_at"),
        ("contracts", "ends_at <= starts_at OR cancelled_at < starts_at"),
        ("leads", "won_at < contacted_at OR (won_at IS NULL) <> (merchant_id IS NULL)"),
        ("leads JOIN merchants USING (merchant_id)", "won_at > joined_at OR channel <> acquisition_channel"),
        ("merchants", "known_at < joined_at OR founded_at > joined_at"),
        ("orders JOIN merchants USING (merchant_id)", "ordered_at < joined_at"),
        ("refunds JOIN orders USING (order_id)", "refunds.amount > orders.amount OR refunded_at < completed_at"),
        ("refunds JOIN orders USING (order_id)", "refunds.merchant_id <> orders.merchant_id"),
    ],
)
def test_no_row_contradicts_another(market: Market, table: str, wrong: str) -> None:
    assert market.value(f"SELECT count(*) FROM {table}") > 0
    assert market.value(f"SELECT count(*) FROM {table} WHERE {wrong}") == 0


# --- who is on the market


def test_the_top_fifth_brings_about_four_fifths(market: Market) -> None:
    gmv = market.frame("SELECT sum(amount) AS gmv FROM orders GROUP BY merchant_id ORDER BY gmv DESC").gmv
    assert 0.7 < gmv[: len(gmv) // 5].sum() / gmv.sum() < 0.9
    assert market.value("SELECT count(*) FROM orders") / COUNT == pytest.approx(100, rel=0.1)


def test_names_are_readable_and_three_of_them_are_difficult(market: Market) -> None:
    names = market.frame("SELECT name FROM merchants").name
    assert names.str.match(r"[\u4e00-\u9fff]{4}").sum() >= 10
    assert (names == EMOJI).sum() == 1
    assert (names == FORMULA).sum() == 1 and FORMULA.startswith("=cmd")
    assert names.str.match(r"[A-Z][a-z]+ [A-Z]").mean() > 0.9


def test_scales_differ_in_size_and_capital(market: Market) -> None:
    by_scale = market.frame(
        """SELECT scale, count(DISTINCT merchant_id) AS n, sum(amount) / n AS gmv, median(registered_capital) AS capital
           FROM merchants JOIN orders USING (merchant_id) GROUP BY scale"""
    ).set_index("scale").loc[["sole trader", "small", "medium", "large"]]  # fmt: skip
    assert by_scale.n.idxmax() == "sole trader" and by_scale.n.idxmin() == "large"
    assert by_scale.capital.is_monotonic_increasing
    assert by_scale.gmv["large"] > 2 * by_scale.gmv["sole trader"]


def test_chains_have_several_merchants_in_one_industry(market: Market) -> None:
    chains = market.frame(
        "SELECT parent_id, count(*) AS n, count(DISTINCT industry) AS kinds FROM merchants WHERE parent_id IS NOT NULL GROUP BY 1"
    )
    assert chains.n.max() >= 5 and (chains.kinds == 1).all()


def test_regulars_come_back_and_most_other_buyers_do_not(market: Market) -> None:
    times = market.frame("SELECT merchant_id, buyer_id, count(*) AS n FROM orders GROUP BY 1, 2").n
    assert times.max() > 20 and 0.5 < (times == 1).mean() < 0.95


# --- seasons


@pytest.mark.parametrize(("industry", "months"), [("gifts", (11, 12)), ("toys", (11, 12)), ("garden", (4, 5))])
def test_seasonal_industries_peak_in_their_months(market: Market, industry: str, months: tuple[int, ...]) -> None:
    share = f"""SELECT avg((month(local(ordered_at)) IN {months})::INT) FROM orders JOIN merchants USING (merchant_id)
                WHERE industry {{}} AND local(ordered_at) >= DATE '2024-01-01'"""
    assert market.value(share.format(f"= '{industry}'")) > 1.5 * market.value(
        share.format("IN ('books', 'home', 'machine parts', 'beauty')")
    )


def test_firms_order_on_weekdays_and_households_at_weekends(market: Market) -> None:
    weekend = "SELECT avg((isodow(local(ordered_at)) >= 6)::INT) FROM orders JOIN merchants USING (merchant_id) WHERE industry {}"
    assert market.value(weekend.format("IN ('office supplies', 'machine parts')")) == 0
    assert market.value(weekend.format("= 'gifts'")) > 0.35


# --- life: joining, leaving and why


def test_first_orders_come_on_the_planted_day_and_some_never_sell(market: Market) -> None:
    first = market.frame(
        """SELECT activated_on, min(local(ordered_at)) AS first FROM truth LEFT JOIN orders USING (merchant_id)
           JOIN merchants USING (merchant_id) WHERE local(joined_at) >= DATE '2024-01-01' GROUP BY merchant_id, activated_on"""
    )
    sold = first.activated_on.notna()
    assert 0.05 < 1 - sold.mean() < 0.25
    assert first[~sold]["first"].isna().all()
    assert (first.activated_on == first["first"])[sold].mean() > 0.95  # a few first orders were complete too late


@pytest.mark.parametrize(
    ("stage", "wrong"),
    [
        ("no order", "day >= activated_on"),
        ("newcomer", "day - activated_on NOT BETWEEN 0 AND 59"),
        ("growing", "day - activated_on NOT BETWEEN 60 AND 239"),
        ("mature", "day - activated_on < 240"),
        ("declining", "day < activated_on OR NOT is_alive"),
        ("left", "is_alive OR day <= coalesce(paused_on, left_on)"),
    ],
)
def test_stages_follow_from_the_first_order_to_leaving(market: Market, stage: str, wrong: str) -> None:
    days = f"SELECT count(*) FROM truth_daily JOIN truth USING (merchant_id) WHERE stage = '{stage}'"
    assert market.value(days) > 10_000
    assert market.value(f"{days} AND ({wrong})") == 0


def test_the_hazard_expects_as_many_as_leave(market: Market) -> None:
    observed = market.value("SELECT count(left_on) + count(paused_on) FROM truth")
    assert observed / market.value("SELECT sum(hazard) FROM truth_daily") == pytest.approx(1, abs=0.12)
    assert market.value("SELECT count(*) FROM truth_daily WHERE hazard > 0 AND NOT is_alive") == 0
    high = "SELECT avg((day = left_on)::INT) FROM truth_daily JOIN truth USING (merchant_id) WHERE hazard {}"
    assert market.value(high.format("> 0.008")) > 5 * market.value(high.format("BETWEEN 0.0001 AND 0.002"))


def test_leaving_is_the_last_day_alive_and_nothing_is_sold_from_then_on(market: Market) -> None:
    last = market.frame(
        """SELECT left_on, max(day) FILTER (is_alive) AS last FROM truth JOIN truth_daily USING (merchant_id)
           WHERE left_on IS NOT NULL GROUP BY merchant_id, left_on"""
    )
    assert len(last) > 300 and (last.left_on == last["last"]).all()
    gone = "SELECT count(*) FROM orders JOIN truth USING (merchant_id) WHERE local(ordered_at) >= {} AND local(ordered_at) < {}"
    assert market.value(gone.format("left_on", "DATE '2030-01-01'")) == 0
    assert market.value(gone.format("paused_on", "returned_on")) == 0
    assert market.value(gone.format("returned_on", "DATE '2030-01-01'")) > 0


def test_the_share_that_falls_silent_is_lifelike_and_partly_predictable(market: Market) -> None:
    seen = pd.concat(
        [silence(market, cutoff) for cutoff in ("2024-07-01", "2024-10-01", "2025-01-01", "2025-04-01", "2025-07-01")]
    )
    assert 0.15 < seen.is_silent.mean() < 0.35
    alive = seen[seen.is_alive]
    assert 0.65 < auc(alive.leaves, alive.hazard) < 0.9
    assert 0.9 < auc(seen.is_silent, np.where(seen.is_alive, seen.hazard, 1)) < 0.99


def silence(market: Market, cutoff: str) -> pd.DataFrame:
    """Merchants active before a cutoff: whether they fall silent or leave within 90 days, and the planted hazard then."""
    return market.frame(
        f"""SELECT merchant_id, any_value(hazard) AS hazard, bool_or(is_alive) AS is_alive,
              NOT bool_or(on_day >= day) AS is_silent,
              coalesce(any_value(left_on) BETWEEN any_value(day) AND any_value(day) + 89, false) AS leaves
            FROM sold JOIN truth USING (merchant_id) JOIN truth_daily USING (merchant_id)
            WHERE day = DATE '{cutoff}' AND on_day >= day - 90 AND on_day < day + 90
            GROUP BY merchant_id HAVING bool_or(on_day < day)"""
    )


def auc(is_positive: pd.Series, score: pd.Series | np.ndarray) -> float:
    """Chance that a positive scores above a negative."""
    positive, rank = is_positive.to_numpy(bool), pd.Series(np.asarray(score)).rank().to_numpy()
    ups, downs = positive.sum(), (~positive).sum()
    return float((rank[positive].sum() - ups * (ups + 1) / 2) / (ups * downs))


SIGNALS = {
    "subsidy share": ("orders", "ordered_at", "avg(subsidy / amount)"),
    "basket": ("orders", "ordered_at", "avg(ln(amount / usual))"),
    "late": ("orders", "ordered_at", "avg((delivered_at > promised_at)::INT)"),
    "effort": ("tickets", "opened_at", "avg(effort_score)"),
    "tickets": ("tickets", "opened_at", "count(*)"),
    "rating": ("reviews", "reviewed_at", "avg(rating)"),
    "functions": ("logins", "occurred_at", "avg((function NOT IN ('orders', 'catalogue'))::INT)"),
}


def signal(market: Market, name: str, cause: str, first: int, last: int) -> float:
    """A signal of those who left for a cause, over the days `[first, last)` before they left."""
    table, time, value = SIGNALS[name]
    usual = "JOIN (SELECT merchant_id, avg(amount) AS usual FROM orders GROUP BY 1) USING (merchant_id)"
    return market.value(
        f"""SELECT {value} FROM {table} JOIN truth USING (merchant_id) {usual}
            WHERE cause = '{cause}' AND NOT is_subsidy_dependent
            AND left_on - local({time}) > {first} AND left_on - local({time}) <= {last}
            AND left_on > DATE '2024-08-15' AND left_on - activated_on > 300"""
    )


@pytest.mark.parametrize(
    ("cause", "name", "change"),
    [
        ("price", "subsidy share", 1.5),
        ("service", "late", 1.5),
        ("service", "tickets", 2.0),
        ("service", "rating", 0.92),
        ("rival", "functions", 0.92),
    ],
)
def test_each_cause_shows_before_leaving(market: Market, cause: str, name: str, change: float) -> None:
    seen = signal(market, name, cause, 0, 42) / signal(market, name, cause, 182, 224)
    assert seen > change if change > 1 else seen < change


def test_tickets_take_most_effort_before_leaving_for_the_service(market: Market) -> None:
    effort = [signal(market, "effort", cause, 0, 42) for cause in ("service", "price", "rival")]
    assert effort[0] > 1.15 * max(effort[1:])


@pytest.mark.parametrize("name", ["rating", "functions"])
def test_a_business_that_closes_gives_no_sign(market: Market, name: str) -> None:
    assert signal(market, name, "business closed", 0, 42) / signal(market, name, "business closed", 182, 224) == pytest.approx(
        1, abs=0.15
    )


def test_a_rival_takes_sales_while_the_industry_keeps_its_own(market: Market) -> None:
    own, peers = recent_share(market, "rival")
    assert own < 0.75 * peers and 0.45 < peers < 0.6
    own, peers = recent_share(market, "business closed")
    assert own > 0.8 * peers


def recent_share(market: Market, cause: str) -> tuple[float, float]:
    """Share of the last six weeks before leaving in the orders of these and of six weeks half a year earlier.

    Of the leavers for a cause, and of those in their industry who stayed.
    """
    row = market.frame(
        f"""WITH leaver AS (SELECT merchant_id, industry, left_on FROM truth JOIN merchants USING (merchant_id)
              WHERE cause = '{cause}' AND NOT is_seasonal AND left_on > DATE '2024-08-15' AND left_on - activated_on > 300),
            near AS (SELECT leaver.merchant_id, o.merchant_id = leaver.merchant_id AS own, leaver.left_on - on_day AS days, n
              FROM leaver JOIN merchants USING (industry) JOIN truth AS t ON t.merchant_id = merchants.merchant_id
              JOIN sold AS o ON o.merchant_id = merchants.merchant_id
                AND on_day >= leaver.left_on - 224 AND on_day < leaver.left_on
              WHERE o.merchant_id = leaver.merchant_id
                OR (t.left_on IS NULL AND t.activated_on < leaver.left_on - 300 AND NOT t.is_seasonal)),
            share AS (SELECT merchant_id, own, sum(n) FILTER (days <= 42) / sum(n) AS recent FROM near
              WHERE days <= 42 OR days > 182 GROUP BY ALL HAVING sum(n) > 10)
            SELECT avg(coalesce(recent, 0)) FILTER (own) AS own, avg(coalesce(recent, 0)) FILTER (NOT own) AS peers FROM share"""
    ).iloc[0]
    return float(row.own), float(row.peers)


def test_baskets_shrink_before_leaving_for_the_price(market: Market) -> None:
    shrinks = signal(market, "basket", "price", 0, 42) - signal(market, "basket", "price", 182, 224)
    assert shrinks < -0.08
    assert abs(signal(market, "basket", "business closed", 0, 42) - signal(market, "basket", "business closed", 182, 224)) < 0.08


def test_leaving_for_the_season_comes_after_it(market: Market) -> None:
    gone = market.frame(
        "SELECT industry, month(left_on) AS month FROM truth JOIN merchants USING (merchant_id) WHERE cause = 'season'"
    )
    assert set(gone.industry) <= {"gifts", "garden", "toys", "sports"} and len(gone) > 5
    assert gone[gone.industry.isin(["gifts", "toys"])].month.isin([1, 2, 3]).all()
    assert gone[gone.industry == "garden"].month.isin([7, 8, 9]).all()


def leaving(count: int, pain: float = 0.0, lasting: str = "") -> tuple[Merchants, Lives]:
    """Merchants and their lives over a year, with the same luck whatever the pain from tickets or the trouble that lasts."""
    clock = Clock(date(2024, 1, 1), 365, "UTC")
    everybody = merchants(count, clock, np.random.default_rng(1))
    trouble = troubles(everybody, clock, np.random.default_rng(2))
    if lasting:
        trouble = replace(trouble, **{lasting: np.full_like(trouble.price, 0.8)})
    wanted = demand(everybody, trouble, clock, np.random.default_rng(3))
    return everybody, lives(everybody, trouble, wanted, np.full_like(wanted.orders, pain), clock, np.random.default_rng(4))


def test_tickets_that_take_effort_make_merchants_leave() -> None:
    gone = [(leaving(400, pain)[1].left < NEVER).sum() for pain in (0.0, 2.0)]
    assert gone[1] > 1.3 * gone[0]


@pytest.mark.parametrize("kind", ["price", "service", "rival"])
def test_trouble_makes_merchants_leave_for_its_cause(kind: str) -> None:
    calm, troubled = (leaving(400, lasting=lasting)[1].cause == CAUSES.index(kind) for lasting in ("", kind))
    assert troubled.sum() > 3 * calm.sum() > 0


def test_a_chain_that_closes_takes_most_of_its_merchants_along() -> None:
    everybody, became = leaving(6000)
    ends = (
        (everybody.chain_closes < 309) & (became.left > everybody.chain_closes) & (everybody.activated < everybody.chain_closes)
    )
    within = became.left <= everybody.chain_closes + 56
    assert ends.sum() > 10 and within[ends].mean() > 0.7


def test_hazard_doubles_near_the_end_of_a_contract(market: Market) -> None:
    near = """SELECT avg(hazard) FROM truth_daily JOIN contracts USING (merchant_id) JOIN truth USING (merchant_id)
              WHERE is_alive AND NOT is_unavoidable AND day > activated_on AND day > local(starts_at)
                AND local(ends_at) - day BETWEEN {} AND {}"""
    assert market.value(near.format(2, 16)) > 1.5 * market.value(near.format(60, 200))


def test_cancelling_precedes_leaving(market: Market) -> None:
    notice = market.frame(
        """SELECT coalesce(paused_on, left_on) - local(cancelled_at) AS days FROM contracts JOIN truth USING (merchant_id)
           WHERE cancelled_at IS NOT NULL"""
    )
    assert len(notice) > 30
    assert notice.days.between(0, 21).mean() > 0.97


# --- campaigns, lateness, calls


def test_campaigns_lift_and_the_dependent_collapse_without_them(market: Market) -> None:
    lift = """WITH running AS (SELECT merchant_id, d, count(*) AS n FROM (
                SELECT DISTINCT merchant_id,
                  unnest(generate_series(local(started_at), local(ended_at), INTERVAL 1 DAY))::DATE AS d
                FROM campaigns) GROUP BY 1, 2),
              days AS (SELECT merchant_id, day, r.n IS NOT NULL AS promoted FROM truth_daily JOIN truth USING (merchant_id)
                LEFT JOIN running r ON r.merchant_id = truth_daily.merchant_id AND r.d = day
                WHERE is_alive AND day > activated_on AND is_subsidy_dependent = {})
              SELECT avg(coalesce(n, 0)) FILTER (promoted) / avg(coalesce(n, 0)) FILTER (NOT promoted)
              FROM days LEFT JOIN sold ON days.merchant_id = sold.merchant_id AND day = on_day"""
    assert market.value(lift.format("true")) > 6
    assert 1.1 < market.value(lift.format("false")) < 2.5


def test_some_orders_become_known_late(market: Market) -> None:
    late = "SELECT avg((completed_at - ordered_at > INTERVAL {} DAY)::INT) FROM orders"
    assert 0.03 < market.value(late.format(1)) < 0.12
    assert 0.002 < market.value(late.format(10)) < 0.03


def test_the_response_to_a_call_depends_on_the_cause(market: Market, tmp_path: Path) -> None:
    response = (
        market.frame("SELECT exposed_to, response_to_call FROM truth")
        .groupby("exposed_to", observed=True)
        .response_to_call.mean()
    )
    assert response["service"] > response["price"] > response["rival"] > response["season"] > response["business closed"] == 0
    assert market.value("SELECT max(response_to_call) FROM truth WHERE is_unavoidable") == 0
    idle = Market(simulate(tmp_path / "idle", 40, days=200, effect_of_call=0).parent)
    assert idle.value("SELECT max(response_to_call) FROM truth") == 0


# --- the directory


def contents(home: Path) -> dict[str, pd.DataFrame]:
    return {table: pq.read_table(home / f"{table}.parquet").to_pandas() for table in EVERY_TABLE}


def test_a_seed_gives_the_same_market_and_another_seed_another(small: Path, tmp_path: Path) -> None:
    same = contents(simulate(tmp_path / "same", 60, seed=1, days=200, orders_per_merchant=20).parent)
    other = contents(simulate(tmp_path / "other", 60, seed=2, days=200, orders_per_merchant=20).parent)
    for table, frame in contents(small).items():
        pd.testing.assert_frame_equal(frame, same[table])
        assert not frame.equals(other[table]), table


def test_parts_join_into_one_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PART", 32)
    done: list[tuple[int, int]] = []
    wednesday = date(2023, 3, 15)
    parts = Market(
        simulate(
            tmp_path / "parts", 80, days=200, start=wednesday, orders_per_merchant=20, progress=lambda *now: done.append(now)
        ).parent
    )
    assert done == [(32, 80), (64, 80), (80, 80)]
    test_keys_are_unique(parts)
    test_firms_order_on_weekdays_and_households_at_weekends(parts)
    assert parts.value("SELECT count(*) FROM refunds") > 0
    test_no_row_contradicts_another(parts, "refunds JOIN orders USING (order_id)", "refunds.merchant_id <> orders.merchant_id")
    assert read_source(parts.home / "keepwell.toml").counts["merchants"] == 80


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(truth, "truth_daily", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        simulate(tmp_path / "made", 40, days=200)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(small: Path, tmp_path: Path) -> None:
    before = (small / "orders.parquet").read_bytes()
    with pytest.raises(UsageRefused, match="not an empty directory"):
        simulate(small, 40, days=200)
    assert (small / "orders.parquet").read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageRefused, match="not an empty directory"):
        simulate(tmp_path / "file", 40, days=200)
    with pytest.raises(UsageRefused, match="cannot be made"):
        simulate(tmp_path / "file" / "below", 40, days=200)
    (tmp_path / "empty").mkdir()
    assert simulate(tmp_path / "empty", 40, days=200).is_file()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"merchants": 0}, "merchants is 0"),
        ({"days": 30}, "days is 30"),
        ({"seed": -1}, "seed is -1"),
        ({"orders_per_merchant": float("nan")}, "orders_per_merchant is nan"),
        ({"effect_of_call": 1.5}, "effect_of_call is 1.5"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(UsageRefused, match=sentence):
        simulate(tmp_path / "made", **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_tiny_market_is_written_too(tmp_path: Path, count: int) -> None:
    tiny = simulate(tmp_path / "tiny", count, days=150).parent
    assert pq.read_metadata(tiny / "merchants.parquet").num_rows == count
