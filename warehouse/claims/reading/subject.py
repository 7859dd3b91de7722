"""Whom a text, a claim or a price is of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from warehouse.claims.reading.part import Part
from warehouse.claims.reading.spans import is_noun, is_of_the_span
from warehouse.claims.vocabulary import MONTHS, WEEKDAYS, KindHit, is_in, word_set
from warehouse.news.linking import FIRM, Mention
from warehouse.news.vocabulary import rows


def subject_of(parts: Sequence[Part]) -> str | None:
    """The company most named, a symbol spelled out counting twice, of several the first.

    Of its listings it is the one quoted in the currency that most amounts are in.
    """
    counts: dict[str, int] = defaultdict(int)
    units: dict[str, int] = defaultdict(int)
    for part in parts:
        for token in part.tokens:
            if token.shape == "#$" and token.unit:
                units[token.unit] += 1
    suffixes = _suffixes(max(units, key=lambda unit: units[unit])) if units else frozenset(("",))
    for part in parts:
        for mention in one_listing(part.mentions, None, suffixes):
            if mention.is_symbol:
                counts[mention.name] += 2
            elif not mention.name.startswith(FIRM) and not mention.is_ambiguous:
                counts[mention.name] += 1
    return max(counts, key=lambda name: counts[name]) if counts else None


@cache
def _suffixes(currency: str) -> frozenset[str]:
    """Suffixes of the tickers that are quoted in a currency or its hundredths."""
    return frozenset(
        row["value"]
        for row in rows("exchanges")
        if row["kind"] == "suffix" and row["currency"].upper() == currency.upper()
    )


def one_listing(
    mentions: Sequence[Mention], subject: str | None, suffixes: frozenset[str] = frozenset(("",))
) -> list[Mention]:
    """Of a name that several listings share, the article's own, else one with such a suffix."""
    found: dict[tuple[int, bool], Mention] = {}
    for mention in mentions:
        place = (mention.start, mention.name.startswith(FIRM))
        known = found.get(place)
        if known is None or (
            _preference(mention, subject, suffixes) < _preference(known, subject, suffixes)
        ):
            found[place] = mention
    return [found[place] for place in sorted(found)]


def _preference(
    mention: Mention, subject: str | None, suffixes: frozenset[str]
) -> tuple[bool, bool, bool, str]:
    suffix = mention.name.partition(".")[2]
    return mention.name != subject, suffix not in suffixes, bool(suffix), mention.name


def company_of(part: Part, hit: KindHit, subject: str | None) -> str | None:
    """The company named last before the hit, else the article's own."""
    start = part.tokens[hit.start].word.start
    firms = [m for m in part.mentions if m.name.startswith(FIRM)]
    named = [
        m for m in part.mentions if m.start <= start and not m.name.startswith(FIRM)
        and (m.name == subject or not any(
            firm.start < m.end and m.start < firm.end for firm in firms))
        and (not m.is_ambiguous or m.is_symbol or m.name == subject)
    ]  # fmt: skip
    # A partner or a shop named on the way is not the one spoken of.
    own = [m for m in named if m.name == subject]
    if hit.label[0] == "news_event" and not own and _names_a_stranger(part, hit.start):
        return None
    if own or not named or hit.label[0] in ("news_event", "risk_flag"):
        return subject
    return named[-1].name


def _names_a_stranger(part: Part, place: int) -> bool:
    """Whether the words before a place are all a name, of a company we do not know."""
    return 0 < place <= 5 and all(
        token.word.is_capital and not token.word.form[0].isdigit() for token in part.tokens[:place]
    )


