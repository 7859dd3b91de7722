"""Words beside a claim that could qualify it and that nothing has read: they forbid a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from warehouse.claims.model import Claim, Read
from warehouse.claims.reading.calls import own_words, rank_of_target
from warehouse.claims.reading.part import Part, begins_clause, clause_of
from warehouse.claims.reading.spans import is_dated, is_from_before, longest, span_of
from warehouse.claims.reading.subject import is_strange, is_title
from warehouse.claims.vocabulary import (
    CALL_KINDS,
    DATED,
    DAYS,
    ENDS,
    MONTHS,
    NUMERALS,
    OF_THE_PRICE,
    KindHit,
    is_in,
    word_set,
)
from warehouse.news import broker_calls
from warehouse.news.linking import FIRM

# Kinds that tell how much something is, which says nothing of how it changed.
_LEVELS = frozenset(
    ("short_interest", "market_cap", "multiple", "target_average", "target_extreme",
     "target_range", "dividend", "dividend_yield", "rsi", "beta", "volatility", "analyst_count",
     "rating_count", "consensus_label", "moving_average", "peers", "volume")
)  # fmt: skip

# Kinds whose month beside them is read.
_OF_A_MONTH = frozenset(("earnings_surprise", "eps", "high_52w", "record", "dividend"))

_OF_COMMON_WORDS = frozenset(
    ("eps", "revision_count", "session_level", "price_range", "price_change", "streak",
     "shares_traded", "target_position", "mean_score", "risk_flag_count", "momentum_rank")
)  # fmt: skip

_OR_STRONG = ("buy or strong buy", "or strong buy", "or strong buy ,", "or strong buy .")

# Kinds whose number no fragment behind a comma can change.
_OF_ONE_NUMBER = frozenset(
    ("price", "session_level", "target_average", "target_extreme", "moving_average", "rsi",
     "market_cap", "multiple", *CALL_KINDS)
)  # fmt: skip

# Words of time that belong to what a kind says.
_NO_TIME = frozenset((("earnings_date", "next"), ("short_interest", "days")))

_AVERAGE = ("average", "sma", "ema")

# "Nearly doubled" is a factor.
_TIMES = frozenset(("doubled", "tripled", "quadrupled", "halved"))

_NONE: frozenset[str] = frozenset()

# Words that only bound the kind's own number.
_NOT_COMPARING = {
    "beta": frozenset(("near",)),
    "analyst_count": frozenset(("fewer", "less", "than", "above", "below", "under", "nearly",
                                "almost", "exceeding", "exceeds", "all")),
}  # fmt: skip


class _Told(NamedTuple):
    """The claims of a sentence, and the places of what was read for them.

    `moved` are those of kinds that tell of a change.
    """

    found: Sequence[Claim]
    reads: Sequence[Read]
    numbers: frozenset[int]
    covered: frozenset[int]
    moved: frozenset[int]


def with_left(
    part: Part, found: Sequence[Claim], reads: Sequence[Read], subject: str | None
) -> list[Claim]:
    """Claims with the words of their clauses that could qualify them and nothing read."""
    pairs = list(zip(found, reads, strict=True))
    told = _Told(
        found,
        reads,
        numbers=frozenset().union(*(read.used for read in reads)),
        covered=frozenset(p for read in reads for p in range(read.low, read.high)),
        moved=frozenset(
            p
            for claim, read in pairs
            if claim.kind not in _LEVELS
            for p in range(read.low, read.high)
        ),
    )
    return [_with_left(part, claim, read, told, subject) for claim, read in pairs]


def _with_left(part: Part, claim: Claim, read: Read, told: _Told, subject: str | None) -> Claim:
    """A claim with what is left of its own clause, and beside it of others."""
    low, high = clause_of(part, read, claim.kind)
    if claim.kind in CALL_KINDS:
        low, high = own_words(part, claim, low, high)
    left, spans, day = _times_left(part, claim, read, told.found, low, high)
    if _day_of_level(part, claim, read):
        claim = replace(claim, change="set")
    for place in range(low, high):
        is_number = part.tokens[place].shape.startswith("#") and not any(
            m.start <= part.tokens[place].word.start < m.end for m in part.mentions
        )
        if is_number and claim.kind not in ("listing", "currency") and not (
            place in told.numbers or place in spans or _is_inert(part, place)
        ):  # fmt: skip
            left.add(place)
        if place not in told.numbers | spans and (
            _is_telling(part, claim, place, told)
            and not _is_harmless(part, claim, read, place, told)
        ):
            left.add(place)
    if claim.kind == "listing" and part.forms[read.low] == "(":
        # "(NYSE: BABA)" says one thing wherever it stands.
        return replace(claim, day=None)
    left |= _of_another(part, claim, told.found, low, high)
    beside = _conceded(part, high, told.covered, told.numbers)
    if claim.kind in _OF_ONE_NUMBER:
        comma = next((p for p in range(read.high, high) if part.forms[p] == ","), high)
        later = {p for p in left if p > comma and p not in spans}
        if not _is_compared(part, comma):
            left, beside = left - later, beside | later
    beside |= _unread_clauses(part, claim, low, high, told.covered)
    left |= _words_beside(part, claim, low, high, told.covered | told.numbers, spans)
    if claim.kind in CALL_KINDS:
        left |= _grades_left(part, claim, low, high)
    elif not any(c.kind in CALL_KINDS for c in told.found):
        left |= {
            p for p in range(low, high)
            if part.forms[p] in word_set("label") and part.tokens[p].word.is_capital
            and not any(r.low <= p <= r.high for r in told.reads)
            # A count of those who say Buy has the strong ones in it.
            and not (claim.kind in ("rating_count", "analyst_count", "consensus_label")
                     and " ".join(part.forms[max(0, p - 2) : p + 2]) in _OR_STRONG)
        }  # fmt: skip
    if claim.kind == "price":
        left |= {p for p in range(low, high) if part.forms[p] in _AVERAGE and p not in told.covered}
    if claim.kind == "peers":
        left |= {p for p in range(low, high) if part.forms[p] in word_set("not_price")
                 and part.forms[p] not in ("earnings", "eps", "profit")}  # fmt: skip
    if claim.kind == "earnings_surprise":
        left |= _of_other_figures(part, read)
        left |= {p for p in range(low, high) if part.forms[p] in ("revenue", "revenues", "sales")}
    firm = None
    if claim.ticker is not None:
        names, firm = _names_left(part, claim, told.found, low, high, subject)
        left |= names
    base = part.sentence.start
    if claim.kind == "news_event":
        left = {p for p in left if part.forms[p] in word_set("lessening") or not (
            claim.start <= base + part.tokens[p].word.start < claim.end
        )}  # fmt: skip
    return replace(
        claim, left=_told_at(part, left), beside=_told_at(part, beside - left), day=day,
        firm=claim.firm or firm,
    )  # fmt: skip


def _times_left(
    part: Part, claim: Claim, read: Read, found: Sequence[Claim], low: int, high: int
) -> tuple[set[int], set[int], tuple[str, date | None] | None]:
    """Places of words of time that no rule has read, those of all such words, and the day named."""
    left: set[int] = set()
    day: tuple[str, date | None] | None = None
    of_day = []
    spans: set[int] = set()
    for window in part.windows:
        if low <= window.start < high:
            first = window.start
            while first > low and part.forms[first - 1] in ("last", "past", "this", "next"):
                first -= 1
            places = set(range(first, max(window.end, span_of(part, window).end)))
            is_of_record = claim.kind == "drawdown" and bool(
                word_set("set_on") & set(part.forms[max(0, first - 2) : first + 1])
            )
            if is_of_record and not any(c.kind in ("record", "high_52w") for c in found):
                left |= places
                continue
            if is_of_record:
                # The record beside is judged with the time it was set.
                spans |= places
                continue
            spans |= places
            is_day = window.label[1] in DAYS
            if (_is_inert(part, window.start) and not is_day) or places & read.used:
                continue
            if claim.kind in ("move", "price") and window.label[1] not in (
                "day", "open", "intraday", *DAYS
            ):  # fmt: skip
                # "Rose 8%, its best day since March" says more than the move.
                at = part.sentence.start + part.tokens[window.start].word.start
                if at >= claim.end and not any(c.start <= at < c.end for c in found):
                    left |= places
                    continue
            if claim.kind in CALL_KINDS and window in part.dates_of_call:
                continue
            at = part.sentence.start + part.tokens[window.start].word.start
            if claim.kind not in DATED and window.end < read.low and (
                "and" in part.forms[window.end : read.low]
                and any(c.kind in DATED and c.start <= at < c.end for c in found)
            ):  # fmt: skip
                continue  # "rose 29% in the last month and trades above its average"
            if window.label[1] in DAYS:
                of_day.append((window, places))
            elif claim.kind not in DATED - {*CALL_KINDS} and not (
                _is_no_time(part, window, claim.kind)
            ):
                others = [c for c in found if c.kind in DATED]
                if not (others and claim.kind == "level_since"):
                    left |= places
    of_level = _day_of_level(part, claim, read)
    if of_level is not None:
        of_day = [(w, p) for w, p in of_day if w is of_level]
    if claim.kind not in DATED:
        days = [w for w, _ in of_day]
        told = longest(days)
        span = span_of(part, told) if told is not None else None
        if span is not None and of_level is not None:
            span = span._replace(is_read=True)
        if told is not None and span is not None:
            if is_dated(span) and span.name and all(w.start < span.end for w in days):
                day = (span.name, span.stated_on)
            else:
                left |= set().union(*(places for _, places in of_day))
        month = [
            p for p in range(low, high)
            if part.forms[p] in MONTHS and part.tokens[p].word.is_capital and p > 0
            and p not in read.used and (day is None or p not in spans)
        ]  # fmt: skip
        if month and claim.kind in _OF_A_MONTH and len(month) == 1 and not day and (
            part.forms[month[0] - 1] not in word_set("not_on")
            or claim.kind in ("high_52w", "record")
        ):  # fmt: skip
            year = next((int(t.value or 1) for t in part.tokens[month[0] + 1 : month[0] + 3]
                         if t.shape == "#y"), 1)  # fmt: skip
            day = ("month", date(year, MONTHS[part.forms[month[0]]], 1))
            spans |= {month[0], month[0] + 1, month[0] + 2}
            left -= spans
        elif claim.kind != "level_since" or not spans >= set(month):
            left |= set(month) - (spans if claim.kind == "drawdown" else set())
    return left, spans, day


def _day_of_level(part: Part, claim: Claim, read: Read) -> KindHit | None:
    """The day right before a level, which it was set on: "from Monday's 52-week high of $271"."""
    if claim.kind not in ("high_52w", "record") or claim.second is None:
        return None
    return next((w for w in part.windows if w.end == read.low and w.label[1] in DAYS), None)


def _is_telling(part: Part, claim: Claim, place: int, told: _Told) -> bool:
    """Whether a word qualifies, compares, or tells of a time or change that the claim is not of."""
    form, following = part.forms[place], part.forms[place + 1 : place + 2]
    if form in word_set("qualifier") and not (
        form == "yet" and part.forms[place - 1 : place] == [","]
    ):
        return True
    if _is_a_span(part, place, claim):
        return True
    is_time = form in word_set("unread") - part.own_place and following != ["12"]
    if is_time and claim.kind not in DATED and (claim.kind, form) not in _NO_TIME:
        return True
    is_covered = place in told.covered
    if claim.kind in _LEVELS and place not in told.moved:
        changes = word_set("rose") | word_set("fell") | word_set("changed")
        is_noun = part.forms[place - 1 : place] == ["the"] and (
            form in word_set("gain") | word_set("loss")
        )
        is_read = claim.kind == "moving_average" and is_covered
        if is_in(changes, form) and not (is_read or is_noun):
            return True
    if form in word_set("comparing") - _NOT_COMPARING.get(claim.kind, _NONE) and not is_covered:
        is_of_number = any(t.shape.startswith("#") for t in part.tokens[place + 1 : place + 3])
        if not is_of_number and not set(following) & _TIMES:
            return True
    if claim.kind == "news_event":
        return form in word_set("lessening")
    return claim.kind in CALL_KINDS and form in word_set("unread_of_calls") | word_set("mood")


def _is_harmless(part: Part, claim: Claim, read: Read, place: int, told: _Told) -> bool:
    """Whether a telling word says no more here than the claim does, or only leads on."""
    kind, form = claim.kind, part.forms[place]
    before, following = part.forms[place - 1 : place], part.forms[place + 1 : place + 2]
    is_covered = place in told.covered
    if is_from_before(part, place):
        return True
    # "Over the past week alone"
    if form == "alone" and any(w.end == place for w in part.windows):
        return True
    if (form, *following) in (("longer", "term"), ("again", ":")):
        return True
    if form == "half" and any(c.kind == "rating_count" and c.value == 0.5 for c in told.found):
        return True
    if form in ("oversold", "overbought") and claim.change == form:
        return True
    # The grades say it.
    if form in ("bullish", "bearish") and claim.prior_grade and claim.grade:
        return True
    if form == "though" and before == following == [","]:
        return True
    if kind in CALL_KINDS:
        return (
            (form == "unchanged" and bool(claim.grade))
            or (form in ("highest", "lowest") and bool(rank_of_target(part)))
            or (form == "though" and following in (["it"], ["the"]))
            or (form == "after" and part.forms[place - 1] == "even" and claim.prior is not None)
        )
    if kind == "earnings_surprise":
        return (
            (form == "short" and before in (["fallen"], ["fell"], ["come"], ["came"]))
            or (form in ("than", "feared") and bool({"feared", "expected"} & {form, *following}))
            or form == "quarterly"
            or [form, *following] == ["most", "recent"]
        )
    if kind == "earnings_date":
        hours = ("before", "after", "open", "close", "bell")
        return form == "quarterly" or (bool(claim.argument) and form in hours)
    if kind == "moving_average" and form == "between":
        return sum(c.kind == "moving_average" for c in told.found) > 1
    if kind in ("volume", "moving_average") and form in ("twice", "both"):
        return is_covered
    if kind in ("volume", "shares_traded"):
        return form in ("light", "heavy", "thin", "lighter", "heavier")
    if kind == "target_range":
        return read.low <= place < read.high
    if kind == "revision_count":
        return is_covered
    if kind == "upside":
        return form in ENDS.get(claim.grade or "", _NONE)
    return kind == "risk_flag" and form in ("open", "closed")


def _of_another(part: Part, claim: Claim, found: Sequence[Claim], low: int, high: int) -> set[int]:
    """Places of words by which a figure is that of something else than its kind's."""
    words: frozenset[str] | set[str] = set()
    if claim.kind == "upside" and claim.grade is None:
        words = {f"{end}{target}" for end in ("", "street-") for target in ("high", "low")}
        words |= {"highest", "lowest"}
    elif claim.kind in ("multiple", "factor"):
        words = word_set("peers") | {"peer", "median"}
    elif claim.kind == "price" and claim.stated_on is None and not any(
        c.kind == "record" for c in found
    ):  # fmt: skip
        words = {"record", "all-time"}
    elif claim.kind == "listing":
        names = {"new": {"nyse"}, "nyse": {"nyse"}, "nasdaq": {"nasdaq", "nasdaqgs"},
                 "hong": {"hong", "hkex", "sehk"}}  # fmt: skip
        words = word_set("exchange") - names.get(claim.argument, {claim.argument})
    elif claim.kind in CALL_KINDS and not any(c.kind == "upside" for c in found):
        words = {"upside", "downside"}
    left = {
        p
        for p in range(low, high)
        if part.forms[p] in words
        and (
            claim.kind not in ("multiple", "factor")
            or part.sentence.start + part.tokens[p].word.start < claim.start
        )
    }
    if claim.kind == "versus_market":
        left |= {
            p
            for p in range(low, high)
            if part.tokens[p].shape == "#%"
            and part.sentence.start + part.tokens[p].word.start >= claim.end
        }
    if claim.kind in CALL_KINDS:
        last = zip(part.forms[low:high], part.forms[low + 1 : high], strict=False)
        left |= {low + p for p, pair in enumerate(last) if pair == ("last", "year")}
    return left


