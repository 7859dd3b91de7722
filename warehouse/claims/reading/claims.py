"""The claims of a sentence: what each pattern found, with its number, time and company."""

from __future__ import annotations

import re
from dataclasses import replace

from warehouse.claims.model import Claim, Read, Span
from warehouse.claims.reading.amounts import (
    is_level,
    operator_at,
    period_of_results,
    results_told,
    second_number,
    target_beside,
    target_meant,
)
from warehouse.claims.reading.calls import (
    calls_told,
    dates_of_call,
    day_of_call,
    rank_of_target,
    read_of_call,
)
from warehouse.claims.reading.details import details_of
from warehouse.claims.reading.part import Part, begins_clause
from warehouse.claims.reading.qualifiers import with_left
from warehouse.claims.reading.spans import is_dated, span_of, time_of
from warehouse.claims.reading.subject import company_of, one_listing, price_subject
from warehouse.claims.vocabulary import (
    CALL_KINDS,
    FRACTIONS,
    MONTHS,
    OF_THE_PRICE,
    OPERATORS,
    KindHit,
    is_in,
    kinds,
    word_set,
)
from warehouse.news.linking import FIRM

# Kinds whose words may also speak of what is to come, or of somebody else's numbers.
_OF_ANY_TENSE = ("earnings_date", "upside", "target_average", "target_extreme", "target_range")

_AGO = {"1 years": "12m", "6 months": "6m", "3 months": "3m", "1 months": "month",
        "1 weeks": "week"}  # fmt: skip

# Where a listing trades, by the suffix of its ticker.
_PLACES = {
    "HK": frozenset(("hong", "kong", "hk")), "L": frozenset(("london",)),
    "T": frozenset(("tokyo",)), "F": frozenset(("frankfurt",)), "DE": frozenset(("frankfurt",)),
}  # fmt: skip

# Kinds of two numbers of money.
_RANGES = ("target_range", "price_range")

_LISTING = re.compile(r"\(([A-Z0-9]{1,6}\.[A-Z]{1,2})\)")

_NEEDS = {
    "target_range": "money", "target_extreme": "money", "target_average": "money",
    "upside": "pct", "market_cap": "money", "multiple": "num", "dividend_yield": "pct",
    "dividend": "money", "volatility": "pct", "beta": "num", "rsi": "num", "drawdown": "pct",
    "moving_average": "num", "analyst_count": "count", "price": "money", "move": "pct",
    "price_range": "money", "session_level": "money", "price_change": "money",
    "shares_traded": "count", "mean_score": "num", "eps": "money", "eps_estimate": "money",
}  # fmt: skip


def claims_of(part: Part, subject: str | None) -> list[Claim]:
    """Return the claims of the sentence; a number belongs to one claim."""
    part.mentions = one_listing(part.mentions, subject)
    part.own_place = _PLACES.get((subject or "").partition(".")[2], frozenset())
    found = calls_told(part, subject) if part.asked_from else []
    part.has_call = bool(found)
    reads = [read_of_call(part, call, found) for call in found]
    taken = {
        place
        for place, token in enumerate(part.tokens)
        if found
        and token.unit not in ("fraction", "x")
        and token.value is not None
        and not (token.shape == "#" and {"brokers", "firms"} & {*part.forms[place : place + 3]})
    }
    spoken = {hit.label[0] for hit in part.hits}
    rank = {kind: place for place, kind in enumerate(kinds())}
    ordered = sorted(
        (
            hit
            for hit in part.hits
            if hit.label[0] != "window"
            and (hit.start < part.asked_from or hit.label[0] == "listing")
        ),
        key=lambda hit: (rank[hit.label[0]], hit.start, hit.end),
    )
    told: set[tuple[str, str]] = set()
    for hit in ordered:
        used: set[int] = set()
        claim = _claim_of(part, hit, subject, taken, spoken, used)
        if claim is None:
            continue
        key = (claim.kind, f"{claim.argument} {claim.value} {claim.window}")
        is_of_two = claim.kind in ("currency", "earnings_surprise", "high_52w")
        whole = (claim.kind, claim.argument if is_of_two else "")
        if claim.kind == "target_range" and whole in told:
            continue
        if key in told or (claim.value is None and whole in told):
            continue
        told |= {key, whole}
        if claim.kind in ("move", "factor"):
            part.moves.append(claim)
        found.append(claim)
        is_whole = claim.kind in (
            "versus_market",
            "moving_average",
            "record",
            "high_52w",
            "volume",
        )
        end = max([hit.end, *(p + 1 for p in used if is_whole)])
        begin = min([hit.start, *(p for p in used if claim.kind == "volume")])
        reads.append(Read(begin, end, frozenset(used)))
    part.dates_of_call = dates_of_call(part) if part.has_call else []
    found, reads = _without_doubles(found, reads)
    found = with_left(part, found, reads, subject)
    found = _with_day_of_call(part, found, spoken)
    return sorted(found, key=lambda claim: (claim.start, claim.kind))


