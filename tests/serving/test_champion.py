"""The champion is loaded only when hashes, structure, first load and golden rows agree; else one sentence and a live process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import ModelRefused
from features.model import Model
from serving.champion import load_champion

Bundle = Callable[..., Path]
DYING = """
import os, signal, time
class Kills:
    @classmethod
    def from_files(cls, files): os.kill(os.getpid(), signal.SIGSEGV)
class Hangs:
    @classmethod
    def from_files(cls, files): time.sleep(60)
class Raises:
    @classmethod
    def from_files(cls, files): raise KeyError("what")
"""


def test_a_sound_bundle_is_loaded_and_scores(bundle: Bundle, model: Model, snapshot: pd.DataFrame) -> None:
    champion = load_champion(bundle())
    assert champion.model_version == "abcdef012345"
    assert champion.card["features"] == model.features
    pd.testing.assert_frame_equal(champion.model.scores(snapshot), model.scores(snapshot))


def test_without_a_champion_it_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="type `keepwell train` and then `keepwell promote`"):
        load_champion(tmp_path)


@pytest.mark.parametrize("pointer", ["{", "[]", '{"model_version": null}', '{"model_version": "../../etc"}'])
def test_a_damaged_pointer_is_refused(bundle: Bundle, pointer: str) -> None:
    state = bundle()
    (state / "champion.json").write_text(pointer)
    with pytest.raises(ModelRefused, match=r"champion\.json"):
        load_champion(state)


@pytest.mark.parametrize("name", ["heads/churn.txt", "calibration.json", "golden.json", "card.json"])
def test_one_flipped_bit_is_named_by_its_file(bundle: Bundle, name: str) -> None:
    state = bundle()
    file = state / "bundles" / "abcdef012345" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelRefused, match=f"file {name} is damaged"):
        load_champion(state)


def test_a_missing_file_and_a_missing_manifest_are_refused(bundle: Bundle) -> None:
    state = bundle()
    (state / "bundles" / "abcdef012345" / "heads" / "growth.txt").unlink()
    with pytest.raises(ModelRefused, match=r"heads/growth\.txt is missing"):
        load_champion(state)
    (state / "bundles" / "abcdef012345" / "manifest.json").unlink()
    with pytest.raises(ModelRefused, match=r"manifest\.json is missing"):
        load_champion(state)


def test_a_bundle_under_a_wrong_name_is_refused(bundle: Bundle) -> None:
    state = bundle()
    (state / "bundles" / "abcdef012345").rename(state / "bundles" / "bbbbbb012345")
    (state / "champion.json").write_text(json.dumps({"model_version": "bbbbbb012345"}))
    with pytest.raises(ModelRefused, match="its manifest is that of model abcdef012345"):
        load_champion(state)


def test_a_rehashed_but_truncated_model_is_refused_by_its_structure(bundle: Bundle, model: Model) -> None:
    with pytest.raises(ModelRefused, match=r"heads/churn\.txt is malformed"):
        load_champion(bundle(heads__churn_txt=model.to_files()["heads/churn.txt"][:1500]))


def test_a_rehashed_change_of_digits_is_caught_by_the_golden_rows(bundle: Bundle, model: Model) -> None:
    """It loads silently and scores differently: only the golden rows can tell."""
    lines = model.to_files()["heads/churn.txt"].decode().split("\n")
    where = next(place for place, line in enumerate(lines) if line.startswith("leaf_value="))
    lines[where] = "".join({"3": "4", "4": "3"}.get(letter, letter) for letter in lines[where])
    with pytest.raises(ModelRefused, match=r"failed its first load: golden row 0 has churn_risk"):
        load_champion(bundle(heads__churn_txt="\n".join(lines).encode()))


def test_golden_rows_that_say_nothing_are_refused(bundle: Bundle, golden: dict[str, Any]) -> None:
    empty = {"features": {name: [] for name in golden["features"]}, "scores": {}}
    with pytest.raises(ModelRefused, match=r"golden\.json holds no rows"):
        load_champion(bundle(golden_json=json.dumps(empty).encode()))


@pytest.mark.parametrize(
    ("how", "said"),
    [("Kills", "crashed the process that loaded it \\(signal 11\\)"), ("Hangs", "within 2 s"), ("Raises", "KeyError: 'what'")],
)
def test_a_model_that_dies_on_loading_is_a_sentence(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    (tmp_path / "dying_model.py").write_text(DYING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelRefused, match=said):
        load_champion(bundle(), timeout=2 if how == "Hangs" else 60, model=f"dying_model:{how}")
