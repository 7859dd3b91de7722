"""The site in a real browser, from files: it works, stays silent, and keeps nobody out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.orchestration.services import browser_page
from warehouse import publish
from warehouse.brief import charts
from warehouse.brief.compose import compose
from warehouse.brief.facts import Brief, Evidence, Fact, Section, Sentence
from warehouse.brief.site import _company, _inputs, _pictured, link, page_name, write_site
from warehouse.settings import Home

MOST_BYTES = 300_000

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="there is no chromium on the PATH"
)

# Everything axe knows, and of WCAG 2.2 also the size of what is touched.
AXE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a browser; at the end nothing may have been said or asked."""
    hosts: set[str] = set()
    said: list[str] = []
    with browser_page(hosts, "1100x900") as page:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
    assert said == []
    assert hosts <= {""}


@pytest.mark.browser
@needs_chromium
def test_a_reader_clicks_through(sample: Home, page: Any) -> None:
    page.goto((sample.site / "index.html").as_uri())
    rows = page.locator("tbody tr:visible")
    total = rows.count()
    assert total > 30
    page.get_by_role("button", name="1 month").click()
    shares = [
        float(v)
        for v in page.locator("tbody tr td:nth-child(5)").evaluate_all(
            "cells => cells.map((cell) => cell.dataset.value).filter(Boolean)"
        )
    ]
    assert shares == sorted(shares, reverse=True) and len(shares) > 20
    page.get_by_role("button", name="1 month").press("Enter")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("1 month")
    page.get_by_role("button", name="Ticker").click()
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Ticker")
    assert (
        page.locator("tr", has_text="ZZGONE")
        .locator("td")
        .nth(3)
        .inner_text()
        .endswith(" on 2024-03-28")
    )
    page.get_by_label("Risk flags").select_option("3")
    assert 0 < rows.count() < total
    page.get_by_label("Risk flags").select_option("0")
    page.get_by_label("Find a ticker").fill("alibaba")
    assert rows.count() == 1
    assert page.get_by_role("status").inner_text() == f"1 of {total} tickers"
    page.get_by_role("link", name="BABA").click()
    assert page.get_by_role("heading", level=1).inner_text().endswith("(BABA)")
    assert page.locator("header .note").inner_text().startswith("Simulated sample")
    sentence = page.locator("details", has_text="closed up 8.0 %")
    sentence.locator("summary").focus()
    page.keyboard.press("Enter")
    assert sentence.locator("td", has_text="marts.momentum").first.is_visible()
    assert sentence.locator("td", has_text="150.9").first.is_visible()
    assert page.locator("svg[role=img]").count() == 4
    page.get_by_role("link", name="All tickers").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Watchlist"


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("name", ["index.html", "BABA.html", "ZZTHIN.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_nobody_is_kept_out(
    sample: Home, page: Any, name: str, scheme: str, width: int, tmp_path: Path
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((sample.site / name).as_uri())
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true })")
    found = Axe().run(page, options=AXE).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.locator("form:visible").count() == 0
    page.screenshot(path=str(tmp_path / "page.png"))


@pytest.mark.browser
@needs_chromium
def test_a_phone_shows_the_newest_part_of_a_picture_first(sample: Home, page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto((sample.site / "BABA.html").as_uri())
    hidden_right, hidden_left = page.locator("figure .scroll").first.evaluate(
        """box => {
            const own = box.getBoundingClientRect()
            const drawn = box.firstElementChild.getBoundingClientRect()
            return [drawn.right - own.right, own.left - drawn.left]
        }"""
    )
    assert hidden_left > 100 and abs(hidden_right) < 2


@pytest.mark.browser
@needs_chromium
def test_the_printed_page_holds_the_evidence_that_is_shown(sample: Home, page: Any) -> None:
    page.goto((sample.site / "BABA.html").as_uri())
    cells = page.locator("details table")
    page.locator("summary").first.click()
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert [cells.nth(n).is_visible() for n in (0, 1)] == [True, False]
    page.emulate_media(media="screen")
    page.get_by_label("Show all evidence").press("Space")
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert all(cells.nth(n).is_visible() for n in range(cells.count()))


@pytest.mark.browser
@needs_chromium
def test_hostile_text_does_nothing(page: Any, tmp_path: Path) -> None:
    hostile = "</summary><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    cells = (
        Evidence("raw.news", "title", hostile, row_id="r1"),
        Evidence("raw.news", "url", "javascript:alert(1)", row_id="r1"),
        Evidence("raw.news", "url", "https://news.example/a?b=1&c=\"'<", row_id="r1"),
    )
    sentence = Sentence("“{0}”.", Fact(hostile, cells))
    sections = (Section("Why it moves", (sentence,)),)
    brief = Brief("EVIL", hostile, "2025-09-25 13:29:00", False, sections)
    pictured = {
        "bars": [],
        "calls": [],
        "flags": [],
        "sessions": [],
        "consensus": None,
        "currency": None,
    }
    file = tmp_path / "evil.html"
    file.write_text(_company(brief, pictured), encoding="utf-8")
    page.goto(file.as_uri())
    assert page.title() == f"EVIL: {hostile}"
    assert page.locator("script, img, iframe").count() == 0
    page.locator("summary").click()
    assert hostile in page.locator("summary").inner_text()
    (href,) = page.locator("main a").evaluate_all("all => all.map((one) => one.href)")
    assert href.startswith("https://news.example/a?b=1&c=")


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//a.b/c",
        "https://",
        "https://a b",
        "http://\\x",
        "file:///etc/passwd",
        " https://a.b",
        "https://[",
        5,
        None,
    ],
)
def test_only_http_is_linked(value: object) -> None:
    assert link(value) == ""
    assert link("https://a.b/c") == "https://a.b/c"


