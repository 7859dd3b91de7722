"""Dagster's own processes on a home, for tests and for the picture in the README.

`python -m tests.orchestration.services OUT.png HOME [PAGE]` writes a picture of a page of the UI,
by default the lineage of all assets, from what the records of HOME say.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestration import run
from warehouse.settings import ENVIRONMENT_VARIABLE, PROJECT, Home

LINEAGE = "/asset-groups"
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def process(home: Home, log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module of Dagster on `home`; all its processes end with the block."""
    run.prepare(home)
    environ = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        ENVIRONMENT_VARIABLE: str(home.path),
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *command, "-w", "workspace.yaml"],
            cwd=PROJECT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield started
        finally:
            started.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@contextlib.contextmanager
def web_server(home: Home, log: Path) -> Iterator[str]:
    """Serve the UI of `home` on a free port; yields its address."""
    with socket.socket() as free:
        free.bind((run.HOST, 0))
        port = free.getsockname()[1]
    address = f"http://{run.HOST}:{port}"
    command = ("dagster_webserver", "-h", run.HOST, "-p", str(port))
    with process(home, log, *command) as started:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
                break
            except OSError:
                if started.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no web server:\n{log.read_text()[-4000:]}") from None
                time.sleep(0.2)
        yield address


@contextlib.contextmanager
def browser_page(hosts: set[str], size: str = "1600x1000") -> Iterator[Any]:
    """Open a page in Chromium; `hosts` collects the hosts that the browser asks for anything."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("There is no chromium on the PATH.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        width, height = map(int, size.split("x"))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname or ""))
        try:
            yield page
        finally:
            browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("page", nargs="?", default=LINEAGE)
    parser.add_argument("--wait-for", default="marts", help="text to wait for")
    parser.add_argument("--size", default="1600x1000", help="of the window, in pixels")
    arguments = parser.parse_args()
    home = Home.find(arguments.home)
    hosts: set[str] = set()
    with (
        web_server(home, arguments.out.with_suffix(".log")) as address,
        browser_page(hosts, arguments.size) as page,
    ):
        page.goto(address + arguments.page)
        page.get_by_text(arguments.wait_for).first.wait_for(timeout=60_000)
        page.wait_for_timeout(8_000)
        page.screenshot(path=str(arguments.out))
    arguments.out.with_suffix(".log").unlink()


if __name__ == "__main__":
    main()
