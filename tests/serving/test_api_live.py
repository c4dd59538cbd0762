"""Live scoring: merchants sent with their events get what the nightly scoring gives them, bit for bit, or the reason why they get nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from api_calls import Call, calls, problem
from sent_market import bodies

from features.activation import Activation
from features.churn_model import Linear
from features.cutoffs import day_date
from features.inline import Context
from features.model import Model
from features.sent import Merchant, moment, snapshot_of_sent
from features.simulate import simulate
from features.snapshot import Market
from serving.api.published import Published
from serving.api.schemas_predict import PREDICT
from serving.durable import MANIFEST, manifest_of
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import score

VERSION = "abcdef012345"
MONEY = ("value_if_kept", "value_at_risk", "growth_value", "lifetime_value")


@dataclass(frozen=True)
class Lived:
    """A simulated market, its run and its cutoff."""

    home: Path
    state: Path
    market: Market
    run: Run
    batch: pd.DataFrame

    def sent(self, *merchants: str) -> list[dict[str, Any]]:
        """Merchants as an app sends them."""
        return bodies(self.home, merchants, self.run.cutoff, self.market.settings.timeline.timezone)


def write_bundle(state: Path, model: Model, golden: dict[str, Any], version: str = VERSION) -> None:
    """A champion in a state directory."""
    files = {**model.to_files(), "golden.json": json.dumps(golden).encode()}
    for name, content in files.items():
        path = state / "bundles" / version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (state / "bundles" / version / MANIFEST).write_bytes(manifest_of(files, model_version=version))
    (state / "champion.json").write_text(json.dumps({"model_version": version, "previous": []}))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, model: Model, rules: Rules, golden: dict[str, Any]) -> Lived:
    """A market of all tables, scored by the tiny model."""
    home, state = tmp_path_factory.mktemp("market"), tmp_path_factory.mktemp("live")
    simulate(home, 80, seed=5, days=420)
    market = Market.open(home / "keepwell.toml")
    cutoff = day_date(market.source.end_day - 20).date()
    first_order = Activation(30, Linear(("tenure_days",), (True,), (3.0,), (1.0,), (-0.5,), -1.0))
    both = replace(model, activation=first_order)
    made = score(market, cutoff, both, rules, model_version=VERSION, created_at="2026-01-01T06:00:00Z")
    write_bundle(state, both, golden)
    return Lived(home, state, market, publish(state, made.header, made.tables, rules.text), market.snapshot(cutoff))


@pytest.fixture(scope="module")
def call(lived: Lived) -> Call:
    """Calls the API over that run."""
    return calls(Published(lived.state))


def merchants_of(sent: list[dict[str, Any]]) -> list[Merchant]:
    """What the API makes of merchants that were sent."""
    question = PREDICT.validate_python({"merchants": sent}, strict=False)
    return [Merchant(one.merchant_id, one.merchant, one.events) for one in question.merchants]  # type: ignore[union-attr]


def test_every_feature_is_that_of_the_batch(lived: Lived) -> None:
    """Through the published context, all together and one by one, with the rows in any order."""
    context = Context.read(lived.run.header["live"], lived.run.table("peers"))
    sent = lived.sent(*lived.batch.index)
    together, refused = snapshot_of_sent(context, merchants_of(sent))
    assert not refused and list(together) == list(lived.batch)
    pd.testing.assert_frame_equal(together, lived.batch, check_exact=True)
    rng = np.random.default_rng(0)
    for one in sent[::4]:
        shuffled = one | {"events": {name: [rows[place] for place in rng.permutation(len(rows))] for name, rows in one["events"].items()}}
        alone, _ = snapshot_of_sent(context, merchants_of([shuffled]))
        pd.testing.assert_frame_equal(alone, lived.batch.loc[[one["merchant_id"]]], check_exact=True)


def test_live_scores_are_those_of_the_run_bit_for_bit(lived: Lived, call: Call) -> None:
    ids = list(lived.run.merchants.index)
    by_id = call("/v1/predict", "POST", json={"merchant_ids": ids, "explain": True}).json()
    live = call("/v1/predict", "POST", json={"merchants": lived.sent(*ids), "explain": True, "cutoff": lived.run.cutoff}).json()
    assert {name: live[name] for name in ("run_id", "cutoff", "model_version")} == {name: by_id[name] for name in ("run_id", "cutoff", "model_version")}
    assert {row["status"] for row in live["predictions"]} == {"scored", "no_score"}
    for one, known in zip(live["predictions"], by_id["predictions"], strict=True):
        assert (one["merchant_id"], one["status"], one["scores"], one["no_score"]) == tuple(known[name] for name in ("merchant_id", "status", "scores", "no_score"))
        if known["scores"]:
            assert {name: one["money"][name] for name in MONEY} == {name: known["money"][name] for name in MONEY}
            assert one["scores"]["decline_risk"] > 0 and one["money"]["lifetime_value"] > 0
        assert one["activation_chance"] == known["activation_chance"]
        assert (one["activation_chance"] is None) == ((one["no_score"] or {}).get("reason") != "no_order")
    assert any(one["activation_chance"] for one in live["predictions"])
    for one in live["predictions"][:20:3]:
        alone = call("/v1/predict", "POST", json={"merchants": lived.sent(one["merchant_id"])}).json()["predictions"][0]
        assert alone["scores"] == one["scores"] and alone["reasons"] is None


def test_live_reasons_are_those_of_the_run(lived: Lived, call: Call) -> None:
    told = call("/v1/predict", "POST", json={"merchant_ids": list(lived.run.merchants.index), "explain": True, "lang": "zh"}).json()["predictions"]
    explained = [row for row in told if row["reasons"]]
    assert len(explained) > 10
    live = call("/v1/predict", "POST", json={"merchants": lived.sent(*(row["merchant_id"] for row in explained)), "explain": True, "lang": "zh"}).json()
    for known, one in zip(explained, live["predictions"], strict=True):
        mine = {(row["head"], row["direction"]) for row in known["reasons"]}
        theirs = [(row["sentence"], row["contribution"]) for row in one["reasons"] if (row["head"], row["direction"]) in mine]
        assert theirs == [(row["sentence"], row["contribution"]) for row in known["reasons"]]


def spoiled(one: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A merchant whose last order says something else."""
    *others, last = one["events"]["orders"]
    return one | {"events": one["events"] | {"orders": [*others, last | changed]}}


