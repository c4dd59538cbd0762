"""The verbs of the vocabulary by example, each on every engine, in every way to ask, and beside the oracle."""

import pytest

from features.verbs import Constant, Events, column, slope, volatility

# --- windows


def test_gmv_90d_counts_the_first_day_and_not_the_cutoff(spec):
    spec("gmv_90d", cutoff="2026-04-01", orders="""
        merchant | ordered_at | amount
        bakery   | 2025-12-31 |     70   # 91 days: outside
        bakery   | 2026-01-01 |     10   # 90 days: inside
        bakery   | 2026-04-01 |    500   # the cutoff itself: not yet known
        florist  |            |          # never sold
    """, expect={"bakery": 10, "florist": 0})


def test_a_window_that_skips_ends_where_the_next_begins(spec):
    drawn = """
        merchant | ordered_at | amount
        before   | 2026-02-03 |      1   # 57 days
        first    | 2026-02-04 |      2   # 56 days
        last     | 2026-03-03 |      4   # 29 days
        after    | 2026-03-04 |      8   # 28 days: of the 28 after those
    """
    spec("gmv_prior_28d", cutoff="2026-04-01", orders=drawn, expect={"before": 0, "first": 2, "last": 4, "after": 0})
    spec("gmv_28d", cutoff="2026-04-01", orders=drawn, expect={"before": 0, "first": 0, "last": 0, "after": 8})


def test_the_season_ahead_is_last_years(spec):
    spec("gmv_season_ahead", cutoff="2026-04-01", orders="""
        merchant | ordered_at | amount
        too_old  | 2025-03-31 |      1
        first    | 2025-04-01 |      2   # 365 days
        last     | 2025-06-29 |      4   # 276 days
        too_new  | 2025-06-30 |      8
        ahead    | 2026-04-02 |     16
    """, expect={"too_old": 0, "first": 2, "last": 4, "too_new": 0, "ahead": 0})


def test_without_last_all_the_past_counts(spec):
    spec("orders_ever", cutoff="2026-04-01", orders="""
        merchant | ordered_at | amount
        bakery   | 1970-01-01 |      1
        bakery   | 2026-03-31 |      1
        bakery   | 2026-04-01 |      1
    """, expect={"bakery": 2})


def test_periods_tile_the_past(spec):
    drawn = """
        merchant | ordered_at | amount
        bakery   | 2026-03-11 |      1   # 21 days: the oldest of three weeks
        bakery   | 2026-03-17 |      2   # 15
        bakery   | 2026-03-18 |      4   # 14
        bakery   | 2026-03-25 |      8   # 7
    """
    for place, total in enumerate((3, 4, 8)):
        spec(lambda orders, n=place: orders.periods(days=7, count=3)[n].total("amount"), cutoff="2026-04-01", orders=drawn, expect={"bakery": total})


# --- known time


def test_an_order_counts_once_it_is_known_and_on_its_own_day(spec):
    drawn = """
        merchant | ordered_at          | amount | completed_at
        in_time  | 2026-03-01 10:00:00 |      1 | 2026-03-31 23:59:59
        midnight | 2026-03-01 10:00:00 |      2 | 2026-04-01 00:00:00   # known at the cutoff: not before it
        later    | 2026-03-01 10:00:00 |      4 | 2026-05-01 00:00:00
        old      | 2026-02-01 10:00:00 |      8 | 2026-03-31 12:00:00   # known yesterday, but 59 days old
        unsaid   | 2026-03-01 10:00:00 |     16 |
    """
    merchants = ("in_time", "midnight", "later", "old", "unsaid")
    spec("gmv_56d", cutoff="2026-04-01", orders=drawn, expect=dict(zip(merchants, (1, 0, 0, 0, 16), strict=True)))
    spec("gmv_90d", cutoff="2026-04-01", orders=drawn, expect=dict(zip(merchants, (1, 0, 0, 8, 16), strict=True)))
    spec("gmv_90d", cutoff="2026-04-02", orders=drawn, expect=dict(zip(merchants, (1, 2, 0, 8, 16), strict=True)))
    spec("gmv_90d", cutoff="2026-05-02", orders=drawn, expect=dict(zip(merchants, (1, 2, 4, 8, 16), strict=True)))


def test_an_order_known_after_it_left_the_window_never_enters_it(spec):
    drawn = """
        merchant | ordered_at | amount | completed_at | buyer_id
        bakery   | 2026-03-01 |      5 | 2026-03-20   | ann
    """
    for cutoff, ever in (("2026-03-08", 0), ("2026-03-09", 0), ("2026-03-20", 0), ("2026-03-21", 1), ("2026-03-28", 1)):
        spec("orders_7d", cutoff=cutoff, orders=drawn, expect={"bakery": 0})
        spec("orders_ever", cutoff=cutoff, orders=drawn, expect={"bakery": ever})
    spec(lambda orders: orders.last(days=7).distinct("buyer_id"), cutoff="2026-03-21", orders=drawn, expect={"bakery": 0})


