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
# # From event tables to an at-risk list
#
# The whole way on a small made-up market, one step a cell: events, a snapshot, a model, scores, reasons, a list.
# On a platform of your own only the first cell changes: point `Market.open` at your `keepwell.toml`.
#
# A made-up market has one thing that a real one has not: we know who was going to leave, so the last part can check.

# %%
import tempfile
from pathlib import Path

from features.simulate import simulate
from features.cutoffs import day_date
from features.snapshot import Market

scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
market = Market.open(simulate(folder / "market", merchants=400, seed=7))
print(f"{market.source.counts['orders']:,} orders of {len(market.merchants)} merchants, "
      f"{day_date(market.source.first_day):%d %b %Y} to {day_date(market.source.last_day):%d %b %Y}")

# %% [markdown]
# ## A snapshot
#
# A *cutoff* is midnight at the start of a day. A snapshot holds what was known strictly before it: one row a merchant, one column a
# feature. We stand 90 days before the end of the data, so that we can see afterwards who left.

# %%
cutoff = market.source.end_day - market.settings.churn.horizon_days
snapshot = market.snapshot(cutoff)
print(f"{day_date(cutoff):%Y-%m-%d}: {snapshot.shape[0]} merchants known, {snapshot.shape[1]} features")
snapshot[["days_since_last_order", "orders_28d", "gmv_90d", "gmv_change_90d"]].head()

# %% [markdown]
# ## A model from what was known then
#
# `trained` takes the cutoffs whose label windows were complete on that day, several rows a merchant, and fits and calibrates every
# head. Nothing of the 90 days that we have kept for checking is in it.

# %%
from training.backtest import trained

model, data = trained(market, as_of=cutoff)
print(f"{len(data.labels):,} rows at the cutoffs {', '.join(model.card['cutoffs'])}; {data.labels['churned'].mean():.0%} of them churned")

# %% [markdown]
# ## Scores
#
# Only the *cohort* is scored: merchants with an order in the last 90 days. `churn_risk` is a probability, so its sum is a forecast of how
# many will leave; and the longer the silence asked for, the less likely it is, so the three risks never rise with the horizon.

# %%
from training.dataset import in_cohort

cohort = snapshot[in_cohort(snapshot, market.settings.churn.active_days)]
scores = model.scores(cohort)
print(f"{len(scores)} merchants in the cohort; about {scores['churn_risk'].sum():.0f} of them are expected to leave within 90 days")
scores.sort_values("churn_risk", ascending=False).head().round(3)

# %% [markdown]
# ## Did they leave?
#
# The labels of this cutoff are complete by now. An AUC of 0.5 is chance, 1 is perfect.

# %%
from sklearn.metrics import roc_auc_score

from training.labels import labels

churned = labels(market, cutoff, market.source.end_day).loc[scores.index, "churned"]
auc = roc_auc_score(churned, scores["churn_risk"])
print(f"AUC {auc:.3f}; {churned.sum():.0f} left, {scores['churn_risk'].sum():.0f} were expected to")

# %% [markdown]
# ## Reasons
#
# SHAP contributions of the model, summed into business groups and told with the merchant's own numbers, in English and Chinese.

# %%
from serving.reasons import reasons

riskiest = cohort.loc[[scores["churn_risk"].idxmax()]]
told = reasons(model.contributions(riskiest), riskiest, cutoff=day_date(cutoff).date(), currency=market.settings.timeline.currency)
for english, chinese in zip(told["sentence_en"], told["sentence_zh"], strict=True):
    print(f"{english}  ·  {chinese}")

# %% [markdown]
# ## The list
#
# `score` puts it together as `keepwell score` does: tiers, stages and warnings from the rules, and the money at stake. `publish` writes the
# run whole or not at all. The list is ranked by the expected profit of acting, not by risk: a call to a merchant who will stay, or whose
# sales are worth less than the call, is money spent for nothing.

# %%
from serving.lists import at_risk
from serving.rules import read_rules
from serving.run import publish
from serving.score import score

rules = read_rules(None)
made = score(market, cutoff, model, rules, model_version="notebook", created_at=f"{day_date(cutoff).isoformat()}+00:00")
run = publish(folder / "state", made.header, made.tables, rules.text)
at_risk(run, capacity=10).rows[["rank", "merchant_id", "tier", "churn_risk", "value_at_risk", "expected_profit", "reasons", "action"]]
