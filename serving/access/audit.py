"""What leaves the house, written down before it leaves: who took which list, how many merchants, of which run."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from features.errors import Refused
from serving.access.callers import Access
from serving.access.keys import tell
from serving.access.who import Right, roles_with
from serving.api.problem import Problem


def may(request: Request, right: Right) -> None:
    """Refuse a caller without a right that an endpoint's mark cannot tell, because it hangs on how it is asked.

    Raises
    ------
    Problem : he has it not.
    """
    who = request.state.who
    if not who.may(right):
        roles = ", ".join(roles_with(right))
        raise Problem("forbidden", f"{who.name} is {who.role} and has no right to {right}; that takes a key of role {roles}.")


def audit_export(request: Request, exported: str, rows: int, run_id: str, **detail: Any) -> None:
    """Write an export down, before its first byte is sent: what is not written down is not handed out. It blocks, so call it in a thread.

    Parameters
    ----------
    exported : the list, such as `at_risk.csv`.
    detail : how it was asked for.

    Raises
    ------
    Problem : the caller has no right to export, or the ledger cannot be written.
    """
    may(request, "export")
    access: Access = request.app.state.access
    ledger = access.keyring.opened()
    if ledger is None:  # nothing was ever scored with this state, so there is no ledger to keep it in
        raise Problem("no-ledger", "there is no ledger to write the export down in; type `keepwell score` first.")
    line = {"list": exported, "rows": rows, **{name: value for name, value in detail.items() if value is not None}}
    try:
        with ledger.writing() as connection:
            tell(connection, "exported", request.state.who.name, access.clock(), line, run_id)
    except Refused:
        detail_of = "the ledger cannot be written, and what is not written down is not handed out; try again in a minute."
        raise Problem("no-ledger", detail_of, headers={"Retry-After": "5"}) from None
