"""GET /v1/retrospectives: merchants that were lost, each looked back on."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.asking import asked, place, published, ready, who
from serving.api.describing import describes
from serving.api.published import View
from serving.api.schemas import Lang, RetrospectivesAnswer, RetrospectivesQuestion
from serving.retrospect_kept import FILE, kept


@describes("retrospectives", RetrospectivesAnswer, question=RetrospectivesQuestion, problems=("run-gone",), has_tag=True)
async def retrospectives(request: Request) -> Response:
    """Merchants that were lost: was there a warning, did anybody act, why did they leave, and which rule would have caught them."""
    return await ready(request, _retrospectives, _written(request))


def _written(request: Request) -> tuple[int, int] | None:
    """When the look back was kept."""
    try:
        stat = (published(request).state_dir / FILE).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _retrospectives(request: Request, view: View) -> RetrospectivesAnswer:
    question = asked(request, RetrospectivesQuestion)
    where = place(request, question)
    found = kept(published(request).state_dir) or {}
    seen = where.view.run.merchants.index
    rows = [row for row in found.get("lost" if question.kind == "lost" else "newcomers", []) if row["merchant_id"] in seen]
    for name in ("cause", "tier", "owner"):
        wanted = getattr(question, name)
        rows = rows if wanted is None else [row for row in rows if row.get(name) == wanted]
    told = [_told(row | {"likes": [like for like in row.get("likes", []) if like["merchant_id"] in seen]}, question.lang) for row in rows[where.rows]]
    for row in told:
        if "likes_with_same_signs" in row:
            row["likes_with_same_signs"] = [name for name in row["likes_with_same_signs"] if name in seen]
    return RetrospectivesAnswer(
        **where.facts(len(rows)) | {"horizon_days": found.get("horizon_days", where.facts(0)["horizon_days"])},
        as_of=found.get("as_of"),
        since=found.get("since"),
        notes=found.get(f"notes_{question.lang}", []),
        sums=found.get("sums") if who(request).sees_all else None,
        rows=told,
    )


def _told(value: Any, lang: Lang) -> Any:
    """Plain data in one language: `note_en` and `note_zh` become `note`, or `note_words` where `note` is a code."""
    if isinstance(value, list):
        return [_told(one, lang) for one in value]
    if not isinstance(value, dict):
        return value
    other = "_zh" if lang == "en" else "_en"
    own = {name: name.removesuffix(f"_{lang}") for name in value if not name.endswith(other)}
    return {plain if plain == name or plain not in value else f"{plain}_words": _told(value[name], lang) for name, plain in own.items()}


ROUTES = (Route("/v1/retrospectives", retrospectives),)
