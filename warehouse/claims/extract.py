"""What an article claims, by the closed schema of `Claim`; what is no claim is an opinion.

`claim_patterns` holds a pattern per kind and wording, `claim_words` the classes of words it names;
a call by a broker is found as it is in the news (`broker_calls`). Every step is linear in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from warehouse.claims.model import Article, Claim, Opinion
from warehouse.claims.reading.claims import claims_of
from warehouse.claims.reading.dates import publication
from warehouse.claims.reading.part import Part
from warehouse.claims.reading.subject import subject_of
from warehouse.claims.reading.text import MOST_SENTENCES, plain, sentences_of
from warehouse.claims.vocabulary import CALL_KINDS, DATED, kinds, word_set
from warehouse.news.linking import Names

__all__ = [
    "CALL_KINDS",
    "MOST_CHARACTERS",
    "MOST_SENTENCES",
    "Article",
    "Claim",
    "Opinion",
    "kinds",
    "publication",
    "read",
]

MOST_CHARACTERS = 200_000


def read(text: str, names: Names, ticker: str | None = None) -> Article:
    """Return the claims and opinions of an article about `ticker`, or about whom it names first.

    Of a longer text the first 200,000 characters and 2,000 sentences are read (`is_cut`).
    """
    short = plain(text[:MOST_CHARACTERS])
    sentences = sentences_of(short)
    is_cut = len(text) > MOST_CHARACTERS or len(sentences) > MOST_SENTENCES
    parts = [Part(one, names) for one in sentences[:MOST_SENTENCES]]
    subject = ticker or subject_of(parts)
    claims: list[Claim] = []
    opinions: list[Opinion] = []
    for part in parts:
        found = claims_of(part, subject)
        said = text[part.sentence.start : part.sentence.end]
        claims += [replace(c, text=text[c.start : c.end]) for c in found]
        opinions += _opinions(part, said, bool(found))
    kept = tuple(sentences[:MOST_SENTENCES])
    claims = [_in_pounds(claim) for claim in _of_the_same_time(claims)]
    return Article(subject, publication(short), kept, tuple(claims), tuple(opinions), is_cut)


def _in_pounds(claim: Claim) -> Claim:
    """A claim in pence told in pounds, the currency all prices are judged in."""
    if claim.unit == "GBp":
        told = {
            name: number / 100
            for name in ("value", "high", "prior", "step")
            if (number := getattr(claim, name)) is not None
        }
        claim = replace(claim, unit="GBP", **told)
        if claim.kind in ("earnings_surprise", "eps") and claim.second is not None:
            claim = replace(claim, second=claim.second / 100, second_step=claim.second_step / 100)
    if claim.second_unit == "GBp" and claim.second is not None:
        claim = replace(
            claim, second=claim.second / 100, second_step=claim.second_step / 100,
            second_unit="GBP", prior=claim.prior and (
                claim.prior / 100 if claim.kind == "earnings_surprise" else claim.prior),
        )  # fmt: skip
    return claim


def _of_the_same_time(claims: Sequence[Claim]) -> list[Claim]:
    """Claims of "the same period" with the time of the last claim before that names one."""
    told: list[Claim] = []
    former: Claim | None = None
    for claim in claims:
        if claim.window == "same":
            claim = (
                replace(claim, unread="window_not_stated")
                if former is None
                else replace(
                    claim, window=former.window, stated_on=former.stated_on, period=former.period
                )
            )
        elif claim.kind in DATED and not claim.unread:
            former = claim
        told.append(claim)
    return told


def _opinions(part: Part, said: str, has_claims: bool) -> list[Opinion]:
    number = part.sentence.number
    forms = part.forms
    if not part.asked_from and not has_claims:
        return [Opinion(said, "question", number)]
    causes = [
        p
        for p, f in enumerate(forms)
        if f in word_set("cause") and p > 0 and (f != "due" or forms[p + 1 : p + 2] == ["to"])
    ]
    if has_claims:
        if not causes:
            return []
        start = part.tokens[causes[0]].word.start
        return [Opinion(said[start:], "causal", number)]
    if causes:
        return [Opinion(said, "causal", number)]
    if word_set("negating") & set(forms):
        return [Opinion(said, "negated", number)]
    if any(f in word_set("unsure") - {"to", "not", "can", "set"} for f in forms):
        return [Opinion(said, "forecast", number)]
    ends = said.rstrip()[-1:]
    is_heading = len(forms) <= 12 and ends not in (".", "!", "?")
    return [Opinion(said, "heading" if is_heading else "opinion", number)]
