"""The client: one method for each thing that the service does for other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import httpx

from .answers import AtRisk, Growing, Lang, PredictAnswer, Run, SentMerchant, Warned
from .calling import Calling, Retries
from .errors import RunChanged
from .paging import Paged

BATCH = 1000
ROUNDS = 3


class Client:
    """A service of Keepwell.

    Parameters
    ----------
    address : such as "https://keepwell.example.com". key : an API key, see `keepwell keys add`; none for a service on this machine without keys.
    timeout : seconds for one attempt.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:3000", key="kw_example")
    >>> client.close()
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:3000",
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "keepwell-client"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, transport=transport)
        self._call = Calling(self._http, retries or Retries())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def ready(self) -> Run:
        """The run that is served; an error while there is none."""
        return cast(Run, self._call("GET", "/readyz"))

    def at_risk(self, *, limit: int = 500, lang: Lang = "en", **filters: str | int | None) -> Paged[AtRisk]:
        """Who to act on first; `filters` such as owner, tier, stage, region, capacity; `limit` rows a page."""
        return Paged(self._call, "/v1/at-risk", {"limit": limit, "lang": lang, **filters})

    def growth(self, *, limit: int = 500, lang: Lang = "en", **filters: str | int | None) -> Paged[Growing]:
        """Who is about to grow."""
        return Paged(self._call, "/v1/growth", {"limit": limit, "lang": lang, **filters})

    def warnings(self, *, limit: int = 500, lang: Lang = "en", **filters: str | int | None) -> Paged[Warned]:
        """The calls to act; `filters` such as kind and severity."""
        return Paged(self._call, "/v1/warnings", {"limit": limit, "lang": lang, **filters})

    def merchant(self, merchant_id: str, *, lang: Lang = "en") -> dict[str, Any]:
        """Everything the run says of one merchant."""
        return cast("dict[str, Any]", self._call("GET", _of(merchant_id), query={"lang": lang}))

    def reasons(self, merchant_id: str, *, lang: Lang = "en") -> dict[str, Any]:
        """Why a merchant may leave or grow."""
        return cast("dict[str, Any]", self._call("GET", f"{_of(merchant_id)}/reasons", query={"lang": lang}))

    def history(self, merchant_id: str) -> dict[str, Any]:
        """What the ledger knows of a merchant."""
        return cast("dict[str, Any]", self._call("GET", f"{_of(merchant_id)}/history"))

    def record(self, merchant_id: str, *, key: str | None = None, **done: Any) -> dict[str, Any]:
        """Write down what was done for a merchant and what came of it: outcome, done_on, kind, offer, cost, note.

        Parameters
        ----------
        key : your own for this deed, so that it counts once however often it is sent, also by another process; one is made where none is given.
        """
        return cast("dict[str, Any]", self._call("POST", f"{_of(merchant_id)}/dispositions", body=done, key=key or uuid4().hex))

    def predict(self, merchant_ids: Iterable[str], *, explain: bool = False, lang: Lang = "en") -> PredictAnswer:
        """The scores of any number of merchants as of the published run, a thousand a call, all of one run.

        Raises
        ------
        RunChanged : runs were published faster than this could be answered.
        """
        return self._predicted("merchant_ids", list(merchant_ids), {"explain": explain, "lang": lang})

    def predict_events(self, merchants: Iterable[SentMerchant], *, explain: bool = False, lang: Lang = "en", **must_be: str) -> PredictAnswer:
        """The scores of merchants from events that are sent along; `must_be` is `cutoff` or `currency`, refused if the run has another."""
        return self._predicted("merchants", list(merchants), {"explain": explain, "lang": lang, **must_be})

    def retrospectives(self, **query: str | int | None) -> dict[str, Any]:
        """What came of past warnings and lists."""
        return cast("dict[str, Any]", self._call("GET", "/v1/retrospectives", query=query))

    def portfolio(self, **query: str | None) -> dict[str, Any]:
        """What all merchants look like together."""
        return cast("dict[str, Any]", self._call("GET", "/v1/portfolio", query=query))

    def model(self) -> dict[str, Any]:
        """The model of the run, and the run itself."""
        return cast("dict[str, Any]", self._call("GET", "/v1/model"))

    def _predicted(self, name: str, asked: Sequence[Any], options: dict[str, Any]) -> PredictAnswer:
        def ask(part: Sequence[Any]) -> PredictAnswer:
            return cast(PredictAnswer, self._call("POST", "/v1/predict", body={name: part, **options}))

        if not asked:
            return cast(PredictAnswer, {**self.ready(), "horizon_days": 0, "predictions": []})
        return _of_one_run(ask, [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)])


def _of_one_run(ask: Callable[[Sequence[Any]], PredictAnswer], parts: Sequence[Sequence[Any]]) -> PredictAnswer:
    """All parts as one answer; parts that an older run answered than the last one are asked for again."""
    answers = [ask(part) for part in parts]
    for _ in range(ROUNDS):
        last = (answers[-1]["run_id"], answers[-1]["model_version"])
        old = [place for place, one in enumerate(answers) if (one["run_id"], one["model_version"]) != last]
        if not old:
            merged = [one for answer in answers for one in answer["predictions"]]
            return cast(PredictAnswer, {**answers[-1], "predictions": merged})
        for place in (*old, len(parts) - 1):  # the last one too, so that it tells the run that stands
            answers[place] = ask(parts[place])
    raise RunChanged(0, {"type": "run-changed", "detail": "new runs were published all the while, so no answer of one run could be had; ask again later."})


def _of(merchant_id: str) -> str:
    return f"/v1/merchants/{quote(merchant_id, safe='')}"
