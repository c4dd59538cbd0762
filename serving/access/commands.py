"""`keepwell keys`: who may ask a running service, given out, listed and taken back."""

from __future__ import annotations

import getpass
import re
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from features import shell
from features.errors import DataRefused, UsageRefused, did_you_mean
from features.settings import Settings, read_settings
from features.shell import AsJson
from serving.access.keys import Grant, Key, add_key, all_keys, revoke_key
from serving.access.who import RIGHTS
from serving.ledger import Ledger
from serving.run import current_run

ConfigOption = Annotated[Path | None, typer.Option(help="A keepwell.toml; by default that of this directory, else the demo's.")]
By = Annotated[str | None, typer.Option(help="Who does it, for the audit; by default the user of this machine.")]
NEVER = "never"
HOURS = {"h": 1, "d": 24, "w": 7 * 24}
LONGEST_HOURS = 10 * 366 * 24
keys = typer.Typer(help="Who may ask a running service.", no_args_is_help=True)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is: a person or an app.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(RIGHTS)}.")],
    owner: Annotated[list[str] | None, typer.Option(help="Only the merchants of this account manager; may be given more than once.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only the merchants of this region; may be given more than once.")] = None,
    expires: Annotated[str, typer.Option(help="In so long, such as 90d, on a date, or never.")] = "365d",
    by: By = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once; the ledger keeps its hash."""
    settings, now = read_settings(shell.config_path(config)), shell.now()
    grant = Grant(name, role, owner or (), region or (), expiry(expires, now)).checked()
    shell.refuse_unless_writable(settings.state_dir)
    with closing(Ledger.open(settings)) as ledger, ledger.writing() as connection:
        key = add_key(connection, grant, by or _user(), now)
    if as_json:
        shell.print_json({"name": name, "key": key, "role": role, "owners": owner, "regions": region, "expires_at": grant.expires_at})
        return
    shell.line(f"{key}\n")
    until = "until it is revoked" if grant.expires_at is None else f"until {grant.expires_at[:10]}"
    seen = "merchants of " + _scope(grant.owners, grant.regions) if grant.owners or grant.regions else "all merchants"
    shell.line(f"The key of {name}: {role}, sees {seen}, {until}. It is shown this once; keep it like a password.")
    shell.line("Apps send it as `Authorization: Bearer …`; people give it at /login. From now on nobody is let in without a key.")
    for hint in _unmet(settings, grant):
        shell.errors.print(hint, style="yellow", markup=False)


@keys.command("list")
def listed(config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Every key there ever was: whose, what it may, whom it sees, until when, and when it was last used."""
    settings, now = read_settings(shell.config_path(config)), shell.now()
    found = _all(settings)
    if as_json:
        shell.print_json({"keys": [_facts(key, now) for key in found]})
    elif not found:
        shell.line("There are no keys; whoever sits at this machine may do everything, and nobody else is served. Next: keepwell keys add NAME --role ROLE")
    else:
        shell.console.print(_table(found, now))


@keys.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The key's name, or its beginning as `keepwell keys list` shows it.")],
    by: By = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Take a key back; running servers stop letting it in within seconds, and sign out who signed in with it."""
    settings, now = read_settings(shell.config_path(config)), shell.now()
    if not Ledger.is_made(settings):
        raise UsageRefused(f"there is no key {name!r} that could be revoked; there is none.")
    with closing(Ledger.open(settings)) as ledger, ledger.writing() as connection:
        key = revoke_key(connection, name, by or _user(), now)
    shell.answer({"name": key.who.name, "hint": key.hint, "revoked_at": now}, as_json, f"Revoked the key of {key.who.name} ({key.hint}…).")


def expiry(given: str, now: str) -> str | None:
    """When a key ends, as text; None for never.

    Raises
    ------
    UsageRefused : neither a length of time nor a date to come.

    Examples
    --------
    >>> expiry("90d", "2026-01-01T06:00:00+00:00"), expiry("2026-02-01", "2026-01-01T06:00:00+00:00"), expiry("never", "")
    ('2026-04-01T06:00:00+00:00', '2026-02-01T00:00:00+00:00', None)
    """
    if given == NEVER:
        return None
    wrong = UsageRefused(f"--expires {given!r} is not a time to come, so no key was made; write 12h, 90d, 26w, a date like 2027-01-31, or never.")
    present = datetime.fromisoformat(now)
    length = re.fullmatch(r"([1-9]\d{0,5})([hdw])", given)
    try:
        end = present + timedelta(hours=int(length[1]) * HOURS[length[2]]) if length else datetime.fromisoformat(f"{given}T00:00:00+00:00")
    except (ValueError, OverflowError):
        raise wrong from None
    if not present < end <= present + timedelta(hours=LONGEST_HOURS):
        raise wrong
    return end.isoformat(timespec="seconds")


def _all(settings: Settings) -> list[Key]:
    if not Ledger.is_made(settings):
        return []
    with closing(Ledger.open(settings)) as ledger, ledger.reading() as connection:
        return all_keys(connection)


def _unmet(settings: Settings, grant: Grant) -> list[str]:
    """A word for each owner or region that no merchant of the run has: it may be new, or mistyped."""
    try:
        merchants = current_run(settings.state_dir).merchants
    except DataRefused:
        return []
    hints = []
    for column, names in (("owner", grant.owners), ("region", grant.regions)):
        known = set(merchants[column].dropna().astype(str)) if column in merchants else set()
        hints += [
            f"No merchant of the run has {column} {name!r}; {did_you_mean(name, known) if known else f'none has any {column}.'}"
            for name in names
            if name not in known
        ]
    return hints


def _facts(key: Key, now: str) -> dict[str, Any]:
    seen = {name: None if found is None else sorted(found) for name, found in (("owners", key.who.owners), ("regions", key.who.regions))}
    times = {"created_at": key.created_at, "created_by": key.created_by, "expires_at": key.expires_at, "revoked_at": key.revoked_at}
    used = None if key.last_used_on is None else str(key.last_used_on)
    return {"name": key.who.name, "hint": key.hint, "role": key.who.role, **seen, "standing": key.standing(now), **times, "last_used_on": used}


def _table(found: list[Key], now: str) -> Table:
    table = Table(title="Keys", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("name", "key", "role", "sees", "standing", "until", "last used"):
        table.add_column(heading)
    for key in found:
        sees = _scope(sorted(key.who.owners or ()), sorted(key.who.regions or ()))
        until = (key.revoked_at or key.expires_at or NEVER)[:10]
        used = "–" if key.last_used_on is None else str(key.last_used_on)
        table.add_row(key.who.name, f"{key.hint}…", key.who.role, sees, key.standing(now), until, used)
    return table


def _scope(owners: Sequence[str], regions: Sequence[str]) -> str:
    parts = [f"{what} {', '.join(names)}" for what, names in (("owner", owners), ("region", regions)) if names]
    return " or ".join(parts) or "all"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command line"
