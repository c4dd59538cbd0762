"""The guard: who is let in, from where, for what, how large, how many at once and for how long."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from house import ROLES, House
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from features.settings import Serve
from serving.access import needs
from serving.access.callers import Access
from serving.access.guard import Guard
from serving.access.keyring import Keyring
from serving.access.who import RIGHTS
from serving.api.problem import MEDIA_TYPE, Problem

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def refused(answer: httpx.Response, status: int, kind: str) -> str:
    content = answer.json()
    assert (answer.status_code, answer.headers["content-type"], content["type"]) == (status, MEDIA_TYPE, f"urn:keepwell:problem:{kind}")
    assert content["detail"][-1] in ".?)"
    return str(content["detail"])


# --- who


def test_without_keys_whoever_sits_here_may_do_everything(house: House) -> None:
    for base in ("http://localhost:3000", "http://127.0.0.1", "http://[::1]:3000"):
        assert house.call("/v1/at-risk", base=base).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_without_keys_a_proxy_is_not_this_machine(house: House, header: str) -> None:
    assert "keepwell keys add" in refused(house.call("/v1/at-risk", headers={header: "1.2.3.4"}), 401, "unauthorized")


def test_without_keys_another_name_or_address_is_not_this_machine(house: House) -> None:
    house.access.limits = Serve(allowed_hosts=["keepwell.example"])
    assert refused(house.call("/v1/at-risk", base="https://keepwell.example"), 401, "unauthorized")
    house.access.bound = "0.0.0.0"
    assert refused(house.call("/v1/at-risk"), 401, "unauthorized")


def test_with_a_key_it_is_asked_for_everywhere(house: House) -> None:
    key = house.key("ann")
    for path in ("/v1/at-risk", "/v1/nothing", "/metrics", "/openapi.json", "/docs.json", "/v1/merchants/m001"):
        answer = house.call(path)
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="keepwell"'
    assert house.call("/v1/at-risk", key=key).status_code == 200
    assert house.call("/v1/at-risk", headers={"Authorization": f"bEARER  {key}"}).status_code == 200


def test_anyone_may_ask_whether_it_is_well(house: House) -> None:
    house.key("ann")
    assert house.call("/readyz").status_code == 200
    assert house.call("/static/keepwell.css").status_code == 200
    assert house.call("/static/../v1/at-risk").status_code in (401, 404)
    assert "merchant_id" not in house.call("/static//v1/at-risk").text


def test_two_keys_at_once_are_none(house: House) -> None:
    key = house.key("ann")
    headers = [("Authorization", f"Bearer {key}"), ("Authorization", "Bearer kw_other")]
    assert refused(house.call("/v1/at-risk", headers=headers), 401, "unauthorized")  # type: ignore[arg-type]


def test_a_wrong_key_is_not_made_good_by_a_cookie(house: House) -> None:
    key = house.key("ann")
    cookie = house.access.keyring.sign_in(house.access.keyring.key_of(key, house.clock()), 1)[0] if house.access.keyring.look() is None else ""
    assert house.call("/v1/at-risk", headers={"Cookie": f"keepwell_session={cookie}"}).status_code == 200
    refused(house.call("/v1/at-risk", headers={"Cookie": f"keepwell_session={cookie}", "Authorization": "Bearer no"}), 401, "unauthorized")


# --- hosts


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "localhost:3000:1", "[::1", "a@localhost", "127.1"])
def test_another_name_is_refused(house: House, host: str) -> None:
    assert "allowed_hosts" in refused(house.call("/v1/at-risk", headers={"Host": host}), 421, "wrong-host")
    refused(house.call("/readyz", headers={"Host": host}), 421, "wrong-host")


def test_two_names_are_refused(house: House) -> None:
    assert refused(house.call("/v1/at-risk", headers=[("Host", "localhost"), ("Host", "evil.example")]), 421, "wrong-host")  # type: ignore[arg-type]


def test_names_that_are_allowed(house: House) -> None:
    house.access.limits, house.access.bound = Serve(allowed_hosts=["Keepwell.Example"]), "192.0.2.7"
    key = house.key("ann")
    for base in ("https://keepwell.example", "http://KEEPWELL.example:8080", "http://192.0.2.7:3000", "http://localhost"):
        assert house.call("/v1/at-risk", base=base, key=key).status_code == 200


# --- rights


def toy(right: str | None = None, whole: bool = False, seen: Callable[[Request], None] = lambda request: None) -> Any:
    async def endpoint(request: Request) -> Response:
        seen(request)
        return PlainTextResponse(str(len(await request.body())))

    return needs(right, whole=whole)(endpoint) if right else endpoint  # type: ignore[arg-type]


def guarded(house: House, *routes: Route) -> House:
    """The house with a toy application behind the guard."""

    async def problem(request: Request, error: Any) -> Response:
        return error.response()

    app = Starlette(routes=list(routes), exception_handlers={Problem: problem})
    house.app = Guard(app, app.router.routes, house.access)
    return house


@pytest.mark.parametrize("right", ["see", "act", "export", "predict", "model", "manage"])
@pytest.mark.parametrize("role", ROLES)
def test_a_right_is_asked_for(house: House, role: str, right: str) -> None:
    guarded(house, Route("/x", toy(right), methods=["GET", "POST"]))
    key = house.key("ann", role)
    for method in ("GET", "POST", "HEAD"):
        answer = house.call("/x", method, key=key)
        may = right in RIGHTS[role]  # type: ignore[index]
        assert answer.status_code == (200 if may else 403)
        if not may and method == "GET":
            assert f"ann is {role} and has no right to {right}; that takes a key of role " in refused(answer, 403, "forbidden")


def test_what_tells_of_all_is_for_those_who_see_all(house: House) -> None:
    guarded(house, Route("/x", toy("see", whole=True)), Route("/y", toy()))
    some, every = house.key("some", owners=["Ann"]), house.key("every", "viewer")
    assert "tells of all merchants" in refused(house.call("/x", key=some), 403, "forbidden")
    assert house.call("/y", key=some).status_code == house.call("/x", key=every).status_code == 200


# --- forged requests


def session(house: House, role: str = "admin") -> tuple[dict[str, str], str]:
    """A session's cookie header and its form token, as the application sees it."""
    from serving.access.forgery import token_of

    key = house.key(f"person {role}", role)
    house.access.keyring.look()
    cookie = house.access.keyring.sign_in(house.access.keyring.key_of(key, house.clock()), 12)[0]
    return {"Cookie": f"keepwell_session={cookie}"}, token_of(cookie)


