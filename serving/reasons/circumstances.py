"""The sentences about a merchant's circumstances: contract, market, profile."""

from __future__ import annotations

from serving.reasons.facts import Sentence, lowest, relative

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
        lambda f: f.contract_days_left < -180,
        "Without a contract since {end:date}",
        "自{end:date}起没有合同",
        lambda f: {"end": f.contract_days_left},
    ),
    Sentence(
        "contract",
        True,
        lambda f: (f.contract_days_left < 0) & (f.contract_days_left >= -180),
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
