"""Calls of firms: their words, their numbers, and the day they were made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from warehouse.claims.model import Claim, Read, Span, Token
from warehouse.claims.reading.part import Part
from warehouse.claims.reading.spans import is_dated, span_of
from warehouse.claims.vocabulary import DAYS, ENDS, KindHit, word_set
from warehouse.news import broker_calls
from warehouse.news.linking import FIRM, Mention


def calls_told(part: Part, subject: str | None) -> list[Claim]:
    """Calls of firms, as the news scorer reads them."""
    if subject is None or not any(m.name.startswith(FIRM) for m in part.mentions):
        return []
    said = broker_calls.Text(part.text, part.cut[:80], _without_judged_firms(part))
    found: list[Claim] = []
    named = {m.name for m in part.mentions if not m.name.startswith(FIRM)}
    others = sorted(named - {subject})
    empty = broker_calls.Text("", (), ())
    tickers = [subject, *(others if subject not in named else [])]
    raters = [
        m for m in said.mentions if m.name.startswith(FIRM) and not any(
            o.name == subject and o.start < m.end and m.start < o.end for o in part.mentions
        )
    ]  # fmt: skip
    by_firm = _amounts_by_firm(part, raters)
    for call in broker_calls.extract(said, empty, tickers, [subject], is_claim=True):
        if call.is_soft or (call.grade is None and call.target is None and not call.action):
            continue
        if call.action == "drop":
            continue
        if call.grade is None and call.target is None and call.action not in ("up", "down"):
            continue
        own = by_firm.get(call.firm)
        if own is not None and call.target not in [token.value for token in own]:
            # A list gives each firm its own number: "A to $265, B to $240".
            only = own[0] if len(own) == 1 else None
            call = call._replace(
                target=only.value if only else None,
                prior_target=None,
                target_currency=None,
            )
            if only is None and call.grade is None and call.action not in ("up", "down"):
                continue
        told = own or [t for t in part.tokens if t.shape == "#$" and len(raters) == 1]
        if call.target is None and len(told) == 1 and told[0].unit == "GBp":
            call = call._replace(target=told[0].value)
        amount = next(
            (t for t in own or part.tokens if t.shape == "#$" and t.value == call.target), None
        )
        unit = call.target_currency or (amount.unit if amount else "USD")
        if call.grade is None and word_set("keeping") & set(part.forms) and (
            len({m.name for m in part.mentions if m.name.startswith(FIRM)}) == 1
        ):  # fmt: skip
            printed = _grades_between(part, 0, len(part.text))
            call = call._replace(grade=printed[0] if len(printed) == 1 else None)
        grade, before = call.grade, call.prior_grade
        if len({m.name for m in raters}) == 1:
            grade, before = _grades_told(part, grade, before)
        is_to_an_amount = any(
            t.shape == "#$" and part.forms[p - 1] == "to" for p, t in enumerate(part.tokens) if p
        )
        if call.action in ("up", "down") and before is None and is_to_an_amount and not any(
            f.startswith(("upgrad", "downgrad")) for f in part.forms
        ):  # fmt: skip
            call = call._replace(action="main")
        is_change = before is not None and (grade is not None or call.action is None)
        kind = (
            "rating_change" if call.action in ("up", "down") or is_change
            else "target_change" if call.prior_target is not None
            else "rating_call"
        )  # fmt: skip
        step = amount.step if amount else 1.0
        start, end = _said_by(part, call.firm, amount)
        by = _changed_by(part, firms=len({m.name for m in raters}))
        found.append(
            Claim(
                kind, call.ticker, call.action or "", "equal", call.target, None, step, unit,
                None, None, "", part.sentence.number, start, end,
                firm=call.firm, grade=grade, prior=call.prior_target,
                prior_grade=before, change=_change_of_target(part, call),
                second=by.value if by else None, second_unit=by.unit if by else "",
                second_step=by.step if by else 1.0,
            )
        )  # fmt: skip
    found += _of_a_list(part, found, raters, by_firm, subject)
    return found


def _grades_told(
    part: Part, grade: str | None, before: str | None
) -> tuple[str | None, str | None]:
    """The grade and the one before it of a sentence's only firm: "to Neutral from Buy"."""
    told: dict[str, str] = {}
    for place, token in enumerate(part.tokens):
        length = broker_calls.grade_at(part.forms, place)
        if not length or not (part.forms[place] in word_set("label") or token.word.is_capital):
            continue
        first = place - (part.forms[place - 1 : place] in (["a"], ["an"], ["its"]))
        printed = part.text[token.word.start : part.tokens[place + length - 1].end]
        if part.forms[first - 1 : first] in (["from"], ["to"]):
            told.setdefault(part.forms[first - 1], printed)
        elif part.forms[first - 2 : first] in (["gave", "up"], ["given", "up"]) or (
            part.forms[first - 1 : first] in (["abandoned"], ["dropped"], ["shed"])
        ):
            return (None if printed == grade else grade), printed
        elif grade is None and not told and any(
            m.name.startswith(FIRM) and m.end == part.tokens[place - 1].end
            for m in part.mentions
        ):  # fmt: skip
            grade = printed
    if "from" in told:
        return told.get("to", grade if grade != told["from"] else None), told["from"]
    return grade, before


