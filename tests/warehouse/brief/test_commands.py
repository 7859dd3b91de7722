"""The commands brief, verify and diff, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from warehouse.cli import app
from warehouse.settings import Home

DAY = "2025-08-01"


def ask(home: Home, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*arguments, "--home", str(home.path)])
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_brief_in_four_formats(sample: Home, tmp_path: Path) -> None:
    shown = ask(sample, "brief", "BABA")
    assert "Bottom line" in shown and "simulated sample" in shown
    assert "raw.prices" in ask(sample, "brief", "BABA", "--evidence")
    assert ask(sample, "brief", "BABA", "--format", "markdown").startswith("# Alibaba")
    told = json.loads(ask(sample, "brief", "BABA", "--json"))
    assert set(told) == {"ticker", "as_of", "rules", "sections", "bars", "answered_by"}
    assert len(told["sections"]) == 6 and told["answered_by"]["way"] == "published"
    file = tmp_path / "brief.html"
    assert ask(sample, "brief", "BABA", "--format", "html", "--output", str(file)) == ""
    assert file.read_text().startswith("<!doctype html>")
    ask(sample, "brief", "BABA", "--format", "pdf", code=2)


@pytest.mark.slow
def test_a_past_brief_is_written_verified_and_compared(
    sample: Home, past: Path, tmp_path: Path
) -> None:
    file = tmp_path / "brief.json"
    ask(sample, "brief", "BABA", "--as-of", DAY, "--json", "--output", str(file))
    told = json.loads(file.read_text())
    assert told["as_of"].startswith("2025-08-04 13:29:59")  # a Friday: before Monday's open
    count = sum(len(part["sentences"]) for part in told["sections"])
    assert f"{count} of {count} sentences reproduce" in ask(sample, "verify", str(file))
    told["sections"][0]["sentences"][1]["text"] = "It doubled."
    file.write_text(json.dumps(told))
    verdicts = json.loads(ask(sample, "verify", str(file), "--json", code=1))
    assert [one["text"] for one in verdicts["sentences"] if not one["reproduces"]] == [
        "It doubled."
    ]
    changed = json.loads(ask(sample, "diff", "BABA", "--since", DAY, "--json"))
    assert set(changed) == {"ticker", "since", "as_of", "answered_by", "changes"}
    assert changed["answered_by"]["since"]["way"] == "history"
    assert all(change["evidence"] for change in changed["changes"])
    assert "CLSA: Outperform, 165.00 USD" in ask(sample, "diff", "BABA", "--since", DAY)
    query = "select session_date as day from marts.momentum where ticker = 'BABA'"
    assert json.loads(ask(sample, "sql", query, "--as-of", DAY, "--json")) == [{"day": DAY}]
