"""The industries of the made-up market: their seasons, weeks, baskets and outlook. To add an industry, add a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulate.clock import Clock, Flags, Floats, Ints

SHOP = (0.9, 0.85, 0.9, 0.95, 1.1, 1.4, 0.9)
WEEKEND = (0.6, 0.6, 0.7, 0.9, 1.4, 1.8, 1.0)
OFFICE = (1.2, 1.2, 1.1, 1.0, 0.8, 0.0, 0.0)
SLOTS = 512


@dataclass(frozen=True)
class Industry:
    """A yearly season is `1 + height · exp(−(days from peak ÷ width)² ÷ 2)`, scaled to a mean of one over the year.

    `basket` is a typical order in EUR, `trend` the growth a year (in logs), `seasonal` the share of merchants that
    sell in season only, `week` the weights of Monday to Sunday, `trade` the words its merchants' names are made of.
    """

    name: str
    peak: int
    height: float
    width: float
    week: tuple[float, ...]
    basket: float
    trend: float
    delivery_days: int
    seasonal: float
    trade: tuple[str, ...]


INDUSTRIES = (
    Industry("gifts", 340, 3.5, 20, WEEKEND, 45, 0.02, 3, 0.35, ("Gifts", "Keepsakes", "Presents")),
    Industry("garden", 125, 2.8, 32, WEEKEND, 70, 0.06, 5, 0.40, ("Gardens", "Seeds", "Nursery")),
    Industry("toys", 338, 2.8, 22, SHOP, 50, -0.02, 3, 0.25, ("Toys", "Games", "Playhouse")),
    Industry("fashion", 275, 0.6, 40, SHOP, 65, 0.08, 3, 0.0, ("Fashion", "Tailors", "Boutique")),
    Industry("groceries", 350, 0.3, 15, SHOP, 40, 0.10, 2, 0.0, ("Foods", "Delicatessen", "Farm Shop")),
    Industry("electronics", 330, 1.5, 18, SHOP, 120, 0.05, 2, 0.0, ("Electronics", "Audio", "Devices")),
    Industry("sports", 165, 0.8, 45, WEEKEND, 80, 0.07, 3, 0.15, ("Sports", "Cycles", "Outdoor")),
    Industry("books", 344, 1.0, 22, SHOP, 35, -0.04, 3, 0.0, ("Books", "Press", "Readers")),
    Industry("beauty", 346, 0.6, 20, SHOP, 50, 0.12, 3, 0.0, ("Beauty", "Soaps", "Cosmetics")),
    Industry("home", 290, 0.5, 50, WEEKEND, 95, 0.04, 6, 0.0, ("Home", "Lighting", "Interiors")),
    Industry("office supplies", 255, 0.4, 30, OFFICE, 130, 0.05, 2, 0.0, ("Office Supply", "Paper", "Stationers")),
    Industry("machine parts", 100, 0.2, 60, OFFICE, 190, 0.09, 5, 0.0, ("Machine Parts", "Bearings", "Tooling")),
)

REGIONS = {"North": 0.03, "South": 0.08, "East": 0.10, "West": 0.04, "Coast": 0.06, "Alps": 0.02, "Capital": 0.12, "Lakes": 0.01}
"""Growth a year (in logs) beside the industry's own."""


def _of(field: str) -> Floats:
    return np.array([getattr(industry, field) for industry in INDUSTRIES], dtype=np.float64)


def baskets() -> Floats:
    """Typical order of each industry, EUR."""
    return _of("basket")


def seasonal_shares() -> Floats:
    """Share of each industry's merchants that sell in season only."""
    return _of("seasonal")


def delivery_days() -> Ints:
    """Days promised for a delivery, by industry."""
    return _of("delivery_days").astype(np.int64)


def seasons(clock: Clock) -> Floats:
    """(industries, weeks) factor on sales; one on average over a year."""

    def profile(day: Ints) -> Floats:
        apart = np.abs(day[None, :] - _of("peak")[:, None])
        apart = np.minimum(apart, 365 - apart)
        return 1 + _of("height")[:, None] * np.exp(-((apart / _of("width")[:, None]) ** 2) / 2)

    return profile(clock.day_of_year(clock.middles)) / profile(np.arange(365)).mean(axis=1, keepdims=True)


def in_season(clock: Clock) -> Flags:
    """(industries, weeks) whether merchants that sell in season only are selling: within 2.2 widths of the peak."""
    apart = np.abs(clock.day_of_year(clock.middles)[None, :] - _of("peak")[:, None])
    return np.minimum(apart, 365 - apart) <= 2.2 * _of("width")[:, None]


def outlook(clock: Clock) -> tuple[Floats, Floats]:
    """(industries, weeks) and (regions, weeks) factors on sales from their trends; one at the start."""
    years = clock.middles / 365.25
    return np.exp(_of("trend")[:, None] * years), np.exp(np.array(list(REGIONS.values()))[:, None] * years)


def weekday_slots(clock: Clock) -> Ints:
    """(industries, SLOTS) day of the simulated week by equal chances: draw a slot, get a day from 0 to 6."""
    table = np.empty((len(INDUSTRIES), SLOTS), dtype=np.int64)
    days = clock.weekday(np.arange(7))
    for row, industry in zip(table, INDUSTRIES, strict=True):
        weights = np.array(industry.week)[days]
        row[:] = np.searchsorted(np.cumsum(weights) / weights.sum(), (np.arange(SLOTS) + 0.5) / SLOTS)
    return table


def is_business() -> Flags:
    """Industries that sell to firms: nothing is ordered at weekends."""
    return np.array([industry.week[5] + industry.week[6] == 0 for industry in INDUSTRIES])
