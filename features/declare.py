"""`@feature`, and the catalogue of all features that it fills.

The function's name is the column, its parameters are its needs (streams, `attributes`, other features), its docstring is
the catalogue entry. Bodies run once, when the catalogue is read, and only build expression trees.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from graphlib import CycleError, TopologicalSorter

from features.errors import did_you_mean
from features.tables import ATTRIBUTES, STREAMS
from features.verbs import Age, Ahead, Attribute, Column, Edge, Entities, Events, Gaps, Peers, Ref, Total, nodes

MODULES = ("lifecycle", "value", "buyers", "dependence", "service", "engagement", "market", "profile")
UNITS = ("currency", "orders", "days", "share", "ratio", "count", "score", "hours", "text", "weeks")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CALENDAR = ("day", "week")


@dataclass(frozen=True)
class Feature:
    """One column of a snapshot: its words, and the expression it is computed from."""

    name: str
    unit: str
    reason: tuple[str, str]
    doc: str
    module: str
    needs: tuple[str, ...]
    tree: Column = field(repr=False, compare=False)

    @property
    def is_text(self) -> bool:
        """Whether the column holds texts (categories) rather than numbers."""
        return isinstance(self.tree, Attribute) and ATTRIBUTES[self.tree.name] in ("text", "id")

    @property
    def has_peers(self) -> bool:
        """Whether other merchants' columns are needed to compute it."""
        return any(isinstance(node, Peers) for node in nodes(self.tree))


@dataclass(frozen=True)
class Attributes:
    """The merchants table as a feature's parameter `merchants`."""

    def value(self, name: str) -> Column:
        """An attribute as it stands: a number or a text."""
        return Attribute(name)

    def days_since(self, name: str) -> Column:
        """Days from an attribute that is a time to the cutoff."""
        return Age(name)


_declared: dict[str, Declaration] = {}


def feature(
    *, unit: str, reason: tuple[str, str], days: Sequence[int] = ()
) -> Callable[[Callable[..., Column]], Callable[..., Column]]:
    """Declare the decorated function as a feature, or with `days` as one feature per window.

    Parameters
    ----------
    unit : one of `UNITS`.
    reason : what the column is, in words that complete a sentence, in English and in Chinese.
    days : lengths of windows; the body takes one as the keyword `days`, the feature is called `<name>_<days>d`, and `{days}` in
        the docstring and the reason stands for the length.
    """

    def declare(body: Callable[..., Column]) -> Callable[..., Column]:
        for length in days or (None,):
            one = Declaration.of(body, unit, reason, length)
            one.check(_declared)
            _declared[one.name] = one
        return body

    return declare


@dataclass(frozen=True)
class Declaration:
    """What `@feature` was told, checked but not yet compiled."""

    name: str
    unit: str
    reason: tuple[str, ...]
    doc: str
    module: str
    needs: tuple[str, ...]
    body: Callable[..., Column] = field(compare=False)

    @property
    def origin(self) -> tuple[str, str]:
        """The module and the function that declare it."""
        return self.module, getattr(self.body, "func", self.body).__name__

    @classmethod
    def of(cls, body: Callable[..., Column], unit: str, reason: tuple[str, str], days: int | None = None) -> Declaration:
        """The declaration of a body, for one length of window if it has several."""
        doc = inspect.cleandoc(body.__doc__ or "")
        module = body.__module__.rpartition(".")[2]
        needs = tuple(name for name, p in inspect.signature(body).parameters.items() if p.kind is not p.KEYWORD_ONLY)
        if days is None:
            return cls(body.__name__, unit, tuple(reason), doc, module, needs, body)
        words = tuple(word.replace("{days}", str(days)) for word in reason)
        doc = doc.replace("{days}", str(days))
        return cls(f"{body.__name__}_{days}d", unit, words, doc, module, needs, partial(body, days=days))

    def check(self, taken: Mapping[str, Declaration]) -> None:
        """Raise ValueError for a declaration that the catalogue cannot hold."""
        checks = {
            f"unit {self.unit!r} is not one of {', '.join(UNITS)}": self.unit in UNITS,
            "the name is not lower_snake_case": bool(NAME.fullmatch(self.name)),
            "the docstring, its entry in the catalogue, is missing": bool(self.doc),
            "the reason must be words in English and in Chinese": len(self.reason) == 2 and all(w.strip() for w in self.reason),
            "the name is already taken": self.name not in taken or taken[self.name].origin == self.origin,
            "the name is that of a stream": self.name not in STREAMS,
        }
        for wrong, right in checks.items():
            if not right:
                raise ValueError(f"feature {self.name} in {self.module}: {wrong}; correct the declaration")


@cache
def catalogue() -> dict[str, Feature]:
    """All features by name, each after those it needs.

    Raises
    ------
    ValueError
        When a feature needs something unknown, features need each other in a circle, or a peer summary is not of a feature.
    """
    for module in MODULES:
        importlib.import_module(f"features.{module}")
    return compiled(_declared)