def test_recency_and_the_first_order_see_only_what_was_known(spec):
    drawn = """
        merchant | ordered_at | amount | completed_at
        bakery   | 2026-03-01 |      5 | 2026-04-10   # the first, but known late
        bakery   | 2026-03-11 |      5 |
        bakery   | 2026-03-31 |      5 | 2026-04-01   # known at the cutoff
        bakery   | 2026-04-05 |      5 |
        florist  | 2026-04-01 |      5 |
    """
    spec("days_since_last_order", cutoff="2026-04-01", orders=drawn, expect={"bakery": 21, "florist": None})
    spec("days_since_last_order", cutoff="2026-04-02", orders=drawn, expect={"bakery": 2, "florist": 1})
    spec("days_since_first_order", cutoff="2026-04-01", orders=drawn, expect={"bakery": 21, "florist": None})
    spec("days_since_first_order", cutoff="2026-04-11", orders=drawn, expect={"bakery": 41, "florist": 10})


# --- where a day begins


@pytest.mark.parametrize(
    ("zone", "yesterday", "today"),
    [
        ("UTC", "2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z"),
        ("Europe/London", "2026-06-30T22:59:59Z", "2026-06-30T23:00:00Z"),
        ("Asia/Shanghai", "2026-06-30T15:59:59Z", "2026-06-30T16:00:00Z"),
        ("America/New_York", "2026-07-01T03:59:59Z", "2026-07-01T04:00:00Z"),
        ("Asia/Kathmandu", "2026-06-30T18:14:59Z", "2026-06-30T18:15:00Z"),
    ],
)
def test_days_begin_at_the_platforms_midnight(spec, zone, yesterday, today):
    spec("orders_7d", cutoff="2026-07-01", timezone=zone, expect={"before": 1, "after": 0}, orders=f"""
        merchant | ordered_at  | amount
        before   | {yesterday} |      1
        after    | {today}     |      1
    """)


def test_days_of_23_and_25_hours_are_days(spec):
    spring = """
        merchant | ordered_at           | amount
        bakery   | 2026-03-28T22:59:59Z |      1   # Saturday in Berlin
        bakery   | 2026-03-28T23:00:00Z |      2   # Sunday, whose clocks lose an hour, begins
        bakery   | 2026-03-29T21:59:59Z |      4   # and ends
        bakery   | 2026-03-29T22:00:00Z |      8   # Monday
    """
    autumn = spring.replace("2026-03-28", "2026-10-24").replace("2026-03-29", "2026-10-25")
    autumn = autumn.replace("24T22", "24T21").replace("24T23", "24T22").replace("25T22", "25T23").replace("25T21", "25T22")
    yesterday = lambda orders: orders.last(days=1).total("amount")  # noqa: E731
    for cutoff, drawn in (("2026-03-30", spring), ("2026-10-26", autumn)):
        spec(yesterday, cutoff=cutoff, timezone="Europe/Berlin", orders=drawn, expect={"bakery": 6})
    spec("active_days_28d", cutoff="2026-03-31", timezone="Europe/Berlin", orders=spring, expect={"bakery": 3})


# --- sums


def test_count_adds_order_count_and_takes_one_where_it_is_empty(spec):
    spec("orders_28d", cutoff="2026-04-01", orders="""
        merchant | ordered_at | amount | order_count
        bakery   | 2026-03-30 |      1 | 7
        bakery   | 2026-03-30 |      1 |
        bakery   | 2026-03-31 |      1 | 0
    """, expect={"bakery": 8})


def test_money_is_added_in_cents(spec):
    spec("gmv_28d", cutoff="2026-04-01", orders="""
        merchant | ordered_at | amount
        bakery   | 2026-03-30 | 0.1
        bakery   | 2026-03-30 | 0.2
        bakery   | 2026-03-31 | 0.3
    """, expect={"bakery": 0.6})


