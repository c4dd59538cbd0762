# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tuning the rules
#
# A threshold is a bargain: lower, and more leavers are warned of; higher, and fewer calls are wasted. This notebook goes back over weeks that
# are over, and counts for each threshold how many warnings a week it would have raised, and what they caught.
#
# On a platform of your own only the first cell changes: point `Market.open` at your `keepwell.toml`.

# %%
import tempfile
from datetime import timedelta
from pathlib import Path

import pandas as pd

from features.simulate import simulate
from features.cutoffs import day_date, day_number
from features.snapshot import Market

scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
market = Market.open(simulate(folder / "market", merchants=400, seed=11))
print(f"{len(market.merchants)} merchants, {day_date(market.source.first_day):%d %b %Y} to {day_date(market.source.last_day):%d %b %Y}")

# %% [markdown]
# ## Weeks that are over
#
# The model knows only what was known before the first of these weeks, and the outcome of the last one is known by now: so what is counted
# here is what would have happened.

# %%
from training.backtest import trained

horizon = market.settings.churn.horizon_days
last = day_date(market.source.end_day - horizon).date()
weeks = [last - timedelta(days=7 * back) for back in range(11, -1, -1)]
model, _ = trained(market, as_of=day_number(weeks[0]))
print(f"{len(weeks)} weeks, {weeks[0]} to {weeks[-1]}; each merchant is followed for {horizon} days")

# %%
from serving.score import with_scores
from training.labels import labels

snapshots = market.snapshots(weeks)
past = [(week, with_scores(market, snapshots.xs(pd.Timestamp(week), level="cutoff"), model)) for week in weeks]
left = {week: labels(market, day_number(week), market.source.end_day)["churned"] for week in weeks}
in_cohort = past[-1][1]["churn_risk"].notna()
print(f"in the last week {in_cohort.sum()} merchants were scored; {left[last].reindex(past[-1][1].index[in_cohort]).mean():.0%} of them left")

# %% [markdown]
# ## One threshold after another
#
# `Rehearsal` goes through the weeks as the real watch does: a warning fires once when its condition begins to hold, stays open within the
# looser bound, and is quiet for its cool-down after it closed. Only the threshold of the churn warning changes.

# %%
from serving.rules import parse_rules, read_rules, setting_values
from serving.rules.preview import Rehearsal

built_in = read_rules(None)
WHEN = 'when = [{ name = "churn_risk", op = ">=", value = 0.5 }]\nuntil = [{ name = "churn_risk", op = "<", value = 0.38 }]'
assert WHEN in built_in.text
values = setting_values(market.settings)


def rules_at(threshold: float):
    """The built-in rules with another threshold of the churn warning; it closes a quarter below."""
    bounds = WHEN.replace("0.5", f"{threshold}").replace("0.38", f"{threshold * 0.75:.3f}")
    return parse_rules(built_in.text.replace(WHEN, bounds))


def warned_at(threshold: float) -> pd.DataFrame:
    """The churn warnings that this threshold would have raised, and whether the merchant left."""
    rehearsal = Rehearsal(rules_at(threshold), values)
    for week, merchants in past:
        rehearsal.day(week, merchants)
    fired = rehearsal.table().query("kind == 'churn_risk'")
    outcome = [left[day.date()].get(name) for name, day in zip(fired["merchant_id"], fired["opened_on"])]
    return fired.assign(left=outcome, threshold=threshold)


thresholds = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
warned = pd.concat([warned_at(threshold) for threshold in thresholds], ignore_index=True)

# %% [markdown]
# ## What they caught
#
# `precision` is the share of warned merchants that left within the horizon, `caught` the share of all leavers of these weeks that were warned.

# %%
leavers = {name for week, merchants in past for name in merchants.index[merchants["churn_risk"].notna()] if left[week].get(name) == 1}
rows = []
for threshold, fired in warned.groupby("threshold"):
    first = fired.drop_duplicates("merchant_id")
    rows.append(
        {
            "threshold": threshold,
            "warnings a week": len(fired) / len(weeks),
            "precision": fired["left"].mean(),
            "caught": len(leavers & set(first["merchant_id"])) / len(leavers),
        }
    )
pd.DataFrame(rows).set_index("threshold").round(2)

# %% [markdown]
# ## What a change would do
#
# `preview` is what `keepwell rules preview NEW.toml` prints: who would change tier, and which warnings would have fired.

# %%
from serving.rules.preview import preview

found = preview(built_in, rules_at(0.5), past, values)
found.warnings[found.warnings[["fired", "new_fired"]].sum(axis=1) > 0].set_index("kind").round(2)

# %% [markdown]
# ## Who would have been warned
#
# The first warnings at the threshold you chose: read some before you change the file. Then copy `serving/rules.toml` beside your
# `keepwell.toml` as `rules.toml`, change it there, and let `keepwell rules check` look at it.

# %%
chosen = 0.5
warned[warned["threshold"] == chosen].sort_values("value", ascending=False).head(10)[["merchant_id", "opened_on", "value", "left"]].round({"value": 2})
