"""Labels, timeline, calibration, value and the fitted model: what each promises, on small tables, a made-up market and real data."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.cutoffs import day_date, day_number
from features.errors import DataRefused, UsageRefused
from features.model import RISKS, SCORES, Model, encoded, logistic
from features.settings import Churn, Growth, Settings, Timeline
from features.simulate import simulate
from features.snapshot import Market
from training.backtest import backtest, trained
from training.calibrate import FOLDS, folds, platt
from training.dataset import Dataset, cohort_snapshots, dataset
from training.heads import fit, useful
from training.labels import LABELS, labels, window_end
from training.metrics import auc
from training.models import Job, Matrix, boosted
from training.timeline import FRESH_DAYS, HISTORY_DAYS, cutoffs_of, training_cutoffs

CUTOFF = "2026-04-01"
REAL = Path(__file__).parents[1] / "real_data" / "online_retail_II" / "keepwell.toml"
REAL_DATA = REAL.parents[4] / "shared" / "data" / "online_retail_II" / "invoices.parquet"
Labelled = Callable[..., dict[str, float]]


def after(days: int) -> str:
    """The date so many days after the cutoff."""
    return f"{pd.Timestamp(CUTOFF) + pd.Timedelta(days=days):%Y-%m-%d}"


# --- labels: windows of 30 days after 2026-04-01, drawn as `merchant: day after the cutoff → amount`


@pytest.fixture
def labelled(tmp_path: Path) -> Labelled:
    """Asks for a label of orders given as (merchant, day after the cutoff, amount, known day after the cutoff or None)."""

    def ask(
        label: str, orders: list[tuple], *, as_of: int | None = None, gap: int = 0, horizon: int = 30, value: int = 30, merchants: str = ""
    ) -> dict[str, float]:
        rows = [(who, after(day), amount, after(known[0] if known else day)) for who, day, amount, *known in orders]
        frame = pd.DataFrame(rows, columns=["merchant_id", "ordered_at", "amount", "completed_at"])
        frame.insert(0, "order_id", range(len(frame)))
        frame.to_csv(tmp_path / "orders.csv", index=False)
        (tmp_path / "merchants.csv").write_text(f"merchant_id,joined_at\n{merchants}", encoding="utf-8")
        (tmp_path / "keepwell.toml").write_text(
            f'[source]\norders = "orders.csv"\n{"merchants = " + chr(34) + "merchants.csv" + chr(34) if merchants else ""}\n'
            f"[churn]\nactive_days = 30\nhorizon_days = {horizon}\ngap_days = {gap}\n[growth]\nhorizon_days = {value}\n",
            encoding="utf-8",
        )
        market = Market.open(tmp_path / "keepwell.toml")
        first = day_number(CUTOFF)
        until = window_end(first, market.settings) if as_of is None else first + as_of
        return labels(market, first, until)[label].to_dict()

    return ask


@pytest.mark.parametrize(
    ("label", "gap", "inside", "outside"),
    [
        ("churned", 0, (0, 29), (-1, 30)),
        ("churned", 7, (7, 36), (-1, 0, 6, 37)),
        ("churned_two_thirds", 0, (0, 19), (-1, 20, 29)),
        ("churned_two_thirds", 7, (7, 26), (6, 27)),
        ("churned_third", 0, (0, 9), (-1, 10, 29)),
        ("churned_third", 7, (7, 16), (6, 17)),
    ],
)
def test_silence_is_no_order_from_the_gap_to_the_end_of_the_horizon(
    labelled: Labelled, label: str, gap: int, inside: tuple[int, ...], outside: tuple[int, ...]
) -> None:
    orders = [(f"day {day}", day, 10) for day in (*inside, *outside)]
    found = labelled(label, orders, gap=gap)
    assert found == {f"day {day}": float(day in outside) for day in (*inside, *outside)}


def test_value_adds_up_the_horizon_and_nothing_else(labelled: Labelled) -> None:
    orders = [("bakery", day, amount) for day, amount in ((-1, 1000), (0, 1.25), (29, 2.5), (30, 1000))]
    assert labelled("value", [*orders, ("florist", -1, 5)]) == {"bakery": 3.75, "florist": 0.0}
    assert labelled("value", orders, gap=1)["bakery"] == 1002.5
    assert labelled("value", orders, horizon=60, value=29)["bakery"] == 1.25


def test_growth_is_half_as_much_again_and_not_nothing(labelled: Labelled) -> None:
    orders = [
        *(("just", -30, 100), ("just", 0, 150)),
        *(("almost", -1, 100), ("almost", 29, 149.99)),
        *(("long ago", -31, 100), ("long ago", 5, 1)),  # the last period was empty
        ("silent", -31, 100),
        *(("late", -5, 100, 0), ("late", 5, 1)),  # the earlier order was not known before the cutoff
    ]
    assert labelled("grew", orders) == {"almost": 0, "just": 1, "late": 1, "long ago": 1, "silent": 0}


def test_decline_is_below_half_of_the_last_period(labelled: Labelled) -> None:
    orders = [("half", -1, 100), ("half", 1, 50), ("less", -30, 100), ("less", 29, 49.99), ("idle", -31, 100)]
    assert labelled("declined", orders) == {"half": 0, "idle": 0, "less": 1}


def test_decline_expects_the_season_that_the_market_had_last_year(labelled: Labelled) -> None:
    """A year ago the market halved from the period before this date to the one after it: half as much is as expected."""
    market = [("other", -366, 200), ("other", -365, 100)]
    orders = [("seasonal", -1, 100), ("seasonal", 1, 26), ("faller", -1, 100), ("faller", 1, 24)]
    found = labelled("declined", [*orders, *market])
    assert (found["seasonal"], found["faller"]) == (0, 1)


def test_activation_is_a_first_order_within_thirty_days(labelled: Labelled) -> None:
    people = "".join(f"{who},2026-01-01\n" for who in ("last day", "never", "old", "too late", "late row"))
    orders = [("old", -400, 5), ("old", 3, 5), ("last day", 29, 5), ("too late", 30, 5), ("late row", -3, 5, 2), ("late row", 4, 5)]
    found = labelled("activated", orders, merchants=people)
    assert math.isnan(found.pop("old"))
    assert found == {"last day": 1, "late row": 1, "never": 0, "too late": 0}


@pytest.mark.parametrize(("known", "counts"), [(29, True), (30, False), (99, False)])
def test_an_order_that_became_known_only_after_as_of_does_not_count(labelled: Labelled, known: int, counts: bool) -> None:
    orders = [("bakery", 5, 10, known), ("florist", 5, 10)]
    for label, yes in {"churned": 0.0, "churned_third": 0.0, "value": 10.0, "grew": 1.0}.items():
        no = {"value": 0.0, "grew": 0.0}.get(label, 1.0)
        assert labelled(label, orders, as_of=30) == {"bakery": yes if counts else no, "florist": yes}, label


@pytest.mark.parametrize(("given", "span"), [({}, 30), ({"gap": 3}, 33), ({"horizon": 60}, 60), ({"value": 45}, 45), ({"horizon": 9, "value": 9}, 30)])
def test_an_incomplete_window_is_refused_with_what_to_do(labelled: Labelled, given: dict[str, int], span: int) -> None:
    """The window is the longest of churn, value and activation; a day less is refused."""
    orders = [("bakery", 0, 1)]
    assert labelled("churned", orders, as_of=span, **given) == {"bakery": 0.0 if not given.get("gap") else 1.0}
    with pytest.raises(UsageRefused) as refused:
        labelled("churned", orders, as_of=span - 1, **given)
    which = {60: "[churn]", 45: "[growth]"}.get(span, "[churn] and [growth]")
    assert str(refused.value) == (
        f"cutoff 2026-04-01 has labels only until {after(span - 1)}, but the horizon ends on {after(span)}. "
        f"Use a cutoff on or before 2026-03-31, or shorten horizon_days of {which} in keepwell.toml."
    )


# --- the timeline


@pytest.mark.parametrize(
    ("every", "first", "last", "expected"),
    [
        ("month", "2026-01-01", "2026-04-01", ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"]),
        ("month", "2026-01-02", "2026-03-31", ["2026-02-01", "2026-03-01"]),
        ("month", "2026-01-02", "2026-01-31", []),
        ("week", "2026-03-10", "2026-03-31", ["2026-03-10", "2026-03-17", "2026-03-24", "2026-03-31"]),
        ("28d", "2026-01-04", "2026-03-01", ["2026-01-04", "2026-02-01", "2026-03-01"]),
        ("28d", "2026-01-05", "2026-03-01", ["2026-02-01", "2026-03-01"]),
        ("1d", "2026-01-01", "2026-01-01", ["2026-01-01"]),
    ],
)
def test_cutoffs_are_due(every: str, first: str, last: str, expected: list[str]) -> None:
    assert [f"{day_date(day):%Y-%m-%d}" for day in cutoffs_of(day_number(first), day_number(last), every)] == expected


def stub(first: str, every: str = "month", **churn: int) -> Market:
    """A market whose orders begin on a day; the timeline reads nothing else."""
    made = Settings.model_construct(churn=Churn(**churn), growth=Growth(horizon_days=30), timeline=Timeline(every=every))
    source = type("Source", (), {"settings": made, "first_day": day_number(first)})()
    return Market(source, {}, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("every", ["month", "week", "28d", "17d"])
@given(history=st.integers(0, 500), horizon=st.integers(1, 120), gap=st.integers(0, 20))
def test_training_cutoffs_have_complete_windows_and_history_behind_them(every: str, history: int, horizon: int, gap: int) -> None:
    market = stub("2024-01-10", every, horizon_days=horizon, gap_days=gap)
    first, as_of = market.source.first_day, market.source.first_day + history
    span = gap + max(horizon, 30)
    if history < HISTORY_DAYS + span:
        with pytest.raises(DataRefused, match=rf"too little history for one label window.* Add {HISTORY_DAYS + span - history} days?"):
            training_cutoffs(market, as_of)
        return
    found = training_cutoffs(market, as_of)
    assert found == sorted(set(found))
    assert first + HISTORY_DAYS <= found[0] <= found[-1] <= as_of - span
    if every != "month":
        assert found[-1] == as_of - span, "the newest labels are used"
    elif len(found) > 1:
        assert all(day_date(day).day == 1 for day in found[:-1])
        assert found[-1] > as_of - span - FRESH_DAYS, "the newest labels are used"


# --- the cohort


def test_the_cohort_has_an_order_in_the_active_days_before_the_cutoff(tmp_path: Path) -> None:
    rows = [("on the first day", -30), ("too long ago", -31), ("yesterday", -1), ("at the cutoff", 0)]
    (tmp_path / "orders.csv").write_text(
        "order_id,merchant_id,ordered_at,amount\n" + "".join(f"{who},{who},{after(day)},5\n" for who, day in rows), encoding="utf-8"
    )
    (tmp_path / "keepwell.toml").write_text('[source]\norders = "orders.csv"\n[churn]\nactive_days = 30\n', encoding="utf-8")
    market = Market.open(tmp_path / "keepwell.toml")
    found = cohort_snapshots(market, [day_number(CUTOFF)])
    assert list(found.index.get_level_values("merchant_id")) == ["on the first day", "yesterday"]
    with pytest.raises(DataRefused, match=r"no merchant has a completed order in the 30 days before 2026-06-01; use other cutoffs"):
        cohort_snapshots(market, [day_number("2026-06-01")])


# --- calibration


def made_up_odds(slope: float, intercept: float, rows: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    raw = rng.normal(0, 2, rows)
    return raw, (rng.random(rows) < logistic(slope * raw + intercept)).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.5, -1), (1.8, 0.7)])
def test_platt_finds_the_line_that_made_the_labels(slope: float, intercept: float) -> None:
    found = platt(*made_up_odds(slope, intercept))
    assert found == pytest.approx((slope, intercept), abs=0.06)


def test_platt_makes_the_mean_risk_true_and_leaves_out_unseen_rows() -> None:
    raw, target = made_up_odds(0.4, -1.5)
    slope, intercept = platt(raw, target)
    assert abs(logistic(raw).mean() - target.mean()) > 0.1  # there was something to correct
    assert logistic(slope * raw + intercept).mean() == pytest.approx(target.mean(), abs=0.005)
    unseen = np.where(np.arange(len(raw)) % 7 == 0, np.nan, raw)
    known = np.isfinite(unseen)
    assert platt(unseen, np.where(known, target, 1 - target)) == platt(raw[known], target[known])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_platt_stays_moderate_where_there_is_one_class_or_nothing(share: float) -> None:
    slope, intercept = platt(np.linspace(-3, 3, 50), np.full(50, share))
    assert 0.2 <= slope <= 3
    assert abs(intercept) < 4
    assert platt(np.array([]), np.array([])) == (1.0, 0.0)


@given(st.lists(st.tuples(st.floats(-40, 40), st.booleans()), max_size=60))
def test_platt_never_turns_the_ranking_round(rows: list[tuple[float, bool]]) -> None:
    slope, intercept = platt(np.array([raw for raw, _ in rows]), np.array([float(left) for _, left in rows]))
    assert slope > 0
    assert math.isfinite(intercept)


def test_a_merchant_is_in_one_fold_and_every_fold_has_merchants() -> None:
    merchants = np.repeat([f"m{number:03d}" for number in range(101)], 5)
    fold = folds(merchants)
    assert pd.Series(fold).groupby(merchants).nunique().eq(1).all()
    assert np.bincount(fold[::5], minlength=FOLDS).tolist() == [51, 50]
    assert (fold == folds(merchants)).all()


# --- the fitted model, on a made-up market


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return Market.open(simulate(tmp_path_factory.mktemp("market") / "made", 400, seed=3, days=450, orders_per_merchant=40))


@pytest.fixture(scope="module")
def learnt(market: Market) -> tuple[Model, Dataset]:
    return trained(market, market.source.end_day)


@pytest.fixture(scope="module")
def model(learnt: tuple[Model, Dataset]) -> Model:
    return learnt[0]


@pytest.fixture(scope="module")
def rows(learnt: tuple[Model, Dataset]) -> pd.DataFrame:
    return learnt[1].features


def test_training_twice_gives_the_same_bytes(learnt: tuple[Model, Dataset], market: Market) -> None:
    again, _ = trained(market, market.source.end_day)
    assert again.to_files() == learnt[0].to_files()


def test_the_model_learns_only_from_windows_that_were_complete(market: Market) -> None:
    as_of = training_cutoffs(market, market.source.end_day)[-1]
    cutoffs = training_cutoffs(market, as_of)
    data = dataset(market, cutoffs, as_of)
    assert window_end(cutoffs[-1], market.settings) <= as_of
    assert data.labels[[name for name in LABELS if name != "activated"]].notna().all().all()
    with pytest.raises(UsageRefused, match="has labels only until"):
        dataset(market, [as_of], as_of)


def test_a_model_comes_back_from_its_files_bit_for_bit(model: Model, rows: pd.DataFrame) -> None:
    files = model.to_files()
    again = Model.from_files(files)
    assert again.to_files() == files
    pd.testing.assert_frame_equal(again.scores(rows), model.scores(rows), check_exact=True)
    for head in ("churn", "growth"):
        pd.testing.assert_frame_equal(
            again.contributions(rows[:50], head), model.contributions(rows[:50], head), check_exact=True
        )


def test_contributions_add_up_to_the_log_odds_that_are_published(model: Model, rows: pd.DataFrame) -> None:
    scores = model.scores(rows)
    for head, score in {"churn": "churn_risk", "growth": "growth_potential", "decline": "decline_risk"}.items():
        parts = model.contributions(rows, head)
        assert list(parts) == [*model.features, "base"]
        assert parts["base"].nunique() == 1
        risk = scores[score].to_numpy()
        assert np.allclose(parts.sum(axis=1), np.log(risk / (1 - risk)), atol=1e-9)
        assert np.abs(parts.drop(columns="base").to_numpy()).max() > 0.1


def assert_scores_make_sense(scores: pd.DataFrame) -> None:
    assert list(scores) == list(SCORES)
    assert np.isfinite(scores.to_numpy()).all()
    chances = scores[[*RISKS, "growth_potential"]].to_numpy()
    assert ((chances >= 0) & (chances <= 1)).all()
    third, two_thirds, whole = (scores[name].to_numpy() for name in RISKS)
    assert (third >= two_thirds).all()
    assert (two_thirds >= whole).all()
    low, expected, high = (scores[f"expected_gmv{end}"].to_numpy() for end in ("_p10", "", "_p90"))
    assert (low <= high).all()
    assert (low >= 0).all()
    assert (expected >= 0).all()


def test_scores_of_a_real_snapshot_make_sense(model: Model, rows: pd.DataFrame) -> None:
    scores = model.scores(rows)
    assert_scores_make_sense(scores)
    assert scores["churn_risk"].std() > 0.1
    assert (scores["churn_risk_third"] > scores["churn_risk"]).any()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 1.0, 1e4, 1e9]),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    sign=st.sampled_from([1, -1]),
)
def test_silence_is_never_likelier_over_a_longer_horizon_whatever_the_row(
    model: Model, rows: pd.DataFrame, seed: int, scale: float, missing: float, sign: int
) -> None:
    """Rows that no merchant ever had: features of different merchants mixed, scaled, turned negative and emptied."""
    rng = np.random.default_rng(seed)
    mixed = {name: rows[name].to_numpy()[rng.integers(0, len(rows), 64)] for name in rows}
    for name, values in mixed.items():
        if values.dtype != object:
            turned = values * (scale * sign if name != "gmv_90d" else scale)
            mixed[name] = np.where((rng.random(64) < missing) & (name != "gmv_90d"), np.nan, turned).astype(np.float32)
    assert_scores_make_sense(model.scores(pd.DataFrame(mixed)))


@pytest.mark.parametrize("larger", [1e3, 1e6])
def test_a_giant_does_not_blow_the_forecast_up(model: Model, rows: pd.DataFrame, larger: float) -> None:
    """Far beyond the largest merchant trained on, the forecast is that many times larger, give or take a factor of three."""
    money = [name for name in rows if name.startswith("gmv_") and name.rstrip("d").rsplit("_", 1)[-1].isdigit() and "change" not in name]
    selling = rows[rows["gmv_90d"] > 10]
    giants = selling.assign(**{name: (selling[name] * larger).astype(np.float32) for name in money})
    before, scores = model.scores(selling), model.scores(giants)
    for score in ("expected_gmv", "expected_gmv_p90"):
        active = before["churn_risk"] < 0.5
        times = (scores[score] / before[score])[active] / larger
        assert times.between(1 / 3, 3).all(), times.describe()


def test_promised_money_adds_up_on_the_merchants_it_was_learnt_from(learnt: tuple[Model, Dataset]) -> None:
    model, data = learnt
    scores = model.scores(data.features)
    assert scores["expected_gmv"].sum() == pytest.approx(data.labels["value"].sum(), rel=0.25)
    inside = data.labels["value"].between(scores["expected_gmv_p10"], scores["expected_gmv_p90"]).mean()
    assert 0.75 < inside < 0.98
    alone = logistic(model.churn.raw(data.features) - model.churn.blend.level)  # without the level of the season ahead
    assert alone.mean() == pytest.approx(data.labels["churned"].mean(), abs=0.03)


def test_columns_that_only_tell_cutoffs_apart_are_not_learnt_from(rows: pd.DataFrame) -> None:
    moments = pd.to_datetime(["2026-01-01", "2026-02-01"])
    index = pd.MultiIndex.from_product([["bakery", "florist"], moments], names=["merchant_id", "cutoff"])
    frame = pd.DataFrame(
        {
            "same for all": 1.0,
            "of the month": [1.0, 2.0, 1.0, 2.0],
            "always missing": np.nan,
            "tells apart once": [1.0, 2.0, 1.0, 3.0],
            "known of one": [np.nan, 1.0, 1.0, 1.0],
            "text": ["a", "a", "b", "b"],
        },
        index=index,
    )
    assert useful(frame) == ["tells apart once", "known of one", "text"]
    kept = useful(rows)
    assert "gmv_90d" in kept
    assert not {"market_change_28d", "market_change_90d"} & set(kept)


@pytest.mark.parametrize(("churned", "word"), [(0.0, "nobody"), (1.0, "everybody")])
def test_one_class_is_refused(learnt: tuple[Model, Dataset], market: Market, churned: float, word: str) -> None:
    _, data = learnt
    with pytest.raises(DataRefused, match=rf"^{word} churned at all {len(data.labels):,} rows.*Change active_days or horizon_days"):
        fit(Dataset(data.features, data.labels.assign(churned=churned)), market.settings, {})


# --- out of time


def test_the_future_does_not_change_a_backtest(market: Market, learnt: tuple[Model, Dataset]) -> None:
    """The model of a cutoff is the one that could have been trained then: later cutoffs beside it change nothing."""
    late = training_cutoffs(market, market.source.end_day)[-2:]
    both, models = backtest(market, late)
    alone, _ = trained(market, late[0])
    assert alone.to_files() == models[late[0]].to_files()
    early = both.xs(day_date(late[0]), level="cutoff")
    assert auc(early["churned"], early["churn_risk"]) > 0.75
    assert set(models[late[0]].card["cutoffs"]) < set(learnt[0].card["cutoffs"])


PERMUTATIONS = 100


@pytest.fixture(scope="module")
def permuted() -> pd.DataFrame:
    """Out-of-time AUC on Online Retail II of models whose training labels were permuted among the merchants of each cutoff.

    `true` is against what happened at the test cutoff, `permuted` against its labels permuted too; `honest` is the model of the
    true labels. One training cutoff suffices: what is asked is not how good the model is.
    """
    if not REAL_DATA.exists():
        pytest.skip("Online Retail II is not beside the repository (shared/data/online_retail_II)")
    market = Market.open(REAL)
    cutoff = day_number("2011-07-01")
    train = dataset(market, training_cutoffs(market, cutoff)[-1:], cutoff)
    test = dataset(market, [cutoff], market.source.end_day)
    matrix = Matrix.of(train.features, useful(train.features))
    seen, happened = encoded(test.features, list(matrix.names), matrix.categories), test.labels["churned"].to_numpy()
    everybody, rng = np.ones(len(train.labels), bool), np.random.default_rng(11)

    def measured(target: pd.Series) -> tuple[float, float]:
        # not the churn head: it knows beforehand that silence never lowers a risk, and so leans one way even on noise
        job = Job("growth", everybody, target.to_numpy())
        risk = boosted(matrix, {"growth": job})["growth"].predict(seen, num_threads=1)
        return auc(happened, risk), auc(rng.permutation(happened), risk)

    by_cutoff = train.labels["churned"].groupby(level="cutoff")
    found = [measured(by_cutoff.transform(lambda labels: rng.permutation(labels.to_numpy()))) for _ in range(PERMUTATIONS)]
    return pd.DataFrame(found, columns=["true", "permuted"]).assign(honest=measured(train.labels["churned"])[0])


def test_a_permuted_label_cannot_be_learnt(permuted: pd.DataFrame) -> None:
    """A mean of 100 permutations. One alone says little: a model of noise leans at random towards or away from the few directions
    that matter (recency, size), so its AUC against the truth scatters by .05; the mean's standard error is .005, and .0015 where
    the test labels are permuted too. (With 32 permutations, .009, the mean left the band by chance.)
    """
    assert permuted["honest"].iloc[0] > 0.75
    assert 0.48 <= permuted["true"].mean() <= 0.52
    assert 0.49 <= permuted["permuted"].mean() <= 0.51
