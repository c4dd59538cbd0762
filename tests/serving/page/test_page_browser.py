"""A whole morning in a real browser: open, filter, read why, snooze, log an outcome, undo, export, switch to Chinese; and axe looks over each page.

The pictures of the README, of a published state directory:

KEEPWELL_STATE=market/.keepwell KEEPWELL_PICTURES=serving/page/screenshots uv run pytest tests/serving/page/test_page_browser.py -k pictures
"""

from __future__ import annotations

import csv
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from serving.ledger import Ledger

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: `uv sync` brings it")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: `uv sync` brings it").Axe
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: `apt-get install chromium`"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
ARGS = ["--no-sandbox", "--disable-gpu"]
SERIOUS = ("serious", "critical")


@contextmanager
def listening(site: Any) -> Iterator[str]:
    """The address of a service while it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(site.app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def address(site: Any) -> Iterator[str]:
    """The service, listening."""
    with listening(site) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture
def visitor(browser: Any) -> Iterator[Any]:
    """A person's browser window, in which nothing may go wrong unheard."""
    context = browser.new_context(viewport={"width": 1440, "height": 950}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(8000)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def merchants(page: Any) -> list[str]:
    """The ids of the rows."""
    found: list[str] = page.eval_on_selector_all("tr[id^='m-']", "rows => rows.map(row => row.id.slice(2))")
    return found


def test_the_whole_morning(site: Any, address: str, visitor: Any) -> None:
    page, expect = visitor, sync_api.expect
    page.goto(address)
    expect(page.locator("h1")).to_have_text("Merchants at risk")
    everybody = merchants(page)
    # filter: the list follows without a click, and the address keeps it
    page.select_option("#f-owner", "Ann Lee")
    page.wait_for_url("**owner=Ann**")
    mine = merchants(page)
    assert 0 < len(mine) < len(everybody) and set(mine) <= set(everybody)
    page.reload()
    assert merchants(page) == mine
    # read why
    page.locator("tbody a.name").first.click()
    expect(page.locator("#why-title")).to_be_visible()
    told = page.locator(".why tr").all_inner_texts()
    assert told and page.locator(".chart").first.is_visible()
    # snooze, with a reason; without one nothing is done
    page.click("button[value=snooze]")
    expect(page.locator("#did")).to_contain_text("needs a reason")
    page.fill("input[name=reason]", "moves house until mid-month")
    page.click("button[value=snooze]")
    expect(page.locator("#did")).to_contain_text("Snoozed")
    expect(page.locator(".history")).to_contain_text("moves house until mid-month")
    page.goto(f"{address}/?owner=Ann+Lee")
    assert merchants(page) == mine[1:]
    page.goto(f"{address}/?show=snoozed")
    assert merchants(page) == mine[:1]
    # log an outcome for two at once
    page.goto(address)
    first = merchants(page)[:2]
    for merchant in first:
        page.check(f"tr[id='m-{merchant}'] .pick input")
    page.select_option("#outcome", "resolved")
    page.fill("#note", "called; <b>glad</b>")
    page.click("button[value=outcome]")
    expect(page.locator("#did")).to_contain_text("2 merchants")
    assert not set(first) & set(merchants(page))
    # undo
    page.click("#did button")
    expect(page.locator("#did")).to_contain_text("Undone for 2 merchants")
    assert merchants(page)[:2] == first
    assert len(site.ledger.table("dispositions")) == 0
    # export what is shown
    with page.expect_download() as waiting:
        page.click("text=CSV")
    with Path(waiting.value.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["merchant"] for row in rows] == merchants(page)
    assert not [cell for row in rows for cell in row.values() if cell.strip().startswith(("=", "@"))]
    # switch to Chinese, which stays
    page.click("text=中文")
    expect(page.locator("h1")).to_have_text("流失风险商户")
    page.goto(f"{address}/model")
    assert page.get_attribute("html", "lang") == "zh-CN"


def test_the_slider_answers_while_it_moves(address: str, visitor: Any) -> None:
    page, expect = visitor, sync_api.expect
    page.goto(address)
    page.click(".calling summary")
    before = page.inner_text("#calling-result")
    page.locator(".call input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#calls")).not_to_have_value(str(page.locator("#calls").get_attribute("value")))
    page.wait_for_function("before => document.querySelector('#calling-result').innerText !== before", arg=before)


