"""Ledgers on SQLite and on PostgreSQL: every test that asks for `ledger` or `url` runs on both."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.ledger import Ledger

USER = "nobody"
"""PostgreSQL refuses to run as root."""


def programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them out of PATH."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return Path(on_path).parent if on_path else found[-1].parent if found else None


def as_user() -> dict[str, Any]:
    """Arguments of `subprocess.run` that leave root behind."""
    return {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a throw-away PostgreSQL: a cluster of its own in a temporary folder, on a loopback port, gone afterwards."""
    bin_dir = programs()
    if bin_dir is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql`")
    folder = Path(tempfile.mkdtemp(prefix="keepwell-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, USER)
    port, data = free_port(), folder / "data"
    how: dict[str, Any] = {"check": True, "capture_output": True, "cwd": folder, **as_user()}
    try:
        subprocess.run([bin_dir / "initdb", "-D", data, "-U", "keepwell", "-A", "trust", "-E", "UTF8", "--no-sync"], **how)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        subprocess.run([bin_dir / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], **{**how, "capture_output": False})
        try:
            yield f"postgresql+psycopg://keepwell@127.0.0.1:{port}/"
        finally:
            subprocess.run([bin_dir / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], **how)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a ledger that does not exist yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    import psycopg

    server = request.getfixturevalue("postgres")
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server + name
    with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A new ledger."""
    opened = Ledger.at(url)
    yield opened
    opened.close()