def test_where_compares_in_the_fields_own_unit(spec):
    orders = """
        merchant | ordered_at | amount | subsidy
        bakery   | 2026-03-30 |   9.98 |
        bakery   | 2026-03-30 |   9.99 | 0
        bakery   | 2026-03-31 |  20.00 | 0.01
    """
    for op, amount, total in ((">=", 9.99, 29.99), (">", 9.99, 20), ("=", 9.99, 9.99), ("<=", 9.99, 19.97), ("<", 9.99, 9.98)):
        spec(lambda orders, op=op, amount=amount: orders.where("amount", op, amount).total("amount"),
             cutoff="2026-04-01", orders=orders, expect={"bakery": total})  # fmt: skip
    spec(lambda orders: orders.where("subsidy", ">=", 0).count(), cutoff="2026-04-01", orders=orders, expect={"bakery": 2})
    both = lambda orders: orders.where("amount", ">", 9.98).where("subsidy", "=", 0).count()  # noqa: E731
    spec(both, cutoff="2026-04-01", orders=orders, expect={"bakery": 1})
    reviews = """
        merchant | reviewed_at | rating
        bakery   | 2026-03-30  | 2.5
        bakery   | 2026-03-30  | 2
    """
    spec(lambda reviews: reviews.where("rating", "<=", 2.4).count(), cutoff="2026-04-01", reviews=reviews, expect={"bakery": 1})


def test_a_mean_is_over_the_events_that_have_the_field(spec):
    spec("effort_90d", cutoff="2026-04-01", tickets="""
        merchant | opened_at  | resolved_at | effort_score
        bakery   | 2026-03-01 | 2026-03-02  | 7
        bakery   | 2026-03-01 | 2026-03-02  | 4
        bakery   | 2026-03-01 | 2026-03-02  |
        florist  | 2026-03-01 | 2026-03-02  |
        grocer   |            |             |
    """, expect={"bakery": 5.5, "florist": None, "grocer": None})


def test_a_mean_with_where_is_over_the_same_events(spec):
    spec(lambda reviews: reviews.where("rating", ">", 1).mean("rating"), cutoff="2026-04-01", reviews="""
        merchant | reviewed_at | rating
        bakery   | 2026-03-30  | 1
        bakery   | 2026-03-30  | 2
        bakery   | 2026-03-31  | 5
    """, expect={"bakery": 3.5})


# --- different values


BUYERS = """
    merchant | ordered_at | amount | buyer_id
    bakery   | 2026-01-01 |      1 | old      # 90 days
    bakery   | 2025-12-31 |      1 | new      # 91 days: outside, so not new
    bakery   | 2026-02-01 |      1 | new
    bakery   | 2026-03-01 |      1 | twice
    bakery   | 2026-03-01 |      1 | twice    # on the same day
    bakery   | 2026-03-02 |      1 | often
    bakery   | 2026-03-03 |      1 | often
    bakery   | 2026-03-31 |      1 | often
    bakery   | 2026-03-31 |      1 |          # nobody known
    bakery   | 2026-04-01 |      1 | future
    bakery   | 2026-04-01 |      1 | twice
    nameless | 2026-03-31 |      1 |
    florist  |            |        |
"""


@pytest.mark.parametrize(
    ("verb", "bakery", "nameless"), [("distinct", 4, 0), ("repeated", 1, 0), ("new", 3, 0), ("concentration", 12 / 36, None)]
)
def test_different_buyers(spec, verb, bakery, nameless):
    spec(lambda orders: getattr(orders.last(days=90), verb)("buyer_id"), cutoff="2026-04-01", orders=BUYERS,
         expect={"bakery": bakery, "nameless": nameless, "florist": nameless})  # fmt: skip


def test_one_buyer_is_all_the_concentration(spec):
    spec("buyer_concentration_90d", cutoff="2026-04-01", expect={"one": 1, "even": 0.25}, orders="""
        merchant | ordered_at | amount | buyer_id
        one      | 2026-03-30 |      1 | ann
        one      | 2026-03-31 |      1 | ann
        even     | 2026-03-31 |      1 | ann
        even     | 2026-03-31 |      1 | bob
        even     | 2026-03-31 |      1 | cai
        even     | 2026-03-31 |      1 | dee
    """)


def test_buyers_leave_the_window_and_come_back(spec):
    drawn = """
        merchant | ordered_at | amount | buyer_id
        bakery   | 2026-03-01 |      1 | ann
        bakery   | 2026-03-05 |      1 | ann
        bakery   | 2026-03-20 |      1 | ann
    """
    buyers = lambda orders: orders.last(days=7).distinct("buyer_id")  # noqa: E731
    for cutoff, count in (("2026-03-01", 0), ("2026-03-02", 1), ("2026-03-12", 1), ("2026-03-13", 0), ("2026-03-21", 1), ("2026-03-28", 0)):
        spec(buyers, cutoff=cutoff, orders=drawn, expect={"bakery": count})
    regulars = lambda orders: orders.last(days=7).repeated("buyer_id")  # noqa: E731
    for cutoff, count in (("2026-03-05", 0), ("2026-03-06", 1), ("2026-03-08", 1), ("2026-03-09", 0), ("2026-03-21", 0)):
        spec(regulars, cutoff=cutoff, orders=drawn, expect={"bakery": count})


