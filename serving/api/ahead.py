"""The answers about single merchants, made before anybody asks: those of the at-risk list first, as many as are kept.

An answer that is made when it is asked for takes about a millisecond, so this only takes the tail off the first minute after a run; it rests
between two merchants, so that it never takes more than a part of the interpreter from those who ask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from time import sleep

from serving.api.endpoints.merchants import merchant_answer
from serving.api.kept import Ready
from serving.api.published import View

log = logging.getLogger(__name__)
SHARE = 0.75
"""Of what is kept; the rest is for whatever else is asked."""
REST = 0.01
"""Seconds between two merchants."""


def make_ahead(view: View, is_wanted: Callable[[], bool], rest: float = REST) -> int:
    """Make the answers of a run that stands; returns how many.

    Parameters
    ----------
    is_wanted : whether the run still stands.
    """
    made = 0
    for merchant in _in_order(view):
        if view.kept.bytes >= SHARE * view.kept.most_bytes or not is_wanted():
            break
        asking = (f"/v1/merchants/{merchant}", b"", None)
        if view.kept.get(asking) is None:
            try:
                answer = merchant_answer(view, merchant, "en")
            except KeyError as lacking:  # a run of an older Keepwell; whoever asks is told
                log.warning("answers are not made ahead of run %s, which lacks %s", view.run.run_id, lacking)
                break
            view.kept.put(asking, Ready.of(answer.model_dump_json().encode()))
            made += 1
            sleep(rest)
    return made


def _in_order(view: View) -> Iterator[str]:
    listed = dict.fromkeys(map(str, view.listing("at_risk", None, None, None, "en").rows["merchant_id"]))
    yield from listed
    yield from (merchant for merchant in map(str, view.run.merchants.index) if merchant not in listed)
