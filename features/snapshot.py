"""`snapshot(cutoff, merchants)`: the one place that knows time.

Training loops over it, nightly scoring calls it once, a request calls it with one id. There is no second implementation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.declare import Feature, available, catalogue
from features.engines import DuckEngine, Engine
from features.errors import DataRefused, UsageRefused, did_you_mean
from features.kernel import Kernel
from features.peers import PeerTables, compared, tables_at
from features.program import Plan
from features.settings import Settings
from features.source import Source, read_source
from features.tiles import EntityDays, Need, Tiles, entities_from, entity_sql, tile_sql, tiles_from
from features.verbs import Column, Measure, Peers, Ref

Cutoff = date | str | pd.Timestamp | np.datetime64 | int
CELLS = 32_768
"""Merchants times cutoffs that one block of the kernel holds, small enough for the processor's cache."""


def day_number(cutoff: Cutoff) -> int:
    """Days from 1970-01-01 to a cutoff, which is the midnight at the start of a day in the platform's time zone."""
    if isinstance(cutoff, int | np.integer):
        return int(cutoff)
    try:
        moment = pd.Timestamp(cutoff)
    except ValueError:
        raise UsageRefused(f"cutoff {cutoff!r} is not a date; write it as 2026-06-01.") from None
    if moment != moment.normalize() or moment is pd.NaT:
        raise UsageRefused(f"cutoff {cutoff} is not a midnight; give a date like {moment:%Y-%m-%d}.")
    return (moment.tz_localize(None) - pd.Timestamp(0)).days


def day_date(day: int) -> pd.Timestamp:
    """The date of a day number."""
    return pd.Timestamp(int(day), unit="D")


