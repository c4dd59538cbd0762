"""What the page's forms do, without a script: to the ledger, to the list, and told afterwards; and what they may not do."""

from __future__ import annotations

from typing import Any

import pytest

from serving.access.keys import Grant, add_key
from serving.ledger.schema import audit

LATER = "2026-01-20"


def sent(site: Any, data: dict[str, Any], path: str = "/acts", then: str = "/") -> tuple[Any, str]:
    """The answer to a form, and the page that the browser is led to."""
    answer, page = site.calls([(path, "POST", {"data": {"back": then, "key": "k", **data}}), (then, "GET", {})])
    return answer, page.text


def kinds(site: Any, what: str) -> list[dict[str, Any]]:
    return site.ledger.table("audit", audit.c.what == what).to_dict("records")


def undo_of(page: Any) -> str:
    return str(page.all("input", name="batch")[0]["value"])


def test_snoozed_ones_leave_the_list_and_come_back_on_their_day(site: Any, tags: Any) -> None:
    first, second = site.page("/").merchants[:2]
    answer, text = sent(site, {"act": "snooze", "merchant": [first, second], "until": LATER, "reason": "<i>moving</i> house"})
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert "Snoozed 2 merchants until 20 Jan 2026." in tags(text).text
    assert not {first, second} & set(tags(text).merchants)
    assert site.page("/?show=snoozed").merchants == [first, second]
    assert "<i>moving</i> house" in site.page(f"/merchants/{first}").text
    assert {line["actor"] for line in kinds(site, "snoozed")} == {"local"}
    site.later(days=19)
    assert site.page("/").merchants[:2] == [first, second]


def test_an_outcome_is_logged_once_however_often_the_form_is_sent(site: Any) -> None:
    first = site.page("/").merchants[0]
    form = {"act": "outcome", "merchant": first, "outcome": "resolved", "note": "back again"}
    for _ in range(2):
        sent(site, form)
    assert len(site.ledger.table("dispositions")) == 1
    assert site.page("/?show=done").merchants == [first] and "resolved: saved" in site.page("/?show=done").text
    assert "back again" in site.page(f"/merchants/{first}").text


def test_acknowledged_and_assigned_show_on_the_row(site: Any) -> None:
    first = site.page("/").merchants[0]
    sent(site, {"act": "acknowledge", "merchant": first})
    sent(site, {"act": "assign", "merchant": first, "owner": "Zoë"})
    assert site.page("/?show=acknowledged").merchants == [first]
    assert site.page("/?owner=Zoë").merchants == [first]
    assert "Zoë" in site.page(f"/merchants/{first}").text