def test_buyers_of_a_skipped_window(spec):
    drawn = """
        merchant | ordered_at | amount | buyer_id
        bakery   | 2026-02-04 |      1 | ann   # 56 days
        bakery   | 2026-03-04 |      1 | bob   # 28 days
        bakery   | 2026-03-03 |      1 | cai   # 29 days
        bakery   | 2026-03-10 |      1 | cai
    """
    before = lambda orders: orders.last(days=28, skip=28).distinct("buyer_id")  # noqa: E731
    new = lambda orders: orders.last(days=28, skip=28).new("buyer_id")  # noqa: E731
    change = lambda orders: orders.last(days=28).distinct("buyer_id").change_from(before(orders))  # noqa: E731
    spec(before, cutoff="2026-04-01", orders=drawn, expect={"bakery": 2})
    spec(new, cutoff="2026-04-01", orders=drawn, expect={"bakery": 2})
    spec(change, cutoff="2026-04-01", orders=drawn, expect={"bakery": 0})


def test_a_buyer_is_new_as_far_as_was_known(spec):
    drawn = """
        merchant | ordered_at | amount | buyer_id | completed_at
        bakery   | 2026-01-05 |      1 | ann      | 2026-04-03   # an older order that is known later
        bakery   | 2026-03-30 |      1 | ann      |
    """
    for cutoff, new in (("2026-04-01", 1), ("2026-04-03", 1), ("2026-04-04", 0)):
        spec("new_buyers_28d", cutoff=cutoff, orders=drawn, expect={"bakery": new})


def test_the_same_buyer_of_two_merchants_is_two_buyers(spec):
    spec("buyers_28d", cutoff="2026-04-01", expect={"bakery": 1, "florist": 1}, orders="""
        merchant | ordered_at | amount | buyer_id
        bakery   | 2026-03-30 |      1 | ann
        florist  | 2026-03-31 |      1 | ann
    """)


def test_weeks_begin_on_monday(spec):
    drawn = """
        merchant | ordered_at | amount
        bakery   | 2026-03-22 |      1   # a Sunday
        bakery   | 2026-03-23 |      1   # a Monday
        bakery   | 2026-03-29 |      1   # the Sunday after it
        bakery   | 2026-03-29 |      1
        florist  | 2026-03-23 |      1
        florist  | 2026-03-29 |      1
    """
    spec("active_weeks_56d", cutoff="2026-04-01", orders=drawn, expect={"bakery": 2, "florist": 1})
    spec("active_days_28d", cutoff="2026-04-01", orders=drawn, expect={"bakery": 3, "florist": 2})


def test_weeks_of_the_turn_of_the_year(spec):
    spec("active_weeks_56d", cutoff="2026-01-20", expect={"bakery": 1}, orders="""
        merchant | ordered_at | amount
        bakery   | 2025-12-29 |      1   # Monday
        bakery   | 2026-01-04 |      1   # Sunday of the same week
    """)


# --- gaps


GAPS = """
    merchant | ordered_at | amount | completed_at
    bakery   | 2026-03-01 |      1 |
    bakery   | 2026-03-01 |      1 |               # no gap within a day
    bakery   | 2026-03-03 |      1 |               # a gap of 2
    bakery   | 2026-03-02 |      1 | 2026-03-09    # known on the 9th: 6
    bakery   | 2026-03-21 |      1 |               # 12
    bakery   | 2026-04-01 |      1 |               # not yet
    once     | 2026-03-01 |      1 |
    florist  |            |        |
"""


@pytest.mark.parametrize(("how", "bakery"), [("count", 3), ("total", 20), ("squares", 4 + 36 + 144)])
def test_gaps_are_between_the_days_on_which_orders_became_known(spec, how, bakery):
    spec(lambda orders: orders.gaps(how), cutoff="2026-04-01", orders=GAPS, expect={"bakery": bakery, "once": 0, "florist": 0})


def test_gap_mean_needs_two_days(spec):
    spec("gap_mean", cutoff="2026-04-01", orders=GAPS, expect={"bakery": 20 / 3, "once": None, "florist": None})
    spec("gap_sd", cutoff="2026-04-01", orders=GAPS, expect={"bakery": (184 / 3 - (20 / 3) ** 2) ** 0.5, "once": None})


def test_a_gap_belongs_to_the_window_in_which_it_ended(spec):
    drawn = """
        merchant | ordered_at | amount
        bakery   | 2026-01-01 |      1
        bakery   | 2026-03-01 |      1   # 59 days, ended 31 days before the cutoff
        bakery   | 2026-03-02 |      1   # 1 day, ended 30 days before it
    """
    for days, total in ((29, 0), (30, 1), (31, 60), (365, 60)):
        spec(lambda orders, days=days: orders.last(days=days).gaps("total"), cutoff="2026-04-01", orders=drawn, expect={"bakery": total})


