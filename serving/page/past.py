"""What happened to a merchant, from the ledger, as dated lines in words: for the history and the marks of the chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Literal

import pandas as pd

from serving.explain import rules_of
from serving.lists import words
from serving.page.formats import absent, as_date
from serving.page.visit import Visit
from serving.page.words import WORDS
from serving.run import Run

Sort = Literal["warning", "act", "event", "change"]
ACTS = ("disposition", "snoozed", "acknowledged", "assigned", "overridden", "lifted", "undone", "unsnoozed")
UNTOLD = ("rearmed", "drawn")


@dataclass(frozen=True)
class Happened:
    """One line of a merchant's past."""

    day: date
    words: str
    sort: Sort
    actor: str | None = None
    note: str | None = None


def past(run: Run, history: Mapping[str, pd.DataFrame], runs: pd.DataFrame, visit: Visit) -> list[Happened]:
    """Everything that the ledger knows of a merchant, the latest first.

    Parameters
    ----------
    history : as `Ledger.history` has it. runs : the ledger's table of runs.
    """
    lines = [*_audited(run, history["audit"], visit), *_drawn(history["decisions"], visit), *_moves(run, history["scores"], runs, visit)]
    return sorted(lines, key=lambda line: line.day, reverse=True)


def kind_words(run: Run, kind: str, visit: Visit) -> str:
    """What a kind of warning is called."""
    told = (getattr(one.words, visit.lang) for one in rules_of(run).warnings if one.kind == kind)
    return str(next(told, kind.replace("_", " ")))


def _audited(run: Run, audit: pd.DataFrame, visit: Visit) -> Iterator[Happened]:
    for line in audit.to_dict("records"):
        what, detail = str(line["what"]), line["detail"] if isinstance(line["detail"], dict) else {}
        if what not in UNTOLD:
            is_act = what in ACTS or (what == "closed" and not absent(line["actor"]))
            day = detail.get("done_on") or (line["at"] if absent(line["cutoff"]) else line["cutoff"])
            told = _told(run, what, {**detail, "kind": line["kind"]}, visit)
            yield Happened(as_date(str(day)[:10]), told, "act" if is_act else "warning", _text(line["actor"]), _text(detail.get("note")))


def _told(run: Run, what: str, detail: dict[str, Any], visit: Visit) -> str:
    t, f = visit.t, visit.f
    filled = {name: "" if absent(value) else str(value) for name, value in detail.items()}
    filled["kind"] = kind_words(run, filled["kind"], visit) if filled.get("kind") else ""
    if detail.get("outcome"):
        filled["outcome"] = _known(f"o_{detail['outcome']}", visit, str(detail["outcome"]))
    if detail.get("closed_why"):
        filled["why"] = _known(f"why_{detail['closed_why']}", visit, str(detail["closed_why"]))
    if detail.get("until"):
        filled["until"] = f.day(detail["until"])
    if detail.get("field"):
        filled["field"] = t(f"m_{detail['field']}")
    try:
        return t(f"h_{what}", **filled)
    except KeyError:  # something of a later version of the ledger
        return t("h_other", what=what.replace("_", " "))


def _known(key: str, visit: Visit, otherwise: str) -> str:
    return visit.t(key) if key in WORDS else otherwise


def _drawn(decisions: pd.DataFrame, visit: Visit) -> Iterator[Happened]:
    for line in decisions.to_dict("records"):
        yield Happened(as_date(line["decided_on"]), visit.t(f"h_{line['arm']}"), "event")


def _moves(run: Run, scores: pd.DataFrame, runs: pd.DataFrame, visit: Visit) -> Iterator[Happened]:
    """Changes of tier and stage, and of what decides on them, from one run to the next."""
    t = visit.t
    table = scores.merge(runs[["run_id", "model_version", "rules_hash"]], on="run_id", how="left").to_dict("records")
    for before, after in pairwise(table):
        day = as_date(after["cutoff"])
        for name, kind in (("tier", "tiers"), ("stage", "stages")):
            if before[name] != after[name] and not absent(before[name]) and not absent(after[name]):
                told = [one[name] if name == "tier" else words(run, kind, one[name], visit.lang) for one in (before, after)]  # type: ignore[arg-type]
                yield Happened(day, t(f"h_{name}", before=told[0], after=told[1]), "event")
        if before["model_version"] != after["model_version"]:
            yield Happened(day, t("h_model", version=after["model_version"]), "change")
        if before["rules_hash"] != after["rules_hash"]:
            yield Happened(day, t("h_rules"), "change")


def _text(value: Any) -> str | None:
    return None if absent(value) or value == "" else str(value)
