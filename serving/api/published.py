"""The published run as the API holds it: in memory, and replaced as one whole when another run becomes current."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Literal

from features.errors import Refused
from serving.api.champions import Champions
from serving.api.problem import Problem
from serving.api.view import View
from serving.explain import explain
from serving.run import POINTER, Run, current_run, published, read_run, run_before

__all__ = ["Published", "View"]
log = logging.getLogger("keepwell.runs")
OTHERS = 2
FAULT = "the newest run could not be loaded because of a fault of Keepwell; look into the server's log."
Signature = tuple[int, int, int]
LOOK_SECONDS = 0.5
"""How often it is looked whether another run stands; a look takes microseconds."""
ENDING = 5
"""Seconds that what is being prepared has to end."""
IsWanted = Callable[[], bool]
Ahead = Callable[[View, IsWanted], object]


@dataclass(frozen=True)
class Held:
    """What was found when the pointer had a signature: a run, or why there is none. Replaced whole."""

    signature: Signature | None
    view: View | None
    refusal: str = ""


class Published:
    """The runs of a state directory.

    A look at the pointer's inode, time and size tells whether another run stands. One caller then loads it, the others go on with the
    run before; with `follow` a thread does both, and no caller waits for it. A run that cannot be loaded leaves the one before in place
    until the pointer changes again.

    Parameters
    ----------
    ahead : called in a thread of its own with each run that comes to stand, and with what tells whether it still does.

    Attributes
    ----------
    prepare : called with each run that `follow` finds, before anybody sees it, and with what tells whether to go on.
    """

    def __init__(self, state_dir: Path, ahead: Ahead | None = None) -> None:
        self.ahead = ahead
        self.prepare: Ahead = lambda view, is_wanted: None
        self.state_dir = Path(state_dir)
        self.champions = Champions(self.state_dir)
        self._held = Held(None, None, "nothing was read yet")
        self._loading = Lock()
        self._others: OrderedDict[str, View] = OrderedDict()
        self._reading = Lock()
        self._stopped = Event()
        self._following: Thread | None = None
        self._beside: Thread | None = None

    def follow(self) -> None:
        """Load and prepare the run that stands; from now on look for others, prepare them beside the answers, and only then let them be seen."""
        self._look()
        self._following = Thread(target=self._follow, name="runs", daemon=True)
        self._following.start()

    def stop(self) -> None:
        """Give up what is being prepared, without a word."""
        self._stopped.set()
        for beside in (self._following, self._beside):
            if beside is not None:
                beside.join(ENDING)

    def now(self) -> View:
        """The run that stands.

        Raises
        ------
        Problem : no run is published, or the only one is damaged.
        """
        signature = self._signature()
        held = self._held
        if signature is None or held.view is None or (held.signature != signature and self._following is None):
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
        return self.beside(run_id)

    def beside(self, run_id: str) -> View:
        """A run by its id that does not stand.

        Raises
        ------
        Problem : it is no longer published, or cannot be read.
        """
        if run_id not in published(self.state_dir):
            raise Problem("run-gone", f"run {run_id} is no longer published; leave out the cursor to begin with the current run.")
        with self._reading:
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

    def _follow(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # whatever it is, the run after this one is still looked for
                log.exception("the newest run could not be loaded")
                self._held = replace(self._held, signature=self._signature(), refusal=FAULT)

    def _look(self) -> None:
        signature = self._signature()
        if signature != self._held.signature:
            self._reload(signature, wait=True, is_followed=True)

    def _reload(self, signature: Signature | None, wait: bool, is_followed: bool = False) -> Held:
        if not self._loading.acquire(blocking=wait):
            return self._held
        try:
            if self._held.signature != signature or signature is None:
                before, found = self._held.view, self._load(signature)
                view = found.view if found.view is not before else None
                if view and is_followed:
                    self.prepare(view, lambda: not self._stopped.is_set())
                self._held = found
                if view and self.ahead:
                    self._beside = Thread(target=self.ahead, args=(view, self._whether_wanted(view)), name="ahead", daemon=True)
                    self._beside.start()
            return self._held
        finally:
            self._loading.release()

    def _whether_wanted(self, view: View) -> IsWanted:
        return lambda: self._held.view is view and not self._stopped.is_set()

    def _load(self, signature: Signature | None) -> Held:
        try:
            run = current_run(self.state_dir)
            before = self._held.view
            view = before if before and before.run.run_id == run.run_id else View(run, self._previous(run))
            if view.before:  # read already, and asked for by the first page
                with self._reading:
                    self._others.setdefault(view.before.run_id, View(view.before))
            _warm(view)
            log.info("run %s stands", run.run_id)
            return Held(signature, view)
        except Refused as refused:
            log.log(logging.WARNING if self._held.view else logging.INFO, "the newest run is not served: %s", refused)
            return Held(signature, self._held.view if signature else None, _for_callers(refused, self.state_dir))

    def _previous(self, run: Run) -> Run | None:
        """The run before a run; without what was made of it while it stood, which nobody asks for any more."""
        held = self._held.view
        if held and held.run.run_id == run.header.get("previous"):
            return replace(held.run)
        return run_before(self.state_dir, run)

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
