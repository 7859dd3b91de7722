"""Everything dbt builds, as one step: build and test all models, then publish.

The keys are dagster-dbt's own: `marts/momentum` is `marts.momentum`, `rules/peers` is a seed.
"""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration import catalogue, dbt
from orchestration.inputs import AS_OF, FAULT, IF_NEW, INPUTS, MODELS, inputs_key, is_built
from orchestration.lock import PROGRESS, Writer
from warehouse.publish import publish
from warehouse.settings import Home
from warehouse.sources.calendars import moment, moment_before_next_open
from warehouse.store import Warehouse

STEP = "dbt"
_UNIQUE_ID = "dagster_dbt/unique_id"
# What dbt tells of DuckDB's errors that may pass by themselves.
_OF_THE_MACHINE = re.compile(r"\b(?:IO|FATAL|Out of Memory) Error: ")

Event = dg.MaterializeResult[None] | dg.AssetCheckResult


class RefreshConfig(dg.Config):
    """What a refresh is asked for.

    `as_of` is the moment whose knowledge the marts show: UTC in ISO form, or a day; blank is now.
    With `anew` every table is made from the raw rows alone.
    """

    as_of: str | None = None
    anew: bool = False


def models() -> dg.AssetsDefinition:
    """Return dbt's seeds and models as assets and its tests as their checks."""
    manifest = dbt.prepare_manifest()

    @dbt_assets(  # type: ignore[untyped-decorator]
        manifest=manifest.path,
        name=STEP,
        dagster_dbt_translator=DagsterDbtTranslator(
            DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)
        ),
    )
    def refresh(
        context: dg.AssetExecutionContext, writer: Writer, config: RefreshConfig
    ) -> Iterator[Event]:
        home, instance, run = writer.home, context.instance, context.run
        inputs = inputs_key(instance)
        if inputs and not context.is_subset:
            if IF_NEW in run.tags and is_built(instance, home, inputs, config.as_of):
                context.log.info("Another run has built these inputs already.")
                return
            asked = {AS_OF: config.as_of} if config.as_of else {}
            instance.add_run_tags(run.run_id, {INPUTS: inputs, **asked})

        as_of = _moment(home, config.as_of)
        started = time.monotonic()
        built = dbt.build(
            manifest,
            home,
            as_of=as_of,
            select=_selected(context),
            whole=IF_NEW not in run.tags,
            anew=config.anew,
            on_node=PROGRESS.get(),
        )
        ran = [node for node in built if node.is_asset and not node.is_skipped]
        told = f"{len(ran)} of {len(context.assets_def.specs_by_key)} in {_since(started)} s"
        instance.add_run_tags(run.run_id, {MODELS: told})
        context.log.info(
            f"dbt built and tested as of {as_of}: {told}\n"
            + "\n".join(f"{node.name} {node.seconds:.2f} s" for node in ran)
        )

        started = time.monotonic()
        yield from _events(context, manifest, home, built)
        context.log.info(f"described in {_since(started)} s")

        failed = [node for node in built if not node.is_good and not node.is_skipped]
        if failed:
            if not any(_OF_THE_MACHINE.search(node.message) for node in failed):
                instance.add_run_tags(run.run_id, {FAULT: "true"})
            raise dg.Failure(
                "Nothing was published, because "
                + "; ".join(f"{node.kind} {node.name}: {node.message}" for node in failed),
                allow_retries=False,
            )
        if context.is_subset:
            context.log.info("Not published: only some of the models were built.")
            return
        published = publish(home, as_of=as_of)
        context.log.info(
            f"published {published.version}: {published.size_bytes / 1e6:.1f} MB "
            f"by {published.way} in {published.seconds} s"
        )

    assert isinstance(refresh, dg.AssetsDefinition)
    return refresh


def _moment(home: Home, asked: str | None) -> datetime:
    """The moment (UTC) to build for; a simulated home's clock stands at its last session."""
    with Warehouse(home.build) as warehouse:
        is_simulated = warehouse.is_simulated()
    if asked:
        return moment(asked)
    if is_simulated:
        from warehouse.sources.sample import LAST_SESSION

        return moment_before_next_open(LAST_SESSION)
    return datetime.now(UTC).replace(tzinfo=None)


def _selected(context: dg.AssetExecutionContext) -> list[str] | None:
    if not context.is_subset:
        return None
    names = {key.path[-1] for key in context.selected_asset_keys}
    # A check is selected by itself only where its asset is not.
    names |= {
        key.name
        for key in context.selected_asset_check_keys
        if key.asset_key not in context.selected_asset_keys
    }
    return sorted(names)


def _events(
    context: dg.AssetExecutionContext,
    manifest: dbt.Manifest,
    home: Home,
    built: list[dbt.Built],
) -> Iterator[Event]:
    described = catalogue.describe(
        home, [node for node in built if node.is_good or not node.is_asset]
    )
    lineage = catalogue.lineage(manifest, described, built, context.log.warning)
    checks = {
        spec.metadata[_UNIQUE_ID]: spec.key
        for spec in context.assets_def.check_specs
        if spec.key in context.selected_asset_check_keys
    }
    for node in built:
        if node.is_asset and node.is_good:
            key = dg.AssetKey(node.name.split("."))
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(
                    asset_key=key,
                    metadata={
                        **described.metadata(node.name),
                        **catalogue.lineage_metadata(lineage.get(node.name, {})),
                        "seconds": round(node.seconds, 3),
                    },
                )
        elif node.unique_id in checks and not node.is_skipped:
            check = checks[node.unique_id]
            warned = node.status == "warn"
            findings = described.previews.get(node.unique_id)
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=node.status == "pass",
                severity=dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR,
                description=node.message or None,
                metadata={
                    "failing_rows": node.failing_rows,
                    "seconds": round(node.seconds, 3),
                    **({"rows": dg.MetadataValue.md(findings)} if findings else {}),
                },
            )


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)
