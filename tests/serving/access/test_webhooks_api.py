"""Messages to other systems that were given up: an admin sees why, and has them tried again."""

from __future__ import annotations

from datetime import date
from typing import Any

from house import NOW, House
from sqlalchemy import insert, select

from serving.ledger.schema import outbox, runs

HEADER = {"run_id": "2026-01-01-00000000", "model_version": "abc", "rules_hash": "r", "created_at": NOW, "merchants": 0}


def filled(house: House) -> None:
    """One message that arrived, one that waits, and two that were given up."""
    with house.ledger.writing() as connection:
        connection.execute(insert(runs).values(run_no=1, cutoff=date(2026, 1, 1), **HEADER))
        for number, given in enumerate(({"delivered_at": NOW}, {}, {"dead_at": "2026-01-02T07:00:00+00:00"}, {"dead_at": NOW, "failure": "it answered 500"})):
            said = {"kind": "warning.opened", "body": "{}", "made_at": f"2026-01-01T0{number}:00:00+00:00", "due_at": NOW, "attempts": 9}
            connection.execute(insert(outbox).values(run_no=1, message_id=f"msg_{number}", **said, **given))


def test_what_was_given_up_is_seen_and_tried_again(house: House) -> None:
    filled(house)
    key = house.key("Root")
    found = house.call("/v1/webhooks", key=key).json()
    assert (found["waiting"], found["oldest"], found["dead"]) == (1, "2026-01-01T01:00:00+00:00", 2)
    assert [one["message_id"] for one in found["messages"]] == ["msg_3", "msg_2"]
    assert found["messages"][0]["failure"] == "it answered 500" and found["messages"][0]["attempts"] == 9
    assert house.call("/v1/webhooks/retry", "POST", key=key, json={}).json()["messages"] == 2
    with house.ledger.reading() as connection:
        rows: list[Any] = list(connection.execute(select(outbox).order_by(outbox.c.message_no)).all())
    assert [(row.attempts, row.dead_at, row.delivered_at is not None) for row in rows] == [(9, None, True), (9, None, False), (0, None, False), (0, None, False)]
    assert rows[3].due_at == house.clock()
    after = house.call("/v1/webhooks", key=key).json()
    assert (after["waiting"], after["dead"], after["messages"]) == (3, 0, [])
    assert [(line["actor"], line["detail"]) for line in house.lines("webhooks retried")] == [("Root", {"messages": 2})]


def test_nothing_given_up_is_nothing_to_retry_or_to_write_down(house: House) -> None:
    key = house.key("Root")
    assert house.call("/v1/webhooks/retry", "POST", key=key, json={}).json()["messages"] == 0
    assert house.lines("webhooks retried") == []
    assert house.call("/v1/webhooks", key=house.key("Eve", "engineer")).status_code == 403
    assert house.call("/v1/webhooks", key=house.key("Ann", owners=["Ann"])).status_code == 403