@pytest.mark.parametrize(
    "form",
    [
        {"act": "snooze", "until": LATER, "reason": "waits"},
        {"act": "acknowledge"},
        {"act": "assign", "owner": "Zoë"},
        {"act": "outcome", "outcome": "attempted"},
    ],
)
def test_every_act_can_be_undone(site: Any, tags: Any, form: dict[str, str]) -> None:
    before = site.page("/")
    chosen = before.merchants[:3]
    _, text = sent(site, {**form, "merchant": chosen})
    after = tags(text)
    assert after.source != before.source
    _, undone = sent(site, {"batch": undo_of(after)}, "/undo")
    assert "Undone for 3 merchants." in tags(undone).text
    assert tags(undone).merchants == before.merchants and len(kinds(site, "undone")) == 3
    again, _ = sent(site, {"batch": undo_of(after)}, "/undo")
    assert again.status_code == 303 and len(kinds(site, "undone")) == 3


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"act": "snooze", "merchant": "m001", "until": LATER}, "A snooze needs a reason"),
        ({"act": "snooze", "merchant": "m001", "reason": "waits"}, "give a day that is still to come"),
        ({"act": "snooze", "merchant": "m001", "reason": "waits", "until": "2025-12-31"}, "give a day that is still to come"),
        ({"act": "snooze", "merchant": "m001", "reason": "waits", "until": "soon"}, "give a day that is still to come"),
        ({"act": "assign", "merchant": "m001", "owner": " "}, "Say whom to assign"),
        ({"act": "outcome", "merchant": "m001", "outcome": "sold the shop"}, "Choose what came of it"),
        ({"act": "acknowledge"}, "Nobody is chosen"),
        ({"act": "acknowledge", "merchant": "nobody"}, "1 could not be done"),
        ({}, "Choose what came of it"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_done(site: Any, tags: Any, form: dict[str, str], told: str) -> None:
    before = len(site.ledger.table("audit"))
    answer, text = sent(site, form)
    assert answer.status_code == 303 and told in tags(text).text
    assert len(site.ledger.table("audit")) == before


def test_it_is_told_once(site: Any) -> None:
    first = site.page("/").merchants[0]
    form = {"act": "acknowledge", "merchant": first, "back": "/"}
    _, once, twice = site.calls([("/acts", "POST", {"data": form}), ("/", "GET", {}), ("/", "GET", {})])
    assert 'id="did"' in once.text and 'id="did"' not in twice.text


@pytest.mark.parametrize("back", ["https://example.com", "//example.com/x", "\\\\example.com"])
def test_a_form_leads_nowhere_else(site: Any, back: str) -> None:
    assert sent(site, {"act": "acknowledge", "merchant": "m001", "back": back})[0].headers["location"] == "/"


@pytest.mark.parametrize(
    "cookie", ["nonsense", "e30=", "eyJhY3QiOiAxfQ==", "W10=", "eyJhY3QiOiAib3V0Y29tZSIsICJjb3VudCI6IDEsICJ0b2xkIjoge319"]
)
def test_a_forged_memory_of_what_was_done_harms_nobody(site: Any, cookie: str) -> None:
    assert site.call("/", headers={"cookie": f"keepwell_did={cookie}"}).status_code == 200


def test_a_foreign_page_cannot_act(site: Any) -> None:
    headers = {"origin": "https://example.com", "sec-fetch-site": "cross-site"}
    answer = site.call("/acts", "POST", data={"act": "acknowledge", "merchant": "m001"}, headers=headers)
    assert answer.status_code == 403 and not kinds(site, "acknowledged")


def keyed(site: Any, role: str, **scope: Any) -> dict[str, str]:
    """The header of a new key."""
    with site.ledger.writing() as connection:
        key = add_key(connection, Grant("Kim", role, scope.get("owners", ()), scope.get("regions", ()), None), "Root", site.now)
    site.later(seconds=2)
    return {"authorization": f"Bearer {key}"}


def test_a_viewer_sees_no_forms_and_may_not_act(site: Any, tags: Any) -> None:
    headers = keyed(site, "viewer")
    page = tags(site.call("/", headers=headers).text)
    assert page.merchants and not page.all("form", id="acts") and "/export.csv" not in page.source
    assert site.call("/acts", "POST", data={"act": "acknowledge", "merchant": page.merchants[0]}, headers=headers).status_code == 403
    assert site.call("/export.csv", headers=headers).status_code == 403


def test_whoever_sees_some_merchants_sees_and_touches_no_others(site: Any, tags: Any) -> None:
    everybody = site.page("/").merchants
    headers = keyed(site, "retention", owners=("Ann Lee",))
    mine = tags(site.call("/?show=all", headers=headers).text).merchants
    assert 0 < len(mine) < len(everybody) and set(mine) <= set(everybody)
    other = next(merchant for merchant in everybody if merchant not in mine)
    assert site.call(f"/merchants/{other}", headers=headers).status_code == 404
    assert site.call(f"/?q={other}&show=all", headers=headers).text.count(f'id="m-{other}"') == 0
    site.call("/acts", "POST", data={"act": "acknowledge", "merchant": other}, headers=headers)
    assert not kinds(site, "acknowledged")
    lines = site.call("/export.csv?show=all", headers=headers).text
    assert all(merchant in lines for merchant in mine) and f",{other}," not in lines
    for path in ("/portfolio", "/model"):
        assert site.call(path, headers=headers).status_code in (200, 403)


def test_exports_are_written_down(site: Any) -> None:
    for kind in ("csv", "xlsx"):
        assert site.call(f"/export.{kind}?tier=C&show=all").status_code == 200
    lines = kinds(site, "exported")
    assert [line["detail"]["list"] for line in lines] == ["at_risk.csv", "at_risk.xlsx"] and lines[0]["detail"]["tier"] == "C"


def test_the_api_knows_at_once_what_was_done_on_the_page(site: Any) -> None:
    """Within the same second, in which nobody looks into the ledger again."""

    def status(merchant: str) -> str:
        rows = site.call("/v1/at-risk?limit=200", headers={"accept": "application/json"}).json()["rows"]
        return next(str(row["status"]) for row in rows if row["merchant_id"] == merchant)

    first = site.page("/").merchants[0]
    before = status(first)
    _, text = sent(site, {"act": "acknowledge", "merchant": first})
    assert status(first) == "acknowledged" != before
    sent(site, {"batch": undo_of(site.page("/").__class__(text))}, "/undo")
    assert status(first) == before
