"""Real data through the inbox, each set in a home of its own, into marts: the largest into one.

The files are written as their owners published them: columns renamed, numbers in text parsed,
nothing else. Expected counts come from the files by other means than the store's.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from orchestration import dbt, run
from tests.dbt_project import part
from warehouse import publish
from warehouse.claims.verify import check
from warehouse.past import time_changes
from warehouse.settings import Home

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data (../shared/data) are not on this machine"
)

CALL = """(
    'AAPL', '2025-06-02 13:00:00',
    'Goldman Sachs downgrades Apple to Neutral from Buy with $190 target'
)"""
MARTS = (
    "consensus",
    "consensus_methods",
    "consensus_history",
    "votes",
    "momentum",
    "momentum_history",
    "momentum_ranks",
    "risk_flags",
    "flag_evidence",
    "flag_coverage",
    "flag_quality",
    "scorecard",
    "data_quality",
    "news_events",
)


def write(home: Home, table: str, name: str, query: str) -> None:
    """Drop the result of `query` into the inbox as a file."""
    folder = home.inbox / table
    folder.mkdir(parents=True, exist_ok=True)
    form = {"csv": "(format csv, header)", "parquet": "(format parquet)", "jsonl": "(format json)"}
    duckdb.sql(f"copy ({query}) to '{folder / name}' {form[name.rsplit('.', 1)[1]]}")


def load(home: Home, table: str) -> dict[str, int]:
    """Ingest the inbox and return the counts of `table`."""
    run.prepare(home)
    outcome = run.run_ingest(home, "inbox")
    assert outcome.success
    assert not outcome.tables[table].failures
    return asdict(outcome.tables[table].counts)


def load_again(home: Home, table: str) -> dict[str, int]:
    """Drop what was stored once more, in another format, and return the counts."""
    for file in sorted((home.inbox / ".done" / table).glob("*[!t]")):
        rows = f"'{file}'"
        if file.suffix == ".csv":
            rows = f"read_csv('{file}', all_varchar = true, header = true)"
        write(home, table, f"again-{file.stem}.parquet", f"select * from {rows}")
    return load(home, table)


def build(home: Home, as_of: datetime | None = None) -> dict[str, int]:
    """Refresh and return the number of rows of each published mart."""
    outcome = run.run_refresh(home, as_of=as_of)
    assert outcome.success, outcome.failures
    with publish.reading(home) as con:
        return {mart: count(con, f"select count(*) from marts.{mart}") for mart in MARTS}


def count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def everything(home: Home) -> dict[str, pd.DataFrame]:
    """Every published mart, its rows in order."""
    with publish.reading(home) as con:
        names = con.execute(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        ).fetchall()
        return {name: con.execute(f"from marts.{name} order by all").df() for (name,) in names}


def rejects(home: Home) -> dict[str, int]:
    with publish.reading(home) as con:
        return dict(con.execute("select reason, count(*) from raw.rejects group by 1").fetchall())


def report(name: str, counts: dict[str, int], marts: dict[str, int], refused: object) -> None:
    """Print what a run stored; pytest shows it with -s or on failure."""
    print(f"\n{name}: stored {counts}, marts {marts}, rejected {refused}")


@pytest.mark.slow
def test_us_prices(tmp_path: Path) -> None:
    home = Home(tmp_path)
    file = DATA / "prices" / "us_98_5y.parquet"
    write(home, "prices", "us.parquet", f"select * rename (date as session_date) from '{file}'")
    counts = load(home, "prices")
    began = datetime.now(UTC).replace(tzinfo=None)
    marts = build(home)
    report("us_98_5y", counts, marts, rejects(home))
    assert counts["new"] == 121_903
    assert rejects(home) == {}
    assert marts["momentum_history"] == 121_903
    assert marts["momentum"] == marts["scorecard"] == 98
    assert load_again(home, "prices") | {"unchanged": 0} == dict.fromkeys(counts, 0)

    # Of a news item only some models run, and the marts are those that all of them make.
    write(home, "news", "one.csv", f"select * from (values {CALL}) t(ticker, published_at, title)")
    assert load(home, "news")["new"] == 1
    some = run.run_refresh(home)
    with duckdb.connect(str(home.build), read_only=True) as con:
        is_of_news = not time_changes(con, began, datetime.now(UTC).replace(tzinfo=None))
    shown = everything(home)
    every = run.run_refresh(home, force=True)
    assert some.success and every.success
    assert "marts/news_events" in some.row_counts and "marts/votes" in some.row_counts
    # Where a session opens or closes meanwhile, all models run, and rightly so.
    if is_of_news:
        assert "marts/momentum_history" not in some.row_counts
        assert some.row_counts.keys() < every.row_counts.keys()
    again = everything(home)
    assert shown.keys() == again.keys()
    for mart, rows in shown.items():
        pd.testing.assert_frame_equal(rows, again[mart], rtol=1e-12, obj=mart)
    assert shown["news_event_ratings"]["firm"].tolist() == ["Goldman Sachs"]


@pytest.mark.slow
def test_rating_events(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ratings = DATA / "ratings"
    write(
        home,
        "ratings",
        "marketpulse.csv",
        f"""
        select ticker, analyst_firm as firm, rating as to_grade, rating_date as graded_on, rating_id
        from read_csv('{ratings / "marketpulse_events.csv.gz"}', all_varchar = true)
        """,
    )
    write(
        home,
        "ratings",
        "desk.csv",
        f"""
        select
            ticker, event_date as graded_on, firm, action, to_grade,
            replace(replace(target, '$', ''), ',', '') as target,
            replace(replace(prior, '$', ''), ',', '') as prior_target
        from read_csv('{ratings / "desk_events.csv"}', all_varchar = true)
        """,
    )
    counts = load(home, "ratings")
    marts = build(home)
    report("ratings", counts, marts, rejects(home))
    assert sum(counts.values()) == 27_214 + 2_532
    # One firm gave one company two targets on one day: neither is believed.
    assert rejects(home) == {"two rows of one key and moment contradict each other": 2}
    assert marts["votes"] > 1_000
    assert marts["consensus"] == marts["scorecard"] > 600
    assert load_again(home, "ratings")["new"] == 0


@pytest.mark.slow
def test_consensus_snapshots(tmp_path: Path) -> None:
    home = Home(tmp_path)
    expected = 0
    for day in ("2025-07-18", "2025-07-28"):
        file = DATA / "ratings" / "etorotrade" / f"{day}.csv.gz"
        rows = f"read_csv('{file}', all_varchar = true)"
        expected += duckdb.sql(f"select count(*) from {rows}").fetchall()[0][0]
        number = "nullif(replace({}, ',', ''), '--')"
        write(
            home,
            "consensus",
            f"{day}.csv",
            f"""
            select
                TICKER as ticker, '{day}' as snapshot_date,
                {number.format("TARGET")} as target_mean, {number.format('"# T"')} as target_count,
                {number.format('"# A"')} as analysts, {number.format("PRICE")} as price,
                cast(replace(nullif("% BUY", '--'), '%', '') as double) / 100 as buy_share
            from {rows}
            """,
        )
    counts = load(home, "consensus")
    marts = build(home)
    report("consensus", counts, marts, rejects(home))
    assert counts["new"] + counts["rejected"] + counts["duplicates"] == expected
    assert marts["consensus"] > 5_000
    assert load_again(home, "consensus")["new"] == 0


@pytest.mark.slow
def test_daily_files_with_overlap(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.inbox / "prices").mkdir(parents=True)
    told = duckdb.connect()
    told.execute(
        f"""
        create table told as
        select symbol as ticker, date as session_date, * exclude (symbol, date)
        from '{DATA / "prices" / "pystock_2016.parquet"}'
        """
    )
    days = [row[0] for row in told.execute("select distinct file_date from told").fetchall()]
    for day in days:
        told.execute(
            f"copy (select * exclude (file_date) from told where file_date = '{day}') "
            f"to '{home.inbox / 'prices' / f'{day}.csv'}' (format csv, header)"
        )
    # Walk each key's tellings in order: a version counts when it differs from the one kept before.
    differs = " or ".join(
        f"abs(b.{c} - a.{c}) > 1e-6 * greatest(abs(b.{c}), abs(a.{c}))"
        for c in ("open", "high", "low", "close", "volume")
    )
    (total, keys, restated, most) = told.execute(
        f"""
        with numbered as (
            select *, dense_rank() over (partition by ticker, session_date order by file_date) as n
            from (select distinct * from told)
        )
        select
            (select count(*) from told),
            (select count(*) from (select distinct ticker, session_date from told)),
            (
                select count(*) from numbered b join numbered a
                on a.ticker = b.ticker and a.session_date = b.session_date and a.n = b.n - 1
                where {differs}
            ),
            (select max(n) from numbered)
        """
    ).fetchall()[0]
    assert most == 2
    counts = load(home, "prices")
    # All marts of so many bars would take as long as those of all other sets together.
    momentum = part(tmp_path / "part", ["momentum_history"])
    built = dbt.build(momentum, home, as_of=datetime.now(UTC).replace(tzinfo=None))
    assert all(node.is_good for node in built)
    assert total == 2_965_870 == sum(counts.values())
    assert counts["new"] == keys == 1_523_329
    assert counts["changed"] == restated
    with duckdb.connect(str(home.build), read_only=True) as con:
        assert count(con, "select count(*) from marts.momentum_history") == keys
        assert count(con, "select count(*) from raw.rejects") == 0


@pytest.mark.slow
def test_ticker_news(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(
        home,
        "news",
        "desk.jsonl",
        f"""
        select * rename (published as published_at, source as publisher)
        from '{DATA / "news" / "desk_news.parquet"}'
        """,
    )
    counts = load(home, "news")
    marts = build(home)
    report("desk_news", counts, marts, rejects(home))
    assert counts["new"] + counts["duplicates"] + counts["rejected"] == 21_797
    with publish.reading(home) as con:
        assert count(con, "select count(*) from staging.stg_news") == counts["new"]
        told = count(con, "select count(distinct ticker) from raw.news")
        # Every item is in one story of its ticker.
        items = count(con, "select sum(article_count) from marts.news_events")
        assert items == count(con, "select count(*) from marts.news_event_articles")
        assert items == counts["new"]
    assert marts["scorecard"] == told == 649
    assert load_again(home, "news")["new"] == 0


@pytest.mark.slow
def test_second_vintage_stores_what_it_restates(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first, second = (
        DATA / "prices" / f"china_tech_1y_to_{day}.parquet" for day in ("2026-05-22", "2026-06-23")
    )
    query = "select * rename (date as session_date) from '{}'"
    write(home, "prices", "first.parquet", query.format(first))
    assert load(home, "prices")["new"] == 31_375
    write(home, "prices", "second.parquet", query.format(second))
    counts = load(home, "prices")
    before, after = (
        {
            row[:2]: row[2:]
            for row in duckdb.sql(
                f"select ticker, date, open, high, low, close, volume from '{file}'"
            ).fetchall()
        }
        for file in (first, second)
    )
    restated = sum(
        any(
            abs(now - then) > 1e-6 * max(abs(now), abs(then))
            for now, then in zip(values, before[key], strict=True)
        )
        for key, values in after.items()
        if key in before
    )
    assert counts["new"] == len(after.keys() - before.keys())
    assert counts["changed"] == restated > 0
    assert counts["unchanged"] == len(after) - counts["new"] - restated
    marts = build(home)
    report("china_tech, second vintage", counts, marts, rejects(home))
    assert marts["momentum"] == 125


def seconds(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)


def write_recorded_answers(home: Home, vintage: str) -> set[str]:
    """Drop the answers of a vintage that carry events and a snapshot; return their tickers."""
    files: dict[str, list[dict[str, Any]]] = {"ratings": [], "consensus": [], "prices": []}
    for file in sorted((DATA / "yahoo_recorded" / vintage).glob("quoteSummary-all-*.json")):
        answer = json.loads(file.read_text())
        result = (answer["body"]["quoteSummary"]["result"] or [{}])[0]
        history = result.get("upgradeDowngradeHistory", {}).get("history")
        data, price = result.get("financialData"), result.get("price", {})
        if not history or not data:
            continue
        recorded_at = parsedate_to_datetime(answer["recorded_at"]).replace(tzinfo=None)
        told = {"ticker": price["symbol"], "known_at": recorded_at}
        files["ratings"] += [
            told
            | {
                "firm": row["firm"],
                "graded_on": seconds(row["epochGradeDate"]).date(),
                "graded_at": seconds(row["epochGradeDate"]),
                "to_grade": row["toGrade"],
                "from_grade": row["fromGrade"],
                "action": row["action"],
            }
            for row in history
        ]
        names = {"strongBuy": "strong_buy", "strongSell": "strong_sell"}
        snapshot = told | {
            "snapshot_date": recorded_at.date(),
            "recommendation_mean": data.get("recommendationMean"),
            "recommendation_key": data.get("recommendationKey"),
            "target_mean": data.get("targetMeanPrice"),
            "target_median": data.get("targetMedianPrice"),
            "target_high": data.get("targetHighPrice"),
            "target_low": data.get("targetLowPrice"),
            "target_count": data.get("numberOfAnalystOpinions"),
        }
        trend = result.get("recommendationTrend", {}).get("trend") or [{"period": "0m"}]
        files["consensus"] += [
            (snapshot if row["period"] == "0m" else told | {"snapshot_date": recorded_at.date()})
            | {names.get(name, name): value for name, value in row.items()}
            for row in trend
        ]
        files["prices"].append(
            told
            | {
                "session_date": seconds(price["regularMarketTime"]).date(),
                "close": price["regularMarketPrice"],
                "currency": price["currency"],
                "is_final": True,
            }
        )
    for table, rows in files.items():
        folder = home.inbox / table
        folder.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(rows)
        frame.to_json(folder / "recorded.jsonl", orient="records", lines=True, date_format="iso")
    return {row["ticker"] for row in files["prices"]}


@pytest.mark.slow
def test_recorded_consensus_is_reconciled(tmp_path: Path) -> None:
    """Our named firms beside Yahoo's own counts and mean, one row a ticker and comparison."""
    home = Home(tmp_path)
    tickers = write_recorded_answers(home, "2025-02_to_03")
    for table in ("ratings", "consensus", "prices"):
        load(home, table)
    marts = build(home, datetime(2025, 2, 24, 12))
    report("recorded", {}, marts, rejects(home))
    assert marts["consensus"] == len(tickers) == 13
    with publish.reading(home) as con:
        compared = con.sql(
            "select distinct ticker from marts.data_quality "
            "where check_name = 'consensus_gap_firm_count'"
        ).fetchall()
        both = con.sql(
            "select ticker from marts.consensus where firm_count > 0 and analyst_count > 0"
        ).fetchall()
        orders = dict(
            con.sql(
                "select ticker, reason from marts.data_quality "
                "where check_name = 'snapshot_strong_buy_order'"
            ).fetchall()
        )
    assert sorted(compared) == sorted(both)
    assert len(both) >= 9
    # In these the vendor's mean is that of its counts with the two exchanged, to rounding.
    for ticker in ("AAPL", "ABBV", "AMZN", "ARMK", "BEKE", "CRM", "GOOG"):
        assert orders[ticker].startswith("strong_buy and buy look exchanged"), ticker


