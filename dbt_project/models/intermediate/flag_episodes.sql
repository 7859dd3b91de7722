{%- set by_observation = (
    "partition by flag, kind, metric, ticker order by observation asc nulls last"
) -%}

with
    observations as (select * from {{ ref("flag_observations") }}),
    -- The state is that of the newest event: the parity of the greatest of 2 x observation + event.
    states as (
        select
            *,
            coalesce(
                max(case when event is not null then observation * 2 + event end) over (
                    {{ by_observation }} rows between unbounded preceding and current row
                ),
                0
            )
            % 2 as state
        from observations
    ),
    switched as (
        select
            *,
            lead(state, 1, 0) over ({{ by_observation }}) as state_after,
            lag(state, 1, 0) over ({{ by_observation }}) as state_before
        from states
    ),
    numbered as (
        select
            *,
            sum(case when state = 1 and state_before = 0 then 1 else 0 end) over (
                {{ by_observation }} rows between unbounded preceding and current row
            ) as span
        from switched
    ),
    -- From the value that entered a condition to the one that left it.
    spans as (
        select
            flag,
            kind,
            ticker,
            metric,
            min(observed_on) as opened_on,
            min(case when state = 0 then observed_on end) as closed_on,
            coalesce(
                min(case when state = 0 then observed_on end), cast('9999-12-31' as date)
            ) as ends_on,
            max(case when state = 1 then observed_on end) as last_observed_on,
            max(case when state = 1 and severity is not null then observation * 10 + severity end)
            % 10 as severity,
            max(case when state = 1 then severity end) as peak_severity,
            max(case when state = 1 and state_after = 0 then value end) as newest_value,
            {% for column in ["severity", "value", "sample_count", "qualifier", "pit_quality"] %}
                max(
                    case when state = 1 and state_before = 0 then {{ column }} end
                ) as opening_{{ column }}
                {{- "," if not loop.last }}
            {% endfor %}
        from numbered
        where span > 0 and (state = 1 or state_before = 1)
        group by flag, kind, ticker, metric, span
    ),
    -- A flag is open while one of its conditions is.
    bounded as (
        select
            *,
            max(ends_on) over (
                partition by flag, kind, ticker
                order by opened_on asc nulls last, metric asc nulls last
                rows between unbounded preceding and 1 preceding
            ) as ended_before
        from spans
    ),
    joined as (
        select
            *,
            sum(case when ended_before is null or opened_on > ended_before then 1 else 0 end) over (
                partition by flag, kind, ticker
                order by opened_on asc nulls last, metric asc nulls last
                rows between unbounded preceding and current row
            ) as episode
        from bounded
    ),
    ranked as (
        select
            *,
            max(ends_on) over (partition by flag, kind, ticker, episode) as episode_ends_on,
            row_number() over (
                partition by flag, kind, ticker, episode
                order by
                    opened_on asc nulls last,
                    opening_severity desc nulls last,
                    metric asc nulls last
            ) as opening_rank
        from joined
    ),
    openings as (select * from ranked where opening_rank = 1),
    final as (
        select
            md5(
                concat(
                    openings.flag,
                    '|',
                    openings.kind,
                    '|',
                    openings.ticker,
                    '|',
                    cast(openings.opened_on as {{ dbt.type_string() }})
                )
            ) as flag_episode_id,
            openings.flag,
            openings.kind,
            openings.ticker,
            openings.metric,
            openings.opened_on,
            case
                when openings.episode_ends_on < cast('9999-12-31' as date)
                then openings.episode_ends_on
            end as closed_on,
            max(ranked.last_observed_on) as last_observed_on,
            max(
                case when ranked.ends_on = openings.episode_ends_on then ranked.severity end
            ) as severity,
            max(ranked.peak_severity) as peak_severity,
            openings.opening_severity,
            openings.opening_value,
            openings.opening_sample_count,
            openings.opening_qualifier,
            openings.opening_pit_quality,
            openings.last_observed_on as newest_observed_on,
            openings.newest_value
        from openings
        inner join
            ranked
            on ranked.flag = openings.flag
            and ranked.kind = openings.kind
            and ranked.ticker = openings.ticker
            and ranked.episode = openings.episode
        group by
            openings.flag,
            openings.kind,
            openings.ticker,
            openings.metric,
            openings.opened_on,
            openings.episode_ends_on,
            openings.opening_severity,
            openings.opening_value,
            openings.opening_sample_count,
            openings.opening_qualifier,
            openings.opening_pit_quality,
            openings.last_observed_on,
            openings.newest_value
    )
select *
from final
