"""Platform files and queries, as raw tables in DuckDB: what can go wrong with a file ends here, with one sentence."""

from __future__ import annotations

import codecs
import csv
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import duckdb

from features.errors import DataRefused, UsageRefused
from features.settings import FileSource, QuerySource, Settings, TableSource

CSV_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_ENDINGS = ("", ".parquet", ".parq", ".pq")
LITERAL = r"'((?:[^']|'')*)'"
MISTAKES_IN_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)


def connect(home: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB in UTC whose queries find files relative to `home`, and that fetches nothing from the network."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET file_search_path = ?", [str(home)])
    connection.execute("SET temp_directory = ?", [str(Path(tempfile.gettempdir()) / f"keepwell-{uuid4().hex}")])
    return connection


def take_in(connection: duckdb.DuckDBPyConnection, settings: Settings, table: str) -> None:
    """Make `raw_<table>` from its source: a view over Parquet, else a temporary table.

    Raises
    ------
    DataRefused
        A file is missing, damaged or in another encoding, or a query fails on the data.
    UsageRefused
        The query itself is wrong.
    """
    source = settings.source[table]
    try:
        if isinstance(source, QuerySource):
            _take_in_query(connection, table, located(source.query, settings.home))
        else:
            _take_in_files(connection, table, source, _files(settings.home, table, source.path))
    except duckdb.Error as error:
        if isinstance(source, QuerySource) and isinstance(error, MISTAKES_IN_SQL):
            raise UsageRefused(f"{place(table, source)} does not run: {_told(error)}; correct it in keepwell.toml.") from None
        raise DataRefused(_unreadable(table, source, error)) from None


def drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Forget a raw table or view and give its memory back."""
    row = connection.execute("SELECT table_type FROM information_schema.tables WHERE table_name = ?", [name]).fetchone()
    if row:
        connection.execute(f'DROP {"VIEW" if row[0] == "VIEW" else "TABLE"} "{name}"')


def place(table: str, source: TableSource) -> str:
    """How a sentence names a table and where it comes from."""
    return f'table {table} ("{source.path}")' if isinstance(source, FileSource) else f"table {table} (its query)"


@contextmanager
def reading(table: str, source: TableSource) -> Iterator[None]:
    """Turn what DuckDB raises over damage that shows only while a table is read into one sentence."""
    try:
        yield
    except MISTAKES_IN_SQL:  # in Keepwell's own SQL
        raise
    except (duckdb.Error, UnicodeDecodeError) as error:
        raise DataRefused(_unreadable(table, source, error)) from None


def _unreadable(table: str, source: TableSource, error: Exception) -> str:
    told = _told(error)
    if isinstance(source, QuerySource):
        return f"{place(table, source)} cannot be read: {told}; correct the file or the query."
    kind = "CSV" if _is_csv(source.path) else "Parquet"
    remedy = "write the file again"
    if kind == "Parquet" and Path(source.path).suffix.lower() not in PARQUET_ENDINGS:
        remedy = f"save it as Parquet or as CSV ({', '.join(CSV_ENDINGS[:3])})"
    return f"{place(table, source)} is not a readable {kind} file: {told}; {remedy}."


def _told(error: Exception) -> str:
    """DuckDB's own words without the kind of error, the excerpt of the query, advice and machine paths."""
    if extension := re.search(r"install the required extension '(\w+)", str(error)):
        return f"it needs DuckDB's extension {extension[1]}, which is not installed, and Keepwell fetches nothing from the network"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    more = [line for line in lines[1:3] if not line.startswith(("LINE ", "Original Line", "Possible"))]
    text = re.sub(r"^(\w+ )+Error: ", "", " ".join([lines[0], *more] if "CSV Error on Line" in lines[0] else lines[:1]))
    return re.sub(r"([\"'])/[^\"']*/([^\"'/]+)\1", r"\1\2\1", "".join(char for char in text if char.isprintable())).rstrip(
        ".!;: "
    )


def _is_csv(path: str) -> bool:
    return path.lower().endswith(CSV_ENDINGS)


