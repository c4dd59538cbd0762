"""A bundle is whole, the same for the same model, and what serving reads; the pointer to it moves and moves back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelRefused, UsageRefused
from serving.champion import champion_pointer, checked_bundle, golden_difference
from training import bundle
from training.bundle import challenger, champion, damage, promote_bundle, rollback_bundle, write_bundle


class Scaled:
    """A model as small as can be: GMV times a slope."""

    def __init__(self, slope: float = 0.1) -> None:
        self.slope = slope

    def to_files(self) -> dict[str, bytes]:
        return {"card.json": b"{}\n", "heads/churn.json": json.dumps({"slope": self.slope}).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Scaled:
        return cls(json.loads(files["heads/churn.json"])["slope"])

    def scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"churn_risk": frame["gmv_90d"].astype(float) * self.slope, "expected_gmv": 1 / 3}, index=frame.index)


GOLDEN = pd.DataFrame(
    {"gmv_90d": np.array([1.1, np.nan, 7e9], np.float32), "industry": ["bakery", None, "花店"], "orders_90d": [3, 0, 1]},
    index=pd.Index(["a", "b", "c"], name="merchant_id"),
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def promoted(state: Path, *slopes: float) -> list[str]:
    versions = [write_bundle(Scaled(slope), GOLDEN, state / "bundles") for slope in slopes]
    for number, version in enumerate(versions, 1):
        promote_bundle(state, version, number, f"2011-0{number}-01T00:00:00Z")
    return versions


def test_the_same_model_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    first, second = (write_bundle(Scaled(), GOLDEN, tmp_path / name) for name in ("one", "two"))
    assert first == second
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert write_bundle(Scaled(0.2), GOLDEN, tmp_path / "one") != first
    assert write_bundle(Scaled(), GOLDEN.head(1), tmp_path / "one") != first


def test_serving_reads_it_and_scores_the_golden_rows_alike(tmp_path: Path) -> None:
    version = write_bundle(Scaled(), GOLDEN, tmp_path)
    files = checked_bundle(tmp_path / version)
    reader = f"{__name__}:Scaled"
    assert golden_difference(files, reader) is None
    altered = json.loads(files["golden.json"])
    altered["scores"]["churn_risk"][0] += 1e-9
    assert "golden row 0" in str(golden_difference({**files, "golden.json": json.dumps(altered).encode()}, reader))


def test_golden_rows_hold_no_merchant_ids(tmp_path: Path) -> None:
    version = write_bundle(Scaled(), GOLDEN.rename({"a": "secret shop"}), tmp_path)
    assert not any(b"secret" in content for content in files_of(tmp_path / version).values())


def test_a_killed_write_leaves_nothing_that_looks_like_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = bundle._write, []

    def dies(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(bundle, "_write", dies)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(Scaled(), GOLDEN, tmp_path)
    assert list(tmp_path.iterdir()) == []
    version = write_bundle(Scaled(), GOLDEN, tmp_path)
    assert damage(tmp_path / version) is None
    assert [path.name for path in tmp_path.iterdir()] == [version]


def test_a_damaged_bundle_is_seen_and_written_anew(tmp_path: Path) -> None:
    version = write_bundle(Scaled(), GOLDEN, tmp_path)
    (tmp_path / version / "card.json").write_text("{ }\n")
    assert "card.json was changed" in str(damage(tmp_path / version))
    assert write_bundle(Scaled(), GOLDEN, tmp_path) == version
    assert damage(tmp_path / version) is None


def test_promotion_is_what_serving_reads_and_remembers_the_ones_before(tmp_path: Path) -> None:
    first, second, third = promoted(tmp_path, 0.1, 0.2, 0.3)
    assert champion_pointer(tmp_path)["model_version"] == third
    assert [entry["model_version"] for entry in champion_pointer(tmp_path)["previous"]] == [second, first]


def test_promoting_what_is_served_changes_nothing(tmp_path: Path) -> None:
    (version,) = promoted(tmp_path, 0.1)
    before = champion(tmp_path)
    assert promote_bundle(tmp_path, version, 9, "2012-01-01T00:00:00Z") == before
    assert champion(tmp_path) == before


def test_rollback_walks_back_and_then_refuses(tmp_path: Path) -> None:
    first, second, _ = promoted(tmp_path, 0.1, 0.2, 0.3)
    assert rollback_bundle(tmp_path)["model_version"] == second
    assert rollback_bundle(tmp_path) == {"model_version": first, "mlflow_version": 1, "promoted_at": "2011-01-01T00:00:00Z", "previous": []}
    with pytest.raises(UsageRefused, match=f"{first} is the first"):
        rollback_bundle(tmp_path)
    assert champion_pointer(tmp_path)["model_version"] == first


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": 1}', b'{"model_version": 7}', b'{"model_version": "../x", "mlflow_version": 1}', b"\xff"])
def test_a_damaged_pointer_is_a_sentence_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    for name, read, remedy in (("champion", champion, "move it away and type `keepwell promote`"), ("challenger", challenger, "type `keepwell train`")):
        (tmp_path / f"{name}.json").write_bytes(content)
        with pytest.raises(ModelRefused, match=f"{name}.json .*{remedy}"):
            read(tmp_path)
    with pytest.raises(ModelRefused):
        rollback_bundle(tmp_path)
    with pytest.raises(ModelRefused, match="move it away and type `keepwell promote`"):
        champion_pointer(tmp_path)


def test_nothing_to_roll_back_to_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageRefused, match="no model is served"):
        rollback_bundle(tmp_path)


@pytest.mark.parametrize("wrong", ["absent", "damaged"])
def test_a_bundle_that_is_not_whole_is_not_promoted(tmp_path: Path, wrong: str) -> None:
    first, second = promoted(tmp_path, 0.1, 0.2)
    before = champion(tmp_path)
    if wrong == "damaged":
        (tmp_path / "bundles" / first / "golden.json").unlink()
    target: dict[str, Any] = {"absent": "0123456789ab", "damaged": first}
    with pytest.raises(ModelRefused, match="cannot be served"):
        promote_bundle(tmp_path, target[wrong], 3, "2012-01-01T00:00:00Z")
    assert champion(tmp_path) == before
    if wrong == "damaged":
        with pytest.raises(ModelRefused):
            rollback_bundle(tmp_path)
    assert champion_pointer(tmp_path)["model_version"] == second
