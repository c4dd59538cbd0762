"""The sentences about what surrounds a merchant's own trade: buyers, subsidies, service, use; and all sentences together."""

from __future__ import annotations

import numpy as np

from serving.reasons.circumstances import CONTRACT, MARKET, PROFILE
from serving.reasons.facts import Sentence, before
from serving.reasons.sentences import OWN_TRADE

BUYERS = (
    Sentence(
        "buyers",
        True,
        lambda f: (f.buyers_change_90d <= -0.11) & (before(f.buyers_90d, f.buyers_change_90d) >= 3),
        "Buyers fell from {was:count} to {now:count} in 90 days",
        "近90天买家由{was:count}个降至{now:count}个",
        lambda f: {"was": np.round(before(f.buyers_90d, f.buyers_change_90d)), "now": f.buyers_90d},
    ),
    Sentence(
        "buyers",
        True,
        lambda f: (f.buyers_90d >= 1) & (f.buyers_90d <= 3),
        "Only {now:of buyer} in 90 days",
        "近90天仅{now:of buyer}个买家",
        lambda f: {"now": f.buyers_90d},
    ),
    Sentence(
        "buyers",
        True,
        lambda f: f.buyers_90d == 0,
        "No buyer in 90 days",
        "近90天没有买家",
        lambda f: {},
    ),
    Sentence(
        "buyers",
        True,
        lambda f: (f.buyers_90d >= 5) & (f.repeat_buyer_share_90d <= 0.2),
        "Only {share:percent} of {now:of buyer} came back in 90 days",
        "近90天{now:of buyer}个买家中仅{share:percent}复购",
        lambda f: {"share": f.repeat_buyer_share_90d, "now": f.buyers_90d},
    ),
    Sentence(
        "buyers",
        False,
        lambda f: (f.buyers_change_90d >= 0.11) & (before(f.buyers_90d, f.buyers_change_90d) >= 1),
        "Buyers rose from {was:count} to {now:count} in 90 days",
        "近90天买家由{was:count}个升至{now:count}个",
        lambda f: {"was": np.round(before(f.buyers_90d, f.buyers_change_90d)), "now": f.buyers_90d},
    ),
    Sentence(
        "buyers",
        False,
        lambda f: (f.buyers_90d >= 5) & (f.repeat_buyer_share_90d >= 0.35),
        "{share:percent} of {now:of buyer} came back in 90 days",
        "近90天{now:of buyer}个买家中{share:percent}复购",
        lambda f: {"share": f.repeat_buyer_share_90d, "now": f.buyers_90d},
    ),
)

SUBSIDY = (
    Sentence(
        "subsidy",
        True,
        lambda f: f.subsidy_share_90d >= 0.15,
        "{share:percent} of sales of 90 days was the platform's subsidy",
        "近90天补贴占交易额{share:percent}",
        lambda f: {"share": f.subsidy_share_90d},
    ),
    Sentence(
        "subsidy",
        True,
        lambda f: f.subsidised_gmv_share_90d >= 0.3,
        "{share:percent} of sales carried a subsidy in 90 days",
        "近90天{share:percent}的交易额带有补贴",
        lambda f: {"share": f.subsidised_gmv_share_90d},
    ),
    Sentence(
        "subsidy",
        True,
        lambda f: f.campaign_share_90d >= 0.4,
        "{share:percent} of sales of 90 days fell in campaigns",
        "近90天{share:percent}的交易额来自活动期间",
        lambda f: {"share": f.campaign_share_90d},
    ),
    Sentence(
        "subsidy",
        False,
        lambda f: f.subsidised_gmv_share_90d == 0,
        "Nothing that was sold in 90 days carried a subsidy",
        "近90天的交易额均不带补贴",
        lambda f: {},
    ),
    Sentence(
        "subsidy",
        False,
        lambda f: f.subsidised_gmv_share_90d <= 0.2,
        "Only {share:percent} of sales carried a subsidy in 90 days",
        "近90天仅{share:percent}的交易额带有补贴",
        lambda f: {"share": f.subsidised_gmv_share_90d},
    ),
)

