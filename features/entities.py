"""How many different values (buyers, users, weeks) a window holds: when each enters the window and when it leaves it.

Only the cutoffs matter, so a value-day is kept as the first cutoff that sees it enter and the first that sees it gone.
"""

from __future__ import annotations

import numpy as np

from features.cells import Kernel, first_of_day, running
from features.declare import CALENDAR
from features.program import NEVER
from features.tiles import EntityDays
from features.verbs import Entities

PASSES = 6
"""Up to so many days of a value in a window are counted one by one, more of them by bisection."""


def entities(kernel: Kernel, node: Entities) -> np.ndarray:
    """What a window holds of the values of a field, (cutoffs, merchants); see `features.verbs.Entities`."""
    if node.how == "days":
        return _days(kernel, node)
    if node.how == "new":
        return _new(kernel, node)
    if len(kernel.cutoffs) == 1:
        return _at_one_cutoff(kernel, node)
    key = ("steps", node.stream, node.field, node.days, node.skip)
    merchant, enter, leave = kernel.once(key, lambda: _steps(kernel, node))
    if node.how == "squares":
        return _squares(kernel, node, merchant, enter, leave)
    risen, fallen = (each.nonzero()[0] for each in _rises(node.how, enter, leave))
    falls = _cells(kernel, merchant.take(fallen), leave.take(fallen))
    return _counted(kernel, _cells(kernel, merchant.take(risen), enter.take(risen)), falls)


def _value_days(kernel: Kernel, stream: str, name: str) -> EntityDays:
    return kernel.once(("value days", stream, name), lambda: _found_value_days(kernel, stream, name))


def _found_value_days(kernel: Kernel, stream: str, name: str) -> EntityDays:
    if name not in CALENDAR:
        return kernel.entities[stream, name]
    tiles = kernel.tiles[stream]
    code = tiles.day if name == "day" else (tiles.day + 3) // 7  # weeks begin on Monday
    first = first_of_day(tiles).nonzero()[0]
    return EntityDays(*(values.take(first) for values in (tiles.merchant, code, tiles.day, tiles.seen)))


def _groups(kernel: Kernel, stream: str, name: str) -> np.ndarray:
    """Number of each value-day's group, a merchant's value, in order."""
    def count() -> np.ndarray:
        rows = _value_days(kernel, stream, name)
        changed = np.zeros(len(rows.code), np.int64)
        changed[1:] = (rows.merchant[1:] != rows.merchant[:-1]) | (rows.code[1:] != rows.code[:-1])
        return np.cumsum(changed)

    return kernel.once(("groups", stream, name), count)


def _aged(kernel: Kernel, node: Entities, age: int) -> np.ndarray:
    """The first cutoff that sees each value-day at an age in days, and known."""
    rows = _value_days(kernel, node.stream, node.field)
    return kernel.once(("aged", node.stream, node.field, age), lambda: kernel.slots(np.maximum(rows.seen, rows.day + age)))


def _end(node: Entities) -> int:
    return NEVER if node.days is None else node.skip + node.days


