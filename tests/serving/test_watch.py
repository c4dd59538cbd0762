"""Warnings over time, told day by day in tables; then a random history on a real ledger, with restarts, missed days and people."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serving.ledger import Entry, Ledger
from serving.ledger.acts import Disposition, record, snooze
from serving.rules.team import Watch
from serving.watch import State, Today, Watched, watch

FIRST = date(2026, 1, 1)
KINDS = {
    "risk": SimpleNamespace(cooldown_days=14, escalate=1.5, due_days=3),
    "silent": SimpleNamespace(cooldown_days=0, escalate=2.0, due_days=7),
}
SEVERITY = {"risk": "critical", "silent": "medium"}


def today(
    day: int,
    conditions: dict[tuple[str, str], str],
    *,
    values: dict[str, float] | None = None,
    risks: dict[str, float] | None = None,
    owners: dict[str, str] | None = None,
    kinds: dict[str, Any] = KINDS,
    **more: Any,
) -> Today:
    """A day on which each merchant and kind is `on`, `loose` (only the looser bound holds) or off."""
    ids = pd.Index(sorted({merchant for merchant, _ in conditions} | {"a", "b"}), name="merchant_id")
    merchants = pd.DataFrame(
        {
            "owner": pd.Series([(owners or {}).get(one) for one in ids], index=ids, dtype=object),
            "churn_risk": [(risks or {}).get(one, 0.5) for one in ids],
            "value_at_risk": [(values or {}).get(one, 100.0) for one in ids],
            "gmv_before": 1000.0,
            "is_held_out": [one in more.get("held_out", ()) for one in ids],
            "is_lost": [one in more.get("lost", ()) for one in ids],
        },
        index=ids,
    )

    def rows(wanted: tuple[str, ...]) -> pd.DataFrame:
        pairs = [pair for pair, state in conditions.items() if state in wanted]
        table = pd.DataFrame(pairs, columns=["merchant_id", "kind"], dtype=object)
        return table.assign(severity=table["kind"].map(SEVERITY).astype(object), value=np.arange(len(table), dtype=float))

    return Today(FIRST + timedelta(days=day), rows(("on",)), rows(("on", "loose")), merchants, kinds, more.get("blind", ()))


class Story:
    """Days of warnings on a ledger of its own."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or f"sqlite:///{folder / 'ledger.db'}"
        self.ledger = Ledger.at(self.url)
        self.settings = Watch(per_owner_and_day=2, wake_on_jump=0.15)
        self.runs = 0

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.at(self.url)

    def state(self, day: date) -> State:
        return self.ledger.warning_state(day, 14)

    def day(self, now: Today) -> Watched:
        done = watch(self.state(now.day), now, self.settings)
        self.runs += 1
        header = {"run_id": f"r{self.runs}", "cutoff": str(now.day), "model_version": "m", "rules_hash": "r", "created_at": "t"}
        parts = {name: getattr(done, name) for name in ("opened", "changed", "woken", "rearmed", "told")}
        self.ledger.commit_run(Entry(header, pd.DataFrame(index=now.merchants.index), after=self.ledger.last_run(), **parts))
        return done

    def done(self, merchant: str, outcome: str, day: int, kind: str | None = None) -> None:
        with self.ledger.writing() as connection:
            record(connection, Disposition(f"k{self.runs}{merchant}{kind}{outcome}", merchant, FIRST + timedelta(days=day), outcome, kind), "t")

    @property
    def fired(self) -> list[tuple[str, str, int]]:
        rows = self.ledger.table("warnings")
        return [(one.merchant_id, one.kind, (one.opened_on.date() - FIRST).days) for one in rows.itertuples()]

    @property
    def log(self) -> list[str]:
        return self.ledger.table("audit").query("what != 'run'")["what"].tolist()


@pytest.fixture
def story(tmp_path: Path) -> Any:
    one = Story(tmp_path)
    yield one
    one.ledger.close()


def of(state: str) -> dict[tuple[str, str], str]:
    return {("a", "risk"): state}


def test_it_fires_on_entry_and_not_while_it_stays(story: Story) -> None:
    for day in (0, 1, 2, 9, 30):
        story.day(today(day, of("on")))
    assert story.fired == [("a", "risk", 0)] and story.log == ["fired"]


def test_it_stays_within_the_looser_bound_and_a_recurrence_updates_it(story: Story) -> None:
    for day, state in enumerate(("on", "loose", "loose", "on", "on")):
        story.day(today(day, of(state)))
    warning = story.ledger.open_warnings().iloc[0]
    assert len(story.fired) == 1 and warning["recurrences"] == 1 and warning["is_holding"]
    assert warning["turned_on"] == pd.Timestamp("2026-01-04")


