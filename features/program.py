"""Expression trees as a program: every distinct node once, operands before those who use them.

Compiled once for a choice of features and then run for any merchants and cutoffs, so that a single merchant's snapshot costs
array operations and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.declare import Feature
from features.tiles import Need, needed
from features.verbs import Arithmetic, Attribute, Column, Entities, Measure, Peers, Ref, Total, nodes

DAYS = Measure("day", "given")
"""Days with events: a day counts once, however many tiles it has."""


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
    """All distinct nodes of some trees: leaves first, then arithmetic level by level; and the place of each feature's value."""

    steps: tuple[Column, ...]
    leaves: tuple[Column, ...]
    levels: tuple[Level, ...]
    places: Mapping[str, int]

    @classmethod
    def of(cls, features: Mapping[str, Feature]) -> Program:
        """The program of some features; what they refer to outside these is a leaf, to be given at run time."""
        depth: dict[Column, int] = {}
        for one in features.values():
            _measure_depth(one.tree, features, depth)
        groups: dict[tuple[int, str], list[Column]] = {}
        for node, level in depth.items():
            groups.setdefault((level, node.op if isinstance(node, Arithmetic) else ""), []).append(node)
        steps = [node for _, members in sorted(groups.items()) for node in members]
        place = {node: number for number, node in enumerate(steps)}

        def places(nodes: Iterable[Column]) -> np.ndarray:
            return np.array([place[resolved(node, features)] for node in nodes], np.intp)

        levels = []
        for (level, op), members in sorted(groups.items()):
            if level:
                first, inner = place[members[0]], [node for node in members if isinstance(node, Arithmetic)]
                levels.append(Level(op, first, first + len(members), places(n.left for n in inner), places(n.right for n in inner)))
        leaves = tuple(steps[: len(groups.get((0, ""), []))])
        return cls(tuple(steps), leaves, tuple(levels), {name: int(places([one.tree])[0]) for name, one in features.items()})

    @cached_property
    def ages(self) -> dict[str, dict[Measure, tuple[int, ...]]]:
        """Which ages of tiles, in days, bound the windows of each stream's measures."""
        found: dict[str, dict[Measure, set[int]]] = {}
        for node in self.leaves:
            if isinstance(node, Total) or (isinstance(node, Entities) and (node.how, node.field) == ("distinct", "day")):
                measure = node.measure if isinstance(node, Total) else DAYS
                ends = () if node.days is None else (node.skip + node.days,)
                found.setdefault(node.stream, {}).setdefault(measure, set()).update((node.skip, *ends))
        return {stream: {measure: tuple(sorted(ages)) for measure, ages in one.items()} for stream, one in found.items()}


def resolved(node: Column, features: Mapping[str, Feature]) -> Column:
    """The tree that a reference to one of `features` stands for; other nodes as they are."""
    while isinstance(node, Ref) and node.name in features:
        node = features[node.name].tree
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
        return cls(first, second, needed(first.values()), Program.of(numbers), Program.of(second), peers, referred)

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