@dataclass
class Market:
    """A platform's checked events, and snapshots of its merchants at any cutoff."""

    source: Source
    features: Mapping[str, Feature]
    engine: Engine
    _tiles: dict[str, Tiles] = field(default_factory=dict)
    _entities: dict[tuple[str, str], EntityDays] = field(default_factory=dict)
    _peers: dict[tuple[int, tuple[Peers, ...]], PeerTables] = field(default_factory=dict)
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
        return cls(source, found, DuckEngine(source.connection))

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
        A frame indexed by `merchant_id` (in the order asked for, else sorted) with one column per feature: float32, or texts
        for categories. Missing values are NaN; a feature of an absent table is an absent column.

        Raises
        ------
        UsageRefused
            For an unknown feature, an unknown merchant or a cutoff that is no date.
        """
        day = np.array([day_number(cutoff)])
        codes = None if merchants is None else self._codes(merchants)
        present, columns = self._columns(day, self._names(only), codes)
        ids = self._ids if codes is None else self._ids[codes]
        if codes is not None and not present.all():
            raise UsageRefused(f"merchant {ids[~present[:, 0]][0]!r} was not known before {day_date(day[0]):%Y-%m-%d}; use a later cutoff.")
        rows = np.flatnonzero(present[:, 0])
        return _frame({name: values[rows, 0] for name, values in columns.items()}, pd.Index(ids[rows], name="merchant_id"))

    def snapshots(self, cutoffs: Iterable[Cutoff], only: Iterable[str] | None = None) -> pd.DataFrame:
        """Snapshots at several cutoffs, indexed by (`merchant_id`, `cutoff`); equal to `snapshot` at each, in one pass."""
        days = np.unique([day_number(cutoff) for cutoff in cutoffs])
        present, columns = self.columns(days, only)
        merchant, slot = np.nonzero(present)
        moments = pd.DatetimeIndex([day_date(day) for day in days])
        index = pd.MultiIndex.from_arrays([self._ids[merchant], moments[slot]], names=["merchant_id", "cutoff"])
        return _frame({name: values[merchant, slot] for name, values in columns.items()}, index)

    def columns(self, days: np.ndarray, only: Iterable[str] | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The raw form of `snapshots`: which rows exist, and each feature, all of shape (merchants, cutoffs)."""
        return self._columns(np.sort(days), self._names(only), None)

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
    def _index(self) -> pd.Index:
        return pd.Index(self._ids)

    @cached_property
    def _ids(self) -> np.ndarray:
        return self.merchants["merchant_id"].to_numpy(object)

    def _codes(self, merchants: Sequence[str]) -> np.ndarray:
        codes = self._index.get_indexer(list(merchants))
        if (codes < 0).any():
            unknown = list(merchants)[int(np.argmax(codes < 0))]
            raise UsageRefused(f"merchant {unknown!r} is not in the data; {did_you_mean(str(unknown), self._ids)}")
        return codes

    def _columns(self, days: np.ndarray, names: tuple[str, ...], codes: np.ndarray | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        plan = self._plan(names)
        present, columns = self._first(days, plan, self._blocks(len(days)) if codes is None else [(c, c + 1) for c in codes])
        if plan.second:
            self._keep_peers(days, plan, columns if codes is None else None, present)
            self._second(days, plan, columns, self._everyone if codes is None else codes)
        return present, {name: columns[name] for name in names}

    def _plan(self, names: tuple[str, ...]) -> Plan:
        if names not in self._plans:
            self._plans[names] = Plan.of(self.features, names)
        return self._plans[names]

    def _blocks(self, cutoffs: int) -> list[tuple[int, int]]:
        size = max(1, CELLS // cutoffs)
        return [(low, min(low + size, len(self._ids))) for low in range(0, len(self._ids), size)]

    def _first(self, days: np.ndarray, plan: Plan, blocks: list[tuple[int, int]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Everything that a merchant's own events and attributes decide, block by block."""
        self._keep_tiles(plan)
        shape = (sum(high - low for low, high in blocks), len(days))
        present = np.zeros(shape, bool)
        columns = {name: np.empty(shape, object if one.is_text else np.float32) for name, one in plan.first.items()}
        ends = np.cumsum([high - low for low, high in blocks])

        def fill(number: int) -> None:
            low, high = blocks[number]
            rows = slice(ends[number] - (high - low), ends[number])
            kernel = self._kernel(low, high, days)
            values = kernel.run(plan.own)
            for name, place in plan.own.places.items():
                columns[name][rows] = values[place]
            present[rows] = kernel.has_events("orders") | (np.maximum(kernel.known, self._joined[low:high])[:, None] < days)

        if len(blocks) == 1:
            fill(0)
        else:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(fill, range(len(blocks))))
        return present, columns

    def _second(self, days: np.ndarray, plan: Plan, columns: dict[str, np.ndarray], codes: np.ndarray) -> None:
        """What only the comparison with peers decides; from the finished columns of the first pass."""
        given: dict[Column, np.ndarray] = {Ref(name): columns[name].astype(float) for name in plan.referred}
        for node in plan.peers:
            own = given[node.of]
            parts = [self._compared(node, plan, int(day), own[:, slot], codes) for slot, day in enumerate(days)]
            given[node] = np.stack(parts, axis=1)
        values = Kernel(len(codes), days, {}, {}, {}, self._known[codes]).run(plan.among_peers, given)
        for name, place in plan.among_peers.places.items():
            columns[name] = values[place].astype(np.float32)

    def _compared(self, node: Peers, plan: Plan, day: int, own: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return compared(node, self._peers[day, plan.peers], own, self._groups(node.by, day, codes))

    def _keep_peers(self, days: np.ndarray, plan: Plan, columns: dict[str, np.ndarray] | None, present: np.ndarray) -> None:
        """Make the peers' tables of cutoffs that are not kept yet; of kept cutoffs nothing is computed again."""
        missing = [slot for slot, day in enumerate(days) if (int(day), plan.peers) not in self._peers]
        if not missing:
            return
        if columns is None:
            present, columns = self._first(days, self._plan(plan.bases), self._blocks(len(days)))
        for slot in missing:
            day, here = int(days[slot]), present[:, slot]
            groups = {by: np.where(here, self._groups(by, day, self._everyone), -1) for by in {node.by for node in plan.peers}}
            self._peers[day, plan.peers] = tables_at({name: columns[name][:, slot] for name in plan.bases}, groups, plan.peers)

    def _groups(self, by: str | None, day: int, codes: np.ndarray) -> np.ndarray:
        if by is None:
            return np.zeros(len(codes), np.int64)
        return np.where(self._known[codes] < day, self._group_codes[by][codes], -1)

    @cached_property
    def _group_codes(self) -> dict[str, np.ndarray]:
        return {name: pd.factorize(self.merchants[name], sort=True)[0] for name in self.merchants.columns if name != "merchant_id"}

    @cached_property
    def _everyone(self) -> np.ndarray:
        return np.arange(len(self._ids))

    @cached_property
    def _known(self) -> np.ndarray:
        return self.merchants["known"].to_numpy(np.int64)

    @cached_property
    def _joined(self) -> np.ndarray:
        return self.merchants["joined"].to_numpy(np.int64)

    @cached_property
    def _attributes(self) -> dict[str, np.ndarray]:
        values = {name: self.merchants[name] for name in self.merchants.columns if name != "merchant_id"}
        return {n: v.to_numpy(float) if pd.api.types.is_numeric_dtype(v) else _texts(v) for n, v in values.items()}

    def _kernel(self, low: int, high: int, days: np.ndarray) -> Kernel:
        tiles = {name: tiles.of(low, high) for name, tiles in self._tiles.items()}
        entities = {name: rows.of(low, high) for name, rows in self._entities.items()}
        attributes = {name: values[low:high] for name, values in self._attributes.items()}
        return Kernel(high - low, days, tiles, entities, attributes, self._known[low:high])

    def tiles(self, stream: str, measures: Sequence[Measure]) -> Tiles:
        """The tiles of a stream for all merchants, kept for the next call."""
        kept = self._tiles.get(stream)
        if kept is None or not set(measures) <= set(kept.measures):
            wanted = sorted({*measures, *(kept.measures if kept else ())}, key=repr)
            kept = self._tiles[stream] = tiles_from(self.engine.columns(tile_sql(stream, wanted)), wanted)
        return kept

    def _keep_tiles(self, plan: Plan) -> None:
        """Fetch the tiles that the plan needs and that are not kept yet."""
        for stream, need in ({"orders": Need((), ())} | dict(plan.needs)).items():
            self.tiles(stream, need.measures)
            for name in need.entities:
                if (stream, name) not in self._entities:
                    self._entities[stream, name] = entities_from(self.engine.columns(entity_sql(stream, name)))


def _frame(columns: Mapping[str, np.ndarray], index: pd.Index) -> pd.DataFrame:
    """A frame whose numbers lie in one block: a hundred columns are made as fast as one."""
    numbers = {name: values for name, values in columns.items() if values.dtype != object}
    block = np.empty((len(numbers), len(index)), np.float32)
    for place, values in enumerate(numbers.values()):
        block[place] = values
    frame = pd.DataFrame(block.T, index=index, columns=list(numbers), copy=False)
    for place, (name, values) in enumerate(columns.items()):
        if values.dtype == object:
            frame.insert(place, name, values)
    return frame


def _texts(values: pd.Series) -> np.ndarray:
    return np.where(values.isna(), None, values.to_numpy(object))


def open_market(config: Path | str, today: date | None = None) -> Market:
    """`Market.open`, refusing a source without orders."""
    market = Market.open(config, today)
    if not market.source.counts.get("orders"):
        raise DataRefused(f"{config}: the orders table is empty; Keepwell needs at least one completed order.")
    return market
