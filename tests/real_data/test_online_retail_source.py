"""Online Retail II through its example configuration: the published figures, to the cent."""

from pathlib import Path

import pytest

from features.source import read_source

CONFIG = Path(__file__).parent / "online_retail_II" / "keepwell.toml"
DATA = CONFIG.parents[4] / "shared" / "data" / "online_retail_II" / "invoices.parquet"


@pytest.mark.skipif(not DATA.exists(), reason="Online Retail II is not beside the repository (shared/data/online_retail_II)")
def test_the_figures_of_online_retail():
    source = read_source(CONFIG)
    orders, cents = source.connection.execute("SELECT count(*), sum(amount) FROM stream_orders").fetchone()
    assert (orders, len(source.merchants)) == (36_969, 5_878)
    assert cents / 100 == pytest.approx(17_431_533.18, abs=0.03)  # 18 amounts have fractions of a penny
    assert source.counts["refunds"] == 7_901
    assert source.merchants["region"].value_counts().index[0] == "United Kingdom"
    assert any("18 of 36,969 rows" in note for note in source.notes)
    assert any("65 of 7,901 rows" in note for note in source.notes)
