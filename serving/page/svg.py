"""Small drawings as inline SVG: colours come from the style sheet by class, so they follow light, dark and print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

SPARK = (96, 26)
METER = 64


def drawing(width: float, height: float, label: str, *parts: str, css: str = "chart") -> Markup:
    """An SVG that names itself to those who cannot see it; without a label it is decoration."""
    named = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return Markup(f'<svg class="{escape(css)}" {size} {named}>{"".join(parts)}</svg>')


def points(values: NDArray[np.float64], width: float, height: float, pad: float = 2.0) -> list[tuple[float, float]]:
    """Places of values from zero at the bottom to the most at the top."""
    most = float(values.max()) if len(values) else 0.0
    step = (width - 2 * pad) / max(len(values) - 1, 1)
    scale = (height - 2 * pad) / most if most > 0 else 0.0
    return [(round(pad + place * step, 1), round(height - pad - max(value, 0.0) * scale, 1)) for place, value in enumerate(values.tolist())]


def spark(values: NDArray[np.float64], label: str) -> Markup:
    """A line of some weeks, its area and its last point."""
    width, height = SPARK
    found = points(values, width, height, 3)
    line = " ".join(f"{x:g},{y:g}" for x, y in found)
    (x0, _), (x, y) = found[0], found[-1]
    floor = height - 3
    parts = (
        f'<polygon class="area" points="{x0:g},{floor} {line} {x:g},{floor}"/>',
        f'<polyline class="line" points="{line}"/>',
        f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="2.2"/>',
    )
    return drawing(width, height, label, *parts, css="spark")


def meter(share: float, level: str, width: float = METER) -> Markup:
    """A share as a bar of its full width; the number stands beside it."""
    filled = round(width * min(max(share, 0.0), 1.0), 1)
    parts = [f'<rect class="track" width="{width:g}" height="5" rx="2.5"/>']
    parts += [f'<rect class="fill" width="{max(filled, 3):g}" height="5" rx="2.5"/>'] if share > 0 else []
    return drawing(width, 5, "", *parts, css=f"meter {level}")


def signed_bar(value: float, most: float, width: float = 120, height: float = 10) -> Markup:
    """A bar to the right for what raises, to the left for what lowers."""
    half = width / 2
    size = round(half * min(abs(value) / most, 1.0), 1) if most > 0 else 0.0
    x = half if value >= 0 else half - size
    css = "raises" if value >= 0 else "lowers"
    parts = (
        f'<rect class="{css}" x="{x:g}" y="1" width="{max(size, 1):g}" height="{height - 2:g}" rx="2"/>',
        f'<line class="axis" x1="{half:g}" x2="{half:g}" y1="0" y2="{height:g}"/>',
    )
    return drawing(width, height, "", *parts, css="signed")


@dataclass(frozen=True)
class Frame:
    """The inside of a chart: maps values to places; the space on the left and below is for ticks."""

    width: float
    height: float
    low: float
    high: float
    count: int
    left: float = 52
    right: float = 12
    top: float = 12
    bottom: float = 22

    def x(self, place: float) -> float:
        """Where the value of a place stands, from 0 to `count` − 1."""
        return round(self.left + (self.width - self.left - self.right) * (place / max(self.count - 1, 1)), 1)

    def y(self, value: float) -> float:
        """How high a value is."""
        span = self.high - self.low or 1.0
        return round(self.height - self.bottom - (self.height - self.top - self.bottom) * (value - self.low) / span, 1)

    def line(self, values: Sequence[float], css: str = "line") -> str:
        """A line through values; a missing one interrupts it."""
        parts: list[list[str]] = [[]]
        for place, value in enumerate(values):
            if value != value:
                parts.append([])
            else:
                parts[-1].append(f"{self.x(place):g},{self.y(value):g}")
        return "".join(f'<polyline class="{css}" points="{" ".join(part)}"/>' for part in parts if part)

    def grid(self, ticks: Sequence[float], written: Callable[[float], str]) -> str:
        """Horizontal lines with what they stand for."""
        end = self.width - self.right
        return "".join(
            f'<line class="grid" x1="{self.left:g}" x2="{end:g}" y1="{self.y(tick):g}" y2="{self.y(tick):g}"/>'
            f'<text class="tick" x="{self.left - 6:g}" y="{self.y(tick) + 4:g}" text-anchor="end">{escape(written(tick))}</text>'
            for tick in ticks
        )

    def below(self, place: float, text: str, anchor: str = "middle") -> str:
        """A word below the chart."""
        return f'<text class="tick" x="{self.x(place):g}" y="{self.height - 6:g}" text-anchor="{anchor}">{escape(text)}</text>'

    def upright(self, place: float, css: str) -> str:
        """A line from top to bottom."""
        return f'<line class="{css}" x1="{self.x(place):g}" x2="{self.x(place):g}" y1="{self.top:g}" y2="{self.height - self.bottom:g}"/>'


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers from low to high, at most about so many.

    Examples
    --------
    >>> ticks(0, 870), ticks(0, 0)
    ([0.0, 250.0, 500.0, 750.0], [0.0])
    """
    if high <= low:
        return [float(low)]
    raw = (high - low) / most
    size = 10 ** np.floor(np.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw)
    first = np.ceil(low / step)
    return [float(step * number) for number in np.arange(first, np.floor(high / step) + 1)]
