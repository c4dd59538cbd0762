"""A run as the API holds it, with all that is made of it, each thing once."""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from typing import Any, Literal

from serving.access import Who
from serving.access.scope import ScopedRun
from serving.api.kept import Kept
from serving.lists import Listing, at_risk, growth, run_facts
from serving.live import Surroundings
from serving.reasons.numbers import Lang
from serving.run import Run

SCOPES = 64
"""How many callers' parts of a run are kept; of more the one that was not asked for the longest is made again."""
SCOPED_BYTES = 1 << 20
"""Ready answers kept for each of them."""


class View:
    """A run and what is made of it, each thing once.

    Attributes
    ----------
    before : the run before, where it is still published.
    kept : ready answers. predicted : ready predictions, by language and whether with reasons, of the ids asked for.
    stated : the warnings with their state, after what the ledger was known to hold.
    """

    def __init__(self, run: Run, before: Run | None = None) -> None:
        self.run, self.before = run, before
        self.kept = Kept(SCOPED_BYTES) if isinstance(run, ScopedRun) else Kept()
        self.predicted: dict[tuple[Lang, bool], dict[str, bytes]] = {}
        self.stated: tuple[Any, Any] = (None, None)
        self._told: dict[Lang, dict[str, list[dict[str, Any]]]] = {}
        # neither knows the view itself: a view that is let go of is gone at once, with all its answers, and waits for no garbage to be looked for
        self.listing = lru_cache(maxsize=32)(partial(_listing, run))
        self.scoped = lru_cache(maxsize=SCOPES)(partial(_scoped, run, before))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Run, model, cutoff and currency, as every answer carries them."""
        return run_facts(self.run)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What merchants that are sent with their events are compared with: the whole run's, whoever asks."""
        return Surroundings(self.run.whole if isinstance(self.run, ScopedRun) else self.run)

    def told(self, lang: Lang) -> dict[str, list[dict[str, Any]]]:
        """The reasons of each merchant that has any, in a language, risk before growth and the strongest first."""
        if lang not in self._told:
            table = self.run.reasons
            names = {
                "head": "head",
                "direction": "direction",
                "group": f"group_{lang}",
                "sentence": f"sentence_{lang}",
                "contribution": "contribution",
            }
            found: dict[str, list[dict[str, Any]]] = {}
            for merchant, *values in zip(table["merchant_id"], *(table[name].tolist() for name in names.values()), strict=True):
                found.setdefault(merchant, []).append(dict(zip(names, values, strict=True)))
            self._told[lang] = found
        return self._told[lang]

    def within(self, who: Who) -> View:
        """This run with nothing but the merchants that a caller may see."""
        return self if who.sees_all else self.scoped(*who.scope)


def _scoped(run: Run, before: Run | None, owners: frozenset[str] | None, regions: frozenset[str] | None) -> View:
    return View(ScopedRun.of(run, Who("scoped", "viewer", owners, regions)), before)


def _listing(
    run: Run, kind: Literal["at_risk", "growth"], capacity: int | None, tier: str | None, owner: str | None, lang: Lang
) -> Listing:
    return {"at_risk": at_risk, "growth": growth}[kind](run, capacity=capacity, tier=tier, owner=owner, lang=lang)
