"""Each merchant beside its peers at a cutoff: ranks, medians and totals over an industry, a region or the whole market.

The summaries of one cutoff are kept, so that a single merchant is compared with exactly the peers a batch compares it with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from features.program import base_of
from features.verbs import Peers


def members(groups: np.ndarray) -> list[np.ndarray]:
    """The positions of each group 0, 1, … in `groups` (n,); those of group -1 are in none."""
    if len(groups) and groups.min() == groups.max() == 0:
        return [np.arange(len(groups))]
    order = np.argsort(groups, kind="stable")
    edges = np.searchsorted(groups[order], np.arange(groups.max(initial=-1) + 2))
    return [order[edges[k] : edges[k + 1]] for k in range(len(edges) - 1)]


@dataclass(frozen=True)
class PeerTable:
    """One column over all merchants at one cutoff: the sorted values of each group, missing ones left out."""

    values: Sequence[np.ndarray]

    @classmethod
    def of(cls, values: np.ndarray, belonging: Sequence[np.ndarray]) -> PeerTable:
        """The table of `values` (n,), given the positions that belong to each group."""
        sorts = (np.sort(values[positions]) for positions in belonging)  # missing values sort to the end
        return cls([one[: len(one) - int(np.isnan(one).sum())] for one in sorts])

    @cached_property
    def total(self) -> np.ndarray:
        """Sum of each group; the last entry is for merchants in none."""
        return np.array([np.add.reduce(one) if len(one) else np.nan for one in self.values] + [np.nan])

    @cached_property
    def median(self) -> np.ndarray:
        """Median of each group; the last entry is for merchants in none."""
        return np.array([(one[(len(one) - 1) // 2] + one[len(one) // 2]) / 2 if len(one) else np.nan for one in self.values] + [np.nan])

    def rank(self, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Share of its group's values below each of `values` (n,), ties half; missing without a value or a group."""
        result = np.full(len(values), np.nan)
        belonging = enumerate(members(groups)) if len(groups) != 1 else [(int(groups[0]), np.array([0]))]
        for group, positions in belonging:
            if 0 <= group < len(self.values) and len(positions) and len(self.values[group]):
                result[positions] = _rank(self.values[group], values[positions])
        return result

    def summary(self, how: Literal["rank", "median", "total"], values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """What each merchant of `groups` (n,) sees of its peers; missing where its group has no values."""
        if how == "rank":
            return self.rank(values, groups)
        by_group = self.total if how == "total" else self.median
        return by_group[np.where(groups < len(by_group), groups, -1)]


def _rank(peers: np.ndarray, values: np.ndarray) -> np.ndarray:
    below = np.searchsorted(peers, values)
    up_to = below + (peers.take(below, mode="clip") == values)
    tied = np.flatnonzero(peers.take(up_to, mode="clip") == values)
    up_to[tied] = np.searchsorted(peers, values[tied], side="right")
    return np.where(np.isnan(values), np.nan, (below + up_to) / 2 / len(peers))


PeerTables = Mapping[tuple[str, str | None], PeerTable]


def tables_at(columns: Mapping[str, np.ndarray], groups: Mapping[str | None, np.ndarray], wanted: Sequence[Peers]) -> PeerTables:
    """The tables that some peer nodes need at one cutoff, from columns (n,) of all merchants and their group codes (n,)."""
    pairs = sorted({(base_of(node), node.by) for node in wanted}, key=repr)
    belonging = {by: members(codes) for by, codes in groups.items()}
    return {(name, by): PeerTable.of(columns[name].astype(float), belonging[by]) for name, by in pairs}


def compared(node: Peers, tables: PeerTables, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The node's value for merchants with the given own values (n,) and group codes (n,)."""
    return tables[base_of(node), node.by].summary(node.how, values, groups)
