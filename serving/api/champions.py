"""The champion as the API holds it: loaded after every check, replaced as one whole when another one is promoted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread

from features.errors import ModelRefused
from serving.api.problem import Problem
from serving.champion import MODEL, POINTER, Champion, StoppedError, champion_pointer, load_champion

log = logging.getLogger(__name__)
Signature = tuple[int, int, int]
ENDING = 5
"""Seconds that a load under way has to end."""


@dataclass(frozen=True)
class Held:
    """What was found when the pointer had a signature: a champion, or why there is none."""

    signature: Signature | None
    champion: Champion | None
    refusal: str = ""


class Champions:
    """The champion of a state directory.

    A look at the pointer tells whether another one was promoted. It is then checked and loaded beside the answers, which go on with the one
    before; one that does not pass leaves the one before in place until the pointer changes again.
    """

    def __init__(self, state_dir: Path, model: str = MODEL) -> None:
        self.state_dir, self.model = Path(state_dir), model
        self._held = Held(None, None)
        self._seen: Signature | None = None
        self._loading = Lock()
        self._stopped = Event()
        self._beside: Thread | None = None

    def now(self) -> Champion:
        """The champion that serves; the first one is waited for.

        Raises
        ------
        Problem : there is none that can be used.
        """
        if self.look() is None:
            self.load()
        if self._held.champion is None:
            raise Problem("no-model", self._held.refusal)
        return self._held.champion

    def look(self) -> Champion | None:
        """The champion that is held, without waiting for one; has another one checked where the pointer says so."""
        signature, held = self._signature(), self._held
        if held.champion is not None and signature not in (None, held.signature, self._seen):
            self._seen = signature
            self._begin(self.load)
        return held.champion

    def preload(self, then: Callable[[Champion], object]) -> None:
        """Load the first champion beside everything else, and do with it what `then` says, so that nobody who asks waits for either.

        Where none is promoted nothing is done, and nothing is said.
        """
        if self._signature() is not None:
            self._begin(lambda: self._preload(then))

    def _preload(self, then: Callable[[Champion], object]) -> None:
        self.load()
        if self._held.champion is not None and not self._stopped.is_set():
            then(self._held.champion)

    def _begin(self, work: Callable[[], None]) -> None:
        self._beside = Thread(target=work, name="champion", daemon=True)
        self._beside.start()

    def stop(self) -> None:
        """Give up what is being loaded, at once and without a word."""
        self._stopped.set()
        if self._beside is not None:
            self._beside.join(ENDING)

    def load(self) -> None:
        """Load the champion that the pointer names, unless that one is held already."""
        with self._loading:
            signature = self._signature()
            if signature is not None and signature == self._held.signature:
                return
            try:
                self._held = Held(signature, self._loaded(self._held.champion))
            except StoppedError:
                return
            except ModelRefused as refused:
                words = str(refused).replace(f"{self.state_dir}/", "").replace(str(self.state_dir), "the state directory")
                log.warning("the champion was not taken over: %s", words)
                self._held = Held(signature, self._held.champion, words)

    def _loaded(self, held: Champion | None) -> Champion:
        """The champion that the pointer names; one that is held already was checked when it was loaded, and its name is that of its content."""
        pointer = champion_pointer(self.state_dir)
        if held is not None and held.model_version == pointer["model_version"]:
            return replace(held, pointer=pointer)
        return load_champion(self.state_dir, model=self.model, stopped=self._stopped.is_set)

    @property
    def refusal(self) -> str:
        """Why the promoted model does not serve; empty where it does."""
        return self._held.refusal

    @property
    def is_refused(self) -> bool:
        """Whether the promoted model was looked at and does not serve; none promoted is none refused."""
        return bool(self._held.refusal) and self._held.signature is not None

    def _signature(self) -> Signature | None:
        try:
            stat = (self.state_dir / POINTER).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
