"""Numbers of a claim beside its own, and the words that bound one."""

from __future__ import annotations

import re

from warehouse.claims.model import Read, Token
from warehouse.claims.reading.part import Part, clause_of
from warehouse.claims.vocabulary import ENDS, OPERATORS, KindHit, is_in, word_set
from warehouse.news.linking import FIRM


def operator_at(part: Part, place: int) -> str:
    """Return by which words before a number, or behind it, it is a bound or about right."""
    token = part.tokens[place]
    if token.word.start and part.text[token.word.start - 1] == "~":
        return "about"
    before = part.forms[max(0, place - 4) : place]
    if before[-1:] in (["the"], ["its"]):
        before = before[:-1]
    if before[-2:] in (["more", "than"], ["greater", "than"], ["better", "than"]):
        return "under" if before[-3:-2] == ["no"] else "over"
    if before[-2:] in (["less", "than"], ["fewer", "than"], ["lower", "than"]):
        return "over" if before[-3:-2] == ["no"] else "under"
    if before[-2:] in (["north", "of"], ["upwards", "of"]):
        return "over"
    if before[-2:] in (["south", "of"], ["short", "of"], ["shy", "of"], ["at", "most"]):
        return "under"
    if before[-2:] == ["close", "to"]:
        return "about"
    if before and before[-1] in OPERATORS:
        return OPERATORS[before[-1]]
    if len(before) > 1 and before[-1] in ("a", "an") and before[-2] in OPERATORS:
        return OPERATORS[before[-2]]
    after = part.text[token.end : token.end + 12]
    return "over" if after.startswith(("+", " or more")) else "equal"


def second_number(part: Part, hit: KindHit, kind: str, used: set[int]) -> Token | None:
    """A number that belongs to a claim beside its own: a level, or a distance."""
    if kind == "moving_average" and hit.start and part.tokens[hit.start - 1].shape == "#%":
        used.add(hit.start - 1)
        return part.tokens[hit.start - 1]
    if kind in ("high_52w", "record", "moving_average", "drawdown"):
        if kind == "record" and part.tokens[hit.end - 1].shape == "#$":
            used.add(hit.end - 1)
            return part.tokens[hit.end - 1]
        at = hit.start - 1
        while kind == "record" and at > 0 and part.forms[at] in ("is", "was", "the", "its"):
            at -= 1
        if kind == "record" and 0 <= at < hit.start - 1 and part.tokens[at].shape == "#$":
            used.add(at)
            return part.tokens[at]
        shapes, stop = ("#$",), min(hit.end + 6, len(part.tokens))
        for place in range(hit.end, stop):
            if part.tokens[place].shape in shapes:
                used.add(place)
                return part.tokens[place]
            if part.forms[place] not in word_set("level_word") and not (
                # "The record close, $261.88," or "average, which lies at about $306".
                part.forms[place] == "," and part.tokens[place + 1 : place + 2]
                and (part.tokens[place + 1].shape in shapes
                     or part.forms[place + 1] in ("at", "which", "now"))
            ) and part.forms[place - 1 : place + 1] != [",", "which"]:  # fmt: skip
                break
    if kind == "rating_count" and part.forms[hit.start + 1 : hit.start + 2] == ["of"]:
        whole = next((p for p in range(hit.start + 2, hit.start + 4)
                      if part.tokens[p].shape == "#"), hit.start)  # fmt: skip
        if part.forms[whole + 1 : whole + 2] in (["firms"], ["brokerages"]):
            used.add(whole)
            return part.tokens[whole]
    if kind == "volume" and hit.label[1]:
        near = part.tokens[hit.end : hit.end + 3]
        return next((t for t in near if (t.value or 0) >= 1e4), None)
    if kind == "upside":
        return None
    if kind == "price":
        return next((t for t in part.tokens[hit.start : hit.end] if t.shape == "#%"), None)
    if kind == "versus_market":
        return _move_of_the_index(part, hit, used)
    if kind == "high_52w" and hit.start:
        at = hit.start - 1
        while at > 0 and part.forms[at] in ("is", "was", "the", "its", "a"):
            at -= 1
        if part.tokens[at].shape == "#$":
            used.add(at)
            return part.tokens[at]
    return None


