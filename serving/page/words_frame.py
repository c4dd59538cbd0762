"""Words around every part of the page: navigation, switches, states of the data, refusals."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "brand": ("Keepwell", "Keepwell"),
    "skip": ("To the content", "跳到内容"),
    "nav": ("Pages", "页面"),
    "nav_at_risk": ("At risk", "流失风险"),
    "nav_portfolio": ("Portfolio", "商户组合"),
    "nav_model": ("Model", "模型"),
    "find": ("Find a merchant", "查找商户"),
    "find_hint": ("name or id", "名称或编号"),
    "other_lang": ("中文", "English"),
    "theme": ("Colours", "配色"),
    "theme_auto": ("Like the system", "跟随系统"),
    "theme_light": ("Light", "浅色"),
    "theme_dark": ("Dark", "深色"),
    "sign_out": ("Sign out", "退出"),
    "signed_in": ("{name} · {role}", "{name} · {role}"),
    "role_viewer": ("viewer", "只读"),
    "role_retention": ("retention", "客户维系"),
    "role_analyst": ("analyst", "分析"),
    "role_engineer": ("engineer", "工程"),
    "role_admin": ("admin", "管理员"),
    "as_of": ("As of {day}", "截至{day}"),
    "as_of_means": ("what was known at the start of that day", "当日零时已知的数据"),
    "age_today": ("of today", "今日数据"),
    "age_one": ("{number} day old", "数据已有{number}天"),
    "age": ("{number} days old", "数据已有{number}天"),
    "run": ("run", "批次"),
    "model": ("model", "模型"),
    "stale": (
        "This data is {number} days old. Merchants may have sold, or left, since then; ask whoever runs Keepwell to type `keepwell score`.",
        "数据已有{number}天，此后商户可能已成交或流失；请让运维人员执行 `keepwell score`。",
    ),
    "failed": ("The newest run could not be read, so the one before is shown: {why}", "最新批次无法读取，暂显示上一批次：{why}"),
    "no_run_title": ("Nothing to show yet", "暂无数据"),
    "no_run_means": (
        "The list appears here as soon as a run is published: `keepwell score` reads the tables, scores every merchant and publishes the result.",
        "发布批次后，名单会显示在这里：`keepwell score` 读取数据表、为每家商户评分并发布。",
    ),
    "refused_title": ("That cannot be shown", "无法显示"),
    "missing_title": ("Nothing here", "页面不存在"),
    "back_to_list": ("Back to the list", "返回名单"),
    "footer_meaning": (
        "Risks are calibrated: of 100 merchants shown with 31, about 31 place no order in the {days} days after the cutoff.",
        "概率经过校准：标为31的商户，每100家约有31家在截止日后{days}天内没有订单。",
    ),
    "footer_reasons": (
        "Reasons say what the model looked at, not what caused it.",
        "原因说明模型依据的数据，并不代表因果。",
    ),
    "unknown": ("not known", "未知"),
    "none": ("–", "–"),
    "apply": ("Show", "查看"),
    "all": ("all", "全部"),
    "print": ("Print", "打印"),
    "chart_data": ("The numbers of this chart", "图表数据"),
}
