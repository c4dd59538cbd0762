"""`keepwell keys` and the rules of binding, as whoever runs the service types them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from house import NOW, Clock

from features.errors import DataRefused, UsageRefused
from features.settings import Serve, read_settings
from serving.access.binding import access_of, when_made
from serving.access.commands import expiry
from serving.access.keys import Grant, add_key, revoke_key
from serving.access.limits import with_environment
from serving.access.token import is_key
from serving.ledger import Ledger


@pytest.fixture
def typed(request: pytest.FixtureRequest, home: Path) -> Callable[..., Any]:
    """`typed("keys", "list")`: the command line in the home directory."""
    plugin = request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py"))
    return lambda *words: plugin.typed(*words, at=home)  # type: ignore[union-attr]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "keepwell.toml").write_text('[source]\norders = "orders.parquet"\n')
    return tmp_path


def test_a_key_is_made_listed_and_revoked(typed: Callable[..., Any], home: Path) -> None:
    assert "There are no keys" in typed("keys", "list").out
    assert not (home / ".keepwell").exists()
    made = typed("keys", "add", "ann", "--role", "retention", "--owner", "Ann", "--region", "North", "--region", "西部", "--expires", "90d")
    assert made.code == 0, made.err
    key = made.out.splitlines()[0]
    assert is_key(key) and made.out.count(key) == 1 and "owner Ann or region North, 西部" in made.out
    [told] = json.loads(typed("keys", "list", "--json").out)["keys"]
    assert told["name"] == "ann" and told["owners"] == ["Ann"] and told["regions"] == ["North", "西部"] and told["standing"] == "live"
    assert told["hint"] == key[:11] and key not in json.dumps(told)
    listed = typed("keys", "list").out
    assert key[:11] in listed and key not in listed and "retention" in listed
    assert typed("keys", "revoke", key[:11]).code == 0
    assert json.loads(typed("keys", "list", "--json").out)["keys"][0]["standing"] == "revoked"
    with_ledger = Ledger.open(read_settings(home / "keepwell.toml"))
    lines = with_ledger.table("audit")
    with_ledger.close()
    assert lines["what"].tolist() == ["key added", "key revoked"] and lines["actor"].notna().all()


def test_a_key_in_json_is_for_machines(typed: Callable[..., Any]) -> None:
    made = json.loads(typed("keys", "add", "crm", "--role", "analyst", "--expires", "never", "--by", "Zoë", "--json").out)
    assert is_key(made["key"]) and made["expires_at"] is None
    assert json.loads(typed("keys", "list", "--json").out)["keys"][0]["created_by"] == "Zoë"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "ann", "--role", "vewer"), 'did you mean "viewer"'),
        (("add", "", "--role", "viewer"), "cannot be a key's name"),
        (("add", "ann", "--role", "viewer", "--owner", " "), "owner or region is empty"),
        (("add", "ann", "--role", "viewer", "--expires", "soon"), "write 12h, 90d"),
        (("add", "ann", "--role", "viewer", "--expires", "2020-01-01"), "not a time to come"),
        (("add", "ann", "--role", "viewer", "--expires", "999999w"), "not a time to come"),
        (("revoke", "ann"), "there is none"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_makes_nothing(typed: Callable[..., Any], home: Path, words: tuple[str, ...], said: str) -> None:
    answer = typed("keys", *words)
    assert answer.code == 2 and said in answer.err and answer.out == ""
    assert not (home / ".keepwell").exists()


def test_a_name_twice_and_a_name_almost(typed: Callable[..., Any]) -> None:
    typed("keys", "add", "ann", "--role", "viewer")
    assert "there is a key 'ann' already" in typed("keys", "add", "ann", "--role", "viewer").err
    assert 'did you mean "ann"' in typed("keys", "revoke", "an").err
    assert typed("keys", "revoke", "ann").code == typed("keys", "add", "ann", "--role", "admin").code == 0


@pytest.mark.parametrize(
    ("given", "end"), [("1h", "2026-01-02T09:00:00+00:00"), ("2w", "2026-01-16T08:00:00+00:00"), ("2026-01-03", "2026-01-03T00:00:00+00:00"), ("never", None)]
)
def test_an_end_is_a_length_or_a_day(given: str, end: str | None) -> None:
    assert expiry(given, NOW) == end


# --- binding


@pytest.fixture
def settings(url: str, home: Path) -> Any:
    (home / "keepwell.toml").write_text(f'[source]\norders = "orders.parquet"\n[state]\nledger = "{url}"\n[serve]\nallowed_hosts = ["Keepwell.example"]\n')
    return read_settings(home / "keepwell.toml")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_key(settings: Any, host: str) -> None:
    access = access_of(settings, host, {}, Clock())
    assert access.bound is None and "keepwell.example" in access.hosts
    access.keyring.look()
    assert not access.keyring.known.is_asked
    access.keyring.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "2001:db8::7"])
def test_another_address_starts_with_a_live_key_only(settings: Any, host: str) -> None:
    clock = Clock()
    with pytest.raises(UsageRefused, match="no keys yet .*keepwell keys add") as refused:
        access_of(settings, host, {}, clock)
    assert "\n" not in str(refused.value)
    ledger = Ledger.open(settings)
    with ledger.writing() as connection:
        add_key(connection, Grant("old", "viewer", expires_at="2026-01-02T08:00:01+00:00"), "Root", NOW)
    access = access_of(settings, host, {}, clock)
    access.keyring.close()
    assert access.bound == (f"[{host}]" if ":" in host else host)
    assert (access.bound in access.hosts) == (host not in ("0.0.0.0", "::"))
    clock.on(seconds=1)
    with pytest.raises(UsageRefused, match="no keys yet"):
        access_of(settings, host, {}, clock)
    with ledger.writing() as connection:
        add_key(connection, Grant("new", "viewer"), "Root", NOW)
        revoke_key(connection, "new", "Root", NOW)
    with pytest.raises(UsageRefused, match="no keys yet"):
        access_of(settings, host, {}, clock)
    ledger.close()


@pytest.mark.parametrize("host", ["example.com", "", "127.0.0.1:3000", "256.1.1.1"])
def test_a_name_is_no_address(settings: Any, host: str) -> None:
    with pytest.raises(UsageRefused, match="is not an address"):
        access_of(settings, host, {}, Clock())


def test_serving_makes_no_ledger_and_finds_one_made_later(home: Path) -> None:
    settings = read_settings(home / "keepwell.toml")
    opened = when_made(settings)
    assert opened() is None and not (home / ".keepwell").exists()
    Ledger.open(settings).close()
    found = opened()
    assert found is not None and opened() is found
    found.close()


def test_a_ledger_that_is_down_is_a_sentence() -> None:
    state = SimpleNamespace(ledger="postgresql+psycopg://nobody@127.0.0.1:1/none")
    settings = SimpleNamespace(state=state, state_dir=Path("x"), serve=Serve())
    with pytest.raises(DataRefused, match="cannot be used"):
        access_of(settings, "0.0.0.0", {}, Clock())  # type: ignore[arg-type]


# --- settings


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('allowed_host = ["a"]', 'unknown key "allowed_host" in [serve]; did you mean "allowed_hosts"?'),
        ('allowed_hosts = ["https://a.example"]', 'names without scheme, port or path, such as "keepwell.example.com", not "https://a.example"'),
        ('allowed_hosts = ["*"]', 'not "*"'),
        ("requests_at_once = 0", "requests_at_once = 0 in [serve]"),
        ("session_hours = true", "session_hours = true in [serve]"),
    ],
)
def test_a_wrong_setting_names_its_line(home: Path, line: str, said: str) -> None:
    (home / "keepwell.toml").write_text(f'[source]\norders = "orders.parquet"\n[serve]\n{line}\n')
    with pytest.raises(UsageRefused, match=re.escape(said)) as refused:
        read_settings(home / "keepwell.toml")
    assert str(refused.value).startswith("keepwell.toml, line 4")


def test_the_environment_overrides_and_is_checked() -> None:
    given = {"KEEPWELL_SERVE_ALLOWED_HOSTS": "A.example,b.example", "KEEPWELL_SERVE_BODY_MIB": "4", "PATH": "/bin"}
    assert with_environment(Serve(session_hours=3), given) == Serve(allowed_hosts=["a.example", "b.example"], body_mib=4, session_hours=3)
    for name, value, said in (
        ("KEEPWELL_SERVE_ALLOWED_HOST", "a", 'did you mean "KEEPWELL_SERVE_ALLOWED_HOSTS"?'),
        ("KEEPWELL_SERVE_BODY_MIB", "many", 'KEEPWELL_SERVE_BODY_MIB is "many"'),
        ("KEEPWELL_SERVE_REQUESTS_AT_ONCE", "0", "greater than or equal to 1"),
    ):
        with pytest.raises(UsageRefused, match=re.escape(said)):
            with_environment(Serve(), {name: value})
