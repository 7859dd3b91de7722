"""An item as the scorer reads it, from the words of a headline."""

from __future__ import annotations

from datetime import datetime

from warehouse.news import broker_calls
from warehouse.news.linking import names_of
from warehouse.news.scorer import Item

AT = datetime(2025, 9, 1, 12)


def item(title: str, *tickers: str, summary: str = "", names: dict[str, str] | None = None) -> Item:
    read = Item("n", list(tickers), AT, AT, title, summary)
    read.link(names_of((names or {}).items()))
    return read


def calls(
    title: str, *tickers: str, summary: str = "", names: dict[str, str] | None = None
) -> list[broker_calls.Call]:
    read = item(title, *tickers, summary=summary, names=names)
    return broker_calls.extract(
        broker_calls.Text(read.title, read.cut, read.in_title),
        broker_calls.Text(read.summary, read.summary_cut, read.in_summary),
        read.tickers,
        [ticker for ticker in tickers if read.relevance(ticker) == "primary"],
    )
