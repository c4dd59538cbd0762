"""What `explain` answers, as lines for people, in English and Chinese."""

from __future__ import annotations

from typing import Any

from serving.movement import movement_words
from serving.reasons.numbers import Lang

MOST_APART = 4
MORE = {"outlook": ("days_to_last_order", "decline_risk", "lifetime_value"), "first order": ("activation_chance",)}
"""Lines that are told where the scores they need are known."""
MOVED: dict[str, tuple[dict[Lang, str], str]] = {
    "churn_risk": ({"en": "risk", "zh": "流失概率"}, "{:.1%}"),
    "growth_potential": ({"en": "chance to grow", "zh": "成长概率"}, "{:.1%}"),
    "expected_gmv": ({"en": "expected sales", "zh": "预期交易额"}, "{:,.0f}"),
    "points": ({"en": "points", "zh": "评分"}, "{:g}"),
    "tier": ({"en": "tier", "zh": "分层"}, "{}"),
    "stage": ({"en": "stage", "zh": "阶段"}, "{}"),
}
"""What can move from one run to the next, and how it is written; the keys are those of `serving.explain.MOVING`."""
LINES: dict[str, dict[str, str]] = {
    "en": {
        "who": "{name}: tier {tier} ({tier_words}), {stage_words}, as of {cutoff}",
        "no score": "no score: {no_score}",
        "risk": "{churn_risk:.0%} leave within the horizon ({churn_risk_two_thirds:.0%} silent through two thirds of it, "
        "{churn_risk_third:.0%} through a third); {growth_potential:.0%} chance to grow",
        "money": "expected sales {expected_gmv:,.0f} {currency} (P10 {expected_gmv_p10:,.0f}, P90 {expected_gmv_p90:,.0f}); "
        "value at risk {value_at_risk:,.2f} {currency}, expected profit of acting {expected_profit:,.2f} {currency}",
        "outlook": "about {days_to_last_order:,.0f} days to its last order; {decline_risk:.0%} chance to lose half of its usual sales; "
        "lifetime value {lifetime_value:,.0f} {currency}",
        "first order": "{activation_chance:.0%} chance of a first order soon",
        "raises": "what raises the risk:",
        "lowers": "what lowers it:",
        "warnings": "warnings: {warnings}",
        "since": "in this stage since {stage_since}, for {stage_days:,.0f} days{stuck}; in this tier since {tier_since}",
        "stuck": ", longer than nine in ten of its peers: stuck",
        "pending": "its points are those of tier {tier_pending} since {tier_pending_since}; it changes when they stay there",
        "points": "{points:g} points = {sections} (inputs worth {known:g} of 100 points are known)",
        "line": "  {points:>6}  {of:<9}  {words}",
        "of": "of {maximum:g}",
        "unmet": "{title}: no step reached",
        "unknown": "{title}: no data",
        "held": "held within 0 and 100",
        "next tier": "to tier {tier}: {points:g} points; the cheapest way: {way}",
        "no way": "to tier {tier}: {points:g} points, more than any help can bring",
        "benefits": "what tier {tier} gets: {benefits}",
        "benchmarks": "benchmark merchants ({like}): {who}; what sets them apart:",
        "any": "of any kind",
        "moved": "since {since}: {changes}",
        "still": "nothing moved",
        "next": "next: {action}",
        "explicit": "explicit value",
        "potential": "potential value",
        "growth": "growth value",
        "negative": "negative points",
        "; ": "; ",
        "colon": ": ",
    },
    "zh": {
        "who": "{name}：{tier}级（{tier_words}），{stage_words}，截至{cutoff}",
        "no score": "无评分：{no_score}",
        "risk": "预测期内流失概率{churn_risk:.0%}（前三分之二期内无单{churn_risk_two_thirds:.0%}，前三分之一期内{churn_risk_third:.0%}）；"
        "成长概率{growth_potential:.0%}",
        "money": "预期交易额{expected_gmv:,.0f} {currency}（P10 {expected_gmv_p10:,.0f}，P90 {expected_gmv_p90:,.0f}）；"
        "在险价值{value_at_risk:,.2f} {currency}，行动期望收益{expected_profit:,.2f} {currency}",
        "outlook": "预计约{days_to_last_order:,.0f}天后为最后一单；交易额减半的概率{decline_risk:.0%}；生命周期价值{lifetime_value:,.0f} {currency}",
        "first order": "近期出首单的概率{activation_chance:.0%}",
        "raises": "推高风险的原因：",
        "lowers": "降低风险的原因：",
        "warnings": "预警：{warnings}",
        "since": "自{stage_since}处于该阶段，已{stage_days:,.0f}天{stuck}；自{tier_since}处于该分层",
        "stuck": "，比九成同类更久：停滞",
        "pending": "自{tier_pending_since}起得分已达{tier_pending}级区间；若持续则调整分层",
        "points": "{points:g}分 = {sections}（已知数据占100分中的{known:g}分）",
        "line": "  {points:>6}  {of:<9}  {words}",
        "of": "满分{maximum:g}",
        "unmet": "{title}：未达任何一档",
        "unknown": "{title}：无数据",
        "held": "限于0至100分",
        "next tier": "距{tier}级还差{points:g}分；最省力的途径：{way}",
        "no way": "距{tier}级还差{points:g}分，超出可协助的范围",
        "benefits": "{tier}级权益：{benefits}",
        "benchmarks": "标杆商户（{like}）：{who}；差距：",
        "any": "全部商户",
        "moved": "自{since}以来：{changes}",
        "still": "没有变化",
        "next": "下一步：{action}",
        "explicit": "显性价值",
        "potential": "潜在价值",
        "growth": "成长价值",
        "negative": "减分",
        "; ": "；",
        "colon": "：",
    },
}
"""The lines of an explanation, in both languages."""