def _without_doubles(found: list[Claim], reads: list[Read]) -> tuple[list[Claim], list[Read]]:
    """Claims, and what they read, without those that another of the sentence tells as well."""
    told_by = {"news_event": "earnings_date", "target_position": "upside"}
    if {claim.kind for claim in found} & set(told_by.values()):
        # "Announced its results on" is told by the date, "9% above the close" by the upside.
        kinds_told = {claim.kind for claim in found}
        pairs = [
            p for p in zip(found, reads, strict=True) if told_by.get(p[0].kind) not in kinds_told
        ]
        found, reads = [claim for claim, _ in pairs], [read for _, read in pairs]
    # Earnings told beside what was expected are judged with it.
    whole_results = [
        read.used
        for claim, read in zip(found, reads, strict=True)
        if claim.kind == "earnings_surprise" and claim.second is not None
    ]
    kept = [
        (claim, read)
        for claim, read in zip(found, reads, strict=True)
        if claim.kind != "eps" or not any(read.used <= used for used in whole_results)
    ]
    return [claim for claim, _ in kept], [read for _, read in kept]


def _with_day_of_call(part: Part, found: list[Claim], spoken: set[str]) -> list[Claim]:
    """Claims whose calls have the day they were made and the rank their target is said to have."""
    calls = [claim for claim in found if claim.kind in CALL_KINDS]
    if not calls:
        return found
    span, unread = day_of_call(part, len(calls))
    kinds_found = {claim.kind for claim in found}
    ranked = rank_of_target(part) if len(calls) == 1 else ""
    if (
        word_set("of_all") & set(part.forms) and "target_extreme" not in kinds_found and not ranked
    ) or ("target_average" in spoken and "target_average" not in kinds_found):
        unread = "rank_not_read"
    return [
        replace(c, window=span.name, stated_on=span.stated_on, period=span.period,
                unread=unread, rank=ranked) if c.kind in CALL_KINDS else c
        for c in found
    ]  # fmt: skip


