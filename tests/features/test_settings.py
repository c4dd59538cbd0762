"""`keepwell.toml`: its defaults, and one sentence with file, line and key for each mistake in it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from features.errors import UsageRefused
from features.settings import FileSource, QuerySource, read_settings

SOURCE = '[source]\norders = "orders.parquet"\n'


def write(home: Path, text: str) -> Path:
    path = home / "keepwell.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_but_the_orders_has_a_default(tmp_path):
    settings = read_settings(write(tmp_path, SOURCE))
    assert settings.source == {"orders": FileSource(path="orders.parquet")}
    assert (settings.churn.active_days, settings.churn.horizon_days, settings.churn.gap_days) == (90, 90, 0)
    assert settings.growth.horizon_days == 90
    assert (settings.economics.take_rate, settings.economics.contact_cost, settings.economics.discount_rate) == (0.05, 15.0, 0.10)
    assert (settings.timeline.every, settings.timeline.currency, settings.timeline.timezone) == ("month", "EUR", "UTC")
    assert settings.home == tmp_path
    assert settings.state_dir == tmp_path / ".keepwell"
    assert settings.mlflow.tracking_uri is None


def test_everything_can_be_set(tmp_path):
    text = """
        source.orders = { query = "SELECT 1" }
        source.merchants = { path = "m.csv", encoding = "gb18030" }
        churn = { active_days = 56, horizon_days = 28, gap_days = 7 }
        [economics]
        take_rate = 1
        [timeline]
        every = "28d"
        currency = "CNY"
        timezone = "Asia/Shanghai"
        [state]
        dir = "../state"
        ledger = "postgresql://host/keepwell"
    """
    settings = read_settings(write(tmp_path, text))
    assert settings.source["orders"] == QuerySource(query="SELECT 1")
    assert settings.source["merchants"] == FileSource(path="m.csv", encoding="gb18030")
    assert settings.churn.gap_days == 7
    assert settings.economics.take_rate == 1.0
    assert settings.timeline.every == "28d"
    assert settings.state_dir == tmp_path / "../state"


def test_a_directory_stands_for_the_file_in_it_and_a_byte_order_mark_is_skipped(tmp_path):
    write(tmp_path, "\ufeff" + SOURCE)
    assert read_settings(tmp_path).path == tmp_path / "keepwell.toml"


def test_settings_do_not_change(tmp_path):
    with pytest.raises(ValidationError, match="frozen"):
        read_settings(write(tmp_path, SOURCE)).churn.gap_days = 1


MISTAKES = {
    "an unknown key": (
        SOURCE + "[churn]\nhorizon_day = 30",
        "line 4",
        'unknown key "horizon_day" in [churn]',
        'did you mean "horizon_days"?',
    ),
    "an unknown section": (SOURCE + "[chrun]\n", "line 3", 'unknown section "chrun"', 'did you mean "churn"?'),
    "an unknown table": (SOURCE + 'refund = "r.csv"', "line 3", 'unknown table "refund" in [source]', 'did you mean "refunds"?'),
    "an unknown key of a table": (
        '[source]\norders = { path = "o.csv", encodin = "big5" }',
        "line 2",
        '"encodin"',
        'did you mean "encoding"?',
    ),
    "a section that is a value": ("churn = 90\n" + SOURCE, "line 1", '"churn" must be a section'),
    "no source": ("[churn]\ngap_days = 1", "[source] must name the table", 'orders = "orders.parquet"'),
    "no orders": ('[source]\nmerchants = "m.csv"', "[source] must name the table"),
    "a table that is a number": ("[source]\norders = 5", "line 2", 'table "orders" must be a path'),
    "a path and a query": ('[source]\norders = { path = "o.csv", query = "SELECT 1" }', "line 2", "must be a path"),
    "an empty path": ('[source]\norders = ""', "line 2", 'path = "" in [source.orders]'),
    "an unknown encoding": ('[source]\norders = { path = "o.csv", encoding = "gb9" }', "line 2", 'encoding = "gb9"', '"gb18030"'),
    "broken TOML": (SOURCE + "[churn\n", "is not valid TOML", "line 3"),
    "a key twice": (SOURCE + 'orders = "x"', "is not valid TOML", "cannot overwrite a value"),
    "horizon of zero days": (
        SOURCE + "[churn]\nhorizon_days = 0",
        "line 4",
        "horizon_days = 0 in [churn] must be greater than 0",
    ),
    "a negative gap": (SOURCE + "[churn]\ngap_days = -1", "line 4", "gap_days = -1"),
    "days as text": (
        SOURCE + '[growth]\nhorizon_days = "90"',
        "line 4",
        'horizon_days = "90" in [growth] must be a valid integer',
    ),
    "days as a truth value": (SOURCE + "[churn]\nactive_days = true", "line 4", "active_days = true"),
    "half a day": (SOURCE + "[churn]\nactive_days = 1.5", "line 4", "active_days = 1.5"),
    "a take rate in percent": (SOURCE + "[economics]\ntake_rate = 5", "line 4", "take_rate = 5 in [economics]", "such as 0.05"),
    "a take rate of nothing": (SOURCE + "[economics]\ntake_rate = 0.0", "take_rate = 0.0", "such as 0.05"),
    "an infinite cost": (SOURCE + "[economics]\ncontact_cost = inf", "contact_cost = inf", "finite"),
    "an unknown time zone": (SOURCE + '[timeline]\ntimezone = "Europe/Londn"', "line 4", 'did you mean "Europe/London"?'),
    "a continent": (SOURCE + '[timeline]\ntimezone = "Europe"', "line 4", "must be the name of a time zone"),
    "a currency sign": (SOURCE + '[timeline]\ncurrency = "£"', "line 4", 'currency = "£"', "three capital letters"),
    "an unknown step": (SOURCE + '[timeline]\nevery = "0d"', "line 4", 'every = "0d"', '"28d"'),
    "a key like another section's": (
        SOURCE + "[churn]\nhorizon_days = 30\n[growth]\nhorizon_days = 0",
        "line 6",
        "horizon_days = 0 in [growth]",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(tmp_path, case):
    text, *words = MISTAKES[case]
    with pytest.raises(UsageRefused) as refused:
        read_settings(write(tmp_path, text))
    sentence = str(refused.value)
    assert sentence.startswith("keepwell.toml")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence
    assert refused.value.exit_code == 2


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageRefused, match=r'there is no file "keepwell.toml"'):
        read_settings(tmp_path / "keepwell.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "keepwell.toml").write_bytes("[source]\n# 商户".encode("gb18030"))
    with pytest.raises(UsageRefused, match="not UTF-8 text"):
        read_settings(tmp_path)
