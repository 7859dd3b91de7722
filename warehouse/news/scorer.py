"""The source `news_scorer`: what the stored news items say, as facts for three raw tables.

It scores each stored batch of `raw.news` once for every version of itself, so that only what is new
is touched and a new version scores everything anew without fetching anything. A score is a function
of the item's text, the names known, and for clusters the articles before it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from warehouse.errors import SourceError
from warehouse.garbage import without_collecting
from warehouse.news import (
    SCORED_TABLES,
    SCORER,
    broker_calls,
    duplicates,
    finbert,
    network,
    sentiment,
    topics,
)
from warehouse.news.linking import FIRM, Mention, Names, masked, names_before, names_of, relevance
from warehouse.news.text import (
    SUMMARY_CHARACTERS,
    SUMMARY_WORDS,
    TARGET,
    TITLE_CHARACTERS,
    Word,
    clean,
    sentences,
    words,
)
from warehouse.settings import SEEDS
from warehouse.sources import Drift, Unit

PART_ROWS = 20_000
# Items that were read are kept for the next table: a stored batch never changes.
MOST_READ = 2 * PART_ROWS
_READ: dict[tuple[str, int], list[Item]] = {}
_as_json = json.JSONEncoder(ensure_ascii=False).encode
_SEEDS = (
    "broker_call_patterns", "event_patterns", "firm_aliases", "news_templates", "rating_grades",
    "scorer_settings", "security_aliases", "sentiment_term_weights", "topic_patterns",
    "topic_term_weights", "word_classes", "word_frequencies",
)  # fmt: skip
_CODE = (
    "broker_calls", "duplicates", "features", "finbert", "linking", "network", "patterns",
    "scorer", "sentiment", "text", "topics", "vocabulary",
)  # fmt: skip


@cache
def scorer_version(scorer_id: str = sentiment.TermsAndNetwork.scorer_id) -> str:
    """Return the version of the scorer: what it is called and a hash of all its code and seeds."""
    digest = hashlib.sha256(scorer_id.encode())
    here = Path(__file__).parent
    for path in [
        *(here / f"{name}.py" for name in _CODE),
        network.WEIGHTS,
        *(SEEDS / f"{name}.csv" for name in _SEEDS),
    ]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{scorer_id}-{digest.hexdigest()[:12]}"


def _key(
    news_id: str, tickers: Sequence[str], known_at: datetime, title: str, summary: str
) -> tuple[Any, ...]:
    """Return what a version of an item in some tickers' streams is kept by."""
    return news_id, known_at, hash((title, summary)), *tickers


