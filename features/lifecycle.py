"""How long a merchant has been here, how it trades over time, and whether its silence is unusual for it.

Gaps are counted between the days on which orders became known.
"""

from features.declare import Attributes, feature
from features.verbs import Column, Events


@feature(unit="days", reason=("days since joining", "入驻天数"))
def tenure_days(merchants: Attributes) -> Column:
    """Days since the merchant joined."""
    return merchants.days_since("joined_at")


@feature(unit="days", reason=("days since the first order", "距首单天数"))
def days_since_first_order(orders: Events) -> Column:
    """Days since the first order ever; missing without one."""
    return orders.days_since_first()


@feature(unit="days", reason=("days since the last order", "距最近一单天数"))
def days_since_last_order(orders: Events) -> Column:
    """Recency: days since the last order, 1 when it was yesterday; missing without one."""
    return orders.days_since_last()


@feature(unit="days", reason=("days between joining and the first order", "入驻到首单的天数"))
def days_to_first_order(tenure_days: Column, days_since_first_order: Column) -> Column:
    """Days from joining to the first order; missing before it."""
    return tenure_days - days_since_first_order


@feature(unit="orders", reason=("orders so far", "累计订单数"))
def orders_ever(orders: Events) -> Column:
    """All orders before the cutoff."""
    return orders.count()


@feature(unit="days", reason=("days with orders in the last {days} days", "近{days}天有单天数"), days=(28, 90, 180, 365))
def active_days(orders: Events, *, days: int) -> Column:
    """Days with at least one order in the last {days} days."""
    return orders.last(days=days).distinct("day")


@feature(unit="weeks", reason=("weeks with orders in the last {days} days", "近{days}天有单周数"), days=(56, 90, 365))
def active_weeks(orders: Events, *, days: int) -> Column:
    """Calendar weeks (from Monday) with at least one order in the last {days} days."""
    return orders.last(days=days).distinct("week")


@feature(unit="share", reason=("share of days with orders since the first one", "首单以来的动销天数占比"))
def active_day_share(active_days_365d: Column, days_since_first_order: Column) -> Column:
    """Days with orders in the last year, of the days since the first order (a year at most)."""
    return active_days_365d / days_since_first_order.at_most(365)


@feature(unit="ratio", reason=("orders per day with orders", "每个有单日的订单数"))
def orders_per_active_day(orders_90d: Column, active_days_90d: Column) -> Column:
    """Orders per day with orders, last 90 days; missing without orders."""
    return orders_90d / active_days_90d


@feature(unit="days", reason=("usual days between orders", "平常的下单间隔天数"))
def gap_mean(orders: Events) -> Column:
    """Own rhythm: mean gap between days with orders, last 365 days; missing with fewer than two."""
    year = orders.last(days=365)
    return year.gaps("total") / year.gaps("count")


@feature(unit="days", reason=("spread of the days between orders", "下单间隔的波动"))
def gap_sd(orders: Events, gap_mean: Column) -> Column:
    """Standard deviation (population) of the gaps between days with orders, last 365 days."""
    year = orders.last(days=365)
    return (year.gaps("squares") / year.gaps("count") - gap_mean * gap_mean).at_least(0).sqrt()


@feature(unit="days", reason=("median days between orders", "下单间隔中位数"))
def gap_p50(orders: Events) -> Column:
    """Median gap between days with orders, last 365 days, as the upper edge of its bin."""
    return orders.last(days=365).gaps("p50")


@feature(unit="days", reason=("longest usual days between orders (95 %)", "下单间隔的95%分位"))
def gap_p95(orders: Events) -> Column:
    """95th percentile of the gaps between days with orders, last 365 days, as the upper edge of its bin."""
    return orders.last(days=365).gaps("p95")


@feature(unit="ratio", reason=("silence against the usual rhythm", "沉默时长相对平常间隔"))
def silence_ratio(days_since_last_order: Column, gap_mean: Column) -> Column:
    """Days since the last order over the merchant's own mean gap: above 1 it is later than usual."""
    return days_since_last_order / gap_mean


@feature(unit="ratio", reason=("silence against the longest usual gap", "沉默时长相对最长平常间隔"))
def silence_over_p95(days_since_last_order: Column, gap_p95: Column) -> Column:
    """Days since the last order over the 95th percentile of the merchant's own gaps."""
    return days_since_last_order / gap_p95


@feature(unit="ratio", reason=("silence in spreads of the own rhythm", "沉默时长相对节奏波动"))
def silence_z(days_since_last_order: Column, gap_mean: Column, gap_sd: Column) -> Column:
    """How many standard deviations (at least a day each) the silence is beyond the mean gap."""
    return (days_since_last_order - gap_mean) / gap_sd.at_least(1)


@feature(unit="ratio", reason=("irregularity of the order rhythm", "下单节奏的不规则度"))
def gap_variation(gap_sd: Column, gap_mean: Column) -> Column:
    """Coefficient of variation of the gaps: 0 like clockwork, 1 like chance, more in bursts."""
    return gap_sd / gap_mean


@feature(unit="share", reason=("days with orders, last 28 against the 28 before", "近28天有单天数较前28天的变化"))
def active_days_change_28d(orders: Events) -> Column:
    """Relative change of days with orders, last 28 days against the 28 before: -1 all gone, 1 from nothing."""
    return orders.last(days=28).distinct("day").change_from(orders.last(days=28, skip=28).distinct("day"))