MICRON = (
    "December 19, 2025\n"
    "Micron (MU) shares jumped 7% on Friday.\n"
    "The stock closed at $265.92.\n"
    "Shares are up 17.7% in the past month.\n"
    "Shares have more than tripled in 2025.\n"
    "The stock hit an all-time high.\n"
    "Goldman Sachs: Neutral, $235 target.\n"
    "Wolfe Research raised its price target to $350 from $300.\n"
    "HSBC: Buy, $330 target, citing memory prices.\n"
    "The median price target is $300.\n"
    "Targets cluster around $275–$300.\n"
    "Targets range from $235 to $350.\n"
    "There are no Sell ratings.\n"
    "It is above its 200-day moving average.\n"
)
PLANTED = {
    "Needham: Buy, $320 target.": ("contradicted", "newest call"),
    "Barclays: Buy, $280 target.": ("contradicted", "Deutsche Bank"),
    "Shares have climbed 17.7% in the past week.": ("contradicted", "month"),
    "The stock closed up 8% on Friday.": ("contradicted", "intraday high"),
    "Stifel rates it Buy with a €300 price target.": ("contradicted", "stated in EUR"),
    "Citigroup: Buy, $300 target.": ("stale", "replaced on 2025-12-18"),
    "Goldman Sachs raised its price target to $235 from $180.": ("contradicted", "newest call"),
    "The stock hit a 52-week low.": ("contradicted", "close"),
}
# Verdicts on the claims of a sentence, by their first letters.
MICRON_TOLD = {
    "Micron shares jumped 7% to $265.92 on Friday.": "SS",
    "Micron shares jumped 7% to $275.92 on Friday.": "SC",
    "Goldman Sachs rates Micron Neutral with a $235 target.": "S",
    "Goldman Sachs rates Micron Buy with a $235 target.": "C",
    "Wolfe Research lifted its target to $350.": "S",
    "Wolfe Research cut its target to $350.": "C",
    "Wolfe Research raised its target by $50 to $350.": "S",
    "Wolfe Research raised its target by $60 to $350.": "C",
    "HSBC has a $330 target and Wolfe Research $350.": "SS",
    "HSBC has a $330 target and Wolfe Research $370.": "SC",
    "Micron set a 52-week high on Friday.": "S",
    "Micron set a 52-week high of $250 on Friday.": "C",
    "Micron set a 52-week high on Thursday.": "C",
    "Wolfe Research's target implies 31.6% upside.": "S",
    "Goldman's target implies 31.6% upside.": "C",
    "Micron has outperformed the S&P 500 in 2025.": "S",
    "Micron has underperformed the S&P 500 in 2025.": "C",
    "The stock closed at $248.55 on Thursday.": "S",
    "The stock closed at $265.92 on Thursday.": "C",
    "Micron and Intel announced a partnership.": "N",
    "The highest target is $350.": "S",
    "The lowest target is $250.": "C",
}