def _changed_by(part: Part, firms: int) -> Token | None:
    """By how much a sentence of one firm says its target changed: "by $28", "by 6%"."""
    told = [
        token
        for place, token in enumerate(part.tokens)
        if token.shape in ("#$", "#%") and part.forms[place - 1 : place] == ["by"]
    ]
    return told[0] if firms == 1 and len(told) == 1 else None


def _change_of_target(part: Part, call: broker_calls.Call) -> str:
    """The way a target went by the words: up, down or same; "" where they do not say."""
    if call.target is None or call.action in ("up", "down"):
        return ""
    return broker_calls.target_change(part.cut[:80])


def _amounts_by_firm(part: Part, firms: Sequence[Mention]) -> dict[str, list[Token]]:
    """The amounts of money that a sentence about several firms tells of each.

    They stand behind a firm or, if the first stands before all firms, before it; firms joined
    to a group share the amount behind it, or have one each, in order.
    """
    if len({m.name for m in firms}) < 2:
        return {}
    amounts = [t for t in part.tokens if t.shape == "#$"]
    is_before = bool(amounts) and amounts[0].end <= firms[0].start
    found: dict[str, list[Token]] = {m.name[len(FIRM) :]: [] for m in firms}
    groups: list[list[Mention]] = []
    for mention in firms:
        if groups and not is_before and _is_joined(part, groups[-1][-1].end, mention.start):
            groups[-1].append(mention)
        else:
            groups.append([mention])
    for number, group in enumerate(groups):
        if is_before:
            low = groups[number - 1][-1].end if number else 0
            high = group[0].start
        else:
            low = group[-1].end
            high = groups[number + 1][0].start if number + 1 < len(groups) else len(part.text)
        own = [t for t in amounts if low <= t.word.start < high]
        for place, mention in enumerate(group):
            name = mention.name[len(FIRM) :]
            if len(group) > 1 and len(own) == len(group):
                found[name].append(own[place])
            elif len(group) == 1 or len(own) == 1:
                found[name] += own
    return found


def _is_joined(part: Part, start: int, end: int) -> bool:
    """Whether the words between two firms only join them."""
    return part.text[start:end].replace(",", " ").replace("&", " ").split() in ([], ["and"])


