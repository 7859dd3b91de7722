-- A ticker that leaves universe.csv is told of once more, as not covered.
alter table raw.universe add column if not exists is_covered boolean;
