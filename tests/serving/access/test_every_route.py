"""Every route × every role × every scope: what a role may not do is refused, nobody sees a merchant outside, nothing breaks.

Nothing here names a route: whatever `serving.api.endpoints` holds is asked. A path with a merchant in it must answer for a merchant outside
the scope exactly as for one that does not exist, whatever it reads its answer from.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from house import ROLES, House, others_changed, remember
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.access.guard import OPEN, OPEN_BELOW
from serving.access.who import RIGHTS
from serving.api import app as application
from serving.ledger import Ledger
from serving.rules import Rules
from serving.run import Run, publish
from serving.score import Scored

SCOPES: dict[str, dict[str, Any]] = {"all": {}, "Ann's": {"owners": ["Ann"]}, "the North": {"regions": ["North"]}, "nobody's": {"owners": ["Nobody's"]}}
ID = re.compile(r"(?<![\w-])m\d{3}(?!\w)")
UNKNOWN = "x999"
"""As long as the ids of the market, and none of them."""
BODIES: dict[str, Any] = {
    "/v1/predict": {"merchant_ids": ["MERCHANT"]},
    "/v1/merchants/{merchant_id}/dispositions": {"outcome": "attempted", "done_on": "2026-01-01"},
    "/v1/merchants/{merchant_id}/snooze": {"until": "2027-01-01", "reason": "on holiday"},
    "/v1/merchants/{merchant_id}/assign": {"owner": "Ann"},
}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def every_route() -> list[tuple[str, str, Route]]:
    """Every method of every route, a route's converters left out of its path."""
    found = [(method, re.sub(r":\w+}", "}", route.path), route) for route in application.routes() for method in sorted(route.methods or ())]
    return [one for one in found if one[0] != "HEAD"]


def names(route: tuple[str, str, Route]) -> str:
    return f"{route[0]} {route[1]}"


of_a_merchant = pytest.mark.parametrize("route", [one for one in every_route() if "{merchant_id}" in one[1]], ids=names)
every = pytest.mark.parametrize("route", every_route(), ids=names)