def _of_a_list(
    part: Part,
    found: Sequence[Claim],
    firms: Sequence[Mention],
    by_firm: dict[str, list[Token]],
    subject: str,
) -> list[Claim]:
    """Targets that a list gives its further firms: "UBS has a $50 target, Citi $55"."""
    if not (found or word_set("target") & set(part.forms) or _is_bare_list(part, firms)):
        return []
    more: list[Claim] = []
    known = {c.firm for c in found}
    base = part.sentence.start
    for mention in firms:
        firm = mention.name[len(FIRM) :]
        own = by_firm.get(firm, [])
        if firm in known or len(own) != 1:
            continue
        known.add(firm)
        amount = own[0]
        start = min(mention.start, amount.word.start)
        end = max(mention.end, amount.end)
        grades = _grades_between(part, start, end)
        more.append(
            Claim(
                "rating_call", subject, "main", "equal", amount.value, None, amount.step,
                amount.unit, None, None, "", part.sentence.number, base + start, base + end,
                firm=firm, grade=grades[0] if len(grades) == 1 else None,
                change=found[0].change if found else "",
            )
        )  # fmt: skip
    return more


def _grades_between(part: Part, start: int, end: int) -> list[str]:
    """Grades as printed between two places of the text."""
    found: list[str] = []
    for place, token in enumerate(part.tokens):
        length = broker_calls.grade_at(part.forms, place)
        if length and start <= token.word.start < end and (
            part.forms[place] in word_set("label") or token.word.is_capital
        ):  # fmt: skip
            found.append(part.text[token.word.start : part.tokens[place + length - 1].end])
    return found


def _is_bare_list(part: Part, firms: Sequence[Mention]) -> bool:
    """Whether a sentence is no more than firms and their targets."""
    return all(
        token.shape == "#$"
        or token.word.form in (",", "and", ":", ";", "(", ")", "at")
        or any(m.start <= token.word.start < m.end for m in firms)
        for token in part.tokens
    )


def _said_by(part: Part, firm: str, amount: Token | None) -> tuple[int, int]:
    """The span of a call: the sentence, of several firms' from the firm to its number."""
    base, end = part.sentence.start, part.sentence.end
    firms = [m for m in part.mentions if m.name.startswith(FIRM)]
    own = next((m for m in firms if m.name == FIRM + firm), None)
    if own is None or amount is None or len({m.name for m in firms}) < 2:
        return base, end
    return base + min(own.start, amount.word.start), base + max(own.end, amount.end)


def _without_judged_firms(part: Part) -> list[Mention]:
    """Mentions but those of a broker that another speaks about: "a target on Citizens"."""
    firms = [m for m in part.mentions if m.name.startswith(FIRM)]
    judged = [
        m
        for m in firms[1:]
        if (before := [w.form for w in part.cut if w.end <= m.start])
        and before[-1] in word_set("judging")
    ]
    return [m for m in part.mentions if m not in judged]


def read_of_call(part: Part, call: Claim, calls: Sequence[Claim]) -> Read:
    """The words a call is told in, from its firm to that of the next, and its numbers."""
    base = part.sentence.start
    inside = [
        place
        for place, token in enumerate(part.tokens)
        if call.start - base <= token.word.start < call.end - base
    ]
    low, high = (inside[0], inside[-1] + 1) if inside else (0, len(part.tokens))
    if low == 0 and high == len(part.tokens):
        firm = [m for m in part.mentions if m.name == f"{FIRM}{call.firm}"]
        core = [
            place for place in range(low, high)
            if any(m.start <= part.tokens[place].word.start < m.end for m in firm)
            or ((value := part.tokens[place].value) is not None
            and value in (call.value, call.prior))
            or (call.grade and call.grade.lower().startswith(part.forms[place]))
        ]  # fmt: skip
        low, high = (core[0], core[-1] + 1) if core else (low, high)
    used = frozenset(
        place
        for place in range(len(part.tokens))
        if part.tokens[place].value is not None
        and part.tokens[place].shape in ("#$", "#")
        and part.tokens[place].value in (call.value, call.prior)
    ) | frozenset(
        place
        for place, token in enumerate(part.tokens)
        if call.second is not None and token.value == call.second and token.unit == call.second_unit
    )
    return Read(low, high, used)


