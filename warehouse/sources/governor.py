"""Manners towards a host that owes us nothing: pace, daily budget, back-off, and leaving it alone.

Every request passes `Governor.send`. What must outlive the process lies in one folder: the requests
of the last day, and whether and until when the host is left alone. Several processes may share it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import tenacity
from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerStorage
from pyrate_limiter import Duration, Limiter, Rate, RateItem, SQLiteBucket, StateBucket, TokenBucket
from pyrate_limiter.limiter import SingleBucketFactory

from warehouse.errors import EmptyAnswer, Failed, HomeError, Malformed, NotFound, Throttled

T = TypeVar("T")
PREFIX = "BELLWETHER_YAHOO_"
# So many requests in a row without an answer say that the next will have none either.
MOST_FAILURES = 5
LONGEST_BACK_OFF = 60.0
LONGEST_COOL_DOWN = 6 * 3600.0
# Whatever a host asks for, and whatever a clock says that jumped.
LONGEST_REST = 86400.0
_REQUESTS = "requests.sqlite"


@dataclass(frozen=True)
class Manners:
    """How we behave towards the host; each can be set as BELLWETHER_YAHOO_<NAME>.

    The pace is the one yfinance's own documentation recommends, two requests in five seconds.
    A request without an answer is made at most `attempts` times, with an exponential, jittered
    back-off that begins at `back_off_seconds`. A host that asks to be left alone, or is silent, is
    left alone for `cool_down_seconds`, twice as long each time in a row, up to six hours; for as
    long as it asks for, up to a day.
    """

    requests_per_minute: float = 24
    requests_per_day: float = 8000
    timeout_seconds: float = 20
    attempts: float = 3
    back_off_seconds: float = 5
    cool_down_seconds: float = 1800

    @classmethod
    def from_environment(cls) -> Self:
        """Return the manners that the environment asks for.

        Raises `HomeError` for a setting that is not a number above zero.
        """
        told = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            if not (text := os.environ.get(name)):
                continue
            try:
                told[field.name] = float(text)
            except ValueError:
                told[field.name] = 0.0
            if not 0 < told[field.name] < float("inf"):
                raise HomeError(f"{name} is '{text}', which is not a number above zero.")
        return cls(**told)


@dataclass(frozen=True)
class Standing:
    """How we stand with the host: requests of the last 24 hours, and since and until when it rests.

    `resume_at` (UTC) is None while requests may be sent; `cause` says why they may not.
    """

    requests_today: int = 0
    budget: int = 0
    resume_at: datetime | None = None
    cause: str | None = None


class Refused(Failed):
    """The host refuses us, whatever we ask for."""


class Troubled(Failed):
    """The host answered, with an error of its own: it may be so for this one question alone."""


# Errors that say that the host answered, though not with what was asked for.
_ANSWERS = (NotFound, EmptyAnswer, Malformed, Troubled)


class TryAgain(Exception):
    """A request failed in a way that may pass; `error` is what it comes to when it does not."""

    def __init__(self, error: Throttled | Failed | Malformed, wait_seconds: float = 0.0) -> None:
        """Say what failed, and how long the host asked us to wait."""
        super().__init__(str(error))
        self.error = error
        self.wait_seconds = wait_seconds


class Governor:
    """One request at a time, at a pace, within a daily budget, and none while the host rests.

    `sent` counts the requests this governor let pass.
    """

    def __init__(self, folder: Path, manners: Manners | None = None) -> None:
        """Keep in `folder` what other processes must know."""
        folder.mkdir(parents=True, exist_ok=True)
        self.manners = manners or Manners.from_environment()
        self.sent = 0
        self._asked_wait = 0.0
        self._lock = folder / "request.lock"
        pace = Rate(max(1, round(self.manners.requests_per_minute)), Duration.MINUTE, burst=2)
        bucket = StateBucket([pace], algorithm=TokenBucket())
        self._pace = Limiter(SingleBucketFactory(bucket, schedule_leak=False))
        self._budget = _budget(folder, self.manners)
        self._rest = _Rest(folder / "rest.json", self.manners.cool_down_seconds)
        self._breaker = CircuitBreaker(
            fail_max=MOST_FAILURES,
            exclude=[_is_no_fault],
            state_storage=self._rest,
            throw_new_error_on_trip=False,
        )

    def close(self) -> None:
        """Give the files back."""
        self._budget.close()  # type: ignore[no-untyped-call]

    def send(self, request: Callable[[], T], *, is_aside: bool = False) -> T:
        """Make a request, again where `TryAgain` says so, and return its answer.

        One `is_aside` asks for no data, as for a cookie: its answer does not show that the host
        is well again.

        Raises the error of the last `TryAgain`, what else `request` raises, and `Throttled` or
        `Failed` with `resume_at` when the host is to be left alone.
        """
        self._breaker.reset_timeout = self._rest.cool_down
        try:
            answer: T = self._breaker.call(self._persevere, request)
            # A session refused once is renewed; only what follows is an answer.
            if not is_aside and getattr(answer, "status_code", None) != 401:
                self._rest.forget()
            return answer
        except CircuitBreakerError:
            raise self._resting() from None
        except _ANSWERS:
            self._rest.forget()
            raise
        except (Throttled, Failed) as error:
            if error.resume_at is None:
                if isinstance(error, Throttled | Refused) and self._rest.state != "open":
                    self._breaker.open()
                self._rest.explain(error, self._asked_wait)
                error.resume_at = self._rest.due_at
            raise

    def _persevere(self, request: Callable[[], T]) -> T:
        manners = self.manners
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryAgain),
            stop=tenacity.stop_after_attempt(max(1, round(manners.attempts))),
            wait=tenacity.wait_exponential_jitter(
                multiplier=manners.back_off_seconds,
                max=LONGEST_BACK_OFF,
                jitter=manners.back_off_seconds,
            ),
            reraise=True,
        )
        self._asked_wait = 0.0
        try:
            answer: T = again(self._one, request)
            return answer
        except TryAgain as failure:
            self._asked_wait = failure.wait_seconds
            raise failure.error from failure.__cause__

    def _one(self, request: Callable[[], T]) -> T:
        with _held(self._lock):
            self._pace.try_acquire("request")
            item = RateItem("request", _milliseconds())
            if not self._budget.put(item):
                wait = timedelta(milliseconds=_number(self._budget.waiting(item)))
                raise Throttled(
                    f"The {self.manners.requests_per_day:,.0f} requests of a day are spent "
                    f"({PREFIX}REQUESTS_PER_DAY).",
                    resume_at=_utc_now() + wait,
                )
            self.sent += 1
            return request()

    def _resting(self) -> Throttled | Failed:
        due_at = self._rest.due_at or _utc_now()
        cause = self._rest.cause or "It did not answer."
        kind = Throttled if self._rest.is_throttled else Failed
        return kind(
            f"Nothing is asked before {due_at:%Y-%m-%d %H:%M} UTC. The reason: {cause}",
            resume_at=due_at,
        )


def standing(folder: Path) -> Standing:
    """Return how we stand with the host, from what governors kept in `folder`."""
    manners = Manners.from_environment()
    if not folder.is_dir():
        return Standing(budget=round(manners.requests_per_day))
    rest = _Rest(folder / "rest.json", manners.cool_down_seconds)
    spent, oldest = _spent(folder)
    resume_at, cause = rest.due_at, rest.cause
    if spent and spent >= manners.requests_per_day:
        frees_at = datetime.fromtimestamp(oldest / 1000, UTC).replace(tzinfo=None)
        resume_at = max(resume_at or frees_at, frees_at + timedelta(days=1))
        cause = cause or "The requests of a day are spent."
    return Standing(
        requests_today=spent,
        budget=round(manners.requests_per_day),
        resume_at=resume_at,
        cause=cause if resume_at else None,
    )


def _is_no_fault(error: BaseException) -> bool:
    """Whether the host answered, though it has nothing for us, or it is we who stop."""
    return isinstance(error, _ANSWERS) or getattr(error, "resume_at", None) is not None


def _spent(folder: Path) -> tuple[int, int]:
    """How many requests the last day had, and when (ms) the first of them was sent; writes nothing.

    One of a clock that was ahead counts as sent now. Raises `HomeError` for a file that is damaged.
    """
    path, now = folder / _REQUESTS, _milliseconds()
    if not path.is_file():
        return 0, now
    day = int(timedelta(days=1) / timedelta(milliseconds=1))
    query = "select count(*), min(item_timestamp) from requests where item_timestamp > ?"

    def ask(how: str) -> tuple[int, int]:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as con:
            count, oldest = con.execute(query, [now - day]).fetchone()
        return int(count), min(int(oldest or now), now)

    with _told_if_damaged(path):
        try:
            return ask("mode=ro")
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return 0, now  # it is being made
            # Even who reads writes locks beside the file, but where nothing can be written.
            return ask("immutable=1")


@contextlib.contextmanager
def _told_if_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise HomeError(
            f"{path} is damaged ({error}). It only counts the requests of the last day: delete it "
            "and run this again."
        ) from error


def _budget(folder: Path, manners: Manners) -> SQLiteBucket:
    rate = Rate(max(1, round(manners.requests_per_day)), Duration.DAY)
    path = folder / _REQUESTS
    with _told_if_damaged(path):
        bucket = SQLiteBucket.init_from_file([rate], "requests", str(path), use_file_lock=True)
    now = _milliseconds()
    # What a clock that was ahead recorded counts from now on, not until that moment comes.
    bucket.conn.execute(
        "update requests set item_timestamp = ? where item_timestamp > ?", [now, now + 60_000]
    )
    bucket.conn.commit()
    bucket.leak(now)
    return bucket


class _Rest(CircuitBreakerStorage):
    """The circuit breaker's state in a file, so that every process knows of it."""

    def __init__(self, path: Path, shortest: float) -> None:
        super().__init__("file")
        self.path = path
        self.shortest = shortest

    def _read(self) -> dict[str, Any]:
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _write(self, **changes: object) -> None:
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps({**self._read(), **changes}), encoding="utf-8")
        os.replace(unfinished, self.path)

    @property
    def state(self) -> str:
        return str(self._read().get("state", "closed"))

    @state.setter
    def state(self, state: str) -> None:
        times = int(self._read().get("times", 0))
        if state == "open":
            cool_down = min(self.shortest * 2**times, max(LONGEST_COOL_DOWN, self.shortest))
            self._write(state=state, times=times + 1, cool_down=cool_down)
        else:
            self._write(state=state, **({"cause": None} if state == "closed" else {}))

    def forget(self) -> None:
        """Let the next rest be the shortest again: the host answered."""
        if self._read().get("times"):
            self._write(times=0)

    def explain(self, error: Throttled | Failed, asked_wait: float) -> None:
        """Keep why the host rests, and that it asked for so many seconds of it."""
        self._write(
            cause=str(error),
            is_throttled=isinstance(error, Throttled),
            cool_down=max(self.cool_down, min(asked_wait, LONGEST_REST)),
        )

    @property
    def cool_down(self) -> float:
        return float(self._read().get("cool_down", self.shortest))

    @property
    def cause(self) -> str | None:
        return self._read().get("cause")

    @property
    def due_at(self) -> datetime | None:
        opened_at = self.opened_at
        if self.state != "open" or opened_at is None:
            return None
        due_at = (opened_at + timedelta(seconds=self.cool_down)).replace(tzinfo=None)
        return due_at if due_at > _utc_now() else None

    @property
    def is_throttled(self) -> bool:
        return bool(self._read().get("is_throttled"))

    @property
    def opened_at(self) -> datetime | None:
        """Since when the host rests; a moment to come is none, for the clock was ahead then.

        How long ago that was nobody can know, so the host may be asked once.
        """
        told = self._read().get("opened_at")
        moment = datetime.fromisoformat(told) if told else None
        if moment is None or moment.replace(tzinfo=None) > _utc_now() + timedelta(minutes=1):
            return None
        return moment

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._write(opened_at=moment.isoformat())

    @property
    def counter(self) -> int:
        return int(self._read().get("counter", 0))

    def increment_counter(self) -> None:
        self._write(counter=self.counter + 1)

    def reset_counter(self) -> None:
        if self.counter:
            self._write(counter=0)

    @property
    def success_counter(self) -> int:
        return int(self._read().get("success_counter", 0))

    def increment_success_counter(self) -> None:
        self._write(success_counter=self.success_counter + 1)

    def reset_success_counter(self) -> None:
        if self.success_counter:
            self._write(success_counter=0)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the operating system's lock on a file; a process that dies gives it back."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _number(told: Any) -> int:
    """Return what a limiter of this process tells at once."""
    assert isinstance(told, int)
    return told


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
