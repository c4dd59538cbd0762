"""Files that commands leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import UsageRefused
from features.whole import write_together


def test_files_that_belong_together_are_all_there_and_nothing_else(tmp_path: Path) -> None:
    write_together({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b"2"}


def test_where_one_cannot_be_written_none_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(UsageRefused, match="no/b cannot be written"):
        write_together({tmp_path / "a": b"after", tmp_path / "no" / "b": b"after"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"before"}
