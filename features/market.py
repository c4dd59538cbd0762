"""The world outside: how the industry, the region and the whole market move, and where the merchant stands among its peers."""

from features.declare import feature
from features.verbs import Column


@feature(unit="share", reason=("change of the whole market's sales over 28 days", "大盘近28天交易额变化"))
def market_change_28d(gmv_28d: Column, gmv_prior_28d: Column) -> Column:
    """Change of all merchants' GMV, the last 28 days against the 28 before."""
    return gmv_28d.total_among().change_from(gmv_prior_28d.total_among())


@feature(unit="share", reason=("change of the whole market's sales over 90 days", "大盘近90天交易额变化"))
def market_change_90d(gmv_90d: Column, gmv_prior_90d: Column) -> Column:
    """Change of all merchants' GMV, the last 90 days against the 90 before."""
    return gmv_90d.total_among().change_from(gmv_prior_90d.total_among())


@feature(unit="share", reason=("change of the industry's sales over 28 days", "行业近28天交易额变化"))
def industry_change_28d(gmv_28d: Column, gmv_prior_28d: Column) -> Column:
    """Change of the GMV of the merchant's industry, the last 28 days against the 28 before."""
    return gmv_28d.total_among("industry").change_from(gmv_prior_28d.total_among("industry"))


@feature(unit="share", reason=("change of the industry's sales over 90 days", "行业近90天交易额变化"))
def industry_change_90d(gmv_90d: Column, gmv_prior_90d: Column) -> Column:
    """Change of the GMV of the merchant's industry, the last 90 days against the 90 before."""
    return gmv_90d.total_among("industry").change_from(gmv_prior_90d.total_among("industry"))


@feature(unit="share", reason=("change of the region's sales over 90 days", "地区近90天交易额变化"))
def region_change_90d(gmv_90d: Column, gmv_prior_90d: Column) -> Column:
    """Change of the GMV of the merchant's region, the last 90 days against the 90 before."""
    return gmv_90d.total_among("region").change_from(gmv_prior_90d.total_among("region"))


@feature(unit="share", reason=("own change of sales against the market's over 28 days", "近28天交易额变化相对大盘"))
def gmv_change_vs_market_28d(gmv_change_28d: Column, market_change_28d: Column) -> Column:
    """Own change of GMV minus the whole market's, 28 days."""
    return gmv_change_28d - market_change_28d


@feature(unit="share", reason=("own change of sales against the industry's over 28 days", "近28天交易额变化相对行业"))
def gmv_change_vs_industry_28d(gmv_change_28d: Column, industry_change_28d: Column) -> Column:
    """Own change of GMV minus the industry's, 28 days: below zero it loses ground."""
    return gmv_change_28d - industry_change_28d


@feature(unit="share", reason=("own change of sales against the industry's over 90 days", "近90天交易额变化相对行业"))
def gmv_change_vs_industry_90d(gmv_change_90d: Column, industry_change_90d: Column) -> Column:
    """Own change of GMV minus the industry's, 90 days: below zero it loses ground."""
    return gmv_change_90d - industry_change_90d


@feature(unit="share", reason=("own change of sales against the region's over 90 days", "近90天交易额变化相对地区"))
def gmv_change_vs_region_90d(gmv_change_90d: Column, region_change_90d: Column) -> Column:
    """Own change of GMV minus the region's, 90 days."""
    return gmv_change_90d - region_change_90d


@feature(unit="share", reason=("rank by sales of 90 days among all merchants", "近90天交易额全市场排位"))
def gmv_90d_rank(gmv_90d: Column) -> Column:
    """Share of all merchants with less GMV over 90 days."""
    return gmv_90d.rank_among()


@feature(unit="share", reason=("rank by sales of 180 days among all merchants", "近180天交易额全市场排位"))
def gmv_180d_rank(gmv_180d: Column) -> Column:
    """Share of all merchants with less GMV over 180 days."""
    return gmv_180d.rank_among()


@feature(unit="share", reason=("rank by orders of 90 days among all merchants", "近90天订单数全市场排位"))
def orders_90d_rank(orders_90d: Column) -> Column:
    """Share of all merchants with fewer orders over 90 days."""
    return orders_90d.rank_among()


@feature(unit="share", reason=("rank by sales of 90 days in the industry", "近90天交易额行业排位"))
def gmv_rank_in_industry(gmv_90d: Column) -> Column:
    """Share of the industry's merchants with less GMV over 90 days."""
    return gmv_90d.rank_among("industry")


@feature(unit="share", reason=("rank by change of sales in the industry", "近90天交易额变化行业排位"))
def gmv_change_rank_in_industry(gmv_change_90d: Column) -> Column:
    """Share of the industry's merchants whose GMV over 90 days changed for the worse."""
    return gmv_change_90d.rank_among("industry")


@feature(unit="ratio", reason=("order rhythm against the industry's", "下单间隔相对行业中位"))
def gap_vs_industry(gap_mean: Column) -> Column:
    """Own mean gap between days with orders over the industry's median one."""
    return gap_mean / gap_mean.median_among("industry")


@feature(unit="share", reason=("change of sales of the whole chain over 90 days", "所属连锁近90天交易额变化"))
def chain_change_90d(gmv_90d: Column, gmv_prior_90d: Column) -> Column:
    """Change of the GMV of all merchants with the same parent, the last 90 days against the 90 before."""
    return gmv_90d.total_among("parent_id").change_from(gmv_prior_90d.total_among("parent_id"))
