"""The sentences: for each group, from the most telling to the least; the first that is true of a merchant is told.

To add one, add it here. Say "fell" only where `when` makes it fall by a fifth at least, and write the Chinese beside it.
"""

from __future__ import annotations

from serving.reasons.facts import Facts, Numbers, Sentence, before, lowest, relative

LESS, MORE = 0.8, 1.25


def _pair(was: Numbers, now: Numbers, **more: Numbers) -> dict[str, Numbers]:
    return {"was": was, "now": now, **more}


RHYTHM = (
    Sentence(
        "rhythm",
        True,
        lambda f: (f.silence_ratio >= 1.5) & (f.days_since_last_order >= 3),
        "No order for {days:of day}; usually one every {gap:of day}",
        "已{days:of day}天没有订单；平常每{gap:of day}天一单",
        lambda f: {"days": f.days_since_last_order, "gap": f.gap_mean},
    ),
    Sentence(
        "rhythm",
        True,
        lambda f: (f.orders_ever == 1) & (f.days_since_last_order >= 7),
        "Only one order so far, {days:of day} ago",
        "至今仅一单，在{days:of day}天前",
        lambda f: {"days": f.days_since_last_order},
    ),
    Sentence(
        "rhythm",
        True,
        lambda f: f.days_since_last_order >= 14,
        "No order for {days:of day}",
        "已{days:of day}天没有订单",
        lambda f: {"days": f.days_since_last_order},
    ),
    Sentence(
        "rhythm",
        True,
        lambda f: f.gap_mean >= 10,
        "Orders come only every {gap:of day}",
        "平均{gap:of day}天才有一单",
        lambda f: {"gap": f.gap_mean},
    ),
    Sentence(
        "rhythm",
        False,
        lambda f: f.silence_ratio <= 1.1,
        "The last order was {days:of day} ago, in its usual rhythm of one every {gap:of day}",
        "最近一单在{days:of day}天前，符合平常每{gap:of day}天一单的节奏",
        lambda f: {"days": f.days_since_last_order, "gap": f.gap_mean},
    ),
    Sentence(
        "rhythm",
        False,
        lambda f: f.days_since_last_order <= 7,
        "The last order was {days:of day} ago",
        "最近一单在{days:of day}天前",
        lambda f: {"days": f.days_since_last_order},
    ),
)


def _weekly(f: Facts) -> dict[str, Numbers]:
    return _pair(f.orders_prior_28d / 4, f.orders_28d / 4, since=f.days(-28))


def _quarterly(f: Facts) -> dict[str, Numbers]:
    return _pair(f.orders_prior_90d, f.orders_90d, since=f.days(-90))


ORDERS = (
    Sentence(
        "orders",
        True,
        lambda f: (f.orders_prior_28d >= 12) & (f.orders_28d <= LESS * f.orders_prior_28d),
        "Orders fell from {was:count} to {now:count} a week since {since:date}",
        "自{since:date}以来，每周订单由{was:count}降至{now:count}",
        _weekly,
    ),
    Sentence(
        "orders",
        True,
        lambda f: (f.orders_prior_90d >= 3) & (f.orders_90d <= LESS * f.orders_prior_90d),
        "{now:of order} since {since:date}, after {was:count} in the 90 days before",
        "自{since:date}以来{now:of order}单，此前90天为{was:count}单",
        _quarterly,
    ),
    Sentence(
        "orders",
        True,
        lambda f: f.orders_90d == 0,
        "No order in 90 days",
        "近90天没有订单",
        lambda f: {},
    ),
    Sentence(
        "orders",
        True,
        lambda f: (f.orders_90d >= 1) & (f.orders_90d <= 4),
        "Only {now:of order} in 90 days",
        "近90天仅{now:of order}单",
        lambda f: {"now": f.orders_90d},
    ),
    Sentence(
        "orders",
        True,
        lambda f: (f.orders_365d >= 12) & (f.orders_90d <= LESS * f.orders_365d * 90 / 365),
        "{now:of order} in 90 days, below the year's pace of {pace:count}",
        "近90天{now:of order}单，低于全年均速的{pace:count}单",
        lambda f: {"now": f.orders_90d, "pace": f.orders_365d * 90 / 365},
    ),
    Sentence(
        "orders",
        False,
        lambda f: (f.orders_prior_28d >= 8) & (f.orders_28d >= MORE * f.orders_prior_28d),
        "Orders rose from {was:count} to {now:count} a week since {since:date}",
        "自{since:date}以来，每周订单由{was:count}升至{now:count}",
        _weekly,
    ),
    Sentence(
        "orders",
        False,
        lambda f: (f.orders_prior_90d >= 3) & (f.orders_90d >= MORE * f.orders_prior_90d),
        "{now:of order} since {since:date}, up from {was:count} in the 90 days before",
        "自{since:date}以来{now:of order}单，多于此前90天的{was:count}单",
        _quarterly,
    ),
    Sentence(
        "orders",
        False,
        lambda f: f.orders_90d >= 8,
        "{now:of order} in 90 days, on {days:of day}",
        "近90天{now:of order}单，有单{days:of day}天",
        lambda f: {"now": f.orders_90d, "days": f.active_days_90d},
    ),
)

