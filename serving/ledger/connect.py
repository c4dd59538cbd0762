"""Connections to the ledger's database: SQLite beside the published runs by default, PostgreSQL by URL.

SQLite is opened with WAL and `synchronous=FULL`: a transaction that was committed is on the disk. Writers queue up: a writing transaction
takes the write lock when it begins, so what it reads cannot change before it commits.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from features.errors import DataRefused, UsageRefused

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

STEPS = Path(__file__).parent / "migrations"
DIALECTS = ("sqlite", "postgresql")
WAIT_SECONDS = 60
CACHE_KB = 131_072
"""Of the database that SQLite keeps in memory: a night of a million merchants should not read its own indexes again."""
LOCK = 7_521_304_096
"""The name of the lock under which PostgreSQL's writers queue up."""


def engine_of(url: str) -> Engine:
    """The engine for a ledger's URL.

    Raises
    ------
    UsageRefused : not a URL, or one of a database that the ledger does not run on.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in DIALECTS:
            raise UsageRefused(_unusable(url, "only SQLite and PostgreSQL are known"))
        engine = create_engine(parsed, json_serializer=None, connect_args=_arguments(parsed.get_backend_name()))
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageRefused(_unusable(url, str(error).splitlines()[0])) from None
    except ModuleNotFoundError as error:
        raise UsageRefused(f"the ledger's driver {error.name} is not installed; type `pip install 'keepwell[postgres]'`.") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
    return engine


def _arguments(backend: str) -> dict[str, Any]:
    return {"timeout": WAIT_SECONDS} if backend == "sqlite" else {"connect_timeout": WAIT_SECONDS // 6}


def _unusable(url: str, why: str) -> str:
    shown = url.partition("://")[0]
    return f'ledger "{shown}://…" in [state] cannot be used ({why}); write postgresql+psycopg://user@host/database, or leave it out for SQLite.'


def _durable(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions itself, see `_begin`
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE_KB}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads") else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the ledger and changes nothing."""
    with _reached(engine), engine.connect() as raw:
        connection = raw.execution_options(reads=True)
        with connection.begin() as transaction:
            yield connection
            transaction.rollback()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed whole or not at all; one at a time."""
    with _reached(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection


@contextmanager
def _reached(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if type(error) not in (DatabaseError, OperationalError):  # a damaged file, or a database that is not there; others are our own faults
            raise
        why = " ".join(str(error.orig).split())
        remedy = "check [state] ledger and that its database runs; put a damaged file back from a copy, or move it away."
        raise DataRefused(f"the ledger {engine.url!r} cannot be used ({why}); {remedy}") from error


def migrate(engine: Engine) -> None:
    """Bring the ledger's tables up to date; two that start at once wait for each other.

    Raises
    ------
    DataRefused : the ledger was written by a newer version.
    """
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    script = _script()
    with _first(engine):
        with reading(engine) as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        if present == script.get_current_head():
            return
        if present is not None and present not in {step.revision for step in script.walk_revisions()}:
            raise DataRefused(f"the ledger {engine.url!r} is of version {present}, which is newer than this Keepwell; update Keepwell.")
        with writing(engine) as connection, EnvironmentContext(_config(), script, fn=_to_head(script)) as environment:
            environment.configure(connection=connection, transactional_ddl=True)
            environment.run_migrations()


def _config() -> Config:
    from alembic.config import Config  # a third of a second, which no command needs that only reads files

    config = Config()
    config.set_main_option("script_location", str(STEPS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(STEPS))
    return config


def _script() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _to_head(script: ScriptDirectory) -> Any:
    return lambda present, context: script._upgrade_revs("head", present)  # alembic's own documented form


@contextmanager
def _first(engine: Engine) -> Iterator[None]:
    """One process at a time where the database is a file that may not exist yet; PostgreSQL has its own lock."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        with nullcontext():
            yield
        return
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
