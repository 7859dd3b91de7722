"""What SECURITY.md promises: the tests it names exist, nothing phones home, all is pinned."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from warehouse.settings import PROJECT

TABLE = (PROJECT / "SECURITY.md").read_text()


def test_every_threat_names_a_test_that_exists() -> None:
    sources = "\n".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", TABLE)
    assert len(named) >= 10
    for name in named:
        assert f"def {name}(" in sources, name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", TABLE):
        assert (PROJECT / path).is_file(), path


def test_telemetry_is_off() -> None:
    settings = yaml.safe_load((PROJECT / "orchestration" / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    assert "--no-send-anonymous-usage-stats" in (PROJECT / "orchestration" / "dbt.py").read_text()


@pytest.mark.parametrize(
    "name", ["run", "postgres", "test", "build", "lint", "bench", "fuzz", "audit", "sqlfmt"]
)
def test_every_requirement_has_a_hash(name: str) -> None:
    text = (PROJECT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines and all("==" in line and "--hash=sha256:" in line for line in lines)


@contextmanager
def vulnerability_service(vulnerable: str) -> Iterator[tuple[str, list[str]]]:
    """Answer as OSV does, of one vulnerable package; yields its address and who was asked about."""
    asked: list[str] = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = told["package"]["name"]
            asked.append(name)
            found = {"id": "OSV-2026-1", "summary": "x", "affected": [], "aliases": ["CVE-2026-1"]}
            body = json.dumps({"vulns": [found]} if name == vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(
    not (PROJECT / ".venv" / "audit" / "bin" / "pip-audit").exists(),
    reason="pip-audit is not installed: make .venv/.audit",
)
def test_the_audit_names_what_is_vulnerable_and_never_passes_unasked() -> None:
    def audit(address: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "audit", f"AUDIT=--vulnerability-service osv --osv-url {address}"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )

    with vulnerability_service("none") as (address, asked):
        done = audit(address)
        assert done.returncode == 0, done.stdout + done.stderr
    pinned = {
        name.lower()
        for path in (PROJECT / "requirements").glob("*.txt")
        for name in re.findall(r"^([\w.-]+)==", path.read_text(), flags=re.MULTILINE)
    }
    # What is for other systems is not asked about.
    assert {"dagster", "duckdb", "psycopg2-binary", "pytest", "ruff", "polars"} <= set(asked)
    assert {name.lower() for name in asked} <= pinned
    with vulnerability_service("jinja2") as (address, _):
        done = audit(address)
    assert done.returncode != 0 and "jinja2" in done.stdout and "CVE-2026-1" in done.stdout
    done = audit("http://127.0.0.1:9/v1/query")
    assert done.returncode != 0 and "why the service could not be asked" in done.stderr