def price_subject(
    part: Part, hit: KindHit, kind: str, subject: str | None, spoken: set[str]
) -> str | None:
    """Whose price it is: a ticker, "" for a name we do not know, None where it is no price."""
    places = range(hit.start, hit.end)
    if any(part.forms[place] in word_set("not_price") for place in places):
        return None
    after = part.forms[hit.end : hit.end + 7]
    if kind == "move" and after[:1] and after[0] in ("above", "below", "over", "under") and (
        set(after) & (word_set("average") | word_set("high") | word_set("low") | {"target"})
    ):  # fmt: skip
        return None
    if kind == "move" and is_noun(part, hit):
        return _of_gain(part, hit, subject)
    if kind == "move" and part.forms[hit.start] in ("plus", "minus"):
        return _spoken_of(part, hit, subject) or subject or ""
    if kind == "move" and "where" in part.forms[hit.start : hit.end]:
        return _spoken_of(part, hit, subject) or subject or ""
    if kind == "move" and any(
        part.forms[p] in ("to", "in", "of", "at", "and", ",", ";")
        and part.forms[p - 1 : p + 1] != ["close", "to"]
        for p in places
    ):
        return None
    if part.forms[hit.start] in ("up", "down") and "a" in part.forms[hit.start : hit.end]:
        return None
    # "Drops from a 44% surge", "Rocket down 5%": the number is of the nearer word.
    ways = word_set("rose") | word_set("fell") | {"up", "down"}
    is_verb = kind == "move" and part.tokens[hit.start].shape != "#%"
    if is_verb and any(is_in(ways, f) for f in part.forms[hit.start + 1 : hit.end + 1]):
        return None
    after = part.forms[hit.end : hit.end + 4]
    if "short" in after[:2] or "stake" in after or "points" in after[:1]:
        return None
    if kind == "move" and hit.end - hit.start == 2 and part.tokens[hit.start].shape == "#%":
        return _of_a_noun(part, hit, subject)
    if kind in ("streak", "biggest_move") and hit.label[1] != "" and not is_in(
        word_set("rose") | word_set("fell"), part.forms[hit.start]
    ):  # fmt: skip
        return _spoken_of(part, hit, subject)
    if kind in ("record", "high_52w"):
        if not word_set("away").isdisjoint(part.forms[max(0, hit.start - 5) : hit.start]):
            return None
        if any(form in word_set("not_price") for form in part.forms):
            return None
        return _spoken_of(part, hit, subject)
    place = hit.start - 1
    while place >= 0 and (
        part.forms[place] in word_set("skipped")
        or part.forms[place].endswith("ly")
        or part.forms[place] in (*WEEKDAYS, "yesterday")
        or (part.forms[place] == "on" and part.forms[place + 1] in WEEKDAYS)
        or is_of_the_span(part, place)
    ):
        place -= 1
    if place < 0:
        return _spoken_of(part, hit, subject) if kind != "move" else None
    form, word = part.forms[place], part.tokens[place].word
    named = [
        m for m in part.mentions if m.end == word.end and not m.name.startswith(FIRM)
        and (m.is_symbol or not m.is_ambiguous) and kind == "move"
    ]  # fmt: skip
    if named and form != ")" and not _is_of_figures(part, place):
        return named[0].name
    if form == "," and kind == "move" and (aside := _named_before_an_aside(part, place)):
        return aside
    if form == "which" and part.forms[place - 1 : place] == [","]:
        return _spoken_of(part, hit, subject)
    # Behind these the sentence goes on about whom it spoke of.
    if form in word_set("joining"):
        if form == ")" and any(m.is_symbol and m.end == word.end for m in part.mentions):
            return _who_is_named(part, place, subject)
        if form == "," or kind != "move":
            return _spoken_of(part, hit, subject)
        goes_on = form == "and" or part.forms[place - 1 : place + 1] == [",", "but"]
        return _spoken_of(part, hit, subject) if goes_on else None
    if kind == "move" and form in ("holders", "shareholders", "investors") and (
        part.forms[place + 1] in ("have", "had") and part.forms[place - 1 : place] != ["of"]
    ):  # fmt: skip
        return _who_is_named(part, place - 1, subject, generic=True)
    if form in word_set("not_price") | word_set("not_company") and not (
        _is_the_company(part, place)
    ):
        return None
    # "Profits at Bristol Myers down 47%" is of profits.
    if kind == "move" and form not in word_set("share") and _is_of_figures(part, place):
        return None
    if kind == "move" and place <= 4 and any(
        w.start <= min(place, 1) and place < w.end
        and w.label[1] in ("quarter", "named", "month")
        for w in part.windows
    ):  # fmt: skip
        # "The third quarter has added 10%".
        return _of_gain(part, hit, subject)
    if form == "price" and kind == "move" and part.forms[place - 1 : place] in (["the"], ["its"]):
        return _spoken_of(part, hit, subject) or subject or ""
    if form == "price" and part.forms[place - 1 : place] in (["share"], ["stock"]):
        return _who_is_named(part, place - 2, subject, generic=True)
    if form in word_set("share"):
        return _who_is_named(part, place - 1, subject, generic=True)
    if place == 0 and any(w.start <= place < w.end for w in part.windows):
        return subject or ""
    return _who_is_named(part, place, subject)