def test_gap_quantiles_are_upper_edges_of_bins(spec):
    drawn = """
        merchant | ordered_at | amount
        even     | 2026-01-01 |      1
        even     | 2026-01-02 |      1   # 1
        even     | 2026-01-11 |      1   # 9: in the bin up to 10
        two      | 2026-01-01 |      1
        two      | 2026-01-14 |      1   # 13: in the bin up to 14
        edge     | 2026-01-01 |      1
        edge     | 2026-01-15 |      1   # 14: the edge belongs to the bin
        past     | 2026-01-01 |      1
        past     | 2026-01-16 |      1   # 15: in the bin up to 17
        long     | 2024-01-01 |      1
        long     | 2026-01-01 |      1   # 731: the last bin holds all that is longer
        once     | 2026-01-01 |      1
    """
    median = {"even": 1, "two": 14, "edge": 14, "past": 17, "long": 365, "once": None}
    spec("gap_p50", cutoff="2026-04-01", orders=drawn, expect=median)
    spec("gap_p95", cutoff="2026-04-01", orders=drawn, expect=median | {"even": 10})


def test_the_95th_percentile_is_reached_by_the_twentieth_gap(spec):
    days = [1 + n for n in range(20)]  # 19 gaps of one day
    rows = "\n".join(f"bakery | 2026-01-{day:02d} | 1" for day in days) + "\nbakery | 2026-01-25 | 1"  # and one of 5
    drawn = "merchant | ordered_at | amount\n" + rows
    spec("gap_p95", cutoff="2026-04-01", orders=drawn, expect={"bakery": 1})
    spec("gap_p95", cutoff="2026-04-01", orders=drawn + "\nbakery | 2026-01-30 | 1", expect={"bakery": 5})


def test_silence_is_measured_by_the_own_rhythm(spec):
    drawn = """
        merchant | ordered_at | amount
        weekly   | 2026-03-01 |      1
        weekly   | 2026-03-08 |      1
        weekly   | 2026-03-18 |      1   # gaps 7 and 10, silent for 14
    """
    spec("silence_ratio", cutoff="2026-04-01", orders=drawn, expect={"weekly": 14 / 8.5})
    spec("silence_over_p95", cutoff="2026-04-01", orders=drawn, expect={"weekly": 1.4})
    spec("silence_z", cutoff="2026-04-01", orders=drawn, expect={"weekly": (14 - 8.5) / 1.5})


# --- arithmetic


ONE = """
    merchant | ordered_at | amount
    some     | 2026-03-31 |      3
    none     |            |
"""


@pytest.mark.parametrize(
    ("asked", "some", "none"),
    [
        (lambda aov_28d: aov_28d.or_else(7), 3, 7),
        (lambda aov_28d, orders_28d: aov_28d.or_else(orders_28d), 3, 0),
        (lambda aov_28d: aov_28d + 1, 4, None),
        (lambda aov_28d: 1 + aov_28d, 4, None),
        (lambda aov_28d: 1 - aov_28d, -2, None),
        (lambda aov_28d: aov_28d - 1, 2, None),
        (lambda aov_28d: 2 * aov_28d, 6, None),
        (lambda aov_28d: aov_28d / 2, 1.5, None),
        (lambda aov_28d: aov_28d / 0, None, None),
        (lambda gmv_28d: (gmv_28d - 1).sqrt(), 2**0.5, None),
        (lambda gmv_28d: (gmv_28d - 1).log1p(), 1.0986122886681098, None),
        (lambda gmv_28d: gmv_28d.log1p(), 1.3862943611198906, 0),
        (lambda aov_28d: aov_28d.at_most(2), 2, None),
        (lambda aov_28d: aov_28d.at_most(9), 3, None),
        (lambda aov_28d: aov_28d.at_least(9), 9, None),
        (lambda gmv_28d: gmv_28d.at_least(gmv_28d + 1), 4, 1),
        (lambda orders_28d: column(5.0) - orders_28d * 0, 5, 5),
        (lambda orders: orders.last(days=7).count() / orders.last(days=7).count(), 1, None),
    ],
)
def test_arithmetic_keeps_what_is_missing_missing(spec, asked, some, none):
    spec(asked, cutoff="2026-04-01", orders=ONE, expect={"some": some, "none": none})


def test_a_constant_is_the_same_for_everybody(spec):
    spec(lambda: Constant(4.0), cutoff="2026-04-01", orders=ONE, expect={"some": 4, "none": 4})


