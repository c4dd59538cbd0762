"""Trouble and effort: tickets, deliveries and reviews. Merchants stay with whatever solves their problem with least effort."""

from features.declare import feature
from features.verbs import Column, Events


@feature(unit="count", reason=("tickets opened in the last {days} days", "近{days}天新建工单数"), days=(28, 90, 365))
def tickets(tickets: Events, *, days: int) -> Column:
    """Tickets opened in the last {days} days."""
    return tickets.last(days=days).count()


@feature(unit="count", reason=("tickets open now", "未解决工单数"))
def tickets_open(tickets: Events, resolutions: Events) -> Column:
    """Tickets opened and not resolved before the cutoff."""
    return tickets.count() - resolutions.count()


@feature(unit="ratio", reason=("tickets per order over the last 90 days", "近90天每单工单数"))
def tickets_per_order_90d(tickets: Events, orders: Events) -> Column:
    """Tickets opened per order, last 90 days; missing without orders."""
    return tickets.last(days=90).count() / orders.last(days=90).count()


@feature(unit="share", reason=("change of tickets over 28 days", "近28天工单变化"))
def tickets_change_28d(tickets: Events) -> Column:
    """Change of tickets opened, the last 28 days against the 28 before."""
    return tickets.last(days=28).count().change_from(tickets.last(days=28, skip=28).count())


@feature(unit="days", reason=("days since the last ticket", "距最近工单天数"))
def days_since_last_ticket(tickets: Events) -> Column:
    """Days since the last ticket was opened; missing without one."""
    return tickets.days_since_last()


@feature(unit="count", reason=("different ticket topics in the last 90 days", "近90天工单主题数"))
def ticket_topics_90d(tickets: Events) -> Column:
    """Different topics of the tickets opened in the last 90 days."""
    return tickets.last(days=90).distinct("topic")


@feature(unit="hours", reason=("hours to resolve a ticket in the last 90 days", "近90天工单解决时长（小时）"))
def hours_to_resolve_90d(resolutions: Events) -> Column:
    """Mean hours from opening to resolving, of tickets resolved in the last 90 days."""
    return resolutions.last(days=90).mean("seconds") / 3600


@feature(unit="score", reason=("effort score in the last {days} days", "近{days}天费力度"), days=(90, 365))
def effort(resolutions: Events, *, days: int) -> Column:
    """Mean customer effort (1 easy to 7 hard) of tickets resolved in the last {days} days."""
    return resolutions.last(days=days).mean("effort_score")


@feature(unit="score", reason=("satisfaction with tickets in the last 90 days", "近90天工单满意度"))
def satisfaction_90d(resolutions: Events) -> Column:
    """Mean satisfaction of tickets resolved in the last 90 days."""
    return resolutions.last(days=90).mean("satisfaction")


@feature(unit="share", reason=("late deliveries in the last {days} days", "近{days}天延迟送达占比"), days=(28, 90))
def late_delivery_share(deliveries: Events, *, days: int) -> Column:
    """Deliveries after the promised time, of those delivered in the last {days} days."""
    return deliveries.last(days=days).mean("late")


@feature(unit="share", reason=("change of late deliveries over 28 days", "近28天延迟送达变化"))
def late_delivery_change_28d(deliveries: Events) -> Column:
    """Share of late deliveries in the last 28 days minus that of the 28 before."""
    return deliveries.last(days=28).mean("late") - deliveries.last(days=28, skip=28).mean("late")


@feature(unit="count", reason=("reviews in the last 90 days", "近90天评价数"))
def reviews_90d(reviews: Events) -> Column:
    """Reviews in the last 90 days."""
    return reviews.last(days=90).count()


@feature(unit="score", reason=("mean rating over the last {days} days", "近{days}天平均评分"), days=(90, 365))
def rating(reviews: Events, *, days: int) -> Column:
    """Mean rating of the reviews in the last {days} days."""
    return reviews.last(days=days).mean("rating")


@feature(unit="score", reason=("change of the rating over 90 days", "近90天评分变化"))
def rating_change_90d(reviews: Events) -> Column:
    """Mean rating of the last 90 days minus that of the 90 before."""
    return reviews.last(days=90).mean("rating") - reviews.last(days=90, skip=90).mean("rating")
