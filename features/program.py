"""Expression trees as a program: every distinct node once, operands before those who use them.

Compiled once for a choice of features and then run for any merchants and cutoffs, so that a single merchant's snapshot costs
array operations and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.declare import Feature
from features.tables import SCALE, STREAMS
from features.tiles import Need, needed
from features.verbs import Arithmetic, Attribute, Column, Constant, Entities, Measure, Peers, Ref, Total, nodes

DAYS = Measure("day", "given")
"""Days with events: a day counts once, however many tiles it has."""
NEVER = 2**40
"""A day, or an age in days, that is never reached."""


@dataclass(frozen=True)
class Windows:
    """The windows of one measure: each is what is older than its nearer end minus what is older than its farther end."""

    stream: str
    measure: Measure
    ages: np.ndarray
    near: np.ndarray
    far: np.ndarray
    scale: int

    @classmethod
    def of(cls, totals: Sequence[Total], ages: Mapping[int, int]) -> Windows:
        """The windows of totals of the same measure, `ages` giving the row of each age of the stream's tiles."""
        one = totals[0]
        near = [ages[total.skip] for total in totals]
        far = [ages[NEVER if total.days is None else total.skip + total.days] for total in totals]
        rows, place = np.unique([near, far], return_inverse=True)
        kind = STREAMS[one.stream].fields[one.measure.field].kind if one.measure.field and one.measure.how != "given" else "count"
        near_place, far_place = place.reshape(2, -1)
        return cls(one.stream, one.measure, rows, near_place, far_place, SCALE[kind])


@dataclass(frozen=True)
class Group:
    """Leaves of one kind that are computed together, at the places from `first` on."""

    kind: type[Column]
    first: int
    nodes: tuple[Column, ...]
    windows: Windows | None = None
    """Of totals."""

    @property
    def last(self) -> int:
        """The place after the last one."""
        return self.first + len(self.nodes)


@dataclass(frozen=True)
class Level:
    """Operations of one kind whose operands are all computed before: their places `first` to `last - 1`, and those of the operands."""

    op: str
    first: int
    last: int
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Program:
    """All distinct nodes of some trees: leaves first, those computed together side by side, then arithmetic level by level."""

    steps: tuple[Column, ...]
    groups: tuple[Group, ...]
    levels: tuple[Level, ...]
    places: Mapping[str, int]
    ages: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, features: Mapping[str, Feature]) -> Program:
        """The program of some features; what they refer to outside these is a leaf, to be given at run time."""
        depth: dict[Column, int] = {}
        for one in features.values():
            _measure_depth(one.tree, features, depth)
        sets: dict[tuple[int, str], list[Column]] = {}
        for node, level in depth.items():
            sets.setdefault((level, node.op if isinstance(node, Arithmetic) else together(node)), []).append(node)
        steps = [node for _, members in sorted(sets.items()) for node in members]
        place = {node: number for number, node in enumerate(steps)}

        def places(nodes: Iterable[Column]) -> np.ndarray:
            return np.array([place[resolved(node, features)] for node in nodes], np.intp)

        ages = ages_of(depth)
        groups, levels = [], []
        for (level, op), members in sorted(sets.items()):
            first = place[members[0]]
            if not level:
                groups.append(_group(first, members, ages))
                continue
            inner = [node for node in members if isinstance(node, Arithmetic)]
            levels.append(Level(op, first, first + len(members), places(n.left for n in inner), places(n.right for n in inner)))
        ends = {name: int(places([one.tree])[0]) for name, one in features.items()}
        return cls(tuple(steps), tuple(groups), tuple(levels), ends, ages)

    @property
    def leaves(self) -> tuple[Column, ...]:
        """The nodes that are no arithmetic, by place."""
        return tuple(node for group in self.groups for node in group.nodes)


def ages_of(nodes: Iterable[Column]) -> dict[str, np.ndarray]:
    """Which ages of tiles, in days, bound the windows of each stream's totals; sorted."""
    found: dict[str, set[int]] = {}
    for node in nodes:
        if isinstance(node, Total):
            found.setdefault(node.stream, set()).update((node.skip, NEVER if node.days is None else node.skip + node.days))
    return {stream: np.array(sorted(ages)) for stream, ages in found.items()}


