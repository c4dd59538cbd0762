"""A merchant's own rhythm: the gaps between the days on which its events became known."""

from __future__ import annotations

import numpy as np

from features.cells import Kernel, running
from features.program import NEVER
from features.verbs import Gaps

GAP_EDGES = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 28, 35, 42, 49, 56, 70, 84, 98, 112, 140, 168, 196, 224, 280, 365])
"""Upper edges of the gap bins, in days; longer gaps count as the last edge."""


def known_days(kernel: Kernel, stream: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merchant, day and gap of each day on which events became known, but the first one of a merchant."""
    known, last = kernel.known_on(stream), int(kernel.cutoffs[-1])
    first = int(known.min(initial=last))
    span = last - first + 1
    calendar = np.zeros(kernel.merchants * span, bool)
    calendar[kernel.tiles[stream].merchant * span + np.minimum(known - first, span - 1)] = True
    calendar[span - 1 :: span] = False  # the last day stands for all that no cutoff sees
    place = calendar.nonzero()[0]
    merchant = place // span
    inner = (merchant[1:] == merchant[:-1]).nonzero()[0] + 1
    place, before, merchant = place.take(inner), place.take(inner - 1), merchant.take(inner)
    return merchant, place - merchant * span + first, place - before


def gaps(kernel: Kernel, node: Gaps) -> np.ndarray:
    """A statistic of the gaps that ended in the window, (cutoffs, merchants); see `features.verbs.Gaps`."""
    if node.how in ("p50", "p95"):
        return _gap_quantile(kernel, node)
    merchant, day, gap = kernel.once(("gaps", node.stream), lambda: known_days(kernel, node.stream))
    weights = {"count": None, "total": gap, "squares": gap * gap}[node.how]
    sums = kernel.before(kernel.cells(merchant, day), weights)
    return sums if node.days is None else sums - kernel.before(kernel.cells(merchant, day + node.days), weights)


def _gap_quantile(kernel: Kernel, node: Gaps) -> np.ndarray:
    counts = kernel.once(("gap bins", node.stream, node.days), lambda: _gap_bins(kernel, node))
    shorter = (counts < counts[-1] * {"p50": 0.5, "p95": 0.95}[node.how]).sum(axis=0, dtype=np.int8)
    return np.where(counts[-1] > 0, GAP_EDGES.take(shorter), np.nan)


def _gap_bins(kernel: Kernel, node: Gaps) -> np.ndarray:
    """Gaps in the window not longer than each edge: (edges, cutoffs, merchants)."""
    merchant, day, gap = kernel.once(("gaps", node.stream), lambda: known_days(kernel, node.stream))
    lane = np.minimum(np.searchsorted(GAP_EDGES, gap), len(GAP_EDGES) - 1) * ((len(kernel.cutoffs) + 1) * kernel.merchants)
    entered, left = (kernel.cells(merchant, days) + lane for days in (day, day + (NEVER if node.days is None else node.days)))
    weights = np.repeat([1.0, -1.0], len(gap))
    shape = (len(GAP_EDGES), len(kernel.cutoffs) + 1, kernel.merchants)
    counts = np.bincount(np.concatenate([entered, left]), weights, minlength=shape[0] * shape[1] * shape[2]).reshape(shape)
    counts = running(counts[:, :-1])
    for edge in range(1, len(counts)):
        counts[edge] += counts[edge - 1]
    return counts
