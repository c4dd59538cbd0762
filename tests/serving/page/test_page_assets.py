"""What the page needs is here, is what was recorded, and is all of it."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import serving.page
from serving.api.endpoints.page_assets import ASSETS

STATIC = Path(serving.page.__file__).parent / "static"
VENDORED = {
    "htmx-2.0.11.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    "htmx-LICENSE.txt": "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
}
"""From the package htmx.org 2.0.11 of the npm registry (Zero-Clause BSD)."""


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_files_are_those_recorded(name: str) -> None:
    assert sha256((STATIC / name).read_bytes()).hexdigest() == VENDORED[name]


def test_every_file_is_served_and_no_other(site: Any) -> None:
    assert {path.name for path in STATIC.iterdir()} == set(ASSETS)
    for name, kind in ASSETS.items():
        answer = site.call(f"/static/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        assert answer.content == (STATIC / name).read_bytes()
    for name in ("nothing.js", "..%2Fwords.py", "../words.py"):
        assert site.call(f"/static/{name}").status_code == 404


def test_the_page_names_only_files_that_are_here(site: Any) -> None:
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', site.call("/").text))
    assert named and all(name.removeprefix("/static/") in ASSETS for name in named)


def test_nothing_is_fetched_from_elsewhere() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in STATIC.parent.rglob("*")
        if path.suffix in (".css", ".jinja") or path.name == "keepwell.js"
    ]
    assert texts and not [text for text in texts if re.search(r"""(?:src|href|url|import)\s*[=(]\s*["']?(?:https?:)?//""", text)]
