"""What is kept of a source between snapshots: tiles, value-days and attributes, and kernels over some of the merchants."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from features.cells import Kernel
from features.engines import Engine
from features.program import Plan
from features.tiles import EntityDays, Need, Tiles, entities_from, entity_sql, tile_sql, tiles_from
from features.verbs import Measure

CELLS = 65_536
"""Tiles, value-days and cells (merchant, cutoff) that one block of the kernel holds, small enough for the processor's cache."""
EVENTS = 1_000_000
"""Raw events that the engine groups at a time."""
ALWAYS = {"orders": Need((), ())}
"""Orders decide which merchants exist, whatever features are asked for."""


@dataclass
class Holdings:
    """The kept tiles of all merchants, in the order of `merchants` (one row each, sorted by id)."""

    merchants: pd.DataFrame
    engine: Engine
    events: int
    """Rows of the largest event table."""
    _tiles: dict[str, list[Tiles]] = field(default_factory=dict)
    _entities: dict[tuple[str, str], list[EntityDays]] = field(default_factory=dict)
    _kept: dict[int, Plan] = field(default_factory=dict)

    @cached_property
    def ids(self) -> np.ndarray:
        """The merchants' ids."""
        return self.merchants["merchant_id"].to_numpy(object)

    @cached_property
    def known(self) -> np.ndarray:
        """Day on which each merchant became known."""
        return self.merchants["known"].to_numpy(np.int64)

    @cached_property
    def joined(self) -> np.ndarray:
        """Day on which each merchant joined."""
        return self.merchants["joined"].to_numpy(np.int64)

    @cached_property
    def attributes(self) -> dict[str, np.ndarray]:
        """Numbers as float64, texts as objects with None where missing."""
        values = {name: self.merchants[name] for name in self.merchants.columns if name != "merchant_id"}
        return {n: v.to_numpy(float) if pd.api.types.is_numeric_dtype(v) else texts(v.to_numpy(object)) for n, v in values.items()}

    @cached_property
    def _group_codes(self) -> dict[str, np.ndarray]:
        return {name: pd.factorize(values)[0] for name, values in self.attributes.items()}

    @cached_property
    def _code_of_group(self) -> dict[str, dict[Any, int]]:
        return {name: dict(zip(self.attributes[name], codes.tolist(), strict=True)) for name, codes in self._group_codes.items()}

    def group_codes_of(self, by: str) -> dict[Any, int]:
        """The code of each group by an attribute; of those who have none it is -1."""
        return self._code_of_group[by]

    def groups(self, by: str | None, day: int, codes: np.ndarray) -> np.ndarray:
        """Group (n,) of some merchants by an attribute, -1 where it is missing or not known before `day`."""
        if by is None:
            return np.zeros(len(codes), np.int64)
        return np.where(self.known[codes] < day, self._group_codes[by][codes], -1)

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """Ranges of merchants whose raw events the engine groups at a time, so that memory stays small."""
        count = min(1 + self.events // EVENTS, max(1, len(self.ids)))
        return list(pairwise(np.linspace(0, len(self.ids), 1 + count).astype(int).tolist()))

    @cached_property
    def _starts(self) -> list[int]:
        return [low for low, _ in self.ranges]

    def tiles(self, stream: str, measures: Sequence[Measure]) -> Tiles:
        """The tiles of a stream for all merchants."""
        self._keep_tiles(stream, measures)
        return Tiles.joined(self._tiles[stream])

    def _keep_tiles(self, stream: str, measures: Sequence[Measure]) -> None:
        kept = self._tiles[stream][0].measures.keys() if stream in self._tiles else set()
        if stream not in self._tiles or not kept >= set(measures):
            wanted = sorted({*measures, *kept}, key=repr)
            answers = self._answers(tile_sql(stream, wanted, low, high) for low, high in self.ranges)
            self._tiles[stream] = [tiles_from(answer, wanted) for answer in answers]

    def _keep_entities(self, stream: str, name: str) -> None:
        if (stream, name) not in self._entities:
            answers = self._answers(entity_sql(stream, name, low, high) for low, high in self.ranges)
            self._entities[stream, name] = [entities_from(answer) for answer in answers]

    def _answers(self, queries: Iterable[str]) -> Iterator[Mapping[str, np.ndarray]]:
        """The engine's answers in order; it works on the next one while this one is used."""
        with ThreadPoolExecutor(1) as pool:
            ahead: deque[Future[Mapping[str, np.ndarray]]] = deque()
            for query in queries:
                ahead.append(pool.submit(self.engine.columns, query))
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            yield from (one.result() for one in ahead)

    def blocks(self, plan: Plan, cutoffs: int) -> list[tuple[int, int]]:
        """Ranges of merchants with about as many tiles and cells as the processor's cache holds."""
        size = np.full(len(self.ids), cutoffs)
        for stream, need in (ALWAYS | dict(plan.needs)).items():
            merchants = [tiles.merchant for tiles in self._tiles[stream]]
            merchants += [days.merchant for name in need.entities for days in self._entities[stream, name]]
            for merchant in merchants:
                size += np.bincount(merchant, minlength=len(size))
        block = (np.cumsum(size) - size) // CELLS
        starts = {*np.flatnonzero(np.diff(block, prepend=-1)).tolist(), *self._starts} if len(size) else ()
        return list(pairwise([*sorted(starts), len(size)]))

    def keep(self, plan: Plan) -> None:
        """Fetch the tiles that a plan needs and that are not kept yet."""
        if id(plan) in self._kept:
            return
        for stream, need in (ALWAYS | dict(plan.needs)).items():
            self._keep_tiles(stream, need.measures)
            for name in need.entities:
                self._keep_entities(stream, name)
        self._kept[id(plan)] = plan

    def kernel(self, low: int, high: int, days: np.ndarray, plan: Plan) -> Kernel:
        """The kernel of merchants `low` to `high - 1`, all of one range."""
        needs, part = ALWAYS | dict(plan.needs), bisect_right(self._starts, low) - 1
        tiles = {stream: self._tiles[stream][part].of(low, high) for stream in needs}
        entities = {(s, name): self._entities[s, name][part].of(low, high) for s, need in needs.items() for name in need.entities}
        attributes = {name: values[low:high] for name, values in self.attributes.items()}
        return Kernel(high - low, days, tiles, entities, attributes, self.known[low:high])


def texts(values: np.ndarray) -> np.ndarray:
    """Texts (n,) with None where missing."""
    return np.where(pd.isna(values), np.array(None), values)