SALES = (
    Sentence(
        "sales",
        True,
        lambda f: (f.gmv_28d == 0) & (f.gmv_prior_28d > 0),
        "No sales since {since:date}, after {was:money} in the 28 days before",
        "自{since:date}以来没有交易，此前28天为{was:money}",
        lambda f: {"since": f.days(-28), "was": f.gmv_prior_28d},
    ),
    Sentence(
        "sales",
        True,
        lambda f: (f.orders_prior_28d >= 4) & (f.gmv_28d <= LESS * f.gmv_prior_28d),
        "Sales are {by:percent} below the 28 days before ({was:money} → {now:money})",
        "交易额较此前28天下降{by:percent}（{was:money} → {now:money}）",
        lambda f: _pair(f.gmv_prior_28d, f.gmv_28d, by=1 - f.gmv_28d / f.gmv_prior_28d),
    ),
    Sentence(
        "sales",
        True,
        lambda f: (f.gmv_prior_90d > 0) & (f.gmv_90d <= LESS * f.gmv_prior_90d),
        "Sales are {by:percent} below the 90 days before ({was:money} → {now:money})",
        "交易额较此前90天下降{by:percent}（{was:money} → {now:money}）",
        lambda f: _pair(f.gmv_prior_90d, f.gmv_90d, by=1 - f.gmv_90d / f.gmv_prior_90d),
    ),
    Sentence(
        "sales",
        True,
        lambda f: (f.gmv_change_on_year_90d <= -0.15) & (f.gmv_90d > 0),
        "Sales of 90 days are {by:percent} below the same days last year ({now:money} now)",
        "近90天交易额同比下降{by:percent}（现为{now:money}）",
        lambda f: {"by": -relative(f.gmv_change_on_year_90d), "now": f.gmv_90d},
    ),
    Sentence(
        "sales",
        True,
        lambda f: f.aov_change_90d <= -0.1,
        "The average order fell from {was:money} to {now:money} in 90 days",
        "近90天客单价由{was:money}降至{now:money}",
        lambda f: _pair(before(f.aov_90d, f.aov_change_90d), f.aov_90d),
    ),
    Sentence(
        "sales",
        True,
        lambda f: f.gmv_180d_rank <= 0.35,
        "Sales of {now:money} in 180 days, among the lowest {share:percent} of merchants",
        "近180天交易额{now:money}，位列最低的{share:percent}",
        lambda f: {"now": f.gmv_180d, "share": lowest(f.gmv_180d_rank)},
    ),
    Sentence(
        "sales",
        False,
        lambda f: (f.gmv_prior_28d > 0) & (f.orders_28d >= 4) & (f.gmv_28d >= MORE * f.gmv_prior_28d),
        "Sales are {by:percent} above the 28 days before ({was:money} → {now:money})",
        "交易额较此前28天增长{by:percent}（{was:money} → {now:money}）",
        lambda f: _pair(f.gmv_prior_28d, f.gmv_28d, by=f.gmv_28d / f.gmv_prior_28d - 1),
    ),
    Sentence(
        "sales",
        False,
        lambda f: (f.gmv_prior_90d > 0) & (f.gmv_90d >= MORE * f.gmv_prior_90d),
        "Sales are {by:percent} above the 90 days before ({was:money} → {now:money})",
        "交易额较此前90天增长{by:percent}（{was:money} → {now:money}）",
        lambda f: _pair(f.gmv_prior_90d, f.gmv_90d, by=f.gmv_90d / f.gmv_prior_90d - 1),
    ),
    Sentence(
        "sales",
        False,
        lambda f: f.gmv_180d_rank >= 0.65,
        "Sales of {now:money} in 180 days, among the top {share:percent} of merchants",
        "近180天交易额{now:money}，位列前{share:percent}",
        lambda f: {"now": f.gmv_180d, "share": lowest(1 - f.gmv_180d_rank)},
    ),
)

REFUNDS = (
    Sentence(
        "refunds",
        True,
        lambda f: f.refund_rate_90d >= 0.05,
        "{share:percent} of sales were refunded in 90 days ({amount:money})",
        "近90天退款率{share:percent}（{amount:money}）",
        lambda f: {"share": f.refund_rate_90d, "amount": f.refunds_amount_90d},
    ),
    Sentence(
        "refunds",
        False,
        lambda f: f.refunds_count_90d == 0,
        "No refunds in 90 days",
        "近90天没有退款",
        lambda f: {},
    ),
    Sentence(
        "refunds",
        False,
        lambda f: f.refund_rate_90d < 0.03,
        "Only {share:percent} of sales were refunded in 90 days",
        "近90天退款率仅{share:percent}",
        lambda f: {"share": f.refund_rate_90d},
    ),
)

OWN_TRADE = (*RHYTHM, *ORDERS, *SALES, *REFUNDS)
