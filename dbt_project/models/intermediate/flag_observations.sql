{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_rows(changed_observations()) }}",
    )
}}

{%- set condition = ["flag", "kind", "metric", "ticker"] -%}
{%- set columns = [
    "severity",
    "value",
    "sample_count",
    "qualifier",
    "table_name",
    "row_id",
    "column_name",
    "evidence_value",
    "pit_quality",
    "is_of_prices",
] -%}

with
    changes as (select ticker, replaced_from from {{ ref("flag_changes") }}),
    {% if is_incremental() %}
        newest as (
            select {{ condition | join(", ") }}, max(observation) as observation
            from {{ this }}
            group by {{ condition | join(", ") }}
        ),
        -- Conditions that were open where they are gone on from.
        standing as (
            select kept.*
            from {{ this }} as kept
            inner join
                newest
                on newest.flag = kept.flag
                and newest.kind = kept.kind
                and newest.metric = kept.metric
                and newest.ticker = kept.ticker
                and newest.observation = kept.observation
            where coalesce(kept.event, 1) = 1
        ),
        changed as (
            select *
            from ({{ flag_judgements("not metrics.is_of_prices") }}) as judged
            union all
            select judged.*
            from ({{ flag_judgements("metrics.is_of_prices") }}) as judged
            inner join changes on changes.ticker = judged.ticker
            where
                judged.observed_on >= changes.replaced_from
                and judged.observed_on >= (select min(replaced_from) from changes)
        ),
    {% else %}
        standing as (
            select
                {% for column in condition -%}
                    cast(null as {{ dbt.type_string() }}) as {{ column }},
                {%- endfor %}
                cast(null as {{ dbt.type_int() }}) as left_days
            where 1 = 0
        ),
        changed as ({{ flag_judgements() }}),
    {% endif %}
    -- Most conditions of most tickers are never entered.
    begun as (
        select {{ condition | join(", ") }}, min(observed_on) as begun_on
        -- Read twice where all is made, since that costs less than to keep it.
        from
            {% if is_incremental() %} changed
            {% else %} ({{ flag_judgements() }}) as judged
            {% endif %}
        where is_entered
        group by {{ condition | join(", ") }}
    ),
    begun_or_standing as (
        select
            {{ condition | join(", ") }},
            min(begun_on) as begun_on,
            max(left_days) as left_days_before,
            max(standing_state) as standing_state,
            row_number() over (
                order by {{ condition | join(" asc nulls last, ") }} asc nulls last
            ) as condition_number
        from
            (
                select
                    {{ condition | join(", ") }},
                    begun_on,
                    cast(null as {{ dbt.type_int() }}) as left_days,
                    0 as standing_state
                from begun
                union all
                select
                    {{ condition | join(", ") }},
                    cast('0001-01-01' as date) as begun_on,
                    left_days,
                    1 as standing_state
                from standing
            ) as causes
        group by {{ condition | join(", ") }}
    ),
    -- A number instead of four words: windows sort all that they carry.
    numbered as (
        select
            begun_or_standing.condition_number,
            begun_or_standing.left_days_before,
            begun_or_standing.standing_state,
            changed.observed_on,
            changed.is_entered,
            changed.is_left,
            changed.min_days,
            changed.quiet_days,
            {% for column in columns %} changed.{{ column }}, {% endfor %}
            row_number() over (
                partition by begun_or_standing.condition_number
                order by
                    changed.observed_on asc nulls last,
                    changed.sign * changed.value desc nulls last,
                    changed.row_id asc nulls last
            ) as place
        from changed
        inner join
            begun_or_standing
            on begun_or_standing.flag = changed.flag
            and begun_or_standing.kind = changed.kind
            and begun_or_standing.metric = changed.metric
            and begun_or_standing.ticker = changed.ticker
            and begun_or_standing.begun_on <= changed.observed_on
    ),
    runs as (
        select
            *,
            place - coalesce(
                max(case when not is_left then place end) over so_far,
                - coalesce(left_days_before, 0)
            ) as left_days,
            lead(observed_on) over (
                partition by condition_number order by place asc nulls last
            ) as next_observed_on
        from numbered
        window
            so_far as (
                partition by condition_number
                order by place asc nulls last
                rows between unbounded preceding and current row
            )
    ),
    events as (
        select
            condition_number,
            standing_state,
            observed_on,
            -- A number that no other observation moves.
            case
                when is_of_prices
                then {{ dbt.datediff("cast('1900-01-01' as date)", "observed_on", "day") }}
                else place
            end
            * 2 as observation,
            case when is_entered then 1 when left_days = min_days then 0 end as event,
            left_days,
            {{ columns | join(", ") }}
        from runs
        where left_days <= min_days
        union all
        -- Quiet is no observation: it is so many days in which none was made.
        select
            condition_number,
            standing_state,
            observed_on + quiet_days as observed_on,
            place * 2 + 1 as observation,
            0 as event,
            left_days,
            {{ columns | join(", ") }}
        from runs
        where
            quiet_days is not null
            and (next_observed_on is null or next_observed_on > observed_on + quiet_days)
            and observed_on + quiet_days <= {{ as_of_date() }}
    ),
    -- The state is that of the newest event: the parity of the greatest of 2 x observation + event.
    -- What stood open begins the count.
    states as (
        select
            *,
            coalesce(
                max(case when event is not null then observation * 2 + event end) over (
                    partition by condition_number
                    order by observation asc nulls last
                    rows between unbounded preceding and current row
                ),
                standing_state
            )
            % 2 as state
        from events
    ),
    switched as (
        select
            *,
            lag(state, 1, standing_state) over (
                partition by condition_number order by observation asc nulls last
            ) as state_before
        from states
    ),
    final as (
        select
            {% for column in condition %} begun_or_standing.{{ column }}, {% endfor %}
            switched.observed_on,
            switched.observation,
            switched.event,
            switched.left_days,
            {% for column in columns %}
                switched.{{ column }} {{- "," if not loop.last }}
            {% endfor %}
        from switched
        inner join
            begun_or_standing on begun_or_standing.condition_number = switched.condition_number
        where switched.state = 1 or switched.state_before = 1
    )
select *
from final