@pytest.mark.parametrize("site", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}])
def test_our_own_form_is_taken(house: House, site: dict[str, str]) -> None:
    cookie, token = session(guarded(house, Route("/x", toy("act"), methods=["POST"])))
    body = {"csrf": token, "note": "王记 & Söhne"}
    assert house.call("/x", "POST", headers=cookie | site, data=body).text == str(len(httpx.Request("POST", "http://x", data=body).content))
    assert house.call("/x", "POST", headers=cookie | site | {"X-CSRF-Token": token}, json={}).status_code == 200


@pytest.mark.parametrize(
    "site",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:4000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_of_elsewhere_changes_nothing_even_with_the_token(house: House, site: dict[str, str]) -> None:
    reached: list[Any] = []
    cookie, token = session(guarded(house, Route("/x", toy("act", seen=reached.append), methods=["POST"])))
    refused(house.call("/x", "POST", headers=cookie | site, data={"csrf": token}), 403, "forbidden")
    assert reached == []


@pytest.mark.parametrize("body", [{}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}, {"csrf": ["TOKEN", "TOKEN"]}])
def test_a_form_without_its_token_changes_nothing(house: House, body: dict[str, Any]) -> None:
    reached: list[Any] = []
    cookie, token = session(guarded(house, Route("/x", toy("act", seen=reached.append), methods=["POST"])))
    headers = cookie | {"Origin": "http://localhost"}
    given = {name: [token] * 2 if isinstance(value, list) else value for name, value in body.items()}
    refused(house.call("/x", "POST", headers=headers, data=given), 403, "forbidden")
    refused(house.call("/x", "POST", headers=headers, json=given), 403, "forbidden")
    refused(house.call("/x", "POST", headers=headers, files={"csrf": token.encode()}), 403, "forbidden")
    assert reached == []


def test_the_token_of_another_session_is_none(house: House) -> None:
    guarded(house, Route("/x", toy("act"), methods=["POST"]))
    (cookie, own), (_, other) = session(house), session(house, "retention")
    headers = cookie | {"Origin": "http://localhost"}
    refused(house.call("/x", "POST", headers=headers, data={"csrf": other}), 403, "forbidden")
    assert house.call("/x", "POST", headers=headers, data={"csrf": own}).status_code == 200


def test_without_keys_a_foreign_page_cannot_act_for_whoever_sits_here(house: House) -> None:
    guarded(house, Route("/x", toy("act"), methods=["POST"]))
    for site in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        refused(house.call("/x", "POST", headers=site), 403, "forbidden")
    assert house.call("/x", "POST").status_code == 200  # curl says nothing of where it comes from
    assert house.call("/x", "POST", headers={"Origin": "http://localhost"}).status_code == 200


def test_an_app_with_a_key_says_nothing_of_its_origin(house: House) -> None:
    key = house.key("crm")
    guarded(house, Route("/x", toy("act"), methods=["POST"]))
    assert house.call("/x", "POST", key=key, headers={"Origin": "https://crm.example"}).status_code == 200


# --- browsers


