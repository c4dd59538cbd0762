"""The published run as the API holds it: in memory, and replaced as one whole when another run becomes current."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Literal

from features.errors import Refused
from serving.access import Who
from serving.access.scope import ScopedRun
from serving.api.champions import Champions
from serving.api.kept import Kept
from serving.api.problem import Problem
from serving.explain import explain
from serving.lists import Listing, at_risk, growth, run_facts
from serving.live import Surroundings
from serving.reasons.numbers import Lang
from serving.run import POINTER, Run, current_run, published, read_run

log = logging.getLogger("keepwell.runs")
OTHERS = 2
SCOPES = 64
"""How many callers' parts of a run are kept; of more the one that was not asked for the longest is made again."""
SCOPED_BYTES = 1 << 20
"""Ready answers kept for each of them."""
Signature = tuple[int, int, int]
Ahead = Callable[["View", Callable[[], bool]], object]


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
        self.listing = lru_cache(maxsize=32)(self._listing)
        self.scoped = lru_cache(maxsize=SCOPES)(self._scoped)

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
            names = {"head": "head", "direction": "direction", "group": f"group_{lang}", "sentence": f"sentence_{lang}", "contribution": "contribution"}
            found: dict[str, list[dict[str, Any]]] = {}
            for merchant, *values in zip(table["merchant_id"], *(table[name].tolist() for name in names.values()), strict=True):
                found.setdefault(merchant, []).append(dict(zip(names, values, strict=True)))
            self._told[lang] = found
        return self._told[lang]

    def within(self, who: Who) -> View:
        """This run with nothing but the merchants that a caller may see."""
        return self if who.sees_all else self.scoped(*who.scope)

    def _scoped(self, owners: frozenset[str] | None, regions: frozenset[str] | None) -> View:
        return View(ScopedRun.of(self.run, Who("scoped", "viewer", owners, regions)), self.before)

    def _listing(
        self, kind: Literal["at_risk", "growth"], capacity: int | None, tier: str | None, owner: str | None, lang: Lang
    ) -> Listing:
        return {"at_risk": at_risk, "growth": growth}[kind](self.run, capacity=capacity, tier=tier, owner=owner, lang=lang)


@dataclass(frozen=True)
class Held:
    """What was found when the pointer had a signature: a run, or why there is none. Replaced whole."""

    signature: Signature | None
    view: View | None
    refusal: str = ""


class Published:
    """The runs of a state directory.

    A look at the pointer's inode, time and size tells whether another run stands. One caller then loads it, the others go on with the
    run before. A run that cannot be loaded leaves the one before in place until the pointer changes again.

    Parameters
    ----------
    ahead : called in a thread of its own with each run that comes to stand, and with what tells whether it still does.
    """

    def __init__(self, state_dir: Path, ahead: Ahead | None = None) -> None:
        self.ahead = ahead
        self.state_dir = Path(state_dir)
        self.champions = Champions(self.state_dir)
        self._held = Held(None, None, "nothing was read yet")
        self._loading = Lock()
        self._others: OrderedDict[str, View] = OrderedDict()

    def now(self) -> View:
        """The run that stands.

        Raises
        ------
        Problem : no run is published, or the only one is damaged.
        """
        signature = self._signature()
        held = self._held
        if held.signature != signature or signature is None:
            held = self._reload(signature, wait=held.view is None)
        if held.view is None:
            raise Problem("no-run", held.refusal)
        return held.view

    @property
    def at_hand(self) -> View | None:
        """The run that stands, where nothing has to be read for it; None where `now` has to look."""
        held = self._held
        return held.view if held.signature is not None and held.signature == self._signature() else None

    @property
    def refusal(self) -> str:
        """Why the newest run cannot be served; empty where it is."""
        return self._held.refusal

    @property
    def refused(self) -> list[Literal["run", "model"]]:
        """What was published or promoted last and cannot be used while what stood before it serves on."""
        found: dict[Literal["run", "model"], bool] = {
            "run": bool(self._held.view and self._held.refusal),
            "model": self.champions.is_refused,
        }
        return [name for name, is_refused in found.items() if is_refused]

    def of(self, run_id: str) -> View:
        """A run by its id, for whoever is still paging through it.

        Raises
        ------
        Problem : it is no longer published, or cannot be read.
        """
        current = self._held.view
        if current and current.run.run_id == run_id:
            return current
        if run_id not in published(self.state_dir):
            raise Problem("run-gone", f"run {run_id} is no longer published; leave out the cursor to begin with the current run.")
        with self._loading:
            if run_id not in self._others:
                self._others[run_id] = View(self._read(run_id))
            while len(self._others) > OTHERS:
                self._others.popitem(last=False)
            return self._others[run_id]

    def _signature(self) -> Signature | None:
        try:
            stat = (self.state_dir / "runs" / POINTER).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _reload(self, signature: Signature | None, wait: bool) -> Held:
        if not self._loading.acquire(blocking=wait):
            return self._held
        try:
            if self._held.signature != signature or signature is None:
                before, self._held = self._held.view, self._load(signature)
                if self.ahead and self._held.view not in (None, before):
                    view = self._held.view
                    Thread(target=self.ahead, args=(view, lambda: self._held.view is view), name="ahead", daemon=True).start()
            return self._held
        finally:
            self._loading.release()

    def _load(self, signature: Signature | None) -> Held:
        try:
            run = current_run(self.state_dir)
            before = self._held.view
            view = before if before and before.run.run_id == run.run_id else View(run, self._previous(run))
            _warm(view)
            log.info("run %s stands", run.run_id)
            return Held(signature, view)
        except Refused as refused:
            log.log(logging.WARNING if self._held.view else logging.INFO, "the newest run is not served: %s", refused)
            return Held(signature, self._held.view if signature else None, _for_callers(refused, self.state_dir))

    def _previous(self, run: Run) -> Run | None:
        """The run before a run; without what was made of it while it stood, which nobody asks for any more."""
        name, held = run.header.get("previous"), self._held.view
        if held and held.run.run_id == name:
            return replace(held.run)
        try:
            return read_run(self.state_dir, name) if name in published(self.state_dir) else None
        except Refused:
            return None

    def _read(self, run_id: str) -> Run:
        try:
            return read_run(self.state_dir, run_id)
        except Refused as refused:
            raise Problem("run-gone", _for_callers(refused, self.state_dir)) from None


def _warm(view: View) -> None:
    """Read and sort now what the answers are made of, so that nobody waits for it."""
    view.listing("at_risk", None, None, None, "en")
    with suppress(KeyError):  # a run of an older Keepwell lacks a table that one of the answers needs; whoever asks for that is told
        for merchant in view.run.merchants.index[:1]:
            explain(view.run, str(merchant), previous=view.before)
            view.told("en")


def _for_callers(refused: Refused, state_dir: Path) -> str:
    """A refusal without the places of this machine."""
    return str(refused).replace(f"{state_dir}/", "").replace(str(state_dir), "the state directory")
