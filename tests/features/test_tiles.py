"""The engine's answers and the rows of a request become the same tiles, however many merchants and however far the days."""

import numpy as np
import pytest

from features.tiles import EMPTY, EntityDays, entities_from, entities_of_rows, tiles_from, tiles_of_rows
from features.verbs import Measure

MEASURES = (Measure(), Measure("amount"), Measure("amount", "given"), Measure("amount", "max"))


def rows_of(merchants: int, first: int, last: int, late: int, codes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    merchant = np.repeat(np.arange(merchants), 3)
    day = rng.integers(first, last, len(merchant))
    amount = np.where(rng.random(len(merchant)) < 0.2, EMPTY, rng.integers(0, 9999, len(merchant)))
    rows = {"merchant": merchant, "day": day, "seen": day + rng.integers(0, late + 1, len(day)), "amount": amount}
    rows["buyer_id"] = rng.integers(0, codes, len(day))
    return rows


SHAPES = {
    "few": (50, 20_000, 20_010, 5, 4),
    "many merchants": (150_000, 20_000, 20_100, 0, 50),
    "many merchants and buyers": (150_000, 20_000, 20_100, 40, 2**33),
    "until 2199, known much later": (100, 0, 84_000, 84_000, 9),
}


@pytest.fixture(params=SHAPES)
def rows(request):
    return rows_of(*SHAPES[request.param])


def test_value_days_are_sorted_and_once_a_day(rows):
    given = {"merchant": rows["merchant"], "code": rows["buyer_id"], "day": rows["day"], "seen": rows["seen"]}
    shuffled = np.random.default_rng(2).permutation(len(rows["day"]))
    theirs = entities_from({name: values[shuffled] for name, values in given.items()})
    ours = entities_of_rows(rows, "buyer_id")
    for part in ("merchant", "code", "day", "seen"):
        np.testing.assert_array_equal(getattr(theirs, part), getattr(ours, part), part)
    assert isinstance(theirs, EntityDays) and len(theirs.day) > 100


def test_tiles_are_sorted_by_merchant_day_and_known_day(rows):
    ours = tiles_of_rows(rows, MEASURES)
    shuffled = np.random.default_rng(2).permutation(len(ours.day))
    largest = ours.measures[MEASURES[3]]
    answer = {"merchant": ours.merchant, "day": ours.day, "seen": ours.seen}
    answer |= {f"m{number}": ours.measures[measure] for number, measure in enumerate(MEASURES)}
    answer["m3"] = np.ma.masked_array(largest, largest == EMPTY)
    theirs = tiles_from({name: values[shuffled] for name, values in answer.items()}, MEASURES)
    for part in ("merchant", "day", "seen"):
        np.testing.assert_array_equal(getattr(theirs, part), getattr(ours, part), part)
    for measure in MEASURES:
        np.testing.assert_array_equal(theirs.measures[measure], ours.measures[measure])
    assert ours.measures[Measure()].sum() == len(rows["day"])
    assert ours.measures[Measure("amount")].sum() == rows["amount"][rows["amount"] != EMPTY].sum()


def test_nothing_becomes_no_tiles():
    nothing = {name: np.zeros(0, np.int64) for name in ("merchant", "day", "seen", "amount", "buyer_id", "code")}
    assert len(tiles_of_rows(nothing, MEASURES).day) == len(entities_of_rows(nothing, "buyer_id").day) == 0
    answer = nothing | {f"m{number}": np.zeros(0) for number in range(len(MEASURES))}
    assert len(tiles_from(answer, MEASURES).day) == len(entities_from(answer).day) == 0


def test_parts_of_tiles_are_renumbered_from_zero():
    tiles = tiles_of_rows(rows_of(10, 20_000, 20_010, 3, 4), MEASURES)
    part = tiles.of(3, 5)
    assert sorted(set(part.merchant)) == [0, 1] and len(part.day) == np.isin(tiles.merchant, (3, 4)).sum()
    assert part.measures[Measure()].sum() == 6
