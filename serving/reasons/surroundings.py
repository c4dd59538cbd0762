"""The sentences about what surrounds a merchant's own trade: buyers, subsidies, service, use, contract, market, profile."""

from __future__ import annotations

import numpy as np

from serving.reasons.facts import Sentence, before, lowest, relative
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
        lambda f: f.buyers_90d <= 3,
        "Only {now:of buyer} in 90 days",
        "近90天仅{now:of buyer}个买家",
        lambda f: {"now": f.buyers_90d},
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
        lambda f: f.logins_28d <= 4,
        "Only {now:of login} in 28 days",
        "近28天仅登录{now:of login}次",
        lambda f: {"now": f.logins_28d},
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

CONTRACT = (
    Sentence(
        "contract",
        True,
        lambda f: (f.contract_days_left >= 0) & (f.contract_days_left <= 90),
        "The contract ends on {end:date}, in {days:of day}",
        "合同将于{end:date}到期，还剩{days:of day}天",
        lambda f: {"end": f.contract_days_left, "days": f.contract_days_left},
    ),
    Sentence(
        "contract",
        True,
        lambda f: f.contract_days_left < 0,
        "The contract ended {days:of day} ago",
        "合同已到期{days:of day}天",
        lambda f: {"days": -f.contract_days_left},
    ),
    Sentence(
        "contract",
        False,
        lambda f: f.contract_days_left > 90,
        "The contract runs for another {days:of day}",
        "合同还有{days:of day}天到期",
        lambda f: {"days": f.contract_days_left},
    ),
)

MARKET = (
    Sentence(
        "market",
        True,
        lambda f: (f.gmv_change_vs_industry_90d <= -0.1) & (f.gmv_change_90d < 0),
        "Sales {own:change} on the 90 days before, the industry's {others:change}",
        "交易额较此前90天{own:change}，同期行业{others:change}",
        lambda f: {"own": relative(f.gmv_change_90d), "others": relative(f.industry_change_90d)},
    ),
    Sentence(
        "market",
        True,
        lambda f: f.industry_change_90d <= -0.05,
        "The whole industry's sales fell by {by:percent} on the 90 days before",
        "整个行业交易额较此前90天下降{by:percent}",
        lambda f: {"by": -relative(f.industry_change_90d)},
    ),
    Sentence(
        "market",
        True,
        lambda f: f.gmv_rank_in_industry <= 0.35,
        "Among the lowest {share:percent} of its industry by sales of 90 days",
        "近90天交易额位列行业最低的{share:percent}",
        lambda f: {"share": lowest(f.gmv_rank_in_industry)},
    ),
    Sentence(
        "market",
        True,
        lambda f: f.orders_90d_rank <= 0.35,
        "Among the lowest {share:percent} of merchants by orders of 90 days",
        "近90天订单数位列最低的{share:percent}",
        lambda f: {"share": lowest(f.orders_90d_rank)},
    ),
    Sentence(
        "market",
        False,
        lambda f: (f.gmv_change_vs_industry_90d >= 0.1) & (f.gmv_change_90d > 0),
        "Sales {own:change} on the 90 days before, the industry's {others:change}",
        "交易额较此前90天{own:change}，同期行业{others:change}",
        lambda f: {"own": relative(f.gmv_change_90d), "others": relative(f.industry_change_90d)},
    ),
    Sentence(
        "market",
        False,
        lambda f: f.gmv_rank_in_industry >= 0.65,
        "Among the top {share:percent} of its industry by sales of 90 days",
        "近90天交易额位列行业前{share:percent}",
        lambda f: {"share": lowest(1 - f.gmv_rank_in_industry)},
    ),
    Sentence(
        "market",
        False,
        lambda f: f.orders_90d_rank >= 0.65,
        "Among the top {share:percent} of merchants by orders of 90 days",
        "近90天订单数位列前{share:percent}",
        lambda f: {"share": lowest(1 - f.orders_90d_rank)},
    ),
)

PROFILE = (
    Sentence(
        "profile",
        True,
        lambda f: f.tenure_days <= 180,
        "Joined only {days:of day} ago",
        "入驻仅{days:of day}天",
        lambda f: {"days": f.tenure_days},
    ),
    Sentence(
        "profile",
        False,
        lambda f: f.tenure_days >= 365,
        "On the platform for {years:of year}",
        "入驻已{years:of year}年",
        lambda f: {"years": f.tenure_days / 365.25},
    ),
)

SENTENCES: tuple[Sentence, ...] = (*OWN_TRADE, *BUYERS, *SUBSIDY, *SERVICE, *ENGAGEMENT, *CONTRACT, *MARKET, *PROFILE)