def test_pages_are_light_and_allow_nothing_but_themselves(sample: Home) -> None:
    pages = sorted(sample.site.glob("*.html"))
    assert len(pages) > 30
    for file in pages:
        text = file.read_text(encoding="utf-8")
        assert len(text.encode()) <= MOST_BYTES, file.name
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy and policy[1].startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy[1] and " style=" not in text
        assert not re.search(r"<(?:link|img|iframe|object|embed)\b|\bsrc=|@import|url\((?!#)", text)


def test_only_pages_whose_facts_changed_are_written(
    sample: Home, marts: duckdb.DuckDBPyConnection, as_of: str, tmp_path: Path
) -> None:
    site = Home(tmp_path)
    shutil.copytree(sample.site, site.site)
    assert write_site(site, marts, as_of).written == ()
    (site.site / "AAPL.html").unlink()
    copy = tmp_path / "changed.duckdb"
    shutil.copyfile(sample.published.resolve(), copy)
    copy.chmod(0o644)
    with duckdb.connect(str(copy)) as con:
        con.execute("update marts.votes set target = 171 where ticker = 'BABA' and firm = 'Nomura'")
        con.execute("delete from marts.scorecard where ticker = 'ZZTHIN'")
    with duckdb.connect(str(copy), read_only=True) as con:
        done = write_site(site, con, as_of)
    assert done.written == ("AAPL.html", "BABA.html")
    assert done.removed == 1 and not (site.site / "ZZTHIN.html").exists()
    assert "target 171.00" in (site.site / "BABA.html").read_text()


def test_any_row_of_a_ticker_makes_its_page_be_composed(
    sample: Home, as_of: str, tmp_path: Path
) -> None:
    """Of every table that composing reads, by what it asks the database."""
    copy = tmp_path / "changed.duckdb"
    shutil.copyfile(sample.published.resolve(), copy)
    copy.chmod(0o644)
    asked: set[str] = set()

    class Watched:
        def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
            self.con = con

        def execute(self, query: str, *values: Any) -> Any:
            asked.update(re.findall(r"(?:from|join)\s+((?:marts|staging)\.\w+)", query))
            return self.con.execute(query, *values)

    with duckdb.connect(str(copy)) as con:
        for ticker in ("BABA", "CNY=X", "ZZGONE"):
            compose(Watched(con), ticker, as_of)  # type: ignore[arg-type]
            _pictured(Watched(con), ticker)  # type: ignore[arg-type]
        views = {f"staging.{n}" for (n,) in con.execute(
            "select view_name from duckdb_views() where schema_name = 'staging'"
        ).fetchall()}  # fmt: skip
        assert len(asked) >= 14
        before = _inputs(con, as_of)
        for table in sorted(asked - views - {"marts.flag_evidence"}):
            con.execute("begin")
            # Sessions are an exchange's; AMD is listed at another, with the same calendar.
            whose = (
                "exchange = 'XNYS'" if table == "staging.stg_calendar_days" else "ticker = 'BABA'"
            )
            con.execute(f"delete from {table} where {whose}")
            after = _inputs(con, as_of)
            con.execute("rollback")
            assert after["BABA"] != before["BABA"], table
            shared = ("staging.forward_multiples", "staging.stg_calendar_days")
            assert after["AMD"] == before["AMD"] or table in shared, table
        later = _inputs(con, "2025-11-25 00:00:00")
    assert later["BABA"] != before["BABA"]


@pytest.mark.parametrize("days", [1, 2, 30, 400, 3000])
def test_pictures_of_any_length_of_history(days: int) -> None:
    first = date(2015, 1, 5)
    rows = [
        {
            "session_date": first + timedelta(days=n),
            "close": 1.0 + n,
            "sma_50": None,
            "sma_200": None,
            "target_low": 1.0,
            "target_high": 2.0,
            "target_median": 1.5,
        }
        for n in range(days)
    ]
    flag = {"flag": "GAP", "kind": "event", "severity": 3, "opened_on": first, "closed_on": None}
    drawn = (
        charts.price_chart(rows, [{"graded_on": first, "effect": "up"}], [flag], "USD"),
        charts.target_chart(rows, "USD"),
        charts.flag_chart([flag], rows[-1]["session_date"]),
    )
    for svg in drawn:
        assert svg.startswith('<svg class="chart" role="img" aria-label="')
        assert " style=" not in svg and "<style" not in svg and len(svg) < MOST_BYTES / 4


def test_page_names_are_safe_and_differ() -> None:
    tickers = ["BABA", "0700.HK", "^IRX", "GBP=X", "index", "../x", "A/B", "A_B", "BRK-B", "A B"]
    names = [page_name(ticker) for ticker in tickers]
    assert len(set(names)) == len(tickers)
    assert all(re.fullmatch(r"[\w.-]+\.html", name) and name != "index.html" for name in names)


def test_the_site_is_written_by_the_refresh(sample: Home) -> None:
    made = publish.newest(sample)
    assert made is not None
    assert f"As of {made.as_of[:16]} UTC" in (sample.site / "index.html").read_text()
