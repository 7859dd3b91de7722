"""Pictures of a company's page: SVG by matplotlib, made fit to stand inside a page.

What matplotlib writes as style attributes becomes presentation attributes, which a strict content
security policy allows; ink and grid take the page's colours, so that they follow its dark mode.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

# Points of a line; more are not to be seen at this width.
MOST_POINTS = 400
# Colours that tell apart in light and dark, also for the colour-blind (Okabe and Ito); the first
# stands for the page's own ink.
INK = "#010203"
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#d55e00", "#009e73", "#cc3311", "#888888"
_SEVERITY_COLOURS = {1: GREY, 2: BLUE, 3: ORANGE, 4: RED}
_DECLARATION = re.compile(r"\s*([\w-]+)\s*:\s*([^;]+?)\s*(?:;|$)")


def price_chart(
    bars: Sequence[Row], calls: Sequence[Row], flags: Sequence[Row], currency: str
) -> str:
    """Draw closes in `currency`, their means of 50 and 200 sessions, calls and severe flags."""
    figure, axes = _figure(3.2)
    shown = _thinned(bars)
    days = [row["session_date"] for row in shown]
    for column, colour, name, width in (
        ("close", INK, "close", 1.3),
        ("sma_50", BLUE, "mean of 50 sessions", 1.0),
        ("sma_200", ORANGE, "mean of 200 sessions", 1.0),
    ):
        values = [row[column] if row[column] is not None else float("nan") for row in shown]
        axes.plot(days, values, color=colour, linewidth=width, label=name)
    closes = {row["session_date"]: row["close"] for row in bars}
    for effect, marker, colour, name in (
        ("up", "^", GREEN, "target raised or upgrade"),
        ("down", "v", RED, "target cut or downgrade"),
    ):
        points: list[tuple[Any, float]] = [
            (day, closes[day])
            for call in calls
            if call["effect"] == effect and (day := _session(call["graded_on"], closes)) is not None
        ]
        if points:
            axes.plot(
                [day for day, _ in points],
                [close for _, close in points],
                marker=marker,
                markersize=5,
                linestyle="none",
                color=colour,
                label=name,
                zorder=3,
            )
    spans = [
        (start, end - start)
        for flag in flags
        if flag["severity"] >= 2 and flag["kind"] != "exposure" and days
        for start, end in [(max(flag["opened_on"], days[0]), flag["closed_on"] or days[-1])]
        if end >= days[0]
    ]
    if spans:
        axes.broken_barh(
            spans,
            (0, 1),
            transform=axes.get_xaxis_transform(),
            color=ORANGE,
            alpha=0.09,
            linewidth=0,
            label="flag of severity 2 or more open",
        )
    _date(axes)
    axes.set_ylabel(currency)
    axes.legend(loc="upper left", fontsize=7, frameon=False, ncols=2)
    return _svg(figure, "Closing price, moving averages, analysts' calls and open risk flags")


def target_chart(sessions: Sequence[Row], currency: str) -> str:
    """Draw the range and median of the named firms' targets, and the close, in `currency`."""
    figure, axes = _figure(2.6)
    shown = _thinned([row for row in sessions if row["close"] is not None])
    days = [row["session_date"] for row in shown]

    def column(name: str) -> list[float]:
        return [row[name] if row[name] is not None else float("nan") for row in shown]

    axes.fill_between(
        days,
        column("target_low"),
        column("target_high"),
        color=BLUE,
        alpha=0.18,
        linewidth=0,
        step="post",
        label="lowest to highest target",
    )
    axes.plot(
        days,
        column("target_median"),
        color=BLUE,
        linewidth=1.0,
        drawstyle="steps-post",
        label="median target",
    )
    axes.plot(days, column("close"), color=INK, linewidth=1.3, label="close")
    _date(axes)
    axes.set_ylabel(currency)
    axes.legend(loc="upper left", fontsize=7, frameon=False)
    return _svg(figure, "Range of named price targets against the price over time")


