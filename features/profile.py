"""Who the merchant is: what hardly changes, as it stands; empty before it was known."""

from features.declare import Attributes, feature
from features.verbs import Column


@feature(unit="text", reason=("industry", "行业"))
def industry(merchants: Attributes) -> Column:
    """Industry of the merchant."""
    return merchants.value("industry")


@feature(unit="text", reason=("region", "地区"))
def region(merchants: Attributes) -> Column:
    """Region of the merchant."""
    return merchants.value("region")


@feature(unit="text", reason=("scale", "规模"))
def scale(merchants: Attributes) -> Column:
    """Scale of the merchant's business: sole trader, small, large …"""
    return merchants.value("scale")


@feature(unit="text", reason=("acquisition channel", "获客渠道"))
def acquisition_channel(merchants: Attributes) -> Column:
    """Channel through which the merchant was won."""
    return merchants.value("acquisition_channel")


@feature(unit="currency", reason=("acquisition cost", "获客成本"))
def acquisition_cost(merchants: Attributes) -> Column:
    """What it cost to win the merchant."""
    return merchants.value("acquisition_cost")


@feature(unit="currency", reason=("registered capital", "注册资本"))
def registered_capital(merchants: Attributes) -> Column:
    """Registered capital of the business."""
    return merchants.value("registered_capital")


@feature(unit="days", reason=("age of the business in days", "企业经营天数"))
def business_age_days(merchants: Attributes) -> Column:
    """Days since the business was founded."""
    return merchants.days_since("founded_at")