def _conceded(part: Part, high: int, covered: frozenset[int], numbers: frozenset[int]) -> set[int]:
    """Places of what is said behind a "despite" or "although" and is no claim of its own."""
    first = next(
        (p for p in range(high, len(part.forms)) if part.forms[p] in word_set("conceding")),
        len(part.forms),
    )
    return {
        p
        for p in range(first + 1, len(part.forms))
        if p not in covered | numbers
        and (
            part.forms[p] in word_set("comparing") | word_set("qualifier")
            or (part.tokens[p].shape.startswith("#") and not _is_inert(part, p))
            or is_in(word_set("rose") | word_set("fell") | word_set("changed"), part.forms[p])
        )
    }


def _words_beside(
    part: Part, claim: Claim, low: int, high: int, read: frozenset[int], spans: set[int]
) -> set[int]:
    """Places in the clause of words that do more than lead to what was read.

    Only of kinds whose words are so common that any other beside them may change the sense.
    """
    is_flag = claim.kind == "risk_flag" and any(f.startswith("flag") for f in part.forms)
    is_past = claim.kind == "earnings_date" and claim.change == "past"
    if claim.kind not in _OF_COMMON_WORDS and not is_flag and not is_past:
        return set()
    own = [m for m in part.mentions if m.name == claim.ticker]
    known = set(read) | (set() if claim.argument == "52w" else spans)
    return {
        p
        for p in range(low, high)
        if p not in known
        and part.forms[p][0].isalpha()
        and part.forms[p] not in word_set("leading_on") | part.own_place
        and not (is_flag and part.forms[p] in ("open", "closed"))
        and not (
            part.forms[p] in word_set("gain") | word_set("loss")
            and (claim.kind == "streak" or part.forms[p - 1 : p] == ["the"])
        )
        and not any(m.start <= part.tokens[p].word.start < m.end for m in own)
    }


