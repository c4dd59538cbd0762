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
# # Reading the model
#
# Before a list is called from the top, four questions deserve an answer: do the percentages mean what they say, in every season? What
# does the model look at? Does it hold for everybody? And who is at stake? Here they are asked of a small made-up market; on your own
# platform, point `Market.open` at your `keepwell.toml` (`keepwell backtest` writes the same as a page, for all cutoffs you name).

# %%
import tempfile
from pathlib import Path

import pandas as pd

from features.simulate import simulate
from features.cutoffs import day_date
from features.snapshot import Market

scratch = tempfile.TemporaryDirectory()
market = Market.open(simulate(Path(scratch.name) / "market", merchants=300, seed=11))
horizon = market.settings.churn.horizon_days
cutoffs = [market.source.end_day - horizon - back for back in (91, 0)]
print(f"{len(market.merchants)} merchants; judged at {' and '.join(f'{day_date(day):%d %b %Y}' for day in cutoffs)}, "
      f"each by the {horizon} days that followed")

# %% [markdown]
# ## A strictly out-of-time test
#
# At each cutoff `backtest` trains a model from nothing but what was known then, and `evaluate` sets what it said against what came.
# Intervals draw the merchants again, with all their cutoffs at once: a merchant's rows are not news of each other.

# %%
from training.backtest import backtest
from training.evaluate import evaluate
from training.train import judgeable

predictions, models = backtest(market, cutoffs)
found = evaluate(judgeable(predictions), horizon_days=horizon)
sure = found["interval"]["auc"]
print(f"{found['quality']['sentence'].capitalize()}.")
print(f"AUC {found['mean']['auc']:.3f}, between {sure['low']:.3f} and {sure['high']:.3f}; "
      f"days since the last order alone would have {found['mean']['recency_auc']:.3f}.")

# %% [markdown]
# ## Calibration, season by season
#
# `predicted` is the mean promised risk, `churned` the share that left. The calibration error (`ece`) is how far the two lie apart, tenth by
# tenth; so few merchants show some by chance alone (`ece_floor`), and only what is above that is the model's.

# %%
pd.DataFrame(found["cutoffs"]).T[["n", "predicted", "churned", "ece", "ece_floor", "auc"]].astype(float).round(3)

# %% [markdown]
# ## Tenth by tenth
#
# Of merchants promised 30 %, 30 in 100 should leave. `low` and `high` are what chance allows for the share observed.

# %%
pd.DataFrame(found["calibration"]["all"]).set_index("tenth")[["n", "predicted", "observed", "low", "high"]].round(2)

# %% [markdown]
# ## What the model looks at
#
# SHAP contributions in log-odds: with the base they add up exactly to the published risk. Averaged without their sign they say what
# the model leans on. They say what it looks at, not what makes merchants leave.

# %%
import numpy as np

model, last = models[cutoffs[-1]], predictions.xs(day_date(cutoffs[-1]), level="cutoff")
contributions = model.contributions(last)
log_odds = np.log(last["churn_risk"] / (1 - last["churn_risk"]))
print(f"largest gap between the sum of contributions and the published risk: {(contributions.sum(axis=1) - log_odds).abs().max():.1e}")
contributions.drop(columns="base").abs().mean().nlargest(8).round(3).rename("mean |contribution|").to_frame()

# %% [markdown]
# ## Does it hold for everybody?
#
# The same figures within slices. A slice of a few dozen merchants is noise: look for large ones that fall behind.

# %%
slices = pd.concat({name: pd.DataFrame(rows).set_index("name") for name, rows in found["groups"].items()}, names=["slice", "group"])
slices[["n", "predicted", "observed", "auc", "ece"]].astype(float).round(3)

# %% [markdown]
# ## How early
#
# Against the rule that waits until a whole horizon has been silent.

# %%
lead = found["lead_time"]
if lead:
    print(f"{lead['warned']:.0%} of {lead['leavers']} leavers were among the riskiest fifth before their silence spoke for itself, "
          f"half of these at least {lead['median_days']:.0f} days before")

# %% [markdown]
# ## Who is at stake
#
# Risk times expected sales: the merchants with most money at risk at the last cutoff, what they were expected to bring, and what they did.

# %%
at_stake = last.assign(at_risk=last["churn_risk"] * last["expected_gmv"], left=last["churned"] == 1).nlargest(10, "at_risk")
at_stake.reset_index()[["merchant_id", "churn_risk", "expected_gmv", "at_risk", "value", "left"]].round(2)
