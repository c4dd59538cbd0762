"""Words of what people do: acknowledge, assign, snooze, log an outcome, undo."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "acts": ("Act on the chosen merchants", "处理所选商户"),
    "acts_one": ("Act", "处理"),
    "chosen": ("For those chosen:", "对所选商户："),
    "a_acknowledge": ("Acknowledge", "确认"),
    "a_acknowledge_means": ("I have seen it and take care of it", "我已知悉并将跟进"),
    "a_assign": ("Assign", "分配"),
    "a_assign_to": ("Assign to", "分配给"),
    "a_snooze": ("Snooze", "暂缓"),
    "a_snooze_until": ("Snooze until", "暂缓至"),
    "a_snooze_why": ("Because", "原因"),
    "a_snooze_hint": ("it can wait because …", "可以等待，因为……"),
    "a_outcome": ("Log outcome", "登记结果"),
    "a_outcome_what": ("Outcome", "结果"),
    "a_outcome_note": ("Note", "备注"),
    "a_undo": ("Undo", "撤销"),
    "o_attempted": ("attempted", "已尝试联系"),
    "o_identified": ("identified, unresolved", "已找到原因，未解决"),
    "o_resolved": ("resolved: saved", "已解决：挽回"),
    "o_no issue": ("no issue", "没有问题"),
    "o_lost": ("lost", "已流失"),
    "o_wrong alarm": ("wrong alarm", "误报"),
    "o_business closed": ("business closed", "商户停业"),
    "did_acknowledge": ("Acknowledged {who}.", "已确认{who}。"),
    "did_assign": ("Assigned {who} to {owner}.", "已将{who}分配给{owner}。"),
    "did_snooze": ("Snoozed {who} until {day}.", "已将{who}暂缓至{day}。"),
    "did_outcome": ("Logged “{outcome}” for {who}.", "已为{who}登记“{outcome}”。"),
    "did_undo": ("Undone for {who}.", "已撤销{who}的操作。"),
    "did_part": ("{number} could not be done: {why}", "{number}家未能处理：{why}"),
    "who_many_one": ("{number} merchant", "{number}家商户"),
    "who_many": ("{number} merchants", "{number}家商户"),
    "need_chosen": ("Nobody is chosen; tick the merchants first.", "未选择商户，请先勾选。"),
    "need_reason": ("A snooze needs a reason; say why it can wait.", "暂缓需要原因，请说明为何可以等待。"),
    "need_owner": ("Say whom to assign them to.", "请填写分配给谁。"),
    "need_day": ("Nothing was put aside: give a day that is still to come.", "未暂缓：请填写今后的日期。"),
    "need_outcome": ("Choose what came of it.", "请选择结果。"),
    "may_not": ("Your role may look but not act.", "您的角色仅可查看，不能操作。"),
    "held_out": (
        "This merchant is left alone on purpose, to measure whether acting helps. If you act all the same, it is counted as such.",
        "该商户属于对照组，用于衡量行动是否有效，原则上不联系；若仍要联系，会如实计入。",
    ),
}
