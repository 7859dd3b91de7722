"""The static site: an index of the universe and a page for each ticker, without server or requests.

A page carries its style and script inside, and a content security policy that allows these by
their hash and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from warehouse.brief import charts, facts
from warehouse.brief import compose as compose_module
from warehouse.brief.compose import Marts, compose
from warehouse.brief.facts import Brief, clean
from warehouse.settings import Home

# Cells shown under a sentence; the JSON has all.
MOST_CELLS = 40
# A close older than this, against the newest of the watchlist, is shown with its day.
_CURRENT = timedelta(days=7)
_FOLDER = Path(__file__).with_name("templates")
_MADE_OF = ".made_of.json"
# All that is read of a ticker but raw rows, which are never written again, by what tells of them.
_INPUTS = (
    "marts.scorecard", "marts.momentum", "marts.momentum_history", "marts.consensus",
    "marts.consensus_history", "marts.votes", "marts.risk_flags", "marts.flag_coverage",
    "marts.data_quality", "marts.news_events", "marts.news_event_topics",
    "marts.news_event_articles", "staging.stg_prices", "staging.rating_events",
    "staging.forward_multiples", "staging.stg_consensus",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """What writing the site did: pages made anew, left as they were, and taken away."""

    written: tuple[str, ...]
    kept: int
    removed: int
    largest_bytes: int


def write_site(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    as_of: str,
    on_page: Callable[[str], None] | None = None,
) -> Written:
    """Write the site of the covered universe as of a moment; only pages whose inputs changed."""
    home.site.mkdir(parents=True, exist_ok=True)
    tickers = [
        row[0]
        for row in con.execute(
            "select ticker from marts.scorecard "
            "where ticker in (select ticker from staging.stg_universe) "
            # Benchmarks and rates are in the universe to measure companies by.
            "and ticker not in (select ticker from staging.stg_securities "
            "where quote_type <> 'EQUITY') "
            "and (close is not null or firm_count > 0 or analyst_count > 0) order by ticker"
        ).fetchall()
    ]
    before = _made_of(home)
    made: dict[str, list[str]] = {}
    inputs = _inputs(con, as_of)
    written, kept = [], 0
    for ticker in tickers:
        name = page_name(ticker)
        read, former = inputs.get(ticker, ""), before.get(name, ["", ""])
        stands = (home.site / name).is_file()
        if stands and read and former[0] == read:
            made[name] = former
            kept += 1
            continue
        composed = compose(con, ticker, as_of)
        pictured = _pictured(con, ticker)
        # A page tells the moment it was composed for; a later one alone does not change it.
        said = {
            **composed.as_json(),
            "as_of": None,
            "rules": None,
            "bars": None,
            "name": composed.name,
        }
        made[name] = [read, _hash(json.dumps([said, pictured, _code()], default=str))]
        if stands and former[1] == made[name][1]:
            kept += 1
            continue
        _replace(home.site / name, _company(composed, pictured))
        written.append(name)
        if on_page:
            on_page(name)
    _replace(home.site / "index.html", index_page(con, as_of, tickers))
    stale = [name for name in before if name not in made]
    for name in stale:
        (home.site / name).unlink(missing_ok=True)
    _replace(home.site / _MADE_OF, json.dumps(made, indent=1, sort_keys=True) + "\n")
    largest = max((path.stat().st_size for path in home.site.glob("*.html")), default=0)
    return Written(tuple(written), kept, len(stale), largest)


def _inputs(con: duckdb.DuckDBPyConnection, as_of: str) -> dict[str, str]:
    """Return for each ticker a hash of all rows its page is composed from.

    One query a table: to ask for all tickers is a hundredth of composing their pages.
    """
    parts: dict[str, list[Any]] = {}
    for query in (
        *(f"select ticker, count(*), sum(hash(t)) from {table} as t group by 1"
          for table in _INPUTS),
        "select f.ticker, count(*), sum(hash(e)) from marts.flag_evidence as e "
        "inner join marts.risk_flags as f using (flag_episode_id) group by 1",
        # Whom it is compared with as of the moment, and stories that have left a span.
        "select p.ticker, count(*), sum(hash(m)) from rules.peers as p "
        "inner join staging.forward_multiples as m on m.ticker = p.peer "
        "where p.valid_from <= cast($as_of as timestamp) "
        "and (p.valid_to is null or p.valid_to >= cast($as_of as timestamp)) group by 1",
        # Sessions that have closed, with and without a bar.
        "with closed as (select exchange, count(*) as days, sum(hash(d)) as told "
        "from staging.stg_calendar_days as d where is_session "
        "and closes_at + interval '15' minute <= cast($as_of as timestamp) group by 1) "
        "select l.ticker, l.exchange, closed.days, closed.told from staging.stg_listings as l "
        "left join closed using (exchange)",
        "select ticker, count(*) filter (where first_published_at > "
        "cast($as_of as timestamp) - interval '7' day), count(*) filter (where first_published_at "
        "> cast($as_of as timestamp) - interval '45' day) from marts.news_events group by 1",
    ):  # fmt: skip
        for ticker, *found in con.execute(
            query, {"as_of": as_of} if "$as_of" in query else {}
        ).fetchall():
            parts.setdefault(ticker, []).append((query, *map(str, found)))
    names = con.execute("select cast(sum(hash(t)) as varchar) from rules.flag_names t").fetchall()
    rules = [names, _code(), _composer()]
    return {ticker: _hash(json.dumps([told, *rules])) for ticker, told in parts.items()}


def page_name(ticker: str) -> str:
    """Return the file name of a ticker's page; no two tickers share one, whatever is in them."""
    safe = re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):x}_", ticker)
    return f"{safe}.html" if safe.lower() != "index" else "_index.html"


