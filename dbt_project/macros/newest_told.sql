{#-
The versions of `relation`, all of which a time knew, that told of a newer day than any before them, or of
the same day anew; a fact of an older day that arrives late is none. Of several on one day, the last.
`day` is the column of the day told of, `key` the columns of what is followed.
-#}
{% macro newest_told(relation, day, key="ticker") %}
    with
        standings as (
            select
                *,
                cast(known_from as date) as observed_on,
                row_number() over (
                    partition by {{ key }}
                    order by
                        {{ day }} asc nulls last,
                        source_priority desc nulls last,
                        source desc nulls last,
                        known_from asc nulls last
                ) as standing
            from {{ relation }}
        ),
        compared as (
            select
                *,
                max(standing) over (
                    partition by {{ key }}
                    order by known_from asc nulls last, standing asc nulls last
                    rows between unbounded preceding and 1 preceding
                ) as standing_before
            from standings
        ),
        ranked as (
            select
                *,
                row_number() over (
                    partition by {{ key }}, observed_on order by standing desc nulls last
                ) as day_rank
            from compared
            where standing_before is null or standing > standing_before
        )
    select *
    from ranked
    where day_rank = 1
{% endmacro %}
