"""What a merchant trades: orders, GMV, average order value, how they change, and what comes back as refunds.

A change is `(now - before) / (now + before)`: -1 when all is gone, 1 when it came from nothing, missing when both are zero.
"""

from features.declare import feature
from features.verbs import Column, Events, slope, volatility

WINDOWS = (7, 14, 28, 56, 90, 180, 365)


@feature(unit="orders", reason=("orders in the last {days} days", "近{days}天订单数"), days=WINDOWS)
def orders(orders: Events, *, days: int) -> Column:
    """Orders completed in the last {days} days."""
    return orders.last(days=days).count()


@feature(unit="currency", reason=("sales over the last {days} days", "近{days}天交易额"), days=WINDOWS)
def gmv(orders: Events, *, days: int) -> Column:
    """Gross merchandise value of orders completed in the last {days} days."""
    return orders.last(days=days).total("amount")


@feature(unit="currency", reason=("average order over the last {days} days", "近{days}天客单价"), days=WINDOWS)
def aov(orders: Events, *, days: int) -> Column:
    """Average order value over the last {days} days; missing without orders."""
    return orders.last(days=days).total("amount") / orders.last(days=days).count()


@feature(unit="currency", reason=("sales in the {days} days before the last {days}", "再前{days}天交易额"), days=(28, 90))
def gmv_prior(orders: Events, *, days: int) -> Column:
    """GMV of the {days} days before the last {days}."""
    return orders.last(days=days, skip=days).total("amount")


@feature(unit="orders", reason=("orders in the {days} days before the last {days}", "再前{days}天订单数"), days=(28, 90))
def orders_prior(orders: Events, *, days: int) -> Column:
    """Orders of the {days} days before the last {days}."""
    return orders.last(days=days, skip=days).count()


@feature(unit="share", reason=("change of sales over {days} days", "近{days}天交易额变化"), days=(7, 28, 90, 180))
def gmv_change(orders: Events, *, days: int) -> Column:
    """Change of GMV, the last {days} days against the {days} before."""
    return orders.last(days=days).total("amount").change_from(orders.last(days=days, skip=days).total("amount"))


@feature(unit="share", reason=("change of orders over {days} days", "近{days}天订单数变化"), days=(7, 28, 90, 180))
def orders_change(orders: Events, *, days: int) -> Column:
    """Change of the number of orders, the last {days} days against the {days} before."""
    return orders.last(days=days).count().change_from(orders.last(days=days, skip=days).count())


@feature(unit="share", reason=("change of the average order over 90 days", "近90天客单价变化"))
def aov_change_90d(orders: Events) -> Column:
    """Change of the average order value, the last 90 days against the 90 before; missing without orders in either."""
    now, before = orders.last(days=90), orders.last(days=90, skip=90)
    return (now.total("amount") / now.count()).change_from(before.total("amount") / before.count())


@feature(unit="share", reason=("recent sales against the half-year's pace", "近28天交易额相对半年均速"))
def gmv_pace_28d(gmv_28d: Column, gmv_180d: Column) -> Column:
    """GMV of the last 28 days against 28/180 of the last 180 days, as a change."""
    return gmv_28d.change_from(gmv_180d * (28 / 180))


@feature(unit="share", reason=("recent orders against the year's pace", "近90天订单数相对全年均速"))
def orders_pace_90d(orders_90d: Column, orders_365d: Column) -> Column:
    """Orders of the last 90 days against 90/365 of the last 365 days, as a change."""
    return orders_90d.change_from(orders_365d * (90 / 365))


@feature(unit="ratio", reason=("trend of sales over six months", "近半年交易额趋势"))
def gmv_slope_168d(orders: Events) -> Column:
    """Slope of GMV over six periods of 28 days, relative to their mean, per period."""
    return slope([period.total("amount") for period in orders.periods(days=28, count=6)])


