"""Small charts as inline SVG: no script, no font and no file beside them; colours come from the page's style sheet.

Every chart is one string of safe markup: numbers are formatted here, and texts are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

Point = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """A drawing area: data from (0, 0) to (`right`, `top`) inside a margin, y upwards."""

    width: float
    height: float
    right: float = 1.0
    top: float = 1.0
    left_margin: float = 40.0
    bottom_margin: float = 34.0
    edge: float = 10.0

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return round(self.left_margin + value / self.right * (self.width - self.left_margin - self.edge), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return round(self.height - self.bottom_margin - value / self.top * (self.height - self.bottom_margin - self.edge), 1)

    def line(self, points: Sequence[Point], kind: str) -> str:
        """A line through points."""
        return f'<polyline class="{kind}" points="{" ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)}"/>'

    def dot(self, x: float, y: float, kind: str, radius: float = 3.5) -> str:
        """A dot."""
        return f'<circle class="{kind}" cx="{self.x(x)}" cy="{self.y(y)}" r="{radius}"/>'

    def text(self, x: float, y: float, words: str, anchor: str) -> str:
        """Words at a place in the data."""
        return _text(self.x(x), self.y(y), words, anchor)

    def grid(self, across: Sequence[float], up: Sequence[float], unit: str = "%") -> str:
        """Grid lines with their values at the left and below."""
        show = (lambda value: f"{100 * value:.0f}") if unit == "%" else compact
        rows = [f'<line class="grid" x1="{self.x(0)}" x2="{self.x(self.right)}" y1="{self.y(v)}" y2="{self.y(v)}"/>' for v in up]
        rows += [_text(self.x(0) - 6, self.y(v) + 4, show(v), "end") for v in up]
        rows += [_text(self.x(v), self.y(0) + 15, show(v)) for v in across]
        return "".join(rows)


def compact(value: float) -> str:
    """A number in few characters, to three digits.

    Examples
    --------
    >>> [compact(value) for value in (0, 950, 12_345, 4_000_000, 4_226_000)]
    ['0', '950', '12.3k', '4M', '4.23M']
    """
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            digits = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
            return (f"{scaled:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{scaled:.0f}") + letter
    return f"{value:.0f}"


def nice_top(value: float) -> float:
    """The next round number at or above a value, for the end of an axis.

    Examples
    --------
    >>> [nice_top(value) for value in (0.23, 0.61, 7, 130)]
    [0.25, 0.8, 8.0, 200.0]
    """
    if value <= 0:
        return 1.0
    size = 10.0 ** len(str(int(value))) if value >= 1 else 1.0
    while size / 10 >= value:
        size /= 10
    return next(float(f"{part * size:.12g}") for part in (0.1, 0.2, 0.25, 0.4, 0.5, 0.8, 1.0) if part * size >= value * (1 - 1e-9))


def ticks(end: float) -> list[float]:
    """Four or five equal steps from 0 to the end of an axis.

    Examples
    --------
    >>> ticks(0.25)
    [0.0, 0.05, 0.1, 0.15, 0.2, 0.25]
    """
    steps = 4 if f"{end:e}"[0] in "48" else 5
    return [float(f"{end * part / steps:.12g}") for part in range(steps + 1)]


def calibration_chart(rows: list[dict[str, Any]], name: str, end: float) -> Markup:
    """Promised against observed share of leavers, one dot per tenth with its 95 % interval; on the diagonal is right."""
    plane = Plane(240, 236, end, end, edge=16)
    drawn = [plane.grid(ticks(end), ticks(end)), plane.line([(0, 0), (end, end)], "ideal")]
    for row in rows:
        x, low, high = min(row["predicted"], end), min(row["low"], end), min(row["high"], end)
        drawn.append(plane.line([(x, low), (x, high)], "whisker"))
        drawn.append(plane.dot(x, min(row["observed"], end), "dot one"))
    drawn += [_text(plane.x(end / 2), 232, "promised, %"), _text(plane.x(0) + 5, plane.y(end) + 13, "left, %", "start")]
    return _svg(plane, f"Calibration {name}: promised against observed share of leavers", drawn)


def capture_chart(curve: list[dict[str, Any]], rate: float) -> Markup:
    """How many of the leavers, and of their GMV, are on a list of the highest risks, by the list's length."""
    plane = Plane(760, 340, left_margin=46, edge=16)
    leavers, money = (_curve(curve, name) for name in ("recall", "value_captured_by_loss"))
    drawn = [plane.grid(ticks(1), ticks(1)), plane.line([(0, 0), (1, 1)], "ideal")]
    if 0 < rate < 1:
        drawn.append(plane.line([(0, 0), (rate, 1), (1, 1)], "limit"))
    drawn += [plane.line(money, "stroke two"), plane.line(leavers, "stroke one")]
    drawn += [plane.dot(x, y, "dot one") for x, y in leavers if round(x, 2) in (0.1, 0.2, 0.3)]
    drawn += [plane.text(0.66, 0.6, "chance", "start"), _text(plane.x(0.5), 337, "called, % of merchants")]
    return _svg(plane, "Share of leavers and of their GMV caught, by share of merchants called", drawn)


