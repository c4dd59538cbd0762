"""Who trades for the subsidy only: GMV under campaigns and with the platform's money in it."""

from features.declare import feature
from features.verbs import Column, Events


@feature(unit="share", reason=("share of subsidy in sales over {days} days", "近{days}天补贴占交易额"), days=(28, 90, 365))
def subsidy_share(orders: Events, *, days: int) -> Column:
    """The platform's money over GMV, last {days} days."""
    return orders.last(days=days).total("subsidy") / orders.last(days=days).total("amount")


@feature(unit="share", reason=("share of sales that carried a subsidy in the last 90 days", "近90天带补贴的交易额占比"))
def subsidised_gmv_share_90d(orders: Events) -> Column:
    """GMV of orders with any subsidy over all GMV, last 90 days."""
    window = orders.last(days=90)
    return window.where("subsidy", ">", 0).total("amount") / window.total("amount")


@feature(unit="share", reason=("change of the subsidy's share over 90 days", "近90天补贴占比变化"))
def subsidy_share_change_90d(orders: Events) -> Column:
    """Subsidy over GMV in the last 90 days minus that of the 90 before."""
    now, before = orders.last(days=90), orders.last(days=90, skip=90)
    return now.total("subsidy") / now.total("amount") - before.total("subsidy") / before.total("amount")


@feature(unit="share", reason=("share of sales during campaigns in the last {days} days", "近{days}天活动期交易额占比"), days=(28, 90, 365))
def campaign_share(orders: Events, *, days: int) -> Column:
    """GMV of orders on days on which a campaign of the merchant ran, over all GMV, last {days} days."""
    window = orders.last(days=days)
    return window.where("in_campaign", "=", 1).total("amount") / window.total("amount")


@feature(unit="currency", reason=("sales outside campaigns over the last 28 days", "近28天非活动期交易额"))
def gmv_outside_campaigns_28d(orders: Events) -> Column:
    """GMV of orders on days without a campaign, last 28 days."""
    return orders.last(days=28).where("in_campaign", "=", 0).total("amount")


@feature(unit="count", reason=("campaigns begun in the last {days} days", "近{days}天开始的活动数"), days=(90, 365))
def campaigns_begun(campaigns: Events, *, days: int) -> Column:
    """Campaigns that began in the last {days} days."""
    return campaigns.last(days=days).count()


@feature(unit="count", reason=("campaigns running", "进行中的活动数"))
def campaigns_running(campaigns: Events, campaign_ends: Events) -> Column:
    """Campaigns that have begun and not ended before the cutoff."""
    return campaigns.count() - campaign_ends.count()


@feature(unit="days", reason=("days since the last campaign ended", "距上次活动结束天数"))
def days_since_campaign_end(campaign_ends: Events) -> Column:
    """Days since the last campaign ended; missing before."""
    return campaign_ends.days_since_last()


@feature(unit="currency", reason=("campaign cost over the last 365 days", "近365天活动成本"))
def campaign_cost_365d(campaigns: Events) -> Column:
    """Cost of the campaigns that began in the last 365 days."""
    return campaigns.last(days=365).total("cost")
