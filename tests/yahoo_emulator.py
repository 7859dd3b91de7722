"""Yahoo Finance on 127.0.0.1: an HTTPS proxy that answers the unmodified yfinance client itself.

By hand: `python -m tests.yahoo_emulator --port 8799 --fault BABA=429,429` prints the environment in
which `bellwether ingest --source yahoo` asks it. In tests, `with Emulator(folder) as yahoo:` and
`yahoo.environment`. Answers are made of `tests/payloads`, whose every value is invented, unless
`answers` holds one. Bars follow the sessions of the exchange's real calendar.

`faults` maps a symbol, `symbol:endpoint`, or `*` to what goes wrong: a list is used up, one request
an entry; a single word is for ever. Endpoints: chart, quote, timeseries, news, crumb, a module of
quoteSummary. Words: ok, an HTTP status, timeout, drip, reset, short, cut, junk, empty, other
(another ticker's data), and `drop:FIELD`, `rename:FIELD`, `retype:FIELD` for a field anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import exchange_calendars
import pandas as pd

PAYLOADS = Path(__file__).with_name("payloads")
HOSTS = ("yahoo.com", "*.yahoo.com", "*.finance.yahoo.com")
FUNDS = {"SPY", "QQQ", "KWEB", "MCHI", "FXI"}
CALENDARS = {
    "L": ("XLON", "LSE", "GBp", "Europe/London"),
    "HK": ("XHKG", "HKG", "HKD", "Asia/Hong_Kong"),
}
CRUMB = "invented.crumb"
_PATH = re.compile(
    r"/v8/finance/(chart)/([^/]+)|/v10/finance/(quoteSummary)/([^/]+)|/v7/finance/(quote)$()"
    r"|-timeseries/v1/finance/(timeseries)/([^/]+)|/xhr/(ncp)$()|/v1/test/(getcrumb)$()"
)
_TABS = {"latestNews": "news", "pressRelease": "press", "newsAll": "all"}


@dataclass(frozen=True)
class Asked:
    """A request that arrived: what of, for which symbol, and the status it was answered with."""

    endpoint: str
    symbol: str
    status: int


@dataclass
class Emulator:
    """The server and what it is to answer; `asked` says what arrived."""

    folder: Path
    port: int = 0
    faults: dict[str, list[str] | str] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    splits: dict[str, list[tuple[date, float]]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    news: list[Any] | None = None
    first_day: date = date(2019, 1, 2)
    now: datetime | None = None
    patience: float = 30.0
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    _busy: int = 0
    _tunnels: set[socket.socket] = field(default_factory=set)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Emulator:
        """Start to serve."""
        authority = make_authority(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "leaf.pem", self.folder / "leaf.key")
        context.set_alpn_protocols(["http/1.1"])
        handler = type("Handler", (_Handler,), {"emulator": self, "context": context})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        self.environment = {"HTTPS_PROXY": f"http://127.0.0.1:{self.port}"} | dict.fromkeys(
            ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(authority)
        )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        for tunnel in list(self._tunnels):
            with contextlib.suppress(OSError):
                tunnel.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def counts(self) -> Counter[str]:
        """Requests that arrived, by endpoint."""
        return Counter(asked.endpoint for asked in self.asked)

    def forget(self) -> int:
        """Forget what arrived; returns how many requests that were."""
        count, self.asked[:] = len(self.asked), []
        return count

    # What it answers

    def fault(self, symbol: str, endpoints: list[str]) -> str:
        """What goes wrong with this request."""
        with self._mutex:
            for name in (
                *(f"{symbol}:{e}" for e in endpoints),
                symbol,
                *(f"*:{e}" for e in endpoints),
                "*",
            ):
                told = self.faults.get(name)
                if isinstance(told, str):
                    return told
                if told:
                    return told.pop(0)
        return "ok"

    def answer(
        self, host: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[str, int, bytes, str]:
        """Return the fault to act out, the status, the body, and its symbol."""
        match = _PATH.search(path)
        if not host.endswith("finance.yahoo.com") or match is None:
            self._note(host, "", 404)
            return "ok", 404, b"<html></html>", ""
        endpoint, symbol = [g for g in match.groups() if g is not None]
        symbol, endpoints = unquote(symbol), [endpoint]
        if endpoint == "getcrumb":
            endpoints = ["crumb"]
        elif endpoint == "quote":
            symbol = query["symbols"][0]
        elif endpoint == "ncp":
            endpoints, symbol = ["news"], json.loads(body)["serviceConfig"]["s"][0]
        elif endpoint == "quoteSummary":
            endpoints = query["modules"][0].split(",")
        name = "info" if len(endpoints) > 1 else endpoints[0]
        fault = self.fault(symbol, endpoints if name != "info" else ["info", *endpoints])
        status, content = 200, None
        if fault.isdigit():
            status = int(fault)
        if status != 200:
            told = (
                json.dumps(_error(endpoint, "Unauthorized", "Invalid Crumb"))
                if status == 401
                else "Edge: no"
            )
            self._note(name, symbol, status)
            return fault, status, told.encode(), symbol
        if name == "crumb":
            self._note(name, symbol, 200)
            return fault, 200, CRUMB.encode(), symbol
        shown = "ZZOTHER" if fault == "other" else symbol
        if (endpoint, symbol) in self.answers:
            status, content = self._given(endpoint, symbol, endpoints)
        elif symbol in self.unknown:
            status, content = (
                404,
                _error(endpoint, "Not Found", f"No data found, {symbol} may be delisted"),
            )
            if endpoint == "quote":
                status, content = 200, {"quoteResponse": {"result": [], "error": None}}
            if endpoint == "quoteSummary":
                content = _error(endpoint, "Not Found", f"Quote not found for symbol: {symbol}")
        elif endpoint == "chart":
            content = self._chart(shown, query, is_empty=fault == "empty")
        elif endpoint == "quoteSummary":
            status, content = self._summary(shown, endpoints, is_empty=fault == "empty")
        elif endpoint == "quote":
            result = [] if fault == "empty" else [self._filled("quote", shown)]
            content = {"quoteResponse": {"result": result, "error": None}}
        elif endpoint == "timeseries":
            content = self._timeseries(shown, query["type"], is_empty=fault == "empty")
        else:
            tab = _TABS[query["queryRef"][0]]
            items = [] if fault == "empty" else self.news or self._filled("news", shown, tab=tab)
            content = {
                "data": {"tickerStream": {"stream": items, "nextPage": False}},
                "status": "OK",
            }
        word, _, name_of_field = fault.partition(":")
        if word in ("drop", "rename", "retype"):
            content = _altered(content, word, name_of_field)
        self._note(name, symbol, status)
        return fault, status, json.dumps(content).encode(), symbol

    def _note(self, endpoint: str, symbol: str, status: int) -> None:
        with self._mutex:
            self.asked.append(Asked(endpoint, symbol, status))

    def _given(self, endpoint: str, symbol: str, modules: list[str]) -> tuple[int, Any]:
        status, content = self.answers[(endpoint, symbol)]
        if endpoint != "quoteSummary" or status != 200:
            return status, content
        told = content["quoteSummary"]["result"][0]
        found = {name: told[name] for name in modules if name in told}
        if not found:
            missing = f"No fundamentals data found for any of the summaryTypes={','.join(modules)}"
            return 404, _error(endpoint, "Not Found", missing)
        return 200, {"quoteSummary": {"result": [found], "error": None}}

    def _moment(self) -> datetime:
        return self.now or datetime.now(UTC)

    def _filled(self, name: str, symbol: str, **more: str) -> Any:
        _, exchange, currency, zone = _listing(symbol)
        words = {
            "symbol": symbol,
            "kind": _kind(symbol),
            "exchange": exchange,
            "currency": currency,
            "financial_currency": "CNY" if symbol in ("BABA", "JD") else currency,
            "zone": zone,
        } | more
        return _fill(_payload(name), words, self._moment())

    def _summary(self, symbol: str, modules: list[str], *, is_empty: bool) -> tuple[int, Any]:
        told = self._filled("quoteSummary", symbol)
        offered = set(told) if _kind(symbol) == "EQUITY" else {"quoteType", "summaryDetail"}
        found = {name: told[name] for name in modules if name in offered}
        if is_empty:
            found = {
                n: {**m, **{k: [] for k in ("history", "trend") if k in m}}
                for n, m in found.items()
            }
            found.pop("earningsTrend", None)
        if not found:
            missing = f"No fundamentals data found for any of the summaryTypes={','.join(modules)}"
            return 404, _error("quoteSummary", "Not Found", missing)
        return 200, {"quoteSummary": {"result": [found], "error": None}}

    def _timeseries(self, symbol: str, types: list[str], *, is_empty: bool) -> Any:
        measures, now = _payload("timeseries"), self._moment().date()
        ends = [(pd.Timestamp(now) - pd.offsets.MonthEnd(n)).date() for n in range(1, 13)]
        result: list[Any] = []
        for name in ",".join(types).split(","):
            prefix, measure = re.fullmatch(
                r"(monthly|trailing|quarterly|annual)(\w+)", name
            ).groups()  # type: ignore[union-attr]
            days = ends if prefix == "monthly" else [now]
            item: dict[str, Any] = {"meta": {"symbol": [symbol], "type": [name]}}
            if not is_empty:
                value = measures.get(measure, 1.5)
                item[name] = [
                    {
                        "asOfDate": str(d),
                        "periodType": "1M",
                        "reportedValue": {"raw": value, "fmt": str(value)},
                    }
                    for d in days
                ]
            result.append(item)
        return {"timeseries": {"result": result, "error": None}}

    def _chart(self, symbol: str, query: dict[str, list[str]], *, is_empty: bool) -> Any:
        now = self._moment()
        meta = self._filled("chart", symbol)
        result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
        if "period1" in query:
            start, end = (int(float(query[name][0])) for name in ("period1", "period2"))
        else:
            start, end = int((now - timedelta(days=8)).timestamp()), int(now.timestamp())
        opens = (
            []
            if is_empty
            else [
                t
                for t in _opens(_listing(symbol)[0], self.first_day)
                if start <= t <= min(end, int(now.timestamp()))
            ]
        )
        if opens:
            days = [datetime.fromtimestamp(t, UTC).date() for t in opens]
            closes = [round(_close(symbol, d) / self._factor(symbol, d), 4) for d in days]
            result["timestamp"] = opens
            result["indicators"] = {
                "quote": [
                    {
                        "open": list(closes),
                        "high": [round(c * 1.01, 4) for c in closes],
                        "low": [round(c * 0.99, 4) for c in closes],
                        "close": closes,
                        "volume": [int(1_000_000 * self._factor(symbol, d)) + d.day for d in days],
                    }
                ],
                "adjclose": [{"adjclose": [round(c * 0.98, 4) for c in closes]}],
            }
            events: dict[str, Any] = {}
            paid = [
                (t, d) for t, d in zip(opens, days, strict=True) if d.month % 3 == 2 and d.day == 14
            ]
            if paid and _kind(symbol) == "EQUITY":
                events["dividends"] = {str(t): {"amount": 0.4, "date": t} for t, _ in paid}
            split = dict(self.splits.get(symbol, []))
            done = [(t, split[d]) for t, d in zip(opens, days, strict=True) if d in split]
            if done:
                events["splits"] = {
                    str(t): {
                        "date": t,
                        "numerator": ratio,
                        "denominator": 1.0,
                        "splitRatio": f"{ratio:g}:1",
                    }
                    for t, ratio in done
                }
            if events:
                result["events"] = events
        return {"chart": {"result": [result], "error": None}}

    def _factor(self, symbol: str, day: date) -> float:
        factor = 1.0
        for at, ratio in self.splits.get(symbol, []):
            factor *= ratio if day < at <= self._moment().date() else 1.0
        return factor


def scaled(emulator: Emulator, symbol: str, factor: float, newest: int | None = None) -> Any:
    """Return a chart's answer whose bars, or `newest` of them, are told in another unit."""
    chart = emulator._chart(symbol, {"range": ["max"]}, is_empty=False)
    quote = chart["chart"]["result"][0]["indicators"]["quote"][0]
    for name in ("open", "high", "low", "close"):
        first = len(quote[name]) - (newest or len(quote[name]))
        quote[name][first:] = [value * factor for value in quote[name][first:]]
    return chart