def test_it_closes_below_the_bound_and_is_quiet_for_the_cool_down(story: Story) -> None:
    for day, state in {0: "on", 1: "off", 2: "on", 14: "on", 15: "on"}.items():
        story.day(today(day, of(state)))
    assert story.fired == [("a", "risk", 0), ("a", "risk", 15)]


def test_after_a_person_closed_it_it_waits_until_something_changed(story: Story) -> None:
    story.day(today(0, of("on")))
    story.done("a", "no issue", 0)
    for day, state in {1: "on", 40: "on", 41: "loose", 42: "on"}.items():
        story.day(today(day, of(state)))
    assert len(story.fired) == 1, "nothing changed since it was closed"
    for day, state in {43: "off", 44: "on"}.items():
        story.day(today(day, of(state)))
    assert story.fired[-1] == ("a", "risk", 44)


def test_a_deed_that_settles_nothing_closes_nothing(story: Story) -> None:
    story.day(today(0, of("on")))
    story.done("a", "attempted", 0)
    assert len(story.ledger.open_warnings()) == 1


def test_missing_data_is_no_recovery(story: Story) -> None:
    story.day(today(0, of("on")))
    story.day(today(1, of("off"), blind=("risk",)))
    assert story.ledger.open_warnings()["is_holding"].tolist() == [True]


def test_a_kind_that_the_rules_lost_closes_and_says_so(story: Story) -> None:
    story.day(today(0, of("on")))
    story.day(today(1, {}, kinds={"silent": KINDS["silent"]}))
    assert story.ledger.table("warnings")["closed_why"].tolist() == ["rule removed"]


def test_a_merchant_that_left_closes_as_lost(story: Story) -> None:
    story.day(today(0, of("on")))
    story.day(today(1, of("off"), lost=("a",)))
    assert story.ledger.table("warnings")["closed_why"].tolist() == ["lost"]


def test_it_escalates_when_the_value_at_risk_has_grown_and_once_only(story: Story) -> None:
    silent = {("a", "silent"): "on"}
    for day, value in enumerate((100, 199, 200, 250, 399, 400)):
        story.day(today(day, silent, values={"a": value}))
    warning = story.ledger.open_warnings().iloc[0]
    assert story.log == ["fired", "escalated", "escalated"]
    assert (warning["severity"], warning["escalations"], warning["escalated_from"]) == ("critical", 2, 400)
    assert warning["due_on"] == pd.Timestamp("2026-01-08"), "never later than before"


def test_a_value_first_known_later_is_no_growth(story: Story) -> None:
    for day, value in enumerate((np.nan, 100, 120)):
        story.day(today(day, of("on"), values={"a": value}))
    assert story.log == ["fired"] and story.ledger.open_warnings()["escalated_from"].tolist() == [100]


def test_a_snooze_hides_until_its_day_or_wakes_early_when_the_risk_jumps(story: Story) -> None:
    both = {("a", "risk"): "on", ("b", "risk"): "on"}
    story.day(today(0, both))
    with story.ledger.writing() as connection:
        for merchant in "ab":
            assert snooze(connection, merchant, None, FIRST + timedelta(days=10), "holiday", 0.5, "Ann", "t") == ("risk",)
    assert story.day(today(1, both, risks={"b": 0.64})).standing["snoozed_until"].notna().all()
    standing = story.day(today(2, both, risks={"b": 0.66})).standing.set_index("merchant_id")
    assert standing["snoozed_until"].notna().to_dict() == {"a": True, "b": False}
    assert story.day(today(10, both)).standing["snoozed_until"].isna().all()
    assert story.log[-2:] == ["woken early", "snooze over"]
    assert len(story.fired) == 2


def test_an_owner_gets_no_more_than_so_many_a_day_the_dearest_first(story: Story) -> None:
    all_on = {(one, "risk"): "on" for one in "abcde"}
    owners = dict.fromkeys("abcd", "Ann")
    values = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    done = story.day(today(0, all_on, owners=owners, values=values))
    assert [merchant for merchant, *_ in story.fired] == ["c", "d", "e"] and done.waiting == 2, "without an owner there is no cap"
    story.day(today(0, all_on, owners=owners, values=values))
    assert len(story.fired) == 3, "the same day again gives nobody more"
    story.day(today(1, all_on, owners=owners, values=values))
    assert sorted(merchant for merchant, *_ in story.fired) == ["a", "b", "c", "d", "e"]


def test_who_is_left_alone_takes_nobody_s_place(story: Story) -> None:
    all_on = {(one, "risk"): "on" for one in "abcd"}
    story.day(today(0, all_on, owners=dict.fromkeys("abcd", "Ann"), held_out=("a", "b")))
    warnings = story.ledger.open_warnings().set_index("merchant_id")
    assert warnings["is_held_out"].to_dict() == {"a": True, "b": True, "c": False, "d": False}


