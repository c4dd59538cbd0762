"""What the first views of a run need is there before anybody opens a page, and a run that is taken over holds up nobody."""

from __future__ import annotations

import gc
import logging
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from swaps import point, until

from serving.access import Who
from serving.api.published import Published, View
from serving.page.board import board_of
from serving.page.environment import templates
from serving.run import current_run
from serving.run import published as run_ids

ADDRESSES = [f"{path}?lang={lang}" for path in ("/", "/merchants/m010", "/portfolio", "/model") for lang in ("en", "zh")]
KEY = re.compile(r'name="key" value="\w+"')
COMPILER = "jinja2.environment.Environment.compile"


def seen(runs: Published) -> str:
    """The run that whoever asks now is shown; nothing is read for it."""
    return runs.now().run.run_id


@contextmanager
def followed(site: Any) -> Iterator[tuple[Published, str, str]]:
    """The runs of a service that follows them, the run that stands, and another one."""
    runs = site.published
    standing = runs.now().run.run_id
    other = next(name for name in run_ids(site.state) if name != standing)
    runs.follow()
    try:
        yield runs, standing, other
    finally:
        runs.stop()


def broken(given: Any) -> Any:
    raise KeyError("broken")


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setattr(name, lambda *given, _name=name, **named: pytest.fail(f"{_name} again"))


def test_who_opens_a_page_finds_everything_made_and_sees_what_he_would_have_seen(
    site: Any, site_at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [KEY.sub("", site_at(site.state, site.ledger).call(address).text) for address in ADDRESSES]
    templates.cache_clear()
    made = site.published.prepare(site.published.now(), lambda: True)
    assert {address.split("?")[0] for address in ADDRESSES} - {"/merchants/m010"} <= {name.split("?")[0] for name in made}
    forbid(monkeypatch, "serving.page.desk._desk", "serving.page.board.call_list", "serving.api.endpoints.page_portfolio.portfolio")
    forbid(monkeypatch, COMPILER, "pandas.read_parquet", "serving.rules.read.tomllib.loads")
    assert [KEY.sub("", site.call(address).text) for address in ADDRESSES] == plain
    for name in templates().list_templates(["jinja"]):
        templates().get_template(name)


def test_after_a_swap_the_desk_of_the_new_run_lies_ready_before_anybody_asks(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with followed(site) as (runs, standing, other):
        prepare, during = runs.prepare, list[str]()

        def watched(view: View, is_wanted: Callable[[], bool]) -> None:
            during.append(seen(runs))
            prepare(view, is_wanted)
            during.append(seen(runs))

        runs.prepare = watched
        point(site.state, other)
        until(lambda: seen(runs) == other)
    assert during == [standing, standing], "it is seen only when it is prepared"
    assert "desk" in board_of(runs.now(), None).kept
    forbid(monkeypatch, "serving.page.desk._desk", COMPILER)
    assert site.page("/").merchants


def test_nobody_waits_for_a_run_that_is_being_read(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = Event(), Event()

    def slowly(state: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return current_run(state)

    with followed(site) as (runs, standing, other):
        monkeypatch.setattr("serving.api.published.current_run", slowly)
        point(site.state, other)
        assert begun.wait(60)
        for _ in range(3):
            assert site.call("/readyz").json()["run_id"] == standing and site.page("/").merchants
        go_on.set()
        until(lambda: seen(runs) == other)


def test_nobody_who_asks_reads_the_run_that_another_thread_will_read(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.api.published.LOOK_SECONDS", 600)
    with followed(site) as (_, standing, other):
        forbid(monkeypatch, "serving.api.published.current_run")
        point(site.state, other)
        assert site.call("/readyz").json()["run_id"] == standing


def test_a_fault_leaves_the_run_before_in_place_is_told_and_ends_with_the_next_run(
    site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with followed(site) as (runs, standing, other):
        with monkeypatch.context() as faulty, caplog.at_level(logging.ERROR, "keepwell.runs"):
            faulty.setattr("serving.api.published.current_run", broken)
            point(site.state, other)
            until(lambda: bool(runs.refusal))
        assert seen(runs) == standing and "server's log" in site.page("/").text
        assert len(caplog.messages) == 1, "said once, not at every look"
        point(site.state, other)
        until(lambda: seen(runs) == other)
        assert not runs.refusal


def test_it_ends_where_it_is_told_to(site: Any) -> None:
    left = iter([True, True, False])
    assert len(site.published.prepare(site.published.now(), lambda: next(left))) == 2


def test_an_end_in_the_middle_of_it_waits_for_one_page_at_most(site: Any) -> None:
    begun, wanted = Event(), list[bool]()

    def endless(view: View, is_wanted: Callable[[], bool]) -> None:
        begun.set()
        until(lambda: not is_wanted())
        wanted.append(is_wanted())

    with followed(site) as (runs, _, other):
        runs.prepare = endless
        point(site.state, other)
        assert begun.wait(60)
        runs.stop()
        assert wanted == [False] and runs._following is not None and not runs._following.is_alive()


def test_a_page_that_cannot_be_made_is_left_to_who_opens_it(
    site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("serving.api.first_views.together", broken)
    with caplog.at_level(logging.INFO):
        made = site.published.prepare(site.published.now(), lambda: True)
    assert any(name.startswith("/model") for name in made) and not any(name.startswith("/portfolio") for name in made)
    assert [message for message in caplog.messages if "/portfolio?lang=zh" in message and "broken" in message]


def test_a_run_that_stands_no_more_is_let_go_of_at_once(site: Any) -> None:
    runs = site.published
    view = runs.now()
    runs.prepare(view, lambda: True)
    view.within(Who("some", "viewer", frozenset({"Ann Lee"}), None))
    old, other = weakref.ref(view), next(name for name in run_ids(site.state) if name != view.run.run_id)
    gc.collect()
    gc.disable()
    try:
        del view
        point(site.state, other)
        assert seen(runs) == other and old() is None
    finally:
        gc.enable()
