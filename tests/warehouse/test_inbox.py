"""The inbox: files of any kind and name end stored or refused, whole, once, and with a reason."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import uuid
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.errors import HomeError
from warehouse.ingest import Ingested, ingest
from warehouse.settings import Home
from warehouse.sources.inbox import MOST_LINE, Inbox, strays, waiting
from warehouse.store import Counts, Warehouse

HEADER = "ticker,session_date,close\n"
DAY = "2025-06-02"


def bars(*tickers: str, close: float = 100.0) -> str:
    return HEADER + "".join(f"{ticker},{DAY},{close}\n" for ticker in tickers)


def drop(home: Home, name: str, content: str | bytes, table: str = "prices") -> Path:
    file = home.inbox / table / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def parquet(path: Path, query: str) -> bytes:
    with duckdb.connect() as con:
        con.execute(f"copy ({query}) to '{path}' (format parquet)")
    content = path.read_bytes()
    path.unlink()
    return content


def load(home: Home, table: str = "prices", load_id: str = "load") -> Ingested:
    return ingest(home, table, "inbox", load_id=load_id)


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(home.build) as store:
        return store.con.execute(sql).fetchall()


def tickers(home: Home) -> list[str]:
    return [row[0] for row in rows(home, "select ticker from raw.prices order by ticker")]


def shelf(home: Home, name: str, table: str = "prices") -> list[str]:
    folder = home.inbox / name / table
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


# What files may look like


def test_csv_parquet_and_json_lines_store_the_same_rows(home: Home, tmp_path: Path) -> None:
    told = f'"{DAY}","volume":5,"currency":"USD"'
    drop(home, "1.csv", f"ticker,session_date,close,volume,currency\nA1,{DAY},100,5,USD\n")
    drop(home, "2.csv.gz", gzip.compress(f"ticker,session_date,close\nA2,{DAY},100\n".encode()))
    drop(home, "3.jsonl", f'{{"ticker":"A3","close":100,"session_date":{told}}}\n')
    drop(home, "4.ndjson", f'{{"ticker":"A4","close":"100","session_date":{told}}}')
    drop(home, "5.JSON", f'{{"ticker":"A5","close":1e2,"session_date":{told}}}\r\n\r\n')
    drop(
        home,
        "6.jsonl.gz",
        gzip.compress(f'{{"ticker":"A6","close":100,"session_date":{told}}}'.encode()),
    )
    typed = f"date '{DAY}' as session_date, 100::float as close, 5::bigint as volume"
    drop(home, "7.parquet", parquet(tmp_path / "x", f"select 'A7' as ticker, {typed}"))
    drop(home, "8.PARQUET", parquet(tmp_path / "x", f"select 'A8' as ticker, {typed}"))
    drop(home, "9.CSV", f"TICKER,Session_Date,close\nA9,{DAY},100\n")
    drop(home, "a.CSV.GZ", gzip.compress(bars("B1").encode()))
    drop(
        home,
        "b.JSONL.GZ",
        gzip.compress(f'{{"ticker":"B2","close":100,"session_date":{told}}}'.encode()),
    )
    done = load(home)
    assert done.failures == []
    assert done.outcomes == {"ok": 11}
    assert done.counts == Counts(new=11)
    assert rows(home, "select distinct close, session_date, payload from raw.prices") == [
        (100.0, date(2025, 6, 2), None)
    ]
    assert tickers(home) == [f"A{n}" for n in range(1, 10)] + ["B1", "B2"]
    assert len(shelf(home, ".done")) == 11
    assert waiting(home.inbox) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_as_spreadsheets_write_it(home: Home, end: str, mark: str) -> None:
    title = 'Strong, "very" strong' + end + "second line, ünïcode 日本"
    quoted = '"' + title.replace('"', '""') + '"'
    lines = [
        "news_id,ticker,published_at, title ,summary",
        f"n1,AAA,{DAY}T10:00:00Z,{quoted},",
        "",
        f'"n2","AAA","{DAY} 10:00:00","plain",""',
    ]
    drop(home, "news.csv", mark + end.join(lines), table="news")
    assert load(home, "news").counts == Counts(new=2)
    stored = rows(home, "select news_id, title, summary from raw.news order by 1")
    assert stored == [("n1", title, None), ("n2", "plain", None)]


def test_json_lines_keep_what_the_schema_does_not_name_as_nested_as_it_is(home: Home) -> None:
    key = f'"session_date":"{DAY}","close":1'
    drop(
        home,
        "x.jsonl",
        f'{{"ticker":"AAA",{key},"deep":{{"b":[1,{{"c":null}}],"a":"x"}},"n":1.5,"yes":true}}\n'
        f'{{"ticker":"BBB",{key},"n":null,"a/b~c":"odd","$.x":1,"*":2}}\n'
        f'{{"ticker":"CCC",{key},"volume":7}}\n',
    )
    assert load(home).counts == Counts(new=3)
    stored = {
        ticker: (volume, payload and json.loads(payload))
        for ticker, volume, payload in rows(home, "select ticker, volume, payload from raw.prices")
    }
    assert stored == {
        "AAA": (None, {"deep": {"a": "x", "b": [1, {"c": None}]}, "n": 1.5, "yes": True}),
        "BBB": (None, {"a/b~c": "odd", "$.x": 1, "*": 2}),
        "CCC": (7.0, None),
    }


def test_parquet_of_any_type_is_stored_or_refused_row_by_row(home: Home, tmp_path: Path) -> None:
    query = f"""
        select 'A' || i as ticker, date '{DAY}' as session_date, (i - 1)::decimal(9, 2) as close,
            {{'a': [i], 'b': null}} as nested, map {{'k': i}} as pairs, 'x'::blob as bytes,
            interval 1 day as gap, time '10:00' as clock, 'nan'::double as volume,
            timestamptz '2025-06-03 10:00:00+02' as known_at
        from range(1, 4) as t(i)
    """
    drop(home, "x.parquet", parquet(tmp_path / "x", query))
    assert load(home).counts == Counts(new=2, rejected=1)
    stored = rows(
        home, "select ticker, close, volume, known_at, payload from raw.prices order by 1"
    )
    assert [row[:4] for row in stored] == [
        ("A2", 1.0, None, datetime(2025, 6, 3, 8)),
        ("A3", 2.0, None, datetime(2025, 6, 3, 8)),
    ]
    payload = json.loads(stored[0][4])
    assert payload["nested"] == {"a": [2]}
    assert set(payload) == {"nested", "pairs", "bytes", "gap", "clock"}


def test_parquet_whose_column_has_the_wrong_type_is_refused(home: Home, tmp_path: Path) -> None:
    query = f"select 'A' as ticker, date '{DAY}' as session_date, [1.0] as close"
    drop(home, "x.parquet", parquet(tmp_path / "x", query))
    assert load(home).outcomes == {"malformed": 1}
    assert rows(home, "select reason from raw.rejects") == [
        ("close: '[1.0]' is not a finite number",)
    ]


def test_a_large_file_is_stored_in_its_order(home: Home, tmp_path: Path) -> None:
    query = f"""
        select 'T' || i as ticker, '{DAY}' as session_date, if(i % 10000 = 0, -1, i) as close
        from range(1, 100001) as t(i)
    """
    drop(home, "x.csv", "")
    with duckdb.connect() as con:
        con.execute(f"copy ({query}) to '{home.inbox / 'prices' / 'x.csv'}' (header)")
    assert load(home).counts == Counts(new=99990, rejected=10)
    lines = rows(home, "select line, row_json ->> 'ticker' from raw.rejects order by line")
    assert lines == [(n, f"T{n}") for n in range(10000, 100001, 10000)]


def test_several_versions_of_a_key_in_one_file(home: Home) -> None:
    header = "ticker,firm,graded_on,to_grade,target,known_at\n"
    told = [("110", "2025-06-05"), ("100", "2025-06-03T09:30:00-04:00"), ("110", "2025-06-06")]
    lines = [f"AAA,Foxglove,{DAY},Buy,{target},{at}\n" for target, at in told]
    drop(home, "x.csv", header + "".join(lines), table="ratings")
    assert load(home, "ratings").counts == Counts(new=1, changed=1, unchanged=1)
    assert rows(home, "select target, known_at from raw.ratings order by known_at") == [
        (100.0, datetime(2025, 6, 3, 13, 30)),
        (110.0, datetime(2025, 6, 5)),
    ]
    assert rows(home, "select count(*) from raw.ratings where stored_at > known_at") == [(2,)]


def test_news_without_an_identity_is_known_by_its_address_else_by_its_words(home: Home) -> None:
    at = f"{DAY}T10:00:00Z"
    told = [
        {"ticker": "AAA", "url": "https://example.com/1", "title": "one", "published_at": at},
        {"ticker": "BBB", "url": "https://example.com/1", "title": "one!", "published_at": at},
        {"ticker": "AAA", "url": "https://example.com/2", "title": "one", "published_at": at},
        {"ticker": "AAA", "title": "no address", "published_at": at},
        {"ticker": "AAA", "url": "", "title": "none either", "published_at": at},
    ]
    drop(home, "x.jsonl", "\n".join(json.dumps(row) for row in told), table="news")
    assert load(home, "news").counts == Counts(new=5)
    assert rows(home, "select count(distinct news_id) from raw.news") == [(4,)]
    drop(home, "y.jsonl", "\n".join(json.dumps(row) for row in reversed(told)), table="news")
    assert load(home, "news").counts == Counts(unchanged=5)

    drop(home, "z.csv", f"ticker,title,published_at\nAAA,no address,{at}\n", table="news")
    assert load(home, "news").counts == Counts(unchanged=1)


# Names and places


NAMES = [
    "a b.csv", "a'b.csv", 'a"b.csv', "a*b.csv", "a?b.csv", "a[b].csv", "a]b.csv", "[!a].csv",
    "**.csv", "ünïcode 日本.csv", "a;drop table raw.prices;--.csv", "x..%2f..%2f.csv", "a..csv",
    "-rf.csv",
    "$HOME.csv", "`x`.csv", "~x.csv", "{a,b}.csv", "ticker=ZZZ.csv", "s3:x.csv",
    "a\nb.csv", "a\\b.csv", "\u202evsc.csv", "x" * 200 + ".csv",
]  # fmt: skip


def test_files_of_any_name_are_read_as_themselves(tmp_path: Path) -> None:
    home = Home(tmp_path / "ticker=ZZZ" / "it's a home")
    for number, name in enumerate(NAMES):
        drop(home, name, bars(f"A{number}"))
    drop(home, "a", bars("WRONG"))
    done = load(home)
    assert [failure.split(":")[0] for failure in done.failures] == ["a"]
    assert done.counts == Counts(new=len(NAMES))
    assert set(tickers(home)) == {f"A{number}" for number in range(len(NAMES))}
    assert rows(home, "select distinct payload from raw.prices") == [(None,)]
    assert set(shelf(home, ".done")) == set(NAMES)
    stored = {row[0] for row in rows(home, "select file from raw.batches")}
    assert stored == set(NAMES)


def test_a_home_of_any_name_is_read(tmp_path: Path) -> None:
    home = Home(tmp_path / "a *home* [new]")
    drop(home, "a*.csv", bars("A1"))
    drop(home, "ab.csv", bars("A2"))
    key = f'"session_date":"{DAY}","close":1'
    drop(home, "[j].jsonl", f'{{"ticker":"A3",{key}}}')
    query = f"select 'A4' as ticker, '{DAY}' as session_date, 1 as close"
    drop(home, "?.parquet", parquet(tmp_path / "x", query))
    assert load(home).counts == Counts(new=4)
    assert load(home).outcomes == {}


def test_a_name_that_is_not_text_is_refused(home: Home) -> None:
    folder = drop(home, "good.csv", bars("A1")).parent
    odd = os.fsencode(folder) + b"/bad\xff.csv"
    Path(os.fsdecode(odd)).write_text(bars("A2"))
    done = load(home)
    assert done.outcomes == {"ok": 1, "failed": 1}
    assert "not UTF-8" in done.failures[0]
    assert b"bad\xff.csv" in [os.fsencode(name) for name in shelf(home, ".failed")]
    assert tickers(home) == ["A1"]


def test_a_name_as_long_as_a_file_system_allows_is_put_away(home: Home) -> None:
    for end, content in ((".csv", bars("A1")), (".txt", "no table")):
        drop(home, "x" * 251 + end, content)
    assert load(home).outcomes == {"ok": 1, "malformed": 1}
    assert waiting(home.inbox) == []
    assert len(shelf(home, ".failed")) == 2


def test_links_are_refused_and_never_followed(home: Home, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(bars("SECRET"))
    folder = drop(home, "good.csv", bars("A1")).parent
    (folder / "link.csv").symlink_to(secret)
    (folder / "gone.csv").symlink_to(tmp_path / "nowhere")
    (folder / "folder.csv").symlink_to(tmp_path)
    done = load(home)
    assert done.outcomes == {"ok": 1, "failed": 3}
    assert all("links are not followed" in failure for failure in done.failures)
    assert tickers(home) == ["A1"]
    assert secret.read_text() == bars("SECRET")
    assert sum(name.endswith(".txt") for name in shelf(home, ".failed")) == 3


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_a_file_that_is_a_hole_is_refused_at_once(home: Home, name: str) -> None:
    """Read, its terabytes would keep every ingest for hours and fill all memory."""
    file = drop(home, name, bars("A1"))
    os.truncate(file, 1 << 42)
    drop(home, "y.csv", bars("A2"))
    done = load(home)
    assert done.outcomes == {"malformed": 1, "ok": 1}
    assert "holes" in done.failures[0] and tickers(home) == ["A2"]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_line_without_an_end_is_refused(home: Home, name: str) -> None:
    drop(home, name, "A" * (MOST_LINE + 1))
    done = load(home)
    assert done.outcomes == {"malformed": 1}
    assert "line 1: longer than 16 MB" in done.failures[0]


def test_folders_in_a_tables_folder_are_said_to_be_never_read(home: Home) -> None:
    folder = home.inbox / "prices" / "2024"
    folder.mkdir(parents=True)
    assert strays(home.inbox) == []
    (folder / "x.csv").write_text(bars("A1"))
    drop(home, "x.csv", bars("A1"), table="price")
    assert strays(home.inbox) == ["price", "prices/2024"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no /dev/shm")
def test_a_tables_folder_may_lie_on_another_disk(home: Home) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if Path(elsewhere).stat().st_dev == home.path.parent.stat().st_dev:
            pytest.skip("/dev/shm is no file system of its own here")
        home.inbox.mkdir(parents=True)
        (home.inbox / "prices").symlink_to(elsewhere)
        drop(home, "x.csv", bars("A1"))
        drop(home, "y.csv", "nonsense")
        (Path(elsewhere) / "z.csv").symlink_to("/etc/hostname")
        assert load(home).outcomes == {"ok": 1, "malformed": 1, "failed": 1}
        assert list(Path(elsewhere).iterdir()) == []
    assert shelf(home, ".done") == ["x.csv"] and tickers(home) == ["A1"]
    assert shelf(home, ".failed") == ["y.csv", "y.csv.txt", "z.csv", "z.csv.txt"]


def test_hidden_and_unfinished_files_and_folders_wait(home: Home) -> None:
    names = [".hidden.csv", "x.csv.part", "x.tmp", "x.crdownload", ".x.csv.swp"]
    for name in names:
        drop(home, name, bars("A1"))
    (home.inbox / "prices" / "folder.csv").mkdir()
    assert load(home).outcomes == {}
    assert waiting(home.inbox) == []
    assert set(names) < {file.name for file in (home.inbox / "prices").iterdir()}


def test_files_in_other_folders_are_left_alone(home: Home) -> None:
    drop(home, "x.csv", bars("A1"), table="price")
    drop(home, "x.csv", bars("A1"), table="sessions")
    drop(home, "x.csv", bars("A1"), table="../prices")
    assert load(home).outcomes == {}
    assert waiting(home.inbox) == []


def test_files_are_loaded_in_the_order_of_their_names(home: Home) -> None:
    for name, close in (("2025-06-03.csv", 2), ("2025-06-02.csv", 1), ("2025-06-10.csv", 3)):
        drop(home, name, bars("A1", close=close))
    assert load(home).counts == Counts(new=1, changed=2)
    assert rows(home, "select close from raw.prices order by known_at") == [(1,), (2,), (3,)]
    assert [row[0] for row in rows(home, "select file from raw.fetches order by fetched_at")] == [
        "2025-06-02.csv",
        "2025-06-03.csv",
        "2025-06-10.csv",
    ]
    assert rows(home, "select distinct load_id, source from raw.fetches") == [("load", "inbox")]


# What is wrong with a file

KEY = f'"session_date":"{DAY}","close":1'
PACKED = gzip.compress(bars(*(f"A{n}" for n in range(999))).encode())
WRONG: dict[str, tuple[str | bytes, str, str]] = {
    "long.csv": (bars("A1", "A2") + f"A3,{DAY},1,surplus\n" + bars("A4"), "malformed", "Line: 4"),
    "short.csv": (bars("A1") + f"A3,{DAY}\n", "malformed", "Line: 3"),
    "late.csv": (bars(*["A1"] * 9000) + f"A3,{DAY}\n", "malformed", "Line: 9002"),
    "quote.csv": (bars("A1") + f'"A2,{DAY},1\n', "malformed", "Line: 3"),
    "latin.csv": ("ticker,session_date,close\nÄ,".encode("latin-1"), "malformed", "UTF-8"),
    "late-latin.csv": (bars(*["A1"] * 9000).encode() + b"\xe4,1,1\n", "malformed", "utf-8"),
    "utf16.csv": (bars("A1").encode("utf-16"), "malformed", "UTF-8"),
    "packed.csv": (gzip.compress(bars("A1").encode()), "malformed", "UTF-8"),
    "junk.csv": (bytes(range(256)) * 40, "malformed", "UTF-8"),
    "nul.csv": (b"\0" * 4096, "malformed", ""),
    "repeated.csv": (f"ticker,session_date,close,Close\nA1,{DAY},1,2\n", "malformed", "line 1"),
    "unnamed.csv": (f"ticker,session_date,,close\nA1,{DAY},1,2\n", "malformed", "line 1"),
    "lines.csv": ("\n\n\n", "malformed", "line 1"),
    "wide.csv": (",".join(f"c{n}" for n in range(501)), "malformed", "more than 500 columns"),
    "no-key.csv": ("symbol,session_date,close\nA1,2025-06-02,1\n", "malformed", "no column ticker"),
    "no-close.csv": (f"ticker,session_date\nA1,{DAY}\n", "malformed", "None of its 1 rows"),
    "empty.csv": ("", "empty", "is empty"),
    "torn.csv.gz": (PACKED[:-30], "malformed", "not a whole gzip"),
    "edge.csv.gz": (PACKED[:-8], "malformed", "not a whole gzip"),
    "flipped.csv.gz": (PACKED[:-6] + b"abcdef", "malformed", "CRC"),
    "bits.csv.gz": (
        (packed := gzip.compress(os.urandom(5000)))[:2000] + b"\xff" * 9 + packed[2009:],
        "malformed",
        "not a whole gzip",
    ),
    "plain.csv.gz": (bars("A1"), "malformed", "not a whole gzip"),
    "torn.jsonl": (f'{{"ticker":"A1",{KEY}}}\n{{"ticker":"A2","sess', "malformed", "line 2"),
    "list.jsonl": (f'{{"ticker":"A1",{KEY}}}\n[1]\n', "malformed", "line 2: not a JSON object"),
    "text.jsonl": (f'{{"ticker":"A1",{KEY}}}\n\n"x"\n', "malformed", "line 3: not a JSON object"),
    "null.jsonl": (f'{{"ticker":"A1",{KEY}}}\nnull\n', "malformed", "line 2: not a JSON object"),
    "array.json": (f'[{{"ticker":"A1",{KEY}}}]', "malformed", "line 1: not a JSON object"),
    "pretty.json": (f'{{\n"ticker":"A1",{KEY}}}', "malformed", "line 1"),
    "two.jsonl": (f'{{"ticker":"A1",{KEY}}}{{"ticker":"A2",{KEY}}}\n', "malformed", "line 1"),
    "mark.jsonl": (f'\ufeff{{"ticker":"A1",{KEY}}}\n', "malformed", "byte order mark"),
    "surrogate.jsonl": (f'{{"ticker":"A1",{KEY},"x":"\\ud800"}}', "malformed", "surrogate"),
    "bytes.jsonl": (f'{{"ticker":"A1",{KEY},"x":"'.encode() + b'\xff"}', "malformed", "line 1"),
    "none.jsonl": ("{}\n{}\n", "malformed", "no JSON object with fields"),
    "no-key.jsonl": ('{"symbol":"A1","close":1}', "malformed", "no column ticker, session_date"),
    "junk.parquet": (b"PAR1" + bytes(range(256)) + b"PAR1", "malformed", ""),
    "csv.parquet": (bars("A1"), "malformed", ""),
    "letter.txt": ("Dear all", "malformed", "none of .csv, .parquet, .jsonl"),
    "table.xlsx": (b"PK\x03\x04", "malformed", "none of .csv, .parquet, .jsonl"),
    "noend": (bars("A1"), "malformed", "none of .csv, .parquet, .jsonl"),
}  # fmt: skip


def test_a_wrong_file_is_put_aside_whole_with_a_text_that_says_why(
    home: Home, tmp_path: Path
) -> None:
    wrong = dict(WRONG)
    whole = parquet(
        tmp_path / "x",
        f"select 'T' || i as ticker, '{DAY}' as session_date, random() as close "
        "from range(9999) as t(i)",
    )
    wrong["torn.parquet"] = (whole[: len(whole) // 2], "malformed", "")
    wrong["hole.parquet"] = (whole[:9000] + bytes(9000) + whole[18000:], "malformed", "")
    for name, (content, _, _) in wrong.items():
        drop(home, name, content)
    drop(home, "good.csv", bars("GOOD"))
    done = load(home)

    assert tickers(home) == ["GOOD"]
    ended = {file: (outcome, reason) for file, outcome, reason in rows(
        home, "select file, outcome, reason from raw.fetches"
    )}  # fmt: skip
    assert ended.pop("good.csv") == ("ok", None)
    assert ended.keys() == wrong.keys()
    for name, (_, outcome, words) in wrong.items():
        assert ended[name][0] == outcome, name
        assert words in ended[name][1], (name, ended[name][1])
        note = (home.inbox / ".failed" / "prices" / f"{name}.txt").read_text()
        assert ended[name][1] in note
    assert len(done.failures) == len(wrong)
    assert set(shelf(home, ".failed")) == set(wrong) | {f"{name}.txt" for name in wrong}
    assert shelf(home, ".done") == ["good.csv"]
    assert waiting(home.inbox) == []


def test_the_good_rows_of_a_file_are_stored_and_the_bad_ones_named(home: Home) -> None:
    content = bars("A1", "A B", "A2") + f"A3,{DAY},-1\nA4,someday,1\n"
    drop(home, "x.csv", content)
    done = load(home)
    assert done.counts == Counts(new=2, rejected=3)
    assert done.outcomes == {"ok": 1}
    assert rows(home, "select line, reason, file from raw.rejects order by line") == [
        (2, "the ticker is not a symbol", "x.csv"),
        (4, "a price is not above zero", "x.csv"),
        (5, "session_date: 'someday' is not a date (YYYY-MM-DD)", "x.csv"),
    ]
    assert shelf(home, ".done") == ["x.csv", "x.csv.txt"]
    note = (home.inbox / ".done" / "prices" / "x.csv.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in note] == ["row 2", "row 4", "row 5"]
    assert "a price is not above zero" in note[1]
    assert '"ticker":"A3"' in note[1]


def test_the_same_bad_row_is_named_again_beside_the_next_file(home: Home) -> None:
    drop(home, "x.csv", bars("A1", "A B"))
    load(home, load_id="first")
    drop(home, "y.csv", bars("A2", "A B"))
    assert load(home, load_id="second").counts == Counts(new=1, rejected=1)
    assert "not a symbol" in (home.inbox / ".done" / "prices" / "y.csv.txt").read_text()


def test_a_file_without_one_good_row_is_put_aside_each_time_it_comes(home: Home) -> None:
    for load_id in ("first", "second"):
        drop(home, "x.csv", bars("A B", "-"))
        done = load(home, load_id=load_id)
        assert done.outcomes == {"malformed": 1}
        assert done.counts == Counts(rejected=2)
    assert tickers(home) == []
    assert shelf(home, ".done") == []
    names = shelf(home, ".failed")
    assert len(names) == 4
    for name in names:
        if name.endswith(".txt"):
            note = (home.inbox / ".failed" / "prices" / name).read_text()
            assert note.startswith("None of its 2 rows could be stored.\nrow 1: the ticker")


def test_real_files_do_not_enter_a_simulated_home(home: Home) -> None:
    with Warehouse(home.build) as store:
        told = store.con.sql(f"select 'AAA' as ticker, '{DAY}' as session_date, 1 as close")
        store.append("prices", told, source="sample")
    file = drop(home, "x.csv", bars("A1"))
    with pytest.raises(HomeError, match="never share a home"):
        load(home)
    assert file.exists()


# Once


def test_the_same_content_is_stored_once_whatever_its_name(home: Home) -> None:
    drop(home, "x.csv", bars("A1"))
    assert load(home).counts == Counts(new=1)
    for name in ("x.csv", "y.csv"):
        drop(home, name, bars("A1"))
    done = load(home)
    assert done.counts == Counts()
    assert done.outcomes == {"ok": 2}
    told = rows(home, "select reason from raw.fetches order by fetched_at")
    assert [row[0] for row in told] == [None, *["its content was stored before"] * 2]
    names = shelf(home, ".done")
    assert {"x.csv", "y.csv"} < set(names)
    assert [name.endswith("-x.csv") for name in names].count(True) == 1
    assert rows(home, "select count(*) from raw.batches") == [(1,)]


def test_the_same_content_in_another_table_is_another_file(home: Home) -> None:
    told = f"ticker,session_date,close,name\nA1,{DAY},1,Alpha\n"
    drop(home, "x.csv", told)
    drop(home, "x.csv", told, table="securities")
    assert load(home).counts == Counts(new=1)
    assert load(home, "securities").counts == Counts(new=1)


def test_a_file_never_overwrites_another_that_was_put_away(home: Home) -> None:
    contents = [bars("A1", close=close) for close in (1, 2, 3)]
    for content in contents:
        drop(home, "x.csv", content)
        load(home)
    folder = home.inbox / ".done" / "prices"
    assert sorted(file.read_text() for file in folder.iterdir()) == sorted(contents)

    drop(home, "y.csv.txt", "I was here first")
    load(home)
    drop(home, "y.csv", "nothing")
    load(home)
    kept = [file.read_text() for file in (home.inbox / ".failed" / "prices").iterdir()]
    assert "I was here first" in kept
    assert "nothing" in kept


def test_a_crash_after_the_commit_stores_nothing_twice(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*arguments: Any) -> None:
        raise KeyboardInterrupt

    file = drop(home, "x.csv", bars("A1", "A B"))
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            load(home)
    assert file.exists()
    assert tickers(home) == ["A1"]

    done = load(home)
    assert done.counts == Counts()
    assert not file.exists()
    assert "x.csv" in shelf(home, ".done")
    assert rows(home, "select count(*) from raw.prices") == [(1,)]
    assert rows(home, "select count(*) from raw.rejects") == [(1,)]


def test_a_crash_before_the_commit_leaves_the_file_for_the_next_ingest(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(home, "x.csv", bars("A1"))

    def crash(*arguments: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "append", crash)
        with pytest.raises(KeyboardInterrupt):
            load(home)
    assert tickers(home) == []
    assert load(home).counts == Counts(new=1)


def test_a_file_that_vanishes_before_it_is_read_fails_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(home, "a.csv", bars("A1"))
    drop(home, "b.csv", bars("A2"))
    whole = Inbox.pending

    def pending(self: Inbox, *arguments: Any) -> Any:
        units = whole(self, *arguments)
        (home.inbox / "prices" / "a.csv").unlink()
        return units

    monkeypatch.setattr(Inbox, "pending", pending)
    assert load(home).outcomes == {"failed": 1, "ok": 1}
    assert tickers(home) == ["A2"]


# Anything at all


FUZZ = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["A1", "A2", DAY, "1", "-1", "1e999", "NaN", "", '"', '""', "\n", "\ufeff", "\0"]
    ),
)
CSV_LIKE = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4).map(
    lambda told: (HEADER + "\n".join(",".join(row) for row in told)).encode(errors="replace")
)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5), CELLS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3),
    max_leaves=5,
)
JSON_LIKE = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("ticker", "session_date", "close", "x", "", "Close"), JSON_VALUES
            ),
        ).map(json.dumps),
        JSON_VALUES.map(json.dumps),
        st.text(max_size=10),
    ),
    max_size=4,
).map(lambda lines: "\n".join(lines).encode(errors="replace"))
CONTENTS = st.one_of(
    st.tuples(st.just(".csv"), st.one_of(st.binary(max_size=200), CSV_LIKE)),
    st.tuples(st.just(".jsonl"), st.one_of(st.binary(max_size=200), JSON_LIKE)),
    st.tuples(st.just(".csv.gz"), st.one_of(st.binary(max_size=50), CSV_LIKE.map(gzip.compress))),
    st.tuples(st.just(".jsonl.gz"), JSON_LIKE.map(gzip.compress)),
    st.tuples(st.just(".parquet"), st.binary(max_size=200)),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("fuzzed"))


def everything_ended(home: Home, files: int) -> None:
    load_id = uuid.uuid4().hex
    done = load(home, load_id=load_id)
    assert sum(done.outcomes.values()) == files
    assert set(done.outcomes) <= {"ok", "empty", "malformed"}
    assert waiting(home.inbox) == []
    with Warehouse(home.build) as store:
        told = store.con.execute(
            "select outcome, reason from raw.fetches where load_id = ?", [load_id]
        ).fetchall()
        assert len(told) == files
        assert all(outcome == "ok" or reason for outcome, reason in told)
        bad = "select count(*) from raw.prices where not isfinite(close) or close is null"
        assert store.con.execute(bad).fetchone() == (0,)


@FUZZ
@given(contents=st.lists(CONTENTS, min_size=30, max_size=30))
def test_whatever_lies_in_a_file_ingest_ends_it_with_a_typed_outcome(
    fuzzed: Home, contents: list[tuple[str, bytes]]
) -> None:
    for number, (end, content) in enumerate(contents):
        drop(fuzzed, f"{number}{end}", content)
    everything_ended(fuzzed, len(contents))


@settings(FUZZ, max_examples=5)
@given(data=st.data())
def test_whatever_is_damaged_in_a_parquet_file_ingest_ends_it_with_a_typed_outcome(
    fuzzed: Home, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = parquet(
        tmp_path_factory.getbasetemp() / "whole",
        f"select 'T' || i as ticker, date '{DAY}' - i::int as session_date, i * 1.5 as close, "
        "{'a': [i]} as x from range(200) as t(i)",
    )
    for number in range(20):
        damaged = bytearray(whole)
        for place, byte in data.draw(
            st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1)
        ):
            damaged[place] = byte
        drop(fuzzed, f"{number}.parquet", bytes(damaged))
    everything_ended(fuzzed, 20)
