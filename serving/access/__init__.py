"""Who is asking, what he may do, and whose merchants he sees."""

from __future__ import annotations

from serving.access.who import LOCAL, Right, Role, Who, needs

__all__ = ["LOCAL", "Right", "Role", "Who", "needs"]