def _claim_of(
    part: Part,
    hit: KindHit,
    subject: str | None,
    taken: set[int],
    spoken: set[str],
    used: set[int],
) -> Claim | None:
    """The claim of a hit, if it is one; the places of the numbers it reads go to `used`."""
    kind, argument = hit.label
    if kind not in _OF_ANY_TENSE and _is_unsure(part, hit, kind):
        return None
    places = [
        place
        for place in range(hit.start, hit.end)
        if part.tokens[place].value is not None and place not in taken
    ]
    need = _NEEDS.get(kind, "")
    places = [place for place in places if _fits(part, place, need)]
    if need and len(places) < (2 if kind in _RANGES else 1):
        return None
    if any(
        w.label[1] == "date" and w.start <= hit.start < w.end and kind != "earnings_date"
        for w in part.windows
    ):
        return None
    ticker, end, period = company_of(part, hit, subject), part.tokens[hit.end - 1].end, ""
    if argument == "versus":
        # "Up 86%, versus 13% for the index": of the same time and way.
        ticker = next((
            m.name for m in part.mentions if m.start >= part.tokens[hit.start].word.start
            and not m.name.startswith(FIRM)), None)  # fmt: skip
        if not part.moves or ticker is None:
            return None
        argument = part.moves[-1].argument
    elif argument == "more":
        # "Up 94% in 2025 and 43% over 12 months": the second goes on from the first.
        if not part.moves:
            return None
        argument, ticker = part.moves[-1].argument, part.moves[-1].ticker
    elif kind in ("high_52w", "record") and is_level(part, hit, kind):
        period = "level"
    elif kind in (*OF_THE_PRICE, "price_change", "streak", "biggest_move"):
        whose = price_subject(part, hit, kind, subject, spoken)
        if whose is None:
            return None
        ticker = whose or None
    if kind in ("news_event", "risk_flag") and ticker is None:
        return None
    value, high, step, unit, window, stated_on = None, None, 1.0, "", None, None
    own: list[int] = []
    unread = None
    operator = "equal"
    if kind in _RANGES:
        first, last = part.tokens[places[-2]], part.tokens[places[-1]]
        value, high, step, unit = first.value, last.value, first.step, first.unit
        operator = "about"
        used.update(places[-2:])
        end = last.end
        if value is None or high is None or value > high:
            return None
    elif places:
        place = places[0] if kind in ("upside", "market_cap") else places[-1]
        if kind == "moving_average" and part.forms[hit.start] == "both":
            place = places[0]
        if argument in ("forward_pe", "trailing_pe", "price_to_sales") or kind == "multiple":
            place = places[0]
        token = part.tokens[place]
        value, step, unit = token.value, token.step, token.unit
        operator = "equal" if kind == "moving_average" else operator_at(part, place)
        end = max(end, token.end)
        used.add(place)
        # Of an average both a distance and a level may be told.
        own = [place] if kind in ("target_extreme", "session_level") else places[:1]
    details = details_of(part, hit, kind, argument, value)
    if details is None:
        return None
    taken.update(own if kind != "moving_average" else ())
    second, prior = second_number(part, hit, kind, used), None
    if kind == "moving_average" and second is not None and second.unit == "fraction":
        operator = operator_at(part, hit.start - 1)
    if kind == "earnings_surprise":
        second, prior = results_told(part, hit, used)
        quarters = [p for p, f in enumerate(part.forms) if f in ("quarter", "report")]
        if any({"last", "latest", "recent"} & set(part.forms[max(0, p - 2) : p]) for p in quarters):
            period = "last"
    if kind in ("earnings_surprise", "eps"):
        period = period_of_results(part) or period
    if kind == "upside":
        second = target_beside(part, hit, used)
    if second is None and kind == "moving_average" and argument == "level":
        return None
    if kind == "moving_average" and second is not None and second.shape == "#$":
        taken.add(part.tokens.index(second))
    argument, value, unit, stated_on, grade = (
        details if details else (argument, value, unit, None, None)
    )
    if details and value is not None:
        near = part.tokens[hit.start : hit.end + 4]
        step = next((t.step for t in near if t.value == value), 1.0)
        used.update(
            place
            for place in range(hit.start, min(hit.end + 4, len(part.tokens)))
            if part.tokens[place].value == value
        )
        numbered = next((p for p in sorted(used) if part.tokens[p].value == value), None)
        if numbered is not None and kind != "moving_average":
            operator = operator_at(part, numbered)
    if stated_on is not None:
        until = hit.end
        while until < min(hit.end + 4, len(part.tokens)) and (
            part.tokens[until].shape.startswith("#")
            or part.forms[until] in ("the", ",", "early", "late", "of", *MONTHS)
        ):
            until += 1
        if kind == "earnings_date" and grade and grade[:1].isdigit():
            until = min(until + 4, len(part.tokens))
        used.update(range(hit.start, until))
    if kind == "factor":
        value, unit, step, operator = float(argument), "x", 0.1, operator_at(part, hit.start)
        if part.forms[hit.start - 1 : hit.start] == ["than"]:
            operator = "over"
    if kind in ("move", "factor"):
        span = time_of(part, hit)
        window, stated_on, period = span.name, span.stated_on, span.period
        if period.startswith("from "):
            beside = [*range(span.end, span.end + 3), *range(span.end - 6, span.end)]
            paid = [p for p in beside if 0 <= p < len(part.tokens) and part.tokens[p].shape == "#$"]
            second = part.tokens[paid[0]] if paid else None
            used.update(range(min(paid[0], span.end), paid[0] + 3) if paid else ())
        end = _end_with(part, span, end)
        if window is None and kind == "factor":
            return None
        unread = None if span.is_read else "window_not_supported"
        if window and window.startswith("ago ") and "where" in part.forms[hit.start : hit.end]:
            # "23% below where it stood a year ago"
            window = _AGO.get(window[4:], "other")
        if window and window.startswith(("ago ", "end ")):
            window = "other"
        if window is None and unread is None and _goes_on_telling(part, hit):
            # "Has doubled this year, gaining 94%": the second tells of the same time.
            former = part.moves[-1]
            window, stated_on, period = former.window, former.stated_on, former.period
        window = window or "day"
    basis = _basis_of(part, hit, kind, window)
    change = _change_of(part, hit, kind, period)
    if kind == "risk_flag" and (opened := _opening_of_flag(part, hit)):
        change, window, stated_on = change or "opened", opened.name, opened.stated_on
        used.update(range(hit.start, opened.end))
    if kind == "upside":
        grade = target_meant(part, hit)
    if kind in ("streak", "price_change"):
        argument = argument or change
    if kind in ("streak", "momentum_rank", "risk_flag_count"):
        used.update(range(hit.start, hit.end))
    if kind == "volume":
        operator = operator_at(part, hit.start)
        used |= _words_of_volume(part, hit)
    if kind in ("price_change", "price_range", "session_level", "streak", "shares_traded",
                "target_position", "direction"):  # fmt: skip
        span = time_of(part, hit, but=("open",) if kind == "session_level" else ())
        window, stated_on = span.name, span.stated_on

        is_inside = kind == "streak" and hit.start < span.end <= hit.end
        unread = (
            None if is_dated(span) or (is_inside and span.is_read) or argument == "52w"
            or (span.is_read and span.name == "intraday")
            else "window_not_supported"
        )  # fmt: skip
        window = None if window in ("day", "intraday") or kind == "streak" else window
    if kind == "revision_count":
        span = time_of(part, hit)
        window, period = span.name, span.period
        unread = None if span.is_read and span.name else "window_not_stated"
        end = _end_with(part, span, end)
    if kind == "price":
        is_closing = bool(word_set("closing") & set(part.forms[hit.start : hit.end]))
        # "Opened at $211 and closed at $215": the second is of the close.
        span = time_of(part, hit, but=("open",) if is_closing else ())
        window, stated_on = span.name, span.stated_on
        is_open = span.name == "open" and "opened" in part.forms[hit.start : hit.end]
        is_told = is_dated(span) or (is_open and span.is_read)
        unread = None if is_told else "window_not_supported"
        end = _end_with(part, span, end)
    if kind == "level_since":
        end = max(
            t.end
            for t in part.tokens[hit.start : hit.end + 4]
            if t.shape == "#y" or t.word.form in MONTHS or t.word.end <= end
        )
    if kind == "news_event":
        end = _end_of_event(part, hit)
    if kind in ("price", "move") and any(
        symbol != ticker for symbol in _LISTING.findall(part.text)
    ):
        unread = "another_listing"
    start = part.tokens[
        _begin_of_event(part, hit) if kind == "news_event" else hit.start
    ].word.start
    if kind in ("move", "factor", "versus_market"):
        start = min(
            [m.start for m in part.mentions if m.name == ticker and m.end <= start] or [start]
        )
    if kind == "versus_market":
        span = time_of(part, hit)
        window, stated_on, period = span.name, span.stated_on, span.period
        moves = [h for h in part.hits if h.label[0] == "move"]
        if window is None and moves:
            of_move = time_of(part, moves[0])
            window, stated_on = of_move.name or "day", of_move.stated_on
        elif window is None and {"has", "have"} & set(part.forms[: hit.start]):
            window = "12m"
        unread = None if span.is_read else "window_not_supported"
        end = _end_with(part, span, end)
        end = max([end, *(part.tokens[p].end for p in used)])
    base, told = part.sentence.start, second or prior
    return Claim(
        kind, ticker, argument, operator, value, high, step, unit, window, stated_on,
        "", part.sentence.number, base + start, base + end, grade=grade,
        words=tuple(part.forms) if kind in ("news_event", "risk_flag") else (),
        period=period, unread=unread, change=change,
        prior=prior.value if prior else None,
        second=second.value if second else None, second_unit=second.unit if second else "",
        second_step=told.step if told else 1.0, basis=basis,
    )  # fmt: skip


