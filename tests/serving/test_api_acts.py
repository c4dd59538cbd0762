"""What people tell the API: done once for a key, in the ledger before it is answered, and taken back by its number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_calls import Call, calls, problem

from features.errors import DataRefused
from serving.access.callers import Access
from serving.access.keyring import Keyring
from serving.api.published import Published
from serving.ledger import Ledger
from serving.run import Run

NOW = "2026-01-02T08:00:00+00:00"
DEED = {"outcome": "resolved", "note": "called", "cost": 12.5}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    opened = Ledger.at(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def call(run: Run, ledger: Ledger) -> Call:
    """Calls the API over the small market's run and a ledger."""
    return calls(Published(run.path.parent.parent), access=Access(Keyring(lambda: ledger, lambda: NOW), lambda: NOW))


def post(call: Call, path: str, body: Any, key: str | None = None) -> Any:
    return call(path, "POST", json=body, headers={} if key is None else {"Idempotency-Key": key})


def rows(call: Call, which: str = "all") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(f"/v1/at-risk?show={which}").json()["rows"]
    return found


def test_a_disposition_is_recorded_once_for_a_key(call: Call, ledger: Ledger, run: Run) -> None:
    first = post(call, "/v1/merchants/m001/dispositions", DEED, "visit-7")
    again = post(call, "/v1/merchants/m001/dispositions", DEED, "visit-7")
    assert first.status_code == 201 and first.content == again.content
    assert first.json() | {"run_id": run.run_id, "outcome": "resolved", "key": "visit-7", "is_new": True} == first.json()
    row = ledger.table("dispositions")
    assert len(row) == 1 and row.iloc[0]["actor"] == "local" and row.iloc[0]["cost"] == 12.5 and str(row.iloc[0]["done_on"].date()) == "2026-01-01"


def test_a_key_used_for_something_else_is_refused_and_changes_nothing(call: Call, ledger: Ledger) -> None:
    post(call, "/v1/merchants/m001/dispositions", DEED, "k")
    for path, body in (("m001/dispositions", DEED | {"note": "other"}), ("m002/dispositions", DEED), ("m001/acknowledge", {})):
        assert "was already used for something else" in problem(post(call, f"/v1/merchants/{path}", body, "k"), "key-reused")
    assert len(ledger.table("dispositions")) == 1 and ledger.table("desk").empty


def test_without_a_key_the_same_body_counts_as_a_retry(call: Call, ledger: Ledger) -> None:
    answers = [post(call, "/v1/merchants/m001/dispositions", DEED).content for _ in range(2)]
    post(call, "/v1/merchants/m001/dispositions", DEED | {"note": "again"})
    assert answers[0] == answers[1] and len(ledger.table("dispositions")) == 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("acknowledge", {}, "acknowledged"),
        ("snooze", {"until": "2026-02-01", "reason": "on holiday"}, "snoozed"),
        ("dispositions", DEED, "done"),
    ],
)
def test_an_act_shows_in_the_list_at_once_and_is_undone_by_its_number(call: Call, path: str, body: dict[str, Any], status: str) -> None:
    before = rows(call)
    merchant = before[0]["merchant_id"]
    done = post(call, f"/v1/merchants/{merchant}/{path}", body).json()
    assert [row["status"] for row in rows(call) if row["merchant_id"] == merchant] == [status]
    assert [row["merchant_id"] for row in rows(call, status)] == [merchant]
    undone = post(call, f"/v1/acts/{done['entry_no']}/undo", {})
    assert undone.status_code == 200 and undone.json()["merchant_id"] == merchant
    assert rows(call) == before
    assert "undone already" in problem(post(call, f"/v1/acts/{done['entry_no']}/undo", {}, "twice"), "invalid-request")
    for nothing in (10**6, 2**31, 10**30):
        assert "nothing that can be undone" in problem(post(call, f"/v1/acts/{nothing}/undo", {}, f"none {nothing}"), "invalid-request")