def _unread_clauses(
    part: Part, claim: Claim, low: int, high: int, covered: frozenset[int]
) -> set[int]:
    """Places of what stands behind a claim's clause, up to the next that a rule has read.

    What stands before a "but" that leads the clause counts as well.

    A clause that says why or what could be is no fact beside the claim, unless it tells of
    another number, time or change.
    """
    left: set[int] = set()
    is_reason = False
    if low and part.forms[low - 1] in ("but", "yet") and not covered & set(range(low)):
        left |= set(range(low - 1))
    while high < len(part.forms):
        end = high + 1
        while end < len(part.forms) and not begins_clause(part, end):
            end += 1
        if covered & set(range(high, end)) or any(
            h.label[0] == claim.kind == "news_event" and high <= h.start < end for h in part.hits
        ):
            break
        lead, behind = part.forms[high], part.forms[high + 1 : high + 4]
        is_compared = lead == "as" and bool(word_set("auxiliary") & set(behind))
        is_list = is_reason and lead == "and"
        is_reason = is_list or lead in word_set("cause") or lead == "before" or (
            lead == "as" and not is_compared and claim.kind in (*OF_THE_PRICE, "price")
        )  # fmt: skip
        is_soft = not word_set("unsure_anywhere").isdisjoint(part.forms[high:end])
        telling = {p for p in range(high, end) if _tells_more(part, p, high, claim)}
        if telling or not (is_reason or is_soft):
            left |= telling or set(range(high, end))
        high = end
    return left


