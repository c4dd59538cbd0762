"""GET /export.csv and /export.xlsx: the list as the page shows it, to take away; written down before it is handed out."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import needs
from serving.access.audit import audit_export
from serving.api.asking import standing
from serving.api.endpoints.page import board_at, ledger_of
from serving.export import to_csv, to_xlsx
from serving.lists import Listing
from serving.page.at_risk import AtRiskQuestion
from serving.page.desk import desk_of
from serving.page.taking import taken
from serving.page.visiting import asked_of, guarded, today_of, visit_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _exporting(kind: str, written: Callable[[Listing], bytes], media_type: str) -> Callable[[Request], Response]:
    def export(request: Request) -> Response:
        """The list as a file."""
        asked, view = asked_of(request, AtRiskQuestion), standing(request)
        board = board_at(request, view)
        desk = desk_of(board, ledger_of(request), today_of(request, view))
        found = taken(board, desk, asked, visit_of(request, "at_risk", view))
        narrowed = {name: value for name, value in asked.filters.items() if value is not None}
        audit_export(request, f"at_risk.{kind}", len(found.rows), view.run.run_id, **narrowed)
        name = f"keepwell-at-risk-{view.run.cutoff}.{kind}"
        return Response(written(found), media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    return guarded(needs("export")(export))


ROUTES = (
    Route("/export.csv", _exporting("csv", to_csv, "text/csv; charset=utf-8")),
    Route("/export.xlsx", _exporting("xlsx", to_xlsx, XLSX)),
)