@dataclass
class Item:
    """A version of a news item and the tickers in whose stream it came."""

    news_id: str
    tickers: list[str]
    published_at: datetime
    known_at: datetime
    title: str
    summary: str
    cut: list[Word] = field(init=False)
    summary_cut: list[Word] = field(init=False)
    in_title: list[Mention] = field(init=False)
    in_summary: list[Mention] = field(init=False)
    is_linked: bool = field(init=False, default=False)
    key: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Clean the texts and cut them into words."""
        self.key = _key(self.news_id, self.tickers, self.known_at, self.title, self.summary)
        self.title = clean(self.title, TITLE_CHARACTERS)
        self.summary = clean(self.summary, SUMMARY_CHARACTERS)
        self.cut, self.summary_cut = words(self.title), words(self.summary, SUMMARY_WORDS)

    def link(self, names: Names) -> None:
        """Find the names in the texts, once; a doubtful one counts only in its ticker's stream."""
        if self.is_linked:
            return
        self.is_linked = True
        self.in_title, self.in_summary = (
            [m for m in names.find(text, cut) if not m.is_ambiguous or m.name in self.tickers]
            for text, cut in ((self.title, self.cut), (self.summary, self.summary_cut))
        )
        self._learn_names()

    def _learn_names(self) -> None:
        """Take from "Agilent Technologies (NYSE: A)" that this item calls A so."""
        learned: list[tuple[str, str]] = []
        for text, cut, found, elsewhere in (
            (self.title, self.cut, self.in_title, self.summary),
            (self.summary, self.summary_cut, self.in_summary, self.title),
        ):
            for mention in found:
                if (
                    mention.is_symbol
                    and mention.name in self.tickers
                    and text[mention.start] != "$"
                ):
                    told = names_before(text, cut, found, mention, elsewhere)
                    learned += [(name, mention.name) for name in told]
        for name, ticker in dict.fromkeys(learned):
            for text, found in ((self.title, self.in_title), (self.summary, self.in_summary)):
                place = text.find(name)
                while place >= 0:
                    end = place + len(name)
                    whole = (
                        not text[place - 1 : place].isalnum() and not text[end : end + 1].isalnum()
                    )
                    taken = any(m.start < end and place < m.end and m.name == ticker for m in found)
                    if whole and not taken:
                        found.append(Mention(place, end, ticker, False))
                    place = text.find(name, end)
        self.in_title.sort(key=lambda m: (m.start, m.name))
        self.in_summary.sort(key=lambda m: (m.start, m.name))

    def unnamed(self, cut: Sequence[Word], found: Sequence[Mention]) -> list[str]:
        """Return the forms of words without the names of the item's own companies.

        What a company is called is not what is said of it.
        """
        own = [(m.start, m.end) for m in found if m.name in self.tickers and not m.is_symbol]
        if not own:
            return [w.form for w in cut]
        taken = {w.start for a, b in own for w in cut if a <= w.start < b}
        return [TARGET if w.start in taken else w.form for w in cut]

    def relevance(self, ticker: str) -> str | None:
        """How the item is about the ticker, None when only the query links them."""
        return relevance(ticker, self.in_title, self.in_summary, is_query=True)

    def about(self, ticker: str) -> str | None:
        """Return the first sentence that names the ticker, masked for it, the headline first."""
        if any(m.name == ticker for m in self.in_title):
            return masked(self.title, self.in_title, ticker)
        place = 0
        for sentence in sentences(self.summary):
            start = self.summary.find(sentence, place)
            place = start + len(sentence)
            within = [
                Mention(m.start - start, m.end - start, m.name, m.is_ambiguous, m.is_symbol)
                for m in self.in_summary
                if start <= m.start and m.end <= place
            ]
            if any(m.name == ticker for m in within):
                return masked(sentence, within, ticker)
        return None

    def fingerprint(self) -> duplicates.Fingerprint:
        """Return what of the item is compared with others."""
        cut = self.cut[: duplicates.MOST_TITLE]
        return duplicates.fingerprint(
            self.title,
            cut,
            self._of_others(cut, self.in_title),
            self._of_others(self.summary_cut, self.in_summary),
            [m.name for m in self.in_title if m.name.startswith(FIRM)],
        )

    def _of_others(self, cut: Sequence[Word], found: Sequence[Mention]) -> Sequence[Word]:
        """Return words without the names and symbols of the item's own companies."""
        own = [(m.start, m.end) for m in found if m.name in self.tickers]
        if not own:
            return cut
        return [word for word in cut if not any(a <= word.start < b for a, b in own)]


