"""Stage two: from tiles to windows, ratios and trends. One function for a batch, a training set and a single merchant.

The leaves of the expression trees count tiles (`features.cells`); arithmetic is done for all nodes of a level with the same
operation at once, so that a single merchant costs some dozen array operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from features.cells import FEW_CELLS, Kernel
from features.entities import entities
from features.gaps import gaps
from features.program import Group, Level, Program
from features.tiles import EMPTY
from features.verbs import Age, Ahead, Attribute, Column, Constant, Edge, Entities, Gaps, Measure, Total

Given = Mapping[int, np.ndarray]
Meaning = Callable[[Kernel, Group, np.ndarray], None]
"""Computes the leaves of a group, into (leaves, cutoffs, merchants)."""


class Room:
    """Memory that is used again from block to block: to be given fresh pages would take as long as the arithmetic in them."""

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self._flat = np.empty(0, dtype)

    def of(self, *shape: int) -> np.ndarray:
        """An array of any content, until the next one is asked for."""
        size = math.prod(shape)
        if len(self._flat) < size:
            self._flat = np.empty(size, self._flat.dtype)
        return self._flat[:size].reshape(shape)


def run(kernel: Kernel, program: Program, given: Given | None = None, room: Room | None = None) -> np.ndarray:
    """Compute a program.

    Parameters
    ----------
    given : values of leaves, by place, that are not to be computed.
    room : where the values are to stand.

    Returns
    -------
    The values (steps, cutoffs, merchants), by place.
    """
    kernel.ages = program.ages
    values = (room or Room(np.float64)).of(len(program.steps), len(kernel.cutoffs), kernel.merchants)
    for group in program.groups:
        out = values[group.first : group.last]
        if given is not None and group.first in given:
            out[:] = [given[place] for place in range(group.first, group.last)]
        else:
            MEANING[group.kind](kernel, group, out)
    with np.errstate(divide="ignore", invalid="ignore"):
        for level in program.levels:
            _compute(level, values)
    return values


def _compute(level: Level, values: np.ndarray) -> None:
    operation = OPERATION[level.op]
    if values[0].size <= FEW_CELLS:
        operation(values[level.left], values[level.right], out=values[level.first : level.last])
        return
    for place, left, right in zip(range(level.first, level.last), level.left, level.right, strict=True):
        operation(values[left], values[right], out=values[place])


def each(meaning: Callable[[Kernel, Any], np.ndarray]) -> Meaning:
    """The meaning of a group of leaves that are computed one by one."""

    def fill(kernel: Kernel, group: Group, out: np.ndarray) -> None:
        for place, node in enumerate(group.nodes):
            out[place] = meaning(kernel, node)

    return fill


def _totals(kernel: Kernel, group: Group, out: np.ndarray) -> None:
    assert group.windows is not None
    kernel.windows(group.windows, out)


def _constants(kernel: Kernel, group: Group, out: np.ndarray) -> None:
    out[:] = np.array([node.value for node in group.nodes if isinstance(node, Constant)])[:, None, None]


def _edge(kernel: Kernel, node: Edge) -> np.ndarray:
    days, cells = kernel.tiles[node.stream].day, kernel.visible_from(node.stream)
    if node.which == "first":
        return kernel.cutoffs[:, None] + _furthest(kernel, cells[::-1], -days[::-1])
    return kernel.cutoffs[:, None] - _furthest(kernel, cells, days)


def _ahead(kernel: Kernel, node: Ahead) -> np.ndarray:
    values = kernel.tiles[node.stream].measures[Measure(node.field, "max")]
    given = (values != EMPTY).nonzero()[0]
    given = given[np.argsort(values[given], kind="stable")]
    return _furthest(kernel, kernel.visible_from(node.stream)[given], values[given]) - kernel.cutoffs[:, None]


def _furthest(kernel: Kernel, cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Largest value that each cutoff sees, of values that rise within a cell; missing when it sees none."""
    table = np.full((len(kernel.cutoffs) + 1, kernel.merchants), -np.inf)
    table.reshape(-1)[cells] = values  # of several values for a cell the last one stays, and that is the largest
    for slot in range(1, len(table)):
        np.maximum(table[slot], table[slot - 1], out=table[slot])
    return np.where(table[:-1] == -np.inf, np.nan, table[:-1])


def _attribute(kernel: Kernel, node: Attribute) -> np.ndarray:
    return np.where(kernel.known < kernel.cutoffs[:, None], kernel.attributes[node.name], np.nan)


def _age(kernel: Kernel, node: Age) -> np.ndarray:
    age = kernel.cutoffs[:, None] - kernel.attributes[node.name]
    return np.where(kernel.known < kernel.cutoffs[:, None], age, np.nan)


def _divide(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    np.divide(left, right, out)
    out += out - out  # infinity less itself is missing, and so without a branch is what is added to it


def _log1p(value: np.ndarray, _: np.ndarray, out: np.ndarray) -> None:
    np.log1p(np.where(value > -1, value, np.nan), out)


def _sqrt(value: np.ndarray, _: np.ndarray, out: np.ndarray) -> None:
    np.sqrt(np.where(value >= 0, value, np.nan), out)


def _or_else(value: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
    np.copyto(out, np.where(np.isnan(value), other, value))


OPERATION: dict[str, Callable[..., object]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _divide,
    "min": np.minimum,
    "max": np.maximum,
    "log1p": _log1p,
    "sqrt": _sqrt,
    "or_else": _or_else,
}


MEANING: dict[type[Column], Meaning] = {
    Total: _totals,
    Entities: each(entities),
    Edge: each(_edge),
    Ahead: each(_ahead),
    Gaps: each(gaps),
    Attribute: each(_attribute),
    Age: each(_age),
    Constant: _constants,
}
"""What each kind of leaf computes; peer summaries are in `features.peers`."""