SERVICE = (
    Sentence(
        "service",
        True,
        lambda f: f.tickets_open >= 1,
        "{open:of ticket} open; {opened:count} opened in 90 days",
        "{open:of ticket}个工单未解决；近90天新建{opened:count}个",
        lambda f: {"open": f.tickets_open, "opened": f.tickets_90d},
    ),
    Sentence(
        "service",
        True,
        lambda f: f.late_delivery_share_90d >= 0.15,
        "{share:percent} of deliveries were late in 90 days",
        "近90天{share:percent}的订单延迟送达",
        lambda f: {"share": f.late_delivery_share_90d},
    ),
    Sentence(
        "service",
        True,
        lambda f: f.effort_90d >= 4.5,
        "Getting help took much effort: {effort:count} of 7 in 90 days",
        "近90天获得支持费力度{effort:count}（满分7）",
        lambda f: {"effort": f.effort_90d},
    ),
    Sentence(
        "service",
        True,
        lambda f: f.rating_90d <= f.rating_365d - 0.2,
        "Reviews fell to {now:count} in 90 days, from {was:count} over the year",
        "近90天评分降至{now:count}，全年为{was:count}",
        lambda f: {"now": f.rating_90d, "was": f.rating_365d},
    ),
    Sentence(
        "service",
        True,
        lambda f: f.hours_to_resolve_90d >= 48,
        "Tickets took {hours:of hour} to resolve on average",
        "工单平均{hours:of hour}小时才解决",
        lambda f: {"hours": f.hours_to_resolve_90d},
    ),
    Sentence(
        "service",
        True,
        lambda f: f.tickets_90d >= 2,
        "{opened:of ticket} opened in 90 days",
        "近90天新建{opened:of ticket}个工单",
        lambda f: {"opened": f.tickets_90d},
    ),
    Sentence(
        "service",
        False,
        lambda f: f.tickets_90d == 0,
        "No tickets in 90 days",
        "近90天没有工单",
        lambda f: {},
    ),
    Sentence(
        "service",
        False,
        lambda f: f.late_delivery_share_90d <= 0.05,
        "Only {share:percent} of deliveries were late in 90 days",
        "近90天仅{share:percent}的订单延迟送达",
        lambda f: {"share": f.late_delivery_share_90d},
    ),
)

ENGAGEMENT = (
    Sentence(
        "engagement",
        True,
        lambda f: f.days_since_last_login >= 14,
        "No login for {days:of day}",
        "已{days:of day}天没有登录",
        lambda f: {"days": f.days_since_last_login},
    ),
    Sentence(
        "engagement",
        True,
        lambda f: (f.logins_change_28d <= -0.11) & (before(f.logins_28d, f.logins_change_28d) >= 5),
        "Logins fell from {was:count} to {now:count} since {since:date}",
        "自{since:date}以来，登录由{was:count}次降至{now:count}次",
        lambda f: {"was": np.round(before(f.logins_28d, f.logins_change_28d)), "now": f.logins_28d, "since": f.days(-28)},
    ),
    Sentence(
        "engagement",
        True,
        lambda f: (f.logins_28d >= 1) & (f.logins_28d <= 4),
        "Only {now:of login} in 28 days",
        "近28天仅登录{now:of login}次",
        lambda f: {"now": f.logins_28d},
    ),
    Sentence(
        "engagement",
        True,
        lambda f: f.logins_28d == 0,
        "No login in 28 days",
        "近28天没有登录",
        lambda f: {},
    ),
    Sentence(
        "engagement",
        False,
        lambda f: (f.logins_28d >= 5) & (f.active_users_28d >= 1),
        "{now:of login} in 28 days by {users:of user}",
        "近28天{users:of user}人登录{now:of login}次",
        lambda f: {"now": f.logins_28d, "users": f.active_users_28d},
    ),
)

SENTENCES: tuple[Sentence, ...] = (*OWN_TRADE, *BUYERS, *SUBSIDY, *SERVICE, *ENGAGEMENT, *CONTRACT, *MARKET, *PROFILE)