def test_a_browser_is_shown_the_way_in(house: House) -> None:
    house.key("ann")
    answer = house.call("/?tier=A&lang=zh", headers=PAGE)
    assert answer.status_code == 303 and answer.headers["location"] == "/login?next=%2F%3Ftier%3DA%26lang%3Dzh"
    assert house.call("/logout", "POST", headers=PAGE).headers["location"] == "/login?next=%2F"
    refused(house.call("/v1/at-risk", headers=PAGE), 401, "unauthorized")
    part = house.call("/", headers={"HX-Request": "true"})
    assert part.status_code == 401 and part.headers["hx-redirect"].startswith("/login")


def test_a_link_out_of_a_letter_is_followed_once_more_from_our_own_page(house: House) -> None:
    """A strict cookie does not come along with a link from another site."""
    cookie, _ = session(house)
    first = house.call('/?owner="><b>', headers=PAGE | {"Sec-Fetch-Site": "cross-site"})
    assert first.status_code == 200 and 'http-equiv="refresh"' in first.text and "<b>" not in first.text
    assert house.call("/", headers=PAGE | cookie | {"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert house.call("/", headers=PAGE | {"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_headers_give_nothing_away(house: House) -> None:
    key = house.key("ann")
    for path, given in (("/v1/at-risk", key), ("/v1/at-risk", None), ("/readyz", None), ("/login", None), ("/v1/nothing", key)):
        headers = house.call(path, key=given).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(headers["content-security-policy"].split())
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store" and "strict-transport-security" not in headers
        assert "server" not in headers
    assert "strict-transport-security" in house.call("/readyz", base="https://localhost").headers


# --- size, number, time


def parts(size: int, part: int = 1 << 16) -> Callable[[], AsyncIterator[bytes]]:
    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(size // part):
            yield b"x" * part

    return chunked


def test_a_body_of_any_kind_has_a_limit(house: House) -> None:
    house.access.limits = Serve(body_mib=1)
    guarded(house, Route("/x", toy(), methods=["POST"]))
    assert house.call("/x", "POST", content=b"x" * (1 << 20)).text == str(1 << 20)
    for content in (b"x" * ((1 << 20) + 1), parts(20 << 20)()):
        assert "1 MiB" in refused(house.call("/x", "POST", content=content), 413, "too-large")


def test_a_body_of_someone_unknown_is_not_read(house: House) -> None:
    house.key("ann")
    guarded(house, Route("/x", toy(), methods=["POST"]))

    async def never() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    refused(house.call("/x", "POST", content=never()), 401, "unauthorized")


def test_more_than_there_is_room_for_is_told_at_once_to_come_again(house: House) -> None:
    house.access.limits = Serve(requests_at_once=3)
    inside, go_on = threading.Semaphore(0), threading.Event()

    def slow(request: Request) -> Response:
        inside.release()
        go_on.wait(20)
        return PlainTextResponse("done")

    guarded(house, Route("/x", slow), Route("/readyz", toy()))
    transport = httpx.ASGITransport(house.app)

    async def rush() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            first = [asyncio.ensure_future(client.get("/x")) for _ in range(3)]
            for _ in range(3):
                await asyncio.to_thread(inside.acquire)
            more = [await client.get(path) for path in ("/x", "/x", "/readyz")]
            go_on.set()
            return [*await asyncio.gather(*first), await client.get("/x")], more

    done, more = asyncio.run(rush())
    assert [answer.status_code for answer in done] == [200] * 4
    assert [answer.status_code for answer in more] == [429, 429, 200]
    refused(more[0], 429, "too-many")
    assert more[0].headers["retry-after"] == "1"
    assert house.app.busy == 0


def test_an_answer_that_takes_too_long_is_given_up(house: House) -> None:
    house.access.limits = Serve(timeout_seconds=1)
    go_on = threading.Event()

    def slow(request: Request) -> Response:
        go_on.wait(20)
        return PlainTextResponse("too late")

    guarded(house, Route("/x", slow))
    messages: list[Any] = []

    async def ask() -> None:
        async def send(message: Any) -> None:
            messages.append(message)
            if message["type"] == "http.response.body":
                go_on.set()

        scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"host", b"localhost")], "query_string": b""}
        await asyncio.wait_for(house.app(scope, _nothing, send), 15)

    asyncio.run(ask())
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert messages[0]["status"] == 503 and json.loads(messages[1]["body"])["type"] == "urn:keepwell:problem:timed-out"
    assert house.app.busy == 0


async def _nothing() -> Any:
    await asyncio.sleep(30)


def test_a_socket_is_not_spoken_to(house: House) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(house.app({"type": "websocket", "path": "/", "headers": []}, _nothing, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_an_application_without_access_knows_this_machine_only(house: House) -> None:
    app = Starlette(routes=[Route("/x", toy())])
    house.app = Guard(app, app.router.routes, Access(Keyring(lambda: None, house.clock), house.clock))
    assert house.call("/x").status_code == 200
    assert house.call("/x", base="http://elsewhere").status_code == 421
