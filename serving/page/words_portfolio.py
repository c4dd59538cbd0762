"""Words of the portfolio's page; those of its tables come with the tables."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "p_title": ("Portfolio", "商户组合"),
    "p_by": ("Compare by", "分组比较"),
    "p_by_chain": ("chain", "连锁"),
    "p_by_none": ("no comparison", "不分组"),
    "p_by_owner": ("owner", "负责人"),
    "p_by_industry": ("industry", "行业"),
    "p_by_region": ("region", "地区"),
    "p_by_channel": ("channel", "渠道"),
    "p_by_scale": ("scale", "规模"),
    "p_every": ("Cohorts by", "群组周期"),
    "p_every_quarter": ("quarter", "季度"),
    "p_every_month": ("month", "月"),
    "p_whole": ("Tables that need all merchants are left out for those who see some.", "仅能查看部分商户时，不显示需要全部商户的表格。"),
    "p_missing": ("Not shown, and why", "未显示及原因"),
    "p_empty": ("Nothing to count.", "没有可统计的内容。"),
}