@pytest.mark.slow
def test_an_article_on_a_real_company_with_planted_errors(tmp_path: Path) -> None:
    """Micron on 19 December 2025: 248.55 the day before, 268.38 at most, 265.92 at the close."""
    home = Home(tmp_path)
    write(
        home,
        "prices",
        "us.parquet",
        f"""
        select * rename (date as session_date) from '{DATA / "prices" / "us_98_5y.parquet"}'
        where ticker in ('MU', 'SPY')
        """,
    )
    write(
        home,
        "ratings",
        "desk.csv",
        f"""
        select ticker, event_date as graded_on, firm, action, to_grade,
            replace(replace(target, '$', ''), ',', '') as target,
            replace(replace(prior, '$', ''), ',', '') as prior_target
        from read_csv('{DATA / "ratings" / "desk_events.csv"}', all_varchar = true)
        where ticker = 'MU'
        """,
    )
    name = "'MU' as ticker, 'Micron Technology, Inc.' as name, 'NMS' as exchange, 'USD' as currency"
    write(home, "securities", "micron.csv", f"select {name}")
    load(home, "prices")
    build(home)
    made = publish.newest(home)
    assert made is not None
    with publish.reading(home) as con:
        text = MICRON + "\n".join(PLANTED)
        newest = datetime.fromisoformat(made.as_of)
        told = check(con, text, newest=newest)
        sentences = check(con, MICRON.splitlines()[0] + "\n" + "\n".join(MICRON_TOLD),
                          newest=newest, ticker="MU")  # fmt: skip
        # Of a call of the day no hour is known; an article of that day may have read it.
        day_before = check(con, "Goldman Sachs: Neutral, $235 target.", newest=newest, ticker="MU",
                           published_at="2025-12-18")  # fmt: skip
        too_early = check(con, "Goldman Sachs: Neutral, $235 target.", newest=newest, ticker="MU",
                          published_at="2025-12-17")  # fmt: skip
    assert (told["ticker"], told["as_of"][:10]) == ("MU", "2025-12-22")
    (of_the_day,) = day_before["claims"]
    assert of_the_day["verdict"] == "supported" and "2025-12-18" in of_the_day["note"]
    assert [c["verdict"] for c in too_early["claims"]] == ["contradicted"]
    letters = dict.fromkeys(MICRON_TOLD, "")
    for claim in sentences["claims"]:
        letters[sentences["sentences"][claim["sentence"]]] += claim["verdict"][0].upper()
    assert letters == MICRON_TOLD
    found: dict[str, list[dict[str, Any]]] = {}
    for claim in told["claims"]:
        found.setdefault(told["sentences"][claim["sentence"]], []).append(claim)
    lines = MICRON.splitlines()[1:]
    assert set(found) == {*lines, *PLANTED}
    for line in lines:
        assert [c["verdict"] for c in found[line]] == ["supported"], found[line]
        assert found[line][0]["evidence"]
    for line, (verdict, said) in PLANTED.items():
        assert [c["verdict"] for c in found[line]] == [verdict], found[line]
        assert said in f"{found[line][0]['basis']} {found[line][0]['note']}", found[line]
