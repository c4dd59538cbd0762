"""A merchant's own rhythm: the gaps between the days on which its events became known."""

from __future__ import annotations

import numpy as np

from features.cells import NEVER, Kernel
from features.verbs import Gaps

GAP_EDGES = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 28, 35, 42, 49, 56, 70, 84, 98, 112, 140, 168, 196, 224, 280, 365])
"""Upper edges of the gap bins, in days; longer gaps count as the last edge."""


def known_days(kernel: Kernel, stream: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merchant, day and gap of each day on which events became known, but the first one of a merchant."""
    tiles = kernel.tiles[stream]
    merchant, day = tiles.merchant, np.maximum(tiles.seen, tiles.day)
    if not tiles.is_prompt:
        order = np.lexsort((day, merchant))
        merchant, day = merchant[order], day[order]
    gap = np.diff(day, prepend=0)
    inner = np.flatnonzero((np.diff(merchant, prepend=-1) == 0) & (gap > 0))
    return merchant[inner], day[inner], gap[inner]


def gaps(kernel: Kernel, node: Gaps) -> np.ndarray:
    """A statistic of the gaps that ended in the window, (merchants, cutoffs); see `features.verbs.Gaps`."""
    merchant, day, gap = kernel.once(("gaps", node.stream), lambda: known_days(kernel, node.stream))
    if node.how in ("p50", "p95"):
        return _gap_quantile(kernel, node)
    weights = {"count": None, "total": gap, "squares": gap * gap}[node.how]
    sums = kernel.before(kernel.cells(merchant, day), weights)
    return sums if node.days is None else sums - kernel.before(kernel.cells(merchant, day + node.days), weights)


def _gap_quantile(kernel: Kernel, node: Gaps) -> np.ndarray:
    counts = kernel.once(("gap bins", node.stream, node.days), lambda: _gap_bins(kernel, node))
    wanted = counts[:, :, -1:] * {"p50": 0.5, "p95": 0.95}[node.how]
    edge = GAP_EDGES[np.argmax(counts >= wanted, axis=2)].astype(float)
    edge[counts[:, :, -1] == 0] = np.nan
    return edge


def _gap_bins(kernel: Kernel, node: Gaps) -> np.ndarray:
    """Gaps in the window not longer than each edge: (merchants, cutoffs, edges)."""
    merchant, day, gap = kernel.once(("gaps", node.stream), lambda: known_days(kernel, node.stream))
    bins = np.minimum(np.searchsorted(GAP_EDGES, gap), len(GAP_EDGES) - 1)
    shape = (kernel.merchants, len(kernel.cutoffs) + 1, len(GAP_EDGES))
    counts = np.zeros(shape, np.int64)
    for sign, days in ((1, day), (-1, day + (NEVER if node.days is None else node.days))):
        cells = kernel.cells(merchant, days) * len(GAP_EDGES) + bins
        counts += sign * np.bincount(cells, minlength=counts.size).reshape(shape)
    return counts[:, :-1].cumsum(axis=1).cumsum(axis=2)
