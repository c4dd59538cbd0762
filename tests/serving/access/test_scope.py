"""Row-level scope: a scoped run holds the visible merchants only, and says the same whatever the others do."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from house import others_changed

from features.errors import DataRefused
from serving.access.scope import TOLD, ScopedRun
from serving.access.who import LOCAL, NOBODY, Who
from serving.api.published import Published
from serving.api.view import SCOPES
from serving.explain import explain
from serving.lists import at_risk, growth
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored

ANN = Who("ann", "retention", owners=frozenset({"Ann"}))
NORTH = Who("north", "viewer", regions=frozenset({"North"}))
BOTH = Who("both", "viewer", frozenset({"Ann"}), frozenset({"North"}))
NEW = Who("new", "viewer", owners=frozenset({"Nobody has this one"}))
everyone = pytest.mark.parametrize("who", [ANN, NORTH, BOTH, NEW, NOBODY], ids=lambda who: who.name)


def visible(run: Run, who: Who) -> set[str]:
    """Who is visible, the slow way."""
    rows = run.merchants.reset_index().to_dict("records")
    return {
        row["merchant_id"]
        for row in rows
        if (who.owners is not None and row["owner"] in who.owners) or (who.regions is not None and row["region"] in who.regions)
    }


@everyone
def test_every_table_holds_the_visible_only(placed_run: Run, who: Who) -> None:
    scoped, seen = ScopedRun.of(placed_run, who), visible(placed_run, who)
    assert len(seen) < len(placed_run.merchants)
    assert set(scoped.merchants.index) == seen
    tables = [name.removesuffix(".parquet") for name in scoped.files if name.endswith(".parquet")]
    assert {"merchants", "reasons", "warnings", "scorecard", "traits"} <= set(tables)
    for name in tables:
        whole = placed_run.table(name)
        assert set(scoped.table(name)["merchant_id"]) == seen & set(whole["merchant_id"])
        assert set(pd.read_parquet(io.BytesIO(scoped.files[f"{name}.parquet"]))["merchant_id"]) <= seen
    assert set(scoped.reasons["merchant_id"]) <= seen and set(scoped.warnings["merchant_id"]) <= seen


@everyone
def test_the_counts_are_those_of_the_visible(placed_run: Run, who: Who) -> None:
    scoped = ScopedRun.of(placed_run, who)
    counts, merchants = scoped.header["counts"], placed_run.merchants.loc[sorted(visible(placed_run, who))]
    assert counts["merchants"] == len(merchants)
    assert counts["scored"] == int(merchants["churn_risk"].notna().sum())
    assert sum(counts["tiers"].values()) == len(merchants) == sum(counts["stages"].values())
    assert counts["expected_leavers"] == pytest.approx(merchants["churn_risk"].sum(), abs=0.06)
    assert sum(counts["warnings"].values()) == len(scoped.warnings)


def test_whoever_sees_all_of_it_is_told_what_the_run_says(placed_run: Run) -> None:
    owners = frozenset(placed_run.merchants["owner"].dropna())
    scoped = ScopedRun.of(placed_run, Who("all", "viewer", owners))
    whole = ScopedRun.of(placed_run, LOCAL)
    assert {name: whole.header["counts"][name] for name in whole.header["counts"]} == {
        name: placed_run.header["counts"][name] for name in whole.header["counts"]
    }
    assert len(scoped.merchants) == len(placed_run.merchants) - 4


def test_what_is_added_to_a_run_is_hidden_until_it_is_known_whose_it_is(placed: Scored, rules: Rules, tmp_path: Path) -> None:
    header = placed.header | {"secret": "of all", "counts": placed.header["counts"] | {"secrets": 7}}
    tables = placed.tables | {"averages": pd.DataFrame({"feature": ["gmv"], "psi": [0.1]})}
    scoped = ScopedRun.of(publish(tmp_path, header, tables, rules.text), ANN)
    assert "averages.parquet" not in scoped.files and len(scoped.files) == len(list(scoped.files))
    assert set(scoped.header) <= {*TOLD, "counts"} and "secrets" not in scoped.header["counts"]
    assert "secret" not in json.loads(scoped.files["run.json"])
    with pytest.raises(DataRefused, match="only who see all merchants"):
        scoped.table("averages")
    with pytest.raises(KeyError):
        scoped.files["averages.parquet"]


@pytest.mark.parametrize("who", [ANN, NORTH, BOTH], ids=lambda who: who.name)
def test_nothing_that_is_told_hangs_on_the_others(placed: Scored, placed_run: Run, rules: Rules, tmp_path: Path, who: Who) -> None:
    seen = visible(placed_run, who)
    other = publish(tmp_path, (changed := others_changed(placed, seen)).header, changed.tables, rules.text)
    runs = [ScopedRun.of(run, who) for run in (placed_run, other)]

    def told(run: Run) -> list[str]:
        lists = [made(run, capacity=capacity, lang=lang) for made in (at_risk, growth) for capacity in (None, 3) for lang in ("en", "zh")]
        texts = [one.rows.to_json() + str(one.notes) + ("" if one.calling is None else one.calling.to_json()) for one in lists]
        texts += [json.dumps(explain(run, name), default=str) for name in sorted(seen)[::6]]
        texts += [run.warnings.to_json(), run.reasons.to_json(), json.dumps({**run.header, "run_id": "", "created_at": ""}, default=str)]
        return [text.replace(run.run_id, "RUN") for text in texts]

    assert told(runs[0]) == told(runs[1])
    assert told(placed_run)[:1] != told(other)[:1]


@everyone
def test_lists_of_a_scope_name_nobody_else(placed_run: Run, who: Who) -> None:
    scoped, seen = ScopedRun.of(placed_run, who), visible(placed_run, who)
    for made in (at_risk, growth):
        for lang in ("en", "zh"):
            told = made(scoped, lang=lang)
            assert set(told.rows["merchant_id"]) <= seen
    for name in sorted(seen)[::6]:
        named = set(re.findall(r"\bm\d{3}\b", json.dumps(explain(scoped, name), default=str)))
        assert named <= seen


def test_parts_of_a_run_are_kept_for_so_many_callers(placed_run: Run) -> None:
    view = Published(placed_run.path.parent.parent).now()
    assert view.within(LOCAL) is view
    assert view.within(ANN) is view.within(Who("anna", "viewer", owners=frozenset({"Ann"})))
    assert view.within(ANN) is not view.within(Who("ann", "retention", regions=frozenset({"Ann"})))
    for number in range(2 * SCOPES):
        view.within(Who("x", "viewer", owners=frozenset({str(number)})))
    assert view.scoped.cache_info().currsize == SCOPES
