"""A booster taken apart into its trees: what changes with one feature is told by the few trees that ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from features.trees import Array

TREE, END = "\nTree=", "\nend of trees"


@dataclass(frozen=True)
class Forest:
    """LightGBM's text of a booster: what stands before its trees, the trees, and what stands after them."""

    before: str
    trees: tuple[str, ...]
    after: str

    @classmethod
    def of(cls, booster: lgb.Booster) -> Forest:
        """The parts of a booster."""
        text, end, after = booster.model_to_string().partition(END)
        before, *trees = text.split(TREE)
        kept = [line for line in before.splitlines() if not line.startswith("tree_sizes=")]  # of other trees they would not hold
        return cls("\n".join(kept), tuple(tree.partition("\n")[2] for tree in trees), end + after)

    def asked(self, tree: int) -> set[int]:
        """The features, by place, that a tree asks for."""
        found = next(line for line in self.trees[tree].splitlines() if line.startswith("split_feature="))
        return {int(place) for place in found.partition("=")[2].split()}

    def only(self, chosen: Iterable[int]) -> lgb.Booster:
        """The booster of some of the trees."""
        trees = [f"{TREE}{number}\n{self.trees[tree]}" for number, tree in enumerate(chosen)]
        return lgb.Booster(model_str=self.before + "\n" + "".join(trees) + self.after)

    def asking(self) -> dict[int, list[int]]:
        """For each feature that is asked for, by place, the trees that do so."""
        found: dict[int, list[int]] = {}
        for tree in range(len(self.trees)):
            for place in self.asked(tree):
                found.setdefault(place, []).append(tree)
        return dict(sorted(found.items()))


def raw_score(booster: lgb.Booster, rows: Array) -> Array:
    """Log-odds (n,) of encoded rows (n, features), by one thread."""
    return np.asarray(booster.predict(rows, raw_score=True, num_threads=1))
