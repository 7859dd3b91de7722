"""What a kind of claim reads besides its number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

from warehouse.claims.model import Token
from warehouse.claims.reading.part import Part
from warehouse.claims.reading.spans import date_after, end_of_dates, hour_after, since_day
from warehouse.claims.reading.subject import is_behind_a_share
from warehouse.claims.vocabulary import (
    FRACTIONS,
    MONTHS,
    NUMERALS,
    ORDINALS,
    KindHit,
    is_in,
    word_set,
)

_CODES = {
    "dollars": "USD", "usd": "USD", "euros": "EUR", "eur": "EUR", "pounds": "GBP", "gbp": "GBP",
    "yuan": "CNY", "cny": "CNY", "renminbi": "CNY", "hkd": "HKD", "yen": "JPY", "jpy": "JPY",
}  # fmt: skip

_Details = tuple[str, float | None, str, date | None, str | None]


def details_of(
    part: Part, hit: KindHit, kind: str, argument: str, value: float | None
) -> _Details | tuple[()] | None:
    """What a kind reads besides its number; None where the words are after all no such claim."""
    forms = part.forms[hit.start : hit.end]
    inside = part.tokens[hit.start : hit.end]
    before = set(part.forms[: hit.start])
    if kind in ("record", "high_52w"):
        if kind == "high_52w" and any(
            t.value not in (None, 1, 52) for t in inside if t.shape != "#$"
        ):
            return None
        # "A record $150M" is no price.
        if any(t.shape == "#$" and (t.value or 0) > 1e6 for t in inside):
            return None
        # "The intraday peak" is one of the session unless a day is named.
        if forms == ["intraday", "peak"] and not any(
            w.label[1] == "date" and w.start >= hit.end for w in part.windows
        ):
            return None
        return ()
    if kind == "level_since":
        # "The best month since 2013" is no level.
        if word_set("span") & set(forms):
            return None
        at = hit.start + forms.index("since")
        since, precision = date_after(part, at)
        if since is None:
            month = next((f for f in part.forms[at + 1 : at + 4] if f not in (
                "early", "late", "mid", "the", "of")), "")  # fmt: skip
            if month in MONTHS:
                since, precision = date(1, MONTHS[month], 1), "month"
        return (argument, None, precision, since, None) if since else None
    if kind == "consensus_label":
        labels = [
            f for f in part.forms[max(0, hit.start - 1) : hit.end + 1] if f in word_set("label")
        ]
        named = " ".join(dict.fromkeys(labels))
        known = {"buy", "hold", "sell", "strong buy", "strong sell", "moderate buy",
                 "moderate sell", "neutral", "outperform", "underperform", "overweight",
                 "underweight"}  # fmt: skip
        return (named, None, "label", None, named) if named in known else None
    if kind == "rating_count" and len(forms) == 2 and not word_set("of_ratings") & before:
        return None
    if kind == "target_extreme" and len(forms) == 2 and (
        not word_set("target") & before
        or {"52-week", "week", "year", "session", "intraday"} & set(part.forms)
    ):  # fmt: skip
        return None
    if kind == "rating_count":
        return _rating_count(part, hit, argument)
    if kind == "analyst_count":
        # "48 analysts rate it a Buy" is no count of all.
        is_of_some = part.forms[hit.end - 1] in ("rate", "rating") and (
            word_set("label") & set(part.forms[hit.end : hit.end + 6])
        )
        return None if value is None or value > 200 or is_of_some else ()
    if kind == "short_interest":
        return _numbered(inside, "pct" if argument == "short_share_of_float" else "num", argument)
    if kind == "streak" and argument.startswith("ended"):
        length = next((t.value for t in inside if t.shape == "#"), None) or next(
            (NUMERALS.get(f.partition("-")[0]) for f in forms if "-" in f), None
        )
        return (argument, float(length), "count", None, None) if length else None
    if kind == "streak":
        ordinal = next((f for f in forms if f in ORDINALS), None)
        if ordinal:
            return argument, float(ORDINALS.index(ordinal)), "ordinal", None, None
        days = next((t.value for t in inside if t.shape == "#"), None)
        return (argument, days, "count", None, None) if days else None
    if kind == "direction":
        # "Friday's rally in oil" is none of the share.
        is_elsewhere = part.forms[hit.end : hit.end + 1] in (["in"], ["of"]) or bool(
            word_set("not_price") & set(part.forms[hit.start : hit.end + 2])
        )
        return None if is_elsewhere else (argument, None, "", None, None)
    if kind == "biggest_move":
        since, precision = date_after(part, hit.end - 1)
        if since is None and part.forms[hit.end : hit.end + 1] and part.forms[hit.end] in MONTHS:
            since, precision = date(1, MONTHS[part.forms[hit.end]], 1), "month"
        return (argument, None, precision, since, None) if since else None
    if kind == "eps":
        amount = next((p for p in range(hit.end - 1, hit.start, -1)
                       if part.tokens[p].shape == "#$"), hit.start)  # fmt: skip
        is_ahead = word_set("outlook") & set(part.forms)
        is_range = part.forms[amount + 1 : amount + 2] in (["to"], ["-"])
        return None if part.forms[amount - 1] == "by" or is_ahead or is_range else ()
    if kind == "target_average" and forms[1] == "of" and (
        not word_set("target") & before
        or part.forms[hit.start - 1] in ("day", "days", "session", "moving")
    ):  # fmt: skip
        return None
    if kind == "target_count":
        is_act = {"increases", "raises", "hikes", "cuts", "reductions"} & set(
            part.forms[hit.end : hit.end + 1]
        )
        number = next((t.value for t in inside if t.shape == "#"), None)
        return None if is_act or number is None else (argument, number, "count", None, None)
    if kind == "eps_estimate":
        is_figure = {"revenue", "revenues", "sales", "target", "targets"} & set(part.forms)
        return None if is_figure or (value or 0) > 1_000 else ()
    if kind == "price_change":
        return None if (value or 0) > 1e5 else ()
    if kind == "revision_count":
        acts = next((t.value for t in inside if t.value is not None), 0.0)
        return argument, acts, "count", None, None
    if kind == "shares_traded":
        is_other = any(f.startswith(("premarket", "pre-market", "after-hours")) for f in part.forms)
        return () if (value or 0) >= 1e4 and not is_other else None
    if kind == "mean_score":
        lead = set(part.forms[max(0, hit.start - 3) : hit.start])
        is_named = not lead.isdisjoint(("mean", "average", "consensus"))
        return () if is_named and value is not None and 1 <= value <= 5 else None
    if kind in ("session_level", "price_range") and (
        word_set("not_price") & set(part.forms)
        or ("week" in forms and argument != "52w")
        or {"week", "52-week", "record"} & set(part.forms[max(0, hit.start - 1) : hit.start])
    ):
        return None
    if kind == "volume":
        return _volume(part, hit, argument)
    if kind == "moving_average" and not argument.startswith("level") and (
        {"volume", "turnover"} & set(part.forms[max(0, hit.start - 8) : hit.start])
    ):  # fmt: skip
        return None
    if kind == "moving_average" and any(t.shape == "#$" for t in inside):
        return None
    if kind == "moving_average" and argument.startswith("first"):
        since = since_day(part, hit.end - 1)
        return (f"{argument} {int(value or 0)}", value, "sessions", since, None) if since else None
    if kind == "moving_average":
        return (f"{argument} {int(value or 0)}", value, "sessions", None, None) if value else None
    if kind == "price":
        if word_set("insider") & set(part.forms):
            return None
        near = set(part.forms[max(0, hit.start - 4) : hit.end])
        # "Shares rose to $163" is a price, "worth up to $2 bln" is none.
        if is_in(word_set("rose") | word_set("fell"), forms[0]) and (
            (forms[0] in ("up", "down") and len(forms) < 4)
            or not is_behind_a_share(part, hit.start)
        ):
            return None
        if word_set("issue") & set(part.forms) or (value or 0) > 1e6:
            return None
        return None if near & (word_set("not_price") | {"offering", "priced"}) else ()
    # Else it is what one person sees coming.
    if kind == "upside" and not word_set("of_analysts") & set(part.forms):
        return None
    if kind == "drawdown" and word_set("not_price") & before:
        return None
    if kind == "versus_market":
        return argument, None, "", None, forms[-1]
    if kind == "market_cap":
        return None if {"deal", "acquisition", "stake", "buy", "acquire"} & set(part.forms) else ()
    if kind == "earnings_surprise":
        return _earnings_surprise(part, hit, argument)
    if kind == "earnings_date":
        return _earnings_date(part, hit, argument)
    if kind == "listing":
        named = forms[-1]
        return named, None, "", None, named
    if kind == "currency":
        code = _CODES.get(forms[-1])
        return (argument, None, "", None, code) if code else None
    if kind == "multiple" and argument != "price_to_sales" and (
        {"sales", "revenue", "revenues", "ebitda", "ebit"} & set(forms)
    ):  # fmt: skip
        return None
    if kind == "risk_flag_count":
        flags = next((t.value for t in inside if t.value is not None), None)
        return None if flags is None else (argument, flags, "count", None, None)
    if kind == "momentum_rank":
        place = next((ORDINALS.index(f) for f in forms if f in ORDINALS), None)
        whole = next((t for t in inside if t.shape == "#"), None)
        if place is None or {"sector", "industry"} & set(part.forms):
            return None
        return str(int(whole.value or 0)) if whole else "", float(place), "ordinal", None, None
    if kind == "dividend" and (value or 0) >= 1e5:
        return None
    if kind == "dividend" and {"special", "to", "raised", "yield"} & set(forms):
        return None
    return ()


def _rating_count(part: Part, hit: KindHit, argument: str) -> _Details | None:
    """How many analysts, or what share of them, rate a share so."""
    forms = part.forms[hit.start : hit.end]
    inside = part.tokens[hit.start : hit.end]
    if part.forms[max(0, hit.start - 2) : hit.start] == ["all", "but"]:
        return None
    numbers = sum(t.shape == "#" for t in inside)
    if numbers > (2 if "of" in forms[:3] else 1):
        return None
    # "48 rate it a buy and six a hold" has two numbers.
    if "and" in forms[1:] and forms[1] != "of":
        return None
    # The second number of "48 of 54 analysts".
    if part.forms[hit.start - 1 : hit.start] == ["of"] and inside[0].shape == "#":
        return None
    if argument == "buy" and "strong" in part.forms[hit.start : hit.end]:
        argument = "strong_buy"
    if forms[0] == "half":
        return argument, 0.5, "fraction", None, None
    share = next((t for t in inside if t.shape == "#%"), None)
    if share is not None:
        return argument, share.value, "fraction", None, None
    count = next((t.value for t in inside if t.value is not None), 0.0)
    return argument, count, "count", None, None


def _volume(part: Part, hit: KindHit, argument: str) -> _Details | None:
    """The volume over its average, as a multiple; of which sessions the average is."""
    forms = part.forms[hit.start : hit.end]
    inside = part.tokens[hit.start : hit.end]
    if not {"volume", "turnover", "shares"} & set(part.forms[: hit.end]):
        return None
    said = next((t for t in inside if t.shape == "#x"), None)
    by_word = {"double": 2.0, "doubled": 2.0, "twice": 2.0, "triple": 3.0, "tripled": 3.0,
               "half": 0.5}  # fmt: skip
    told = said.value if said else next((by_word[f] for f in forms if f in by_word), None)
    if argument:
        share = part.tokens[hit.start - 1] if hit.start else None
        told = 0.0
        if share is not None and share.shape == "#%":
            told = 1.0 + (share.value or 0.0) * (1 if argument == "above" else -1)
        elif set(part.forms[hit.start - 1 : hit.start]) & set(FRACTIONS):
            away = FRACTIONS[part.forms[hit.start - 1]]
            told = 1.0 + away * (1 if argument == "above" else -1)
    if forms[0] == "half":
        ahead = part.forms[max(0, hit.start - 3) : hit.start]
        if ahead[-2:] == ["and", "a"] and ahead[0] in NUMERALS:
            told = NUMERALS[ahead[0]] + 0.5
        elif "times" in forms or ahead[-1:] == ["a"]:
            return None
    days = next((
        int(t.value or 0) for t, unit in pairwise(part.tokens[hit.start : hit.end + 6])
        if t.shape == "#" and unit.word.form in ("day", "days", "session", "sessions")
    ), None)  # fmt: skip
    if "median" in part.forms:
        # That of 60 sessions is the mart's.
        if days not in (None, 60):
            return None
        days = None
    if argument and days is None:
        return None
    if argument and not told:
        return f"{days} {argument}", None, "x", None, None
    return (str(days or ""), told, "x", None, None) if told else None


def _earnings_surprise(part: Part, hit: KindHit, argument: str) -> _Details | None:
    """Which way results were off what was expected, and by what share."""
    forms = part.forms[hit.start : hit.end]
    inside = part.tokens[hit.start : hit.end]
    before = set(part.forms[: hit.start])
    if {"industry", "sector", "companies"} & before:
        return None
    if argument == "either" and (
        word_set("outlook") & set(part.forms) or "prior" in forms or "to" in forms
        or {"ago", "prior", "earlier", "year-ago"} & set(part.forms[hit.end : hit.end + 4])
    ):  # fmt: skip
        return None
    said = next((t for t in part.tokens[hit.end : hit.end + 4] if t.shape == "#%"), None)
    if said is not None and part.forms[part.tokens.index(said) - 1] in ("from", "above", "up"):
        return None
    said = said or next((t for t in inside if t.shape == "#%"), None)
    if forms[-1] in MONTHS and not word_set("estimate") & before:
        return None
    near = set(part.forms[max(0, hit.start - 5) : hit.end + 8])
    if {"revenue", "revenues", "sales"} & near and not {"eps", "earnings", "profit"} & near:
        return None
    return argument, said.value if said else None, "fraction" if said else "", None, None


def _earnings_date(part: Part, hit: KindHit, argument: str) -> _Details | None:
    """The day or month of results, their hour, and the last day of a range."""
    forms = part.forms[hit.start : hit.end]
    if "call" in part.forms or "webcast" in part.forms:
        return None
    day, _ = date_after(part, hit.end - 2)
    hour = hour_after(part, hit.end)
    until = end_of_dates(part, hit.end)
    if day is not None and until is not None:
        return hour, None, "", day, until.isoformat()
    if day is None and forms[-1] in MONTHS and part.tokens[hit.end - 1].word.is_capital:
        part_of = next((f for f in forms[-3:-1] if f in ("early", "mid", "late")), None)
        return hour, None, "month", date(1, MONTHS[forms[-1]], 1), part_of
    return (hour, None, "", day, None) if day else None


def _numbered(inside: Iterable[Token], need: str, argument: str) -> _Details | None:
    shapes = ("#%",) if need == "pct" else ("#", "#x")
    said = next((t for t in inside if t.shape in shapes and t.value is not None), None)
    return (argument, said.value, said.unit, None, None) if said else None
