"""A caller: a person or an app, its role, and the merchants it may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Role = Literal["viewer", "retention", "analyst", "engineer", "admin"]
Right = Literal["see", "act", "export", "predict", "model", "manage"]
RIGHTS: dict[Role, frozenset[Right]] = {
    "viewer": frozenset({"see"}),
    "retention": frozenset({"see", "act", "export"}),
    "analyst": frozenset({"see", "export", "predict", "model"}),
    "engineer": frozenset({"see", "export", "predict", "model"}),
    "admin": frozenset({"see", "act", "export", "predict", "model", "manage"}),
}
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Who:
    """A caller.

    Attributes
    ----------
    name : as the audit names him.
    owners, regions : only merchants of these account managers or regions; all if both are None. A merchant is seen if either holds.
    """

    name: str
    role: Role
    owners: frozenset[str] | None = None
    regions: frozenset[str] | None = None

    def may(self, right: Right) -> bool:
        """Whether the role holds a right."""
        return right in RIGHTS[self.role]

    @property
    def scope(self) -> tuple[frozenset[str] | None, frozenset[str] | None]:
        """What tells callers apart who see different merchants: part of whatever is kept for more than one request."""
        return self.owners, self.regions

    @property
    def sees_all(self) -> bool:
        """Whether no merchant is hidden from him."""
        return self.owners is None and self.regions is None

    def sees(self, merchants: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows of a table with the columns `owner` and `region` he may see."""
        if self.sees_all:
            return np.ones(len(merchants), dtype=bool)
        seen = np.zeros(len(merchants), dtype=bool)
        for column, allowed in (("owner", self.owners), ("region", self.regions)):
            if allowed is not None and column in merchants:
                seen |= merchants[column].isin(allowed).to_numpy(bool)
        return seen


LOCAL = Who("local", "admin")
"""Whoever calls a service without keys: someone at this very machine."""
NOBODY = Who("nobody", "viewer", frozenset(), frozenset())
"""Whoever has shown no key, where none is asked for: he sees no merchant."""


def needs(right: Right, *, whole: bool = False) -> Callable[[Handler], Handler]:
    """Mark an endpoint with the right that it needs; without a mark it is `see`.

    Parameters
    ----------
    whole : it tells of all merchants together, so only those may ask from whom none is hidden.
    """

    def marked(handler: Handler) -> Handler:
        handler.right, handler.whole = right, whole  # type: ignore[attr-defined]
        return handler

    return marked


def roles_with(right: Right) -> list[Role]:
    """The roles that hold a right."""
    return [role for role, rights in RIGHTS.items() if right in rights]
