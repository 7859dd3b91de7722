"""The static site, written after each refresh from what was published."""

import time
from collections.abc import Sequence

import dagster as dg

from orchestration.inputs import FAULT, is_of_the_machine
from orchestration.lock import Writer
from warehouse import publish
from warehouse.brief.site import write_site

PAGES = dg.AssetKey(["site", "pages"])
_SCORECARD = dg.AssetKey(["marts", "scorecard"])


def site(built: dg.AssetsDefinition) -> Sequence[dg.AssetsDefinition]:
    """Return the asset that writes the site; none where the project builds no scorecard."""
    if _SCORECARD not in built.keys:
        return []

    # The scorecard stands for all marts: every refresh builds it, and it comes after them.
    @dg.asset(
        key=PAGES,
        group_name="site",
        kinds={"html"},
        deps=[_SCORECARD],
        description="The watchlist and one page per company, in `<home>/site/`; only pages whose "
        "facts changed are written again.",
    )
    def pages(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads only the bare name
        started = time.monotonic()
        home = writer.home
        made = publish.newest(home)
        if made is None:
            raise dg.Failure("Nothing is published yet: there is nothing to write pages of.")
        try:
            with publish.reading(home) as con:
                done = write_site(home, con, made.as_of)
        except Exception as error:
            if not is_of_the_machine(error):
                context.instance.add_run_tags(context.run.run_id, {FAULT: "true"})
            raise
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(done.written) + done.kept,
                "written": len(done.written),
                "unchanged": done.kept,
                "removed": done.removed,
                "largest_page_bytes": done.largest_bytes,
                "index": dg.MetadataValue.path(str(home.site / "index.html")),
                "seconds": round(time.monotonic() - started, 3),
            }
        )

    return [pages]
