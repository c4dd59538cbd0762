"""How many different values (buyers, users, weeks) a window holds: when each enters the window and when it leaves it."""

from __future__ import annotations

import numpy as np

from features.cells import NEVER, Kernel
from features.declare import CALENDAR
from features.program import DAYS
from features.tiles import EntityDays
from features.verbs import Entities

DAY_BITS = 41
"""Width of a day, `NEVER` included, in a sort key of group and day."""


def _value_days(kernel: Kernel, stream: str, name: str) -> EntityDays:
    if name not in CALENDAR:
        return kernel.entities[stream, name]
    tiles = kernel.tiles[stream]
    code = tiles.day if name == "day" else (tiles.day + 3) // 7  # weeks begin on Monday
    first = np.ones(len(code), bool)
    first[1:] = (tiles.day[1:] != tiles.day[:-1]) | (tiles.merchant[1:] != tiles.merchant[:-1])
    return EntityDays(tiles.merchant[first], code[first], tiles.day[first], tiles.seen[first])


def _steps(kernel: Kernel, node: Entities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When value-days enter and leave the window: merchant, and two sorted lists of (group, day) packed in one integer.

    A group is a merchant's value. It enters as often as it leaves, so entry `j` and exit `j` of the lists are of the same group, and
    the value was in the window on as many days as `j` exceeds the number of exits up to entry `j`. Exits come before entries of the same day.
    """
    rows = kernel.once(("value days", node.stream, node.field), lambda: _value_days(kernel, node.stream, node.field))
    group = kernel.once(("groups", node.stream, node.field), lambda: _groups(rows) << DAY_BITS)
    start = np.maximum(rows.seen, rows.day + node.skip)
    end = np.maximum(start, rows.day + node.skip + node.days) if node.days is not None else np.full(len(start), NEVER)
    seen = np.flatnonzero(start < end)
    return rows.merchant[seen], np.sort((group + start)[seen]), np.sort((group + end)[seen])


def _groups(rows: EntityDays) -> np.ndarray:
    changed = np.zeros(len(rows.code), np.int64)
    changed[1:] = (rows.merchant[1:] != rows.merchant[:-1]) | (rows.code[1:] != rows.code[:-1])
    return np.cumsum(changed)


def _rises(how: str, enter: np.ndarray, leave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much the answer rises at each entry, and falls at each exit.

    `distinct` rises when the value was not in the window (the exit before this entry is over), `repeat` when it was on one day.
    """
    if how == "squares":
        place = np.arange(len(enter))
        left_before = np.searchsorted(leave, enter, side="right")
        entered_before = np.cumsum(np.bincount(left_before, minlength=len(place) + 1))[: len(place)]
        return 2 * (place - left_before) + 1, 2 * (entered_before - place) - 1
    none_before, none_after = np.ones(len(enter), bool), np.ones(len(enter), bool)
    np.greater_equal(enter[1:], leave[:-1], out=none_before[1:])
    np.greater_equal(enter[1:], leave[:-1], out=none_after[:-1])
    if how == "distinct":
        return none_before, none_after
    at_most_one_before, at_most_one_after = np.ones(len(enter), bool), np.ones(len(enter), bool)
    np.greater_equal(enter[2:], leave[:-2], out=at_most_one_before[2:])
    np.greater_equal(enter[2:], leave[:-2], out=at_most_one_after[:-2])
    return at_most_one_before & ~none_before, at_most_one_after & ~none_after


def entities(kernel: Kernel, node: Entities) -> np.ndarray:
    """What a window holds of the values of a field, (merchants, cutoffs); see `features.verbs.Entities`."""
    if (node.how, node.field) == ("distinct", "day"):
        return kernel.window(node.stream, DAYS, node.days, node.skip)
    if node.how == "days":
        return _days(kernel, node)
    if node.how == "new":
        return _new(kernel, node)
    key = ("steps", node.stream, node.field, node.days, node.skip)
    merchant, enter, leave = kernel.once(key, lambda: _steps(kernel, node))
    up, down = _rises(node.how, enter, leave)
    day = (1 << DAY_BITS) - 1
    risen, fallen = (np.flatnonzero(each) for each in (up, down))
    gained = kernel.before(kernel.cells(merchant[risen], enter[risen] & day), up[risen])
    return gained - kernel.before(kernel.cells(merchant[fallen], leave[fallen] & day), down[fallen])


def _days(kernel: Kernel, node: Entities) -> np.ndarray:
    rows = kernel.once(("value days", node.stream, node.field), lambda: _value_days(kernel, node.stream, node.field))

    def known_older_than(age: int) -> np.ndarray:
        return kernel.before(kernel.cells(rows.merchant, np.maximum(rows.seen, rows.day + age)), None)

    return known_older_than(node.skip) - (0 if node.days is None else known_older_than(node.skip + node.days))


def _new(kernel: Kernel, node: Entities) -> np.ndarray:
    """Values first known, minus values known that also have an event older than the window."""
    rows = kernel.once(("value days", node.stream, node.field), lambda: _value_days(kernel, node.stream, node.field))
    if not len(rows.code):
        return np.zeros((kernel.merchants, len(kernel.cutoffs)))
    first = np.flatnonzero(np.diff(_groups(rows), prepend=-1))
    merchant = rows.merchant[first]

    def values_older_than(offset: int) -> np.ndarray:
        days = np.minimum.reduceat(np.maximum(rows.seen, rows.day + offset), first)
        return kernel.before(kernel.cells(merchant, days), None)

    return values_older_than(node.skip) - values_older_than(node.skip + (NEVER if node.days is None else node.days))