def test_the_keyboard_is_enough(address: str, visitor: Any) -> None:
    page, expect = visitor, sync_api.expect
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.locator(".pick input:checked").count() == 1
    expect(page.locator(".bulk")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("面包")
    page.wait_for_url("**q=**")
    assert 0 < len(merchants(page)) < 10


def test_without_a_script_everything_is_there(site: Any, address: str, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    everybody = page.locator("tr[id^='m-']").count()
    page.select_option("#f-owner", "周敏")
    page.click(".filters button")
    assert 0 < page.locator("tr[id^='m-']").count() < everybody
    page.locator(".pick input[name=merchant]").first.check()
    page.fill("#owner-to", "Zoë")
    page.click("button[value=assign]")
    assert "to Zoë" in page.inner_text("#did")
    page.click("#did button")
    assert "Undone" in page.inner_text("#did")
    page.click(".calling summary")
    page.fill("#calls", "2")
    page.click(".call button")
    assert "If the team calls 2" in page.inner_text(".calling summary")
    context.close()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(site: Any, address: str, browser: Any, lang: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 950}, color_scheme=scheme)
    page = context.new_page()
    first = site.page("/").merchants[0]
    found = []
    for path in ("/?calls=3", "/?q=nobody", f"/merchants/{first}", "/portfolio", "/model", "/merchants/nobody"):
        page.goto(f"{address}{path}{'&' if '?' in path else '?'}lang={lang}")
        if "calls" in path:
            page.locator(".pick input[name=merchant]").first.check()
        violations = Axe().run(page).response["violations"]
        found += [(path, one["id"], one["nodes"][0]["html"][:160]) for one in violations if one["impact"] in SERIOUS]
    context.close()
    assert found == []


@pytest.mark.parametrize("width", [390, 820])
def test_small_screens_do_not_scroll_sideways(site: Any, address: str, browser: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    for path in ("/", f"/merchants/{site.page('/').merchants[0]}", "/portfolio", "/model"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


PICTURES = {
    "at-risk": ("/", "light"),
    "at-risk-zh": ("/?lang=zh&calls=40", "dark"),
    "merchant": ("/merchants/{first}", "light"),
    "portfolio": ("/portfolio", "light"),
    "model": ("/model", "dark"),
}
MOST_BYTES = 200_000


@pytest.mark.skipif(
    not {"KEEPWELL_PICTURES", "KEEPWELL_STATE"} <= os.environ.keys(), reason="takes pictures of KEEPWELL_STATE for KEEPWELL_PICTURES"
)
@pytest.mark.parametrize("name", PICTURES)
def test_pictures(site_at: Any, browser: Any, tmp_path: Path, name: str) -> None:
    """A picture for the README, of a published state directory on the day of its cutoff."""
    state = tmp_path / "state"
    shutil.copytree(os.environ["KEEPWELL_STATE"], state)
    path, scheme = PICTURES[name]
    with closing(Ledger.at(f"sqlite:///{state / 'ledger.db'}")) as ledger:
        site = site_at(state, ledger)
        site.now = f"{site.run.cutoff}T08:00:00+00:00"
        with listening(site) as address:
            context = browser.new_context(viewport={"width": 1320, "height": 860}, color_scheme=scheme)
            page = context.new_page()
            page.goto(address + path.format(first=site.page("/").merchants[0]))
            picture = page.screenshot()
            context.close()
    assert len(picture) < MOST_BYTES
    Path(os.environ["KEEPWELL_PICTURES"], f"{name}.png").write_bytes(picture)