def test_what_cannot_be_scored_honestly_is_refused_with_a_reason_and_the_others_go_on(lived: Lived, call: Call) -> None:
    busy = lived.run.merchants.index[lived.run.merchants["no_score"].isna()][:3]
    good, one, other = lived.sent(*busy)
    first = one["events"]["orders"][0]
    newcomer = {"merchant_id": "new", "merchant": {"joined_at": lived.run.cutoff}, "events": {}}
    quiet = {"merchant_id": "quiet", "merchant": {"joined_at": "2020-01-01"}, "events": {}}
    sent = [
        good,
        spoiled(one, order_id=first["order_id"]),
        spoiled(one | {"merchant_id": "b"}, order_id="z1", ordered_at=f"{lived.run.cutoff}T12:00:00Z", completed_at=None, delivered_at=None),
        spoiled(other | {"merchant_id": "c"}, order_id="z2", completed_at="2020-01-01T00:00:00Z"),
        newcomer,
        quiet,
    ]
    sent[2]["events"]["orders"] = sent[2]["events"]["orders"][-1:]
    for name in ("tickets", "leads"):
        sent[2]["events"].pop(name, None)
    answer = call("/v1/predict", "POST", json={"merchants": sent}).json()["predictions"]
    assert [row["no_score"] and row["no_score"]["reason"] for row in answer] == [
        None, "duplicate_id", "event_in_future", "event_out_of_order", "too_new", "no_order",
    ]  # fmt: skip
    assert all(row["scores"] is None and row["no_score"]["words"] for row in answer[1:]) and answer[0]["scores"]
    chinese = call("/v1/predict", "POST", json={"merchants": [newcomer], "lang": "zh"}).json()["predictions"][0]["no_score"]["words"]
    assert "尚无该商户" in chinese


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"currency": "XXX"}, "currency is XXX"),
        ({"cutoff": "2019-01-01"}, "cutoff is 2019-01-01"),
        ({"merchants": []}, "at least 1"),
        ({"merchants": [{"merchant_id": str(n)} for n in range(1001)]}, "1000"),
        ({"merchant_ids": ["a"]}, "is not understood"),
        ({"merchants": [{"merchant_id": "a", "events": {"orders": [{"order_id": "1", "ordered_at": "soon", "amount": 1}]}}]}, "is not a date or a time"),
        ({"merchants": [{"merchant_id": "a", "events": {"orders": [{"order_id": "1", "ordered_at": "2026-01-01", "amount": -1}]}}]}, "greater than or equal"),
        ({"merchants": [{"merchant_id": "a", "events": {"orders": [{"ordered_at": "2026-01-01", "amount": 1}]}}]}, "order_id"),
        ({"merchants": [{"merchant_id": "a", "events": {"sales": []}}]}, "is not understood"),
    ],
)
def test_what_is_not_understood_is_refused(lived: Lived, call: Call, changed: dict[str, Any], says: str) -> None:
    body = {"merchants": [{"merchant_id": "a"}]} | changed
    assert says in problem(call("/v1/predict", "POST", json=body), "invalid-request")


