"""What calling the first so many is worth: four numbers and the curve of the profit."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from serving.calls import USUAL
from serving.page import svg
from serving.page.board import Board
from serving.page.visit import Visit

DRAWN = 120


def callings(board: Board, number: int | None, visit: Visit) -> dict[str, Any] | None:
    """The panel for a number of calls; None for an empty list."""
    last = len(board.rows)
    if not last:
        return None
    t, f = visit.t, visit.f
    best = max(int(np.argmax(board.sums["profit"])), 1)
    chosen = min(number or min(USUAL, best), last)
    found = board.call(chosen)
    return {
        "number": chosen,
        "last": last,
        "best": best,
        "best_words": t("call_best", best=f.count(best)),
        "figures": [
            {
                "number": f.count(found["leavers"]),
                "what": t("call_caught"),
                "means": t("call_caught_means", share=f.percent(found["share_of_leavers"])),
            },
            {"number": f.count(found["wasted"]), "what": t("call_wasted"), "means": t("call_wasted_means")},
            {"number": f.count(found["saved"]), "what": t("call_saved"), "means": t("call_saved_means")},
            {"number": f.short(found["profit"]), "what": t("call_profit"), "means": t("call_profit_means", cost=f.short(found["cost"]))},
        ],
        "chart": _chart(board, chosen, best, visit),
    }


def _chart(board: Board, chosen: int, best: int, visit: Visit) -> Markup:
    """Profit by number of calls, where it is chosen and where it is highest."""
    profit = board.sums["profit"]
    last = len(profit) - 1
    places = np.unique(np.linspace(0, last, min(DRAWN, last + 1)).round().astype(int))
    low, high = min(float(profit.min()), 0.0), max(float(profit.max()), 1e-9)
    frame = svg.Frame(460, 120, low, high, last + 1, left=54, bottom=20, top=8)
    line = " ".join(f"{frame.x(place):g},{frame.y(profit[place]):g}" for place in places)
    parts = [
        frame.grid(svg.ticks(low, high, 3), visit.f.short),
        f'<polyline class="line" points="{line}"/>',
        frame.upright(chosen, "mark"),
        f'<circle class="dot" cx="{frame.x(chosen):g}" cy="{frame.y(profit[chosen]):g}" r="4"/>',
        *(
            frame.below(place, visit.f.count(place), "start" if place == 0 else "end" if place == last else "middle")
            for place in (0, last // 2, last)
        ),
    ]
    return svg.drawing(460, 120, visit.t("call_chart", best=visit.f.count(best)), *parts)
