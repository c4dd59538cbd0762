"""What every command shares: finding the configuration, telling progress, answering people or machines, refusing."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from features.errors import UsageRefused

Config = Annotated[Path | None, typer.Argument(help="A keepwell.toml; by default that of this directory, else the demo's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
DEMO = Path("keepwell-demo")
console = Console(soft_wrap=True, highlight=False)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def config_path(given: Path | None) -> Path:
    """The configuration meant: the one given, `keepwell.toml` here, or the one that `keepwell demo` wrote."""
    if given is not None:
        return given
    for path in (Path("keepwell.toml"), DEMO / "keepwell.toml"):
        if path.exists():
            return path
    raise UsageRefused("there is no keepwell.toml in this directory; name one, or run keepwell demo first.")


def command(words: str, config: Path | None) -> str:
    """A command to type next, for the configuration that was named, if one was.

    Examples
    --------
    >>> command("promote", None), command("check", Path("my market/keepwell.toml"))
    ('keepwell promote', "keepwell check 'my market/keepwell.toml'")
    """
    return f"keepwell {words}" + ("" if config is None else f" {shlex.quote(str(config))}")


def today() -> date:
    """The date on the command line's clock: nothing below it looks at one."""
    return datetime.now(UTC).date()


def now() -> str:
    """The present time as text, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def working(what: str, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """A progress bar on a terminal, silence elsewhere; yields a function that tells what is done now."""
    if quiet or not errors.is_terminal:
        yield lambda *_: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda *told: bar.update(task, description=" ".join(map(str, (what, *told))))


def answer(facts: dict[str, Any], as_json: bool, text: str) -> None:
    """The facts for machines, or the text for people."""
    if as_json:
        print_json(facts)
    else:
        line(text)


def print_json(value: Any) -> None:
    """A value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False) + "\n")


def line(text: str) -> None:
    """A line for people, never read as markup."""
    console.print(text, markup=False)


def heading(text: str) -> None:
    """A heading for people."""
    console.print(f"\n{text}", style="bold", markup=False)


def refuse_unless_writable(directory: Path) -> None:
    """Refuse a directory that could not be made or written into, before the work for it is done; it makes nothing yet.

    Raises
    ------
    UsageRefused
        It is a file, or below one, or its place is closed to this user.
    """
    there = next(place for place in (directory, *directory.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise UsageRefused(f"{directory} cannot be a directory, because {there} is a file; name another one.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageRefused(f"{directory} cannot be written, because {there} is closed to this user; name another directory.")