def _is_of_figures(part: Part, place: int) -> bool:
    """Whether the clause that ends at a place has named a figure of the business."""
    for form in part.forms[place::-1]:
        if form in (",", ";", ":", "-") or form in word_set("clause"):
            return False
        if form in word_set("not_price"):
            return True
    return False


def _leads(part: Part, place: int) -> bool:
    """Whether the capital words up to a place lead a sentence or clause, as its subject does.

    "Inventories in the U.S. fell" and "With Home Purchases Up 1%" speak of no company.
    """
    first = place
    while first and part.tokens[first - 1].word.is_capital:
        first -= 1
    if word_set("not_company") & set(part.forms[first : place + 1]):
        return False
    before = part.forms[first - 1] if first else ":"
    return place - first < 6 and not (before[0].isalpha() and before not in ("and", "as"))


def _named_before_an_aside(part: Part, place: int) -> str | None:
    """Who is named before an aside that ends with the comma at a place: "SPY, a tracker,"."""
    first = next((p for p in range(place - 1, max(0, place - 9), -1) if part.forms[p] == ","), 0)
    if not first:
        return None
    end = part.tokens[first - 1].end
    return next(
        (m.name for m in part.mentions if m.end == end and (not m.name.startswith(FIRM))), None
    )


def _of_gain(part: Part, hit: KindHit, subject: str | None) -> str | None:
    """Whose "a gain of 8%" is: the article's company, unless another figure is spoken of."""
    aside = range(hit.start, hit.end)
    if any(part.forms[p] in (",", ";", "and", "in") for p in aside):
        return None
    far = word_set("not_price") | word_set("not_company")
    if far & set(part.forms[: hit.end + 3]) - {"holders", "shareholders", "investors"}:
        return None
    if any(is_strange(part, p) for p in range(1, hit.start)) and not is_title(part):
        return None
    if {"would", "could", "should", "might", "if", "needed"} & set(part.forms):
        return None
    if {"takes", "take", "needs", "need", "requires", "require"} & set(part.forms[: hit.start]):
        return None
    named = {m.name for m in part.mentions if not m.name.startswith(FIRM)
             and not (m.is_ambiguous and not m.is_symbol and m.name != subject)}  # fmt: skip
    if any(m.name.startswith(FIRM) for m in part.mentions) or len(named) > 1:
        return None
    return next(iter(named)) if named else subject or ""


def _who_is_named(
    part: Part, place: int, subject: str | None, *, generic: bool = False
) -> str | None:
    """Who is named at a place: a ticker, "" for an unknown name, None for a common noun."""
    if place < 0:
        return subject or ""
    word = part.tokens[place].word
    for mention in part.mentions:
        if mention.start < word.end and word.start < mention.end:
            return (
                None
                if mention.name.startswith(FIRM) and not generic
                else (subject if mention.name.startswith(FIRM) else mention.name)
            )
    if _is_the_company(part, place):
        return subject or ""
    if word.form in word_set("not_company") | word_set("not_price"):
        return None
    if word.is_capital and not word.form[0].isdigit() and len(word.form) > 1:
        if generic and word.form in ("the", "its", "why", "as", "but", "and", "while", "class"):
            return subject or ""
        if not generic and not _leads(part, place):
            return None
        return "" if generic or place > 0 or len(word.form) > 2 else None
    if generic or _is_the_company(part, place):
        return subject or ""
    return None


def _is_the_company(part: Part, place: int) -> bool:
    """Whether the words that end at a place are such as "the software giant"."""
    return part.forms[place] in word_set("company_word") and (
        "the" in part.forms[max(0, place - 4) : place]
        and not word_set("not_price") & set(part.forms[:place])
    )


