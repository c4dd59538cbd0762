"""What a scoring remembers of the runs before it, and what it leaves to be remembered.

`recalled` reads the ledger, `remembered` is pure: scoring stays a function of its inputs, and what it would add to the ledger is an `Entry`
that is committed together with the publication. A run of an earlier cutoff than the last one changes no warning and draws nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from serving.holdout import HOLD, drawn
from serving.ledger import Entry, Ledger
from serving.ledger.runs import SCORED
from serving.ledger.schema import decisions, overrides
from serving.overrides import lapsing
from serving.rules.grade import Graded, Rules
from serving.rules.warnings import SEVERITIES
from serving.watch import State, Today, watch

GONE = "churned"
ANY = "any"
"""The action under which the save rate of all actions together is kept."""
KEPT = ("severity", "owner", "opened_on", "due_on", "escalations", "is_held_out")
PLAYED = ("words_en", "words_zh", "measure", "play_en", "play_zh", "save_rate", "cost")


@dataclass(frozen=True)
class Memory:
    """What the ledger knew before a run.

    Attributes
    ----------
    previous : tier and stage of the run before. rates : measured save rates by action. decided : standing decisions of the holdout.
    overrides : in force. after : the number of the last run. is_backdated : the ledger has a run of a later cutoff.
    """

    previous: pd.DataFrame | None
    rates: Mapping[str, float]
    state: State
    decided: pd.DataFrame
    overrides: pd.DataFrame
    after: int
    is_backdated: bool

    def in_force(self, day: date) -> pd.DataFrame:
        """The overrides that still hold at a scoring of this day."""
        return self.overrides[~self.overrides["override_no"].isin(lapsing(self.overrides, day)["override_no"])]

    def save_rates(self, rules: Rules) -> dict[str, float]:
        """Measured save rates for every action of the rules: its own, else that of all together; none while nothing is known."""
        rates = dict(self.rates)
        return {key: rates.get(key, rates.get(ANY, np.nan)) for key in rules.book.keys if key in rates or ANY in rates}


def recalled(ledger: Ledger, day: date, rules: Rules) -> Memory:
    """What the ledger knows on the eve of a run."""
    longest = max((kind.cooldown_days for kind in rules.warnings), default=0)
    last = ledger.last_cutoff()
    standing = decisions.c.decided_on <= day, decisions.c.until > day
    return Memory(
        previous=ledger.previous_grades(day),
        rates=ledger.save_rates(day),
        state=ledger.warning_state(day, longest),
        decided=ledger.table("decisions", *standing),
        overrides=ledger.table("overrides", overrides.c.lapsed_on.is_(None)),
        after=ledger.last_run(),
        is_backdated=last is not None and day < last,
    )


@dataclass(frozen=True)
class Remembered:
    """What a run says of warnings and arms, and adds to the ledger; `entry` still lacks the run's id."""

    arms: pd.DataFrame
    warnings: pd.DataFrame
    entry: Entry
    waiting: int


def remembered(
    memory: Memory, rules: Rules, graded: Graded, merchants: pd.DataFrame, day: date, horizon_days: int, header: Mapping[str, Any]
) -> Remembered:
    """Draw the holdout, go through the warnings, and write down what the ledger is to add.

    Parameters
    ----------
    merchants : those of the run: its scores, money, grades, `worth_acting`, `gmv_before`.
    horizon_days : from a decision to the day its outcome is known.
    """
    if memory.is_backdated:
        return Remembered(_arms(memory.decided, pd.DataFrame(), merchants.index), graded.warnings, Entry(header, _scores(merchants), after=memory.after), 0)
    new = _drawn(memory, rules, merchants, day, horizon_days, str(header.get("data_fingerprint")))
    arms = _arms(memory.decided, new, merchants.index)
    done = watch(memory.state, _today(rules, graded, merchants.assign(arm=arms["arm"]), day), rules.watch)
    parts = {name: getattr(done, name) for name in ("opened", "changed", "woken", "rearmed", "told")}
    ending = lapsing(memory.overrides, day)
    entry = Entry(header, _scores(merchants), drawn=new, lapsed=ending, after=memory.after, **parts)
    return Remembered(arms, _published(done.standing, rules, graded, merchants.index, day), entry, done.waiting)


