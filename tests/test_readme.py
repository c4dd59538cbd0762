"""What the README says is there: commands parse, files exist, tables and fields are those of the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

import keepwell
from features.tables import TABLES
from serving.api.app import routes
from serving.api.schemas import AtRisk, Growing
from serving.lists import AT_RISK, GROWTH

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CI = (ROOT / ".ci" / "run").read_text("utf-8")
DEMO = "python3 -m pip install uv && uv run keepwell demo"
TESTS = "uv run pytest"
MADE_BY_USE = ("mlruns/mlflow.db", "mlruns/artifacts")
PREFIX = re.compile(r"^(time |uv run (--no-sync )?)*")


def blocks(language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def section(title: str) -> str:
    """The text under a heading of the second level, up to the next one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert found, f"the README has no section {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of the first Markdown table, without its heading."""
    table = re.search(r"^(\|.*\n)+", text, re.M)
    assert table, "there is no table"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def ticked(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def shell_lines() -> list[str]:
    """The commands of the shell blocks: lines after `$ ` where a block has prompts (the others are output), else every line."""
    found: list[str] = []
    for block in blocks("console"):
        found += [line[2:] for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
    for block in blocks("sh"):
        found += block.replace("\\\n", " ").splitlines()
    return [part.split(" #")[0].strip() for line in found for part in line.split(" && ")]


COMMANDS = sorted({PREFIX.sub("", line) for line in shell_lines() if PREFIX.sub("", line).startswith("keepwell ")})
FIGURES = rows(section("Figures"))


def check_parses(command: str) -> None:
    """Parse a command of Keepwell as the command line does, without running it; an unknown command or option raises."""
    node, words = typer.main.get_command(keepwell.app), shlex.split(command)[1:]
    while hasattr(node, "commands"):
        assert words and words[0] in node.commands, f"{command!r}: there is no such command"
        node = node.commands[words.pop(0)]
    node.make_context("keepwell", words)


def check_exists(command: str) -> None:
    """Assert that what a command of the figures' table calls is there."""
    command = PREFIX.sub("", command)
    if command.startswith("keepwell "):
        check_parses(command)
        return
    tool, *words = shlex.split(command)
    assert tool in ("python", "pytest"), f"{command!r} is no command that this test knows"
    files = [word.split("::") for word in words if word.startswith("tests/")]
    assert files, f"{command!r} names no file"
    for file, *names in files:
        text = (ROOT / file).read_text("utf-8")
        assert all(f"def {name}(" in text for name in names), f"{file} has no {names}"


def test_the_two_commands_stand_there_as_they_are():
    assert f"\n{DEMO}\n" in README
    assert f"\n{TESTS}\n" in README


def test_ci_runs_the_tests_with_the_command_of_the_readme():
    steps = re.findall(r"^step (.*?)(?: #.*)?$", CI, re.M)
    assert steps[-1] == TESTS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_parses(command):
    check_parses(command)


def test_every_command_is_told():
    assert {command.split()[1] for command in COMMANDS} == set(typer.main.get_command(keepwell.app).commands)


def test_a_wrong_command_does_not_parse():
    for wrong in ("keepwell demos", "keepwell demo --capcity 10", "keepwell features", "keepwell explain", "keepwell score a b"):
        with pytest.raises((AssertionError, Exception), match=r"(?i)no such|missing|unexpected"):
            check_parses(wrong)


def test_files_and_links_exist():
    links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in target]
    named = [
        word.split("::")[0]
        for text in (*ticked(re.sub(r"^```.*?^```", "", README, flags=re.M | re.S)), *shell_lines())
        for word in text.split()
        if re.match(r"(features|training|serving|tests|notebooks|mlruns|\.ci)/", word)
    ]
    assert named
    absent = [path for path in {*links, *named} if path and not path.startswith(MADE_BY_USE) and not (ROOT / path).exists()]
    assert not absent


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row[0])
def test_a_figure_names_a_command_that_prints_it(row):
    (command,) = ticked(row[-1])
    check_exists(command)
    assert re.search(r"\d", row[1]), f"{row[0]} has no figure"


def test_there_are_figures():
    assert len(FIGURES) >= 8


def test_the_table_of_columns_is_that_of_the_contract():
    told = {ticked(name)[0]: (ticked(must), ticked(may)) for name, must, may in rows(section("Your own tables"))}
    contract = {
        name: ([key for key, column in table.columns.items() if column.required], [key for key, column in table.columns.items() if not column.required])
        for name, table in TABLES.items()
    }
    assert told == contract


def test_the_configuration_shown_is_understood(tmp_path):
    from features.settings import read_settings

    (tmp_path / "keepwell.toml").write_text("\n".join(blocks("toml")), "utf-8")
    assert set(read_settings(tmp_path / "keepwell.toml").source) == {"orders", "merchants"}


def test_the_fields_told_are_those_of_the_lists():
    told = {ticked(name)[0]: set(ticked(fields)) for name, fields in rows(section("For app developers"))}
    for path, columns, schema in (("/v1/at-risk", AT_RISK, AtRisk), ("/v1/growth", GROWTH, Growing)):
        assert told[path] == set(schema.model_fields)
        assert {column.key for column in columns} <= told[path]


def test_the_json_shown_is_json():
    shown = blocks("json")
    assert shown
    assert all(json.loads(one) for one in shown)


def test_endpoints_are_served():
    served = [route.path_regex for route in routes()]
    told = {path for line in shell_lines() for path in re.findall(r"127\.0\.0\.1:3000(/[^\s'\"?]*)", line)}
    told |= {path.split("{")[0] + "x" * ("{" in path) for text in ticked(README) for path in re.findall(r"^(?:GET |POST )?(/v1/\S+)$", text)}
    assert told
    assert not [path for path in told if path != "/livez" and not any(regex.match(path) for regex in served)]
