"""Expression trees as a program: every distinct node once, operands before those who use them.

Compiled once for a choice of features and then run for any merchants and cutoffs, so that a single merchant's snapshot costs
array operations and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from features.declare import Feature
from features.tiles import Need, needed
from features.verbs import Arithmetic, Column, Measure, Peers, Ref, Total, nodes


@dataclass(frozen=True)
class Step:
    """One node, and the places of the values it is computed from."""

    node: Column
    operands: tuple[int, ...]


@dataclass
class Program:
    """Steps in an order in which operands come first, and the place of each feature's value."""

    steps: list[Step] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    _known: dict[Column, int] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Mapping[str, Feature]) -> Program:
        """The program of some features; what they refer to outside these stays a step of its own, to be given at run time."""
        program = cls()
        for name, one in features.items():
            program.places[name] = program._place(one.tree)
        return program

    @cached_property
    def ages(self) -> dict[str, dict[Measure, tuple[int, ...]]]:
        """Which ages of tiles, in days, bound the windows of each stream's measures."""
        found: dict[str, dict[Measure, set[int]]] = {}
        for node in (step.node for step in self.steps if isinstance(step.node, Total)):
            ends = () if node.days is None else (node.skip + node.days,)
            found.setdefault(node.stream, {}).setdefault(node.measure, set()).update((node.skip, *ends))
        return {stream: {measure: tuple(sorted(ages)) for measure, ages in one.items()} for stream, one in found.items()}

    def _place(self, node: Column) -> int:
        if isinstance(node, Ref) and node.name in self.places:
            return self.places[node.name]
        if node not in self._known:
            operands = (self._place(node.left), self._place(node.right)) if isinstance(node, Arithmetic) else ()
            self.steps.append(Step(node, operands))
            self._known[node] = len(self.steps) - 1
        return self._known[node]


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
        found = [node for one in second.values() for node in nodes(one.tree)]
        peers = tuple(dict.fromkeys(node for node in found if isinstance(node, Peers)))
        referred = tuple(dict.fromkeys(node.name for node in found if isinstance(node, Ref) and node.name in first))
        return cls(first, second, needed(first.values()), Program.of(first), Program.of(second), peers, referred)

    @cached_property
    def peer_places(self) -> tuple[tuple[Peers, int], ...]:
        """Where the program of the second pass wants each peer summary."""
        return tuple((step.node, place) for place, step in enumerate(self.among_peers.steps) if isinstance(step.node, Peers))

    @cached_property
    def ref_places(self) -> tuple[tuple[str, int], ...]:
        """Where it wants the columns of the first pass."""
        return tuple((step.node.name, place) for place, step in enumerate(self.among_peers.steps) if isinstance(step.node, Ref))

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
