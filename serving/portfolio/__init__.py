"""The portfolio: what all merchants of a run look like together.

For the API and the page (everything is computed of a `Run`, so of a scoped one only of the merchants in it):

* `portfolio(run, *, previous=None, ledger=None, by=None, every="quarter", lang="en") -> dict`: JSON-ready: `facts_of` the run, `by`, `headline`
  (a list of `key, words, value, kind`) and `tables`, a list of `key, title, columns (key, heading, kind), rows, notes, absent`. `absent` is
  None, or the sentence why there is no such table; then `rows` is empty. `previous` is the run before, within the same scope; `ledger` only
  for those who see all merchants (precision of warnings, proof of acting). `by` is one of `BY`: adds the table `groups`.
* `plots(found) -> dict[str, Markup]`: inline SVG by the table's key, from the answer of `portfolio` alone; classes of the page's style sheet.
* `to_html(found)`, `to_xlsx(found)`, `to_csv(found)`, `to_json(found)` -> bytes: files; `to_terminal(found)` -> what rich prints.
* `serving.chains.at_risk_by_chain(run, capacity=, tier=, owner=, lang=)`, `growth_by_chain(...)` -> `Listing`: lists with stores rolled up.

To add a table, write a file with one function `(Book) -> Table` and name it in `serving.portfolio.every.TABLES`.
"""

from serving.portfolio.every import portfolio
from serving.portfolio.files import to_csv, to_html, to_json, to_xlsx
from serving.portfolio.groups import BY
from serving.portfolio.plots import calling_curve, plots
from serving.portfolio.terminal import to_terminal

__all__ = ["BY", "calling_curve", "plots", "portfolio", "to_csv", "to_html", "to_json", "to_terminal", "to_xlsx"]