def _group(first: int, members: Sequence[Column], ages: Mapping[str, np.ndarray]) -> Group:
    totals = [node for node in members if isinstance(node, Total)]
    windows = Windows.of(totals, {int(age): row for row, age in enumerate(ages[totals[0].stream])}) if totals else None
    return Group(type(members[0]), first, tuple(members), windows)


def together(node: Column) -> str:
    """Leaves for which this is equal are computed in one go."""
    if isinstance(node, Total):
        return f"Total {node.stream} {node.measure}"
    return "Constant" if isinstance(node, Constant) else f"{type(node).__name__} {node}"


def resolved(node: Column, features: Mapping[str, Feature]) -> Column:
    """The tree that a reference to one of `features` stands for; days with events are totals; other nodes as they are."""
    while isinstance(node, Ref) and node.name in features:
        node = features[node.name].tree
    if isinstance(node, Entities) and (node.how, node.field) == ("distinct", "day"):
        return Total(node.stream, DAYS, node.days, node.skip)
    return node


def _measure_depth(node: Column, features: Mapping[str, Feature], depth: dict[Column, int]) -> int:
    node = resolved(node, features)
    if node not in depth:
        operands = (node.left, node.right) if isinstance(node, Arithmetic) else ()
        depth[node] = max((1 + _measure_depth(operand, features, depth) for operand in operands), default=0)
    return depth[node]


@dataclass(frozen=True)
class Plan:
    """How to compute some features: first what a merchant's own events decide, then what needs the peers' finished columns."""

    names: tuple[str, ...]
    first: Mapping[str, Feature]
    second: Mapping[str, Feature]
    needs: Mapping[str, Need]
    own: Program
    among_peers: Program
    peers: tuple[Peers, ...]
    referred: tuple[str, ...]

    @classmethod
    def of(cls, features: Mapping[str, Feature], names: Iterable[str]) -> Plan:
        """The plan for some names and everything they refer to."""
        names = tuple(names)
        wanted = _closure(features, names)
        first: dict[str, Feature] = {}
        second: dict[str, Feature] = {}
        for name, one in features.items():
            if name in wanted:
                (second if one.has_peers or _refers(one) & set(second) else first)[name] = one
        numbers = {name: one for name, one in first.items() if not one.is_text}
        found = [node for one in second.values() for node in nodes(one.tree)]
        peers = tuple(dict.fromkeys(node for node in found if isinstance(node, Peers)))
        referred = tuple(dict.fromkeys(node.name for node in found if isinstance(node, Ref) and node.name in first))
        return cls(names, first, second, needed(first.values()), Program.of(numbers), Program.of(second), peers, referred)

    @cached_property
    def peer_places(self) -> tuple[tuple[Peers, int], ...]:
        """Where the program of the second pass wants each peer summary."""
        return tuple((node, place) for place, node in enumerate(self.among_peers.leaves) if isinstance(node, Peers))

    @cached_property
    def ref_places(self) -> tuple[tuple[str, int], ...]:
        """Where it wants the columns of the first pass."""
        return tuple((node.name, place) for place, node in enumerate(self.among_peers.leaves) if isinstance(node, Ref))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text features, and the attribute that each of them is."""
        trees = {name: one.tree for name, one in self.first.items()}
        return {name: tree.name for name, tree in trees.items() if isinstance(tree, Attribute) and self.first[name].is_text}

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The features that are numbers: first those asked for, in the order asked for."""
        every = dict.fromkeys((*self.names, *self.first, *self.second))
        return tuple(name for name in every if name not in self.texts)

    @cached_property
    def peer_key(self) -> str:
        """What the peer tables that the plan needs are kept under."""
        return repr(self.peers)

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """The features that peers are compared by."""
        return tuple(dict.fromkeys(base_of(node) for node in self.peers))


def base_of(node: Peers) -> str:
    """The feature that a peer summary is of (declared features compare named columns only)."""
    assert isinstance(node.of, Ref)
    return node.of.name


def _refers(one: Feature) -> set[str]:
    return {node.name for node in nodes(one.tree) if isinstance(node, Ref)}


def _closure(features: Mapping[str, Feature], names: Iterable[str]) -> set[str]:
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += _refers(features[name])
    return wanted