def explanation(facts: dict[str, Any], lang: Lang = "en") -> str:
    """What `serving.explain.explain` answers, for people."""
    words = LINES[lang]
    name = f"{facts['name']} ({facts['merchant_id']})" if facts["name"] else facts["merchant_id"]
    lines = [words["who"].format(**facts | {"name": name})]
    lines += [one["words"] for one in facts.get("overrides", [])]
    lines += [f"✓ {facts['handled']}"] if facts.get("handled") else []
    numbers = facts["scores"] | facts["money"] | {"currency": facts["currency"]}
    lines += [words["no score"].format(**facts)] if facts["no_score"] else [words[key].format(**numbers) for key in ("risk", "money")]
    lines += [words[key].format(**numbers) for key, names in MORE.items() if all(numbers.get(name) is not None for name in names)]
    for direction in ("raises", "lowers"):
        told = [row["sentence"] for row in facts["reasons"] if row["head"] == "churn" and row["direction"] == direction]
        lines += [words[direction], *(f"  {sentence}" for sentence in told)] if told else []
    if facts["warnings"]:
        lines += [words["warnings"].format(warnings=words["; "].join(row["words"] for row in facts["warnings"]))]
    lines += [*_standing(facts, words), *_scorecard(facts, words), *_tier(facts, words), *_benchmarks(facts, words)]
    raising = [row["sentence"] for row in facts["reasons"] if row["head"] == "churn" and row["direction"] == "raises"]
    lines += movement_words(facts.get("movement"), facts["scores"].get("churn_risk"), raising, lang)
    if facts["moved"]:
        changes = [_change(key, pair, lang) for key, pair in facts["moved"]["changes"].items()]
        lines += [words["moved"].format(since=facts["moved"]["cutoff"], changes=", ".join(changes) or words["still"])]
    return "\n".join([*lines, words["next"].format(**facts)])


def _standing(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Since when it is in its stage and tier."""
    history = facts["history"]
    if not history.get("stage_since") or not history.get("tier_since"):
        return []
    lines = [words["since"].format(**history | {"stuck": words["stuck"] if history["stuck"] else ""})]
    return lines + ([words["pending"].format(**history)] if history.get("tier_pending") else [])


def _scorecard(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """The points, by section and line by line, so that they add up by hand."""
    points = facts["points"]
    if points["points"] is None:
        return []
    parts = [f"{words[section]} {points[f'points_{section}']:g}" for section in ("explicit", "potential", "growth")]
    sections = " + ".join(parts) + f" − {words['negative']} {points['points_negative']:g}"
    lines = [words["points"].format(points=points["points"], sections=sections, known=points["points_known"])]
    for line in facts["scorecard"]:
        told = line["words"] or words["unmet" if line["known"] else "unknown"].format(**line)
        if line["section"] == "negative" and not line["points"]:
            continue
        lines.append(words["line"].format(points=f"{line['points']:+g}", of=words["of"].format(**line), words=told))
    counted = round(sum(line["points"] for line in facts["scorecard"]), 1)
    if counted != points["points"]:
        lines.append(words["line"].format(points=f"{points['points'] - counted:+g}", of="", words=words["held"]))
    return lines


def _tier(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """The way to the next tier, and what the present one gets."""
    found, lines = facts["next_tier"], []
    if found and found["way"] is None:
        lines.append(words["no way"].format(**found))
    elif found:
        way = words["; "].join(f"{move['words']} (+{move['points']:g})" for move in found["way"])
        lines.append(words["next tier"].format(**found | {"way": way}))
    if facts["benefits"]:
        told = words["; "].join(f"{row['words']}{words['colon']}{row['gets']}" for row in facts["benefits"])
        lines.append(words["benefits"].format(tier=facts["tier"], benefits=told))
    return lines


def _benchmarks(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Whom to learn from, and in what."""
    found = facts["benchmarks"]
    if not found or not found["merchants"]:
        return []
    like = ", ".join(map(str, found["like_it"].values())) or words["any"]
    who = ", ".join(row["merchant_id"] for row in found["merchants"])
    return [words["benchmarks"].format(like=like, who=who), *(f"  {row['words']}" for row in found["apart"][:MOST_APART])]


def _change(key: str, pair: dict[str, Any], lang: Lang) -> str:
    """What a figure, tier or stage was and is; a dash where there is none."""
    words, pattern = MOVED[key]
    was, now = ("–" if pair[end] is None else pattern.format(pair[end]) for end in ("from", "to"))
    return f"{words[lang]} {was} → {now}"