def _end_with(part: Part, span: Span, end: int) -> int:
    """The end of a claim's words with those of its span of time."""
    return max(end, part.tokens[span.end - 1].end) if span.end else end


def _change_of(part: Part, hit: KindHit, kind: str, period: str) -> str:
    """The way a figure went, or whether what is told is past, closed or reached, by the words."""
    change = ""
    if kind == "eps_estimate" and {
        "had", "were", "was", "expected", "looked", "penciled", "forecast"
    } & set(part.forms[: hit.end]):  # fmt: skip
        change = "past"
    if kind == "risk_flag" and {"closed", "cleared"} & set(part.forms[hit.end : hit.end + 3]):
        change = "closed"
    if period == "level" and word_set("set_on") & set(part.forms[hit.end :]):
        change = "set"
    if kind == "earnings_date" and {
        "reported", "released", "published", "posted", "announced", "was"
    } & set(part.forms[: hit.end]):  # fmt: skip
        change = "past"
    if kind == "rsi":
        at = [p for p, f in enumerate(part.forms) if f in ("oversold", "overbought")]
        before = set(part.forms[max(0, at[0] - 4) : at[0]]) if at else set()
        is_said = len(at) == 1 and before.isdisjoint(
            ("short", "not", "far", "from", "below", "shy", "near", "nearly", "almost", "above")
        )
        change = part.forms[at[0]] if is_said else ""
    if kind == "price" and is_in(word_set("rose") | word_set("fell"), part.forms[hit.start]):
        change = "up" if is_in(word_set("rose"), part.forms[hit.start]) else "down"
    if kind == "price" and part.forms[hit.start] == "opened":
        ways = {"higher": "up", "lower": "down"}
        change = next((ways[f] for f in part.forms[hit.start : hit.end] if f in ways), "")
    if kind in ("streak", "price_change"):
        change = "up" if is_in(word_set("rose"), part.forms[hit.start]) else "down"
    return change


