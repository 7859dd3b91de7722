{% set by_session = "partition by ticker order by session_date asc nulls last" %}

with
    prices as (
        select ticker, session_date, open, high, low, close, adj_close, volume, dividend, known_at
        from {{ ref("stg_prices") }}
        where is_final
    ),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (select exchange, day, session_number from {{ ref("stg_calendar_days") }}),
    bars as (
        select prices.*, days.session_number
        from prices
        left join listings on listings.ticker = prices.ticker
        left join days on days.exchange = listings.exchange and days.day = prices.session_date
    ),
    lagged as (
        select
            *,
            row_number() over history as bar_number,
            lead(session_date) over history as next_session_date,
            lag(session_date) over history as previous_session_date,
            lag(session_number) over history as previous_session_number,
            lag(close, 1) over history as close_1d_ago,
            lag(close, 5) over history as close_5d_ago,
            lag(close, 21) over history as close_21d_ago,
            lag(close, 63) over history as close_63d_ago,
            lag(close, 126) over history as close_126d_ago,
            lag(close, 252) over history as close_252d_ago
        from bars
        window history as ({{ by_session }})
    ),
    steps as (
        select
            *,
            -- Where no calendar is known: eleven weekdays missing make at least 16 days.
            coalesce(
                session_number - previous_session_number - 1 > 10,
                {{ dbt.datediff("previous_session_date", "session_date", "day") }} > 15,
                true
            ) as is_after_gap,
            dividend is null or coalesce(dividend >= close_1d_ago, false) as is_dividend_unknown
        from lagged
    ),
    measured as (
        select
            *,
            case when is_after_gap then bar_number end as gap_bar_number,
            case when not is_after_gap then ln(close / close_1d_ago) end as log_return,
            case
                when dividend > 0 and not is_dividend_unknown then ln(1 - dividend / close_1d_ago)
            end as log_dividend_factor
        from steps
    ),
    framed as (
        select
            *,
            bar_number - max(gap_bar_number) over so_far as step_count,
            close * exp(coalesce(sum(log_dividend_factor) over later, 0)) as own_total_return_close,
            case when bar_number >= 50 then avg(close) over last_50 end as sma_50,
            case when bar_number >= 200 then avg(close) over last_200 end as sma_200,
            max(close) over last_252 as high_52w,
            max(high) over last_252 as high_52w_intraday,
            case
                when count(log_return) over last_21 >= 0.8 * 21
                then stddev_samp(log_return) over last_21 * sqrt(252)
            end as volatility_21d,
            case
                when count(log_return) over last_63 >= 0.8 * 63
                then stddev_samp(log_return) over last_63 * sqrt(252)
            end as volatility_63d,
            case
                when count(log_return) over last_252 >= 0.8 * 252
                then stddev_samp(log_return) over last_252 * sqrt(252)
            end as volatility_252d,
            case
                when count(volume) over previous_60 = 60
                then {{ rolling_median("volume") }} over previous_60
            end as median_volume
        from measured
        window
            so_far as ({{ by_session }} rows between unbounded preceding and current row),
            later as ({{ by_session }} rows between 1 following and unbounded following),
            last_21 as ({{ by_session }} rows between 20 preceding and current row),
            last_50 as ({{ by_session }} rows between 49 preceding and current row),
            last_63 as ({{ by_session }} rows between 62 preceding and current row),
            last_200 as ({{ by_session }} rows between 199 preceding and current row),
            last_252 as ({{ by_session }} rows between 251 preceding and current row),
            previous_60 as ({{ by_session }} rows between 60 preceding and 1 preceding)
    ),
    vendor_tickers as (select distinct ticker from steps where is_dividend_unknown),
    vintages as (
        select ticker, known_at, count(*) as bar_count, max(session_date) as newest_session_date
        from steps
        where adj_close is not null
        group by ticker, known_at
    ),
    ranked_vintages as (
        select
            *,
            row_number() over (
                partition by ticker order by bar_count desc nulls last, known_at desc nulls last
            ) as vintage_rank
        from vintages
    ),
    vendor_scales as (
        select
            vendor_tickers.ticker,
            ranked_vintages.known_at,
            steps.close / steps.adj_close as adj_close_scale
        from vendor_tickers
        left join
            ranked_vintages
            on ranked_vintages.ticker = vendor_tickers.ticker
            and ranked_vintages.vintage_rank = 1
        left join
            steps
            on steps.ticker = ranked_vintages.ticker
            and steps.session_date = ranked_vintages.newest_session_date
    ),
    levels as (
        select
            framed.*,
            case
                when vendor_scales.ticker is null
                then framed.own_total_return_close
                when vendor_scales.known_at = framed.known_at
                then framed.adj_close * vendor_scales.adj_close_scale
            end as total_return_close,
            case
                when vendor_scales.ticker is null
                then 'own'
                when vendor_scales.known_at = framed.known_at and framed.adj_close is not null
                then 'vendor'
            end as total_return_basis
        from framed
        left join vendor_scales on vendor_scales.ticker = framed.ticker
    ),
    ages as (
        {% for age in range(8) %}
            {% if not loop.first %}
                union all
            {% endif %}
            select {{ age }} as age
        {% endfor %}
    ),
    anchors as (
        select
            levels.ticker,
            levels.session_date + ages.age as day,
            levels.close,
            levels.total_return_close
        from levels
        cross join ages
        where
            levels.next_session_date is null
            or levels.session_date + ages.age < levels.next_session_date
    ),
    year_ends as (
        select ticker, extract(year from session_date) + 1 as next_year, close, total_return_close
        from levels
        where
            next_session_date is null
            or extract(year from next_session_date) > extract(year from session_date)
    ),
    final as (
        select
            levels.ticker,
            levels.session_date,
            levels.close,
            levels.total_return_close,
            levels.volume,
            levels.sma_50,
            levels.sma_200,
            {% for length in [1, 5, 21, 63, 126, 252] %}
                case
                    when levels.step_count >= {{ length }}
                    then levels.close / levels.close_{{ length }}d_ago - 1
                end as return_{{ length }}d,
            {% endfor %}
            levels.close / anchors_1m.close - 1 as return_1m,
            levels.close / anchors_3m.close - 1 as return_3m,
            levels.close / anchors_6m.close - 1 as return_6m,
            levels.close / anchors_12m.close - 1 as return_12m,
            levels.close / year_ends.close - 1 as return_ytd,
            {% for price in ["high", "low", "open"] %}
                case
                    when levels.step_count >= 1 then levels.{{ price }} / levels.close_1d_ago - 1
                end as {{ price }}_return_1d,
            {% endfor %}
            levels.total_return_close / anchors_1m.total_return_close - 1 as total_return_1m,
            levels.total_return_close / anchors_12m.total_return_close - 1 as total_return_12m,
            levels.total_return_close / year_ends.total_return_close - 1 as total_return_ytd,
            levels.total_return_basis,
            case
                when levels.bar_number >= 252
                then anchors_1m.total_return_close / anchors_12m.total_return_close - 1
            end as momentum_12_1,
            levels.high_52w,
            levels.close / levels.high_52w as high_52w_ratio,
            levels.high_52w_intraday,
            levels.close / levels.high_52w - 1 as drawdown_252d,
            levels.volatility_21d,
            levels.volatility_63d,
            levels.volatility_252d,
            levels.volume / nullif(levels.median_volume, 0) as volume_surge
        from levels
        {% for months in [1, 3, 6, 12] %}
            left join
                anchors as anchors_{{ months }}m
                on anchors_{{ months }}m.ticker = levels.ticker
                and anchors_{{ months }}m.day
                = cast(levels.session_date - interval '{{ months }}' month as date)
        {% endfor %}
        left join
            year_ends
            on year_ends.ticker = levels.ticker
            and year_ends.next_year = extract(year from levels.session_date)
    )
select *
from final
