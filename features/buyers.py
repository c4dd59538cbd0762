"""The merchant's own customers: its regulars are what ties it to the platform."""

from features.declare import feature
from features.verbs import Column, Events


@feature(unit="count", reason=("buyers in the last {days} days", "近{days}天买家数"), days=(28, 90, 365))
def buyers(orders: Events, *, days: int) -> Column:
    """Different buyers in the last {days} days."""
    return orders.last(days=days).distinct("buyer_id")


@feature(unit="count", reason=("new buyers in the last {days} days", "近{days}天新买家数"), days=(28, 90))
def new_buyers(orders: Events, *, days: int) -> Column:
    """Buyers whose first order with the merchant lies in the last {days} days."""
    return orders.last(days=days).new("buyer_id")


@feature(unit="share", reason=("share of new buyers in the last 90 days", "近90天新买家占比"))
def new_buyer_share_90d(new_buyers_90d: Column, buyers_90d: Column) -> Column:
    """New buyers of all buyers, last 90 days."""
    return new_buyers_90d / buyers_90d


@feature(unit="count", reason=("returning buyers in the last {days} days", "近{days}天复购买家数"), days=(90, 365))
def repeat_buyers(orders: Events, *, days: int) -> Column:
    """Buyers with orders on at least two days of the last {days}."""
    return orders.last(days=days).repeated("buyer_id")


@feature(unit="share", reason=("share of returning buyers in the last {days} days", "近{days}天复购买家占比"), days=(90, 365))
def repeat_buyer_share(orders: Events, *, days: int) -> Column:
    """Buyers with orders on at least two days, of all buyers in the last {days} days."""
    window = orders.last(days=days)
    return window.repeated("buyer_id") / window.distinct("buyer_id")


@feature(unit="share", reason=("dependence on few buyers over {days} days", "近{days}天买家集中度"), days=(90, 365))
def buyer_concentration(orders: Events, *, days: int) -> Column:
    """Herfindahl index of buyer-days in the last {days} days: 1 with a single buyer."""
    return orders.last(days=days).concentration("buyer_id")


@feature(unit="ratio", reason=("orders per buyer over the last 90 days", "近90天每位买家订单数"))
def orders_per_buyer_90d(orders_90d: Column, buyers_90d: Column) -> Column:
    """Orders per buyer in the last 90 days."""
    return orders_90d / buyers_90d


@feature(unit="share", reason=("change of buyers over {days} days", "近{days}天买家数变化"), days=(28, 90))
def buyers_change(orders: Events, *, days: int) -> Column:
    """Change of the number of buyers, the last {days} days against the {days} before."""
    return orders.last(days=days).distinct("buyer_id").change_from(orders.last(days=days, skip=days).distinct("buyer_id"))
