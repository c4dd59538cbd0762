"""Stage two: from tiles to windows, ratios and trends. One function for a batch, a training set and a single merchant.

The leaves of the expression trees count tiles (`features.cells`); arithmetic is done for all nodes of a level with the same
operation at once, so that a single merchant costs some dozen array operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from features.cells import Kernel
from features.entities import entities
from features.gaps import gaps
from features.program import Program
from features.tables import SCALE, STREAMS
from features.tiles import EMPTY
from features.verbs import Age, Ahead, Attribute, Column, Constant, Edge, Entities, Gaps, Measure, Total


def run(kernel: Kernel, program: Program, given: Mapping[int, np.ndarray] | None = None) -> np.ndarray:
    """Compute a program.

    Parameters
    ----------
    given : values of leaves, by place, that are not to be computed.

    Returns
    -------
    The values (steps, merchants, cutoffs), by place.
    """
    kernel.ages = program.ages
    values = np.empty((len(program.steps), kernel.merchants, len(kernel.cutoffs)))
    for place, node in enumerate(program.leaves):
        values[place] = given[place] if given is not None and place in given else MEANING[type(node)](kernel, node)
    with np.errstate(divide="ignore", invalid="ignore"):
        for level in program.levels:
            OPERATION[level.op](values[level.left], values[level.right], out=values[level.first : level.last])
    return values


def _total(kernel: Kernel, node: Total) -> np.ndarray:
    sums = kernel.window(node.stream, node.measure, node.days, node.skip)
    kind = STREAMS[node.stream].fields[node.measure.field].kind if node.measure.field else "count"
    return sums if node.measure.how == "given" else sums / SCALE[kind]


def _edge(kernel: Kernel, node: Edge) -> np.ndarray:
    tiles = kernel.tiles[node.stream]
    cells = kernel.cells_at(node.stream, 0)
    days = tiles.day
    if node.which == "first":
        return kernel.cutoffs + _furthest(kernel, cells[::-1], -days[::-1])
    return kernel.cutoffs - _furthest(kernel, cells, days)


def _ahead(kernel: Kernel, node: Ahead) -> np.ndarray:
    tiles = kernel.tiles[node.stream]
    values = tiles.measures[Measure(node.field, "max")]
    given = np.flatnonzero(values != EMPTY)
    given = given[np.argsort(values[given], kind="stable")]
    cells = kernel.cells(tiles.merchant[given], np.maximum(tiles.seen, tiles.day)[given])
    return _furthest(kernel, cells, values[given]) - kernel.cutoffs


def _furthest(kernel: Kernel, cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Largest value that each cutoff sees, of values that rise within a cell; missing when it sees none."""
    table = np.full(kernel.merchants * (len(kernel.cutoffs) + 1), -np.inf)
    table[cells] = values  # of several values for a cell the last one stays, and that is the largest
    largest = np.maximum.accumulate(table.reshape(kernel.merchants, -1)[:, :-1], axis=1)
    largest[np.isneginf(largest)] = np.nan
    return largest


def _attribute(kernel: Kernel, node: Attribute) -> np.ndarray:
    known = kernel.known[:, None] < kernel.cutoffs
    return np.where(known, kernel.attributes[node.name][:, None], np.nan)


def _age(kernel: Kernel, node: Age) -> np.ndarray:
    known = kernel.known[:, None] < kernel.cutoffs
    return np.where(known, kernel.cutoffs - kernel.attributes[node.name][:, None], np.nan)


def _constant(kernel: Kernel, node: Constant) -> np.ndarray:
    return np.array(node.value)


def _divide(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    np.divide(left, right, out)
    out[~np.isfinite(out)] = np.nan


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


MEANING: dict[type[Column], Callable[[Kernel, Any], np.ndarray]] = {
    Total: _total,
    Entities: entities,
    Edge: _edge,
    Ahead: _ahead,
    Gaps: gaps,
    Attribute: _attribute,
    Age: _age,
    Constant: _constant,
}
"""What each leaf computes; peer summaries are in `features.peers`."""