def test_change_is_from_minus_one_to_one(spec):
    spec("gmv_change_28d", cutoff="2026-04-01", expect={"gone": -1, "same": 0, "thrice": 0.5, "fresh": 1, "silent": None}, orders="""
        merchant | ordered_at | amount
        gone     | 2026-02-10 |     50
        same     | 2026-02-10 |     50
        same     | 2026-03-31 |     50
        thrice   | 2026-02-10 |     50
        thrice   | 2026-03-31 |    150
        fresh    | 2026-03-31 |     50
        silent   | 2025-03-31 |     50
    """)


def test_slope_and_volatility_are_relative_to_the_mean(spec):
    drawn = """
        merchant | ordered_at | amount
        rising   | 2026-03-15 |      1   # three weeks: 1, 2, 3
        rising   | 2026-03-20 |      2
        rising   | 2026-03-31 |      3
        steady   | 2026-03-15 |      2
        steady   | 2026-03-20 |      2
        steady   | 2026-03-31 |      2
        silent   |            |
    """
    weeks = lambda orders: [week.total("amount") for week in orders.periods(days=7, count=3)]  # noqa: E731
    trend = lambda orders: slope(weeks(orders))  # noqa: E731
    ups_and_downs = lambda orders: volatility(weeks(orders))  # noqa: E731
    spec(trend, cutoff="2026-04-01", orders=drawn, expect={"rising": 0.5, "steady": 0, "silent": None})
    spec(ups_and_downs, cutoff="2026-04-01", orders=drawn, expect={"rising": (2 / 3) ** 0.5 / 2, "steady": 0, "silent": None})


# --- peers


MERCHANTS = """
    merchant | joined_at  | industry | known_at
    ann      | 2026-01-01 | food     |
    bob      | 2026-01-01 | food     |
    cai      | 2026-01-01 | food     |
    dee      | 2026-01-01 | toys     |
    eve      | 2026-01-01 |          |
    fay      | 2026-01-01 | food     | 2026-04-01   # sells, but its industry is known only later
    gus      | 2026-04-01 | food     |              # not yet here
"""
SOLD = """
    merchant | ordered_at | amount
    ann      | 2026-03-30 |     10
    bob      | 2026-03-30 |     20
    cai      | 2026-03-30 |     20
    dee      | 2026-03-30 |      5
    fay      | 2026-03-30 |    100
    gus      | 2026-04-01 |    999
"""


def test_rank_is_the_share_below_and_half_of_the_ties(spec):
    market = {"ann": 2.5 / 6, "bob": 4 / 6, "cai": 4 / 6, "dee": 1.5 / 6, "eve": 0.5 / 6, "fay": 5.5 / 6}
    industry = {"ann": 0.5 / 3, "bob": 2 / 3, "cai": 2 / 3, "dee": 0.5, "eve": None, "fay": None}
    spec("gmv_90d_rank", cutoff="2026-04-01", merchants=MERCHANTS, orders=SOLD, expect=market)
    spec("gmv_rank_in_industry", cutoff="2026-04-01", merchants=MERCHANTS, orders=SOLD, expect=industry)


def test_peers_are_those_known_at_the_cutoff(spec):
    expect = {"ann": 0.5 / 5, "fay": 3.5 / 5, "gus": 4.5 / 5, "dee": 0.5}
    spec("gmv_rank_in_industry", cutoff="2026-04-02", merchants=MERCHANTS, orders=SOLD, expect=expect)


def test_median_and_total_are_of_the_peers_with_a_value(spec):
    median = lambda aov_90d: aov_90d.median_among("industry")  # noqa: E731
    total = lambda gmv_90d: gmv_90d.total_among("industry")  # noqa: E731
    everybody = lambda aov_90d: aov_90d.median_among()  # noqa: E731
    spec(median, cutoff="2026-04-01", merchants=MERCHANTS, orders=SOLD, expect={"ann": 20, "dee": 5, "eve": None, "fay": None})
    spec(total, cutoff="2026-04-01", merchants=MERCHANTS, orders=SOLD, expect={"ann": 50, "dee": 5, "eve": None, "fay": None})
    spec(everybody, cutoff="2026-04-01", merchants=MERCHANTS, orders=SOLD, expect={"ann": 20, "eve": 20, "fay": 20})


def test_an_even_number_of_peers_has_its_median_between_them(spec):
    drawn = "merchant | ordered_at | amount\nann | 2026-03-30 | 10\nbob | 2026-03-30 | 21"
    spec(lambda gmv_90d: gmv_90d.median_among(), cutoff="2026-04-01", orders=drawn, expect={"ann": 15.5, "bob": 15.5})


