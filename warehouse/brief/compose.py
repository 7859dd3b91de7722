"""Compose the brief of a ticker from the marts of one database, by rules and without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import duckdb

from warehouse.brief.facts import (
    Brief,
    Evidence,
    Fact,
    Rests,
    Section,
    Sentence,
    clean,
    keyed,
    plain,
)
from warehouse.errors import UsageError

# Named calls and stories that are told; the marts hold all of them.
MOST_CALLS = 8
MOST_STORIES = 5
MOST_DRIVERS = 6
# Days before the newest bar whose bars a brief's figures may rest on.
BAR_DAYS = 660
_DRIVERS = {
    "PROD": "Products",
    "CAPEX": "Investment",
    "PART": "Partnerships",
    "MA": "Deals",
    "EARN": "Results",
    "GUID": "Guidance",
    "LEAD": "Leadership",
    "DIV": "Payouts",
    "FIN": "Financing",
}
_SEVERITIES = {1: "info", 2: "watch", 3: "warning", 4: "severe"}

Row = Mapping[str, Any]


class Marts:
    """Reads rows of the marts and of raw tables, each cell as evidence."""

    def __init__(self, con: duckdb.DuckDBPyConnection, ticker: str) -> None:
        """Look through `con`, which is only read, at the rows of `ticker`."""
        self.con = con
        self.ticker = ticker
        self._raw: dict[str, dict[Any, Row]] = {}

    def rows(self, query: str, **values: Any) -> list[Row]:
        """Return the rows of a query, whose `$ticker` is the brief's."""
        named = {"ticker": self.ticker, **values}
        used = {name: value for name, value in named.items() if f"${name}" in query}
        found = self.con.execute(query, used)
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def one(self, table: str) -> Row | None:
        """Return the ticker's row of a mart that has one."""
        found = self.rows(f"select * from {table} where ticker = $ticker")
        return found[0] if found else None

    def cell(self, table: str, row: Row, column: str, *keys: str) -> Evidence:
        """Return one cell of a mart's row; its key is the ticker unless `keys` are named."""
        key = keyed({name: row[name] for name in keys or ("ticker",)})
        return Evidence(table, column, plain(row[column]), key=key)

    def raw(self, table: str, row_ids: Iterable[Any], *columns: str) -> list[Evidence]:
        """Return cells of rows of a raw table as they were told, in the order of `row_ids`."""
        wanted = list(dict.fromkeys(row_id for row_id in row_ids if row_id is not None))
        told = self.read(table, wanted)
        return [
            Evidence(
                *(table, column, plain(told[row_id][column]), row_id),
                known_at=str(told[row_id]["known_at"]),
            )
            for row_id in wanted
            if row_id in told
            for column in columns
        ]

    def read(self, table: str, row_ids: Iterable[Any]) -> Mapping[Any, Row]:
        """Return the rows of a raw table read so far, by `row_id`, these among them."""
        told = self._raw.setdefault(table, {})
        if unread := [row_id for row_id in row_ids if row_id not in told]:
            query = f"select * from {table} where list_contains($ids, row_id)"
            told |= {row["row_id"]: row for row in self.rows(query, ids=unread)}
        return told


def compose(con: duckdb.DuckDBPyConnection, ticker: str, as_of: str) -> Brief:
    """Return the brief of `ticker` from an open database whose marts show the moment `as_of`.

    Raises `UsageError` when the marts do not know the ticker.
    """
    return _Composer(Marts(con, ticker), as_of).brief()


def bar_digests(marts: Marts) -> dict[str, str]:
    """Return, by `row_id`, a digest of each raw bar on which figures of a window may rest."""
    found = marts.rows(
        """
        select p.row_id, substring(md5(concat_ws('|', r.open, r.high, r.low, r.close, r.adj_close,
            r.volume, r.dividend, r.split_ratio)), 1, 8) as digest
        from staging.stg_prices as p
        inner join raw.prices as r on r.row_id = p.row_id
        where p.ticker = $ticker and p.is_final and p.session_date > (
            select max(session_date) - $days from marts.momentum where ticker = $ticker
        )
        order by p.session_date
        """,
        days=BAR_DAYS,
    )
    return {row["row_id"]: row["digest"] for row in found}


def rules_of(marts: Marts) -> str | None:
    """Return what identifies the project that built the marts; None where it was not noted."""
    found = marts.rows("select code_version from raw.builds where model = '*'")
    return str(found[0]["code_version"])[:16] if found else None