def own_words(part: Part, call: Claim, low: int, high: int) -> tuple[int, int]:
    """The words of a clause that are of one firm's call, where others speak before or after."""
    firms = [m for m in part.mentions if m.name.startswith(FIRM)]
    amounts = [t.word.start for t in part.tokens if t.shape == "#$"]
    own = next((n for n, m in enumerate(firms) if m.name == f"{FIRM}{call.firm}"), None)
    if own is None or len({m.name for m in firms}) < 2 or (amounts and amounts[0] < firms[0].start):
        return low, high
    mention = firms[own]
    if own and not _is_joined(part, firms[own - 1].end, mention.start):
        start = mention.start
        low = max(low, next(p for p, t in enumerate(part.tokens) if t.end > start))
    end = next((
        after.start for before, after in pairwise(firms[own:])
        if not _is_joined(part, before.end, after.start)
    ), len(part.text))  # fmt: skip
    return low, min(high, sum(t.word.start < end for t in part.tokens))


def dates_of_call(part: Part) -> list[KindHit]:
    """Words that say when a call was made."""
    firm = min((m.start for m in part.mentions if m.name.startswith(FIRM)), default=0)
    dated: list[KindHit] = []
    for window in part.windows:
        start = part.tokens[window.start].word.start
        # A date in brackets, behind a dash or before a colon is that of the headline.
        is_aside = part.text[:start].rstrip().endswith(("(", "-")) or (
            start < firm and ":" in part.text[start:firm]
        )
        said = part.forms[window.start : window.end]
        is_period = window.label[1] == "named" or said == ["today"] or (
            window.label[1] in ("week", "month") and bool(span_of(part, window).period)
        )  # fmt: skip
        # "Is where the shares closed on Wednesday" dates the close.
        is_of_price = bool(
            word_set("closing") & set(part.forms[max(0, window.start - 2) : window.start])
        )
        # "Thursday, July 31" is one date.
        is_known = bool(dated) and window.start < span_of(part, dated[-1]).end
        if (window.label[1] in DAYS or is_period) and not (is_aside or is_of_price or is_known):
            dated.append(window)
    return dated


def day_of_call(part: Part, firms: int) -> tuple[Span, str | None]:
    """When a sentence's only call was made, and why it is not to be judged."""
    if not part.dates_of_call:
        return Span(None), None
    span = span_of(part, part.dates_of_call[0])
    if part.forms[part.dates_of_call[0].start - 2 :][:2] == ["earlier", "this"]:
        span = span._replace(is_read=True)
    if part.forms[part.dates_of_call[0].start] == "today":
        span = span._replace(name="today")
    is_by_month = span.period or span.name == "today" or (span.name or "").startswith("in ")
    if firms > 1 or len(part.dates_of_call) > 1 or not (
        (is_dated(span) or (is_by_month and span.is_read))
        and not (span.name or "").startswith("ago ")
    ):  # fmt: skip
        return Span(None), "window_not_supported"
    return span, None


def rank_of_target(part: Part) -> str:
    """Whether the only firm's target is said to be the highest or lowest of the active ones."""
    firms = {m.name for m in part.mentions if m.name.startswith(FIRM)}
    ends = [end for end in ENDS if {"highest", "lowest"} & ENDS[end] & set(part.forms)]
    if len(firms) != 1 or len(ends) != 1 or (
        {"apart", "except", "other", "than", "second", "behind", "but"} & set(part.forms)
    ):  # fmt: skip
        return ""
    at = next(p for p, f in enumerate(part.forms) if f in ("highest", "lowest"))
    behind = part.forms[at + 1 : at + 4]
    if not (
        word_set("target") & set(behind) or behind[:1] == ["among"]
    ) or not {"active", "brokers", "firms"} & set(part.forms):  # fmt: skip
        return ""
    return ends[0]
