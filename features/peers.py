"""Each merchant beside its peers at a cutoff: ranks, medians and totals over an industry, a region or the whole market.

The summaries of one cutoff are kept, so that a single merchant is compared with exactly the peers a batch compares it with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.program import base_of
from features.verbs import Peers


@dataclass(frozen=True)
class PeerTable:
    """One column over all merchants at one cutoff, sorted within groups 0, 1, …; missing values left out."""

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, groups: np.ndarray) -> PeerTable:
        """Sort `values` (n,) within `groups` (n,) of small integers; group -1 and missing values take no part."""
        part = np.flatnonzero((groups >= 0) & ~np.isnan(values))
        values, groups = values[part], groups[part]
        order = np.argsort(values, kind="stable")
        order = order[np.argsort(groups[order], kind="stable")]
        size = int(groups.max()) + 1 if len(groups) else 0
        return cls(values[order], np.searchsorted(groups[order], np.arange(size + 1)))

    def summary(self, how: str, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """The summary that each merchant of `groups` (n,) sees; missing where its group has no values.

        `rank` is the share of the group's values below one's own, ties counted half.
        """
        if len(values) == 1:
            return np.array([self._seen_by(how, values, int(groups[0]))]).reshape(1)
        result = np.full(len(values), np.nan)
        order = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[order], return_index=True)
        for group, members in zip(present, np.split(order, starts[1:]), strict=True):
            result[members] = self._seen_by(how, values[members], int(group))
        return result

    def _seen_by(self, how: str, values: np.ndarray, group: int) -> np.ndarray | float:
        """The summary that members of one group see."""
        if not 0 <= group < len(self.offsets) - 1:
            return np.nan
        peers = self.values[self.offsets[group] : self.offsets[group + 1]]
        return _summary(how, peers, values) if len(peers) else np.nan


def _summary(how: str, peers: np.ndarray, values: np.ndarray) -> np.ndarray | float:
    if how == "total":
        return float(np.add.reduce(peers))
    if how == "median":
        return float(peers[(len(peers) - 1) // 2] + peers[len(peers) // 2]) / 2
    below, up_to = (np.searchsorted(peers, values, side=side) for side in ("left", "right"))
    return np.where(np.isnan(values), np.nan, (below + up_to) / 2 / len(peers))


PeerTables = Mapping[tuple[str, str | None], PeerTable]


def tables_at(columns: Mapping[str, np.ndarray], groups: Mapping[str | None, np.ndarray], wanted: Sequence[Peers]) -> PeerTables:
    """The tables that some peer nodes need at one cutoff, from columns (n,) of all merchants and their group codes (n,)."""
    pairs = sorted({(base_of(node), node.by) for node in wanted}, key=repr)
    return {(name, by): PeerTable.of(columns[name].astype(float), groups[by]) for name, by in pairs}


def compared(node: Peers, tables: PeerTables, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The node's value for merchants with the given own values (n,) and group codes (n,)."""
    return tables[base_of(node), node.by].summary(node.how, values.astype(float), groups)

