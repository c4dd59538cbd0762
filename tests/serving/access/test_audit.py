"""What leaves the house is written down first: who, which list, how many merchants, of which run."""

from __future__ import annotations

import pytest
from house import House

from features.errors import DataRefused
from serving.ledger import Ledger
from serving.run import Run


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_is_written_down(house: House, placed_run: Run, kind: str) -> None:
    key = house.key("ann", "retention", owners=["Ann"])
    answer = house.call(f"/export.{kind}?show=all", key=key)
    assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
    [line] = house.lines("exported")
    assert (line["actor"], line["run_id"], line["at"]) == ("ann", placed_run.run_id, house.clock())
    assert line["detail"]["list"] == f"at_risk.{kind}" and line["detail"]["show"] == "all"
    if kind == "csv":
        assert line["detail"]["rows"] == sum(1 for row in answer.text.splitlines() if ",m0" in row or row.startswith("m0")) > 0


def test_whoever_may_not_export_is_refused_and_nothing_is_written_down(house: House) -> None:
    key = house.key("vera", "viewer")
    assert house.call("/export.csv", key=key).status_code == 403
    assert house.lines("exported") == []


def test_without_keys_it_is_whoever_sits_here(house: House) -> None:
    assert house.call("/export.csv").status_code == 200
    assert [line["actor"] for line in house.lines("exported")] == ["local"]


def test_what_cannot_be_written_down_is_not_handed_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key = house.key("ann")
    assert house.call("/v1/model", key=key).status_code == 200

    def down(ledger: Ledger) -> None:
        raise DataRefused("the ledger cannot be used")

    monkeypatch.setattr(Ledger, "writing", down)
    answer = house.call("/export.csv", key=key)
    assert answer.status_code == 503 and "m0" not in answer.text.replace(house.state.name, "")
