"""A sheet gives what a data frame gives, and a merchant alone adds up to the same bits as among others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.btyd import ParetoNbd
from features.churn_model import Blend, ChurnModel, Linear, Rhythm
from features.sheet import FEW_ROWS, Sheet, column, matrix, weighted
from features.trees import Encoding, Head
from features.value_model import Linear as ValueLinear


def frame_of(merchants: int, columns: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    numbers = rng.lognormal(2, 2, (merchants, columns)).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    own = {f"n{place}": numbers[:, place] for place in range(columns)}
    own |= {name: rng.integers(1, 200, merchants).astype(np.float32) for name in ("days_since_last_order", "active_days_365d", "gap_mean")}
    own |= {"days_since_first_order": np.full(merchants, 300, np.float32), "gmv_365d": numbers[:, 0]}
    return pd.DataFrame(own).assign(industry=np.array(["bakery", None], dtype=object)[rng.integers(0, 2, merchants)])


@pytest.mark.parametrize("mixed", [False, True])
def test_a_sheet_gives_what_its_frame_gives(mixed: bool) -> None:
    frame = frame_of(9)
    if mixed:  # numbers of several kinds, and a text among them
        frame = frame.assign(count=np.arange(9), is_open=True)[["n1", "industry", "count", "is_open", "n0"]]
    sheet = Sheet.of(frame)
    assert len(sheet) == 9 and all(name in sheet for name in frame) and "nothing" not in sheet
    numbers = [name for name in frame if name != "industry"]
    assert sheet["industry"].tolist() == frame["industry"].tolist()
    for name in numbers:
        np.testing.assert_array_equal(column(sheet, name), frame[name].to_numpy(float))
    for some in (numbers, numbers[::-2]):
        np.testing.assert_array_equal(matrix(sheet, some), matrix(frame, some))
    part = sheet.part(np.arange(9) % 2 == 1)
    np.testing.assert_array_equal(matrix(part, numbers), frame[numbers].to_numpy(float)[1::2])
    assert part["industry"].tolist() == frame["industry"].tolist()[1::2]
    known = frame.reindex(columns=[*frame, "nothing"]).notna().to_numpy()
    np.testing.assert_array_equal(sheet.known([*frame, "nothing"]), known)
    assert len(Sheet.of(frame.iloc[:0])) == 0


@pytest.mark.parametrize("rows", [1, 7, FEW_ROWS, FEW_ROWS + 1, 2000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_row_adds_up_to_the_same_bits_among_however_many(rows: int, order: str) -> None:
    rng = np.random.default_rng(rows)
    columns = np.asarray(rng.normal(0, 10.0 ** rng.integers(-8, 8, (rows, 97))), order=order)
    weights = rng.normal(size=97)
    found = weighted(columns, weights)
    alone = np.concatenate([weighted(np.asarray(columns[row : row + 1], order=order), weights) for row in range(rows)])
    np.testing.assert_array_equal(found, alone)
    assert np.allclose(found, columns @ weights)
    assert weighted(columns[:, :0], weights[:0]).tolist() == [0.0] * rows


def test_a_model_scores_a_merchant_alone_as_in_a_batch() -> None:
    frame = frame_of(300)
    rng = np.random.default_rng(2)
    names = tuple(f"n{place}" for place in range(60))
    given = ((True,) * 60, (1.5,) * 60, (1.1,) * 60, tuple(rng.normal(size=60)))
    stump = Head("")
    object.__setattr__(stump, "__dict__", stump.__dict__ | {"booster": _Flat(len(names) + 1)})
    rhythm = Rhythm(ParetoNbd(0.55, 10.6, 0.6, 11.7), 60, (3.0, 120.0, 20.0))
    blend, encoding = Blend(0.5, 0.3, 0.2, 0.1, 0.2, 0.3), Encoding((*names, "industry"), {"industry": ["bakery"]})
    model = ChurnModel(encoding, (stump, stump), (stump, stump), 60, blend, Linear(names, *given), rhythm)
    whole, why = model.risks(frame), model.contributions(frame)
    for row in range(0, 300, 7):
        one = frame.iloc[row : row + 1]
        pd.testing.assert_frame_equal(model.risks(one), whole.iloc[row : row + 1], check_exact=True)
        pd.testing.assert_frame_equal(model.contributions(one), why.iloc[row : row + 1], check_exact=True)
        sheet = Sheet.of(one)
        for name, values in model.chances(sheet, model.encoding.rows(sheet)).items():
            assert values[0] == whole[name].iloc[row], name
        assert model.pushes(sheet, model.encoding.rows(sheet))[1].tolist() == [why.iloc[row].tolist()]
    assert not np.allclose(whole["churn_risk"], replace(model, linear=None).risks(frame)["churn_risk"])


def test_the_value_of_a_merchant_alone_is_that_in_a_batch() -> None:
    rng = np.random.default_rng(3)
    columns = rng.normal(0, 3, (300, 12))
    linear = ValueLinear((0.1,) * 12, (1.3,) * 12, tuple(rng.normal(0, 0.1, 1 + 12 + 1 + 6)), 6)
    found = linear.ratio(_Rows(columns))  # type: ignore[arg-type]
    alone = [linear.ratio(_Rows(columns[row : row + 1]))[0] for row in range(300)]  # type: ignore[arg-type]
    assert found.tolist() == alone


class _Rows:
    def __init__(self, linear: np.ndarray) -> None:
        self.linear = linear


class _Flat:
    """A booster that says the same of everybody."""

    def __init__(self, features: int) -> None:
        self.features = features

    def predict(self, rows: np.ndarray, pred_contrib: bool = False, **_: object) -> np.ndarray:
        return np.full((len(rows), self.features + 1), 0.01) if pred_contrib else np.full(len(rows), -0.4)
