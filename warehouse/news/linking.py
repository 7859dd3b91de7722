"""Which companies a text names, where, and how sure that is.

Names come from `security_aliases`, from the master data stored, and from the text itself, which
often says "Agilent Technologies (NYSE: A)". Names that are also common words, and symbols of one
letter, need a second signal.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from warehouse.news.text import OTHER, TARGET, Word, words
from warehouse.news.vocabulary import rows, word_set

TITLE_HIT, SUMMARY_HIT, QUERY_HIT, SYMBOL_HIT, PRIMARY_FROM = 3, 1, 1, 3, 3
FIRM = "firm:"

_LONGEST_NAME = 6
_SYMBOL = re.compile(
    r"\$(?P<cash>[A-Z]{1,6}(?:[.-][A-Z]{1,2})?)(?![A-Za-z0-9])"
    r"|[(\[](?:(?P<exchange>[A-Z][A-Za-z]{1,9}(?: [A-Z][A-Za-z]{1,9})?): ?)?\$?"
    r"(?P<ticker>[A-Z]{1,6}(?:[.-][A-Z]{1,2})?|\d{4,5}\.HK|(?<=: )\d{1,5}|(?<=:)\d{1,5})[)\]]"
)
# What the press calls an exchange, by the suffix of its tickers.
_SUFFIXES = {
    "LON": "L", "LSE": "L", "HKG": "HK", "HKEX": "HK", "SEHK": "HK", "ETR": "DE", "XETRA": "DE",
    "FRA": "F", "EPA": "PA", "AMS": "AS", "TYO": "T", "TSX": "TO", "ASX": "AX", "SWX": "SW",
    "BIT": "MI", "BME": "MC",
}  # fmt: skip
_NAME_BEFORE = 5
# What stands in brackets, and the Danish legal form, which is no word.
_BRACKETS = r"\([^()]*\)|\bA/S\b"
# Of "J. C. Penney" people write "J.C. Penney".
_INITIALS = r"\b([A-Z]\.) (?=[A-Z]\.)"
_JOINING = frozenset(("and", "of", "the", "de", "for", "in"))
_SHORTENED = {
    "technologies": "Tech", "technology": "Tech", "pharmaceuticals": "Pharma",
    "pharmaceutical": "Pharma", "laboratories": "Labs", "international": "Intl",
    "therapeutics": "Thera", "motors": "Motor", "financial": "Fin", "industries": "Inds",
}  # fmt: skip
# A word is no name by itself that so many texts write small.
_COMMON_FROM = 5
# "Price Target" is no company.
_NO_NAME_AFTER = frozenset(("price", "stock", "share"))


class Mention(NamedTuple):
    """A company or firm named in `text[start:end]`."""

    start: int
    end: int
    name: str
    is_ambiguous: bool
    is_symbol: bool = False


class Alias(NamedTuple):
    """One name of a company: its ticker's own, or that of a broker (`FIRM` and the firm's name)."""

    alias: str
    name: str
    is_ambiguous: bool


class Names:
    """All names known, to be found in a text in one pass over its words."""

    def __init__(self, aliases: Iterable[Alias]) -> None:
        """Index the names by their first word."""
        self._by_first: dict[str, list[tuple[tuple[str, ...], Alias]]] = defaultdict(list)
        # First words of names that are written small: "bluebird bio".
        self._small: set[str] = set()
        seen = set()
        for alias in aliases:
            spelled = tuple(word.form for word in words(alias.alias))[:_LONGEST_NAME]
            if spelled and (spelled, alias.name) not in seen:
                seen.add((spelled, alias.name))
                self._by_first[spelled[0]].append((spelled, alias))
                if alias.alias[:1].islower():
                    self._small.add(spelled[0])
        for found in self._by_first.values():
            found.sort(key=lambda pair: -len(pair[0]))

    def find(self, text: str, cut: Sequence[Word]) -> list[Mention]:
        """Return the names in a text, whose words are `cut`, in order; the longest one counts."""
        found = symbols(text)
        begun = self._by_first
        free = 0
        small = self._small
        for place in [
            i
            for i, word in enumerate(cut)
            if (word.is_capital or word.form in small) and word.form in begun
        ]:
            if place < free:
                continue
            word = cut[place]
            before = cut[place - 1].form if place else ""
            for spelled, alias in begun[word.form]:
                if alias.is_ambiguous and before in _NO_NAME_AFTER:
                    continue
                length = len(spelled)
                if length == 1 or tuple([w.form for w in cut[place : place + length]]) == spelled:
                    end = cut[place + length - 1].end
                    found += [
                        Mention(word.start, end, other.name, other.is_ambiguous)
                        for same, other in begun[word.form]
                        if same == spelled
                    ]
                    free = place + length
                    break
        return sorted(found, key=lambda mention: (mention.start, mention.name))


def symbols(text: str) -> list[Mention]:
    """Return the symbols a text spells out: `$AAPL`, `(AAPL)`, `(NYSE: A)`."""
    found = []
    if "$" in text or "(" in text or "[" in text:
        for match in _SYMBOL.finditer(text):
            symbol = match["cash"] or match["ticker"]
            symbol = symbol.removesuffix(".US").removesuffix("-US")
            if symbol.endswith(".HK"):
                symbol = f"{int(symbol[:-3]):04d}.HK"
            suffix = _SUFFIXES.get(match["exchange"] or "")
            if symbol.isdigit():
                if suffix != "HK":
                    continue
                symbol = symbol.zfill(4)
            if suffix and "." not in symbol:
                symbol = f"{symbol}.{suffix}"
            sure = bool(match["cash"] or match["exchange"]) or len(symbol) > 2
            found.append(
                Mention(match.start(), match.end(), symbol.replace("-", "."), not sure, True)
            )
    return found


def names_before(
    text: str, cut: Sequence[Word], found: Sequence[Mention], symbol: Mention, elsewhere: str
) -> list[str]:
    """Return what a text calls the company whose symbol follows in brackets, long and short.

    The words of a headline often all begin with capitals: of those before the symbol, as many as
    also stand together `elsewhere` in the item, else the last two, and never those of another name.
    """
    taken = [m for m in found if not m.is_symbol and m.name != symbol.name]
    name: list[Word] = []
    for word in reversed([word for word in cut if word.end <= symbol.start][-_NAME_BEFORE:]):
        if not (word.is_capital or word.form in ("of", "and", "&", ",")):
            break
        if word.form in word_set("not_in_name"):
            break
        if any(m.start <= word.start < m.end for m in taken):
            break
        name.insert(0, word)
    while name and (name[-1].form in word_set("legal_form") or name[-1].form == ","):
        name.pop()
    known = next((i for i, w in enumerate(name) if text[w.start : name[-1].end] in elsewhere), None)
    name = name[known:] if known is not None else name[-2:]
    while name and not name[0].is_capital:
        name.pop(0)
    if not name:
        return []
    whole = text[name[0].start : name[-1].end]
    short = text[name[0].start : name[0].end]
    is_telling = len(short) > 3 and short.lower() not in word_set("common_name")
    return [whole, short] if is_telling else [whole]


def company_names(name: str) -> list[str]:
    """Return what people call a company of that legal name: without its legal form, and short."""
    bare, kept = _without_legal_form(name)
    return [bare[kept[0].start : kept[-1].end]] if kept else []


def short_names(name: str) -> list[str]:
    """Return what a headline may call a company of that legal name where its reader knows whom.

    "Ionis" for Ionis Pharmaceuticals, "Altra Industrial" for Altra Industrial Motion, "HCL Tech"
    for HCL Technologies, "TCS" for Tata Consultancy Services. Each may mean another company as
    well.
    """
    bare, kept = _without_legal_form(name)
    if not kept:
        return []
    whole = bare[kept[0].start : kept[-1].end]
    spelled = [bare[word.start : word.end] for word in kept]
    found = []
    for length in range(len(kept) - 1, 0, -1):
        called = " ".join(spelled[:length])
        is_rest_general = kept[length].form.replace(".", "") in word_set("descriptor")
        is_name = kept[length - 1].form not in _JOINING and called.lower() not in word_set("place")
        if length == 1:
            is_name = is_name and _is_telling(kept[0].form)
        if is_name and (is_rest_general or length == 2):
            found.append(called)
    if len(kept) > 1:
        if shortened := _SHORTENED.get(kept[-1].form):
            found.append(" ".join([*spelled[:-1], shortened]))
        if "-" in spelled[0]:
            found.append(spelled[0])
    found += [one.replace("-", " ") for one in [" ".join(spelled), *found] if "-" in one]
    found += [re.sub(_INITIALS, r"\1", whole), " ".join(spelled)]
    legal = [word.form[0] for word in words(re.sub(_BRACKETS, " ", name)) if word.is_capital]
    telling = [word.form[0] for word in kept if word.form not in _JOINING]
    for initials in map("".join, (telling, legal)):
        if len(initials) > 2 and _is_telling(initials) and initials not in word_set("acronym"):
            found.append(initials.upper())
    found += map(_without_accents, [whole, *found])
    return [one for one in dict.fromkeys(found) if one != whole]


def _without_accents(text: str) -> str:
    cut = unicodedata.normalize("NFD", text)
    return "".join(mark for mark in cut if not unicodedata.combining(mark))


def _without_legal_form(name: str) -> tuple[str, list[Word]]:
    """Return a legal name without what is in brackets, and its words without the legal form."""
    bare = re.sub(_BRACKETS, " ", name)
    cut = [word for word in words(bare) if word.form not in (",", "(", ")")]
    kept = list(cut)
    while len(kept) > 1 and (
        kept[-1].form.replace(".", "") in word_set("legal_form")
        or kept[-1].form == "and"
        or [word.form for word in kept[-2:]] == ["etf", "trust"]
    ):
        kept.pop()
    while len(kept) > 1 and kept[0].form in ("the", "ab", "pt"):
        kept.pop(0)
    return bare, kept


def _is_telling(form: str) -> bool:
    """Whether a word by itself can be a name: none that news writes without a capital."""
    return (
        len(form) > 2
        and form not in word_set("common_name")
        and form not in word_set("place")
        and _uncapitalised().get(form, 0) < _COMMON_FROM
    )


@cache
def _uncapitalised() -> dict[str, int]:
    return {row["word"]: int(row["lower_text_count"]) for row in rows("word_frequencies")}


@cache
def listed_aliases() -> tuple[Alias, ...]:
    """Aliases of securities and brokers that the seeds list."""
    found = [
        Alias(row["alias"], row["ticker"], row["is_ambiguous"] == "true")
        for row in rows("security_aliases")
    ]
    firms: dict[str, str] = {}
    for row in rows("firm_aliases"):
        # Whom the name of an acquired firm means depends on the day; staging says it.
        firms.setdefault(row["alias"], row["alias"] if row["valid_from"] else row["firm"])
    found += [Alias(alias, FIRM + firm, False) for alias, firm in firms.items()]
    return tuple(found)


def names_of(securities: Iterable[tuple[str, str | None]]) -> Names:
    """Return the names of the seeds and of securities given as tickers and legal names."""
    aliases = list(listed_aliases())
    for ticker, name in securities:
        for short in company_names(name or ""):
            form = short.lower()
            is_common = form in common_words() or (form.isalpha() and not _is_telling(form))
            aliases.append(Alias(short, ticker, is_common or len(short) < 3))
        aliases += [Alias(short, ticker, True) for short in short_names(name or "")]
        if symbol := re.fullmatch(r"([A-Z]{3,10})(?:\.[A-Z]{1,2})?", ticker):
            aliases.append(Alias(symbol[1], ticker, True))
    return Names(aliases)


@cache
def common_words() -> frozenset[str]:
    """Words so frequent in news that they are no name by themselves."""
    return frozenset(
        row["word"] for row in rows("word_frequencies") if int(row["text_count"]) >= 150
    )


def relevance(
    ticker: str, title: Sequence[Mention], summary: Sequence[Mention], *, is_query: bool
) -> str | None:
    """Return `primary`, `mention`, or None when nothing but the query links item and ticker.

    An ambiguous name alone is no link; with a second name, a symbol or the query it is.
    """
    own = [m for m in title if m.name == ticker], [m for m in summary if m.name == ticker]
    certain = any(not m.is_ambiguous for m in (*own[0], *own[1]))
    signals = len({(m.start, m.end, i) for i, part in enumerate(own) for m in part}) + is_query
    if not (own[0] or own[1]) or (not certain and signals < 2):
        return None
    score = QUERY_HIT if is_query else 0
    score += SYMBOL_HIT if any(m.is_symbol for part in own for m in part) else 0
    score += TITLE_HIT if any(not m.is_symbol for m in own[0]) else 0
    score += SUMMARY_HIT if any(not m.is_symbol for m in own[1]) else 0
    return "primary" if score >= PRIMARY_FROM else "mention"


def masked(text: str, mentions: Sequence[Mention], ticker: str) -> str:
    """Return the text with the ticker's names replaced by one word, other companies' by another."""
    parts, position = [], 0
    own = {(m.start, m.end) for m in mentions if m.name == ticker}
    for mention in mentions:
        if mention.start < position:
            continue
        mark = TARGET if (mention.start, mention.end) in own else OTHER
        parts += [text[position : mention.start], f" {mark} "]
        position = mention.end
    return "".join([*parts, text[position:]])
