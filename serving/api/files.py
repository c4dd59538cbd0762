"""Answers that are files: which one is asked for, and how it is sent."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from serving.api.describing import CSV, HTML, XLSX
from serving.api.problem import Problem, clip

PIECE = 1 << 18
"""Bytes sent at a time."""
TYPES = {"csv": CSV, "xlsx": XLSX, "html": HTML}


def wanted_format(request: Request, known: tuple[str, ...]) -> str:
    """The format that `format` asks for, else the first that `Accept` names; `json` without either.

    Raises
    ------
    Problem : a format that this list has not.
    """
    given = request.query_params.get("format")
    if given is not None:
        if given not in ("json", *known):
            raise Problem("invalid-request", f"format: {clip(given)!r} is not written here; use one of json, {', '.join(known)}.")
        return given
    accepted = request.headers.get("accept", "")
    if "," in accepted or not accepted:  # a browser's list, or none
        accepted = accepted.split(",")[0]
    kind = accepted.split(";")[0].strip().lower()
    return next((name for name in known if TYPES[name] == kind and name != "html"), "json")


def attachment(content: bytes, name: str, media_type: str) -> Response:
    """A file to keep, sent in large pieces."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(len(content))}
    return StreamingResponse(_pieces(content), headers=headers, media_type=media_type)


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
