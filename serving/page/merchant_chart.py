"""Sales by week and risk by run over a year, with what happened marked above."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from numpy.typing import NDArray

from serving.page import svg
from serving.page.formats import as_date
from serving.page.past import Happened
from serving.page.visit import Visit

WIDTH, HEIGHT, TOP = 1240, 250, 34
MARKS = {
    "warning": "M0 -5 L5 4 L-5 4 Z",
    "act": "M0 -5 A5 5 0 1 1 -0.01 -5 Z",
    "event": "M-4 -4 H4 V4 H-4 Z",
    "change": "M0 -6 L5.5 0 L0 6 L-5.5 0 Z",
}


def chart(weeks: NDArray[np.float64], scores: pd.DataFrame, lines: Sequence[Happened], cutoff: date, visit: Visit) -> Markup:
    """The chart of one merchant.

    Parameters
    ----------
    weeks : sales of each week before the cutoff, the oldest first.
    scores : cutoff and churn_risk of each run.
    """
    t, f = visit.t, visit.f
    most = float(weeks.max()) if weeks.max() > 0 else 1.0
    frame = svg.Frame(WIDTH, HEIGHT, 0.0, most * 1.05, len(weeks) + 1, left=62, right=44, top=TOP)
    known = scores.dropna(subset=["churn_risk"])
    told = zip(known["cutoff"].tolist(), known["churn_risk"].astype(float).tolist(), strict=True)
    risk = [(_place(as_date(day), cutoff, len(weeks)), value) for day, value in told]
    risk = [(place, value) for place, value in risk if place >= 0]
    now = f.of_100(risk[-1][1]) if risk else "–"
    label = t("m_time_alt", weeks=len(weeks), most=f.short(most), last=f.short(weeks[-1]), risk=now)
    parts = [frame.grid(svg.ticks(0, most, 4), f.short), _bars(frame, weeks), _risk(frame, risk), _months(frame, cutoff, len(weeks), visit)]
    return svg.drawing(WIDTH, HEIGHT, label, *parts, _marks(frame, lines, cutoff, len(weeks), visit))


def _place(day: date, cutoff: date, weeks: int) -> float:
    """Where a day stands: the cutoff at the right end, seven days to a place."""
    return min(weeks - (cutoff - day).days / 7, weeks)


def _bars(frame: svg.Frame, weeks: NDArray[np.float64]) -> str:
    wide = max((frame.x(1) - frame.x(0)) * 0.72, 1)
    floor = frame.y(0)
    found = []
    for place, value in enumerate(weeks.tolist()):
        top = frame.y(max(value, 0))
        found.append(
            f'<rect class="bar" x="{frame.x(place + 0.5) - wide / 2:.1f}" y="{top:g}" width="{wide:.1f}" height="{max(floor - top, 0):.1f}" rx="1.5"/>'
        )
    return f'<line class="axis" x1="{frame.left:g}" x2="{frame.width - frame.right:g}" y1="{floor:g}" y2="{floor:g}"/>' + "".join(found)


def _risk(frame: svg.Frame, risk: list[tuple[float, float]]) -> str:
    """The risk on its own scale, 0 to 100 on the right."""
    own = svg.Frame(frame.width, frame.height, 0.0, 1.0, frame.count, frame.left, frame.right, frame.top, frame.bottom)
    line = " ".join(f"{own.x(place):g},{own.y(value):g}" for place, value in risk)
    dots = "".join(f'<circle class="dot second" cx="{own.x(place):g}" cy="{own.y(value):g}" r="2.6"/>' for place, value in risk)
    end = own.width - own.right + 6
    scale = "".join(f'<text class="tick" x="{end:g}" y="{own.y(value) + 4:g}">{value * 100:.0f}</text>' for value in (0, 0.5, 1))
    return f'<polyline class="line second" points="{line}"/>{dots}{scale}'


def _months(frame: svg.Frame, cutoff: date, weeks: int, visit: Visit) -> str:
    firsts = pd.date_range(end=pd.Timestamp(cutoff), periods=14, freq="MS")
    places = [(day.date(), _place(day.date(), cutoff, weeks)) for day in firsts]
    return "".join(frame.below(place, _month(day, visit)) for day, place in places if 0.5 <= place < weeks - 0.5)


def _month(day: date, visit: Visit) -> str:
    words = visit.f.short_day(day)
    name = words.split("月")[0] + "月" if visit.lang == "zh" else words.split(" ")[1]
    return f"{name} {day.year}" if day.month == 1 and visit.lang == "en" else f"{day.year}年{name}" if day.month == 1 else name


def _marks(frame: svg.Frame, lines: Sequence[Happened], cutoff: date, weeks: int, visit: Visit) -> str:
    """A sign for each day and sort of thing that happened, with the words when it is pointed at."""
    by_day: dict[tuple[date, str], list[str]] = {}
    for line in lines:
        by_day.setdefault((line.day, line.sort), []).append(line.words)
    found, taken = [], dict[int, int]()
    for (day, sort), told in sorted(by_day.items()):
        place = _place(day, cutoff, weeks)
        if place < 0:
            continue
        x = frame.x(place)
        level = taken.get(round(x / 10), 0)
        taken[round(x / 10)] = level + 1
        y = 8 + 12 * min(level, 1)
        title = escape(f"{visit.f.day(day)}: {'; '.join(told)}")
        line_below = frame.upright(place, "mark") if sort == "change" else ""
        found.append(
            f'{line_below}<path class="sign {sort}" transform="translate({x:g} {y})" d="{MARKS[sort]}"><title>{title}</title></path>'
        )
    return "".join(found)


def legend(visit: Visit) -> list[tuple[str, Markup]]:
    """What the signs mean."""
    signs = [
        (
            sort,
            Markup('<svg width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true"><path class="sign {}" d="{}"/></svg>').format(
                sort, path
            ),
        )
        for sort, path in MARKS.items()
    ]
    bars = Markup(
        '<svg width="14" height="14" aria-hidden="true" class="chart"><rect class="bar" x="2" y="3" width="9" height="10" rx="2"/></svg>'
    )
    line = Markup('<svg width="18" height="14" aria-hidden="true" class="chart"><path class="line second" d="M1 9 L17 5"/></svg>')
    return [
        (visit.t("m_legend_sales"), bars),
        (visit.t("m_legend_risk"), line),
        *((visit.t(f"m_legend_{sort}"), sign) for sort, sign in signs),
    ]
