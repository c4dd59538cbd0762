"""Signing in as a person does it: a form that needs no script, a session in a cookie that scripts cannot read, and its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from house import House

from features.settings import Serve
from serving.access.keys import MOST_SESSIONS
from serving.access.token import digest_of, new_key

Houses = Callable[..., House]
FORM = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


def send(house: House, key: str, *, base: str = "http://localhost", headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
    """The form sent."""
    given = FORM | {"Origin": base} | (headers or {})
    return house.call("/login", "POST", base=base, headers=given, data={"key": key, "next": "/", "lang": "en"} | fields)


def cookie_of(answer: httpx.Response) -> Any:
    """The session's cookie as the answer sets it."""
    kept = SimpleCookie(answer.headers["set-cookie"])
    [morsel] = kept.values()
    return morsel


def signed_in(house: House, key: str) -> dict[str, str]:
    answer = send(house, key)
    assert answer.status_code == 303, answer.text
    morsel = cookie_of(answer)
    return {"Cookie": f"{morsel.key}={morsel.value}"}


def test_a_key_becomes_a_session(houses: Houses) -> None:
    house = houses()
    key = house.key("ann", "retention", owners=["Ann"])
    assert house.call("/", headers={"Accept": "text/html"}).status_code == 303
    answer = send(house, f"  {key} ", next="/?tier=A")
    assert answer.status_code == 303 and answer.headers["location"] == "/?tier=A"
    morsel = cookie_of(answer)
    assert morsel["httponly"] and morsel["samesite"].lower() == "strict" and morsel["path"] == "/" and not morsel["domain"]
    assert not morsel["secure"] and morsel["max-age"] == str(12 * 3600)
    page = house.call("/", headers={"Accept": "text/html", "Cookie": f"{morsel.key}={morsel.value}"})
    assert page.status_code == 200 and "ann" in page.text
    [line] = house.lines("signed in")
    assert line["actor"] == "ann" and key not in str(line) and morsel.value not in str(line)


def test_away_from_this_machine_the_cookie_is_for_https_and_this_host_alone(house: House) -> None:
    house.access.limits = Serve(allowed_hosts=["keepwell.example"])
    key, base = house.key("ann"), "https://keepwell.example"
    morsel = cookie_of(send(house, key, base=base))
    assert morsel.key == "__Host-keepwell_session" and morsel["secure"] and morsel["path"] == "/" and not morsel["domain"]
    for name, status in (("__Host-keepwell_session", 200), ("keepwell_session", 401)):
        assert house.call("/v1/at-risk", base=base, headers={"Cookie": f"{name}={morsel.value}"}).status_code == status


def test_a_key_typed_over_http_gets_no_session(house: House) -> None:
    house.access.limits = Serve(allowed_hosts=["keepwell.example"])
    answer = send(house, house.key("ann"), base="http://keepwell.example")
    assert answer.status_code == 403 and "open it over https" in answer.text.lower() and "set-cookie" not in answer.headers


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_wrong_is_said_in_the_readers_language(house: House, lang: str) -> None:
    expired = house.key("old", expires_at="2026-01-02T08:30:00+00:00")
    revoked = house.key("gone")
    house.revoke("gone")
    house.clock.on(hours=1)
    words = {
        "nonsense": {"en": "not a key", "zh": "这不是密钥"},
        new_key(): {"en": "not known here", "zh": "没有该密钥"},
        expired: {"en": "expired on 2026-01-02", "zh": "已于2026-01-02过期"},
        revoked: {"en": "revoked on 2026-01-02", "zh": "已于2026-01-02被撤销"},
    }
    for key, said in words.items():
        answer = send(house, key, lang=lang)
        assert answer.status_code == 401 and said[lang] in answer.text and "set-cookie" not in answer.headers
        assert key not in answer.text and 'role="alert"' in answer.text
    form = house.call(f"/login?lang={lang}")
    assert form.status_code == 200 and {"en": "Your key", "zh": "您的密钥"}[lang] in form.text
    assert re.search(r'<input[^>]*type="password"', form.text) and 'method="post"' in form.text


def test_after_ten_failures_an_address_waits(house: House) -> None:
    key = house.key("ann")
    assert [send(house, new_key()).status_code for _ in range(11)] == [401] * 10 + [429]
    blocked = send(house, key)
    assert blocked.status_code == 429 and blocked.headers["retry-after"] == "60" and "Wait 60 seconds" in blocked.text
    house.clock.on(seconds=60)
    assert send(house, key).status_code == 303
    assert house.call("/v1/at-risk", key=key).status_code == 200


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil.example", ""])
def test_the_way_on_stays_in_the_house(house: House, to: str) -> None:
    key = house.key("ann")
    assert send(house, key, next=to).headers["location"] == "/"
    assert house.call("/login", params={"next": to}, headers=signed_in(house, key)).headers["location"] == "/"