def _spoken_of(part: Part, hit: KindHit, subject: str | None) -> str | None:
    """Whose price the sentence has been speaking of before the hit."""
    before = part.forms[: hit.start]
    if any(
        f in word_set("not_price") | word_set("not_company")
        and not any(m.start <= part.tokens[p].word.start < m.end for m in part.mentions)
        for p, f in enumerate(before)
        if p >= hit.start - 12
    ):
        return None
    for place in range(hit.start - 1, -1, -1):
        if part.forms[place] in word_set("share"):
            return _who_is_named(part, place - 1, subject, generic=True)
        word = part.tokens[place].word
        for mention in part.mentions:
            if mention.end == word.end and not mention.name.startswith(FIRM):
                return mention.name
    is_close = {"close", "finish"} & set(before) or hit.label[0] in ("streak", "biggest_move")
    if is_close and not any(is_strange(part, p) for p in range(1, len(part.tokens))):
        return subject or ""
    return None


def _of_a_noun(part: Part, hit: KindHit, subject: str | None) -> str | None:
    """Of whom "a 10% jump" is: of the shares or the company named close by."""
    before = part.forms[hit.start - 2 : hit.start]
    if part.moves and before in (["including", "a"], ["including", "an"]):
        return part.moves[-1].ticker or subject or ""
    after = part.forms[hit.end : hit.end + 5]
    for place in range(hit.end, min(hit.end + 5, len(part.tokens))):
        if part.forms[place] in (",", ";", ":"):
            break
        if part.forms[place] in word_set("not_price") | word_set("not_company"):
            return None
        if part.forms[place] in ("stock", "shares"):
            return _who_is_named(part, place - 1, subject, generic=True)
        if after and after[0] in ("in", "for", "by") and place > hit.end:
            word = part.tokens[place].word
            for mention in part.mentions:
                if mention.start <= word.start < mention.end:
                    return None if mention.name.startswith(FIRM) else mention.name
    if any(f in word_set("not_price") | word_set("not_company") for f in part.forms[: hit.start]):
        return None
    for place in range(max(0, hit.start - 6), hit.start):
        if part.forms[place] in ("stock", "shares"):
            return _who_is_named(part, place - 1, subject, generic=True)
    return None


def is_behind_a_share(part: Part, place: int) -> bool:
    """Whether the words before a place are those of a share or its company."""
    while place and part.forms[place - 1] in word_set("skipped"):
        place -= 1
    if not place:
        return False
    end = part.tokens[place - 1].end
    return part.forms[place - 1] in ("shares", "stock", "adrs", "ads") or any(
        m.end == end and not m.name.startswith(FIRM) for m in part.mentions
    )


def is_title(part: Part) -> bool:
    """Whether a sentence writes its common words with a capital, as headlines do."""
    spelled = [
        t.word for t in part.tokens[1:]
        if t.word.form[0].isalpha() and len(t.word.form) > 3
        and t.word.form not in word_set("label")
        and not any(m.start <= t.word.start < m.end for m in part.mentions)
    ]  # fmt: skip
    capital = sum(word.is_capital for word in spelled)
    return capital >= 3 and 5 * capital > 3 * len(spelled)


def is_strange(part: Part, place: int) -> bool:
    """Whether a word is a name of somebody or something we do not know."""
    word = part.tokens[place].word
    if not word.is_capital or not word.form[0].isalpha() or len(word.form) < 2:
        return False
    if part.forms[place - 1] in (":", "analyst", "analysts", "-") or (
        part.forms[place + 1 : place + 2]
        and part.forms[place + 1] in word_set("company_word") - {"group", "company"}
    ) or (
        place > 1 and part.forms[place - 2] in ("analyst", "analysts")
    ):  # fmt: skip
        return False
    if any(m.start <= word.start < m.end for m in part.mentions) or (word.form in part.own_place):
        return False
    known = (
        word_set("known_name") | word_set("label") | word_set("index_name") | word_set("weekday")
    )
    return word.form not in known and word.form not in MONTHS
