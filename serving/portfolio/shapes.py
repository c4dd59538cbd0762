"""The shapes of the portfolio's plots: bars, a pyramid, a grid of shades, lines; colours by class, as in `serving.page.svg`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from serving.page.svg import Frame, drawing, ticks

WIDTH = 560.0
ROW = 26.0
FAINTEST = 0.06
DARK = 0.72
"""Shades from here on bear light letters."""
WIDE = 0x2E80
"""Letters from here on are as wide as high."""


def bars(labels: Sequence[str], values: Sequence[float], told: Sequence[str], title: str, css: Sequence[str] = (), mark: float | None = None) -> Markup:
    """Horizontal bars with their label on the left and their value on the right; `mark` draws a line at a value."""
    left = min(max(map(wide, labels), default=0) + 14, WIDTH * 0.5)
    right = max(map(wide, told), default=0) + 14
    most = max([*values, mark or 0.0, 1e-12])
    scale = (WIDTH - left - right) / most
    parts = []
    for place, (label, value, text) in enumerate(zip(labels, values, told, strict=True)):
        y, size = place * ROW, max(value, 0.0) * scale
        kind = css[place] if css else ""
        parts += [
            _text(left - 8, y + 17, label, "end", fit=left - 10),
            f'<rect class="bar {kind}" x="{left:.1f}" y="{y + 4:g}" width="{max(size, 1):.1f}" height="{ROW - 8:g}" rx="3"/>',
            _text(left + size + 6, y + 17, text, css="strong"),
        ]
    if mark is not None:
        x = left + mark * scale
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{len(labels) * ROW:g}"/>')
    return drawing(WIDTH, len(labels) * ROW + 2, title, *parts)


def pyramid(labels: Sequence[str], values: Sequence[float], told: Sequence[str], title: str) -> Markup:
    """Bars about a middle line, the first on top."""
    most, middle = max([*values, 1e-12]), WIDTH * 0.5
    parts = []
    for place, (label, value, text) in enumerate(zip(labels, values, told, strict=True)):
        y, size = place * 34.0, value / most * WIDTH * 0.36
        parts += [
            f'<rect class="bar" x="{middle - size / 2:.1f}" y="{y + 2:g}" width="{max(size, 1):.1f}" height="30" rx="3"/>',
            _text(0, y + 21, label, css="strong", fit=WIDTH * 0.31),
            _text(WIDTH, y + 21, text, "end"),
        ]
    return drawing(WIDTH, len(labels) * 34.0 + 2, title, *parts)


def shades(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]], told: Callable[[float], str], title: str) -> Markup:
    """A grid whose cells are the darker the larger their value; a missing one is left empty."""
    known = [value for row in values for value in row if value is not None]
    most, left = max([*known, 1e-12]), min(max(map(wide, rows), default=0) + 12, WIDTH * 0.4)
    width = (WIDTH - left) / max(len(columns), 1)
    parts = [_text(left + (place + 0.5) * width, 12, name, "middle") for place, name in enumerate(columns)]
    for down, (name, row) in enumerate(zip(rows, values, strict=True)):
        y = 18 + down * ROW
        parts.append(_text(left - 6, y + 17, name, "end", fit=left - 8))
        for across, value in enumerate(row):
            if value is None:
                continue
            shade, x = value / most, left + across * width
            parts.append(
                f'<rect class="bar" x="{x + 1:.1f}" y="{y + 1:g}" width="{width - 2:.1f}" height="{ROW - 2:g}" rx="3" '
                f'fill-opacity="{max(shade, FAINTEST if value else 0.02):.2f}"/>'
            )
            parts.append(_text(x + width / 2, y + 17, told(value), "middle", css="on" if shade > DARK else "strong"))
    return drawing(WIDTH, 20 + len(rows) * ROW, title, *parts)


def curve(
    x: Sequence[float],
    lines: Sequence[tuple[Sequence[float], str]],
    across: Callable[[float], str],
    up: Callable[[float], str],
    title: str,
    marks: Sequence[tuple[float, float, str]] = (),
    height: float = 220,
    above: bool = False,
) -> Markup:
    """Lines over a number, with marked points (x, y, words); `above` writes the title over them."""
    every = [value for values, _ in lines for value in values if value == value]
    low, high = min([*every, 0.0]), max([*every, 1e-12])
    first, last = float(x[0]), float(x[-1])
    frame = Frame(WIDTH, height, low, high, 2, left=64, bottom=24, top=26 if above else 12)

    def at(value: float) -> float:
        return frame.x((value - first) / ((last - first) or 1.0))

    parts = [_text(0, 11, title, css="strong")] if above else []
    parts.append(frame.grid(ticks(low, high), up))
    for values, css in lines:
        places = " ".join(f"{at(one):g},{frame.y(value):g}" for one, value in zip(x, values, strict=True) if value == value)
        parts.append(f'<polyline class="{css}" points="{places}"/>')
    for tick in ticks(first, last, 5):
        parts.append(_text(at(tick), height - 6, across(tick), "middle" if first < tick < last else "start" if tick <= first else "end"))
    for left, top, words in marks:
        beyond = at(left) > WIDTH * 0.7
        parts += [
            f'<circle class="dot" cx="{at(left):g}" cy="{frame.y(top):g}" r="4"/>',
            _text(at(left) + (-8 if beyond else 8), frame.y(top) + 14, words, "end" if beyond else "start", css="strong"),
        ]
    return drawing(WIDTH, height, title, *parts)


def steps(labels: Sequence[str], lines: Sequence[tuple[Sequence[float], str]], up: Callable[[float], str], title: str, most: float | None = None) -> Markup:
    """Lines over named places, such as months, from zero up."""
    every = [value for values, _ in lines for value in values if value == value]
    frame = Frame(WIDTH, 200, 0.0, most or max([*every, 1e-12]), len(labels), left=56, bottom=24, right=24)
    parts = [frame.grid(ticks(0.0, frame.high), up)]
    for values, css in lines:
        parts.append(frame.line(values, css))
        dot = "dot second" if "second" in css else "dot"
        known = ((place, one) for place, one in enumerate(values) if one == one)
        parts += [f'<circle class="{dot}" cx="{frame.x(place):g}" cy="{frame.y(one):g}" r="2.5"/>' for place, one in known]
    gap = max(1, -(-len(labels) // 7))
    parts += [frame.below(place, name) for place, name in enumerate(labels) if (len(labels) - 1 - place) % gap == 0]
    return drawing(WIDTH, 200, title, *parts)


def wide(text: str) -> float:
    """About how wide a text is in the small letters of a chart; Chinese letters are as wide as high.

    Examples
    --------
    >>> wide("ab"), wide("商户")
    (12.6, 23.0)
    """
    return round(sum(11.5 if ord(letter) >= WIDE else 6.3 for letter in text), 1)


def _text(x: float, y: float, text: str, anchor: str = "start", css: str = "", fit: float = WIDTH) -> str:
    while len(text) > 1 and wide(text) > fit:
        text = text[:-2] + "…"
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