def test_a_number_that_is_none_is_refused(call: Call) -> None:
    for number in ("NaN", "Infinity", "1e400"):
        row = f'{{"order_id": "1", "ordered_at": "2026-01-01", "amount": {number}}}'
        body = f'{{"merchants": [{{"merchant_id": "a", "events": {{"orders": [{row}]}}}}]}}'
        assert problem(call("/v1/predict", "POST", content=body, headers={"content-type": "application/json"}), "invalid-request")


def test_another_champion_is_taken_over_and_a_damaged_one_is_not(lived: Lived, model: Model, golden: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(lived.state, state)
    runs = Published(state)
    call, sent = calls(runs), {"merchants": lived.sent(lived.run.merchants.index[0])}

    def version() -> str:
        return str(call("/v1/predict", "POST", json=sent).json()["model_version"])

    assert version() == VERSION
    write_bundle(state, model, golden, "fedcba987654")
    runs.champions.load()
    assert version() == "fedcba987654"
    write_bundle(state, model, golden, "0badbadbad00")
    (state / "bundles" / "0badbadbad00" / "card.json").write_bytes(b"{}")
    runs.champions.load()
    assert version() == "fedcba987654" and "card.json" in runs.champions.refusal
    fresh = calls(Published(state))("/v1/predict", "POST", json=sent)
    assert str(state) not in problem(fresh, "no-model")


def test_without_a_champion_live_scoring_says_so_and_ids_are_answered(run: Run, lived: Lived) -> None:
    call = calls(Published(run.path.parent.parent))
    assert "keepwell train" in problem(call("/v1/predict", "POST", json={"merchants": [{"merchant_id": "a"}]}), "no-model")
    assert call("/v1/predict", "POST", json={"merchant_ids": ["m001"]}).status_code == 200


def test_a_moment_is_a_day_or_an_instant() -> None:
    assert moment("2026-04-01") == (moment("2026-04-01T00:00:00Z").micro, True)
    assert moment("2026-04-01T02:00:00+02:00") == moment("2026-04-01 00:00:00")
    for wrong in ("", "2026", "20260401", "2026-13-01", "0999-01-01", "2200-01-01", "2026-W01-1"):
        with pytest.raises(ValueError, match="is not a date"):
            moment(wrong)