@pytest.fixture(scope="module")
def house(placed_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service over a market whose ledger knows something of everyone, and a key for each role and scope."""
    opened = Ledger.at(f"sqlite:///{tmp_path_factory.mktemp('house') / 'ledger.db'}")
    remember(opened, placed_run)
    made = House(placed_run.path.parent.parent, opened)
    made.keys = {  # type: ignore[attr-defined]
        (role, scope): made.key(f"{role} of {scope}", role, **given) for role in ROLES for scope, given in SCOPES.items()
    }
    yield made
    opened.close()


def visible(run: Run, scope: str) -> set[str]:
    """Whom a scope shows."""
    merchants, given = run.merchants, SCOPES[scope]
    if not given:
        return set(merchants.index)
    column = "owner" if "owners" in given else "region"
    return set(merchants.index[merchants[column].isin(next(iter(given.values())))])


def ask(house: House, route: tuple[str, str, Route], key: str | None, merchant: str = "m001", **given: Any) -> httpx.Response:
    """The route asked, as far as possible with what it needs."""
    method, path, _ = route
    body = json.loads(json.dumps(BODIES.get(path, {})).replace("MERCHANT", merchant))
    filled = re.sub(r"{\w+}", "keepwell.css", path.replace("{merchant_id}", merchant).replace("{entry_no}", "1"))
    extra: dict[str, Any] = {"json": body} if method in CHANGING and not given else given
    return house.call(filled, method, key=key, **extra)


def text_of(answer: httpx.Response) -> str:
    """All that an answer says, unpacked where it is a workbook."""
    if answer.content[:2] != b"PK":
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        return "\n".join(book.read(name).decode("utf-8", "replace") for name in book.namelist() if not name.startswith("docProps/core"))


@every
@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_what_it_may_and_no_more(house: House, placed_run: Run, route: tuple[str, str, Route], role: str) -> None:
    endpoint = route[2].endpoint
    may = getattr(endpoint, "right", "see") in RIGHTS[role]  # type: ignore[index]
    is_open = route[1] in OPEN or route[1].startswith(OPEN_BELOW)
    for scope in SCOPES:
        answer = ask(house, route, house.keys[role, scope])  # type: ignore[attr-defined]
        allowed = is_open or (may and (scope == "all" or not getattr(endpoint, "whole", False)))
        assert answer.status_code < 500, answer.text
        assert answer.status_code != 401 or route[1] == "/login"
        if not allowed:
            assert answer.status_code == 403 and answer.json()["type"] == "urn:keepwell:problem:forbidden"
        elif "/export" not in route[1]:
            assert answer.status_code != 403, answer.text
        outside = set(placed_run.merchants.index) - visible(placed_run, scope)
        asked = {"m001"}
        assert set(ID.findall(text_of(answer))) & outside - asked == set()


@every
def test_nobody_is_let_in_without_a_key(house: House, route: tuple[str, str, Route]) -> None:
    answer = ask(house, route, None)
    is_open = route[1] in OPEN or route[1].startswith(OPEN_BELOW)
    assert answer.status_code == 401 or is_open
    assert not ID.findall(text_of(answer).replace("m001", ""))


@every
def test_whatever_changes_something_needs_a_right_of_its_own(route: tuple[str, str, Route]) -> None:
    """A POST for whoever may look is a mistake; so is a list taken away without the right to."""
    method, path, one = route
    right = getattr(one.endpoint, "right", "see")
    if method in CHANGING and path not in (*OPEN, "/logout"):
        assert right != "see", f"mark {one.endpoint.__name__} with the right that it needs"
    if "export" in path or path.endswith((".csv", ".xlsx")):
        assert right == "export", f"mark {one.endpoint.__name__} with @needs('export')"


LISTS = ("limit=1000", "lang=zh", "tier=A", "q=m", "explain=true", "sort=name", "show=all", "capacity=5", "format=csv", "calls=5")


@every
@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "all"])
def test_however_a_list_is_asked_for_it_names_nobody_outside(house: House, placed_run: Run, route: tuple[str, str, Route], scope: str) -> None:
    method, path, _ = route
    if method != "GET" or "{" in path:
        pytest.skip("not a list")
    outside, asked = set(placed_run.merchants.index) - visible(placed_run, scope), [f"{path}?{question}" for question in LISTS]
    merchant = sorted(outside)[0]
    asked += [f"{path}?{name}={merchant}" for name in ("q", "merchant_id", "merchant", "id", "owner", "tier", "region")]
    asked += [f"{path}?{name}={value}" for name, value in (("owner", "Ben"), ("region", "South"))]
    for answer in house.calls([(one, "GET", {}) for one in asked], key=house.keys["admin", scope]):  # type: ignore[attr-defined]
        assert answer.status_code < 500, (answer.request.url, answer.text)
        assert set(ID.findall(text_of(answer))) & outside - {merchant} == set(), answer.request.url


def told(answer: httpx.Response) -> dict[str, str]:
    """The headers that are not of one request alone."""
    return {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}


@of_a_merchant
@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "all"])
def test_a_merchant_outside_answers_as_one_that_does_not_exist(house: House, placed_run: Run, route: tuple[str, str, Route], scope: str) -> None:
    key = house.keys["admin", scope]  # type: ignore[attr-defined]
    before = {name: len(house.ledger.table(name)) for name in ("dispositions", "overrides", "warnings", "audit")}
    unknown = ask(house, route, key, UNKNOWN)
    assert unknown.status_code in (404, 405), unknown.text
    for merchant in sorted(set(placed_run.merchants.index) - visible(placed_run, scope))[::9]:
        answer = ask(house, route, key, merchant)
        assert answer.status_code == unknown.status_code
        assert answer.content.replace(merchant.encode(), UNKNOWN.encode()) == unknown.content
        assert told(answer) == told(unknown)
    assert {name: len(house.ledger.table(name)) for name in before} == before


@of_a_merchant
@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "nobody's"])
def test_a_merchant_inside_is_answered_for(house: House, placed_run: Run, route: tuple[str, str, Route], scope: str) -> None:
    """Or the test before would hold for a route that answers nobody."""
    merchant = sorted(visible(placed_run, scope))[0]
    answer = ask(house, route, house.keys["admin", scope], merchant)  # type: ignore[attr-defined]
    assert answer.status_code != 404, answer.text


def test_no_answer_hangs_on_the_merchants_outside(placed: Scored, placed_run: Run, rules: Rules, tmp_path: Path) -> None:
    """Counts, sums, averages, places in an order: asked of two markets that differ in nothing but the others, all answers are the same."""
    seen = visible(placed_run, "Ann's")
    changed = others_changed(placed, seen)
    other_run = publish(tmp_path, changed.header, changed.tables, rules.text)
    asked = [route for route in every_route() if route[0] == "GET" and not getattr(route[2].endpoint, "whole", False)]
    told: list[list[str]] = []
    for run in (placed_run, other_run):
        with closing(Ledger.at(f"sqlite:///{tmp_path / run.run_id}.db")) as ledger:
            remember(ledger, run)
            house = House(run.path.parent.parent, ledger)
            key = house.key("admin of Ann's", "admin", owners=["Ann"])
            answers = [text_of(ask(house, route, key, sorted(seen)[0])) for route in asked]
            told.append([re.sub(r"\b[0-9a-f]{32}\b", "KEY", text.replace(run.run_id, "RUN")) for text in answers])  # a form's key is chance
    for route, one, two in zip(asked, *told, strict=True):
        assert one == two, route[1]


def test_predictions_of_merchants_outside_are_unknown(house: House, placed_run: Run) -> None:
    for scope in ("Ann's", "the North", "nobody's"):
        seen, ids = visible(placed_run, scope), [*placed_run.merchants.index, UNKNOWN]
        key = house.keys["admin", scope]  # type: ignore[attr-defined]
        found = house.call("/v1/predict", "POST", key=key, json={"merchant_ids": ids}).json()["predictions"]
        assert {row["merchant_id"] for row in found if row["status"] != "unknown"} == seen
        outside = [{**row, "merchant_id": ""} for row in found if row["status"] == "unknown"]
        assert len(outside) == len(ids) - len(seen) and all(row == outside[0] for row in outside)


def test_acts_on_merchants_outside_change_nothing(house: House, placed_run: Run) -> None:
    outside = sorted(set(placed_run.merchants.index) - visible(placed_run, "Ann's"))
    key, ledger = house.keys["admin", "Ann's"], house.ledger  # type: ignore[attr-defined]
    numbers = ledger.table("audit").query("merchant_id in @outside")["entry_no"].astype(str)
    acts = [{"act": "acknowledge"}, {"act": "assign", "owner": "Ann"}, {"act": "outcome", "outcome": "resolved", "key": "k"}]
    acts += [{"act": "snooze", "until": "2027-01-01", "reason": "later"}]
    forms = [("/acts", "POST", {"data": {**act, "merchant": outside[:3], "back": "/"}}) for act in acts]
    before = {name: ledger.table(name).to_csv() for name in ("desk", "warnings", "dispositions", "overrides", "audit")}
    for answer in house.calls([*forms, ("/undo", "POST", {"data": {"batch": ",".join(numbers), "back": "/"}})], key=key):
        assert answer.status_code < 500 and set(ID.findall(unquote(text_of(answer)))) <= set(outside[:3])
    assert {name: ledger.table(name).to_csv() for name in before} == before
    inside = sorted(visible(placed_run, "Ann's"))[-1:]
    assert house.call("/acts", "POST", key=key, data={"act": "acknowledge", "merchant": inside, "back": "/"}).status_code == 303
    assert ledger.table("audit")["merchant_id"].tolist()[-1:] == inside and ledger.table("audit")["actor"].tolist()[-1] == "admin of Ann's"


def test_a_cursor_of_another_caller_shows_nothing_of_his(house: House, placed_run: Run) -> None:
    whole = house.call("/v1/at-risk?limit=2", key=house.keys["admin", "all"]).json()  # type: ignore[attr-defined]
    assert whole["next_cursor"]
    for scope in ("Ann's", "the North", "nobody's"):
        key = house.keys["viewer", scope]  # type: ignore[attr-defined]
        answer = house.call(f"/v1/at-risk?limit=1000&cursor={whole['next_cursor']}", key=key)
        assert answer.status_code < 500 and set(ID.findall(answer.text)) <= visible(placed_run, scope)


def test_two_callers_at_one_browser_share_no_answer(house: House) -> None:
    """An ETag of one scope must not be confirmed to another: the browser would show what it keeps of the first."""
    for path in ("/v1/at-risk", "/v1/warnings", "/v1/merchants/m001", "/", "/v1/model", "/v1/portfolio"):
        first = house.call(path, key=house.keys["admin", "Ann's"])  # type: ignore[attr-defined]
        tag = first.headers.get("etag")
        if tag is not None:
            other = house.call(path, key=house.keys["admin", "the North"], headers={"If-None-Match": tag})  # type: ignore[attr-defined]
            assert other.status_code != 304, path


def test_a_route_that_forgets_the_scope_would_be_found(house: House, placed_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(request: Request) -> Response:
        past = house.ledger.history(request.path_params["merchant_id"])["dispositions"]
        return JSONResponse(past["note"].tolist(), 200 if len(past) else 404)

    route = ("GET", "/v1/forgetful/{merchant_id}", Route("/v1/forgetful/{merchant_id}", forgetful))
    real: Callable[[], list[Route]] = application.routes
    monkeypatch.setattr(application, "routes", lambda: [*real(), route[2]])
    broken = House(house.state, house.ledger, house.clock)
    broken.keys = house.keys  # type: ignore[attr-defined]
    with pytest.raises(AssertionError):
        test_a_merchant_outside_answers_as_one_that_does_not_exist(broken, placed_run, route, "Ann's")


def test_every_file_of_endpoints_is_asked() -> None:
    files = {path.stem for path in (Path(application.__file__).parent / "endpoints").glob("*.py")} - {"__init__"}
    assert {route.endpoint.__module__.rpartition(".")[2] for _, _, route in every_route()} >= files - {"page_export"}