def _tells_more(part: Part, place: int, first: int, claim: Claim) -> bool:
    """Whether a word of a clause no rule has read, which begins at `first`, tells a fact."""
    form, token = part.forms[place], part.tokens[place]
    changes = word_set("rose") | word_set("fell") | word_set("changed")
    if token.shape.startswith("#") and not _is_inert(part, place):
        return True
    if form in MONTHS and token.word.is_capital:
        return True
    if any(w.start == place and not _is_no_time(part, w, claim.kind) for w in part.windows):
        return True
    if claim.kind in CALL_KINDS and any(
        m.name.startswith(FIRM) and m.start <= token.word.start < m.end for m in part.mentions
    ):
        return True
    # "After the close" says when, "after falling" is of the same share, "as the index fell" a
    # fact about the market.
    if part.forms[first] in ("after", "before") and form in ("close", "bell", "open"):
        return claim.kind != "earnings_date"
    if part.forms[first] in ("after", "following", "before"):
        # "After they had opened at the same level" is of the price as well.
        is_price = form == "opened" or form in word_set("closing") | word_set("traded")
        return (place == first + 1 and is_in(changes, form)) or (
            is_price
            and part.forms[place + 1 : place + 2]
            in (["at"], ["above"], ["below"], ["near"], ["around"], ["higher"], ["lower"])
        )
    return part.forms[first] == "as" and not form.endswith("ing") and (
        is_in(word_set("rose") | word_set("fell"), form)
    )  # fmt: skip


