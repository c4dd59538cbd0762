"""`keepwell proof` from the ledger and the market: settle what is due, measure, keep measured save rates, and put it into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select

from features.cutoffs import day_date
from features.snapshot import Market
from serving.effect import Estimate
from serving.ledger import Ledger
from serving.ledger.bulk import add, read
from serving.ledger.runs import write_audit
from serving.ledger.schema import outcomes, rates
from serving.outcomes import settled
from serving.proof import Proof, joined, measured_rates, proof
from serving.warning_report import warning_report

FIELDS = ("save_rate", "low", "high")


@dataclass(frozen=True)
class Proven:
    """What the ledger proves by now: the effect, the measured save rates, and the report of the warnings."""

    effect: Proof
    rates: pd.DataFrame
    warnings: pd.DataFrame
    as_of: str


def proven(ledger: Ledger, market: Market, recorded_at: str, power: float = 0.8) -> Proven:
    """Settle all outcomes that are due, measure the effect, and write measured save rates down for the next scoring.

    Parameters
    ----------
    recorded_at : the present time as text.
    power : the chance to notice the hoped-for effect that the number still needed is for.
    """
    settle(ledger, market)
    decisions, known, deeds = ledger.table("decisions"), ledger.table("outcomes"), ledger.table("dispositions")
    take_rate = market.settings.economics.take_rate
    table = joined(decisions, known, deeds)
    whole = proof(table, take_rate=take_rate, power=power)
    rates_now = measured_rates(table, whole, take_rate=take_rate, power=power)
    as_of = day_date(market.source.end_day)
    _keep(ledger, rates_now, as_of, recorded_at)
    report = warning_report(ledger.table("warnings"), known, deeds, market.settings.churn.active_days)
    return Proven(whole, rates_now, report, f"{as_of:%Y-%m-%d}")


def settle(ledger: Ledger, market: Market) -> int:
    """Add the outcomes of decisions and warnings that are known by now; returns how many."""
    asked = [
        ledger.table(name)[["merchant_id", since]].rename(columns={since: "since"})
        for name, since in (("decisions", "decided_on"), ("warnings", "opened_on"))
    ]
    waiting = pd.concat(asked, ignore_index=True).drop_duplicates()
    known = ledger.table("outcomes")[["merchant_id", "since"]].assign(is_known=True)
    new = waiting.merge(known, how="left", on=["merchant_id", "since"])
    found = settled(market, new.loc[new["is_known"].isna(), ["merchant_id", "since"]])
    with ledger.writing() as connection:
        there = pd.MultiIndex.from_frame(read(connection, select(outcomes.c.merchant_id, outcomes.c.since)))
        if len(found):  # somebody else may have settled them meanwhile
            found = found[~pd.MultiIndex.from_frame(found[["merchant_id", "since"]]).isin(there)]
        add(connection, outcomes, found)
    return len(found)


def _keep(ledger: Ledger, found: pd.DataFrame, as_of: pd.Timestamp, recorded_at: str) -> None:
    """Write measured save rates down, those that are news."""
    before = ledger.table("rates").drop_duplicates("action", keep="last").set_index("action")[list(FIELDS)]
    had = before.reindex(found["action"]).to_numpy(float)
    news = ~np.isclose(had, found[list(FIELDS)].to_numpy(float), equal_nan=False).all(axis=1) if len(found) else np.zeros(0, bool)
    fresh = found[news]
    if fresh.empty:
        return
    rows = fresh.assign(measured_on=as_of.as_unit("s"), recorded_at=recorded_at)
    with ledger.writing() as connection:
        add(connection, rates, rows)
        told = pd.DataFrame({"what": "save rate", "kind": fresh["action"], "detail": fresh.drop(columns="action").to_dict("records")})
        write_audit(connection, told, at=recorded_at)


def facts(done: Proven) -> dict[str, Any]:
    """The proof for machines."""
    effect = done.effect
    numbers = {name: getattr(effect, name) for name in ("matured", "waiting", "acted", "left_alone", "spent", "closed_businesses", "verdict")}
    numbers |= {name: round(getattr(effect, name), 4) for name in ("acted_on", "spilled", "assumed", "hoped")}
    numbers |= {name: _interval(getattr(effect, name)) for name in ("kept", "saved_rate", "gmv", "saved", "net")}
    needed = None if effect.needed is None else round(effect.needed)
    table = done.warnings.astype(object).where(done.warnings.notna(), None).reset_index()
    measured = done.rates.to_dict("records")
    return {"as_of": done.as_of, **numbers, "needed": needed, "still_needed": effect.still_needed, "rates": measured, "warnings": table.to_dict("records")}


def _interval(found: Estimate | None) -> dict[str, float] | None:
    return None if found is None else {name: round(getattr(found, name), 4) for name in ("value", "low", "high")}


VERDICTS = {
    "helps": "Acting helps.",
    "harms": "Acting harms: more of those acted on left than of those left alone.",
    "no effect": "No effect of acting was found, though there was enough to notice the one hoped for.",
    "cannot tell yet": "Cannot tell yet whether acting helps.",
}


def told(done: Proven, currency: str) -> list[str]:
    """The proof in words, the verdict first."""
    effect = done.effect
    lines = [f"{VERDICTS[effect.verdict]} As of {done.as_of}."]
    if not effect.matured and not effect.waiting:
        return [*lines, "Nobody was drawn yet; a share above 0 in [holdout] of rules.toml leaves some alone, and `keepwell score` draws them."]
    lines.append(
        f"{effect.matured:,} decisions have an outcome ({effect.acted:,} to act on, {effect.left_alone:,} left alone), {effect.waiting:,} wait for theirs; "
        f"something was done for {effect.acted_on:.0%} of those to act on and {effect.spilled:.0%} of those to leave alone."
    )
    lines += [_need(effect)] if not effect.is_known else []
    if effect.kept and effect.gmv and effect.saved and effect.net:
        lines += [] if effect.is_known else ["So far, too uncertain to rely on:"]
        lines += [
            f"Kept: {_points(effect.kept)} of every 100 worth acting on.",
            f"Sales: {_money(effect.gmv, currency)} for each of them over the horizon.",
            f"Saved: {_money(effect.saved, currency)}; spent {effect.spent:,.0f} {currency}; left: {_money(effect.net, currency)}.",
        ]
    if effect.saved_rate:
        used = "used from now on instead of" if effect.is_known else "not yet used; the rules assume"
        lines.append(f"Save rate of acting: {_percent(effect.saved_rate)}, {used} {effect.assumed:.0%}.")
    lines += [f"{effect.closed_businesses:,} businesses closed, which no call could have prevented."] if effect.closed_businesses else []
    return lines


def _need(effect: Proof) -> str:
    if effect.needed is None:
        return "No number of decisions would tell: nothing was done for those to act on, or nobody is left alone. Record what is done."
    more = effect.still_needed or 0
    if more:
        return f"About {more:,} more are needed to notice the effect that the save rates of the rules promise ({effect.hoped:.1%} of all worth acting on)."
    return "There are decisions enough, but too few left or stayed in one of the arms to rely on an interval, or nothing was done."


def _points(found: Estimate) -> str:
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _percent(found: Estimate) -> str:
    return f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"


def _money(found: Estimate, currency: str) -> str:
    return f"{found.value:,.0f} ({found.low:,.0f} to {found.high:,.0f}) {currency}"
