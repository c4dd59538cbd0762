"""Merchants whose events come with a request: their snapshot from a context that is kept of a cutoff, equal to what a batch gives them.

A context is what the cutoff says of all others: the tables of the peers, the groups, and which streams, fields and attributes there are.
It is plain data and can be published beside a run, so whoever scores live needs no event tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from features.cells import Kernel
from features.declare import Feature, catalogue
from features.errors import DataRefused
from features.grid import Grid, framed
from features.holdings import ALWAYS
from features.kernel import run
from features.peers import PeerTable, PeerTables, compared
from features.program import Plan, base_of
from features.tiles import EntityDays, Need, Rows, Tiles, entities_of_rows, tiles_of_rows

COLUMNS = ("base", "by", "group", "code", "total", "values")
HEAD = ("merchant", "day", "seen")


@dataclass(frozen=True)
class Context:
    """What the merchants of a request are compared with at a cutoff.

    Attributes
    ----------
    day : the cutoff as a day number. zone : where a merchant's day begins.
    streams : the fields of each stream of the platform. attributes : what it knows of a merchant.
    has_merchants : whether it has a table of merchants; otherwise they join with their first order.
    groups : by attribute, the code of each group in the tables.
    """

    day: int
    zone: str
    features: Mapping[str, Feature]
    streams: Mapping[str, Sequence[str]]
    attributes: Sequence[str]
    has_merchants: bool
    tables: PeerTables
    groups: Mapping[str, Mapping[str, int]]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns of a snapshot."""
        return tuple(self.features)

    @cached_property
    def plan(self) -> Plan:
        """How they are computed."""
        return Plan.of(self.features, self.names)

    @cached_property
    def needs(self) -> dict[str, Need]:
        """What is read of each stream."""
        return ALWAYS | dict(self.plan.needs)

    def group_codes(self, by: str | None, values: np.ndarray) -> np.ndarray:
        """Groups (n,) of merchants by their values of an attribute; -1 where nobody shares them."""
        if by is None:
            return np.zeros(len(values), np.int64)
        codes = self.groups.get(by, {})
        return np.array([codes.get(value, -1) for value in values], np.int64)

    def facts(self) -> dict[str, Any]:
        """All but the tables, as JSON."""
        streams = {name: list(fields) for name, fields in self.streams.items()}
        plain = {"day": self.day, "zone": self.zone, "features": list(self.names), "streams": streams}
        return plain | {"attributes": list(self.attributes), "has_merchants": self.has_merchants}

    def frame(self) -> pd.DataFrame:
        """The tables: one row for each column, attribute and group, and one (code -1, -2) for merchants in none."""
        rows: list[tuple[Any, ...]] = []
        for (base, by), table in self.tables.items():
            names = {code: value for value, code in self.groups.get(str(by), {}).items()} if by else {}
            for code in range(-1, len(table.total) - 1):
                values = table.values[code].astype(np.float64) if 0 <= code < len(table.values) else None
                rows.append((base, by or "", names.get(code), code, float(table.total[code + 1]), values))
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"code": "int64", "total": "float64"})

    @classmethod
    def read(cls, facts: Mapping[str, Any], frame: pd.DataFrame) -> Context:
        """The context that `facts` and `frame` were made of.

        Raises
        ------
        DataRefused : it has a feature that is not in the catalogue.
        """
        known = catalogue()
        gone = [name for name in facts["features"] if name not in known]
        if gone:
            raise DataRefused(f"the run was published with a feature {gone[0]!r} that this Keepwell does not have; type `keepwell score` again.")
        tables: dict[tuple[str, str | None], PeerTable] = {}
        groups: dict[str, dict[str, int]] = {}
        for (base, by), rows in frame.groupby(["base", "by"], sort=False):
            inner = rows[rows["values"].notna()]
            values = [np.asarray(one, np.float32) for one in inner["values"]]
            tables[str(base), str(by) or None] = PeerTable(rows["total"].to_numpy(np.float64), values)
            if by:
                named = rows[rows["group"].notna()]
                groups[str(by)] = dict(zip(named["group"], named["code"].tolist(), strict=True))
        features = {name: known[name] for name in facts["features"]}
        given = {name: facts[name] for name in ("day", "zone", "streams", "attributes", "has_merchants")}
        return cls(features=features, tables=tables, groups=groups, **given)


def snapshot_of_rows(context: Context, events: Mapping[str, Rows], attributes: Mapping[str, np.ndarray], known: np.ndarray, ids: Sequence[str]) -> pd.DataFrame:
    """The snapshot of merchants from nothing but their own rows and the context.

    Parameters
    ----------
    events : by stream, integer rows as `features.tables` describes them, `merchant` counting from zero; streams left out are empty.
    attributes : (n,) by name, numbers as floats and texts as objects; those left out are missing.
    known : (n,) the day on which each became known.
    """
    plan, size = context.plan, len(ids)
    days = np.array([context.day])
    told = {name: _told(attributes.get(name), size) for name in {*context.attributes, *attributes, "joined"}}
    kernel = _kernel(context, events, told, known)
    grid = Grid.of(plan, (1, size))
    grid.fill(slice(0, size), run(kernel, plan.own), plan.own)
    is_known = known < context.day
    if plan.second:
        own = {name: grid[name].astype(float) for name in plan.referred}
        member = {by: np.where(is_known | (by is None), context.group_codes(by, told[by] if by else known), -1) for by in {node.by for node in plan.peers}}
        given = {place: compared(node, context.tables, own[base_of(node)][0], member[node.by])[None] for node, place in plan.peer_places}
        given |= {place: own[name] for name, place in plan.ref_places}
        nothing = Kernel(size, days, {}, {}, {}, np.zeros(size))
        grid.fill(slice(None), run(nothing, plan.among_peers, given), plan.among_peers)
    rows = np.arange(size)
    texts = {name: np.where(is_known, told[source], np.array(None)) for name, source in plan.texts.items()}
    return framed(grid.cells(rows, np.zeros_like(rows), context.names), texts, context.names, pd.Index(list(ids), dtype=object, name="merchant_id"))


def _kernel(context: Context, events: Mapping[str, Rows], attributes: Mapping[str, np.ndarray], known: np.ndarray) -> Kernel:
    nothing = np.zeros(0, np.int64)
    tiles: dict[str, Tiles] = {}
    entities: dict[tuple[str, str], EntityDays] = {}
    for stream, need in context.needs.items():
        read = {*need.entities, *(name for one in need.measures for name in (one.field, *(test[0] for test in one.where)) if name)}
        rows = events.get(stream) or dict.fromkeys((*HEAD, *read), nothing)
        tiles[stream] = tiles_of_rows(rows, need.measures)
        entities |= {(stream, name): entities_of_rows(rows, name) for name in need.entities}
    return Kernel(len(known), np.array([context.day]), tiles, entities, attributes, known)


def _told(values: np.ndarray | None, size: int) -> np.ndarray:
    """The values of an attribute; all missing where it was not given."""
    return np.full(size, None, object) if values is None else values
