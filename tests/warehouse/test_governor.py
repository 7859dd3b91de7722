"""Manners: pace, budget, back-off, and leaving a host alone, across processes."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pybreaker
import pytest

from warehouse.errors import EmptyAnswer, Failed, HomeError, Malformed, SourceError, Throttled
from warehouse.sources import governor
from warehouse.sources.governor import Governor, Manners, Refused, Troubled, TryAgain, standing

QUICK = Manners(6e6, 1e6, 1, 3, 0.001, 600)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "yahoo"


def fails(*errors: Exception | None):  # type: ignore[no-untyped-def]
    """A request that fails so, one after another, and then is answered."""
    left = iter(errors)

    def request() -> str:
        error = next(left, None)
        if error is not None:
            raise error
        return "answer"

    return request


def ripen(folder: Path) -> None:
    """Have the cool-down begin long ago."""
    path = folder / "rest.json"
    told = json.loads(path.read_text())
    told["opened_at"] = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    path.write_text(json.dumps(told))


def test_a_failure_that_passes_is_not_seen(folder: Path) -> None:
    asked = Governor(folder, QUICK)
    again = TryAgain(Failed("500"))
    assert asked.send(fails(again, again)) == "answer"
    assert asked.sent == 3
    with pytest.raises(Failed, match="500"):
        asked.send(fails(again, again, again))
    assert asked.sent == 6
    # What no second try can change is not tried again.
    with pytest.raises(EmptyAnswer):
        asked.send(fails(EmptyAnswer("nothing")))
    assert asked.sent == 7


def test_the_back_off_grows_and_is_jittered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    asked = Governor(folder, replace(QUICK, attempts=5, back_off_seconds=5))
    asked.send(fails(*[TryAgain(Failed("500"))] * 4))
    assert len(slept) == 4
    for wait, least in zip(slept, (5, 10, 20, 40), strict=True):
        assert least <= wait <= least + 5
    assert len({round(wait % 5, 3) for wait in slept}) > 1


@pytest.mark.parametrize("error", [TryAgain(Throttled("429")), Refused("403")])
def test_a_host_that_asks_for_it_is_left_alone_by_every_process(
    folder: Path, error: Exception
) -> None:
    first = Governor(folder, replace(QUICK, attempts=1))
    with pytest.raises(SourceError) as raised:
        first.send(fails(error))
    due = raised.value.resume_at
    assert due is not None
    wait = due - datetime.now(UTC).replace(tzinfo=None)
    assert timedelta(seconds=590) < wait <= timedelta(seconds=600)
    # As another process would.
    second = Governor(folder, QUICK)
    with pytest.raises(SourceError, match="Nothing is asked before") as again:
        second.send(fails())
    assert again.value.resume_at == due and second.sent == 0
    assert again.value.outcome == raised.value.outcome
    stands = standing(folder)
    assert stands.resume_at == due and stands.cause == str(raised.value)


def test_the_cool_down_doubles_until_the_host_comes_round(folder: Path) -> None:
    waits = []
    for _ in range(7):
        asked = Governor(folder, replace(QUICK, attempts=1))
        with pytest.raises(Throttled) as raised:
            asked.send(fails(TryAgain(Throttled("429"))))
        assert asked.sent == 1
        assert raised.value.resume_at is not None
        waits.append(raised.value.resume_at - datetime.now(UTC).replace(tzinfo=None))
        ripen(folder)
    hours = [round(wait.total_seconds() / 60) for wait in waits]
    assert hours == [10, 20, 40, 80, 160, 320, 360]
    assert Governor(folder, QUICK).send(fails()) == "answer"
    assert standing(folder).resume_at is None
    asked = Governor(folder, replace(QUICK, attempts=1))
    with pytest.raises(Throttled) as raised:
        asked.send(fails(TryAgain(Throttled("429"))))
    assert raised.value.resume_at is not None
    wait = raised.value.resume_at - datetime.now(UTC).replace(tzinfo=None)
    assert round(wait.total_seconds() / 60) == 10


def test_the_cool_down_doubles_for_a_session_refused_anew_each_time(folder: Path) -> None:
    hours = []
    for _ in range(3):
        asked = Governor(folder, replace(QUICK, attempts=1))
        # The first refusal comes back to the client, which renews its session and asks again.
        asked.send(lambda: SimpleNamespace(status_code=401))
        asked.send(lambda: "crumb", is_aside=True)
        with pytest.raises(Refused) as raised:
            asked.send(fails(Refused("401")))
        assert raised.value.resume_at is not None
        wait = raised.value.resume_at - datetime.now(UTC).replace(tzinfo=None)
        hours.append(round(wait.total_seconds() / 60))
        ripen(folder)
    assert hours == [10, 20, 40]


def test_the_wait_a_host_asks_for_is_kept(folder: Path) -> None:
    asked = Governor(folder, replace(QUICK, attempts=1))
    with pytest.raises(Throttled) as raised:
        asked.send(fails(TryAgain(Throttled("429"), wait_seconds=7200)))
    assert raised.value.resume_at is not None
    wait = raised.value.resume_at - datetime.now(UTC).replace(tzinfo=None)
    assert 7190 < wait.total_seconds() <= 7200


def test_a_silent_host_is_left_alone_and_one_that_answers_is_not(folder: Path) -> None:
    asked = Governor(folder, replace(QUICK, attempts=1))
    silent = TryAgain(Failed("timeout"))
    for heard in (Malformed("not JSON"), Troubled("500")):
        for _ in range(20):
            with pytest.raises(type(heard)):
                asked.send(fails(TryAgain(heard)))
    for _ in range(governor.MOST_FAILURES - 1):
        with pytest.raises(Failed) as raised:
            asked.send(fails(silent))
        assert raised.value.resume_at is None
    assert asked.send(fails()) == "answer"
    for number in range(1, governor.MOST_FAILURES + 1):
        with pytest.raises(Failed) as raised:
            asked.send(fails(silent))
        assert (raised.value.resume_at is not None) == (number == governor.MOST_FAILURES)
    assert raised.value.outcome == "failed"


def test_the_budget_of_a_day_is_shared_by_processes(folder: Path) -> None:
    poor = replace(QUICK, requests_per_day=3)
    for _ in range(3):
        Governor(folder, poor).send(fails())
    with pytest.raises(Throttled, match="3 requests of a day are spent") as raised:
        Governor(folder, poor).send(fails())
    due = raised.value.resume_at
    assert due is not None
    wait = due - datetime.now(UTC).replace(tzinfo=None)
    assert timedelta(hours=23, minutes=59) < wait <= timedelta(hours=24, seconds=1)
    # It is we who stop: the host is not in disgrace when the budget frees.
    assert Governor(folder, QUICK).send(fails()) == "answer"


def test_the_pace_is_a_token_bucket_of_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    from pyrate_limiter import limiter

    monkeypatch.setattr(limiter, "sleep", slept.append)
    asked = Governor(folder, replace(QUICK, requests_per_minute=24))
    for _ in range(5):
        asked.send(fails())
    # Two at once, then one in two and a half seconds.
    assert len(slept) == 3
    # As nobody really slept, each waits for all before it.
    assert [round(wait / 2.5) for wait in slept] == [1, 2, 3]


def test_settings_come_from_the_environment_and_make_sense(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Manners.from_environment() == Manners()
    monkeypatch.setenv("BELLWETHER_YAHOO_REQUESTS_PER_MINUTE", "6")
    assert Manners.from_environment() == replace(Manners(), requests_per_minute=6)
    for nonsense in ("fast", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("BELLWETHER_YAHOO_REQUESTS_PER_MINUTE", nonsense)
        with pytest.raises(HomeError, match="not a number above zero"):
            Manners.from_environment()


def test_nothing_is_known_before_the_first_request(folder: Path) -> None:
    assert standing(folder) == governor.Standing(budget=8000)
    assert not folder.exists()


def test_a_count_of_requests_that_is_damaged_is_told_with_what_to_do(folder: Path) -> None:
    folder.mkdir()
    file = folder / "requests.sqlite"
    file.touch()
    assert standing(folder).requests_today == 0
    file.write_bytes(b"no database" * 1000)
    for look in (lambda: standing(folder), lambda: Governor(folder, QUICK)):
        with pytest.raises(HomeError, match=r"requests\.sqlite is damaged .*delete it"):
            look()
    file.unlink()
    assert Governor(folder, QUICK).send(fails()) == "answer"


def test_no_rest_is_longer_than_a_day_whatever_a_host_asks_for(folder: Path) -> None:
    with pytest.raises(Throttled) as told:
        Governor(folder, QUICK).send(fails(*[TryAgain(Throttled("429"), 1e9)] * 3))
    assert told.value.resume_at is not None
    day = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1, minutes=1)
    assert told.value.resume_at < day and standing(folder).resume_at == told.value.resume_at


def test_a_clock_that_was_ahead_leaves_no_rest_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=3650)

    class Shown(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return ahead.replace(tzinfo=tz)  # type: ignore[arg-type]

    manners = replace(QUICK, requests_per_day=4)
    with monkeypatch.context() as then:
        then.setattr(governor, "_utc_now", lambda: ahead)
        then.setattr(governor, "_milliseconds", lambda: int(ahead.timestamp() * 1000))
        then.setattr(pybreaker, "datetime", Shown)
        asked = Governor(folder, manners)
        with pytest.raises(Throttled):
            asked.send(fails(*[TryAgain(Throttled("429"))] * 3))
        assert standing(folder).resume_at is not None
        asked.close()
    assert standing(folder).resume_at is None
    # It is asked once; what was asked for then counts for a day at most.
    asked = Governor(folder, manners)
    assert asked.send(fails()) == "answer"
    with pytest.raises(Throttled, match="spent") as told:
        asked.send(fails())
    assert told.value.resume_at is not None
    day = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1, minutes=1)
    assert told.value.resume_at < day
    asked.close()