def _words_of_volume(part: Part, hit: KindHit) -> set[int]:
    """Places of the words that say over which average a volume is, and by how much."""
    until, begin = hit.end, hit.start
    while until < len(part.forms) and (
        part.tokens[until].shape == "#" or part.forms[until] in word_set("of_an_average")
    ):
        until += 1
    is_share = part.tokens[begin - 1].shape == "#%" or part.forms[begin - 1] in FRACTIONS
    if hit.label[1] and begin and is_share:
        begin -= 1
    elif part.forms[max(0, begin - 2) : begin] == ["and", "a"]:
        begin = max(0, begin - 3)
    bounding = ("less", "more", "than", *OPERATORS)
    before = range(max(0, hit.start - 2), hit.start)
    return {*range(begin, until), *(p for p in before if part.forms[p] in bounding)}


def _end_of_event(part: Part, hit: KindHit) -> int:
    """Where the words of an event end: eight words on, and a list of names at its end."""
    behind = min(hit.end + 8, len(part.tokens))
    while (
        behind < len(part.tokens)
        and (part.tokens[behind].word.is_capital or part.forms[behind] in ("and", ","))
        and (part.tokens[behind - 1].word.is_capital or part.forms[behind - 1] in ("and", ","))
    ):
        behind += 1
    return part.tokens[behind - 1].end


def _goes_on_telling(part: Part, hit: KindHit) -> bool:
    """Whether a move follows another after a comma, as a participle does."""
    if not part.moves or hit.label[0] != "move":
        return False
    if hit.label[1] == "versus":
        return True
    form, before = part.forms[hit.start], part.forms[hit.start - 1 : hit.start]
    is_participle = form.endswith("ing") and before == [","]
    is_beside = bool({"while", "which"} & set(part.forms[: hit.start]))
    return is_participle or (before in (["has"], ["have"]) and is_beside)


def _opening_of_flag(part: Part, hit: KindHit) -> Span | None:
    """The day a flag is said to be open from: "has been open since", "was raised on"."""
    for window in part.windows:
        said = part.forms[hit.end : window.start]
        if window.start < hit.end or set(said) - word_set("of_a_flag"):
            continue
        span = span_of(part, window)
        is_since = window.label[1] == "since" and "open" in said and span.period == "day"
        is_on = window.label[1] in ("weekday", "date") and {"raised", "opened"} & set(said)
        if is_since and span.stated_on is not None:
            return Span("on", span.stated_on, "", span.end)
        if is_on and is_dated(span):
            return span
    return None


