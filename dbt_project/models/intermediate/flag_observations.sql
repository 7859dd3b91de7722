{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_rows(changed_observations()) }}",
    )
}}

{%- set condition = ["flag", "kind", "metric", "ticker"] -%}
{%- set by_observation = (
    "partition by " ~ condition | join(", ") ~ " order by observation asc nulls last"
) -%}
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
        judgements as ({{ flag_judgements() }}),
        kept as (
            select
                *,
                row_number() over (
                    partition by {{ condition | join(", ") }} order by observation desc nulls last
                ) as age_rank
            from {{ this }}
        ),
        -- Conditions that were open where they are gone on from.
        standing as (select * from kept where age_rank = 1 and coalesce(event, 1) = 1),
        changed as (
            select judgements.*
            from judgements
            where not judgements.is_of_prices
            union all
            select judgements.*
            from judgements
            inner join changes on changes.ticker = judgements.ticker
            where
                judgements.is_of_prices
                and judgements.observed_on >= changes.replaced_from
                and judgements.observed_on >= (select min(replaced_from) from changes)
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
        select {{ condition | join(", ") }}, min(begun_on) as begun_on, max(left_days) as left_days
        from
            (
                select
                    {{ condition | join(", ") }},
                    begun_on,
                    cast(null as {{ dbt.type_int() }}) as left_days
                from begun
                union all
                select
                    {{ condition | join(", ") }}, cast('0001-01-01' as date) as begun_on, left_days
                from standing
            ) as causes
        group by {{ condition | join(", ") }}
    ),
    numbered as (
        select
            changed.*,
            begun_or_standing.left_days as left_days_before,
            row_number() over (
                partition by changed.{{ condition | join(", changed.") }}
                order by
                    changed.observed_on asc nulls last,
                    changed.sign * changed.value desc nulls last,
                    changed.row_id asc nulls last
            ) as place
        from changed
        inner join
            begun_or_standing
            on {%- for column in condition %}
                begun_or_standing.{{ column }} = changed.{{ column }} and
            {%- endfor %} begun_or_standing.begun_on
            <= changed.observed_on
    ),
    runs as (
        select
            *,
            place - coalesce(
                max(case when not is_left then place end) over places,
                - coalesce(left_days_before, 0)
            ) as left_days,
            lead(observed_on) over (
                partition by {{ condition | join(", ") }} order by place asc nulls last
            ) as next_observed_on
        from numbered
        window
            places as (
                partition by {{ condition | join(", ") }}
                order by place asc nulls last
                rows between unbounded preceding and current row
            )
    ),
    events as (
        select
            {{ condition | join(", ") }},
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
            {{ condition | join(", ") }},
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
            events.*,
            coalesce(
                max(
                    case
                        when events.event is not null then events.observation * 2 + events.event
                    end
                ) over (
                    partition by events.{{ condition | join(", events.") }}
                    order by events.observation asc nulls last
                    rows between unbounded preceding and current row
                ),
                case when standing.ticker is null then 0 else 1 end
            )
            % 2 as state,
            case when standing.ticker is null then 0 else 1 end as standing_state
        from events
        left join
            standing
            on {%- for column in condition %}
                standing.{{ column }} = events.{{ column }}{{ " and" if not loop.last }}
            {%- endfor %}
    ),
    switched as (
        select *, coalesce(lag(state) over ({{ by_observation }}), standing_state) as state_before
        from states
    ),
    final as (
        select
            {{ condition | join(", ") }},
            observed_on,
            observation,
            event,
            left_days,
            {{ columns | join(", ") }}
        from switched
        where state = 1 or state_before = 1
    )
select *
from final
