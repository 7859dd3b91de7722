"""The UI in a real browser: it shows the assets, and speaks to nobody but this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.orchestration.services import LINEAGE, browser_page, web_server
from warehouse.settings import Home


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium on the PATH")
def test_the_lineage_shows_every_layer_and_asks_no_other_host(home: Home, tmp_path: Path) -> None:
    hosts: set[str] = set()
    # Dagster draws only what is in view.
    size = "2600x6000"
    with web_server(home, tmp_path / "web.log") as address, browser_page(hosts, size) as page:
        page.goto(f"{address}/locations/bellwether/asset-groups/raw/lineage")
        for name in ("prices", "ratings", "sessions"):
            page.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
        page.goto(address + LINEAGE)
        for name in ("raw", "rules", "staging", "marts"):
            page.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
        assert page.get_by_role("dialog").count() == 0
        page.screenshot(path=str(tmp_path / "lineage.png"))
    assert (tmp_path / "lineage.png").stat().st_size > 10_000
    assert hosts - {""} == {"127.0.0.1"}
