{{ config(tags="always") }}

{#- Raw tables that feed flags, where each tells of a ticker, and the day it tells of. -#}
{%- set tables = [
    ("prices", "momentum", "session_date"),
    ("securities", "stg_securities_history", "cast(known_from as date)"),
    ("ratings", "stg_ratings", "graded_on"),
    ("consensus", "stg_consensus", "snapshot_date"),
    ("valuations", "stg_valuations", "valued_on"),
    ("estimates", "stg_estimates", "snapshot_date"),
    ("earnings", "stg_earnings", "period_end"),
    ("earnings_dates", "stg_earnings_dates", "snapshot_date"),
    ("short_interest", "stg_short_interest", "settled_on"),
    ("news", "stg_news", "cast(known_from as date)"),
] -%}

with
    rules as (select * from {{ ref("risk_flag_rules") }}),
    metrics as (select * from {{ ref("flag_metrics") }}),
    universe as (select ticker from {{ ref("stg_universe") }}),
    consensus as (select ticker from {{ ref("consensus") }}),
    signals as (select ticker, known_from from {{ ref("stg_news_signals") }}),
    topics as (select ticker, known_from from {{ ref("stg_news_topics") }}),
    fetches as (
        select
            ticker,
            table_name,
            outcome,
            reason,
            fetched_at,
            row_number() over (
                partition by ticker, table_name
                order by fetched_at desc nulls last, source asc nulls last
            ) as age_rank
        from {{ source("raw", "fetches") }}
        where fetched_at <= {{ as_of() }}
    ),
    told as (
        {%- for table, relation, day in tables %}
            select '{{ table }}' as input_table, ticker, max({{ day }}) as newest_told_on
            from {{ ref(relation) }}
            group by ticker {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    tickers as (
        select ticker
        from told
        union
        select ticker
        from consensus
        union
        select ticker
        from universe
    ),
    observed as (
        select
            metrics.ticker,
            metrics.table_name,
            metrics.is_of_prices,
            metrics.observed_on,
            metrics.sample_count,
            rules.flag,
            rules.kind,
            rules.metric,
            case
                when
                    (rules.min_count is null or metrics.sample_count >= rules.min_count)
                    and (rules.qualifier_at is null or metrics.qualifier is not null)
                then metrics.observed_on
            end as judged_on
        from metrics
        inner join rules on rules.metric = metrics.metric
    ),
    -- The days on which a condition could be judged, the last on which its value was looked at, and
    -- the most that was ever behind it.
    judged as (
        select
            ticker,
            flag,
            kind,
            metric,
            case
                when max(case when is_of_prices then 1 else 0 end) = 1
                then 'bars'
                when count(table_name) = 0
                then 'analysts'
                else metric
            end as family,
            min(judged_on) as evaluated_from,
            max(judged_on) as evaluated_to,
            max(observed_on) as observed_to,
            max(sample_count) as most_count
        from observed
        group by ticker, flag, kind, metric
    ),
    -- Values of one origin are looked at together: where the others have a newer day, this one is
    -- missing since. A date that has passed tells of no next report, whatever else there is.
    dated as (
        select
            ticker,
            flag,
            kind,
            metric,
            evaluated_from,
            evaluated_to,
            family in ('bars', 'analysts', 'days_to_earnings') as is_daily,
            case
                when metric = 'days_to_earnings'
                then {{ as_of_date() }} - 7
                else max(observed_to) over (partition by ticker, family)
            end as observed_to,
            most_count
        from judged
    ),
    -- News without a topic is news that was looked at.
    scored as (
        select ticker, min(cast(known_from as date)) as evaluated_from
        from
            (
                select ticker, known_from
                from signals
                union all
                select ticker, known_from
                from topics
            ) as scores
        group by ticker
    ),
    conditions as (
        select
            tickers.ticker,
            rules.flag,
            rules.kind,
            rules.metric,
            rules.needs,
            rules.min_count,
            rules.input_tables,
            case
                when rules.quiet_days is not null
                then scored.evaluated_from
                else dated.evaluated_from
            end as evaluated_from,
            dated.evaluated_to,
            coalesce(dated.is_daily, false) as is_daily,
            dated.most_count,
            case
                when rules.quiet_days is not null
                then scored.ticker is not null
                else coalesce(dated.evaluated_to >= dated.observed_to, false)
            end as is_evaluated
        from tickers
        cross join rules
        left join scored on scored.ticker = tickers.ticker
        left join
            dated
            on dated.ticker = tickers.ticker
            and dated.flag = rules.flag
            and dated.kind = rules.kind
            and dated.metric = rules.metric
    ),
    inputs as (
        select
            conditions.ticker,
            conditions.flag,
            conditions.kind,
            conditions.metric,
            min(case when told.ticker is null then names.input_table end) as missing_table,
            string_agg(
                case
                    when told.ticker is not null
                    then null
                    when fetches.ticker is null
                    then concat('raw.', names.input_table, ' tells nothing of it')
                    else
                        concat(
                            'raw.',
                            names.input_table,
                            ' tells nothing of it, asked on ',
                            cast(cast(fetches.fetched_at as date) as {{ dbt.type_string() }}),
                            ': ',
                            coalesce(fetches.reason, fetches.outcome)
                        )
                end,
                ', '
                order by names.input_table asc nulls last
            ) as missing_words,
            string_agg(
                concat(
                    'raw.',
                    names.input_table,
                    ' up to ',
                    cast(told.newest_told_on as {{ dbt.type_string() }})
                ),
                ', '
                order by names.input_table asc nulls last
            ) as told_words
        from conditions
        inner join
            (
                {%- for table, _, _ in tables %}
                    select '{{ table }}' as input_table {{ "union all" if not loop.last }}
                {%- endfor %}
            ) as names
            on concat(' ', conditions.input_tables, ' ') like concat('% ', names.input_table, ' %')
        left join told on told.ticker = conditions.ticker and told.input_table = names.input_table
        left join
            fetches
            on fetches.ticker = conditions.ticker
            and fetches.table_name = names.input_table
            and fetches.age_rank = 1
        where not conditions.is_evaluated
        group by conditions.ticker, conditions.flag, conditions.kind, conditions.metric
    ),
    final as (
        select
            conditions.ticker,
            conditions.flag,
            conditions.kind,
            conditions.metric,
            conditions.needs,
            case when conditions.is_evaluated then 'evaluated' else 'missing' end as status,
            conditions.evaluated_from,
            case
                when conditions.is_daily or not conditions.is_evaluated then conditions.evaluated_to
            end as evaluated_to,
            inputs.missing_table,
            case
                when conditions.is_evaluated
                then null
                when not ({{ is_share("conditions.ticker") }})
                then 'a currency, a future or an index is no company'
                when inputs.missing_table is not null
                then inputs.missing_words
                when conditions.evaluated_to is not null
                then
                    concat(
                        'last there on ',
                        cast(conditions.evaluated_to as {{ dbt.type_string() }}),
                        '; told are ',
                        inputs.told_words
                    )
                when conditions.most_count < conditions.min_count
                then
                    concat(
                        'at most ',
                        {{ worded_number("conditions.most_count") }},
                        ' of ',
                        {{ worded_number("conditions.min_count") }},
                        ' so far; told are ',
                        inputs.told_words
                    )
                else concat('not enough of it; told are ', inputs.told_words)
            end as reason
        from conditions
        left join
            inputs
            on inputs.ticker = conditions.ticker
            and inputs.flag = conditions.flag
            and inputs.kind = conditions.kind
            and inputs.metric = conditions.metric
    )
select *
from final