def _steps(kernel: Kernel, node: Entities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When value-days enter and leave the window: merchant, and two sorted lists of (group, cutoff) packed in one integer.

    A group enters as often as it leaves, so entry `j` and exit `j` of the lists are of the same group, and the value was in the
    window on as many days as `j` exceeds the number of exits up to entry `j`. Exits come before entries of the same cutoff.
    """
    enter, leave = _aged(kernel, node, node.skip), _aged(kernel, node, _end(node))
    ever = (enter < leave).nonzero()[0]
    group = _groups(kernel, node.stream, node.field).take(ever) << _bits(kernel)
    merchant = _value_days(kernel, node.stream, node.field).merchant.take(ever)
    return merchant, _in_order(group + enter.take(ever), kernel), _in_order(group + leave.take(ever), kernel)


def _at_one_cutoff(kernel: Kernel, node: Entities) -> np.ndarray:
    """The same where there is one cutoff only: the value-days in its window are counted value by value."""
    key = ("inside", node.stream, node.field, node.days, node.skip)
    merchant, days = kernel.once(key, lambda: _inside(kernel, node))
    weights = {"distinct": None, "repeat": days > 1, "squares": days * days}[node.how]
    return np.bincount(merchant, weights, kernel.merchants)[None]


def _inside(kernel: Kernel, node: Entities) -> tuple[np.ndarray, np.ndarray]:
    """Merchant of each value in the one cutoff's window, and on how many days it is there."""
    inside = (_aged(kernel, node, node.skip) < _aged(kernel, node, _end(node))).nonzero()[0]
    group = _groups(kernel, node.stream, node.field).take(inside)
    days = np.bincount(group)
    value = days.nonzero()[0]
    first = group.searchsorted(value)
    return _value_days(kernel, node.stream, node.field).merchant.take(inside.take(first)), days.take(value)


def _bits(kernel: Kernel) -> int:
    return len(kernel.cutoffs).bit_length()


def _in_order(packed: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Sorted (group, cutoff); the groups stand in order, and so do the cutoffs of all but the few groups with late arrivals."""
    wrong = (packed[1:] < packed[:-1]).nonzero()[0]
    if len(wrong):
        group = packed >> _bits(kernel)
        is_wrong = np.zeros(int(group[-1]) + 1, bool)
        is_wrong[group[wrong]] = True
        places = (is_wrong.take(group)).nonzero()[0]
        packed[places] = np.sort(packed[places])
    return packed


def _rises(how: str, enter: np.ndarray, leave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the answer rises at each entry, and falls at each exit.

    `distinct` rises when the value was not in the window (the exit before this entry is over), `repeat` when it was on one day.
    """
    none_before, none_after = np.ones(len(enter), bool), np.ones(len(enter), bool)
    np.greater_equal(enter[1:], leave[:-1], out=none_before[1:])
    none_after[:-1] = none_before[1:]
    if how == "distinct":
        return none_before, none_after
    at_most_one_before, at_most_one_after = np.ones(len(enter), bool), np.ones(len(enter), bool)
    np.greater_equal(enter[2:], leave[:-2], out=at_most_one_before[2:])
    at_most_one_after[:-2] = at_most_one_before[2:]
    return at_most_one_before & ~none_before, at_most_one_after & ~none_after


def _together(enter: np.ndarray, leave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many other days of its value are in the window at each entry, and at each exit.

    Exit `j` comes after entry `j + k` exactly where at least `k` later days are in the window when day `j` leaves it.
    """
    before, after = np.zeros(len(enter)), np.zeros(len(enter))
    here = (enter[1:] < leave[:-1]).nonzero()[0]
    for k in range(1, PASSES + 1):
        after[here], before[here + k] = k, k
        further = here[: np.searchsorted(here, len(enter) - k - 1)]
        here = further.take((enter.take(further + k + 1) < leave.take(further)).nonzero()[0])
    if len(here):
        after[here] = np.searchsorted(enter, leave.take(here)) - here - 1
        more = here + PASSES + 1
        before[more] = more - np.searchsorted(leave, enter.take(more), side="right")
    return before, after


def _squares(kernel: Kernel, node: Entities, merchant: np.ndarray, enter: np.ndarray, leave: np.ndarray) -> np.ndarray:
    """A value's squared days rise by 2n + 1 at an entry, n other days being there, and fall likewise: the days, and twice what pairs add."""
    pairs = np.zeros(1)
    for packed, others, sign in zip((enter, leave), _together(enter, leave), (2, -2), strict=True):
        here = others.nonzero()[0]
        pairs = pairs + sign * kernel.before(_cells(kernel, merchant.take(here), packed.take(here)), others.take(here))
    return _days(kernel, node) + pairs


def _cells(kernel: Kernel, merchant: np.ndarray, packed: np.ndarray) -> np.ndarray:
    return (packed & ((1 << _bits(kernel)) - 1)) * kernel.merchants + merchant


def _counted(kernel: Kernel, rises: np.ndarray, falls: np.ndarray) -> np.ndarray:
    """How many of the cells in `rises`, less those in `falls`, each cutoff sees."""
    size = (len(kernel.cutoffs) + 1) * kernel.merchants
    counts = np.bincount(rises, minlength=size) - np.bincount(falls, minlength=size)
    return running(counts.reshape(-1, kernel.merchants)[:-1]).astype(float)


def _days(kernel: Kernel, node: Entities) -> np.ndarray:
    merchant = _value_days(kernel, node.stream, node.field).merchant

    def older_than(age: int) -> np.ndarray:
        key = ("days", node.stream, node.field, age)
        return kernel.once(key, lambda: kernel.before(_aged(kernel, node, age) * kernel.merchants + merchant, None))

    return older_than(node.skip) - older_than(_end(node))


def _new(kernel: Kernel, node: Entities) -> np.ndarray:
    """Values first known, minus values known that also have an event older than the window."""
    rows = _value_days(kernel, node.stream, node.field)
    if not len(rows.code):
        return np.zeros((len(kernel.cutoffs), kernel.merchants))
    first = (np.diff(_groups(kernel, node.stream, node.field), prepend=-1)).nonzero()[0]

    def older_than(age: int) -> np.ndarray:
        earliest = np.minimum.reduceat(_aged(kernel, node, age), first)
        return kernel.before(earliest * kernel.merchants + rows.merchant[first], None)

    key = ("new", node.stream, node.field)
    return kernel.once((*key, node.skip), lambda: older_than(node.skip)) - kernel.once((*key, _end(node)), lambda: older_than(_end(node)))
