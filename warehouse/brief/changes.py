"""What changed for a ticker between two moments, and which raw rows made it change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import duckdb

from warehouse.brief.compose import Marts, Row
from warehouse.brief.facts import Evidence, clean
from warehouse.errors import UsageError

_LEVELS = (
    ("marts.consensus", "snapshot_label", "Vendor's consensus"),
    ("marts.consensus", "analyst_count", "Analysts counted by the vendor"),
    ("marts.consensus", "label", "Consensus of the named firms"),
    ("marts.consensus", "firm_count", "Named firms"),
    ("marts.consensus", "target_median", "Median target"),
    ("marts.consensus", "target_cluster_low", "Low end of the cluster of targets"),
    ("marts.consensus", "target_cluster_high", "High end of the cluster of targets"),
    ("marts.consensus", "snapshot_target_mean", "Vendor's mean target"),
    ("marts.consensus", "upside_median", "Median target over the close"),
)
_RETURNS = (
    ("close", "Close"),
    ("return_1m", "Return over one month"),
    ("return_ytd", "Return since the start of the year"),
    ("return_12m", "Return over twelve months"),
    ("momentum_percentile", "Percentile of 12-1 momentum in the universe"),
)
_RANKED = ("momentum_12_1", "universe_count")
_SHARES = (
    "upside_median",
    "return_1m",
    "return_ytd",
    "return_12m",
    "momentum_percentile",
    "momentum_12_1",
)
_PRICES = ("target_median", "target_cluster_low", "target_cluster_high", "snapshot_target_mean")


@dataclass(frozen=True)
class Change:
    """One thing that changed; `evidence` holds the marts' cells of both moments and raw cells."""

    kind: str
    text: str
    before: Any
    after: Any
    evidence: tuple[Evidence, *tuple[Evidence, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return it as `bellwether diff --json` prints it."""
        return {
            "kind": self.kind,
            "text": self.text,
            "before": self.before,
            "after": self.after,
            "evidence": [cell.as_json() for cell in self.evidence],
        }


class _Vote(NamedTuple):
    """A change of a firm's vote, and what of it changed."""

    change: Change
    is_counted_anew: bool
    is_graded_anew: bool
    is_target_anew: bool

    def bears_on(self, column: str) -> bool:
        """Whether it may have moved a column of the consensus."""
        if column == "firm_count":
            return self.is_counted_anew
        if column == "label":
            return self.is_graded_anew
        return self.is_target_anew


def require_known(con: duckdb.DuckDBPyConnection, ticker: str) -> None:
    """Raise `UsageError` when the marts of a database do not know the ticker."""
    if Marts(con, ticker).one("marts.scorecard") is None:
        raise UsageError(
            f"The marts know nothing of {ticker}. "
            '`bellwether sql "select ticker from marts.scorecard"` lists what they know.'
        )


def changes(
    before: duckdb.DuckDBPyConnection,
    after: duckdb.DuckDBPyConnection,
    ticker: str,
    since: datetime,
    *,
    is_same_basis: bool = False,
) -> list[Change]:
    """Return what changed for `ticker` from one database, of the moment `since`, to a later one.

    Prices and targets of the earlier one are brought to the split basis of the later, unless they
    are on it (`is_same_basis`).
    Raises `UsageError` when the later one does not know the ticker.
    """
    require_known(after, ticker)
    old, new = Marts(before, ticker), Marts(after, ticker)
    splits = 1.0 if is_same_basis else _splits(old, new)
    votes = _votes(old, new, splits)
    return [
        *(vote.change for vote in votes),
        *_levels(old, new, splits, votes),
        *_returns(old, new, splits),
        *_flags(old, new, since),
    ]


def _splits(old: Marts, new: Marts) -> float:
    first, last = old.one("marts.momentum"), new.one("marts.momentum")
    if first is None or last is None:
        return 1.0
    factor = 1.0
    for row in new.rows(
        """
        select split_ratio from staging.stg_prices
        where ticker = $ticker and session_date > $first and session_date <= $last
            and split_ratio > 0 and split_ratio <> 1
        """,
        first=first["session_date"],
        last=last["session_date"],
    ):
        factor *= row["split_ratio"]
    return factor


def _votes(old: Marts, new: Marts, splits: float) -> list[_Vote]:
    query = "select * from marts.votes where ticker = $ticker order by graded_on desc, firm"
    before = {row["firm"]: row for row in old.rows(query)}
    after = {row["firm"]: row for row in new.rows(query)}
    found = []
    for firm in dict.fromkeys((*after, *before)):
        was, now = before.get(firm), after.get(firm)
        cells = [*_vote_cells(old, was), *_vote_cells(new, now)]
        if now is None and was is not None:
            closing = _closing(new, firm, was)
            said = f"no longer counts; it was {_vote_words(was, splits)}"
            cells += closing
        elif now is not None and was is None:
            said = f"new: {_vote_words(now)} on {now['graded_on']}"
        elif now is not None and was is not None and now["row_id"] != was["row_id"]:
            said = f"{_vote_words(was, splits)} → {_vote_words(now)} on {now['graded_on']}"
        else:
            continue
        shown = (_vote_words(was, splits) if was else None, _vote_words(now) if now else None)
        head, *rest = cells
        change = Change("Votes", f"{clean(firm)}: {said}", *shown, (head, *rest))
        is_counted_anew = was is None or now is None
        found.append(
            _Vote(
                change,
                is_counted_anew,
                is_counted_anew or _part(was, "score") != _part(now, "score"),
                (_part(was, "target") is not None or _part(now, "target") is not None)
                and _differ(_part(was, "target", splits), _part(now, "target")),
            )
        )
    return found


def _part(vote: Row | None, column: str, splits: float = 1.0) -> float | None:
    value = vote[column] if vote else None
    return None if value is None else value / splits


def _vote_words(vote: Row, splits: float = 1.0) -> str:
    words = clean(vote["grade"])
    if vote["target"] is not None:
        words += f", {vote['target'] / splits:,.2f} {vote['target_currency'] or ''}".rstrip()
    return words


def _vote_cells(marts: Marts, vote: Row | None) -> list[Evidence]:
    if vote is None:
        return []
    grade = "grade" if vote["table_name"] == "raw.broker_calls" else "to_grade"
    raw = marts.raw(vote["table_name"], [vote["row_id"]], grade, "target")
    key = ("ticker", "firm")
    return [marts.cell("marts.votes", vote, "grade", *key), *raw]


def _closing(marts: Marts, firm: str, vote: Row) -> list[Evidence]:
    """Return the call by which a firm ended its vote; none where the vote expired."""
    calls = marts.rows(
        """
        select table_name, row_id from staging.rating_events
        where ticker = $ticker and firm = $firm and graded_on > $graded_on
        order by graded_on desc limit 1
        """,
        firm=firm,
        graded_on=vote["graded_on"],
    )
    return [
        cell
        for call in calls
        for cell in marts.raw(
            call["table_name"],
            [call["row_id"]],
            "grade" if call["table_name"] == "raw.broker_calls" else "to_grade",
        )
    ]


def _levels(old: Marts, new: Marts, splits: float, votes: Sequence[_Vote]) -> list[Change]:
    before, after = old.one("marts.consensus"), new.one("marts.consensus")
    found = []
    for table, column, words in _LEVELS:
        was = before[column] if before else None
        now = after[column] if after else None
        if was is not None and column in _PRICES:
            was = was / splits
        if not _differ(was, now):
            continue
        cells = [m.cell(table, r, column) for m, r in ((old, before), (new, after)) if r]
        if column.startswith(("snapshot", "analyst")):
            for marts, row in ((old, before), (new, after)):
                cells += _snapshot(marts, row, column)
        else:
            cells += [
                cell
                for vote in votes
                if vote.bears_on(column)
                for cell in vote.change.evidence
                if cell.is_raw
            ]
            cells += _bars(old, new) if column == "upside_median" else []
        head, *rest = cells
        found.append(Change("Consensus", _moved(words, column, was, now), was, now, (head, *rest)))
    return found


def _snapshot(marts: Marts, row: Row | None, column: str) -> list[Evidence]:
    if row is None or row["snapshot_on"] is None:
        return []
    told = marts.rows(
        """
        select row_id from staging.stg_consensus
        where ticker = $ticker and snapshot_date = $day and period = '0m'
        """,
        day=row["snapshot_on"],
    )
    counts = ("strong_buy", "buy", "hold", "sell", "strong_sell", "recommendation_mean")
    columns = ("target_mean",) if "target" in column else counts
    return marts.raw("raw.consensus", [one["row_id"] for one in told], *columns)


# The sessions whose closes a figure compares, as SQL over the newest session `$day`.
_ANCHORS = {
    "close": ("session_date <= $day",),
    "return_1m": ("session_date <= $day", "session_date <= $day - interval '1' month"),
    "return_ytd": ("session_date <= $day", "session_date < date_trunc('year', $day)"),
    "return_12m": ("session_date <= $day", "session_date <= $day - interval '12' month"),
    "momentum_percentile": (
        "session_date <= $day - interval '1' month",
        "session_date <= $day - interval '12' month",
    ),
}


def _bars(old: Marts, new: Marts, column: str = "close") -> list[Evidence]:
    """Return the raw closes on which a figure of both moments rests."""
    cells = []
    for marts in (old, new):
        row = marts.one("marts.momentum")
        if row is None:
            continue
        bars = [
            bar["row_id"]
            for anchor in _ANCHORS[column]
            for bar in marts.rows(
                f"""
                select p.row_id
                from staging.stg_prices as p
                inner join raw.prices as r on r.row_id = p.row_id
                where p.ticker = $ticker and p.{anchor} and r.close is not null
                order by p.session_date desc limit 1
                """,
                day=row["session_date"],
            )
        ]
        cells += marts.raw("raw.prices", bars, "close")
    return cells


def _returns(old: Marts, new: Marts, splits: float) -> list[Change]:
    before, after = old.one("marts.momentum"), new.one("marts.momentum")
    found = []
    for column, words in _RETURNS:
        was = before[column] if before else None
        now = after[column] if after else None
        if was is not None and column == "close":
            was = was / splits
        if not _differ(was, now):
            continue
        shown = (column, *(_RANKED if column == "momentum_percentile" else ()))
        rows = [(marts, row) for marts, row in ((old, before), (new, after)) if row]
        cells = [m.cell("marts.momentum", row, part) for part in shown for m, row in rows]
        text = _moved(words, column, was, now)
        if before and after and column == "momentum_percentile":
            momenta, counts = ([row[part] for row in (before, after)] for part in _RANKED)
            text += (
                f" ({_moved('its own momentum', 'momentum_12_1', *momenta)}; companies ranked:"
                f" {counts[0]} → {counts[1]}; the rest is what the others did)"
            )
        head, *rest = [*cells, *_bars(old, new, column)]
        found.append(Change("Price", text, was, now, (head, *rest)))
    return found


def _flags(old: Marts, new: Marts, since: datetime) -> list[Change]:
    query = "select * from marts.risk_flags where ticker = $ticker order by opened_on desc, flag"
    before = {row["flag_episode_id"]: row for row in old.rows(query)}
    told = new.rows(
        "select row_id from staging.stg_prices where ticker = $ticker and known_from > $since",
        since=since,
    )
    new_bars = {row["row_id"] for row in told}
    found = []
    for flag in new.rows(query):
        was = before.get(flag["flag_episode_id"])
        if was is None:
            state = "opened and closed" if not flag["is_open"] else "opened"
        elif was["is_open"] and not flag["is_open"]:
            state = f"closed on {flag['closed_on']}"
        elif was["severity"] != flag["severity"]:
            state = f"severity {was['severity']} → {flag['severity']}"
        else:
            continue
        evidence = new.rows(
            """
            select distinct table_name, row_id, column_name from marts.flag_evidence
            where flag_episode_id = $episode and role = $role
            order by table_name, row_id, column_name
            """,
            episode=flag["flag_episode_id"],
            role="open" if flag["is_open"] or was is None else "close",
        )
        leaves = [
            cell
            for row in evidence
            if row["table_name"].startswith("raw.")
            for cell in new.raw(row["table_name"], [row["row_id"]], row["column_name"])
        ]
        # A bar of its window that was known before changed nothing.
        leaves = [c for c in leaves if c.table != "raw.prices" or c.row_id in new_bars] or leaves
        message = clean(flag["message"])
        found.append(
            Change(
                "Risk flags",
                f"{flag['flag']} of {flag['opened_on']} {state}: {message}",
                None if was is None else was["severity"],
                flag["severity"],
                (new.cell("marts.risk_flags", flag, "message", "flag_episode_id"), *leaves),
            )
        )
    return found


def _differ(was: Any, now: Any) -> bool:
    if isinstance(was, float) and isinstance(now, float):
        return abs(was - now) > 1e-9 * max(abs(was), abs(now), 1e-9)
    return bool(was != now)


def _moved(words: str, column: str, was: Any, now: Any) -> str:
    return f"{words}: {_shown(column, was)} → {_shown(column, now)}"


def _shown(column: str, value: Any) -> str:
    if value is None:
        return "not known"
    if column in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
