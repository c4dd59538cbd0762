"""The champion as the API holds it: loaded after every check, replaced as one whole when another one is promoted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from features.errors import ModelRefused
from serving.api.problem import Problem
from serving.champion import MODEL, POINTER, Champion, load_champion

log = logging.getLogger(__name__)
Signature = tuple[int, int, int]


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

    def now(self) -> Champion:
        """The champion that serves; the first one is waited for.

        Raises
        ------
        Problem : there is none that can be used.
        """
        signature, held = self._signature(), self._held
        if held.signature != signature or signature is None:
            if held.champion is None:
                self.load()
            elif signature != self._seen and signature is not None:
                self._seen = signature
                Thread(target=self.load, name="champion", daemon=True).start()
        if self._held.champion is None:
            raise Problem("no-model", self._held.refusal)
        return self._held.champion

    def load(self) -> None:
        """Load the champion that the pointer names, unless that one is held already."""
        with self._loading:
            signature = self._signature()
            if signature is not None and signature == self._held.signature:
                return
            try:
                self._held = Held(signature, load_champion(self.state_dir, model=self.model))
            except ModelRefused as refused:
                words = str(refused).replace(f"{self.state_dir}/", "").replace(str(self.state_dir), "the state directory")
                log.warning("the champion was not taken over: %s", words)
                self._held = Held(signature, self._held.champion, words)

    @property
    def refusal(self) -> str:
        """Why the promoted model does not serve; empty where it does."""
        return self._held.refusal

    def _signature(self) -> Signature | None:
        try:
            stat = (self.state_dir / POINTER).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
