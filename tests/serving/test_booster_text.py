"""The structure check: sound texts pass, and no damage that kills LightGBM's parser does."""

from __future__ import annotations

import random
import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest

from serving.booster_text import MalformedError, check_booster_text, check_tree


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
    [
        {},
        {"objective": "tweedie"},
        {"objective": "quantile", "alpha": 0.9},
        {"objective": "l1"},
        {"min_data_in_leaf": 5000},
        {"num_leaves": 2},
    ],
)
def test_sound_texts_pass(given: dict[str, object]) -> None:
    assert check_booster_text(text_of(**given).encode()) >= 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tree\n", "bush\n", 'expected "tree"'),
        ("version=v4", "version=v9", "version=v9, expected v4"),
        ("num_class=1", "num_class=3", "num_class=3, expected 1"),
        ("max_feature_idx=2", "max_feature_idx=7", "3 feature_names, expected 8"),
        ("objective=binary sigmoid:1", "objective=", "names no objective"),
        ("tree_sizes=", "tree_sizes=1", "does not stand where"),
        ("tree_sizes=", "tree_sizes=-", "tree_sizes are not positive"),
        ("Tree=3", "Tree=8", "tree 3 does not stand where"),
        ("end of trees", "end of tree", "does not follow tree 5"),
        ("end of parameters", "end", "cut off"),
        ("shrinkage", "shrinkäge", "not ASCII"),
    ],
)
def test_damage_around_the_trees_is_refused(text: str, old: str, new: str, said: str) -> None:
    assert old in text
    with pytest.raises(MalformedError, match=said):
        check_booster_text(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("share", [0, 0.01, 0.2, 0.6, 0.9, 0.99])
def test_a_truncated_text_is_refused(text: str, share: float) -> None:
    with pytest.raises(MalformedError):
        check_booster_text(text[: int(share * text.index("end of parameters"))].encode())


def tree_with(text: str, name: str, place: int, word: str) -> str:
    """Tree 0 with one word of one line changed."""
    tree = text[text.index("Tree=0") : text.index("Tree=1")]
    lines = tree.split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith(f"{name}="))
    words = lines[number].removeprefix(f"{name}=").split(" ")
    words[place] = word
    lines[number] = f"{name}={' '.join(words)}"
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "place", "word", "said"),
    [
        ("num_leaves", 0, "9", "8 numbers in leaf_value, expected 9"),
        ("num_leaves", 0, "0", "0 leaves"),
        ("num_leaves", 0, "999999999", "999999999 leaves"),
        ("num_cat", 0, "0", "categorical splits, expected num_cat=0"),
        ("split_feature", 0, "3", "split_feature 3, expected 0 to 2"),
        ("split_feature", 0, "-1", "split_feature -1, expected 0 to 2"),
        ("decision_type", 0, "200", "decision_type 200"),
        ("left_child", 0, "7", "child 7, expected -8 to 6"),
        ("right_child", -1, "-9", "child -9, expected -8 to 6"),
        ("left_child", -1, "0", "above its own parent"),
        ("left_child", 0, "x", "expected a finite number"),
        ("leaf_value", 0, "nan", "expected a finite number"),
        ("leaf_value", 3, "1e999", "not finite"),
        ("leaf_value", 0, "1 2", "9 numbers in leaf_value, expected 8"),
        ("threshold", 0, "nan", "expected a finite number"),
        ("cat_boundaries", 0, "1", "do not rise from 0"),
        ("cat_boundaries", -1, "4000", "cat_threshold, expected 4000"),
        ("cat_threshold", 0, "-1", "cat_threshold -1"),
        ("is_linear", 0, "1", "linear tree"),
    ],
)
def test_damage_in_a_tree_is_refused(text: str, name: str, place: int, word: str, said: str) -> None:
    check_tree(tree_with(text, "shrinkage", 0, "0.5"), 0, 3)
    with pytest.raises(MalformedError, match=said):
        check_tree(tree_with(text, name, place, word), 0, 3)


def test_an_infinite_threshold_is_sound_unless_it_names_a_category(text: str) -> None:
    """LightGBM parts given from missing values by an infinite threshold."""
    tree = text[text.index("Tree=0") : text.index("Tree=1")]
    decisions = next(line for line in tree.split("\n") if line.startswith("decision_type=")).removeprefix("decision_type=").split(" ")
    numeric = next(place for place, decision in enumerate(decisions) if not int(decision) & 1)
    category = next(place for place, decision in enumerate(decisions) if int(decision) & 1)
    check_tree(tree_with(text, "threshold", numeric, "inf"), 0, 3)
    with pytest.raises(MalformedError, match="not a whole number"):
        check_tree(tree_with(text, "threshold", category, "inf"), 0, 3)


def test_a_node_with_two_parents_is_refused(text: str) -> None:
    lines = text[text.index("Tree=0") : text.index("Tree=1")].split("\n")
    left = next(line for line in lines if line.startswith("left_child=")).removeprefix("left_child=").split(" ")
    with pytest.raises(MalformedError, match="two parents"):
        check_tree(tree_with(text, "right_child", 0, left[0]), 0, 3)


def test_a_truncated_text_kills_the_parser_and_is_refused(text: str) -> None:
    """The control: without the check the process dies or raises; with it there is a sentence."""
    cut = text[: text.index("leaf_value") + 30]
    code = "import sys, lightgbm; lightgbm.Booster(model_str=sys.stdin.read())"
    assert subprocess.run([sys.executable, "-c", code], input=cut.encode(), capture_output=True, check=False).returncode != 0
    with pytest.raises(MalformedError):
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
        except MalformedError:
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
    done = subprocess.run([sys.executable, "-c", code], input="\0".join(passed).encode(), capture_output=True, check=False)
    assert b"survived" in done.stdout, done.stderr[-500:]
