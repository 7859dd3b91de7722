"""The README runs: its commands, its SQL and what it prints of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.settings import PROJECT

README = (PROJECT / "README.md").read_text()
BIN = Path(sys.executable).parent
# They stay in the foreground, write to the user's own home, or run this very test.
NOT_RUN = {
    *("make demo", "make test", "bellwether ingest", "bellwether refresh", "bellwether ui"),
    *("bellwether doctor", "bellwether ingest --source yahoo"),
}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def consoles() -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output printed under it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed.strip()


def run(command: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=PROJECT,
        env={**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo() -> None:
    """Build the demo as a new user would, from an empty home."""
    shutil.rmtree(PROJECT / "data" / "demo", ignore_errors=True)
    done = run("bellwether demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "simulated sample" in done.stdout
    assert "What next:" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_demo_a_second_time_finds_nothing_new() -> None:
    done = run("bellwether demo")
    assert done.returncode == 0, done.stderr
    assert "nothing new" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(("command", "printed"), list(consoles()))
def test_command(command: str, printed: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    if printed:
        assert [line.rstrip() for line in done.stdout.strip().splitlines()] == [
            line.rstrip() for line in printed.splitlines()
        ]


@pytest.mark.parametrize("block", blocks("sh"))
def test_shell_lines_name_what_exists(block: str) -> None:
    for line in block.splitlines():
        command = line.split("#")[0].strip()
        assert command in NOT_RUN, command
        program, verb = command.split()[:2]
        if program == "make":
            assert run(f"make -n {verb}").returncode == 0
        else:
            assert run(f"bellwether {verb} --help").returncode == 0


def test_every_command_is_mentioned() -> None:
    shown = run("bellwether --help").stdout
    commands = re.findall(r"^│ (\w+)  ", shown, flags=re.MULTILINE)
    assert len(commands) >= 8
    for command in commands:
        assert re.search(rf"bellwether {command}|make {command}", README), command


def test_every_mart_is_mentioned_and_exists() -> None:
    named = set(re.findall(r"`marts\.(\w+)`", README))
    assert named == {path.stem for path in (PROJECT / "dbt_project/models/marts").glob("*.sql")}


def test_files_it_names_exist() -> None:
    for name in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (PROJECT / name).is_file(), name
    for name in re.findall(r"`(warehouse/[\w./]+|orchestration/[\w.]+|[A-Z]+\.md)`", README):
        assert (PROJECT / name).exists(), name