def _listing(symbol: str) -> tuple[str, str, str, str]:
    if symbol.endswith("=X"):
        return "24/5", "CCY", symbol[:3], "Europe/London"
    return CALENDARS.get(
        symbol.rpartition(".")[2] if "." in symbol else "",
        ("XNYS", "NYQ", "USD", "America/New_York"),
    )


def _kind(symbol: str) -> str:
    if symbol.endswith("=X"):
        return "CURRENCY"
    return "INDEX" if symbol.startswith("^") else "ETF" if symbol in FUNDS else "EQUITY"


def _close(symbol: str, day: date) -> float:
    """A close that follows from symbol and day alone, 40 to 260 and never flat."""
    base = 50 + zlib.crc32(symbol.encode()) % 150
    return base * (1 + 0.1 * ((day.toordinal() * 7) % 11 - 5) / 5 + (day.year - 2022) * 0.03)


@cache
def _opens(calendar: str, first: date) -> list[int]:
    sessions = exchange_calendars.get_calendar(calendar, start=str(first))
    return [int(stamp.timestamp()) for stamp in sessions.schedule["open"]]


@cache
def _payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def _fill(value: Any, words: dict[str, str], now: datetime) -> Any:
    """Put words for `$word`, and moments for `@days` (epoch), `@@days` (date), `@T-hours` (ISO)."""
    if isinstance(value, dict):
        return {k: _fill(v, words, now) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, words, now) for v in value]
    if not isinstance(value, str):
        return value
    noon = datetime(now.year, now.month, now.day, 12, tzinfo=UTC)
    if value.startswith("@T"):
        return (now + timedelta(hours=float(value[2:]))).strftime("%Y-%m-%dT%H:00:00Z")
    if value.startswith("@@"):
        return str((noon + timedelta(days=float(value[2:]))).date())
    if value == "@0":
        return int(now.timestamp())
    if value.startswith("@"):
        return int((noon + timedelta(days=float(value[1:]))).timestamp())
    return re.sub(r"\$(\w+?)(?=\b|-|$)", lambda m: words.get(m[1], m[0]), value)


