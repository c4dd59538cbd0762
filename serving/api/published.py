"""The published run as the API holds it: in memory, and replaced as one whole when another run becomes current."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from features.errors import Refused
from serving.access import Who
from serving.api.problem import Problem
from serving.lists import Listing, at_risk, growth, run_facts
from serving.reasons.numbers import Lang
from serving.run import POINTER, Run, current_run, published, read_run

OTHERS = 2
Signature = tuple[int, int, int]


class View:
    """A run and the lists made of it, each made once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.listing = lru_cache(maxsize=32)(self._listing)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Run, model, cutoff and currency, as every answer carries them."""
        return run_facts(self.run)

    def within(self, who: Who) -> View:
        """This run with nothing but the merchants that a caller may see."""
        return self if who.sees_all else self._within(who)

    def _within(self, who: Who) -> View:
        raise NotImplementedError

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
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = Path(state_dir)
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
                self._held = self._load(signature)
            return self._held
        finally:
            self._loading.release()

    def _load(self, signature: Signature | None) -> Held:
        try:
            run = current_run(self.state_dir)
            before = self._held.view
            view = before if before and before.run.run_id == run.run_id else View(run)
            view.listing("at_risk", None, None, None, "en")  # read now, so that nobody waits for it
            return Held(signature, view)
        except Refused as refused:
            return Held(signature, self._held.view if signature else None, _for_callers(refused, self.state_dir))

    def _read(self, run_id: str) -> Run:
        try:
            return read_run(self.state_dir, run_id)
        except Refused as refused:
            raise Problem("run-gone", _for_callers(refused, self.state_dir)) from None


def _for_callers(refused: Refused, state_dir: Path) -> str:
    """A refusal without the places of this machine."""
    return str(refused).replace(f"{state_dir}/", "").replace(str(state_dir), "the state directory")
