with
    ratings as (select row_id, ticker, graded_on, graded_at from {{ ref("stg_ratings") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    days as (select exchange, day, closes_at from {{ ref("stg_calendar_days") }} where is_session),
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
            closes_at,
            lag(day) over (partition by exchange order by day asc nulls last) as day_before,
            lag(closes_at) over (
                partition by exchange order by day asc nulls last
            ) as closed_before_at
        from days
    ),
    -- Returns of sessions that follow each other, beside the benchmark's over the same two closes.
    paired as (
        select
            own.ticker,
            own.session_date,
            own_before.session_date as session_before,
            row_number() over (
                partition by own.ticker order by own.session_date asc nulls last
            ) as session_number,
            own.close / own_before.close as own_growth,
            theirs.close / theirs_before.close as benchmark_growth
        from rated
        inner join listings on listings.ticker = rated.ticker
        inner join universe on universe.ticker = rated.ticker
        inner join bars as own on own.ticker = rated.ticker
        inner join
            sessions on sessions.exchange = listings.exchange and sessions.day = own.session_date
        inner join
            bars as own_before
            on own_before.ticker = own.ticker
            and own_before.session_date = sessions.day_before
        inner join
            bars as theirs
            on theirs.ticker = universe.benchmark
            and theirs.session_date = own.session_date
        inner join
            bars as theirs_before
            on theirs_before.ticker = universe.benchmark
            and theirs_before.session_date = sessions.day_before
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
    dated as (
        select ratings.row_id, ratings.ticker, ratings.graded_on, sessions.day as day_0
        from ratings
        inner join listings on listings.ticker = ratings.ticker
        inner join
            sessions
            on sessions.exchange = listings.exchange
            and sessions.closes_at
            > coalesce(ratings.graded_at, cast(ratings.graded_on as timestamp))
            and sessions.closed_before_at
            <= coalesce(ratings.graded_at, cast(ratings.graded_on as timestamp))
    ),
    near_reports as (
        select dated.row_id, count(*) as report_count
        from dated
        inner join
            reports
            on reports.ticker = dated.ticker
            and reports.announced_on between dated.day_0 - 1 and dated.day_0 + 1
        group by dated.row_id
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
            coalesce(near_reports.report_count, 0) as report_count,
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
        left join near_reports on near_reports.row_id = dated.row_id
        left join known_reports on known_reports.ticker = dated.ticker
    ),
    final as (
        select
            row_id,
            ticker,
            day_0,
            abnormal_return_0_1,
            residual_volatility_63d,
            case
                when report_count > 0
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
