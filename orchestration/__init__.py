"""When things happen: Dagster's definitions around `warehouse/` and the dbt project."""
