"""First contact: what doctor finds and advises when Yahoo is well, and when it is not."""

from __future__ import annotations

import pytest

from tests.yahoo_emulator import Emulator
from warehouse import doctor
from warehouse.settings import Home
from warehouse.sources.yahoo import Yahoo


def test_all_is_well_and_nothing_is_stored(home: Home, emulator: Emulator) -> None:
    checks = doctor.examine(home, "AAPL")
    assert [check.name for check in checks] == ["client", "manners", *Yahoo.tables]
    assert {check.status for check in checks} == {"ok"}
    assert sum(check.requests for check in checks) == len(emulator.asked)
    assert not home.build.exists()


@pytest.mark.parametrize(
    ("faults", "table", "status", "finding", "advice", "goes_on"),
    [
        ({"*": "429"}, "prices", "fail", "throttled: Yahoo asks for fewer", "Wait.", False),
        ({"*": "403"}, "prices", "fail", "blocked: Yahoo refuses", "VPN", False),
        ({"*": "401"}, "prices", "fail", "blocked: Yahoo refuses the session", "VPN", False),
        ({"*": "junk"}, "prices", "fail", "changed format: Yahoo's answer is not", "newer", True),
        ({"*": "500"}, "prices", "fail", "no answer: Yahoo answered with an error", "Try", True),
        (
            {"*:upgradeDowngradeHistory": "rename:toGrade"},
            *("ratings", "fail", "changed format", "newer", True),
        ),
        (
            {"*:recommendationTrend": "retype:hold"},
            *("consensus", "warn", "changed format, still readable", "payload", True),
        ),
        ({"*:news": "empty"}, "news", "warn", "nothing: Yahoo's stream", "another", True),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(
    home: Home,
    emulator: Emulator,
    faults: dict[str, list[str] | str],
    table: str,
    status: str,
    finding: str,
    advice: str,
    goes_on: bool,
) -> None:
    emulator.faults = faults
    checks = {check.name: check for check in doctor.examine(home, "AAPL")}
    assert checks[table].status == status
    assert finding in checks[table].finding
    assert advice in checks[table].advice
    assert ("news" in checks) == goes_on


def test_an_unknown_ticker_and_no_network_are_told_apart(
    home: Home, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.unknown = {"NIX"}
    checks = doctor.examine(home, "NIX")
    assert checks[2].finding.startswith("unknown ticker: Yahoo does not know NIX")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    checks = doctor.examine(home, "AAPL")
    assert [check.name for check in checks] == ["client", "manners", "prices"]
    assert checks[-1].finding.startswith("no network")
    assert "HTTPS_PROXY" in checks[-1].advice


def test_another_version_of_the_client_is_named(
    home: Home, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda _: "9.9.9")
    client = doctor.examine(home, "AAPL")[0]
    assert client.status == "warn" and "9.9.9; this version was made for 1.7.0" in client.finding