def _of_other_figures(part: Part, read: Read) -> set[int]:
    """Places of words that make a result one of another figure: "missed delivery estimates"."""
    acts = word_set("surprising") | word_set("versus_expected")
    verb = next((p for p in range(read.low, read.high) if part.forms[p] in acts), read.low)
    left = {
        p for p in range(verb + 1, read.high - 1)
        if part.forms[p][0].isalpha() and part.forms[p] not in word_set("of_results")
        and not part.tokens[p].shape.startswith("#")
    }  # fmt: skip
    before = range(max(0, verb - 2), verb)
    return left | {
        p
        for p in before
        if part.forms[p] in word_set("not_price") and part.forms[p] not in word_set("of_results")
    }


def _told_at(part: Part, places: Iterable[int]) -> str:
    """The words at some places, as written."""
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    said = (part.text[part.tokens[r[0]].word.start : part.tokens[r[-1]].end] for r in runs)
    return " … ".join(said)


def _is_compared(part: Part, comma: int) -> bool:
    """Whether what follows a comma compares: ", less than JD", ", against 25x for Amazon"."""
    lead = set(part.forms[comma + 1 : comma + 3])
    return not lead.isdisjoint(("than", "against", "versus", "vs", "compared", "unlike", "like"))


def _is_inert(part: Part, place: int) -> bool:
    """Whether a number only names something: an index, "52-week high", "12-month target"."""
    if part.forms[place - 1 : place] and part.forms[place - 1] in word_set("index_name"):
        return True
    behind = part.forms[place + 1 : place + 6]
    if part.tokens[place].value == 14 and {"rsi", "relative"} & set(behind[:2]):
        return True
    if "volume" in part.forms:
        # The mart's is the median of 60 sessions.
        return part.tokens[place].value == 60 and behind[:1] in (["day"], ["days"])
    if behind[:1] and behind[0] in ("day", "days", "week", "weeks", "month", "months", "year"):
        if behind[1:2] == ["and"]:
            # "The 50-day and the 200-day average".
            behind = part.forms[place + 1 : place + 8]
        return bool(
            set(behind[1:])
            & (word_set("target") | word_set("high") | word_set("low") | word_set("no_span"))
        ) or part.forms[place - 1 : place] == ["next"]
    return part.forms[place] in ("12-month", "twelve-month", "one-year", "past", "last")