def vote_chart(counts: Sequence[tuple[str, int | None, int | None]]) -> str:
    """Draw how many say what: of each label, the vendor's count and that of the named firms."""
    figure, axes = _figure(1.9)
    places = range(len(counts))
    for offset, told, colour, name in (
        (-0.2, [vendor for _, vendor, _ in counts], BLUE, "vendor's snapshot"),
        (0.2, [firms for _, _, firms in counts], ORANGE, "named firms"),
    ):
        values = [count for count in told if count is not None]
        if len(values) < len(counts):  # not known is not none
            continue
        bars = axes.barh([p + offset for p in places], values, 0.36, color=colour, label=name)
        axes.bar_label(bars, fontsize=7, padding=2, color=INK)
    axes.set_yticks(list(places), [count[0] for count in counts])
    axes.invert_yaxis()
    axes.legend(loc="lower right", fontsize=7, frameon=False)
    return _svg(figure, "Distribution of analysts' votes")


def flag_chart(flags: Sequence[Row], until: date) -> str:
    """Draw from when to when each flag was open, darker the more severe."""
    names = sorted({flag["flag"] for flag in flags})
    figure, axes = _figure(0.7 + 0.22 * max(len(names), 1), left=0.17)
    episodes: dict[tuple[str, int], list[tuple[date, timedelta]]] = {}
    for flag in flags:
        length = (flag["closed_on"] or until) - flag["opened_on"]
        spans = episodes.setdefault((flag["flag"], flag["severity"]), [])
        spans.append((flag["opened_on"], max(length, timedelta(days=3))))
    for (name, severity), spans in episodes.items():
        place = names.index(name)
        axes.broken_barh(
            spans,  # type: ignore[arg-type]  # days are converted as those of bars are
            (place - 0.3, 0.6),
            color=_SEVERITY_COLOURS[severity],
        )
    _date(axes)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    return _svg(figure, "Episodes of risk flags; grey info, blue watch, orange warning, red severe")


def sparkline(closes: Sequence[float]) -> str:
    """Draw the last closes as a small line without axes, the same in any theme."""
    if len(closes) < 2:
        return ""
    low, high = min(closes), max(closes)
    step = 100 / (len(closes) - 1)
    points = " ".join(
        f"{i * step:.1f},{22 - 20 * (value - low) / ((high - low) or 1):.1f}"
        for i, value in enumerate(closes)
    )
    return (
        '<svg class="spark" viewBox="0 0 100 24" width="100" height="24" aria-hidden="true">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def _date(axes: Axes) -> None:
    """Put few and short dates on the axis of time."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axes.xaxis_date()
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]


@cache
def _drawing() -> type[Figure]:
    """Return matplotlib's figure, its settings once made for pages."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "bellwether",
            "font.family": "sans-serif",
            "font.size": 8,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "path.simplify_threshold": 0.5,
        }
    )
    return Figure


def _figure(height: float, left: float = 0.11) -> tuple[Figure, Axes]:
    figure = _drawing()(figsize=(7.6, height))
    # Fixed margins: finding them by drawing takes as long as the drawing.
    figure.subplots_adjust(left=left, right=0.99, bottom=0.28 / height, top=1 - 0.1 / height)
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _svg(figure: Figure, title: str) -> str:
    """Return a figure as an SVG element that names itself and keeps no style of its own."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'style="([^"]*)"', _attributes, text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # Names of one picture must not meet those of another on the same page.
    mark = re.sub(r"\W+", "", title)[:12].lower()
    text = re.sub(r'id="([^"]+)"', rf'id="{mark}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{mark}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{mark}-\1"', text)
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text).replace(INK, "currentColor")
    text = re.sub(r"\n\s*", "\n", text)
    return re.sub(
        r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>",
        rf'<svg class="chart" role="img" aria-label="{title}" viewBox="\1" '
        'stroke-linejoin="round" stroke-linecap="butt">',
        text,
        count=1,
    )


def _attributes(found: re.Match[str]) -> str:
    pairs = dict(_DECLARATION.findall(found[1].replace("&quot;", "'")))
    font = pairs.pop("font", None)
    if font:
        size = re.search(r"([\d.]+px)", font)
        pairs["font-size"] = size[1] if size else "8px"
        pairs["font-family"] = "sans-serif"
    pairs.pop("transform-origin", None)
    return " ".join(f'{name}="{value}"' for name, value in pairs.items())


def _thinned(rows: Sequence[Row]) -> list[Row]:
    """Return every n-th row so that few enough are left, the newest among them."""
    step = -(-len(rows) // MOST_POINTS) or 1
    return list(rows[::-1][::step])[::-1]


def _session(day: date, closes: Mapping[date, float]) -> date | None:
    """Return the first session on or after a day, within a week."""
    return next((d for n in range(8) if (d := day + timedelta(days=n)) in closes), None)
