"""Files that are there whole or not at all, alone or together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from features.errors import UsageRefused


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    write_together({path: content})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together: none takes its place before all of them are written.

    Raises
    ------
    UsageRefused
        One cannot be written; those that stood there stand unchanged.
    """
    partials = {path: path.with_name(f".{path.name}.partial-{os.getpid()}") for path in files}
    path = Path()
    try:
        for path, content in files.items():
            partials[path].write_bytes(content)
        for path, partial in partials.items():
            partial.replace(path)
    except OSError as error:
        raise UsageRefused(f"{path} cannot be written ({error.strerror}); name a file in a directory that exists.") from None
    finally:
        for partial in partials.values():
            with suppress(OSError):
                partial.unlink()