def rates_chart(rows: dict[str, dict[str, Any]]) -> Markup:
    """Promised and observed share of leavers, cutoff after cutoff: how the base rate moves with the season."""
    end = nice_top(1.15 * max(max(row["churned"], row["predicted"]) for row in rows.values()))
    plane = Plane(760, 220, max(len(rows), 1), end, left_margin=46)
    places = [index + 0.5 for index in range(len(rows))]
    real = [(x, row["churned"]) for x, row in zip(places, rows.values(), strict=True)]
    told = [(x, row["predicted"]) for x, row in zip(places, rows.values(), strict=True)]
    drawn = [plane.grid([], ticks(end)), plane.line(told, "stroke two"), plane.line(real, "stroke one")]
    drawn += [plane.dot(x, y, "dot two") for x, y in told] + [plane.dot(x, y, "dot one") for x, y in real]
    drawn += _cutoff_labels(plane, list(rows))
    return _svg(plane, "Share of leavers at each cutoff, promised and observed", drawn)


def money_chart(rows: dict[str, dict[str, Any]]) -> Markup:
    """Expected beside realised GMV of the whole cohort at each cutoff."""
    end = nice_top(1.05 * max(max(row["expected_gmv"], row["realised_gmv"]) for row in rows.values()))
    plane = Plane(760, 220, max(len(rows), 1), end, left_margin=52)
    drawn = [plane.grid([], ticks(end), unit="money")]
    wide = min(0.3, 0.9 / max(len(rows), 1) + 0.1)
    for index, row in enumerate(rows.values()):
        for shift, kind, name in ((-wide, "fill two", "expected_gmv"), (0.02, "fill one", "realised_gmv")):
            left, high = plane.x(index + 0.5 + shift), plane.y(max(row[name], 0))
            right, foot = plane.x(index + 0.5 + shift + wide - 0.02), plane.y(0)
            drawn.append(
                f'<rect class="{kind}" x="{left}" y="{high}" width="{right - left:.1f}" height="{foot - high:.1f}" rx="2">'
                f"<title>{compact(row[name])}</title></rect>"
            )
    return _svg(plane, "Expected and realised GMV at each cutoff", drawn + _cutoff_labels(plane, list(rows)))


def ahead_chart(rows: dict[str, dict[str, float]]) -> Markup:
    """What the model's AUC is ahead of each peer's by, with its interval; to the right of the line it is surely better.

    Parameters
    ----------
    rows : by peer, `by`, `low` and `high` in AUC.
    """
    reach = nice_top(1.05 * max(max(abs(row["low"]), abs(row["high"])) for row in rows.values()))
    left = 0.0 if min(row["low"] for row in rows.values()) >= 0 else reach
    step = 26
    plane = Plane(760, 34 + 10 + step * len(rows), left + reach, len(rows), left_margin=170, edge=14)
    steps = [value for value in (-reach, -reach / 2, 0.0, reach / 2, reach) if value >= -left]
    drawn = [f'<line class="grid" x1="{plane.x(left + v)}" x2="{plane.x(left + v)}" y1="{plane.y(0)}" y2="{plane.y(len(rows))}"/>' for v in steps]
    drawn += [_text(plane.x(left + value), plane.y(0) + 15, f"{value:+.3g}".replace("-", "−") if value else "0") for value in steps]
    drawn.append(plane.line([(left, 0), (left, len(rows))], "limit"))
    for place, (name, row) in enumerate(rows.items()):
        height = len(rows) - place - 0.5
        drawn.append(plane.line([(left + row["low"], height), (left + row["high"], height)], "whisker"))
        drawn += [plane.dot(left + row["by"], height, "dot one"), _text(plane.x(0) - 12, plane.y(height) + 4, name, "end")]
    return _svg(plane, "What the model's AUC is ahead of each peer's by", drawn)


def share_bar(share: float | None, kind: str = "one") -> Markup:
    """A thin bar for a table cell, filled to a share."""
    width = 0.0 if share is None else max(0.0, min(1.0, share)) * 80
    return Markup(
        f'<svg class="bar" width="80" height="8" viewBox="0 0 80 8" aria-hidden="true"><rect class="track" width="80" height="8" rx="4"/>'
        f'<rect class="fill {kind}" width="{width:.1f}" height="8" rx="{min(4.0, width / 2):.1f}"/></svg>'
    )


def _curve(curve: list[dict[str, Any]], name: str) -> list[Point]:
    return [(0.0, 0.0)] + [(row["share"], row[name]) for row in curve if row[name] is not None]


def _cutoff_labels(plane: Plane, cutoffs: list[str]) -> list[str]:
    every = -(-len(cutoffs) // 8)
    return [_text(plane.x(i + 0.5), plane.y(0) + 16, cutoff) for i, cutoff in enumerate(cutoffs) if i % every == 0]


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(plane: Plane, title: str, drawn: Sequence[str]) -> Markup:
    size = f'viewBox="0 0 {plane.width:.0f} {plane.height:.0f}"'
    return Markup(f'<svg class="chart" {size} role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg>')
