"""Files that are whole or not there, and manifests that say whether they still are what was written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = 1


def digest(content: bytes) -> str:
    """The sha256 of a file's content in hex."""
    return sha256(content).hexdigest()


def write_file(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in place of another in one step: a reader sees the old one or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_file(partial, content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def manifest_of(files: Mapping[str, bytes], **facts: object) -> bytes:
    """A manifest: format, facts, and the sha256 of each file."""
    content = {"format": FORMAT, **facts, "files": {name: digest(files[name]) for name in sorted(files)}}
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def read_manifest(directory: Path, refuse: Callable[[str], Exception]) -> dict[str, object]:
    """The manifest of a directory; raises `refuse(what is wrong)` where it cannot be one."""
    try:
        content = json.loads((directory / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise refuse(f"{MANIFEST} is missing") from None
    except (OSError, ValueError) as error:
        raise refuse(f"{MANIFEST} cannot be read ({error})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("files"), dict):
        raise refuse(f"{MANIFEST} is not of format {FORMAT}")
    return content


def checked_files(directory: Path, refuse: Callable[[str], Exception]) -> dict[str, bytes]:
    """Every file of a directory as bytes that match the manifest; raises `refuse(what is wrong)` at the first that does not."""
    files: dict[str, bytes] = {}
    for name, expected in sorted(dict(read_manifest(directory, refuse)["files"]).items()):  # type: ignore[call-overload]
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise refuse(f"{MANIFEST} names a file outside, {name!r}")
        try:
            files[name] = (directory / name).read_bytes()
        except OSError:
            raise refuse(f"file {name} is missing or cannot be read") from None
        if digest(files[name]) != expected:
            raise refuse(f"file {name} is damaged (its sha256 is {digest(files[name])[:12]}…, expected {str(expected)[:12]}…)")
    return files