class _Composer:
    def __init__(self, marts: Marts, as_of: str) -> None:
        self.marts, self.as_of, self.ticker = marts, as_of, marts.ticker
        card = marts.one("marts.scorecard")
        if card is None:
            raise UsageError(
                f"The marts know nothing of {self.ticker} as of {as_of} UTC. "
                '`bellwether sql "select ticker from marts.scorecard"` lists what they know.'
            )
        self.card = card
        self.momentum = marts.one("marts.momentum")
        self.consensus = marts.one("marts.consensus")
        self.currency = clean(card["currency"] or "")
        self.names = {row["flag"]: row for row in marts.rows("select * from rules.flag_names")}
        # Bars compared of which we know only by inference when they were known.
        self.inferred: dict[str, Evidence] = {}
        self.reasons = {
            row["check_name"]: row
            for row in marts.rows(
                "select * from marts.data_quality where ticker = $ticker and reason is not null"
            )
        }

    def brief(self) -> Brief:
        sections = (
            ("The price", self.price()),
            ("Why it moves", self.why()),
            ("Wall Street's stance", self.stance()),
            ("Key drivers", self.drivers()),
            ("Risks", self.risks()),
            ("Bottom line", self.bottom_line()),
        )
        return Brief(
            ticker=self.ticker,
            name=clean(self.card["name"] or "") or clean(self.ticker),
            as_of=self.as_of,
            is_simulated=bool(self.card["is_simulated"]),
            sections=tuple(Section(title, tuple(said)) for title, said in sections),
            rules=rules_of(self.marts),
            bars=bar_digests(self.marts),
        )

    # Facts

    def card_fact(self, column: str, text: str, leaves: Iterable[Evidence] = ()) -> Fact:
        return Fact(text, (self.marts.cell("marts.scorecard", self.card, column), *leaves))

    def consensus_fact(self, column: str, text: str, leaves: Iterable[Evidence] = ()) -> Fact:
        assert self.consensus is not None
        return Fact(text, (self.marts.cell("marts.consensus", self.consensus, column), *leaves))

    def subject(self) -> Fact:
        name = clean(self.card["name"] or "")
        ticker = clean(self.ticker)
        text = f"{name} ({ticker})" if name else ticker
        return self.card_fact("name" if name else "ticker", text)

    def missing(self, what: str, table: str, row: Row, column: str) -> Sentence:
        """Say that a cell is blank, and why, as `marts.data_quality` has it."""
        cell = self.marts.cell(table, row, column)
        mart = table.rpartition(".")[2]
        reason = self.reasons.get(f"{mart}_{column}") or self.reasons.get(f"scorecard_{column}")
        if reason is None:
            return Sentence("{0} is not known; no reason is recorded.", Fact(what, (cell,)))
        key = keyed({name: reason[name] for name in ("check_name", "ticker", "checked_on")})
        why = Evidence("marts.data_quality", "reason", plain(reason["reason"]), key=key)
        return Sentence(
            "{0} is not known: {why}.",
            Fact(what, (cell,)),
            why=Fact(clean(reason["reason"]), (why,)),
        )

    # Sections

    def price(self) -> list[Sentence]:
        said: list[Sentence] = []
        if self.card["is_simulated"]:
            said.append(
                Sentence(
                    "These data are {0}: no real quotes, ratings or news.",
                    self.card_fact("is_simulated", "a simulated sample"),
                )
            )
        row = self.momentum
        if row is None:
            said.append(self.missing("The price", "marts.scorecard", self.card, "close"))
            return said
        bars = self.anchors
        close = self.marts.raw("raw.prices", [bars.get("now")], "close")
        said += self.silence(row)

        def figure(column: str, text: str, *anchors: str) -> Fact:
            ids = [bars.get("now"), *(bars.get(name) for name in anchors)]
            leaves = self.marts.raw("raw.prices", ids, "close")
            return Fact(text, (self.marts.cell("marts.momentum", row, column), *leaves))

        day = figure("session_date", str(row["session_date"]))
        level = figure("close", _money(row["close"], self.currency))
        if row["return_1d"] is None:
            said.append(
                Sentence("{0} closed at {close} on {day}.", self.subject(), close=level, day=day)
            )
            said.append(self.missing("The day's change", "marts.momentum", row, "return_1d"))
        else:
            change = figure("return_1d", _change(row["return_1d"]), "previous")
            said.append(
                Sentence(
                    "{0} closed {change} at {close} on {day}.",
                    self.subject(),
                    change=change,
                    close=level,
                    day=day,
                )
            )
        high, low = row["high_return_1d"], row["return_1d"]
        if high is not None and low is not None and abs(high - low) >= 0.01:
            told = self.marts.raw("raw.prices", [bars.get("now")], "high")
            before = self.marts.raw("raw.prices", [bars.get("previous")], "close")
            cell = self.marts.cell("marts.momentum", row, "high_return_1d")
            said.append(
                Sentence(
                    "During the session it stood {0} against the close before.",
                    Fact(_signed(high), (cell, *[*told, *before])),
                )
            )
        windows = (
            ("return_1m", "over one month", "month"),
            ("return_ytd", "since the start of the year", "year"),
            ("return_12m", "over twelve months", "twelve"),
        )
        known = [w for w in windows if row[w[0]] is not None]
        if known:
            facts = {c: figure(c, _signed(row[c]), anchor) for c, _, anchor in known}
            first, *rest = known
            template = "The price changed {0} " + first[1]
            template += "".join(f", {{{column}}} {words}" for column, words, _ in rest) + "."
            head = facts.pop(first[0])
            said.append(Sentence(template, head, **facts))
        for column, words, _ in windows:
            if row[column] is None:
                said.append(self.missing(f"The change {words}", "marts.momentum", row, column))
        said.append(self.level(row, figure, close))
        if row["momentum_percentile"] is not None:
            cell = self.marts.cell("marts.momentum", row, "momentum_percentile")
            count = self.marts.cell("marts.momentum", row, "universe_count")
            strength = self.marts.cell("marts.momentum", row, "momentum_12_1")
            said.append(
                Sentence(
                    "By momentum from twelve months to one month ago ({strength}) it ranks above "
                    "{0} of the other {count} tickers covered.",
                    Fact(f"{100 * row['momentum_percentile']:.0f} %", (cell,)),
                    strength=Fact(_signed(row["momentum_12_1"]), (strength,)),
                    count=Fact(str(row["universe_count"] - 1), (count,)),
                )
            )
        else:
            rank = "momentum_percentile"
            said.append(self.missing("A rank by momentum", "marts.momentum", row, rank))
        if self.inferred:
            said.append(
                Sentence(
                    "{0} of the bars compared here are reconstructed: they came with the first "
                    "load and count as known from their own closes.",
                    Fact(str(len(self.inferred)), _rests(self.inferred.values())),
                )
            )
        return said

    def silence(self, row: Row) -> list[Sentence]:
        """Say that sessions have passed of which no bar is known."""
        passed = self.marts.rows(
            """
            select d.exchange, d.day, d.session_number - b.session_number as session_count
            from staging.stg_listings as l
            inner join staging.stg_calendar_days as d on d.exchange = l.exchange and d.is_session
            inner join staging.stg_calendar_days as b on b.exchange = l.exchange and b.day = $day
            where l.ticker = $ticker and d.day > $day
                and d.closes_at + interval '15' minute <= cast($as_of as timestamp)
            order by d.day desc limit 1
            """,
            day=row["session_date"],
            as_of=self.as_of,
        )
        if not passed:
            return []
        cell = self.marts.cell("staging.stg_calendar_days", passed[0], "day", "exchange", "day")
        day = self.marts.cell("marts.momentum", row, "session_date")
        count = passed[0]["session_count"]
        return [
            Sentence(
                "No bar is known of the {0} since {day}: every figure of its price is of that day.",
                Fact(f"{count} sessions" if count > 1 else "session", (cell, day)),
                day=Fact(str(row["session_date"]), (day,)),
            )
        ]

    def level(self, row: Row, figure: Any, close: Sequence[Evidence]) -> Sentence:
        if row["highest_close_since"] is None:
            return Sentence(
                "It is the highest close of the history we hold, which begins on {0}.",
                Fact(
                    str(row["history_start"]),
                    (self.marts.cell("marts.momentum", row, "history_start"), *close),
                ),
            )
        if (row["session_date"] - row["highest_close_since"]).days > 30:
            since = figure("highest_close_since", str(row["highest_close_since"]), "since")
            return Sentence("It is the highest close since {0}.", since)
        if row["high_52w_ratio"] is None:
            return self.missing("The 52-week high", "marts.momentum", row, "high_52w_ratio")
        return Sentence(
            "It stands {0} below the highest close of 252 sessions, {high}.",
            figure("high_52w_ratio", _percent(1 - row["high_52w_ratio"])),
            high=figure("high_52w", _money(row["high_52w"], self.currency), "high"),
        )

    @cached_property
    def anchors(self) -> dict[str, str]:
        """The `row_id` of each bar that the section of the price compares with."""
        assert self.momentum is not None
        found = self.marts.rows(
            """
            with bars as (
                select row_id, session_date, close, pit_quality
                from staging.stg_prices
                where ticker = $ticker and is_final and close is not null and session_date <= $day
            ), told as (
                select 'now' as anchor, max(session_date) as day from bars
                union all select 'previous', max(session_date) from bars where session_date < $day
                union all select 'month', max(session_date) from bars
                    where session_date <= $day - interval '1' month
                union all select 'twelve', max(session_date) from bars
                    where session_date <= $day - interval '12' month
                union all select 'year', max(session_date) from bars
                    where session_date < date_trunc('year', $day)
                union all select 'since', $since
                union all select 'high', max(session_date) from bars
                    where close >= $high * (1 - 1e-9)
                        and session_date > $day - interval '380' day
            )
            select anchor, row_id, pit_quality
            from told inner join bars on bars.session_date = told.day
            """,
            day=self.momentum["session_date"],
            since=self.momentum["highest_close_since"],
            high=self.momentum["high_52w"],
        )
        self.inferred = {
            row["row_id"]: Evidence(
                "staging.stg_prices", "pit_quality", row["pit_quality"], row_id=row["row_id"]
            )
            for row in found
            if row["pit_quality"] == "reconstructed"
        }
        return {row["anchor"]: row["row_id"] for row in found}

    def why(self) -> list[Sentence]:
        stories = self.marts.rows(
            """
            select * from marts.news_events
            where ticker = $ticker and relevance = 'primary'
                and first_published_at > cast($as_of as timestamp) - interval '7' day
                and cluster_id not in (
                    select cluster_id from marts.news_event_topics
                    where ticker = $ticker and topic in ('ANALYST', 'MOVE', 'MACRO')
                )
            order by publisher_count desc, first_published_at desc, cluster_id
            limit $most
            """,
            as_of=self.as_of,
            most=MOST_STORIES,
        )
        said = [self.story(story) for story in stories]
        if not said:
            return [self.no_story("No story of the last seven days is about the company")]
        return [*said, *self.coincidence(stories)]

    def coincidence(self, stories: Sequence[Row]) -> list[Sentence]:
        """Say which stories came between the two closes that the day's move compares."""
        row = self.momentum
        if row is None or row["return_1d"] is None:
            return []
        closes = self.marts.rows(
            """
            select d.closes_at
            from staging.stg_listings as l
            inner join staging.stg_calendar_days as d on d.exchange = l.exchange and d.is_session
            where l.ticker = $ticker and d.day <= $day
            order by d.day desc limit 2
            """,
            day=row["session_date"],
        )
        if len(closes) < 2:
            return []
        until, since = (close["closes_at"] for close in closes)
        within = [one for one in stories if since < one["first_published_at"] <= until]
        key = ("cluster_id", "ticker")
        cells = [
            self.marts.cell("marts.news_events", one, "first_published_at", *key)
            for one in within or stories
        ]
        day = Fact(
            str(row["session_date"]), (self.marts.cell("marts.momentum", row, "session_date"),)
        )
        if not within:
            template = "{0} came between the close before {day} and that day's; so none coincides "
            template += "with its move."
            return [Sentence(template, Fact("No story told here", _rests(cells)), day=day)]
        what = "These stories" if len(within) > 1 else "This story"
        if len(within) < len(stories):
            what = f"{len(within)} of these stories"
        verb = "coincides" if len(within) == 1 else "coincide"
        template = f"{{0}} {verb} with the move of {{day}}; nothing here shows that "
        template += ("they" if len(within) > 1 else "it") + " caused it."
        return [Sentence(template, Fact(what, _rests(cells)), day=day)]

    def story(self, story: Row, lead: str = "") -> Sentence:
        key = ("cluster_id", "ticker")

        def fact(column: str, text: str, leaves: Iterable[Evidence] = ()) -> Fact:
            return Fact(text, (self.marts.cell("marts.news_events", story, column, *key), *leaves))

        articles = self.marts.rows(
            """
            select row_id from marts.news_event_articles
            where ticker = $ticker and cluster_id = $cluster order by row_id
            """,
            cluster=story["cluster_id"],
        )
        ids = [row["row_id"] for row in articles]
        told = self.marts.raw("raw.news", ids, "title", "publisher", "published_at", "url")
        publishers = story["publisher_count"]
        facts = {
            "day": fact("first_published_at", str(story["first_published_at"])[:16]),
            "count": fact(
                "publisher_count", f"{publishers} publisher" + ("s" if publishers != 1 else "")
            ),
        }
        template = lead + "“{0}” ({day} UTC, {count}"
        if story["sentiment_label"] not in (None, "abstain"):
            facts["lean"] = fact("sentiment_label", story["sentiment_label"])
            template += ", {lean} for the company"
        template += ")"
        if story["abnormal_return_0_1"] is not None:
            moved = story["abnormal_return_0_1"]
            facts["moved"] = fact("abnormal_return_0_1", _signed(moved))
            template += "; against its benchmark the price moved {moved} on that day and the next"
        return Sentence(template + ".", fact("headline", clean(story["headline"]), told), **facts)

    def stance(self) -> list[Sentence]:
        row = self.consensus
        if row is None:
            cell = self.marts.cell("marts.scorecard", self.card, "analyst_count")
            return [Sentence("{0} is known.", Fact("No analyst's view", (cell,)))]
        said: list[Sentence] = []
        ids = self.snapshot
        if row["analyst_count"] is None or row["snapshot_label"] is None:
            column = "analyst_count" if row["analyst_count"] is None else "snapshot_label"
            said.append(self.missing("The vendor's consensus", "marts.consensus", row, column))
        else:
            counts = ("strong_buy", "buy", "hold", "sell", "strong_sell")
            told = self.marts.raw("raw.consensus", ids, *counts, "recommendation_mean")
            label = self.consensus_fact("snapshot_label", row["snapshot_label"], told)
            shares = {
                "buys": (row["strong_buy_count"] or 0) + (row["buy_count"] or 0),
                "holds": row["hold_count"] or 0,
                "sells": (row["sell_count"] or 0) + (row["strong_sell_count"] or 0),
            }
            columns = {
                "buys": ("strong_buy_count", "buy_count"),
                "holds": ("hold_count",),
                "sells": ("sell_count", "strong_sell_count"),
            }
            facts = {
                name: Fact(
                    str(shares[name]) if shares[name] else "none",
                    _rests(self.marts.cell("marts.consensus", row, c) for c in columns[name]),
                )
                for name in shares
            }
            said.append(
                Sentence(
                    "The consensus is {0} from {analysts} analysts: {buys} say buy, {holds} hold, "
                    "{sells} sell.",
                    label,
                    analysts=self.consensus_fact("analyst_count", str(row["analyst_count"]), told),
                    **facts,
                )
            )
        if row["coverage_ratio"] is not None and row["coverage_ratio"] < 0.5:
            ratio = self.marts.cell("marts.consensus", row, "coverage_ratio")
            said.append(
                Sentence(
                    "Named calls cover {0} of {analysts} analysts.",
                    Fact(
                        str(row["firm_count"]),
                        (self.marts.cell("marts.consensus", row, "firm_count"), ratio),
                    ),
                    analysts=self.consensus_fact("analyst_count", str(row["analyst_count"])),
                )
            )
        votes = self.marts.rows(
            """
            select * from marts.votes where ticker = $ticker
            order by case when note is null then 1 else 0 end, graded_on desc, known_from desc, firm
            """
        )
        said += self.targets(row, votes)
        said += [self.call(vote) for vote in votes[:MOST_CALLS]]
        if len(votes) > MOST_CALLS:
            said.append(
                Sentence(
                    f"These are {MOST_CALLS} of {{0}} live calls, those with reasons first; "
                    "marts.votes has all.",
                    self.consensus_fact("firm_count", str(row["firm_count"])),
                )
            )
        if not votes:
            said.append(
                Sentence(
                    "No named firm has a live call ({0}).",
                    self.consensus_fact("firm_count", str(row["firm_count"] or 0)),
                )
            )
        said += self.revisions(row)
        inferred = [vote for vote in votes if vote["pit_quality"] == "reconstructed"]
        if inferred:
            key = ("ticker", "firm")
            cells = [self.marts.cell("marts.votes", vote, "pit_quality", *key) for vote in inferred]
            said.append(
                Sentence(
                    "{0} of {firms} live calls are reconstructed: they came with the first load "
                    "and count as known from their own dates.",
                    Fact(str(len(inferred)), _rests(cells)),
                    firms=self.consensus_fact("firm_count", str(row["firm_count"])),
                )
            )
        return said

    @cached_property
    def snapshot(self) -> list[Any]:
        """The `row_id` of the vendor's snapshot that the consensus shows."""
        assert self.consensus is not None
        told = self.marts.rows(
            """
            select row_id from staging.stg_consensus
            where ticker = $ticker and snapshot_date = $day and period = '0m'
            """,
            day=self.consensus["snapshot_on"],
        )
        return [one["row_id"] for one in told]

    def targets(self, row: Row, votes: Sequence[Row]) -> list[Sentence]:
        counted = [vote for vote in votes if vote["target_status"] in ("used", "outlier")]
        leaves = self.vote_cells(counted, "target")
        if row["target_count"] in (None, 0):
            return [
                self.missing("A target of a named firm", "marts.consensus", row, "target_median")
            ]
        count = self.consensus_fact("target_count", str(row["target_count"]), leaves)
        median = self.consensus_fact("target_median", _money(row["target_median"], self.currency))
        if row["target_cluster_low"] is None:
            listed = ", ".join(
                f"{v['target']:g}" for v in sorted(counted, key=lambda v: v["target"])
            )
            cells = [self.marts.cell("marts.votes", v, "target", "ticker", "firm") for v in counted]
            said = [
                Sentence(
                    "{count} named targets are live: {0}; their median is {median}.",
                    Fact(listed, _rests(cells)),
                    count=count,
                    median=median,
                )
            ]
        else:
            low, high = row["target_cluster_low"], row["target_cluster_high"]
            said = [
                Sentence(
                    "Targets of {0} named firms cluster around {low} to {high}; their median is "
                    "{median}, the range {least} to {most}.",
                    count,
                    low=self.consensus_fact("target_cluster_low", f"{low:,.2f}"),
                    high=self.consensus_fact("target_cluster_high", _money(high, self.currency)),
                    median=median,
                    least=self.consensus_fact("target_low", f"{row['target_low']:,.2f}"),
                    most=self.consensus_fact("target_high", f"{row['target_high']:,.2f}"),
                )
            ]
        if row["upside_median"] is not None:
            price = self.marts.raw("raw.prices", [self.anchors.get("now")], "close")
            said.append(
                Sentence(
                    "The median lies {0} the close.",
                    self.consensus_fact(
                        "upside_median",
                        f"{_percent(abs(row['upside_median']))} "
                        + ("above" if row["upside_median"] >= 0 else "below"),
                        [*leaves, *price],
                    ),
                )
            )
        else:
            said.append(self.missing("The upside", "marts.consensus", row, "upside_median"))
        return said

    def vote_cells(self, votes: Sequence[Row], *columns: str) -> list[Evidence]:
        cells: list[Evidence] = []
        for table in ("raw.ratings", "raw.broker_calls"):
            ids = [vote["row_id"] for vote in votes if vote["table_name"] == table]
            cells += self.marts.raw(table, ids, *columns)
        return cells

    def call(self, vote: Row) -> Sentence:
        key = ("ticker", "firm")
        is_found = vote["table_name"] == "raw.broker_calls"
        told = self.vote_cells([vote], "grade" if is_found else "to_grade", "target")

        def fact(column: str, text: str, leaves: Iterable[Evidence] = ()) -> Fact:
            return Fact(text, (self.marts.cell("marts.votes", vote, column, *key), *leaves))

        facts = {
            "grade": fact("grade", clean(vote["grade"]), told),
            "day": fact("graded_on", str(vote["graded_on"])),
        }
        template = "{0}: {grade}"
        if vote["target"] is not None:
            what = "fair value" if vote["target_status"] == "fair_value" else "target"
            currency = clean(vote["target_currency"] or "(currency unknown)")
            facts["target"] = fact("target", _money(vote["target"], currency))
            template += f", {what} {{target}}"
            if vote["prior_target"] is not None and vote["prior_target"] != vote["target"]:
                facts["prior"] = fact(
                    "prior_target",
                    f"{vote['prior_target']:,.2f}",
                    self.vote_cells([vote], "prior_target"),
                )
                template += " after {prior}"
        template += ", on {day}"
        if vote["note"]:
            facts["note"] = fact(
                "note",
                clean(vote["note"]).rstrip("."),
                self.vote_cells([vote], "span" if is_found else "note"),
            )
            template += "; from the news: “{note}”" if is_found else ": “{note}”"
        return Sentence(template + ".", fact("firm", clean(vote["firm"])), **facts)

    def revisions(self, row: Row) -> list[Sentence]:
        columns = ("upgrades_30d", "downgrades_30d", "target_raises_30d", "target_cuts_30d")
        if any(row[column] is None for column in columns):
            return []
        events = (
            self.marts.rows(
                """
            select table_name, row_id from staging.rating_events
            where ticker = $ticker and graded_on > $day - interval '31' day and graded_on <= $until
            """,
                day=row["session_date"] or self.as_of[:10],
                until=self.as_of[:10],
            )
            if row["session_date"]
            else []
        )
        leaves = self.vote_cells(events, "target")
        facts = {column: self.consensus_fact(column, str(row[column])) for column in columns[1:]}
        return [
            Sentence(
                "In 30 days: {0} upgrades, {downgrades_30d} downgrades, {target_raises_30d} "
                "targets raised, {target_cuts_30d} cut.",
                self.consensus_fact(columns[0], str(row[columns[0]]), leaves),
                **facts,
            )
        ]

    def drivers(self) -> list[Sentence]:
        stories = self.marts.rows(
            """
            select events.*, topics.topic, topics.subtopic, topics.confidence
            from marts.news_events as events
            inner join marts.news_event_topics as topics
                on topics.cluster_id = events.cluster_id and topics.ticker = events.ticker
            where events.ticker = $ticker and events.relevance = 'primary'
                and events.first_published_at > cast($as_of as timestamp) - interval '45' day
                and list_contains($topics, topics.topic)
            order by events.publisher_count desc, events.first_published_at desc,
                events.cluster_id, topics.topic
            """,
            as_of=self.as_of,
            topics=list(_DRIVERS),
        )
        newest: dict[str, Row] = {}
        for story in stories:
            newest.setdefault(story["topic"], story)
        # A story that is the first of several topics is told once.
        told: dict[str, list[str]] = {}
        for topic, story in newest.items():
            told.setdefault(story["cluster_id"], []).append(topic)
        said = [
            self.story(newest[topics[0]], f"{', '.join(_DRIVERS[topic] for topic in topics)}: ")
            for topics in list(told.values())[:MOST_DRIVERS]
        ]
        if not said:
            said.append(self.no_story("No story of 45 days about the company names a driver"))
        return said

    def no_story(self, what: str) -> Sentence:
        count = self.card["news_count_30d"]
        if count is None:
            return self.missing("News", "marts.scorecard", self.card, "news_count_30d")
        items = self.card_fact("news_count_30d", str(count))
        return Sentence(f"{what}; {{0}} items came in its stream in 30 days.", items)

    def risks(self) -> list[Sentence]:
        flags = self.marts.rows(
            """
            select * from marts.risk_flags where ticker = $ticker and is_open
            order by severity desc, opened_on desc, flag
            """
        )
        said = [self.flag(flag) for flag in flags]
        if not flags:
            said.append(
                Sentence(
                    "No risk flag is open ({0}).",
                    self.card_fact("open_flag_count", str(self.card["open_flag_count"])),
                )
            )
        said.append(self.valuation())
        unseen = self.marts.rows(
            """
            select * from marts.flag_coverage
            where ticker = $ticker and status = 'not_evaluable' order by flag, kind
            """
        )
        if unseen:
            cells = [
                self.marts.cell("marts.flag_coverage", row, "reason", "ticker", "flag", "kind")
                for row in unseen
            ]
            names = ", ".join(
                f"{self.names[row['flag']]['name']} [{row['flag']}] "
                f"({clean(row['reason'] or 'no reason told')})"
                for row in unseen[:4]
            )
            cells += [
                self.marts.cell("rules.flag_names", self.names[row["flag"]], "name", "flag")
                for row in unseen[:4]
            ]
            more = f" and {len(unseen) - 4} more" if len(unseen) > 4 else ""
            said.append(Sentence("Not evaluable: {0}.", Fact(names + more, _rests(cells))))
        return said

    def flag(self, flag: Row) -> Sentence:
        evidence = self.marts.rows(
            """
            select distinct table_name, row_id, column_name from marts.flag_evidence
            where flag_episode_id = $episode order by table_name, row_id, column_name
            """,
            episode=flag["flag_episode_id"],
        )
        of_raw = [row for row in evidence if row["table_name"].startswith("raw.")]
        for table, rows in groupby(of_raw, lambda row: row["table_name"]):
            self.marts.read(table, [row["row_id"] for row in rows])  # one query, not one a row
        leaves = [
            leaf
            for row in of_raw
            for leaf in self.marts.raw(row["table_name"], [row["row_id"]], row["column_name"])
        ]

        def fact(column: str, text: str, more: Iterable[Evidence] = ()) -> Fact:
            cell = self.marts.cell("marts.risk_flags", flag, column, "flag_episode_id")
            return Fact(text, (cell, *more))

        facts = {
            "severity": fact("severity", _SEVERITIES[flag["severity"]]),
            "kind": fact("kind", flag["kind"]),
            "day": fact("opened_on", str(flag["opened_on"])),
            "message": fact("message", clean(flag["message"]).rstrip("."), leaves),
        }
        named = self.names[flag["flag"]]
        facts["code"] = fact("flag", flag["flag"])
        name = Fact(named["name"], (self.marts.cell("rules.flag_names", named, "name", "flag"),))
        template = "{0} [{code}] ({kind}, {severity}, since {day}): {message}."
        return Sentence(template, name, **facts)

    def valuation(self) -> Sentence:
        if self.card["forward_pe"] is None:
            return self.missing("A forward P/E", "marts.scorecard", self.card, "forward_pe")
        multiples = self.marts.rows(
            "select ticker, row_id, valued_on from staging.forward_multiples where ticker = $ticker"
        )
        valued = Fact(
            str(multiples[0]["valued_on"]),
            (self.marts.cell("staging.forward_multiples", multiples[0], "valued_on"),),
        )
        columns = ("price", "forward_eps", "forward_pe")
        own = self.marts.raw("raw.valuations", [row["row_id"] for row in multiples], *columns)
        multiple = self.card_fact("forward_pe", f"{self.card['forward_pe']:.1f}", own)
        median = self.card["forward_pe_peer_median"]
        if median is None:
            return Sentence(
                "Valuation: on {day} it traded at {0} times forward earnings; {peers} is not "
                "known.",
                multiple,
                day=valued,
                peers=self.card_fact("forward_pe_peer_median", "a median of peers"),
            )
        peers = self.marts.rows(
            """
            select row_id from staging.forward_multiples where ticker in (
                select peer from rules.peers where ticker = $ticker
                    and valid_from <= cast($as_of as timestamp)
                    and (valid_to is null or valid_to >= cast($as_of as timestamp))
            ) order by row_id
            """,
            as_of=self.as_of,
        )
        theirs = self.marts.raw("raw.valuations", [row["row_id"] for row in peers], *columns)
        side = "below" if self.card["forward_pe"] < median else "not below"
        return Sentence(
            f"Valuation: on {{day}} it traded at {{0}} times forward earnings, {side} its peers' "
            "median of {peers}.",
            multiple,
            day=valued,
            peers=self.card_fact("forward_pe_peer_median", f"{median:.1f}", theirs),
        )

    def bottom_line(self) -> list[Sentence]:
        day = self.card["session_date"]
        prices = self.card_fact("session_date", str(day) if day else "no day")
        return [
            Sentence(
                "By the rules of rules.stance_rules the picture is {0}: {reason}.",
                self.card_fact("stance", self.card["stance"]),
                reason=self.card_fact(
                    "stance_reason", clean(self.card["stance_reason"]), self.factors()
                ),
            ),
            Sentence(
                f"It counts the marts' numbers as of {self.as_of[:10]}, with prices of {{0}}, and "
                "is not advice.",
                prices,
            ),
        ]

    def factors(self) -> list[Evidence]:
        """Return the cells that the points of the stance count, and the raw rows below them."""
        columns = ("upside_median", "net_upgrade_share_30d", "momentum_percentile", "return_1m",
                   "news_sentiment_30d", "worst_severity")  # fmt: skip
        cells = [self.marts.cell("marts.scorecard", self.card, column) for column in columns]
        if self.consensus is not None:
            for column in ("snapshot_mean_score", "mean_score"):
                cells.append(self.marts.cell("marts.consensus", self.consensus, column))
            told = self.snapshot
            cells += self.marts.raw("raw.consensus", told, "recommendation_mean")
            votes = self.marts.rows(
                "select table_name, row_id from marts.votes where ticker = $ticker order by firm"
            )
            cells += self.vote_cells(votes, "target")
        if self.momentum is not None:
            anchors = self.anchors
            bars = [anchors.get(name) for name in ("now", "month", "twelve")]
            cells += self.marts.raw("raw.prices", bars, "close")
        worst = self.marts.rows(
            """
            select flag_episode_id, severity from marts.risk_flags
            where ticker = $ticker and is_open and severity = $severity order by flag_episode_id
            """,
            severity=self.card["worst_severity"],
        )
        cells += [
            self.marts.cell("marts.risk_flags", flag, "severity", "flag_episode_id")
            for flag in worst
        ]
        return cells


def _rests(cells: Iterable[Evidence]) -> Rests:
    head, *rest = cells
    return (head, *rest)


def _money(value: float, currency: str) -> str:
    return f"{value:,.2f} {currency}".strip()


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _signed(value: float) -> str:
    if round(value, 3) == 0:
        return "0.0 %"
    return f"{100 * value:+.1f} %"


def _change(value: float) -> str:
    if round(value, 3) == 0:
        return "unchanged"
    return ("up " if value > 0 else "down ") + _percent(abs(value))
