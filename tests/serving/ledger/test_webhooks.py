"""Webhooks as a receiver sees them: signed, at least once, known again by their id, and never into the network behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from alembic.runtime.environment import EnvironmentContext
from pydantic import ValidationError
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from features.errors import UsageRefused
from features.settings import Webhooks
from serving.ledger import Entry, Ledger
from serving.ledger.connect import _config, _script, engine_of, migrate, writing
from serving.ledger.schema import outbox as table
from serving.webhooks import outbox
from serving.webhooks.address import NotAllowed, target_of
from serving.webhooks.messages import messages
from serving.webhooks.sender import AT_ONCE, Background, Delivered, Sender
from serving.webhooks.signing import Secret

TEXT = "whsec_" + b64encode(b"keepwell-tests-secret-0123456789").decode()
HEADER = {"run_id": "2026-01-08-0a1b2c3d", "model_version": "abc", "cutoff": "2026-01-08", "currency": "GBP", "rules_hash": "r"}
HEADER["created_at"] = "2026-01-08T06:00:00+00:00"
STEPS = ("taken", "send", "sent")


class Clock:
    """The time, which passes only as it is told to; it starts now, for receivers refuse what is old."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> str:
        return self.at.isoformat(timespec="seconds")

    def tick(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Receiver:
    """A receiver that verifies what it gets and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status: list[int] = []
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status.pop(0) if receiver.status else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/in?from=keepwell"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(receiver: Receiver, clock: Clock) -> Sender:
    found = Sender.of(Webhooks(url=receiver.url), {"KEEPWELL_WEBHOOK_SECRET": TEXT}, clock)
    assert found
    return found


def opened(*ids: str) -> pd.DataFrame:
    """Warnings that fired."""
    day = pd.Timestamp("2026-01-08")
    facts = {"severity": "high", "opened_on": day, "due_on": day, "turned_on": day, "is_holding": True, "recurrences": 0, "escalations": 0}
    numbers = {"value": 2.5, "churn_risk": 0.75, "value_at_risk": float("nan"), "is_held_out": False, "owner": "Ann"}
    return pd.DataFrame([{"merchant_id": one, "kind": "silence", **facts, **numbers} for one in ids])


def merchants(*ids: str, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"merchant_id": list(ids)} | columns)


def filled(ledger: Ledger, hook: Webhooks, *ids: str) -> None:
    """A run with a warning for each id."""
    told = messages(HEADER, merchants(*ids), opened(*ids), pd.DataFrame(), hook)
    scores = pd.DataFrame({"churn_risk": 0.5}, index=pd.Index(ids, name="merchant_id"))
    ledger.commit_run(Entry(HEADER, scores, opened=opened(*ids), messages=told))


def rows(ledger: Ledger) -> list[Any]:
    with ledger.reading() as connection:
        return list(connection.execute(select(table).order_by(table.c.message_no)))


# --- what is told


def test_a_message_is_signed_as_the_standard_says_and_says_what_is_needed(ledger: Ledger, sender: Sender, receiver: Receiver) -> None:
    filled(ledger, sender.hook, "m1")
    assert sender.all_due(ledger) == Delivered(arrived=1)
    headers, body = receiver.got[0]
    found = Webhook(TEXT).verify(body, headers)
    assert found == json.loads(body)
    assert found["type"] == "warning.opened" and found["timestamp"] == HEADER["created_at"]
    assert found["data"] == {
        **{name: HEADER[name] for name in ("run_id", "model_version", "cutoff", "currency")},
        **{"merchant_id": "m1", "kind": "silence", "severity": "high", "owner": "Ann", "opened_on": "2026-01-08", "due_on": "2026-01-08"},
        **{"value": 2.5, "churn_risk": 0.75, "value_at_risk": None},
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(TEXT).verify(body.replace(b"m1", b"m2"), headers)
    assert headers["host"] in receiver.url and headers["content-type"] == "application/json"
    assert sender.all_due(ledger) == Delivered() and len(receiver.got) == 1


def test_two_secrets_sign_while_one_replaces_the_other(clock: Clock) -> None:
    other = "whsec_" + b64encode(b"b" * 32).decode()
    headers = Secret.of({"S": f"{TEXT} {other}"}, "S").headers("msg_1", b"{}", clock())
    assert Webhook(TEXT).verify(b"{}", headers) == Webhook(other).verify(b"{}", headers) == {}


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "whsec_" + b64encode(b"x" * 65).decode()])
def test_a_secret_that_is_none_is_refused_and_not_repeated(text: str, clock: Clock) -> None:
    with pytest.raises(UsageRefused, match="KEEPWELL_WEBHOOK_SECRET (is not set|holds no secret)") as refused:
        Sender.of(Webhooks(url="https://crm.example"), {"KEEPWELL_WEBHOOK_SECRET": text}, clock)
    assert not text or text.split()[0] not in str(refused.value).replace("set it to whsec_ ", "") or text == "whsec_"
    assert Sender.of(Webhooks(), {}, clock) is None


def test_only_what_was_asked_for_is_told(clock: Clock) -> None:
    everyone = merchants("m1", "m2", "m3", "m4", owner=["Ann", "Ben", "Ann", None], region=["N", "S", "S", None], arm=[None, "act", "hold", None])
    told = pd.DataFrame([{"what": "escalated", "merchant_id": "m2", "kind": "decline", "detail": {"severity": "high"}}])

    def ids(**given: Any) -> list[str]:
        hook = Webhooks(url="https://crm.example", **given)
        found = messages(HEADER, everyone, opened("m1", "m2", "m3", "m4"), told, hook)
        return [f"{json.loads(body)['data']['merchant_id']} {kind}" for kind, body in zip(found["kind"], found["body"], strict=True)]

    assert ids() == ["m1 warning.opened", "m2 warning.opened", "m4 warning.opened", "m2 warning.escalated"], "m3 is left alone on purpose"
    assert ids(owners=["Ann"]) == ["m1 warning.opened"]
    assert ids(regions=["S"]) == ["m2 warning.opened", "m2 warning.escalated"]
    assert ids(owners=["Ann"], regions=["S"]) == ["m1 warning.opened", "m2 warning.opened", "m2 warning.escalated"]
    assert ids(owners=[]) == [] == ids(kinds=[])
    assert ids(kinds=["decline"]) == ["m2 warning.escalated"]
    assert messages(HEADER, everyone, opened("m1"), told, Webhooks()).empty, "without an address nothing piles up"


# --- how it is told


def test_failures_are_tried_again_ever_later_and_given_up_at_last(ledger: Ledger, sender: Sender, receiver: Receiver, clock: Clock) -> None:
    filled(ledger, sender.hook, "m1")
    receiver.status = [500] * 100
    waits = []
    for attempt in range(len(outbox.DELAYS)):
        assert sender.all_due(ledger) == Delivered(later=1), attempt
        due = datetime.fromisoformat(rows(ledger)[0].due_at)
        waits.append((due - datetime.fromisoformat(clock())).total_seconds())
        clock.tick(waits[-1] - 1)
        assert sender.all_due(ledger) == Delivered(), "not before it is due"
        clock.tick(2)
    assert all(delay <= wait <= delay * 1.1 + 1 for delay, wait in zip(outbox.DELAYS, waits, strict=True))
    assert sender.all_due(ledger) == Delivered(dead=1)
    assert rows(ledger)[0].failure == "the receiver answered 500"
    clock.tick(10**6)
    assert sender.all_due(ledger) == Delivered()
    with ledger.writing() as connection:
        assert outbox.revive(connection, clock()) == 1
    receiver.status = []
    assert sender.all_due(ledger) == Delivered(arrived=1)
    assert len(set(receiver.ids)) == 1 and len(receiver.ids) == len(outbox.DELAYS) + 2


def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(ledger: Ledger, sender: Sender, receiver: Receiver, clock: Clock) -> None:
    filled(ledger, sender.hook, "m1")
    receiver.status, receiver.headers = [429], {"Retry-After": "900"}
    sender.all_due(ledger)
    clock.tick(899)
    assert sender.all_due(ledger) == Delivered()
    clock.tick(120)
    assert sender.all_due(ledger) == Delivered(arrived=1)


def test_one_that_is_gone_is_given_up_and_redirects_are_not_followed(ledger: Ledger, sender: Sender, receiver: Receiver) -> None:
    filled(ledger, sender.hook, "m1", "m2")
    receiver.status, receiver.headers = [410, 302], {"Location": "http://169.254.169.254/"}
    assert sender.all_due(ledger) == Delivered(dead=1, later=1)
    assert [row.failure for row in rows(ledger)] == ["the receiver answered 410", "the receiver answered 302"]


def test_while_the_receiver_is_down_the_others_wait_without_losing_attempts(ledger: Ledger, sender: Sender, receiver: Receiver, clock: Clock) -> None:
    ids = [f"m{number}" for number in range(AT_ONCE + 5)]
    filled(ledger, sender.hook, *ids)
    receiver.status = [503]
    assert sender.round(ledger) == Delivered(later=AT_ONCE)
    assert [row.attempts for row in rows(ledger)] == [1] + [0] * (len(ids) - 1)
    clock.tick(10)
    assert sender.all_due(ledger) == Delivered(arrived=len(ids))
    assert sorted(set(receiver.ids)) == sorted(row.message_id for row in rows(ledger)) and len(receiver.ids) == len(ids) + 1


def test_two_senders_deliver_each_message_once(ledger: Ledger, sender: Sender, receiver: Receiver) -> None:
    ids = [f"m{number}" for number in range(3 * AT_ONCE)]
    filled(ledger, sender.hook, *ids)
    threads = [Thread(target=sender.all_due, args=(ledger,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.ids) == len(set(receiver.ids)) == len(ids)


KILLER = """
import os, sys
sys.path[:0] = sys.argv[4:]
from features.settings import Webhooks
from serving.ledger import Ledger
from serving.webhooks.sender import Sender
url, hook, wanted = sys.argv[1:4]
def at(step):
    if step == wanted:
        os.kill(os.getpid(), 9)
from dataclasses import replace
from features.shell import now
replace(Sender.of(Webhooks(url=hook), os.environ, now), at=at).all_due(Ledger.at(url))
"""


@pytest.mark.parametrize("step", STEPS)
def test_killed_between_any_two_steps_nothing_is_lost_and_what_comes_twice_is_known_by_its_id(
    ledger: Ledger, url: str, sender: Sender, receiver: Receiver, clock: Clock, step: str, pytestconfig: pytest.Config
) -> None:
    filled(ledger, sender.hook, "m1", "m2", "m3")
    environment = os.environ | {"KEEPWELL_WEBHOOK_SECRET": TEXT, "PYTHONPATH": str(pytestconfig.rootpath)}
    done = subprocess.run([sys.executable, "-c", KILLER, url, receiver.url, step], env=environment, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert len(receiver.got) == (step == "sent")
    assert sender.all_due(ledger) == Delivered(), "the one who died still holds them"
    clock.tick(3600)
    assert sender.all_due(ledger) == Delivered(arrived=3)
    assert len(set(receiver.ids)) == 3 and len(receiver.ids) == 3 + (step == "sent")
    assert all(row.delivered_at for row in rows(ledger))


def test_it_goes_on_in_the_background_and_ends_when_told(ledger: Ledger, sender: Sender, receiver: Receiver) -> None:
    filled(ledger, sender.hook, "m1", "m2")
    running = Background(sender, lambda: ledger, every=0.01)
    running.start()
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while not (found := rows(ledger)) or not all(row.delivered_at for row in found):
        assert datetime.now(UTC) < deadline
    running.stop()
    assert len(receiver.ids) == 2 and not running._thread.is_alive()


# --- where it goes


@pytest.mark.parametrize(
    "url", ["http://crm.example/", "ftp://crm.example/", "https://", "https://user:pass@crm.example/", "crm.example", "http://10.0.0.1/", "file:///etc/passwd"]
)
def test_an_address_that_is_not_https_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="https address"):
        Webhooks(url=url)


INSIDE = ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1%eth0", "224.0.0.1"]
OWN = ["10.0.0.5", "192.168.1.1", "172.16.0.1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("number", INSIDE + OWN)
def test_a_name_that_leads_inside_is_not_followed(number: str) -> None:
    with pytest.raises(NotAllowed, match=r"crm\.example leads to"):
        target_of("https://crm.example/", False, lambda name, port: ["93.184.216.34", number])
    if number in OWN:
        assert target_of("https://crm.example/", True, lambda name, port: [number]).name == "crm.example"
    else:
        with pytest.raises(NotAllowed):
            target_of("https://crm.example/", True, lambda name, port: [number])


def test_what_was_checked_is_what_is_called(ledger: Ledger, sender: Sender, receiver: Receiver) -> None:
    """A name that leads outside when it is checked and inside when it is called is asked only once."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    local = replace(sender, hook=Webhooks(url=receiver.url.replace("127.0.0.1", "localhost")), resolve=lambda name, port: next(answers))
    filled(ledger, local.hook, "m1")
    assert local.all_due(ledger) == Delivered(arrived=1)
    assert receiver.got[0][0]["host"].startswith("localhost:")


def test_the_ledger_of_an_older_version_gets_the_outbox(tmp_path: Path) -> None:
    script, engine = _script(), engine_of(f"sqlite:///{tmp_path / 'old.db'}")
    with writing(engine) as connection, EnvironmentContext(_config(), script, fn=lambda at, _: script._upgrade_revs("0004", at)) as steps:
        steps.configure(connection=connection, transactional_ddl=True)
        steps.run_migrations()
    migrate(engine)
    with closing(Ledger(engine)) as ledger:
        assert ledger.table("outbox").empty