def company_page(con: duckdb.DuckDBPyConnection, brief: Brief) -> str:
    """Return a ticker's page as HTML."""
    return _company(brief, _pictured(con, brief.ticker))


def index_page(con: duckdb.DuckDBPyConnection, as_of: str, tickers: list[str]) -> str:
    """Return the watchlist of `tickers` as HTML."""
    found = con.execute(
        """
        select *, coalesce(snapshot_label, label) as consensus_label
        from marts.scorecard where list_contains(?, ticker) order by ticker
        """,
        [tickers],
    )
    columns = [column[0] for column in found.description]
    cards = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    closes = dict(
        con.execute(
            """
            select ticker, list(close order by session_date) from (
                select ticker, session_date, close,
                    row_number() over (partition by ticker order by session_date desc) as age
                from marts.momentum_history where close is not null
            ) where age <= 60 group by ticker
            """
        ).fetchall()
    )
    heads = [
        _head("Ticker", "text"),
        _head("Company", "text", "wide"),
        _head("60 sessions", "", "wide"),
        _head("Close", "number", "n"),
        _head("1 month", "number", "n"),
        _head("Year to date", "number", "n wide"),
        _head("Consensus", "text"),
        _head("Upside", "number", "n"),
        _head("Open flags", "number", "n"),
        _head("Stance", "text", "wide"),
    ]
    rows = []
    days = [card["session_date"] for card in cards if card["session_date"] is not None]
    for card in cards:
        name = clean(card["name"] or "")
        close = _number(card["close"], card["currency"])
        if card["close"] is not None and card["session_date"] < max(days) - _CURRENT:
            close += f" on {card['session_date']}"
        cells = [
            _cell(card["ticker"], card["ticker"], link=quote(page_name(card["ticker"]))),
            _cell(name, name, "wide"),
            _cell("", Markup(charts.sparkline(closes.get(card["ticker"], []))), "wide"),
            _cell(card["close"], close, "n dated"),
            _share(card["return_1m"]),
            _share(card["return_ytd"], "wide"),
            _cell(card["consensus_label"], card["consensus_label"] or "–"),
            _share(card["upside_median"]),
            _cell(card["open_flag_count"], card["open_flag_count"], "n"),
            _cell(card["stance"], card["stance"], "wide"),
        ]
        text = f"{card['ticker']} {name} {clean(card['sector'] or '')}".lower()
        rows.append({"cells": cells, "text": text, "severity": card["worst_severity"] or 0})
    return _render(
        "index.html",
        _read("index.js"),
        as_of=as_of,
        rows=rows,
        heads=heads,
        is_simulated=any(card["is_simulated"] for card in cards),
    )


def _company(brief: Brief, pictured: dict[str, Any]) -> str:
    return _render("company.html", "", brief=brief, most=MOST_CELLS, pictures=_pictures(pictured))


def _pictured(con: duckdb.DuckDBPyConnection, ticker: str) -> dict[str, Any]:
    """Return the rows that the pictures of a page show."""
    marts = Marts(con, ticker)
    return {
        "bars": marts.rows(
            """
            select session_date, close, sma_50, sma_200 from marts.momentum_history
            where ticker = $ticker and close is not null and session_date > (
                select max(session_date) - 730 from marts.momentum_history where ticker = $ticker
            ) order by session_date
            """
        ),
        "calls": marts.rows(
            """
            select distinct graded_on, case
                when score < prior_score or (score = prior_score and target > prior_target)
                then 'up'
                when score > prior_score or (score = prior_score and target < prior_target)
                then 'down' end as effect
            from staging.rating_events
            where ticker = $ticker and score is not null and prior_score is not null
            order by graded_on, effect
            """
        ),
        "flags": marts.rows(
            """
            select flag, kind, severity, opened_on, closed_on from marts.risk_flags
            where ticker = $ticker order by opened_on, flag
            """
        ),
        "sessions": marts.rows(
            """
            select session_date, close, target_low, target_high, target_median
            from marts.consensus_history where ticker = $ticker order by session_date
            """
        ),
        "consensus": marts.one("marts.consensus"),
        "currency": (marts.one("marts.scorecard") or {}).get("currency"),
    }