def test_who_is_assigned_is_the_owner_of_the_list_and_of_its_filter(call: Call) -> None:
    merchant = rows(call)[1]["merchant_id"]
    first = post(call, f"/v1/merchants/{merchant}/assign", {"owner": "王芳"}).json()
    assert [row["merchant_id"] for row in call("/v1/at-risk?owner=王芳").json()["rows"]] == [merchant]
    post(call, f"/v1/merchants/{merchant}/assign", {"owner": "Zoë"})
    assert "changed again since" in problem(post(call, f"/v1/acts/{first['entry_no']}/undo", {}), "invalid-request")
    audit = call(f"/v1/merchants/{merchant}/history").json()["audit"]
    assert [(line["what"], line["actor"], line["detail"]["now"]["owner"]) for line in audit] == [("assigned", "local", "王芳"), ("assigned", "local", "Zoë")]


def test_what_stands_so_already_is_not_written_again(call: Call, ledger: Ledger) -> None:
    post(call, "/v1/merchants/m001/acknowledge", {}, "a")
    again = post(call, "/v1/merchants/m001/acknowledge", {}, "b").json()
    assert again["is_new"] is False and again["entry_no"] is None and len(ledger.table("audit")) == 1


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("m001/dispositions", {"outcome": "won"}, "outcome"),
        ("m001/dispositions", {"outcome": "resolved", "cost": -1}, "cost"),
        ("m001/dispositions", {"outcome": "resolved", "done_on": "2026-01-03"}, "has not come yet"),
        ("m001/dispositions", {"outcome": "resolved", "kind": "silent"}, "has had no warning"),
        ("m001/dispositions", {"outcome": "resolved", "sum": 1}, "is not understood"),
        ("m001/snooze", {"until": "2025-12-31", "reason": "x"}, "ends before it begins"),
        ("m001/snooze", {"until": "2026-02-01", "reason": "  "}, "needs a reason"),
        ("m001/assign", {"owner": "a\nb"}, "is no name"),
    ],
)
def test_what_is_not_understood_is_refused_and_nothing_is_written(call: Call, ledger: Ledger, path: str, body: Any, says: str) -> None:
    assert says in problem(post(call, f"/v1/merchants/{path}", body), "invalid-request")
    assert ledger.table("audit").empty and ledger.table("requests").empty


def test_nan_is_refused(call: Call) -> None:
    headers = {"content-type": "application/json"}
    for number in (b"NaN", b"Infinity", b"1e999"):
        body = b'{"outcome": "resolved", "cost": ' + number + b"}"
        assert problem(call("/v1/merchants/m001/dispositions", "POST", content=body, headers=headers), "invalid-request")


def test_an_unknown_merchant_is_told_nothing(call: Call) -> None:
    for path in ("dispositions", "snooze", "acknowledge", "assign"):
        body = {"dispositions": DEED, "snooze": {"until": "2026-02-01", "reason": "x"}, "assign": {"owner": "A"}}.get(path, {})
        assert problem(post(call, f"/v1/merchants/nobody/{path}", body), "unknown-merchant")


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\tb"])
def test_a_key_that_is_none_is_refused(call: Call, key: str) -> None:
    assert "Idempotency-Key" in problem(post(call, "/v1/merchants/m001/acknowledge", {}, key), "invalid-request")


def test_a_ledger_that_cannot_be_reached_is_said_so(run: Run, ledger: Ledger) -> None:
    def down() -> Ledger:
        raise DataRefused("the ledger sqlite:///… cannot be used (locked); check [state] ledger and that its database runs.")

    down_now = [False]
    opened = Keyring(lambda: down() if down_now[0] else ledger, lambda: NOW)
    call = calls(Published(run.path.parent.parent), access=Access(opened, lambda: NOW))
    assert call("/v1/at-risk").status_code == 200
    down_now[0] = True
    answer = post(call, "/v1/merchants/m001/dispositions", DEED, "later")
    assert "same Idempotency-Key" in problem(answer, "no-ledger") and answer.headers["retry-after"]
    down_now[0] = False
    assert post(call, "/v1/merchants/m001/dispositions", DEED, "later").status_code == 201
