"""The HTTP session we give yfinance: requests governed, answers looked at before they are read.

yfinance documents that it takes a session of ours. Here we see what it hides: the status, the whole
answer, and whose answer it is. What the client does by itself is left to it: cookies, crumbs, and
one new session when a crumb is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from curl_cffi import requests
from curl_cffi.requests.exceptions import ConnectionError, RequestException, SSLError, Timeout

from warehouse.errors import EmptyAnswer, Failed, Malformed, NotFound, SourceError, Throttled
from warehouse.sources.governor import Governor, Refused, Troubled, TryAgain

_DATA = re.compile(
    r"/v8/finance/(?P<chart>chart)/(?P<of_chart>[^/?]+)"
    r"|/v10/finance/(?P<summary>quoteSummary)/(?P<of_summary>[^/?]+)"
    r"|/v7/finance/(?P<quote>quote)$"
    r"|/finance/(?P<timeseries>timeseries)/(?P<of_timeseries>[^/?]+)"
    r"|/xhr/(?P<news>ncp)$"
)
_EXCERPT = 120


class Unreachable(Failed):
    """No connection came about: there is no network, or something stands between."""


@dataclass(frozen=True)
class Answer:
    """One part of an answer: a module of quoteSummary by its name, else the endpoint's."""

    name: str
    content: Any


class Session(requests.Session[requests.Response]):
    """A session whose requests pass `governor`; `answers` keeps what was answered since `take`."""

    def __init__(self, governor: Governor) -> None:
        """Open a session that looks like a browser's, as yfinance's own does."""
        super().__init__(impersonate="chrome")
        self.governor = governor
        self.answers: list[Answer] = []
        self._was_refused = False

    def take(self) -> list[Answer]:
        """Return the answers since the last time, and forget them."""
        taken, self.answers = self.answers, []
        return taken

    def request(self, method: Any, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """Make a request as `Governor.send` does.

        Raises a `SourceError` where the answer is not the data asked for.
        """
        options["timeout"] = self.governor.manners.timeout_seconds
        parts = urlsplit(url)
        asked = _DATA.search(parts.path) if (parts.hostname or "").endswith("yahoo.com") else None
        ask = partial(self._ask, method, url, options, asked)
        return self.governor.send(ask, is_aside=asked is None)

    def _ask(
        self, method: Any, url: str, options: dict[str, Any], asked: re.Match[str] | None
    ) -> requests.Response:
        try:
            response = super().request(method, url, **options)
        except RequestException as error:
            if asked is None:
                raise  # the client does without a cookie
            raise TryAgain(_broken(error)) from error
        if asked is None or "consent" in (urlsplit(response.url).hostname or ""):
            return response
        return self._looked_at(response, asked, options)

    def _looked_at(
        self, response: requests.Response, asked: re.Match[str], options: dict[str, Any]
    ) -> requests.Response:
        status = response.status_code
        if status == 429:
            raise TryAgain(
                Throttled("Yahoo asks for fewer requests (429)."), _seconds(response.headers)
            )
        if status == 401:
            if self._was_refused:
                self._was_refused = False
                raise Refused("Yahoo refuses the session (401) even after it was renewed.")
            self._was_refused = True
            return response  # the client renews its session, and asks once more
        if status == 403:
            raise Refused("Yahoo refuses this address (403).")
        if status >= 500:
            raise TryAgain(Troubled(f"Yahoo answered with an error of its own ({status})."))
        content = _content(response)
        self._was_refused = False
        symbol = _symbol(asked, options)
        if status >= 400:
            raise _told_error(content, symbol, status)
        for name, symbols in _echoes(content):
            if symbol.upper() not in symbols:
                told = " and ".join(sorted(symbols)) or "nobody"
                raise TryAgain(Malformed(f"Asked for {symbol}, Yahoo's {name} is of {told}."))
        self.answers.extend(_parts(content))
        return response


def _content(response: requests.Response) -> dict[str, Any]:
    """Return what an answer holds; one that was cut off may be whole the next time."""
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        text = response.text.strip()
        if "Will be right back" in text:
            raise TryAgain(Troubled("Yahoo is down for maintenance.")) from None
        shown = " ".join(text[:_EXCERPT].split()) or "nothing at all"
        raise TryAgain(Malformed(f"Yahoo's answer is not JSON, it begins: {shown}")) from None
    if not isinstance(content, dict):
        raise TryAgain(Malformed(f"Yahoo's answer is a {type(content).__name__}, not an object."))
    return content


def _symbol(asked: re.Match[str], options: dict[str, Any]) -> str:
    for group in ("of_chart", "of_summary", "of_timeseries"):
        if asked[group]:
            return unquote(asked[group])
    if asked["quote"]:
        return str((options.get("params") or {}).get("symbols", ""))
    return str(options["json"]["serviceConfig"]["s"][0])


def _told_error(content: dict[str, Any], symbol: str, status: int) -> SourceError:
    words = next(
        (
            str(part["error"].get("description") or part["error"].get("code"))
            for part in content.values()
            if isinstance(part, dict) and isinstance(part.get("error"), dict)
        ),
        f"status {status}",
    )
    if re.search(r"no fundamentals data|data doesn't exist", words, re.IGNORECASE):
        return EmptyAnswer(f"Yahoo has nothing of this kind for {symbol}: {words}")
    if status == 404:
        return NotFound(f"Yahoo does not know {symbol}: {words}")
    return Failed(f"Yahoo would not answer for {symbol} ({status}): {words}")


def _results(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    part = content.get(name)
    results = part.get("result") if isinstance(part, dict) else None
    return [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []


def _echoes(content: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Symbols an answer names itself by: one of another ticker must never be stored."""
    for result in _results(content, "chart"):
        yield "chart", _named(result.get("meta"))
    for result in _results(content, "quoteSummary"):
        for module in ("quoteType", "price"):
            if module in result:
                yield module, _named(result[module])
    for result in _results(content, "quoteResponse"):
        yield "quote", _named(result)
    for result in _results(content, "timeseries"):
        meta = result.get("meta")
        symbols = meta.get("symbol") if isinstance(meta, dict) else None
        if isinstance(symbols, list) and symbols:
            yield "time series", {str(symbol).upper() for symbol in symbols}


def _named(part: Any) -> set[str]:
    """Names of what an answer is about; a future is asked for by the name of its underlying."""
    told = part if isinstance(part, dict) else {}
    names = (told.get("symbol"), told.get("underlyingSymbol"))
    return {str(name).upper() for name in names if name}


def _parts(content: dict[str, Any]) -> Iterator[Answer]:
    for result in _results(content, "chart"):
        yield Answer("chart", result)
    for result in _results(content, "quoteSummary"):
        for name, module in result.items():
            yield Answer(name, module)
    for result in _results(content, "quoteResponse"):
        yield Answer("quote", result)
    for result in _results(content, "timeseries"):
        yield Answer("timeseries", result)
    if "data" in content:
        yield Answer("news", content["data"])


def _seconds(headers: Any) -> float:
    told = str(headers.get("retry-after") or "")
    # Other digits, as a superscript two, are none that a number is read from.
    return float(told) if told.isdecimal() else 0.0


def _broken(error: RequestException) -> Failed:
    if isinstance(error, SSLError):
        return Unreachable(f"Something stands between us and Yahoo (TLS): {error}")
    if isinstance(error, Timeout):
        return Failed("Yahoo did not answer in time.")
    if isinstance(error, ConnectionError):
        return Unreachable(f"Yahoo cannot be reached: {error}")
    return Failed(f"The connection to Yahoo broke: {error}")