def _basis_of(part: Part, hit: KindHit, kind: str, window: str | None) -> str:
    """The price a claim says it is of: the close, or the extreme of the session, or neither."""
    low = hit.start
    while low and hit.start - low < 8 and not begins_clause(part, low - 1):
        low -= 1
    forms = part.forms[low : hit.end]
    if kind in ("record", "level_since") and {"close", "finish"} & set(
        part.forms[hit.start : hit.end + 1]
    ):
        return "close"
    if kind == "record" and part.tokens[hit.end - 1].shape == "#$" and (
        word_set("closing") & set(forms)
    ):  # fmt: skip
        return "close"
    if kind == "record" and "intraday" in part.forms[hit.start : hit.end]:
        return "extreme"
    if kind not in ("move", "price", "high_52w", "record") or window in ("intraday", "open"):
        return ""
    # "Gained $12.10 or 8%": both are of one price.
    if kind == "move" and any(t.shape == "#$" for t in part.tokens[hit.start : hit.end]):
        return "close"
    said = part.forms[max(low, hit.start - 2) : hit.end + 2]
    if kind in ("high_52w", "record"):
        is_close = "closing" in said or {"close", "finish"} & set(part.forms[low : hit.start])
        return "extreme" if "intraday" in said else "close" if is_close else ""
    if any(said[p : p + 3] == ["as", "much", "as"] for p in range(len(said))):
        return "extreme"
    is_end = {"end", "ends"} & set(part.forms[hit.start : hit.end + 4]) and (
        {"day", "session", "close"} & set(part.forms[hit.start : hit.end + 5])
    )
    return "close" if word_set("closing") & set(forms) or is_end else ""


def _begin_of_event(part: Part, hit: KindHit) -> int:
    """Where the words of an event begin: at an act that ends it, or the name before it."""
    for place in range(max(0, hit.start - 4), hit.start):
        if part.forms[place] in word_set("ending"):
            return place
    first = hit.start
    while first and part.tokens[first - 1].word.is_capital and not any(
        m.start <= part.tokens[first - 1].word.start < m.end for m in part.mentions
    ):  # fmt: skip
        first -= 1
    return first


def _fits(part: Part, place: int, need: str) -> bool:
    token = part.tokens[place]
    return {
        "": False,
        "pct": token.shape == "#%",
        "money": token.shape == "#$",
        "num": token.shape in ("#", "#x"),
        "count": token.shape == "#" or token.word.form in ("no", "zero"),
    }[need]


def _is_unsure(part: Part, hit: KindHit, kind: str) -> bool:
    before = part.forms[max(0, hit.start - 4) : hit.start]
    is_question = part.forms[0] in word_set("question") and "?" in part.forms
    if is_question and not any(token.shape == "#%" for token in part.tokens):
        return True
    if _is_denied(part, hit.start):
        return True
    if kind == "dividend" and {"preferred", "series", "etf", "fund", "funds", "trust"} & set(
        part.forms
    ):
        return True
    if kind == "risk_flag" and (
        word_set("solicited") & set(part.forms) or {"no", "without", "not"} & set(before)
    ):
        return True
    # What one person sees coming is no fact.
    if kind in ("move", "factor") and word_set("said") & set(part.forms) and (
        word_set("seer") & set(part.forms)
    ):  # fmt: skip
        return True
    # "Launch with X" is a name, not an event.
    if (
        kind == "news_event"
        and "with" in part.forms[hit.end : hit.end + 1]
        and "launch" in (part.forms[hit.start : hit.end])
    ):
        return True
    is_soft = any(
        form in word_set("unsure_anywhere")
        and not (form == "may" and place and token.word.is_capital)
        for place, (form, token) in enumerate(zip(part.forms, part.tokens, strict=True))
    )
    if (kind == "risk_flag" and is_soft) or (kind == "news_event" and (is_soft or part.has_call)):
        return True
    for place, form in enumerate(before):
        if form in (",", ";", ":"):
            continue
        if form in word_set("unsure"):
            # "In May" is no doubt.
            if form == "may" and part.tokens[hit.start - len(before) + place].word.is_capital:
                continue
            # "not seen since" is a claim, and "to" only leads a verb.
            if form == "not" and kind in ("level_since", "rating_count"):
                continue
            if form == "to" and (place < len(before) - 1 or before[-2] == "came" or (
                # "Rose 1% to end the month at $250" tells a result.
                kind in ("price", "record", "high_52w")
                and any(h.label[0] == "move" and h.end <= hit.start for h in part.hits)
            )):  # fmt: skip
                continue
            # "Set a new high" is done.
            if form == "set" and kind in ("record", "high_52w") and (
                before[place + 1 : place + 2] in (["a"], ["another"], ["new"])
            ):  # fmt: skip
                continue
            if any(mark in before[place:] for mark in (",", ";")):
                continue
            return True
    return False


def _is_denied(part: Part, place: int) -> bool:
    """Whether the words before a place say that what follows is not so."""
    before = part.forms[:place]
    said = " ".join(before)
    return bool(word_set("denying") & set(before)) or any(
        phrase in f" {said} " for phrase in (" not true ", " not the case ", " no truth ")
    )
