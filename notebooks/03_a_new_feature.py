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
# # A new feature
#
# From an idea to a reason in words: declare it, look at it, see whether it helps on later windows, and hear it told. In the project a feature
# is one function in one file of `features/`, and the contracts of `tests/features/test_every_feature.py` hold for it at once: no event at or
# after the cutoff changes it, it is the same on every engine and online, it has a unit, a docstring and words.

# %% [markdown]
# ## Declare
#
# The name is the column, the parameters are the needs, the docstring is the catalogue entry, and the reason is said in two languages. The
# body is an expression over a closed vocabulary that cannot mention the cutoff, so it cannot look past it.

# %%
from features.declare import catalogue, feature
from features.verbs import Column, Events


@feature(unit="share", reason=("use of the platform in four weeks against three months' pace", "近四周平台使用相对近三个月均速"))
def login_pace_28d(logins: Events) -> Column:
    """Logins of the last 28 days against 28/90 of those of the last 90 days, as a change: -1 all gone, 0 as usual."""
    return logins.last(days=28).count().change_from(logins.last(days=90).count() * (28 / 90))


catalogue()["login_pace_28d"]

# %% [markdown]
# ## Look at it
#
# It is a column of every snapshot now.

# %%
import tempfile
from pathlib import Path

from features.simulate import simulate
from features.cutoffs import day_date
from features.snapshot import Market

scratch = tempfile.TemporaryDirectory()
market = Market.open(simulate(Path(scratch.name) / "market", merchants=400, seed=5))
horizon = market.settings.churn.horizon_days
last = market.source.end_day - horizon
market.snapshot(last, only=["login_pace_28d", "orders_28d"]).describe().round(2)

# %% [markdown]
# ## Does it help, on later windows?
#
# Walk forward: at each cutoff a restrained LightGBM learns from windows that were complete by then, once from what orders tell and once
# with the feature beside them, and both predict the same merchants. The difference of their AUCs is bootstrapped by merchant, in pairs. A feature whose interval
# does not lie above zero has not shown that it helps; the model's own training leaves such features out.

# %%
import lightgbm as lgb
import pandas as pd

from training.bootstrap import draws
from training.dataset import Dataset, dataset
from training.timeline import training_cutoffs

NEW = "login_pace_28d"
KNOWN = ["days_since_last_order", "orders_28d", "orders_90d", "gmv_90d", "gap_mean", "tenure_days", "orders_change_90d"]
SETTINGS = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 40, "lambda_l2": 20.0, "num_threads": 1, "verbosity": -1}


def learnt(data: Dataset, names: list[str]) -> lgb.Booster:
    """A restrained booster on some columns."""
    rows = lgb.Dataset(data.features[names].to_numpy(float), data.labels["churned"].to_numpy(), feature_name=names)
    return lgb.train(SETTINGS, rows, num_boost_round=120)


parts = []
for cutoff in (last - 120, last - 60, last):
    past = dataset(market, training_cutoffs(market, cutoff), as_of=cutoff)
    now = dataset(market, [cutoff], as_of=market.source.end_day)
    risks = {kind: learnt(past, names).predict(now.features[names].to_numpy(float)) for kind, names in (("with", [*KNOWN, NEW]), ("without", KNOWN))}
    parts.append(now.labels[["churned"]].assign(**risks).reset_index())
told = pd.concat(parts)
sides = {kind: draws(told.rename(columns={kind: "churn_risk"})) for kind in ("with", "without")}
by, low, high = sides["with"].ahead_of(sides["without"], "auc")
print(f"AUC {sides['with'].mean('auc')[0]:.3f} with it, {sides['without'].mean('auc')[0]:.3f} without: {by:+.4f} ({low:+.4f} to {high:+.4f})")
print("it helps" if low > 0 else "it hurts" if high < 0 else "it has not shown that it helps: leave it out, or test it on more merchants")

# %% [markdown]
# ## Has it seen the future?
#
# A feature that tells who leaves nearly by itself has usually been filled in afterwards. `keepwell train` asks about every feature whose
# AUC alone is above 0.99, and the gate holds the model until somebody has answered.

# %%
from training.leaks import alone, questions

print(f"alone: AUC {alone(past)[NEW]:.3f}; questions: {questions(past) or 'none'}")

# %% [markdown]
# ## Hear it told
#
# SHAP contributions of the last booster with the feature; the sentence comes from the declaration, with the merchant's own number. Shown
# are the merchants whose risk it raises most.

# %%
from serving.reasons import reasons

names = [*KNOWN, NEW]
now_rows = now.features.droplevel("cutoff")
shap = learnt(past, names).predict(now_rows[names].to_numpy(float), pred_contrib=True)
contributions = pd.DataFrame(shap, index=now_rows.index, columns=[*names, "base"])
strongest = contributions.loc[now_rows[NEW].notna(), NEW].nlargest(8).index
said = reasons(contributions.loc[strongest, [NEW, "base"]], now_rows.loc[strongest], cutoff=day_date(last).date(), currency=market.settings.timeline.currency)
pd.set_option("display.max_colwidth", 80, "display.width", 200)
said[["merchant_id", "contribution", "sentence_en", "sentence_zh"]].round(3)