def compiled(declared: Mapping[str, Declaration]) -> dict[str, Feature]:
    """Features from declarations: bodies called once, trees checked, in an order in which needs come first."""
    graph = {name: [need for need in one.needs if need in declared] for name, one in declared.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ValueError(f"features need each other in a circle: {' -> '.join(error.args[1])}; break it") from None
    features: dict[str, Feature] = {}
    for name in order:
        features[name] = _compiled(declared[name], declared, features)
    return features


def _compiled(one: Declaration, declared: Mapping[str, Declaration], compiled_before: Mapping[str, Feature]) -> Feature:
    tree = one.body(*[_given(one.name, need, declared) for need in one.needs])
    if not isinstance(tree, Column):
        raise ValueError(f"feature {one.name} returns {type(tree).__name__}; end its body with a verb that gives one number a merchant")
    for node in nodes(tree):
        if isinstance(node, Peers) and (not isinstance(node.of, Ref) or _needs_peers(node.of.name, compiled_before)):
            raise ValueError(f"feature {one.name} compares with peers what is no feature of the merchant alone; declare that first")
        _check_fields(one.name, node)
    return Feature(one.name, one.unit, (one.reason[0], one.reason[1]), one.doc, one.module, one.needs, tree)


def _needs_peers(name: str, compiled_before: Mapping[str, Feature]) -> bool:
    one = compiled_before[name]
    return one.has_peers or any(_needs_peers(node.name, compiled_before) for node in nodes(one.tree) if isinstance(node, Ref))


def _given(name: str, need: str, declared: Mapping) -> object:
    if need == "merchants":
        return Attributes()
    if need in STREAMS:
        return Events(need)
    if need in declared:
        return Ref(need)
    raise ValueError(f"feature {name} needs {need!r}, which is no stream and no feature; {did_you_mean(need, [*STREAMS, *declared])}")


def _check_fields(name: str, node: Column) -> None:
    attribute = node.name if isinstance(node, Attribute | Age) else node.by if isinstance(node, Peers) else None
    if attribute is not None and attribute not in ATTRIBUTES:
        raise ValueError(f"feature {name} reads attribute {attribute!r}, which merchants do not have; known are {', '.join(ATTRIBUTES)}")
    if isinstance(node, Age) and ATTRIBUTES[node.name] != "time":
        raise ValueError(f"feature {name} takes the days since {node.name!r}, which is no time; use value({node.name!r})")
    for stream, wanted in fields_of(node):
        is_calendar = isinstance(node, Entities) and wanted in CALENDAR
        if wanted not in STREAMS[stream].fields and not is_calendar:
            known = ", ".join(STREAMS[stream].fields)
            raise ValueError(f"feature {name} reads {stream}.{wanted}, which does not exist; known are {known}")
        kind = "code" if is_calendar else STREAMS[stream].fields[wanted].kind
        if (isinstance(node, Total) and kind == "code") or (isinstance(node, Ahead) and kind != "day"):
            verb = "adds up" if isinstance(node, Total) else "takes the days until"
            raise ValueError(f"feature {name} {verb} {stream}.{wanted}, which is of kind {kind}; use a verb that fits it")


def fields_of(node: Column) -> list[tuple[str, str]]:
    """The (stream, field) pairs that a node reads itself, the calendar's included."""
    if isinstance(node, Total):
        read = [node.measure.field, *(condition[0] for condition in node.measure.where)]
        return [(node.stream, name) for name in read if name]
    return [(node.stream, node.field)] if isinstance(node, Entities | Ahead) else []


def streams_of(tree: Column) -> set[str]:
    """The streams that a tree reads."""
    return {node.stream for node in nodes(tree) if isinstance(node, Total | Entities | Edge | Ahead | Gaps)}


def available(
    features: Mapping[str, Feature], streams: Mapping[str, Iterable[str]], attributes: Iterable[str]
) -> dict[str, Feature]:
    """The features whose every stream, field, attribute and needed feature the data has, in the catalogue's order."""
    attributes = set(attributes)
    found: dict[str, Feature] = {}
    for name, one in features.items():
        if all(_has(node, found, streams, attributes) for node in nodes(one.tree)):
            found[name] = one
    return found


def _has(node: Column, found: Mapping, streams: Mapping[str, Iterable[str]], attributes: set[str]) -> bool:
    if isinstance(node, Ref):
        return node.name in found
    if isinstance(node, Attribute | Age):
        return node.name in attributes
    if isinstance(node, Peers):
        return node.by is None or node.by in attributes
    if getattr(node, "stream", None) not in (None, *streams):
        return False
    return all(name in streams[stream] or name in CALENDAR for stream, name in fields_of(node))
