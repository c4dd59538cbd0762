"""The signs that causes of leaving are told by, cause by cause. To add a sign, add a function.

Each says what to look at in a merchant's last six weeks, and how large a move would be plain to anybody. The sizes follow from what the cause
means, not from any market; what is usual is learnt from the market (`serving.retrospect_weighing`).

* service: more tickets, hard ones; late deliveries; worse reviews; goods sent back.
* price: subsidy in place of own sales, smaller baskets, tickets about fees, sales that ended with a campaign.
* rival: sales fall while those of the industry and region do not; people still log in, for fewer things; tickets about another platform.
* season: the coming weeks of last year brought next to nothing, nearly all was sold in one season, the industry's season turns.
* product fit: goods sent back though service is as ever, shorter orders.
* business closed: all was well and then it stopped: it sold and used as much as ever, no cause shows, and nobody cancelled the contract;
  or the other stores of its chain stopped in the same weeks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from serving.retrospect_evidence import AHEAD, AMONG, BEFORE, LATE, NOW, SEASON, WEEK, YEAR
from serving.retrospect_weighing import FOR, Facts, Frame, Moves, Numbers, Reading, Sign, surge

CLOSED = "business closed"
FEW_ORDERS = 5
RECENT = 90
"""Days in which a cancelled contract belongs to this leaving."""
EVEN_CHANCE = 1.0
"""Most that a sign may weigh which many others share: e to one."""
SEEN, SEEN_CANCELLED, WITH_REASON = 7, 3, 6 / 7
"""What is thought of cancelling before anything is known: of seven who left, six had a reason, and half of those cancelled."""
Read = Callable[[Frame], Reading]
SIGNS: dict[str, Sign] = {}


def sign(*causes: str, en: str, zh: str, **sizes: Any) -> Callable[[Read], Read]:
    """Declare a function as a sign of causes, with its words in both languages; `sizes` are the further fields of a `Sign`."""

    def declared(read: Read) -> Read:
        SIGNS[read.__name__] = Sign(read.__name__, causes, en, zh, read, **sizes)
        return read

    return declared


@sign("service", en="{value:.0f} tickets in six weeks, far above its usual", zh="六周内工单{value:.0f}个，远超平常")
def tickets(f: Frame) -> Facts:
    """Twice as many as usual and two more would be plain."""
    return Facts(f["tickets_now"], surge(f["tickets_now"], np.maximum(f["tickets_before"] * NOW / BEFORE, 0.3), 2.0))


@sign("service", plain=1.5, usual=1.5, en="help cost an effort of {value:.1f} of 7", zh="获得支持的费力度{value:.1f}（满分7）")
def effort(f: Frame) -> Moves:
    """From the middle of the scale, or what is usual on this platform."""
    return Moves(f["effort_now"], f["effort_now"] - 4, 1 / np.sqrt(f["resolved_now"]))


@sign("service", plain=0.15, en="late deliveries rose by {value:.0%} of all", zh="延迟送达占比上升{value:.0%}")
def late(f: Frame) -> Moves:
    """The share of late ones, with the error of a difference between two shares."""
    now, before = f["delivered_now"], f["delivered_before"]
    share = (f["late_now"] * now + f["late_before"] * before + 1) / (now + before + 2)
    moved = f["late_now"] - f["late_before"]
    return Moves(moved, moved, np.sqrt(share * (1 - share)) * _two(now, before))


@sign("service", plain=1.0, en="its rating moved by {value:+.1f}", zh="评分变化{value:+.1f}")
def rating(f: Frame) -> Moves:
    """A whole star would be plain."""
    moved = f["rating_now"] - f["rating_before"]
    return Moves(moved, -moved, _two(f["reviews_now"], f["reviews_before"]))


@sign("service", "product fit", plain=0.10, usual=0.5, en="refunds rose by {value:.0%} of its sales", zh="退款率上升{value:.0%}")
def refunds(f: Frame) -> Moves:
    """Goods come back late or unwanted; which of the two, the other signs of service tell."""
    moved = f["refunds_now"] - f["refunds_before"]
    return Moves(moved, moved, _two(f["orders_now"], f["orders_before"]))


@sign("product fit", plain=0.35, usual=0.6, en="its orders had {value:.0%} fewer lines", zh="每单行数减少{value:.0%}")
def lines(f: Frame) -> Moves:
    """Three lines in ten fewer would be plain."""
    moved = np.log(f["lines_before"] / f["lines_now"])
    return Moves(1 - np.exp(-moved), moved, _two(f["orders_now"], f["orders_before"]))


@sign("price", en="{value:.0f} tickets about fees in six weeks", zh="六周内费用类工单{value:.0f}个")
def fees(f: Frame) -> Facts:
    """Twice as many as usual and one more would be plain."""
    return Facts(f["about_fees"], surge(f["about_fees"], np.maximum(f["about_fees_before"] * NOW / BEFORE, 0.1), 1.0))


@sign("price", plain=0.10, usual=0.3, en="subsidy rose by {value:.0%} of its sales", zh="补贴占交易额上升{value:.0%}")
def subsidy(f: Frame) -> Moves:
    """The platform's money in place of the merchant's own sales: a tenth of them would be plain."""
    moved = f["subsidy_now"] - f["subsidy_before"]
    return Moves(moved, moved, _two(f["orders_now"], f["orders_before"]))


@sign("price", plain=0.25, usual=0.6, en="its average order fell by {value:.0%}", zh="客单价下降{value:.0%}")
def basket(f: Frame) -> Moves:
    """A fifth less an order would be plain."""
    moved = np.log(f["gmv_before"] / f["orders_before"]) - np.log(f["gmv_now"] / f["orders_now"])
    return Moves(1 - np.exp(-moved), moved, _two(f["orders_now"], f["orders_before"]))


@sign("price", en="{value:.0%} of its sales came in campaigns, and the last had just ended", zh="{value:.0%}的交易额来自活动，且活动刚结束")
def campaign(f: Frame) -> Facts:
    """Speaks for price from two fifths on, and twenty to one where campaigns sold nine tenths."""
    share = np.where(f["days_since_campaign_end"] <= NOW, f["campaign_share_90d"], np.nan)
    return Facts(share, 6 * (share - 0.4))


@sign("rival", plain=float(np.log(2)), en="its orders fell by {value:.0%} against its industry's and region's", zh="订单相对同行业、同地区下降{value:.0%}")
def fall(f: Frame) -> Moves:
    """Half would be plain."""
    return _fallen(f, "orders_now", NOW)


@sign("rival", plain=0.4, usual=0.5, en="it used {value:.0%} fewer functions than before", zh="使用的功能减少{value:.0%}")
def functions(f: Frame) -> Moves:
    """Against those that as many logins would have used before, had each been as likely."""
    used, logins = f["functions_before"], f["logins_now"]
    moved = 1 - f["functions_now"] / (used * (1 - (1 - 1 / np.maximum(used, 1)) ** logins))
    return Moves(moved, np.where((used >= 2) & (logins >= 2), moved, np.nan), 1 / np.sqrt(logins))


@sign("rival", en="{value:.0f} tickets about another platform", zh="{value:.0f}个工单提及其他平台")
def topic(f: Frame) -> Facts:
    """One is as good as any number."""
    return Facts(f["about_rival"], FOR * np.minimum(f["about_rival"], 1))


@sign(
    "season",
    plain=float(np.log(4)),
    en="last year the coming eight weeks brought {value:.0%} of an even share",
    zh="去年同期未来八周仅为平均水平的{value:.0%}",
)
def ahead(f: Frame) -> Moves:
    """A quarter of an even share would be plain."""
    even = np.minimum(f["year"] * AHEAD / YEAR, f["year_ago"])  # a young merchant sold less last year anyway
    moved = np.log((even + 0.5) / (f["ahead"] + 0.5))
    is_known = (f["age"] >= YEAR) & (even >= FEW_ORDERS)
    return Moves(f["ahead"] / even, np.where(is_known, moved, np.nan), np.sqrt(WEEK / AHEAD + 1 / (even + 0.5)))


@sign("season", plain=float(np.log(8)), en="{value:.0%} of its year's orders came in its last twenty weeks", zh="全年订单的{value:.0%}集中在最后二十周")
def burst(f: Frame) -> Moves:
    """An eighth of what its industry would have had it sell in the rest of the year would be plain."""
    rest = np.minimum(f["age"] - SEASON, YEAR - SEASON) / (YEAR - SEASON) * f["season"]
    rest = rest * (f["industry_year"] - f["industry_season"]) / f["industry_season"]
    moved = np.log((rest + 0.5) / (f["year"] - f["season"] + 0.5))
    is_known = (f["age"] >= 2 * SEASON) & (rest >= FEW_ORDERS)
    return Moves(f["season"] / f["year"], np.where(is_known, moved, np.nan), np.sqrt(WEEK / SEASON + 1 / (rest + 0.5)))


@sign(
    "season",
    plain=float(np.log(2)),
    most=EVEN_CHANCE,
    en="its industry sold {value:.0%} less in the coming eight weeks of last year than now",
    zh="其行业去年未来八周的订单比当前少{value:.0%}",
)
def turn(f: Frame) -> Moves:
    """Half would be plain; it is the same for all of an industry, so it weighs little."""
    now, coming = f["industry_orders_now"] / NOW, f["industry_ahead"] / AHEAD
    return Moves(1 - coming / now, np.where(f["reach"] >= YEAR, np.log(now / coming), np.nan))


@sign(CLOSED, most=EVEN_CHANCE, least=-FOR, en="its contract ran on for {value:.0f} days and nobody cancelled it", zh="合同还有{value:.0f}天到期，无人取消")
def contract(f: Frame) -> Facts:
    """Who closes does not think of cancelling, so a cancelled contract all but excludes it. That one runs on says the more, the more of the
    others who left did cancel; nothing where nobody ever does.
    """
    is_cancelled = f["cancelled"] <= RECENT
    is_running = (f["contract_days_left"] > 0) & ~is_cancelled
    others = is_cancelled.sum() + is_running.sum() - 1
    share = (is_cancelled.sum() + SEEN_CANCELLED) / ((others + SEEN) * WITH_REASON)
    speaks_for = -np.log(1 - min(share, 1 - np.exp(-FOR)))
    return Facts(f["contract_days_left"], np.where(is_cancelled, -FOR, np.where(is_running, speaks_for, 0)))


@sign(CLOSED, en="{value:.0f} more stores of its chain stopped in the same weeks", zh="同一连锁另有{value:.0f}家门店同期停售")
def chain(f: Frame) -> Facts:
    """One is as good as any number."""
    return Facts(f["chain_stopped"], FOR * np.minimum(f["chain_stopped"], 1))


@sign(
    CLOSED,
    plain=float(np.log(2)),
    most=EVEN_CHANCE,
    is_contrary=True,
    en="it sold as ever until its last order",
    zh="直到最后一单，销售一直正常",
)
def held(f: Frame) -> Reading:
    """The contrary of a fall, over twelve weeks: that nothing changed takes more orders to see than that something did."""
    return _fallen(f, "orders_late", LATE)


@sign(CLOSED, plain=0.4, usual=0.5, most=EVEN_CHANCE, least=0, is_contrary=True, en="its people used the platform as ever", zh="平台使用一直正常")
def present(f: Frame) -> Reading:
    """The contrary of using fewer functions, which itself speaks for a rival and need not speak against closing once more."""
    return functions(f)


def _two(now: Numbers, before: Numbers) -> Numbers:
    """The error of a difference between means of so many."""
    return np.sqrt(1 / now + 1 / before)


def _fallen(f: Frame, name: str, days: int) -> Moves:
    """How far the orders of the last days fell. Its own weeks before say how wild they can be by chance."""
    expected = f["orders_before"] * days / BEFORE * np.exp(_among(f, name, days))
    moved = np.log((expected + 0.5) / (f[name] + 0.5))
    error = np.sqrt(f["bursts"] ** 2 * (WEEK / days + WEEK / BEFORE) + 1 / (expected + 0.5))
    return Moves(1 - np.exp(-moved), np.where(f["orders_before"] >= FEW_ORDERS, moved, np.nan), error)


def _among(f: Frame, name: str, days: int) -> Numbers:
    """How much more (in logs) the merchant's industry and its region sell now than before; what the whole market does is in both, and counts once."""

    def grown(group: str) -> Numbers:
        return np.log((f[f"{group}_{name}"] / days + 1e-9) / (f[f"{group}_orders_before"] / BEFORE + 1e-9))

    return grown(AMONG[0]) + grown(AMONG[1]) - grown("market")
