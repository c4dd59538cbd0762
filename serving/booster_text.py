"""The structure check of a LightGBM text model, before native code sees it.

A truncated or altered text model kills the process that loads it (CVE-2026-92786), so everything that LightGBM takes on trust is
looked at here first: the header, the number and length of the trees, the lengths of their arrays, and that child, feature and
category indices lie within range and the numbers are finite. Every node must hang on exactly one parent before it, so that no
tree has a circle. The format is that of LightGBM 4 (`version=v4`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

END = "end of trees"
INTERNAL_INTS = ("split_feature", "decision_type", "left_child", "right_child")
INTERNAL_NUMBERS = ("split_gain", "internal_value", "internal_weight", "internal_count")
LEAF_NUMBERS = ("leaf_value", "leaf_weight", "leaf_count")
MOST_TREES = 100_000
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NUMBER_OR_INFINITY = re.compile(f"{NUMBER.pattern}|inf")
INTEGER = re.compile(r"-?\d{1,10}")


class MalformedError(ValueError):
    """What is wrong in the text, without the name of the file."""


@dataclass(frozen=True)
class Header:
    """What the trees must fit."""

    features: int
    sizes: tuple[int, ...]


def check_booster_text(content: bytes) -> int:
    """Look at every tree of a text model.

    Returns
    -------
    The number of trees.

    Raises
    ------
    MalformedError : what is wrong and where.
    """
    try:
        content.decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError(f"byte {error.start} is not ASCII") from None
    top, gap, _ = content.partition(b"\n\nTree=")
    if not gap:
        raise MalformedError("it holds no tree")
    header = read_header(top.decode())
    start = len(top) + 2
    for number, size in enumerate(header.sizes):
        check_tree(content[start : start + size].decode(), number, header.features)
        start += size
    rest = content[start:].decode()
    if not rest.startswith(f"{END}\n"):
        raise MalformedError(f'"{END}" does not follow tree {len(header.sizes) - 1}')
    if "\nend of parameters\n" not in rest:
        raise MalformedError('"end of parameters" is missing: the file is cut off')
    return len(header.sizes)


def read_header(text: str) -> Header:
    """The header above the first tree."""
    lines = text.split("\n")
    if lines[0] != "tree":
        raise MalformedError(f'it begins with {lines[0][:20]!r}, expected "tree"')
    facts = _facts(lines[1:], "the header")
    for name, expected in (("version", "v4"), ("num_class", "1"), ("num_tree_per_iteration", "1")):
        if facts.get(name) != expected:
            raise MalformedError(f"the header says {name}={facts.get(name)}, expected {expected}")
    features = int(_integers(facts, "max_feature_idx", 1, "the header")[0]) + 1
    for name in ("feature_names", "feature_infos"):
        found = len(facts.get(name, "").split())
        if found != features or features < 1:
            raise MalformedError(f"the header has {found} {name}, expected {features}")
    if not facts.get("objective"):
        raise MalformedError("the header names no objective")
    sizes = facts.get("tree_sizes", "").split()
    if not 1 <= len(sizes) <= MOST_TREES or not all(INTEGER.fullmatch(size) and int(size) > 0 for size in sizes):
        raise MalformedError("the header's tree_sizes are not positive whole numbers")
    return Header(features, tuple(map(int, sizes)))


def check_tree(text: str, number: int, features: int) -> None:
    """One tree of the text, from `Tree=` to the blank lines behind it."""
    place = f"tree {number}"
    lines = text.split("\n")
    if lines[0] != f"Tree={number}" or not text.endswith("\n"):
        raise MalformedError(f"{place} does not stand where the header's tree_sizes say")
    facts = _facts(lines[1:], place)
    leaves = int(_integers(facts, "num_leaves", 1, place)[0])
    categorical = int(_integers(facts, "num_cat", 1, place)[0])
    if leaves < 1 or leaves > len(text) or not 0 <= categorical < max(leaves, 1):
        raise MalformedError(f"{place} has {leaves} leaves and {categorical} categorical splits")
    if facts.get("is_linear", "0") != "0":
        raise MalformedError(f"{place} is a linear tree, which Keepwell does not train")
    _finite(facts, "shrinkage", 1, place)
    for name in LEAF_NUMBERS if leaves > 1 else LEAF_NUMBERS[:1]:
        _finite(facts, name, leaves, place)
    if leaves == 1:
        return
    _thresholds(facts, leaves - 1, place)
    for name in INTERNAL_NUMBERS:
        _finite(facts, name, leaves - 1, place)
    splits = {name: _integers(facts, name, leaves - 1, place) for name in INTERNAL_INTS}
    _within(splits["split_feature"], 0, features - 1, "split_feature", place)
    _within(splits["decision_type"], 0, 11, "decision_type", place)
    _check_children(splits["left_child"], splits["right_child"], leaves, place)
    _check_categories(facts, splits["decision_type"], categorical, leaves, place)


def _check_children(left: NDArray[np.int64], right: NDArray[np.int64], leaves: int, place: str) -> None:
    children = np.concatenate([left, right])
    parents = np.tile(np.arange(leaves - 1), 2)
    _within(children, -leaves, leaves - 2, "child", place)
    if np.any((children >= 0) & (children <= parents)):
        raise MalformedError(f"{place} has a node above its own parent")
    if len(np.unique(children)) < len(children):
        raise MalformedError(f"{place} has a node with two parents")


def _check_categories(facts: dict[str, str], decisions: NDArray[np.int64], categorical: int, leaves: int, place: str) -> None:
    is_category = decisions & 1 == 1
    if is_category.sum() != categorical:
        raise MalformedError(f"{place} has {is_category.sum()} categorical splits, expected num_cat={categorical}")
    if not categorical:
        return
    which = _thresholds(facts, leaves - 1, place)[is_category]
    if np.any((which != np.floor(which)) | np.isinf(which)):
        raise MalformedError(f"{place} has a categorical split whose threshold is not a whole number")
    _within(which.astype(np.int64), 0, categorical - 1, "categorical threshold", place)
    bounds = _integers(facts, "cat_boundaries", categorical + 1, place)
    if bounds[0] != 0 or np.any(np.diff(bounds) < 1):
        raise MalformedError(f"{place} has cat_boundaries that do not rise from 0")
    _within(_integers(facts, "cat_threshold", int(bounds[-1]), place), 0, 2**32 - 1, "cat_threshold", place)


def _facts(lines: list[str], place: str) -> dict[str, str]:
    facts: dict[str, str] = {}
    for line in filter(None, lines):
        name, equals, value = line.partition("=")
        if name in facts:
            raise MalformedError(f"{place} says {name} twice")
        facts[name] = value if equals else name
    return facts


def _words(facts: dict[str, str], name: str, length: int, place: str, kind: re.Pattern[str]) -> list[str]:
    words = facts.get(name, "").split(" ")
    if len(words) != length or words == [""]:
        raise MalformedError(f"{place} has {0 if words == [''] else len(words)} numbers in {name}, expected {length}")
    for word in words:
        if not kind.fullmatch(word):
            raise MalformedError(f"{place} has {word[:20]!r} in {name}, expected a finite number")
    return words


def _finite(facts: dict[str, str], name: str, length: int, place: str) -> NDArray[np.float64]:
    values = np.array(_words(facts, name, length, place, NUMBER), np.float64)
    if not np.isfinite(values).all():
        raise MalformedError(f"{place} has a number in {name} that is not finite")
    return values


def _thresholds(facts: dict[str, str], length: int, place: str) -> NDArray[np.float64]:
    """Thresholds; infinity is a real one: it parts given values from missing ones."""
    return np.array(_words(facts, "threshold", length, place, NUMBER_OR_INFINITY), np.float64)


def _integers(facts: dict[str, str], name: str, length: int, place: str) -> NDArray[np.int64]:
    return np.array(_words(facts, name, length, place, INTEGER), np.int64)


def _within(values: NDArray[np.int64], low: int, high: int, name: str, place: str) -> None:
    outside = values[(values < low) | (values > high)]
    if len(outside):
        raise MalformedError(f"{place} has {name} {outside[0]}, expected {low} to {high}")