def _take_in_query(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageRefused(f"the query of table {table} must be a single SELECT; correct it in keepwell.toml.")
    connection.execute(f'CREATE TEMP TABLE "raw_{table}" AS FROM ({statements[0].query.rstrip().rstrip(";")}\n)')


def located(query: str, home: Path) -> str:
    """A query whose relative file names are those beside the configuration, wherever the command is run.

    DuckDB looks in the current directory before its search path, and would quietly read another file of the same name.

    Examples
    --------
    >>> located("SELECT * FROM 'sales.csv' WHERE kind = 'a.csv'", Path("/data"))
    "SELECT * FROM '/data/sales.csv' WHERE kind = 'a.csv'"
    """

    def named(literal: re.Match[str]) -> str:
        path = literal[1].replace("''", "'")
        return literal[0] if "://" in path else "'" + str(home / path).replace("'", "''") + "'"

    def inside(call: re.Match[str]) -> str:
        return call[1] + re.sub(LITERAL, named, call[2])

    return re.sub(rf"(?i)(\b(?:from|join)\s+|\b(?:read_\w+|\w+_scan)\s*\(\s*)({LITERAL}|\[[^\]]*\])", inside, query)


def _files(home: Path, table: str, pattern: str) -> list[Path]:
    place_in_toml = f'table {table}: "{pattern}"'
    whole = home / pattern
    if whole.is_dir():
        raise DataRefused(f'{place_in_toml} is a directory; name its files, such as "{pattern.rstrip("/")}/*.parquet".')
    found = [whole] if whole.is_file() else sorted(path for path in _matches(home, pattern) if path.is_file())
    if not found and re.search(r"[*?\[]", pattern):
        raise DataRefused(f"{place_in_toml} matches no file in {home}; correct the pattern or add the files.")
    if not found:
        raise DataRefused(f"{place_in_toml} does not exist in {home}; correct the path or add the file.")
    for path in found:
        if path.stat().st_size == 0:
            raise DataRefused(f'{place_in_toml}: file "{path.name}" is empty (0 bytes); write it again or leave the table out.')
    return found


def _matches(home: Path, pattern: str) -> Iterator[Path]:
    absolute = Path(pattern)
    if absolute.is_absolute():
        return Path(absolute.anchor).glob(str(absolute.relative_to(absolute.anchor)))
    return home.glob(pattern)


def _take_in_files(connection: duckdb.DuckDBPyConnection, table: str, source: FileSource, files: list[Path]) -> None:
    if not _is_csv(source.path):
        if source.encoding:
            raise UsageRefused(f'table {table}: encoding is for CSV, but "{source.path}" is read as Parquet; remove it.')
        listed = f"read_parquet({_listed(files)}, binary_as_string = true, union_by_name = {len(files) > 1})"
        connection.execute(f'CREATE TEMP VIEW "raw_{table}" AS FROM {listed}')
        return
    if source.encoding and codecs.lookup(source.encoding).name != "utf-8":
        with tempfile.TemporaryDirectory() as scratch:
            decoded = [_decoded(path, source.encoding, Path(scratch) / f"{at}.csv", table) for at, path in enumerate(files)]
            _take_in_csv(connection, table, decoded)
        return
    try:
        _take_in_csv(connection, table, files)
    except duckdb.Error:
        for path in files:
            _refuse_if_not_utf8(path, table, source.path)
        raise


def _take_in_csv(connection: duckdb.DuckDBPyConnection, table: str, files: list[Path]) -> None:
    read = f"read_csv({_listed(files)}, all_varchar = true, header = true, skip = 0, union_by_name = {len(files) > 1})"
    connection.execute(f'CREATE TEMP TABLE "raw_{table}" AS FROM {read}')
    columns = connection.execute(f'DESCRIBE "raw_{table}"').fetchall()
    if len(columns) == 1 and (delimiter := re.search(r"[,;\t|]", columns[0][0])):
        for path in files:
            _refuse_if_uneven(path, table, delimiter[0])


def _refuse_if_uneven(path: Path, table: str, delimiter: str) -> None:
    """DuckDB takes a CSV for a single column where a row, such as the last of a truncated file, has other cells than the header."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter)
        width = len(next(reader))
        for row in reader:
            if row and len(row) != width:
                raise DataRefused(
                    f'table {table}: line {reader.line_num} of file "{path.name}" has {len(row)} cells, but its header has {width}; '
                    "write the file again."
                )


def _listed(files: list[Path]) -> str:
    """The files as an SQL list, with what DuckDB would take for a pattern escaped."""
    quoted = (re.sub(r"([*?\[])", r"[\1]", str(path)).replace("'", "''") for path in files)
    return "[" + ", ".join(f"'{path}'" for path in quoted) + "]"


def _decoded(path: Path, encoding: str, out: Path, table: str) -> Path:
    """A copy of a CSV in UTF-8."""
    try:
        with path.open("r", encoding=encoding, newline="") as read, out.open("w", encoding="utf-8", newline="") as write:
            while piece := read.read(1 << 20):
                write.write(piece)
    except UnicodeError:
        raise DataRefused(
            f'table {table}: file "{path.name}" is not {encoding}; correct its encoding in keepwell.toml.'
        ) from None
    return out


def _refuse_if_not_utf8(path: Path, table: str, pattern: str) -> None:
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        guess = guessed_encoding(content)
        raise DataRefused(
            f'table {table}: file "{path.name}" is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}, line {line}; '
            f'if it is {guess}, write {table} = {{ path = "{pattern}", encoding = "{guess}" }} in keepwell.toml, else save it as UTF-8.'
        ) from None


def guessed_encoding(content: bytes) -> str:
    """The encoding under which most of the characters beyond ASCII are everyday ones.

    Both Chinese encodings keep their frequent characters in a low block, and text of one decoded as the other falls outside it.

    Examples
    --------
    >>> guessed_encoding("商户,朝阳区餐厅".encode("gb18030")), guessed_encoding("商戶,臺北市餐廳".encode("big5"))
    ('gb18030', 'big5')
    >>> guessed_encoding("Café Zoë, Málaga".encode("cp1252"))
    'cp1252'
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    frequent = {"gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6)}
    shares = {name: _share_within(content, name, *block) for name, block in frequent.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= 0.6 else "cp1252"


def _share_within(content: bytes, encoding: str, low: int, high: int) -> float:
    text = content[: 1 << 20].decode(encoding, errors="replace")
    beyond = [char for char in text if ord(char) > 127]
    frequent = sum(low <= char.encode(encoding, errors="replace")[0] <= high for char in beyond)
    return frequent / len(beyond) if beyond else 0.0