def test_a_session_cannot_be_planted(house: House) -> None:
    """Session fixation: whatever cookie a browser comes with, signing in gives it another, and the one before is over."""
    key, other = house.key("ann"), house.key("ben", "viewer")
    planted = signed_in(house, other)
    morsel = cookie_of(send(house, key, headers=planted))
    assert morsel.value not in planted["Cookie"]
    assert house.call("/v1/at-risk", headers=planted).status_code == 401
    chosen = {"Cookie": "keepwell_session=chosen-by-someone-else"}
    assert cookie_of(send(house, key, headers=chosen)).value != "chosen-by-someone-else"
    assert house.call("/v1/at-risk", headers=chosen).status_code == 401


def test_a_foreign_page_cannot_sign_anyone_in(house: House) -> None:
    key = house.key("ann")
    for site in (
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},  # browsers say nothing of the site over plain http
            {"Origin": "null", "Sec-Fetch-Site": ""},
        ):
        answer = send(house, key, headers=site)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_signing_out_ends_it_everywhere(houses: Houses) -> None:
    house = houses()
    cookie = signed_in(house, house.key("ann"))
    page = house.call("/", headers=cookie | {"Accept": "text/html"})
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert token
    assert house.call("/logout", "POST", headers=cookie | FORM, data={"csrf": "0" * 64}).status_code == 403
    answer = house.call("/logout", "POST", headers=cookie | FORM, data={"csrf": token[1]})
    assert answer.status_code == 303 and answer.headers["location"] == "/login" and cookie_of(answer)["max-age"] == "0"
    assert house.call("/v1/at-risk", headers=cookie).status_code == 401
    fresh = House(house.state, house.ledger, house.clock)
    assert fresh.call("/v1/at-risk", headers=cookie).status_code == 401
    assert [line["actor"] for line in house.lines("signed out")] == ["ann"]
    assert house.call("/logout").status_code == 401


def test_a_session_ends_with_its_hours_its_key_and_the_revoking_of_it(houses: Houses) -> None:
    house = houses()
    short = signed_in(house, house.key("short", expires_at="2026-01-02T10:00:00+00:00"))
    long, revoked = signed_in(house, house.key("long")), signed_in(house, house.key("revoked"))
    assert [house.call("/v1/at-risk", headers=cookie).status_code for cookie in (short, long, revoked)] == [200] * 3
    house.revoke("revoked")
    house.clock.on(seconds=1)
    assert [house.call("/v1/at-risk", headers=cookie).status_code for cookie in (short, long, revoked)] == [200, 200, 401]
    house.clock.now = "2026-01-02T10:00:00+00:00"
    assert [house.call("/v1/at-risk", headers=cookie).status_code for cookie in (short, long)] == [401, 200]
    house.clock.on(hours=12)
    assert house.call("/v1/at-risk", headers=long).status_code == 401


def test_another_server_on_the_same_ledger_knows_the_session(houses: Houses) -> None:
    house = houses()
    other = House(house.state, house.ledger, house.clock)
    key = house.key("ann")
    assert other.call("/v1/at-risk", key=key).status_code == 200
    cookie = signed_in(house, key)
    house.clock.on(seconds=1)
    assert other.call("/v1/at-risk", headers=cookie).status_code == 200


def test_one_key_is_signed_in_with_twenty_browsers_at_most(houses: Houses) -> None:
    house = houses()
    key = house.key("ann")
    cookies = [signed_in(house, key) for _ in range(MOST_SESSIONS + 1)]
    house.clock.on(seconds=1)
    assert house.call("/v1/at-risk", headers=cookies[0]).status_code == 401
    assert house.call("/v1/at-risk", headers=cookies[1]).status_code == house.call("/v1/at-risk", headers=cookies[-1]).status_code == 200
    house.clock.on(days=2)
    signed_in(house, key)
    assert len(house.ledger.table("sessions")) == 1


def test_a_form_that_is_no_form_is_refused(house: House) -> None:
    house.key("ann")
    for content in (b"", b"key=" + b"x" * 9000, b"&" * 8000, b"key=a&key=b", b"key=%ff%fe", b"\xff" * 100):
        headers = FORM | {"Content-Type": "application/x-www-form-urlencoded"}
        assert house.call("/login", "POST", headers=headers, content=content).status_code in (401, 413)


def test_without_keys_there_is_nothing_to_sign_in_to(house: House) -> None:
    assert house.call("/login").headers["location"] == "/"
    assert house.call("/logout", "POST").headers["location"] == "/"


def test_a_cookie_is_kept_as_a_hash(house: House) -> None:
    cookie = signed_in(house, house.key("ann"))["Cookie"].partition("=")[2]
    assert house.ledger.table("sessions")["digest"].tolist() == [digest_of(cookie)]
    assert house.access.keyring.known.sessions.keys() == {digest_of(cookie)}
