"""A look back in sentences of both languages: what the command line and the page say of one lost merchant."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from serving.reasons.numbers import Lang

WORDS: dict[str, tuple[str, str]] = {
    "lost": ("Its last order was on {last_order}; it counts as lost since {lost_on}.", "最后一单：{last_order}；{lost_on}起计为流失。"),
    "warned": ("First warned {number} days before it was lost.", "流失前{number}天首次预警。"),
    "unwarned": ("Nobody was warned before it was lost.", "流失前没有预警。"),
    "uncovered": (
        "Whether it would have been warned of is not known: no run is from before its last order.",
        "是否曾预警未知：最后一单前没有运行记录。",
    ),
    "acted": ("Acted on {number} times before that.", "此前共行动{number}次。"),
    "unacted": ("Nobody acted on it.", "未采取行动。"),
    "risk": ("The highest risk told before was {risk} of 100, on {day}.", "此前最高流失概率为每100家{risk}家（{day}）。"),
    "risk_now": ("By today's model its risk was {risk} of 100 at most, on {day}.", "按当前模型，其流失概率最高为每100家{risk}家（{day}）。"),
    "reasons": ("Reasons told for it: {reasons}.", "当时的原因：{reasons}。"),
    "reasons_now": ("By today's model, for these reasons: {reasons}.", "按当前模型，原因为：{reasons}。"),
    "cause": ("Likely cause: {cause} ({sure}).", "可能原因：{cause}（{sure}）。"),
    "no_cause": ("Why it left is not known.", "流失原因不明。"),
    "signs": ("Signs: {signs}.", "迹象：{signs}。"),
    "caught": ("What would have caught it: {caught}.", "可发现的规则：{caught}。"),
    "likes": ("Active merchants most like it: {likes}.", "相似在营商户：{likes}。"),
    "same": ("Of these, the same signs show at {same}.", "其中有相同迹象：{same}。"),
    "short": ("It sold for {number} days, from {first_order} to {last_order}, and never grew.", "仅销售{number}天（{first_order}至{last_order}），未能成长。"),
    "never": ("It joined on {joined} and never sold; it counts as lost since {lost_on}.", "{joined}入驻，从未出单；{lost_on}起计为流失。"),
    "step": ("The last step that it reached: {step}.", "到达的最后一步：{step}。"),
    "missing": ("What was missing: {missing}.", "缺少：{missing}。"),
}
DAY: dict[str, tuple[str, str]] = {
    "risk": ("risk {risk} of 100, tier {tier}", "流失概率每100家{risk}家，{tier}层"),
    "no_risk": ("no score, tier {tier}", "无评分，{tier}层"),
    "reasons": ("reasons: {reasons}", "原因：{reasons}"),
    "warning": ("warning {kind}", "预警{kind}"),
    "action": ("action: {outcome}", "行动：{outcome}"),
    "recomputed": (" (recomputed)", "（重算）"),
}
JOIN = {"en": "; ", "zh": "；"}


def told(row: dict[str, Any], lang: Lang, day: Callable[[str], str] = str, seen: Collection[str] | None = None) -> list[str]:
    """One look back as sentences.

    Parameters
    ----------
    row : one of `lost` or of `newcomers` of a look back.
    day : how a date is written.
    seen : the merchants that the reader may see; by default all.
    """
    speak = _Speech(lang)
    opening = _newcomer(row, speak, day) if row["kind"] == "newcomers" else _lost(row, speak, day)
    return [*opening, *_cause(row, speak), *_end(row, speak, seen)]


def on_a_day(one: dict[str, Any], lang: Lang) -> str:
    """One entry of a timeline in words."""
    place = lang == "zh"
    what = "no_risk" if one["what"] == "risk" and one["risk"] is None else one["what"]
    facts = one | {"risk": _of_100(one["risk"])} if what == "risk" else one
    facts = facts | {"reasons": JOIN[lang].join(one.get(f"reasons_{lang}", []))}
    return DAY[what][place].format(**facts) + (DAY["recomputed"][place] if one["is_recomputed"] else "")


class _Speech:
    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **given: Any) -> str:
        return WORDS[key][self.lang == "zh"].format(**given)

    def all(self, row: dict[str, Any], key: str, name: str) -> list[str]:
        """A sentence over a list of texts; none where the list is empty."""
        texts = row.get(f"{name}_{self.lang}") or []
        return [self(key, **{key.removesuffix("_now"): JOIN[self.lang].join(texts)})] if texts else []


def _lost(row: dict[str, Any], speak: _Speech, day: Callable[[str], str]) -> list[str]:
    lines = [speak("lost", last_order=day(row["last_order"]), lost_on=day(row["lost_on"]))]
    lines.append(speak("uncovered") if row["warned"] is None else speak("warned", number=row["days_ahead"]) if row["warned"] else speak("unwarned"))
    if row["acted_on"] is not None:
        lines.append(speak("acted", number=row["actions"]) if row["acted_on"] else speak("unacted"))
    risks = [one for one in row["timeline"] if one["what"] == "risk" and one["risk"] is not None and one["on"] < row["lost_on"]]
    if risks:
        highest = max(risks, key=lambda one: one["risk"])
        lines.append(speak("risk_now" if highest["is_recomputed"] else "risk", risk=_of_100(highest["risk"]), day=day(highest["on"])))
    reasons = [one for one in row["timeline"] if one["what"] == "reasons"]
    return lines + [line for one in reasons[-1:] for line in speak.all(one, "reasons_now" if one["is_recomputed"] else "reasons", "reasons")]


def _newcomer(row: dict[str, Any], speak: _Speech, day: Callable[[str], str]) -> list[str]:
    if row["first_order"] is not None:
        return [speak("short", number=row["days_of_sales"], first_order=day(row["first_order"]), last_order=day(row["last_order"]))]
    lines = [speak("never", joined=day(row["joined"]), lost_on=day(row["lost_on"])), speak("step", step=row[f"last_step_{speak.lang}"])]
    return lines + speak.all(row, "missing", "missing")


def _cause(row: dict[str, Any], speak: _Speech) -> list[str]:
    if row.get("cause") is None:
        return []
    cause, sure = row[f"cause_{speak.lang}"], row[f"sure_{speak.lang}"]
    named = speak("no_cause") if row["cause"] == "unknown" else speak("cause", cause=cause, sure=sure)
    return [named, *speak.all(row, "signs", "evidence")]


def _end(row: dict[str, Any], speak: _Speech, seen: Collection[str] | None) -> list[str]:
    lines = [speak("caught", caught=row[f"caught_{speak.lang}"])] if row.get(f"caught_{speak.lang}") else []
    likes = [like["merchant_id"] for like in row.get("likes", []) if seen is None or like["merchant_id"] in seen]
    same = [name for name in row.get("likes_with_same_signs", []) if name in likes]
    lines += [speak("likes", likes=", ".join(likes))] if likes else []
    return lines + ([speak("same", same=", ".join(same))] if same else [])


def _of_100(risk: float) -> str:
    return "< 1" if risk < 0.005 else "> 99" if risk > 0.995 else f"{risk * 100:.0f}"