def _is_a_span(part: Part, place: int, claim: Claim) -> bool:
    """Whether a word such as "five-year" says of which time a figure is."""
    head, _, unit = part.forms[place].partition("-")
    if head not in NUMERALS or unit not in ("year", "month", "week", "day"):
        return False
    if claim.kind == "beta" and (head, unit) == ("one", "year"):
        return False
    named = word_set("target") | word_set("high") | word_set("low") | word_set("no_span")
    return claim.kind not in DATED and not named & set(part.forms[place + 1 : place + 4])


def _is_no_time(part: Part, window: KindHit, kind: str) -> bool:
    """Whether words of time say no more than what is meant anyhow."""
    name = window.label[1]
    if kind in ("risk_flag", "earnings_date") and name == "open":
        return True
    said = part.forms[window.start : window.end]
    if name == "day" or (name == "open" and said != ["open"]):
        return True
    if window.start and _is_inert(part, window.start - 1):
        return True
    if kind in ("earnings_surprise", "eps", "eps_estimate") and name == "3m":
        return True
    behind = part.forms[window.end : window.end + 3]
    if name == "12m" and (word_set("target") | word_set("high") | word_set("low")) & {*behind}:
        return True
    return name == "intraday"


def _grades_left(part: Part, claim: Claim, low: int, high: int) -> set[int]:
    """Places of grades in a call's words that are neither its own nor the one before."""
    known = {(g or "").lower() for g in (claim.grade, claim.prior_grade)}
    left: set[int] = set()
    place = low
    while place < high:
        length = broker_calls.grade_at(part.forms, place)
        printed = part.text[
            part.tokens[place].word.start : part.tokens[place + max(length, 1) - 1].end
        ]
        is_word = part.forms[place] in word_set("label") or part.tokens[place].word.is_capital
        # Behind "fair value" stands an amount.
        if length and printed.lower() not in (*known, "fair value") and (is_word or length > 1):
            left |= set(range(place, place + length))
        place += max(length, 1)
    return left