def _drawn(memory: Memory, rules: Rules, merchants: pd.DataFrame, day: date, horizon_days: int, seed: str) -> pd.DataFrame:
    is_new = merchants["worth_acting"].to_numpy(bool) & ~merchants.index.isin(memory.decided["merchant_id"])
    return drawn(merchants[is_new], rules.holdout.share, seed, day, horizon_days)


def _arms(decided: pd.DataFrame, new: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """`arm` and `propensity` of each merchant; None and NaN for those never drawn."""
    standing = [frame[["merchant_id", "arm", "propensity"]] for frame in (decided, new) if len(frame)]
    if not standing:
        return pd.DataFrame({"arm": pd.Series(None, index=index, dtype=object), "propensity": np.nan}, index=index)
    table = pd.concat(standing).drop_duplicates("merchant_id", keep="last").set_index("merchant_id").reindex(index)
    return table.assign(arm=table["arm"].astype(object).where(table["arm"].notna(), None))


def _today(rules: Rules, graded: Graded, merchants: pd.DataFrame, day: date) -> Today:
    facts = pd.DataFrame(
        {
            "owner": merchants["owner"] if "owner" in merchants else pd.Series(None, index=merchants.index, dtype=object),
            "churn_risk": merchants["churn_risk"].astype(float),
            "value_at_risk": merchants["value_at_risk"].astype(float),
            "gmv_before": merchants["gmv_before"].astype(float),
            "is_held_out": (merchants["arm"] == HOLD).to_numpy(bool),
            "is_lost": (merchants["stage_by_rules"] == GONE).to_numpy(bool),
        },
        index=merchants.index,
    )
    kinds = {kind.kind: kind for kind in rules.warnings}
    return Today(day, graded.warnings[["merchant_id", "kind", "severity", "value"]], graded.staying, facts, kinds, tuple(graded.inactive))


def _scores(merchants: pd.DataFrame) -> pd.DataFrame:
    """What the ledger keeps of a run's scores; tier and stage as the rules have them."""
    kept = merchants.assign(tier=merchants["tier_by_rules"], stage=merchants["stage_by_rules"])
    return kept[[name for name in SCORED if name in kept]]


def _published(standing: pd.DataFrame, rules: Rules, graded: Graded, index: pd.Index, day: date) -> pd.DataFrame:
    """The open warnings that are not snoozed: a merchant's most severe first, with the words and the play of their kind."""
    pairs = ["merchant_id", "kind"]
    awake = standing["snoozed_until"].isna() if "snoozed_until" in standing else slice(None)
    table = standing.loc[awake, [*pairs, *KEPT]]
    table = table.merge(graded.staying[[*pairs, "value"]], how="left", on=pairs).merge(graded.warnings[[*pairs, *PLAYED]], how="left", on=pairs)
    own = {kind.kind: kind for kind in rules.warnings}
    for name, told in _own_words(own).items():
        table[name] = table[name].where(table[name].notna(), table["kind"].map(told))
    table["is_new"] = table["opened_on"] == pd.Timestamp(day)
    for name in ("opened_on", "due_on"):
        table[name] = table[name].dt.strftime("%Y-%m-%d")
    level = table["severity"].map({name: place for place, name in enumerate(SEVERITIES)}).to_numpy(np.float64)
    place = table["kind"].map({name: place for place, name in enumerate(own)}).to_numpy(np.float64)
    return table.iloc[np.lexsort((place, -level, index.get_indexer(pd.Index(table["merchant_id"], dtype=object))))].reset_index(drop=True)


def _own_words(kinds: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The words of each kind, for warnings that stay open within their looser bound."""
    return {
        "words_en": {kind: rule.words.en for kind, rule in kinds.items()},
        "words_zh": {kind: rule.words.zh for kind, rule in kinds.items()},
        "measure": {kind: rule.when[0].name for kind, rule in kinds.items()},
        "play_en": {kind: rule.play.words.en for kind, rule in kinds.items()},
        "play_zh": {kind: rule.play.words.zh for kind, rule in kinds.items()},
        "save_rate": {kind: rule.play.save_rate for kind, rule in kinds.items()},
    }
