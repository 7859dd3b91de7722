with
    rates as (select * from {{ ref("dollar_rates") }}),
    currencies as (select code, major_code from {{ ref("currencies") }}),
    pairs as (
        select distinct reported.major_code as reported_code, quoted.major_code as quoted_code
        from {{ ref("stg_securities_history") }} as securities
        inner join currencies as reported on reported.code = securities.financial_currency
        inner join currencies as quoted on quoted.code = securities.currency
        where reported.major_code <> quoted.major_code
    ),
    crossed as (
        select
            pairs.reported_code,
            pairs.quoted_code,
            coalesce(reported.session_date, quoted.session_date) as session_date,
            ln(coalesce(reported.dollar_rate, 1)) - ln(coalesce(quoted.dollar_rate, 1)) as log_rate,
            coalesce(reported.row_id, quoted.row_id) as row_id,
            coalesce(reported.told_close, quoted.told_close) as told_close,
            case when reported.row_id is not null then quoted.row_id end as other_row_id,
            case when reported.row_id is not null then quoted.told_close end as other_told_close,
            coalesce(reported.pit_quality, quoted.pit_quality) as pit_quality
        from pairs
        left join rates as reported on reported.currency = pairs.reported_code
        left join
            rates as quoted
            on quoted.currency = pairs.quoted_code
            and (reported.session_date is null or quoted.session_date = reported.session_date)
        where
            (pairs.reported_code = 'USD' or reported.currency is not null)
            and (pairs.quoted_code = 'USD' or quoted.currency is not null)
    ),
    changed as (
        select
            *,
            log_rate - lag(log_rate) over history as log_change,
            log_rate - lag(log_rate, 20) over history as log_move,
            {%- for leg in ["", "other_"] %}
                lag({{ leg }}row_id, 20) over history as {{ leg }}row_id_20d_ago,
                lag({{ leg }}told_close, 20) over history as {{ leg }}told_close_20d_ago,
                first_value({{ leg }}row_id) over the_year as {{ leg }}row_id_272d_ago,
                first_value({{ leg }}told_close) over the_year as {{ leg }}told_close_272d_ago
                {{- "," if not loop.last }}
            {%- endfor %}
        from crossed
        window
            history as (
                partition by reported_code, quoted_code order by session_date asc nulls last
            ),
            -- The first of 252 changes is from the rate before it.
            the_year as (
                partition by reported_code, quoted_code
                order by session_date asc nulls last
                rows between 272 preceding and current row
            )
    ),
    -- What is usual, a year tells that ended before the move began.
    measured as (
        select
            *,
            count(log_change) over before_the_move as change_count,
            stddev_samp(log_change) over before_the_move as stddev_change
        from changed
        window
            before_the_move as (
                partition by reported_code, quoted_code
                order by session_date asc nulls last
                rows between 271 preceding and 20 preceding
            )
    ),
    final as (
        select
            reported_code,
            quoted_code,
            session_date,
            abs(log_move) / nullif(stddev_change * sqrt(20.0), 0) as move_20d_sigmas,
            change_count,
            {%- for leg in ["", "other_"] %}
                {%- for moment in ["", "_20d_ago", "_272d_ago"] %}
                    {{ leg }}row_id{{ moment }}, {{ leg }}told_close{{ moment }},
                {%- endfor %}
            {%- endfor %}
            pit_quality
        from measured
        where log_move is not null and change_count >= 2
    )
select *
from final