class NewsScorer:
    """The source of scores; those of `news_signals` come last.

    Its units are stored batches of news that it has not scored in this version.
    """

    name = SCORER
    tables: tuple[str, ...] = SCORED_TABLES
    requests = 0
    drifts: Sequence[Drift] = ()

    def __init__(
        self, con: duckdb.DuckDBPyConnection, scorer: sentiment.Scorer | None = None
    ) -> None:
        """Read news through `con`; take sentiment from `scorer`, else from the one chosen."""
        self.con = con
        self.scorer = scorer or _chosen()
        self.version = scorer_version(self.scorer.scorer_id)
        # A large load comes in parts, each of which is compared with the parts before.
        self._prints: dict[tuple[Any, ...], duplicates.Fingerprint] = {}

    def pending(self, table: str, tickers: Sequence[str] = ()) -> list[Unit]:
        """Return a unit for every part of a stored batch of news not yet scored for `table`."""
        stored = self.con.execute(
            """
            select batch_id, new + changed from raw.batches
            where asset = 'raw/news' and new + changed > 0 order by started_at, batch_id
            """
        ).fetchall()
        done = {
            row[0]
            for row in self.con.execute(
                "select file_hash from raw.batches where asset = ? and source = ?",
                [f"raw/{table}", self.name],
            ).fetchall()
        }
        units = []
        for batch_id, count in stored:
            for part in range(-(-count // PART_ROWS)):
                unit = self._unit(batch_id, part)
                if unit.file_hash not in done:
                    units.append(unit)
        return units

    def _unit(self, batch_id: str, part: int) -> Unit:
        told = f"{self.version} {batch_id} {part}"
        return Unit(part=(batch_id, part), file_hash=hashlib.sha256(told.encode()).hexdigest())

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Do nothing: what was scored is known by the batches of its scores."""

    @without_collecting()
    def news_signals(self, unit: Unit) -> pd.DataFrame:
        """Sentiment toward each ticker, relevance and cluster."""
        items = self._items(unit)
        for item in items:
            item.link(self._names)
        clusters = self._clusters(items)
        lines, texts, asked = [], [], []
        for item in items:
            seen = self._prints[item.key] = item.fingerprint()
            cluster_id, novelty = clusters.place(
                item.news_id, item.tickers, item.published_at, seen
            )
            for ticker in item.tickers:
                link = item.relevance(ticker)
                text = item.about(ticker) if link else None
                payload = {"novelty": round(novelty[ticker], 4), "is_named": link is not None}
                told = {
                    "sentiment": sentiment.ABSTAIN,
                    "sentiment_score": None,
                    "confidence": None,
                    "relevance": link or "mention",
                    "cluster_id": cluster_id,
                    "payload": payload,
                }
                lines.append(self._line(item, ticker, told))
                if text is not None:
                    texts.append(text)
                    asked.append(len(lines) - 1)
        for place, (chances, evidence) in zip(asked, self.scorer.score(texts), strict=True):
            leaning = sentiment.judge(chances, evidence)
            line = lines[place]
            line["sentiment"] = leaning.label
            line["sentiment_score"] = round(leaning.score, 4)
            line["confidence"] = round(leaning.confidence, 4)
            line["payload"]["evidence"] = list(leaning.evidence)
        for line in lines:
            line["payload"] = _as_json(line["payload"])
        if unit.part is not None:
            _READ.pop(unit.part, None)  # the last of the three tables
        return _frame(lines, _SIGNALS)

    @without_collecting()
    def news_topics(self, unit: Unit) -> pd.DataFrame:
        """Topics and subtopics of each item, for each of its tickers."""
        lines = []
        items = self._items(unit)
        before = self._told(items, "news_topics", "topic || '.' || subtopic")
        for item in items:
            item.link(self._names)
            found = topics.tag(
                item.unnamed(item.cut, item.in_title),
                item.unnamed(item.summary_cut, item.in_summary),
            )
            now = {f"{topic.topic}.{topic.subtopic}": topic for topic in found}
            for ticker in item.tickers:
                # A corrected text may no longer say what it did: that is told as well.
                for gone in before[item.news_id, ticker] - now.keys():
                    topic, _, subtopic = gone.partition(".")
                    now_gone = topics.Topic(topic, subtopic, 0.0, "rule")
                    lines.append(self._line(item, ticker, now_gone._asdict()))
                lines += [self._line(item, ticker, topic._asdict()) for topic in found]
                before[item.news_id, ticker] = set(now)
        return _frame(lines, _TOPICS)

    @without_collecting()
    def broker_calls(self, unit: Unit) -> pd.DataFrame:
        """Calls of brokers on each item's tickers."""
        lines = []
        items = self._items(unit)
        before = self._told(items, "broker_calls", "firm")
        for item in items:
            item.link(self._names)
            primary = [ticker for ticker in item.tickers if item.relevance(ticker) == "primary"]
            calls = broker_calls.extract(
                broker_calls.Text(item.title, item.cut, item.in_title),
                broker_calls.Text(item.summary, item.summary_cut, item.in_summary),
                item.tickers,
                primary,
            )
            for ticker in item.tickers:
                own = {call.firm: call for call in calls if call.ticker == ticker}
                gone = before[item.news_id, ticker] - own.keys()
                lines += [
                    self._line(item, ticker, {"firm": firm, "is_soft": True}) for firm in gone
                ]
                lines += [self._line(item, ticker, call._asdict()) for call in own.values()]
                before[item.news_id, ticker] = set(own)
        return _frame(lines, _CALLS)

    def _line(self, item: Item, ticker: str, told: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **told,
            "news_id": item.news_id,
            "ticker": ticker,
            "scorer_version": self.version,
            "known_at": item.known_at,
        }

    def _told(
        self, items: Sequence[Item], table: str, what: str
    ) -> dict[tuple[str, str], set[str]]:
        """What was stored in this version of the items before, by item and ticker."""
        own = sorted({item.news_id for item in items})
        rows = self.con.execute(
            f"""
            select t.news_id, t.ticker, {what}
            from raw.{table} t join (select unnest(?) as news_id) own on own.news_id = t.news_id
            where t.source = ? and t.scorer_version = ?
            """,
            [own, self.name, self.version],
        ).fetchall()
        told: dict[tuple[str, str], set[str]] = defaultdict(set)
        for news_id, ticker, told_of in rows:
            told[news_id, ticker].add(told_of)
        return told

    def _items(self, unit: Unit) -> list[Item]:
        """Read the items of a unit in the order they became known, once for all three tables."""
        assert unit.part is not None
        items = _READ.get(unit.part)
        if items is None:
            while _READ and sum(map(len, _READ.values())) > MOST_READ:
                _READ.pop(next(iter(_READ)))
            items = _READ[unit.part] = [Item(*line) for line in self._lines(unit.part)]
        return items

    def _lines(self, part: tuple[str, int]) -> list[tuple[Any, ...]]:
        batch_id, number = part
        return self.con.execute(
            """
            with numbered as (
                select
                    *,
                    row_number() over (
                        order by known_at, published_at, news_id, ticker, row_id
                    ) as n
                from raw.news where batch_id = ?
            )
            select news_id, list(ticker order by ticker), min(published_at), known_at, title,
                coalesce(summary, '') as summary
            from numbered where n > ? and n <= ?
            group by news_id, known_at, title, summary
            order by known_at, min(published_at), news_id
            """,
            [batch_id, number * PART_ROWS, (number + 1) * PART_ROWS],
        ).fetchall()

    @cached_property
    def _names(self) -> Names:
        securities = self.con.execute(
            "select distinct ticker, name from raw.securities where name is not null order by 1, 2"
        ).fetchall()
        return names_of(securities)

    def _clusters(self, items: Sequence[Item]) -> duplicates.Clusters:
        """Return the clusters of this version that the items could join, or be new beside."""
        clusters = duplicates.Clusters()
        if not items:
            return clusters
        wanted = sorted({(t, i.published_at.date()) for i in items for t in i.tickers})
        told = self.con.execute(
            """
            with
                wanted as (select unnest(?) as ticker, unnest(?) as day),
                near as (
                    select distinct
                        n.ticker, n.news_id, n.title, coalesce(n.summary, '') as summary,
                        n.published_at, n.known_at
                    from raw.news n
                    where exists (
                        select 1 from wanted w
                        where w.ticker = n.ticker
                            and n.published_at >= w.day - interval '30' day
                            and n.published_at < w.day + interval '4' day
                    )
                ),
                scored as (
                    select near.*, s.cluster_id
                    from near
                    join raw.news_signals s
                        on s.news_id = near.news_id and s.ticker = near.ticker
                        and s.known_at = near.known_at and s.source = ? and s.scorer_version = ?
                )
            select
                news_id, list(ticker order by ticker), published_at, known_at, title, summary,
                cluster_id
            from scored group by news_id, published_at, known_at, title, summary, cluster_id
            order by known_at, published_at, news_id
            """,
            [[t for t, _ in wanted], [day for _, day in wanted], self.name, self.version],
        ).fetchall()
        # In another ticker's stream, or under another title, an item may have its cluster already.
        own = sorted({item.news_id for item in items})
        named = self.con.execute(
            """
            select s.news_id, min(s.cluster_id)
            from raw.news_signals s
            join (select unnest(?) as news_id) own on own.news_id = s.news_id
            where s.source = ? and s.scorer_version = ? group by s.news_id
            """,
            [own, self.name, self.version],
        ).fetchall()
        for news_id, tickers, published_at, known_at, title, summary, cluster_id in told:
            seen = self._prints.get(_key(news_id, tickers, known_at, title, summary))
            if seen is None:
                item = Item(news_id, tickers, published_at, known_at, title, summary)
                item.link(self._names)
                seen = item.fingerprint()
            clusters.remember(news_id, tickers, published_at, cluster_id, seen)
        for key in list(islice(self._prints, max(0, len(self._prints) - MOST_READ))):
            del self._prints[key]
        for news_id, cluster_id in named:
            clusters.keep(news_id, cluster_id)
        return clusters


def _chosen() -> sentiment.Scorer:
    folder = os.environ.get(finbert.ENVIRONMENT_VARIABLE)
    return finbert.open_finbert(Path(folder)) if folder else sentiment.default_scorer()


_SIGNALS = (
    "news_id", "ticker", "scorer_version", "sentiment", "sentiment_score", "confidence",
    "relevance", "cluster_id", "known_at", "payload",
)  # fmt: skip
_TOPICS = (
    "news_id", "ticker", "scorer_version", "topic", "subtopic", "confidence", "found_by",
    "known_at",
)  # fmt: skip
_CALLS = (
    "news_id", "ticker", "firm", "scorer_version", "grade", "prior_grade", "target", "prior_target",
    "target_currency", "action", "is_soft", "span", "known_at",
)  # fmt: skip


def _frame(lines: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=list(columns)).astype(object)