def test_who_has_no_value_has_no_rank_and_is_nobodys_peer(spec):
    ranked = lambda aov_90d: aov_90d.rank_among()  # noqa: E731
    spec(ranked, cutoff="2026-04-01", merchants=MERCHANTS, orders=SOLD, expect={"dee": 0.1, "ann": 0.3, "bob": 0.6, "fay": 0.9, "eve": None})


# --- attributes


def test_attributes_are_empty_before_they_were_known(spec):
    merchants = """
        merchant | joined_at  | industry | registered_capital | founded_at | known_at
        ann      | 2026-01-01 | food     | 1000.5             | 2020-01-01 | 2026-03-31
        bob      | 2026-01-01 | food     | 1000.5             | 2020-01-01 | 2026-04-01
        cai      | 2026-01-01 |          |                    |            |
    """
    orders = """
        merchant | ordered_at | amount
        bob      | 2026-03-01 |      1
    """
    drawn = {"merchants": merchants, "orders": orders}
    spec("industry", cutoff="2026-04-01", expect={"ann": "food", "bob": None, "cai": None}, **drawn)
    spec("registered_capital", cutoff="2026-04-01", expect={"ann": 1000.5, "bob": None, "cai": None}, **drawn)
    spec("tenure_days", cutoff="2026-04-01", expect={"ann": 90, "bob": None, "cai": 90}, **drawn)
    spec("business_age_days", cutoff="2026-04-01", expect={"ann": 2282, "bob": None, "cai": None}, **drawn)
    spec("tenure_days", cutoff="2026-04-02", expect={"ann": 91, "bob": 91, "cai": 91}, **drawn)


def test_merchants_derived_from_orders_joined_with_the_first_that_was_known(spec):
    spec("tenure_days", cutoff="2026-04-01", merchants="", expect={"ann": 10, "bob": 5}, orders="""
        merchant | ordered_at | amount | completed_at
        ann      | 2026-03-01 |      1 | 2026-05-01   # older, known later
        ann      | 2026-03-22 |      1 | 2026-03-25
        bob      | 2026-03-27 |      1 |
    """)


def test_days_to_the_first_order(spec):
    spec("days_to_first_order", cutoff="2026-04-01", expect={"ann": 4, "bob": None}, orders="""
        merchant | ordered_at | amount
        ann      | 2026-03-05 |      1
    """, merchants="""
        merchant | joined_at
        ann      | 2026-03-01
        bob      | 2026-03-01
    """)


# --- what fills in later


def test_a_ticket_is_open_until_it_is_resolved(spec):
    drawn = """
        merchant | opened_at           | resolved_at         | effort_score
        bakery   | 2026-03-01 10:00:00 | 2026-03-02 11:30:00 | 2
        bakery   | 2026-03-03 10:00:00 | 2026-04-01 00:00:00 | 7   # resolved at the cutoff: still open
        bakery   | 2026-03-04 10:00:00 |                     | 6   # a score before the end is not read
    """
    spec("tickets_open", cutoff="2026-04-01", tickets=drawn, expect={"bakery": 2})
    spec("tickets_open", cutoff="2026-04-02", tickets=drawn, expect={"bakery": 1})
    spec("effort_90d", cutoff="2026-04-01", tickets=drawn, expect={"bakery": 2})
    spec("effort_90d", cutoff="2026-04-02", tickets=drawn, expect={"bakery": 4.5})
    spec("hours_to_resolve_90d", cutoff="2026-04-01", tickets=drawn, expect={"bakery": 25.5})
    spec("tickets_90d", cutoff="2026-04-01", tickets=drawn, expect={"bakery": 3})


def test_a_delivery_is_late_when_it_came_after_the_promise_and_not_before_it_came(spec):
    spec("late_delivery_share_28d", cutoff="2026-04-01", expect={"times": 0.5, "days": 0.5, "coming": None, "mute": None}, orders="""
        merchant | ordered_at | amount | promised_at         | delivered_at
        times    | 2026-03-01 |      1 | 2026-03-05 12:00:00 | 2026-03-05 12:00:01
        times    | 2026-03-01 |      1 | 2026-03-05 12:00:00 | 2026-03-05 12:00:00
        days     | 2026-03-01 |      1 | 2026-03-05          | 2026-03-05 23:00:00   # a promised day is kept until its end
        days     | 2026-03-01 |      1 | 2026-03-05          | 2026-03-06
        coming   | 2026-03-01 |      1 | 2026-03-05          | 2026-04-01            # late, but not known to be
        mute     | 2026-03-01 |      1 |                     | 2026-03-06
    """)


