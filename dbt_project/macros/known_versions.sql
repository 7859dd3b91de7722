{#-
The version of every key that was known at `as_of`, with when it was known and how we know that.

`key`: the raw table's key columns, `source` left out. `happened_at`: SQL over the version `v`, its
listing `l` and that listing's day `d` of `day`: the moment the fact was public. A key's first version in
the first successful load of its source and ticker brought years at once; it counts as known from that moment
(`reconstructed`). Every other version is known from when we stored it (`observed`), or from when
the vendor's file says it was (`vendor_stated`). Where several sources tell of one key,
`source_priority` picks one; with `of_all_sources` none is left out and `source_rank` is 1 of that
one. `every`: all versions known by `as_of`, not the newest alone, each until `superseded_at`.
`first_loads`: a relation that holds when the first load of each source and owner started, where it is kept. `changes`: SQL by which only the versions of changed keys are read.
-#}
{% macro known_versions(
    table,
    key,
    happened_at=none,
    day=none,
    owner="ticker",
    every=false,
    of_all_sources=false,
    first_loads=none,
    changes=none
) %}
    {%- set told = source("raw", table) -%}
    {%- if changes -%}
        {%- set told = "(select v.* from " ~ told ~ " as v " ~ changes ~ ")" -%}
    {%- endif %}
    with
        loads as (
            select batch_id, min(started_at) over (partition by load_id) as load_started_at
            from {{ source("raw", "batches") }}
            where asset = 'raw/{{ table }}'
        ),
        -- A key told once needs no window, and windows over wide rows are the most of what this
        -- costs.
        contested as (
            select {{ key | join(", ") }}
            from {{ told }} as v
            group by {{ key | join(", ") }}
            having count(*) > 1
        ),
        numbered as (
            select
                v.row_id,
                row_number() over (
                    partition by v.source, v.{{ key | join(", v.") }}
                    order by v.known_at asc nulls last
                ) as version_number,
                lead(v.known_at) over (
                    partition by v.source, v.{{ key | join(", v.") }}
                    order by v.known_at asc nulls last
                ) as superseded_at
            from {{ told }} as v
            inner join
                contested
                on {% for column in key -%}
                    contested.{{ column }} = v.{{ column }} {{- " and " if not loop.last }}
                {%- endfor %}
            inner join loads on loads.batch_id = v.batch_id
        ),
        versions as (
            select
                v.*,
                loads.load_started_at,
                numbered.row_id is not null as is_contested,
                coalesce(numbered.version_number, 1) as version_number,
                numbered.superseded_at
            from {{ told }} as v
            inner join loads on loads.batch_id = v.batch_id
            left join numbered on numbered.row_id = v.row_id
        ),
        first_loads as (
            {% if first_loads %}
                select source, {{ owner }}, first_load_started_at from {{ first_loads }}
            {% elif changes %}
                select v.source, v.{{ owner }}, min(loads.load_started_at) as first_load_started_at
                from {{ source("raw", table) }} as v
                inner join loads on loads.batch_id = v.batch_id
                group by v.source, v.{{ owner }}
            {% else %}
                select source, {{ owner }}, min(load_started_at) as first_load_started_at
                from versions
                group by source, {{ owner }}
            {% endif %}
        ),
        timed as (
            select
                v.*,
                {{ happened_at or "cast(null as timestamp)" }} as happened_at,
                v.load_started_at = first_loads.first_load_started_at as is_first_load
            from versions as v
            inner join
                first_loads
                on first_loads.source = v.source
                and first_loads.{{ owner }} = v.{{ owner }}
            {% if day %}
                left join {{ ref("stg_listings") }} as l on l.ticker = v.ticker
                left join
                    {{ ref("stg_calendar_days") }} as d
                    on d.exchange = l.exchange
                    and d.day = {{ day }}
            {% endif %}
        ),
        judged as (
            select
                *,
                case
                    when known_at <> stored_at
                    then 'vendor_stated'
                    when is_first_load and version_number = 1 and happened_at < known_at
                    then 'reconstructed'
                    else 'observed'
                end as pit_quality
            from timed
        ),
        dated as (
            select
                *,
                case
                    when pit_quality = 'reconstructed' then happened_at else known_at
                end as known_from
            from judged
        ),
        visible as (
            select dated.*, coalesce(own.priority, general.priority) as source_priority
            from dated
            left join
                {{ ref("source_priority") }} as own
                on own.source = dated.source
                and own.table_name = '{{ table }}'
            left join
                {{ ref("source_priority") }} as general
                on general.source = dated.source
                and general.table_name = '*'
            where
                known_from <= {{ as_of() }}
                {% if not every %}
                    and (superseded_at is null or superseded_at > {{ as_of() }})
                {% endif %}
        ),
        ranked as (
            select
                row_id,
                row_number() over (
                    partition by {{ key | join(", ") }} {% if every %}, known_from{% endif %}
                    order by source_priority asc nulls last, source asc nulls last
                ) as source_rank
            from visible
            where is_contested
        )
    select
        visible.*
        {%- if of_all_sources %}, coalesce(ranked.source_rank, 1) as source_rank {%- endif %}
    from visible
    left join ranked on ranked.row_id = visible.row_id
    {% if not of_all_sources %} where coalesce(ranked.source_rank, 1) = 1{% endif %}
{% endmacro %}
