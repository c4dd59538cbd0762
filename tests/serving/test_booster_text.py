"""The structure check: sound texts pass, and no damage that kills LightGBM's parser does."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import pytest

from serving.booster_text import Malformed, check_booster_text

Change = Callable[[str], str]


def text_of(**given: object) -> str:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(800, 3))
    rows[:, 2] = rng.integers(0, 40, 800)
    target = (rows[:, 0] + np.sin(rows[:, 2]) > 0).astype(float)
    data = lgb.Dataset(rows, target, categorical_feature=[2])
    return lgb.train({"objective": "binary", "num_leaves": 8, "verbose": -1, "num_threads": 1, **given}, data, 6).model_to_string()


@pytest.fixture(scope="module")
def text() -> str:
    return text_of()


@pytest.mark.parametrize(
    "given",
    [{}, {"objective": "tweedie"}, {"objective": "quantile", "alpha": 0.9}, {"objective": "l1"}, {"min_data_in_leaf": 5000}, {"num_leaves": 2}],
)
def test_sound_texts_pass(given: dict[str, object]) -> None:
    assert check_booster_text(text_of(**given).encode()) >= 1


def swap(name: str, change: Change) -> Change:
    """Changes the first line of that name after the header."""

    def apply(text: str) -> str:
        start = text.index(f"\n{name}=", text.index("Tree=0")) + len(name) + 2
        end = text.index("\n", start)
        old, new = text[start:end], change(text[start:end])
        return text[:start] + new.ljust(len(old))[: max(len(old), len(new))] + text[end:]

    return apply


def word(place: int, new: str) -> Change:
    def apply(line: str) -> str:
        words = line.split(" ")
        words[place] = new
        return " ".join(words)

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "it holds no tree"),
        (lambda text: text.replace("tree\n", "bush\n", 1), "expected \"tree\""),
        (lambda text: text.replace("version=v4", "version=v9"), "version=v9, expected v4"),
        (lambda text: text.replace("max_feature_idx=2", "max_feature_idx=7"), "3 feature_names, expected 8"),
        (lambda text: text.replace("objective=binary sigmoid:1", "objective="), "names no objective"),
        (lambda text: text.replace("tree_sizes=", "tree_sizes=1"), "tree_sizes say"),
        (lambda text: text.replace("Tree=3", "Tree=8"), "tree 3 does not stand where"),
        (lambda text: text[: len(text) // 3], ""),
        (lambda text: text[: text.index("end of trees") + 13], "cut off"),
        (lambda text: text.replace("num_leaves=8", "num_leaves=9", 1), "expected 9"),
        (lambda text: text.replace("num_leaves=8", "num_leaves=0", 1), "0 leaves"),
        (lambda text: text.replace("split_feature=2", "split_feature=5", 1).replace("split_feature=0", "split_feature=5", 1), "split_feature 5, expected 0 to 2"),
        (swap("left_child", word(0, "9")), "child 9, expected -8 to 6"),
        (swap("left_child", word(0, "0")), "above its own parent"),
        (swap("left_child", word(0, "x")), "expected a finite number"),
        (swap("leaf_value", word(0, "nan")), "expected a finite number"),
        (swap("leaf_value", word(0, "1e999")), "not finite"),
        (swap("right_child", lambda line: " ".join(line.split(" ")[:1] * 7)), ""),
        (lambda text: text.replace("cat_boundaries=0", "cat_boundaries=1"), "do not rise from 0"),
        (lambda text: text.replace("is_linear=0", "is_linear=1", 1), "linear tree"),
        (lambda text: text.replace("shrinkage", "shrinkäge", 1), "not ASCII"),
    ],
)
def test_damage_is_refused(text: str, change: Change, said: str) -> None:
    damaged = change(text)
    assert damaged != text
    with pytest.raises(Malformed) as refused:
        check_booster_text(damaged.encode())
    # a changed length shows itself as a misplaced tree before the fault inside it
    assert said in str(refused.value) or "tree_sizes say" in str(refused.value)


def test_a_truncated_text_kills_the_parser_and_is_refused(text: str) -> None:
    """The control: without the check the process dies or raises; with it there is a sentence."""
    cut = text[: text.index("leaf_value") + 30]
    code = "import sys, lightgbm; lightgbm.Booster(model_str=sys.stdin.read())"
    assert subprocess.run([sys.executable, "-c", code], input=cut, text=True, capture_output=True, check=False).returncode != 0
    with pytest.raises(Malformed):
        check_booster_text(cut.encode())


def test_random_damage_is_refused_or_harmless(text: str) -> None:
    """Whatever passes the check loads and predicts in one child process that survives them all."""
    rng, passed = random.Random(0), []
    end = text.index("end of trees")
    for _ in range(600):
        place, damaged = rng.randrange(end), list(text)
        if rng.random() < 0.6:
            damaged[place] = chr(rng.randrange(32, 127))
        else:
            del damaged[place : place + rng.randrange(1, 40)]
        try:
            check_booster_text("".join(damaged).encode())
        except Malformed:
            continue
        passed.append("".join(damaged))
    assert 5 < len(passed) < 300
    code = """
import sys, lightgbm, numpy
rows = numpy.random.default_rng(0).normal(size=(50, 3))
for text in sys.stdin.read().split("\\0"):
    try:
        lightgbm.Booster(model_str=text).predict(rows, pred_contrib=True, num_threads=1)
    except lightgbm.basic.LightGBMError:
        pass
print("survived")
"""
    done = subprocess.run([sys.executable, "-c", code], input="\0".join(passed), text=True, capture_output=True, check=False)
    assert done.stdout.strip().endswith("survived"), done.stderr