def _names_left(
    part: Part, claim: Claim, found: Sequence[Claim], low: int, high: int, subject: str | None
) -> tuple[set[int], str | None]:
    """Places of names that are not those a claim is of; and whose target an upside is to."""
    start, end = part.tokens[low].word.start, part.tokens[high - 1].end
    calls = {c.firm for c in found if c.kind in CALL_KINDS}
    tickers = {c.ticker for c in found} | {claim.ticker}
    own = [m for m in part.mentions if m.name in tickers]
    firms: set[str] = set()
    left: set[int] = set()
    for mention in part.mentions:
        if not start <= mention.start < end or any(
            m.start < mention.end and mention.start < m.end for m in own
        ):
            continue
        is_firm = mention.name.startswith(FIRM)
        name = mention.name[len(FIRM) :] if is_firm else mention.name
        if not is_firm and any(
            m.name.startswith(FIRM) and m.start < mention.end and mention.start < m.end
            for m in part.mentions
        ):
            continue
        if is_firm and claim.kind in (*CALL_KINDS, "analyst_count") and name in calls:
            continue
        if mention.is_ambiguous and not mention.is_symbol and mention.start == 0:
            continue
        if is_firm and claim.kind == "upside":
            firms.add(name)
            continue
        left |= {
            p for p in range(low, high) if mention.start <= part.tokens[p].word.start < mention.end
        }
    if len(firms) > 1:
        left |= {
            p for p in range(low, high) for m in part.mentions
            if m.name.startswith(FIRM) and m.start <= part.tokens[p].word.start < m.end
        }  # fmt: skip
    if claim.kind != "risk_flag" and not is_title(part):
        graded = {
            p
            for place in range(low, high)
            for p in range(place, place + broker_calls.grade_at(part.forms, place))
        }
        left |= {p for p in range(max(low, 1), high) if is_strange(part, p)} - graded
    return left, next(iter(firms)) if len(firms) == 1 else None