def test_owner_and_due_date_are_given_and_follow_the_owner(story: Story) -> None:
    story.day(today(0, of("on"), owners={"a": "Ann"}))
    story.day(today(1, of("on"), owners={"a": "Ben"}))
    warning = story.ledger.open_warnings().iloc[0]
    assert (warning["owner"], warning["due_on"]) == ("Ben", pd.Timestamp("2026-01-04"))


PAIRS = [(merchant, kind) for merchant in "abc" for kind in KINDS]
CONDITIONS = st.fixed_dictionaries({pair: st.sampled_from(["on", "loose", "off"]) for pair in PAIRS})
NUMBERS = st.fixed_dictionaries({merchant: st.sampled_from([0.0, 10.0, 16.0, 30.0]) for merchant in "abc"})
OWNERS = {"a": "Ann", "b": "Ann", "c": "Ann"}


class AnyHistory(RuleBasedStateMachine):
    """Days in any rhythm, reruns, restarts, deeds and snoozes."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.story = Story(Path(self.folder.name))
        self.at, self.now = 0, today(0, {})

    @rule(missed=st.integers(1, 16), conditions=CONDITIONS, values=NUMBERS)
    def a_later_day(self, missed: int, conditions: dict[tuple[str, str], str], values: dict[str, float]) -> None:
        self.at += missed
        self.now = today(self.at, conditions, values=values, risks={one: value / 40 for one, value in values.items()}, owners=OWNERS)
        before = self.story.ledger.table("warnings")
        state = self.story.state(self.now.day)
        done = self.story.day(self.now)
        self.check_everything_is_explained(conditions, state, done, before)

    def check_everything_is_explained(
        self, conditions: dict[tuple[str, str], str], state: State, done: Watched, before: pd.DataFrame
    ) -> None:
        is_open = {(one.merchant_id, one.kind) for one in self.story.ledger.open_warnings().itertuples()}
        was_open = {(one.merchant_id, one.kind) for one in state.open.itertuples()}
        quiet = 0
        for pair, how in conditions.items():
            if pair in was_open:
                assert (pair in is_open) == (how != "off")
            elif how != "on":
                assert pair not in is_open
            elif pair not in is_open:
                last = before[(before["merchant_id"] == pair[0]) & (before["kind"] == pair[1])]
                cooling = len(last) and last["closed_on"].iloc[-1] + pd.Timedelta(days=KINDS[pair[1]].cooldown_days) > pd.Timestamp(self.now.day)
                quiet += bool(cooling or (len(last) and pd.isna(last["rearmed_on"].iloc[-1])))
        missing = [pair for pair, how in conditions.items() if how == "on" and pair not in is_open]
        assert len(missing) == quiet + done.waiting

    @rule()
    def the_same_day_again(self) -> None:
        before = self.story.ledger.table("warnings")
        done = self.story.day(self.now)
        assert done.opened.empty and done.changed.empty and done.woken.empty and done.rearmed.empty and done.told.empty
        pd.testing.assert_frame_equal(self.story.ledger.table("warnings"), before)

    @rule()
    def a_restart(self) -> None:
        self.story.restart()

    @rule(merchant=st.sampled_from("abc"), outcome=st.sampled_from(["resolved", "wrong alarm", "attempted"]))
    def a_deed(self, merchant: str, outcome: str) -> None:
        self.story.runs += 1
        self.story.done(merchant, outcome, self.at)

    @rule(merchant=st.sampled_from("abc"), days=st.integers(1, 20))
    def a_snooze(self, merchant: str, days: int) -> None:
        with self.story.ledger.writing() as connection:
            risk = float(self.now.merchants["churn_risk"].get(merchant, np.nan))
            snooze(connection, merchant, None, FIRST + timedelta(days=self.at + days), "holiday", risk, None, "t")

    @invariant()
    def nothing_repeats(self) -> None:
        """No kind fires twice inside its cool-down, nobody gets more than the cap, and each fired once in the audit."""
        warnings = self.story.ledger.table("warnings")
        for (_, kind), rows in warnings.groupby(["merchant_id", "kind"]):
            assert rows["closed_on"].iloc[:-1].notna().all()
            pause = rows["opened_on"].iloc[1:].to_numpy() - rows["closed_on"].iloc[:-1].to_numpy()
            assert (pause >= np.timedelta64(KINDS[kind].cooldown_days, "D")).all()
        assert (warnings.groupby("opened_on").size() <= self.story.settings.per_owner_and_day).all()
        assert self.story.log.count("fired") == len(warnings)

    def teardown(self) -> None:
        self.story.ledger.close()
        self.folder.cleanup()


AnyHistory.TestCase.settings = hypothesis_settings(max_examples=8, stateful_step_count=14, deadline=None)
TestAnyHistory = AnyHistory.TestCase


@pytest.mark.slow
class TestManyHistories(AnyHistory.TestCase):
    """The same for longer."""

    settings = hypothesis_settings(max_examples=60, stateful_step_count=20, deadline=None)
