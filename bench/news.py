"""Headlines a second through the whole scorer: all at once, and a day's more.

    taskset -c 0 python -m bench.news FOLDER

FOLDER holds `desk_news.parquet` (headlines with summaries), `twitter_topic_train.csv` and
`twitter_sentiment_train.csv` (headlines alone). The items are stored as any others; then topics,
broker calls and signals (links, clusters, sentiment) are scored and stored, so that the seconds are
those of the assets without the start of a process. Pinned, they are those of one core.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from warehouse.ingest import ingest
from warehouse.news import SCORED_TABLES
from warehouse.settings import Home
from warehouse.store import Warehouse

HEADLINES, LATER = 40_000, 500
_LINK = re.compile(r"https?://\S+")
_CASHTAG = re.compile(r"\$([A-Z]{1,5})\b")


def headlines(folder: Path) -> pd.DataFrame:
    """Return `HEADLINES` different items, a row for each ticker one came for, in order of time."""
    told = duckdb.execute(
        """
        select
            ticker, title, any_value(summary) as summary,
            min(strptime(published, '%Y%m%dT%H%M%S')) as published_at
        from read_parquet(?) where title <> '' group by all order by published_at, title, ticker
        """,
        [str(folder / "desk_news.parquet")],
    ).df()
    found = {title: n for n, title in enumerate(dict.fromkeys(told["title"]))}
    at, lines = datetime(2025, 11, 1), []
    for name in ("twitter_topic_train.csv", "twitter_sentiment_train.csv"):
        for text in pd.read_csv(folder / name)["text"]:
            title = _LINK.sub("", text).strip()
            if title and title not in found and len(found) < HEADLINES:
                found[title] = len(found)
                tag = _CASHTAG.search(title)
                at += timedelta(minutes=1)
                lines.append((tag[1] if tag else "SPY", title, None, at))
    told = pd.concat([told, pd.DataFrame(lines, columns=told.columns)], ignore_index=True)
    told["news_id"] = told["title"].map(found)
    return told.astype({"news_id": str}).astype(object)


def score(home: Home) -> float:
    """Score what waits and return the seconds it took."""
    began = time.perf_counter()
    for table in ("news_topics", "broker_calls", "news_signals"):
        done = ingest(home, table, "inbox", load_id="bench")
        assert not done.failures, done.failures
    return time.perf_counter() - began


def tell(home: Home, rows: pd.DataFrame) -> None:
    """Store news."""
    with Warehouse(home.build) as store:
        store.append("news", rows, source="inbox")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print headlines a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(arguments)
    told = headlines(asked.folder)
    ids = told["news_id"].drop_duplicates()
    is_later = told["news_id"].isin(ids.tail(LATER))
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        for name, rows in (("at once", told[~is_later]), ("later", told[is_later])):
            tell(home, rows)
            count, seconds = rows["news_id"].nunique(), score(home)
            print(
                f"{name:8}{count:>8,} headlines {seconds:7.2f} s {count / seconds:8,.0f} a second"
            )
        with Warehouse(home.build) as store:
            for table in SCORED_TABLES:
                [[stored]] = store.con.execute(f"select count(*) from raw.{table}").fetchall()
                print(f"  raw.{table}: {stored:,} rows")


if __name__ == "__main__":
    main()