def _pictures(pictured: dict[str, Any]) -> list[dict[str, Any]]:
    pictures = []
    bars, flags, consensus = pictured["bars"], pictured["flags"], pictured["consensus"]
    currency = clean(pictured["currency"] or "")

    def add(svg: str, caption: str) -> None:
        pictures.append({"svg": Markup(svg), "caption": caption})

    if bars:
        first, last = bars[0], bars[-1]
        add(
            charts.price_chart(bars, pictured["calls"], flags, currency),
            f"The close went from {first['close']:,.2f} on {first['session_date']} to "
            f"{last['close']:,.2f} on {last['session_date']}. Triangles: analysts' calls; shaded: "
            "a risk flag of severity 2 or more was open.",
        )
    if any(row["target_median"] is not None for row in pictured["sessions"]):
        add(
            charts.target_chart(pictured["sessions"], currency),
            "Targets of the named firms, as each session knew them, against the close.",
        )
    if consensus and (consensus["analyst_count"] or consensus["firm_count"]):
        counts = [
            (
                "buy",
                _sum(consensus["strong_buy_count"], consensus["buy_count"]),
                consensus["firm_buy_count"],
            ),
            ("hold", consensus["hold_count"], consensus["firm_hold_count"]),
            (
                "sell",
                _sum(consensus["sell_count"], consensus["strong_sell_count"]),
                consensus["firm_sell_count"],
            ),
        ]
        said = "; ".join(
            f"{name}: {_count(vendor)} in the vendor's snapshot, {_count(firms)} named firms"
            for name, vendor, firms in counts
        )
        add(charts.vote_chart(counts), f"Votes. {said}.")
    if flags and bars:
        add(
            charts.flag_chart(flags, bars[-1]["session_date"]),
            f"Risk flags: {len(flags)} episodes, "
            f"{sum(flag['closed_on'] is None for flag in flags)} open. Grey info, blue watch, "
            "orange warning, red severe.",
        )
    return pictures


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count(count: int | None) -> str:
    return "not known" if count is None else str(count)


def _head(name: str, kind: str, css: str = "") -> dict[str, str]:
    return {"name": name, "kind": kind, "css": css}


def _cell(value: Any, text: Any, css: str = "", link: str = "") -> dict[str, Any]:
    return {"value": "" if value is None else value, "text": text, "css": css, "link": link}


def _share(value: float | None, css: str = "") -> dict[str, Any]:
    if value is None:
        return _cell(None, "–", f"n {css}")
    colour = "up" if value > 0 else "down" if value < 0 else ""
    return _cell(value, f"{100 * value:+.1f} %", f"n {colour} {css}")


def _number(value: float | None, currency: str | None) -> str:
    return "–" if value is None else f"{value:,.2f} {currency or ''}".strip()


def link(value: Any) -> str:
    """Return a cell's text as an address to link to, or nothing where it is not http or https."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.hostname and not re.search(r"[\s\x00-\x1f\x7f\\]", value) else ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["link"] = link
    return environment


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _code() -> str:
    """Return a hash of all that makes a page besides its facts."""
    files = [*_FOLDER.iterdir(), Path(__file__), Path(charts.__file__)]
    return _hash("".join(path.read_text(encoding="utf-8") for path in sorted(files)))


@cache
def _composer() -> str:
    """Return a hash of the rules by which a brief is composed."""
    files = (Path(compose_module.__file__), Path(facts.__file__))
    return _hash("".join(path.read_text(encoding="utf-8") for path in files))


def _render(template: str, script: str, **values: Any) -> str:
    css = _read("page.css")
    policy = f"default-src 'none'; style-src {_source(css)}; base-uri 'none'; form-action 'none'"
    if script:
        policy += f"; script-src {_source(script)}"
    return (
        _environment()
        .get_template(template)
        .render(css=Markup(css), script=Markup(script), policy=Markup(policy), **values)
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _made_of(home: Home) -> dict[str, list[str]]:
    try:
        told = json.loads((home.site / _MADE_OF).read_text())
    except (OSError, ValueError):
        return {}
    # What an older version noted is only good for taking pages away.
    return {n: made if isinstance(made, list) else ["", made] for n, made in told.items()}


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
