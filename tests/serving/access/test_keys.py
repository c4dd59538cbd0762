"""Keys: shown once and kept as a hash, known in a running server within a second, and gone as fast."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from house import NOW, House
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataRefused, UsageRefused
from serving.access import keyring, token
from serving.access.keys import Grant, add_key, all_keys
from serving.access.token import FORM, digest_of, hint_of, is_key, new_key
from serving.ledger import Ledger

Houses = Callable[..., House]


@given(st.binary(min_size=32, max_size=32))
def test_a_key_has_one_form_and_a_checksum(chance: bytes) -> None:
    key = new_key(lambda size: chance)
    assert FORM.fullmatch(key) and len(key) == 52 and is_key(key)
    place = 3 + chance[0] % 49
    changed = key[:place] + ("a" if key[place] != "a" else "b") + key[place + 1 :]
    assert not is_key(changed)


def test_keys_differ() -> None:
    assert len({hint_of(new_key()) for _ in range(1000)}) == 1000


def test_a_key_is_nowhere_in_clear(houses: Houses, url: str) -> None:
    house = houses()
    key = house.key("ann", "retention")
    assert house.call("/v1/at-risk", key=key).status_code == 200
    cookie = house.access.keyring.sign_in(house.access.keyring.key_of(key, house.clock()), 12)[0]
    kept = [value for name in ("keys", "sessions", "audit") for row in house.ledger.table(name).to_dict("records") for value in row.values()]
    assert digest_of(key) in kept and digest_of(cookie) in kept
    assert not any(key in str(value) or key[11:] in str(value) or cookie in str(value) for value in kept)
    assert all(key.encode() not in path.read_bytes() for path in Path(sqlite_file(url)).parent.iterdir()) if "sqlite" in url else True


def sqlite_file(url: str) -> str:
    return url.removeprefix("sqlite:///")


def test_a_key_lets_in_and_says_who(houses: Houses) -> None:
    house = houses()
    key = house.key("ann", "retention", owners=["Ann"])
    assert house.call("/v1/at-risk", key=key).status_code == 200
    seen = house.access.keyring.key_of(key, house.clock())
    assert (seen.who.name, seen.who.role, seen.who.owners, seen.who.regions) == ("ann", "retention", frozenset({"Ann"}), None)
    [line] = house.lines("key added")
    assert line["actor"] == "Root" and line["detail"]["owners"] == ["Ann"] and line["detail"]["hint"] == key[:11]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("", "not a key"),
        ("kw_", "not a key"),
        ("Basic x", "not a key"),
        pytest.param("é" * 52, "not a key", id="letters"),
        ("kw_" + "0" * 49, "not a key"),
        pytest.param("A" * 100_000, "not a key", id="long"),
        (new_key(lambda size: bytes(range(size))), "not known here"),
    ],
)
def test_a_wrong_key_is_refused(houses: Houses, wrong: str, sentence: str) -> None:
    house = houses()
    house.key("ann")
    answer = house.call("/v1/at-risk", headers={"Authorization": f"Bearer {wrong}".encode("latin-1")})
    assert answer.status_code == 401 and sentence in answer.json()["detail"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="keepwell", error="invalid_token"'
    assert answer.headers["content-type"] == "application/problem+json"


def test_half_a_key_is_no_key_and_both_are_compared_in_constant_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key, body = house.key("ann"), new_key()[11:-6]
    half = key[:11] + body
    half += token._checksum(half[3:])
    compared, real = [], keyring.compare_digest
    monkeypatch.setattr(keyring, "compare_digest", lambda one, other: compared.append(one) or real(one, other))
    for wrong in (half, new_key()):
        assert is_key(wrong) and "not known here" in house.call("/v1/at-risk", key=wrong).json()["detail"]
    assert house.call("/v1/at-risk", key=key).status_code == 200
    assert len(compared) == 3 and all(len(one) == 64 for one in compared)


def test_an_expired_key_says_when(houses: Houses) -> None:
    house = houses()
    key = house.key("ann", expires_at="2026-01-02T09:00:00+00:00")
    assert house.call("/v1/at-risk", key=key).status_code == 200
    house.clock.now = "2026-01-02T09:00:00+00:00"
    answer = house.call("/v1/at-risk", key=key)
    assert answer.status_code == 401 and "'ann' expired at 2026-01-02T09:00:00+00:00" in answer.json()["detail"]


def test_revoking_counts_within_a_second(houses: Houses) -> None:
    house = houses()
    key, other = house.key("ann"), house.key("ben")
    assert house.call("/v1/at-risk", key=key).status_code == 200
    house.revoke("ann")
    house.clock.on(seconds=1)
    answer = house.call("/v1/at-risk", key=key)
    assert answer.status_code == 401 and "'ann' was revoked" in answer.json()["detail"]
    assert house.call("/v1/at-risk", key=other).status_code == 200
    assert [line["detail"]["name"] for line in house.lines("key revoked")] == ["ann"]


def test_the_ledger_is_asked_once_a_second_at_most(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key, looked = house.key("ann"), []
    house.call("/v1/at-risk", key=key)
    real = keyring.last_entry
    monkeypatch.setattr(keyring, "last_entry", lambda connection: looked.append(1) or real(connection))
    monkeypatch.setattr(keyring, "all_keys", lambda connection: pytest.fail("read again though nothing changed"))
    for _ in range(5):
        assert house.call("/v1/at-risk", key=key).status_code == 200
    assert looked == []
    house.clock.on(seconds=1)
    assert [answer.status_code for answer in house.calls([("/v1/model", "GET", {})] * 5, key=key)] == [200] * 5
    assert looked == [1]


def test_a_name_is_of_one_live_key(ledger: Ledger) -> None:
    def add(name: str = "ann") -> str:
        with ledger.writing() as connection:
            return add_key(connection, Grant(name, "viewer"), "Root", NOW)

    add()
    with pytest.raises(UsageRefused, match="there is a key 'ann' already"):
        add()
    with ledger.reading() as connection:
        assert len(all_keys(connection)) == 1


@pytest.mark.parametrize(
    ("grant", "sentence"),
    [
        (Grant("ann", "vewer"), 'did you mean "viewer"'),
        (Grant(" ", "viewer"), "cannot be a key's name"),
        (Grant("a\nb", "viewer"), "cannot be a key's name"),
        (Grant("a" * 81, "viewer"), "cannot be a key's name"),
        (Grant("ann", "viewer", owners=[""]), "owner or region is empty"),
    ],
)
def test_a_wrong_grant_is_refused(ledger: Ledger, grant: Grant, sentence: str) -> None:
    with pytest.raises(UsageRefused, match=re.escape(sentence)), ledger.writing() as connection:
        add_key(connection, grant, "Root", NOW)
    assert ledger.table("keys").empty and ledger.table("audit").empty


def test_the_day_of_use_is_noted_once_a_day(house: House) -> None:
    key = house.key("ann")
    house.call("/v1/at-risk", key=key)
    for _ in range(3):
        house.access.keyring.note_use(house.access.keyring.key_of(key, house.clock()))
    assert [str(day)[:10] for day in house.ledger.table("keys")["last_used_on"]] == ["2026-01-02"]
    assert not house.access.keyring.is_first_use(house.access.keyring.key_of(key, house.clock()), house.clock()[:10])
    house.clock.on(days=1)
    assert house.access.keyring.is_first_use(house.access.keyring.key_of(key, house.clock()), house.clock()[:10])
    assert len(house.lines("key added")) == len(house.ledger.table("audit"))


def test_when_all_keys_are_gone_nobody_is_let_in(house: House) -> None:
    """A service whose last key was revoked must not become one without keys."""
    assert house.call("/v1/at-risk").status_code == 200
    house.key("ann")
    house.revoke("ann")
    house.clock.on(seconds=1)
    assert house.call("/v1/at-risk").status_code == 401


def test_while_the_ledger_is_down_what_is_known_goes_on_for_five_minutes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key = house.key("ann")
    assert house.call("/v1/at-risk", key=key).status_code == 200

    def down() -> Ledger:
        raise DataRefused("the ledger cannot be used")

    monkeypatch.setattr(house.access.keyring, "opened", down)
    house.clock.on(seconds=keyring.GRACE_SECONDS)
    assert house.call("/v1/at-risk", key=key).status_code == 200
    house.clock.on(seconds=1)
    answer = house.call("/v1/at-risk", key=key)
    assert answer.status_code == 503 and answer.json()["type"].endswith("no-ledger") and answer.headers["retry-after"] == "5"


def test_a_ledger_that_is_down_from_the_start_lets_nobody_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Ledger:
        raise DataRefused("the ledger cannot be used")

    monkeypatch.setattr(house.access.keyring, "opened", down)
    assert house.call("/v1/at-risk").status_code == 503


def test_a_writer_in_the_ledger_keeps_nobody_waiting(house: House, tmp_path: Path) -> None:
    key = house.key("ann")
    with sqlite3.connect(tmp_path / "ledger.db", isolation_level=None) as busy:
        busy.execute("BEGIN IMMEDIATE")
        house.access.keyring._used_on[1] = house.clock()[:10]  # noting the day of use may wait; this caller may not
        assert house.call("/v1/at-risk", key=key).status_code == 200
        busy.execute("ROLLBACK")
