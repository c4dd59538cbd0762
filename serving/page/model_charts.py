"""The drawings of the model's page: metrics by date, told against happened, and gains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from serving.page import svg
from serving.page.judged import Judged
from serving.page.visit import Visit

SQUARE = (420, 300)


def calibration_chart(found: Judged, visit: Visit) -> Markup:
    """Told against happened, a dot for each class, as large as it has merchants."""
    f = visit.f
    high = max(float(found.told.max()), float(found.happened.max()), 0.1)
    frame = svg.Frame(*SQUARE, 0.0, high, 101, left=46, bottom=34)
    dots = "".join(
        f'<circle class="dot" cx="{frame.x(told / high * 100):g}" cy="{frame.y(happened):g}" r="4.5"/>'
        for told, happened in zip(found.told.tolist(), found.happened.tolist(), strict=True)
    )
    line = f'<polyline class="line faint" points="{frame.x(0):g},{frame.y(0):g} {frame.x(100):g},{frame.y(high):g}"/>'
    below = "".join(frame.below(tick / high * 100, f.percent(tick)) for tick in svg.ticks(0, high, 4))
    pairs = "; ".join(
        f"{f.percent(told)} → {f.percent(happened)}" for told, happened in zip(found.told.tolist(), found.happened.tolist(), strict=True)
    )
    label = visit.t("o_calibration_alt", pairs=pairs)
    return svg.drawing(*SQUARE, label, frame.grid(svg.ticks(0, high, 4), f.percent), line, dots, below)


def gain_chart(found: Judged, visit: Visit) -> Markup:
    """The share of leavers caught by the share of the list that is called."""
    f = visit.f
    frame = svg.Frame(*SQUARE, 0.0, 1.0, len(found.caught), left=46, bottom=34)
    chance = f'<polyline class="line faint" points="{frame.x(0):g},{frame.y(0):g} {frame.x(100):g},{frame.y(1):g}"/>'
    below = "".join(frame.below(place, f.percent(place / 100)) for place in (0, 25, 50, 75, 100))
    label = visit.t("o_gain_alt", tenth=f.percent(found.caught[10]), fifth=f.percent(found.caught[20]))
    parts = (frame.grid((0, 0.25, 0.5, 0.75, 1), f.percent), chance, frame.line(found.caught.tolist()), below)
    return svg.drawing(*SQUARE, label, *parts)


def time_chart(cutoffs: Sequence[str], auc: Sequence[float], visit: Visit) -> Markup:
    """AUC by cutoff."""
    f = visit.f
    values = np.array(auc)
    low, high = max(float(values.min()) - 0.03, 0.0), min(float(values.max()) + 0.03, 1.0)
    frame = svg.Frame(620, 200, low, high, len(values), left=46, right=46, bottom=26)
    dots = "".join(
        f'<circle class="dot" cx="{frame.x(place):g}" cy="{frame.y(value):g}" r="4"/>'
        f'<text class="strong" x="{frame.x(place):g}" y="{frame.y(value) - 9:g}" text-anchor="middle">{f.number(value)}</text>'
        for place, value in enumerate(values.tolist())
    )
    below = "".join(frame.below(place, f.short_day(cutoff)) for place, cutoff in enumerate(cutoffs))
    label = visit.t("o_time_alt", first=f.number(values[0]), last=f.number(values[-1]))
    return svg.drawing(
        620, 200, label, frame.grid(svg.ticks(low, high, 3), lambda tick: f.number(tick, 2)), frame.line(values.tolist()), dots, below
    )