def test_a_delivery_is_known_with_its_order(spec):
    drawn = """
        merchant | ordered_at | amount | promised_at | delivered_at | completed_at
        bakery   | 2026-03-01 |      1 | 2026-03-05  | 2026-03-06   | 2026-04-01
    """
    spec("late_delivery_share_28d", cutoff="2026-04-01", orders=drawn, expect={"bakery": None})
    spec("late_delivery_share_28d", cutoff="2026-04-02", orders=drawn, expect={"bakery": 1})


CAMPAIGNS = """
    merchant | started_at          | ended_at
    bakery   | 2026-03-10 18:00:00 | 2026-03-12 06:00:00
    bakery   | 2026-03-12          | 2026-03-13
    bakery   | 2026-03-30          |
    florist  | 2026-03-30          | 2026-04-01
"""


def test_orders_are_under_campaigns_on_the_days_of_campaigns(spec):
    orders = """
        merchant | ordered_at          | amount
        bakery   | 2026-03-09 12:00:00 |      1
        bakery   | 2026-03-10 08:00:00 |      2   # the first day counts whole
        bakery   | 2026-03-12 08:00:00 |      4   # two campaigns, one order
        bakery   | 2026-03-13 20:00:00 |      8   # the last day too
        bakery   | 2026-03-14 08:00:00 |     16
        bakery   | 2026-03-31 08:00:00 |     32   # without an end it runs on
        grocer   | 2026-03-31 08:00:00 |      1
    """
    drawn = {"campaigns": CAMPAIGNS, "orders": orders}
    spec("campaign_share_28d", cutoff="2026-04-01", expect={"bakery": 46 / 63, "grocer": 0, "florist": None}, **drawn)
    spec("gmv_outside_campaigns_28d", cutoff="2026-04-01", expect={"bakery": 17, "grocer": 1, "florist": 0}, **drawn)


def test_a_campaign_runs_until_its_end_has_come(spec):
    spec("campaigns_running", cutoff="2026-04-01", campaigns=CAMPAIGNS, expect={"bakery": 1, "florist": 1})
    spec("campaigns_running", cutoff="2026-04-02", campaigns=CAMPAIGNS, expect={"bakery": 1, "florist": 0})
    spec("days_since_campaign_end", cutoff="2026-04-01", campaigns=CAMPAIGNS, expect={"bakery": 19, "florist": None})


def test_days_until_is_to_the_latest_end_of_what_has_begun(spec):
    drawn = """
        merchant | starts_at  | ends_at
        bakery   | 2025-01-01 | 2026-05-01
        bakery   | 2025-02-01 | 2026-04-11   # begun later, ends sooner
        bakery   | 2026-04-01 | 2030-01-01   # not begun before the cutoff
        over     | 2025-01-01 | 2026-03-22
        florist  |            |
    """
    spec("contract_days_left", cutoff="2026-04-01", contracts=drawn, expect={"bakery": 30, "over": -10, "florist": None})


def test_refunds_count_when_they_are_paid(spec):
    drawn = {
        "orders": """
            merchant | ordered_at | amount
            bakery   | 2026-03-10 |    100
            bakery   | 2026-03-11 |    100
            florist  | 2025-03-10 |    100
        """,
        "refunds": """
            merchant | refunded_at | amount
            bakery   | 2026-03-20  |     30
            bakery   | 2026-04-01  |    100   # of a past order, but paid at the cutoff
            florist  | 2026-03-30  |    100
        """,
    }
    spec("refund_rate_28d", cutoff="2026-04-01", expect={"bakery": 0.15, "florist": None}, **drawn)
    spec("refunds_amount_28d", cutoff="2026-04-01", expect={"bakery": 30, "florist": 100}, **drawn)
    spec("refunds_count_28d", cutoff="2026-04-02", expect={"bakery": 2, "florist": 1}, **drawn)


# --- what the vocabulary refuses


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda events: events.last(days=0), "holds nothing; use days >= 1"),
        (lambda events: events.last(days=7, skip=-1), "skip >= 0"),
        (lambda events: events.last(days=7).days_since_last(), "use it without last"),
        (lambda events: events.where("amount", ">", 1).days_since_first(), "without last\\(\\) and where\\(\\)"),
        (lambda events: events.last(days=7).days_until("ends"), "use it without last"),
        (lambda events: events.last(days=7, skip=7).gaps("count"), "use no skip and no where"),
        (lambda events: events.where("amount", ">", 1).gaps("count"), "use no skip and no where"),
        (lambda events: events.where("amount", ">", 1).distinct("buyer_id"), "declare a stream for them"),
        (lambda events: events.where("amount", ">", 0.001), "steps of 1/100"),
    ],
)
def test_verbs_refuse_what_they_cannot_mean(wrong, told):
    with pytest.raises(ValueError, match=told):
        wrong(Events("orders"))
