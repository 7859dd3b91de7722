with
    ratings as (select row_id, ticker, graded_on, graded_at from {{ ref("stg_ratings") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    days as (
        select exchange, day, is_session, session_number, closes_at
        from {{ ref("stg_calendar_days") }}
    ),
    bars as (
        select ticker, session_date, close from {{ ref("stg_prices") }} where is_final and close > 0
    ),
    reports as (
        select distinct ticker, cast(announced_from as date) as announced_on
        from {{ ref("stg_earnings_dates") }}
        where announced_from is not null
    ),
    rated as (select distinct ticker from ratings),
    sessions as (
        select
            exchange,
            day,
            session_number,
            closes_at,
            lag(day) over dates as day_before,
            lead(day) over dates as day_after
        from days
        where is_session
        window dates as (partition by exchange order by day asc nulls last)
    ),
    followed as (
        select
            bars.ticker,
            universe.benchmark,
            bars.session_date,
            sessions.day_before,
            lag(bars.session_date) over dates as session_before,
            bars.close / lag(bars.close) over dates as growth
        from rated
        inner join listings on listings.ticker = rated.ticker
        inner join universe on universe.ticker = rated.ticker
        inner join bars on bars.ticker = rated.ticker
        inner join
            sessions on sessions.exchange = listings.exchange and sessions.day = bars.session_date
        window dates as (partition by bars.ticker order by bars.session_date asc nulls last)
    ),
    -- Returns of sessions that follow each other, beside the benchmark's over the same two closes.
    paired as (
        select
            followed.ticker,
            followed.session_date,
            followed.session_before,
            row_number() over (
                partition by followed.ticker order by followed.session_date asc nulls last
            ) as session_number,
            followed.growth as own_growth,
            theirs.close / theirs_before.close as benchmark_growth
        from followed
        inner join
            bars as theirs
            on theirs.ticker = followed.benchmark
            and theirs.session_date = followed.session_date
        inner join
            bars as theirs_before
            on theirs_before.ticker = followed.benchmark
            and theirs_before.session_date = followed.session_before
        where followed.session_before = followed.day_before
    ),
    sums as (
        select
            ticker,
            session_number,
            count(*) over so_far as session_count,
            avg(own_growth) over so_far as own_mean,
            avg(benchmark_growth) over so_far as benchmark_mean,
            avg(own_growth * own_growth) over so_far as own_square,
            avg(benchmark_growth * benchmark_growth) over so_far as benchmark_square,
            avg(own_growth * benchmark_growth) over so_far as product
        from paired
        window
            so_far as (
                partition by ticker
                order by session_number asc nulls last
                rows between 62 preceding and current row
            )
    ),
    variances as (
        select
            ticker,
            session_number,
            session_count,
            own_square - own_mean * own_mean as own_variance,
            benchmark_square - benchmark_mean * benchmark_mean as benchmark_variance,
            product - own_mean * benchmark_mean as covariance
        from sums
    ),
    -- Of the market model's residual, with the two degrees of freedom that its line takes.
    residuals as (
        select
            ticker,
            session_number,
            session_count,
            sqrt(
                greatest(
                    own_variance - covariance * covariance / nullif(benchmark_variance, 0), 0.0
                )
                * session_count
                / nullif(session_count - 2, 0)
            ) as residual_volatility
        from variances
    ),
    moments as (
        select
            ratings.row_id,
            ratings.ticker,
            listings.exchange,
            coalesce(ratings.graded_at, cast(ratings.graded_on as timestamp)) as moment
        from ratings
        inner join listings on listings.ticker = ratings.ticker
    ),
    -- The session that closes next: the last one to begin by the moment's day (UTC), or the one
    -- after it. No session lasts beyond the midnight after its day.
    dated as (
        select
            moments.row_id,
            moments.ticker,
            case
                when sessions.closes_at > moments.moment then sessions.day else sessions.day_after
            end as day_0
        from moments
        inner join
            days on days.exchange = moments.exchange and days.day = cast(moments.moment as date)
        inner join
            sessions
            on sessions.exchange = days.exchange
            and sessions.session_number = days.session_number
    ),
    reported_days as (
        {%- for days in [-1, 0, 1] %}
            select ticker, announced_on + {{ days }} as day_0
            from reports {{ "union" if not loop.last }}
        {%- endfor %}
    ),
    known_reports as (select distinct ticker from reports),
    measured as (
        select
            dated.row_id,
            dated.ticker,
            dated.day_0,
            first_day.own_growth * second_day.own_growth
            - first_day.benchmark_growth * second_day.benchmark_growth as abnormal_return_0_1,
            case
                when residuals.session_count = 63 then residuals.residual_volatility
            end as residual_volatility_63d,
            reported_days.ticker is not null as is_near_report,
            known_reports.ticker is not null as has_known_reports
        from dated
        left join
            paired as first_day
            on first_day.ticker = dated.ticker
            and first_day.session_date = dated.day_0
        left join
            paired as second_day
            on second_day.ticker = dated.ticker
            and second_day.session_before = dated.day_0
        left join
            residuals
            on residuals.ticker = dated.ticker
            and residuals.session_number = first_day.session_number - 2
        left join
            reported_days
            on reported_days.ticker = dated.ticker
            and reported_days.day_0 = dated.day_0
        left join known_reports on known_reports.ticker = dated.ticker
        where dated.day_0 is not null
    ),
    final as (
        select
            row_id,
            ticker,
            day_0,
            abnormal_return_0_1,
            residual_volatility_63d,
            case
                when is_near_report
                then false
                when abs(abnormal_return_0_1) <= 1.96 * sqrt(2.0) * residual_volatility_63d
                then false
                when
                    has_known_reports
                    and abs(abnormal_return_0_1) > 1.96 * sqrt(2.0) * residual_volatility_63d
                then true
            end as is_influential
        from measured
    )
select *
from final
