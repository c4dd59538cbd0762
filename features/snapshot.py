"""`snapshot(cutoff, merchants)`: the one place that knows time.

Training loops over it, nightly scoring calls it once, a request calls it with one id or with its events. There is no second
implementation of a feature, so there is no skew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.cells import Kernel
from features.cutoffs import Cutoff, day_date, day_number
from features.declare import Feature, available, catalogue
from features.engines import DuckEngine
from features.errors import UsageRefused, did_you_mean
from features.grid import Grid, framed
from features.halves import alternately
from features.holdings import Holdings
from features.inline import Context, snapshot_of_rows
from features.kernel import Room, run
from features.peers import PeerTables, bytes_at_most, compared, from_arrays, tables_at, to_arrays
from features.program import Plan, base_of
from features.settings import Settings
from features.source import Source, read_source
from features.tiles import Rows, Tiles
from features.verbs import Measure

BLOCKS = 1
"""Blocks of merchants in a part."""
Blocks = list[tuple[int, int]]
"""Ranges of merchants."""


@dataclass(repr=False)
class Market:
    """A platform's checked events, and snapshots of its merchants at any cutoff."""

    source: Source
    features: Mapping[str, Feature]
    held: Holdings
    _peers: dict[tuple[int, str], PeerTables] = field(default_factory=dict)
    _plans: dict[tuple[str, ...], Plan] = field(default_factory=dict)

    @classmethod
    def open(cls, config: Path | str, today: date | None = None) -> Market:
        """Read `keepwell.toml` and its event tables.

        Raises
        ------
        UsageRefused, DataRefused
            With one sentence that says what is wrong, where, and what to do.
        """
        return cls.of(read_source(Path(config), today=today))

    @classmethod
    def of(cls, source: Source, features: Mapping[str, Feature] | None = None) -> Market:
        """The market of a source; `features` instead of the catalogue is for tests of new ones."""
        attributes = [name for name in source.merchants.columns if name != "merchant_id"]
        found = available(catalogue() if features is None else features, source.streams, attributes)
        return cls(source, found, Holdings(source.merchants, DuckEngine(source.connection), max(source.counts.values())))

    @property
    def settings(self) -> Settings:
        """The configuration that the source was read with."""
        return self.source.settings

    @property
    def merchants(self) -> pd.DataFrame:
        """Everything known about the merchants, one row each, sorted by `merchant_id`."""
        return self.source.merchants

    def snapshot(self, cutoff: Cutoff, merchants: Sequence[str] | None = None, only: Iterable[str] | None = None) -> pd.DataFrame:
        """One row per merchant known before the cutoff, from nothing that was not known before it.

        Parameters
        ----------
        cutoff : a date: midnight at its start, in the platform's time zone.
        merchants : ids to answer for (each must be known before the cutoff); by default all.
        only : names of features; by default all that the tables allow.

        Returns
        -------
        A frame indexed by `merchant_id` (in the order asked for, else sorted) with one column per feature: float32, or, after
        these, texts for categories. Missing values are NaN; a feature of an absent table is an absent column.

        Raises
        ------
        UsageRefused
            For an unknown feature, an unknown merchant or a cutoff that is no date.
        """
        day = np.array([day_number(cutoff)])
        codes = None if merchants is None else self._codes(merchants)
        names = self._names(only)
        present, grid = self._grid(day, names, codes)
        ids = self.held.ids if codes is None else self.held.ids[codes]
        if codes is not None and not present.all():
            raise UsageRefused(f"merchant {ids[~present[0]][0]!r} was not known before {day_date(day[0]):%Y-%m-%d}; use a later cutoff.")
        rows = np.flatnonzero(present[0])
        place = (self._everyone if codes is None else codes)[rows]
        texts = self._texts(self._plan(names), place, day[np.zeros_like(rows)])
        return framed(grid.cells(rows, np.zeros_like(rows), names), texts, names, pd.Index(ids[rows], dtype=object, name="merchant_id"))

    def snapshots(self, cutoffs: Iterable[Cutoff], only: Iterable[str] | None = None) -> pd.DataFrame:
        """Snapshots at several cutoffs, indexed by (`merchant_id`, `cutoff`); equal to `snapshot` at each, in one pass."""
        days, names = np.unique([day_number(cutoff) for cutoff in cutoffs]), self._names(only)
        present, grid = self._grid(days, names, None)
        merchant, slot = np.nonzero(present.T)
        return self._framed(merchant, slot, days, grid.cells(merchant, slot, names), names)

    def _framed(self, merchant: np.ndarray, slot: np.ndarray, days: np.ndarray, cells: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
        first, last = (int(merchant[0]), int(merchant[-1]) + 1) if len(merchant) else (0, 0)
        levels = [pd.Index(self.held.ids[first:last], dtype=object), pd.to_datetime(days, unit="D")]
        places: list[Any] = [merchant - first, slot]
        index = pd.MultiIndex(levels, places, names=["merchant_id", "cutoff"], verify_integrity=False)
        return framed(cells, self._texts(self._plan(names), merchant, days.take(slot)), names, index)

    def parts(self, cutoffs: Iterable[Cutoff], only: Iterable[str] | None = None) -> Iterator[pd.DataFrame]:
        """`snapshots` in parts of some thousand merchants each, so that memory does not grow with the number of merchants."""
        days, names = np.unique([day_number(cutoff) for cutoff in cutoffs]), self._names(only)
        plan = self._plan(names)
        self.held.keep(plan)  # before the peers, which need a part of the same tiles
        self._keep_peers(days, plan, None)
        blocks = self.held.blocks(plan, len(days))
        parts = [blocks[start : start + BLOCKS] for start in range(0, len(blocks), BLOCKS)]

        rooms = Room(np.float64), Room(np.float32)

        def answer(part: Blocks) -> tuple[np.ndarray, ...]:
            first, last = part[0][0], part[-1][1]
            present, grid = self._own(days, plan, part, *rooms)
            self._among_peers(days, plan, grid, np.arange(first, last), rooms[0])
            merchant, slot = np.nonzero(present.T)
            return first + merchant, slot, grid.cells(merchant, slot, names)

        largest = max((part[-1][1] - part[0][0] for part in parts), default=0) * len(days)
        for merchant, slot, cells in alternately(parts, answer, largest * (16 + 4 * len(plan.numbers))):
            yield self._framed(merchant, slot, days, cells, names)

    def snapshot_of(self, cutoff: Cutoff, events: Mapping[str, Rows], profile: Mapping[str, Any], known: Cutoff | None = None) -> pd.DataFrame:
        """The snapshot of a merchant that the source does not hold, from its events: equal to what a batch would give it.

        It is compared with the source's peers at the cutoff; groups (an industry, say) that they do not have stay missing.

        Parameters
        ----------
        events, profile : by stream its rows, and by name its attributes: see `features.inline.snapshot_of_rows`.
        known : when the merchant became known; by default long ago.
        """
        context = self.context(cutoff)
        given = dict.fromkeys(self.held.attributes) | {"joined": np.nan} | dict(profile)
        attributes = {name: np.array([value if isinstance(value, str) or value is None else float(value)]) for name, value in given.items()}
        return snapshot_of_rows(context, events, attributes, np.array([0 if known is None else day_number(known)]), ["inline"])

    def context(self, cutoff: Cutoff) -> Context:
        """What merchants that the source does not hold are compared with at a cutoff; it can be published and read without the source."""
        day, plan = day_number(cutoff), self._plan(self._all_names)
        self._keep_peers(np.array([day]), plan, None)
        tables = self._peers.get((day, plan.peer_key), {})
        groups = {node.by: self.held.group_codes_of(node.by) for node in plan.peers if node.by is not None}
        settings, streams = self.settings, self.source.streams
        has_merchants = "merchants" in settings.source
        context = Context(day, settings.timeline.timezone, self.features, streams, (*self.held.attributes,), has_merchants, tables, groups)
        context.__dict__["plan"] = plan  # compiled once for all contexts of this market
        return context

    def detach(self) -> None:
        """Give up the engine, in a forked process: its threads are not there, and a question to it would wait for ever instead of failing."""
        del self.held.engine

    def tiles(self, stream: str, measures: Sequence[Measure]) -> Tiles:
        """The tiles of a stream for all merchants, the kept ones together."""
        return self.held.tiles(stream, measures)

    def _names(self, only: Iterable[str] | None) -> tuple[str, ...]:
        if only is None:
            return self._all_names
        wanted = tuple(dict.fromkeys(only))
        for name in wanted:
            if name in catalogue() and name not in self.features:
                raise UsageRefused(f"feature {name!r} needs a table or column that the data does not have; see keepwell features describe {name}.")
            if name not in self.features:
                raise UsageRefused(f"there is no feature {name!r}; {did_you_mean(name, self.features)}")
        return wanted

    @cached_property
    def _all_names(self) -> tuple[str, ...]:
        return tuple(self.features)

    @cached_property
    def _code_of(self) -> dict[str, int]:
        return {merchant: code for code, merchant in enumerate(self.held.ids)}

    @cached_property
    def _everyone(self) -> np.ndarray:
        return np.arange(len(self.held.ids))

    def _codes(self, merchants: Sequence[str]) -> np.ndarray:
        codes = np.array([self._code_of.get(merchant, -1) for merchant in merchants], np.int64)
        if (codes < 0).any():
            unknown = list(merchants)[int(np.argmax(codes < 0))]
            raise UsageRefused(f"merchant {unknown!r} is not in the data; {did_you_mean(str(unknown), self.held.ids)}")
        return codes

    def _plan(self, names: tuple[str, ...]) -> Plan:
        if names not in self._plans:
            self._plans[names] = Plan.of(self.features, names)
        return self._plans[names]

    def _grid(self, days: np.ndarray, names: tuple[str, ...], codes: np.ndarray | None) -> tuple[np.ndarray, Grid]:
        plan = self._plan(names)
        present, grid = self._own(days, plan, None if codes is None else [(c, c + 1) for c in codes])
        self._keep_peers(days, plan, (present, grid) if codes is None else None)
        self._among_peers(days, plan, grid, self._everyone if codes is None else codes)
        return present, grid

    def _own(
        self, days: np.ndarray, plan: Plan, chosen: Blocks | None, values: Room | None = None, numbers: Room | None = None
    ) -> tuple[np.ndarray, Grid]:
        """What a merchant's own events and attributes decide, block by block."""
        self.held.keep(plan)
        blocks = self.held.blocks(plan, len(days)) if chosen is None else chosen
        shape = (len(days), sum(high - low for low, high in blocks))
        present, grid = np.zeros(shape, bool), Grid.of(plan, shape, numbers)
        values = values or Room(np.float64)
        done = 0
        for low, high in blocks:
            rows = slice(done, done := done + high - low)
            kernel = self.held.kernel(low, high, days, plan)
            grid.fill(rows, run(kernel, plan.own, room=values), plan.own)
            joined = np.maximum(kernel.known, self.held.joined[low:high]) < days[:, None]
            present[:, rows] = joined | kernel.has_events("orders")
        return present, grid

    def _texts(self, plan: Plan, merchant: np.ndarray, day: np.ndarray) -> dict[str, np.ndarray]:
        """Texts (n,) of merchants at cutoffs (n,); None where nothing was known."""
        known = self.held.known[merchant] < day
        return {name: np.where(known, self.held.attributes[source][merchant], np.array(None)) for name, source in plan.texts.items()}

    def _among_peers(self, days: np.ndarray, plan: Plan, grid: Grid, codes: np.ndarray, room: Room | None = None) -> None:
        """What only the comparison with peers decides, of the merchants `codes`; from the finished columns of the first pass."""
        if not plan.second:
            return
        self._keep_peers(days, plan, None)
        tables = [self._peers[int(day), plan.peer_key] for day in days]
        own = {name: grid[name].astype(float) for name in plan.referred}
        member = {by: [self.held.groups(by, int(day), codes) for day in days] for by in {node.by for node in plan.peers}}
        given = {}
        for node, place in plan.peer_places:
            mine = own[base_of(node)]
            given[place] = np.array([compared(node, tables[slot], mine[slot], member[node.by][slot], codes) for slot in range(len(days))])
        given |= {place: own[name] for name, place in plan.ref_places}
        nothing = Kernel(len(grid), days, {}, {}, {}, np.zeros(len(grid)))
        grid.fill(slice(None), run(nothing, plan.among_peers, given, room), plan.among_peers)

    def _keep_peers(self, days: np.ndarray, plan: Plan, done: tuple[np.ndarray, Grid] | None) -> None:
        """Make the peers' tables of cutoffs that are not kept yet, half of them in a forked process; of kept cutoffs nothing is computed again."""
        missing = np.array([(int(day), plan.peer_key) not in self._peers for day in days], bool)
        if not missing.any() or not plan.peers:
            return
        if done:
            self._peers |= {(int(day), plan.peer_key): self._tables(plan, day, *done, slot) for slot, day in enumerate(days) if missing[slot]}
            return
        bases = self._plan(plan.bases)
        self.held.keep(bases)

        def answer(part: np.ndarray) -> list[np.ndarray]:
            own = self._own(part, bases, None)
            return [array for slot, day in enumerate(part) for array in to_arrays(self._tables(plan, day, *own, slot))]

        is_worth_it = missing.sum() > 1 and len(self.held.blocks(bases, len(days))) > 2
        parts = np.array_split(days[missing], 2) if is_worth_it else [days[missing]]
        size = len(parts[0]) * bytes_at_most(plan.peers, len(self.held.ids))
        for part, arrays in zip(parts, alternately(parts, answer, size), strict=True):
            found = zip(part, from_arrays(plan.peers, arrays), strict=True)
            self._peers |= {(int(day), plan.peer_key): tables for day, tables in found}

    def _tables(self, plan: Plan, day: int, present: np.ndarray, grid: Grid, slot: int) -> PeerTables:
        here = present[slot]
        groups = {by: np.where(here, self.held.groups(by, int(day), self._everyone), -1) for by in {node.by for node in plan.peers}}
        return tables_at({name: grid[name][slot] for name in plan.bases}, groups, plan.peers)