@feature(unit="ratio", reason=("trend of orders over six months", "近半年订单趋势"))
def orders_slope_168d(orders: Events) -> Column:
    """Slope of orders over six periods of 28 days, relative to their mean, per period."""
    return slope([period.count() for period in orders.periods(days=28, count=6)])


@feature(unit="ratio", reason=("trend of orders over eight weeks", "近八周订单趋势"))
def orders_slope_56d(orders: Events) -> Column:
    """Slope of orders over eight weeks, relative to their mean, per week."""
    return slope([period.count() for period in orders.periods(days=7, count=8)])


@feature(unit="ratio", reason=("ups and downs of sales over six months", "近半年交易额波动"))
def gmv_volatility_168d(orders: Events) -> Column:
    """Coefficient of variation of GMV over six periods of 28 days."""
    return volatility([period.total("amount") for period in orders.periods(days=28, count=6)])


@feature(unit="currency", reason=("sales in the coming 90 days of last year", "去年同期（未来90天对应）交易额"))
def gmv_season_ahead(orders: Events) -> Column:
    """Same season last year: GMV in `[cutoff - 365, cutoff - 275)`, the season that is now ahead."""
    return orders.last(days=90, skip=275).total("amount")


@feature(unit="orders", reason=("orders in the coming 90 days of last year", "去年同期（未来90天对应）订单数"))
def orders_season_ahead(orders: Events) -> Column:
    """Same season last year: orders in `[cutoff - 365, cutoff - 275)`, the season that is now ahead."""
    return orders.last(days=90, skip=275).count()


@feature(unit="share", reason=("sales against the same 90 days of last year", "近90天交易额同比"))
def gmv_change_on_year_90d(orders: Events) -> Column:
    """Change of GMV against the same 90 days one year before: `[cutoff - 455, cutoff - 365)`; 1 when there were none."""
    return orders.last(days=90).total("amount").change_from(orders.last(days=90, skip=365).total("amount"))


@feature(unit="count", reason=("lines per order over the last 90 days", "近90天每单行数"))
def lines_per_order_90d(orders: Events) -> Column:
    """Mean number of lines of the orders in the last 90 days."""
    return orders.last(days=90).total("lines") / orders.last(days=90).count()


@feature(unit="share", reason=("change of lines per order over 90 days", "近90天每单行数变化"))
def lines_change_90d(orders: Events) -> Column:
    """Change of lines per order, the last 90 days against the 90 before."""
    now, before = orders.last(days=90), orders.last(days=90, skip=90)
    return (now.total("lines") / now.count()).change_from(before.total("lines") / before.count())


@feature(unit="count", reason=("refunds in the last {days} days", "近{days}天退款笔数"), days=(28, 90, 365))
def refunds_count(refunds: Events, *, days: int) -> Column:
    """Refunds in the last {days} days."""
    return refunds.last(days=days).count()


@feature(unit="currency", reason=("money refunded in the last {days} days", "近{days}天退款金额"), days=(28, 90, 365))
def refunds_amount(refunds: Events, *, days: int) -> Column:
    """Money refunded in the last {days} days."""
    return refunds.last(days=days).total("amount")


@feature(unit="share", reason=("share of sales refunded in the last {days} days", "近{days}天退款率"), days=(28, 90, 365))
def refund_rate(refunds: Events, orders: Events, *, days: int) -> Column:
    """Money refunded over GMV, last {days} days; missing without sales."""
    return refunds.last(days=days).total("amount") / orders.last(days=days).total("amount")


@feature(unit="days", reason=("days since the last refund", "距最近一次退款天数"))
def days_since_last_refund(refunds: Events) -> Column:
    """Days since the last refund; missing without one."""
    return refunds.days_since_last()


@feature(unit="share", reason=("change of refunds over 90 days", "近90天退款变化"))
def refunds_change_90d(refunds: Events) -> Column:
    """Change of the number of refunds, the last 90 days against the 90 before."""
    return refunds.last(days=90).count().change_from(refunds.last(days=90, skip=90).count())