def is_level(part: Part, hit: KindHit, kind: str) -> bool:
    """Whether an extreme is only named with its number, not reached."""
    if second_number(part, hit, kind, set()) is None:
        return False
    return not any(is_in(word_set("reached"), form) for form in part.forms[: hit.start][-6:])


def _move_of_the_index(part: Part, hit: KindHit, used: set[int]) -> Token | None:
    """What an index did, where a clause behind it says so: ", which fell 0.3%"."""
    place = hit.end + (part.forms[hit.end : hit.end + 1] == ["500"])
    if part.forms[place : place + 2] != [",", "which"]:
        return None
    verb = place + 2
    while verb < len(part.forms) and part.forms[verb] in word_set("skipped"):
        verb += 1
    number = next((p for p in range(verb + 1, min(verb + 4, len(part.tokens)))
                   if part.tokens[p].shape == "#%"), None)  # fmt: skip
    ways = word_set("rose") | word_set("fell")
    if number is None or not is_in(ways, part.forms[verb]) or (
        set(part.forms[verb + 1 : number]) - word_set("skipped")
    ):  # fmt: skip
        return None
    used.update(range(place, number + 1))
    token = part.tokens[number]
    sign = 1.0 if is_in(word_set("rose"), part.forms[verb]) else -1.0
    return token._replace(value=sign * (token.value or 0.0))


def target_meant(part: Part, hit: KindHit) -> str | None:
    """Whether an upside is to the highest or the lowest target, by the words of its clause."""
    low, high = clause_of(part, Read(hit.start, hit.end, frozenset()), "upside")
    said = set(part.forms[low:high])
    if not word_set("target") & said:
        return None
    if "median" in said:
        return "median"
    ends = [end for end, names in ENDS.items() if names & said]
    return ends[0] if len(ends) == 1 else None


def target_beside(part: Part, hit: KindHit, used: set[int]) -> Token | None:
    """The target an upside is said to be of, where the words before it state one."""
    lead = next((
        p for p in range(hit.start - 1, max(-1, hit.start - 7), -1)
        if part.forms[p] in word_set("implying")
    ), None)  # fmt: skip
    amounts = [p for p in range(lead or 0) if part.tokens[p].shape == "#$"][-1:]
    of_targets = word_set("target") | {"mean", "median"}
    if lead is None or not amounts or not of_targets & set(part.forms[:lead]):
        return None
    if any(m.name.startswith(FIRM) for m in part.mentions):
        return None
    used.add(amounts[0])
    return part.tokens[amounts[0]]


def results_told(part: Part, hit: KindHit, used: set[int]) -> tuple[Token | None, Token | None]:
    """Earnings per share reported, and those expected, where the words give them."""
    acts = word_set("surprising") | word_set("versus_expected")
    inside = [p for p in range(hit.start, hit.end) if part.tokens[p].shape == "#$"]
    if hit.label[1] == "either" or (inside[:1] == [hit.start] and len(inside) == 2):
        if len(inside) < 2:
            return None, None
        used.update(inside[:2])
        return part.tokens[inside[0]], part.tokens[inside[-1]]
    if part.forms[hit.start] in ("beat", "miss") and part.forms[hit.start + 1] == "of":
        # "A miss of 2%" tells how far alone.
        return None, None
    verb = next((p for p in range(hit.start, hit.end) if part.forms[p] in acts), hit.start)
    told: list[Token | None] = []
    for places in (
        range(max(0, verb - 12), verb),
        range(verb + 1, min(hit.end + 4, len(part.tokens))),
    ):
        amounts = [p for p in places if part.tokens[p].shape == "#$"
                   and part.forms[p - 1] != "by"
                   and (p >= verb - 6 or part.forms[p + 1] in ("a", "per"))
                   # A price is none: "rose to $264.18 despite missing estimates".
                   and part.forms[p - 1] not in ("to", "at")]  # fmt: skip
        used.update(amounts if len(amounts) == 1 else ())
        told.append(part.tokens[amounts[0]] if len(amounts) == 1 else None)
    return told[0], told[1]


def period_of_results(part: Part) -> str:
    """Which results are told: of a year before the newest, or of the quarter before."""
    said = " ".join(part.forms)
    if re.search(r"quarter (a|one) year (ago|earlier)|year-ago quarter|a year earlier", said):
        return "year ago"
    return "before" if re.search(r"(previous|prior|preceding) quarter", said) else ""
