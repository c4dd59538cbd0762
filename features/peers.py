"""Each merchant beside its peers at a cutoff: ranks, medians and totals over an industry, a region or the whole market.

The summaries of one cutoff are kept, so that a single merchant is compared with exactly the peers a batch compares it with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from features.program import base_of
from features.verbs import Peers

NOTHING = np.empty(0, np.float32)
FEW_GROUPS = 2**15
"""Up to so many groups fit 16 bits, which sort in a tenth of the time."""
How = Literal["rank", "median", "total"]


def members(groups: np.ndarray) -> list[np.ndarray]:
    """The positions of each group 0, 1, … in `groups` (n,); those of group -1 are in none."""
    if len(groups) and groups.min() == groups.max() == 0:
        return [np.arange(len(groups))]
    count = int(groups.max(initial=-1)) + 1
    order = np.argsort(groups.astype(np.int16) if count <= FEW_GROUPS else groups, kind="stable")  # sorted by digits, not by comparing
    edges = np.bincount(groups + 1, minlength=count + 1).cumsum()
    return [order[first:last] for first, last in pairwise(edges)]


@dataclass(frozen=True)
class PeerTable:
    """One column over all merchants at one cutoff, group by group; missing values are left out."""

    total: np.ndarray
    """Sum of each group, between two missing ones for merchants in none."""
    values: Sequence[np.ndarray]
    """The sorted values of each group, float32 as columns are kept; empty where only totals are asked for."""
    below: np.ndarray | None = None
    """Twice how many of its group's values lie below each merchant's, ties half, -1 where it has none; of those that the table was made of."""

    @classmethod
    def of(cls, values: np.ndarray, groups: np.ndarray, belonging: Sequence[np.ndarray] | None = None) -> PeerTable:
        """The table of `values` (n,) with their group codes (n,), and the positions that belong to each group if values are kept."""
        codes, size = np.where(np.isnan(values), 0, groups + 1), int(groups.max(initial=-1)) + 3
        total = np.bincount(codes, values, size).astype(float)
        total[np.bincount(codes, minlength=size) == 0] = np.nan
        total[0] = np.nan
        if belonging is None:
            return cls(total, ())
        below = np.full(len(values), -1, np.int32)
        return cls(total, [_placed(values, positions, below) for positions in belonging], below)

    @cached_property
    def median(self) -> np.ndarray:
        """Median of each group, between two missing ones for merchants in none."""
        inner = [(float(one[(len(one) - 1) // 2]) + float(one[len(one) // 2])) / 2 if len(one) else np.nan for one in self.values]
        return np.array([np.nan, *inner, np.nan])

    @cached_property
    def steps(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The different values of each group, and how many of its values lie below each of them; the last count is of all."""
        firsts = [np.flatnonzero(np.diff(one, prepend=np.nan) != 0) for one in self.values]
        return [(one.take(first).astype(float), np.append(first, len(one))) for one, first in zip(self.values, firsts, strict=True)]

    def rank(self, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Share of its group's values below each of `values` (n,), ties half; missing without a value or a group."""
        result = np.full(len(values), np.nan)
        belonging = enumerate(members(groups)) if len(groups) != 1 else [(int(groups[0]), np.array([0]))]
        for group, positions in belonging:
            if 0 <= group < len(self.values) and len(positions) and len(self.values[group]):
                result[positions] = _rank(*self.steps[group], values.take(positions))
        return result

    @cached_property
    def _sizes(self) -> np.ndarray:
        return np.array([1, *(len(one) or 1 for one in self.values), 1])

    def rank_of(self, positions: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """`rank` of merchants that the table was made of, by their positions (n,): what was counted once is not searched again."""
        assert self.below is not None
        below = self.below.take(positions)
        return np.where(below < 0, np.nan, below / 2 / self._sizes.take(groups + 1, mode="clip"))

    def summary(self, how: How, values: np.ndarray, groups: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
        """What each merchant of `groups` (n,) sees of its peers; missing where its group has no values.

        Parameters
        ----------
        positions : where the merchants stand among those that the table was made of, if they do.
        """
        if how == "rank":
            return self.rank(values, groups) if positions is None else self.rank_of(positions, groups)
        by_group = self.total if how == "total" else self.median
        return by_group.take(groups + 1, mode="clip")


def _placed(values: np.ndarray, positions: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The sorted values of a group, whose members' counts of values below go into `below`."""
    own = values.take(positions)
    order = np.argsort(own)  # missing values sort to the end
    ranked = own.take(order[: len(order) - int(np.isnan(own).sum())])
    if len(ranked):
        is_new = np.append(True, ranked[1:] != ranked[:-1])
        ends = np.append(np.flatnonzero(is_new), len(ranked)).astype(below.dtype)
        below[positions.take(order[: len(ranked)])] = (ends[:-1] + ends[1:]).take(is_new.cumsum() - 1)
    return ranked.astype(np.float32)


def _rank(different: np.ndarray, below: np.ndarray, values: np.ndarray) -> np.ndarray:
    order = np.argsort(values)  # searches in order find their way in the processor's cache
    place = np.empty_like(order)
    place[order] = np.searchsorted(different, values.take(order))
    is_one = different.take(place, mode="clip") == values
    share = (below.take(place) + below.take(place + is_one)) / 2 / below[-1]
    return np.where(np.isnan(values), np.nan, share)


PeerTables = Mapping[tuple[str, str | None], PeerTable]


def tables_at(columns: Mapping[str, np.ndarray], groups: Mapping[str | None, np.ndarray], wanted: Sequence[Peers]) -> PeerTables:
    """The tables that some peer nodes need at one cutoff, from columns (n,) of all merchants and their group codes (n,)."""
    hows: dict[tuple[str, str | None], set[str]] = {}
    for node in wanted:
        hows.setdefault((base_of(node), node.by), set()).add(node.how)
    compared_by = {by for (_, by), how in hows.items() if how != {"total"}}
    belonging = {by: members(codes) if by in compared_by else () for by, codes in groups.items()}
    return {
        (name, by): PeerTable.of(columns[name].astype(float), groups[by], belonging[by] if how != {"total"} else None)
        for (name, by), how in hows.items()
    }


def to_arrays(tables: PeerTables) -> Iterator[np.ndarray]:
    """Some tables as plain arrays, four each: totals, where each group's values end, all groups' values, and what lies below each merchant."""
    for table in tables.values():
        yield table.total
        yield np.cumsum([len(one) for one in table.values], dtype=np.int64)
        yield np.concatenate(table.values) if len(table.values) else NOTHING
        yield NOTHING if table.below is None else table.below


def from_arrays(wanted: Sequence[Peers], arrays: Sequence[np.ndarray]) -> Iterator[PeerTables]:
    """The tables that `to_arrays` made arrays of, one cutoff after the other; `wanted` as for `tables_at`."""
    keys = _keys(wanted)
    tables = [_table(*arrays[start : start + 4]) for start in range(0, len(arrays), 4)]
    for start in range(0, len(tables), len(keys)):
        yield dict(zip(keys, tables[start : start + len(keys)], strict=True))


def bytes_at_most(wanted: Sequence[Peers], merchants: int) -> int:
    """What the arrays of one cutoff's tables take at most."""
    return 24 * (merchants + 3) * len(_keys(wanted))


def _keys(wanted: Sequence[Peers]) -> list[tuple[str, str | None]]:
    return list(dict.fromkeys((base_of(node), node.by) for node in wanted))


def _table(total: np.ndarray, ends: np.ndarray, values: np.ndarray, below: np.ndarray) -> PeerTable:
    return PeerTable(total, np.split(values, ends[:-1]) if len(ends) else (), below if len(below) else None)


def compared(node: Peers, tables: PeerTables, values: np.ndarray, groups: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
    """The node's value for merchants with the given own values (n,), group codes (n,) and, where the tables were made of them, positions (n,)."""
    return tables[base_of(node), node.by].summary(node.how, values, groups, positions)