def _altered(value: Any, word: str, name: str) -> Any:
    if isinstance(value, list):
        return [_altered(item, word, name) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {k: _altered(v, word, name) for k, v in value.items()}
    if name in changed:
        told = changed.pop(name)
        if word == "rename":
            changed[f"{name}New"] = told
        elif word == "retype":
            changed[name] = 7 if isinstance(told, str) else "n/a"
    return changed


def _error(endpoint: str, code: str, description: str) -> Any:
    root = {"quote": "quoteResponse"}.get(endpoint, endpoint)
    return {root: {"result": None, "error": {"code": code, "description": description}}}


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is what faults are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    emulator: ClassVar[Emulator]
    context: ClassVar[ssl.SSLContext]
    host = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0]
        self.send_response(200, "Connection established")
        self.end_headers()
        self.wfile.flush()
        with (
            contextlib.suppress(OSError),
            self.context.wrap_socket(self.connection, server_side=True) as tunnel,
        ):
            self.emulator._tunnels.add(tunnel)
            type("Tunnel", (type(self),), {"host": host})(tunnel, self.client_address, self.server)
            self.emulator._tunnels.discard(tunnel)
        self.close_connection = True

    def do_GET(self) -> None:
        emulator = self.emulator
        with emulator._mutex:
            emulator._busy += 1
            emulator.most_at_once = max(emulator.most_at_once, emulator._busy)
        try:
            last = self._reply()
        finally:
            with emulator._mutex:
                emulator._busy -= 1
        # Sent when this request no longer counts: whoever has the whole answer may ask again.
        if last:
            self.wfile.write(last)
            self.wfile.flush()

    do_POST = do_GET

    def _reply(self) -> bytes:
        """Answer all but the last byte, which is returned (none where the answer was broken)."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        fault, status, told, _ = self.emulator.answer(
            self.host, parts.path, parse_qs(parts.query), body
        )
        if fault == "timeout":
            time.sleep(self.emulator.patience)
        if fault == "junk":
            told = b"<html><body>Something is wrong on our side.</body></html>"
        if fault == "cut":
            told = told[: len(told) // 2]
        if fault == "reset":
            raw = self.connection
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            raw.close()
            return b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        if self.host.startswith("fc."):
            self.send_header(
                "set-cookie",
                "A3=invented; Domain=.yahoo.com; Path=/; Secure; "
                "Expires=Fri, 01 Jan 2038 00:00:00 GMT",
            )
        self.end_headers()
        if fault == "short":
            self.wfile.write(told[: len(told) // 2])
            self.close_connection = True
        elif fault == "drip":
            started = time.monotonic()
            for byte in told:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.02)
                if time.monotonic() - started > self.emulator.patience:
                    break
            self.close_connection = True
        else:
            self.wfile.write(told[:-1])
            return told[-1:]
        return b""


def make_authority(folder: Path) -> Path:
    """Make, once, a throw-away authority and a certificate of Yahoo's hosts; return the former."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    if not (folder / "leaf.pem").exists():
        openssl(
            *(
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
            ),
            *("-days", "30", "-subj", "/CN=Throw-away authority"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr"),
            *("-subj", "/CN=*.yahoo.com"),
        )
        names = ",".join(f"DNS:{host}" for host in HOSTS)
        (folder / "leaf.ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        openssl(
            *("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", "leaf.pem", "-days", "30", "-extfile", "leaf.ext"),
        )
    return folder / "ca.pem"


def parsed_faults(words: list[str]) -> Iterator[tuple[str, list[str] | str]]:
    """Yield faults from words such as `BABA=429,429` and `*:news=empty!` (for ever)."""
    for word in words:
        symbol, _, told = word.partition("=")
        if symbol.endswith("=X"):  # pragma: no cover
            symbol, told = word.rpartition("=")[::2]
        yield symbol, told[:-1] if told.endswith("!") else told.split(",")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, default=Path("data/emulator"), help="for certificates"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="SYMBOL[:ENDPOINT]=WORD,…[!]"
    )
    parser.add_argument("--unknown", action="append", default=[], metavar="SYMBOL")
    arguments = parser.parse_args()
    with Emulator(
        arguments.folder.resolve(),
        arguments.port,
        faults=dict(parsed_faults(arguments.fault)),
        unknown=set(arguments.unknown),
    ) as emulator:
        for name, value in emulator.environment.items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        print(f"# {len(emulator.asked)} requests: {dict(emulator.counts())}")


if __name__ == "__main__":
    main()
