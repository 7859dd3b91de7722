{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('flag_changes'), 'replaced_from') }}",
    )
}}

{#- Wilder's averages of gain, loss and true range: a session takes a fourteenth. -#}
{%- set kept = 13 / 14 -%}
{%- set tail = tail_bars() | int -%}

with
    bars as (select * from {{ ref("known_bars") }}),
    versions as (
        select
            row_id,
            ticker,
            session_date,
            open,
            high,
            low,
            close,
            volume,
            open * split_factor as told_open,
            close * split_factor as told_close,
            volume / split_factor as told_volume,
            source_priority,
            known_from,
            superseded_at,
            pit_quality
        from {{ ref("stg_price_versions") }}
        where is_final and source_rank = 1
    ),
    unsettled as (
        select
            ticker,
            bar_number,
            settled_at,
            first_known_from > cut_off_at as is_late,
            settled_at > first_known_from as is_restated
        from bars
        where settled_at > cut_off_at
    ),
    late_counts as (
        select ticker, count(case when is_late then 1 end) as late_count
        from unsettled
        group by ticker
    ),
    -- Sessions at whose cut-off a bar of their windows was not yet known as it is now. Their own
    -- counts even where it came late: nothing else is to be computed then.
    touched as (
        select distinct
            bars.ticker, bars.session_date, bars.bar_number, bars.cut_off_at, late_counts.late_count
        from unsettled
        inner join late_counts on late_counts.ticker = unsettled.ticker
        inner join
            bars
            on bars.ticker = unsettled.ticker
            and (
                bars.bar_number > unsettled.bar_number
                or (unsettled.is_restated and bars.bar_number = unsettled.bar_number)
            )
            and bars.bar_number < unsettled.bar_number + {{ tail }} + late_counts.late_count
            and bars.cut_off_at < unsettled.settled_at
            {{ only_changed(ref("flag_changes"), "replaced_from", "bars") }}
    ),
    told as (
        select
            bars.ticker,
            bars.bar_number,
            bars.session_date,
            bars.session_number,
            coalesce(versions.row_id, bars.row_id) as row_id,
            {% for column in [
                "open",
                "high",
                "low",
                "close",
                "volume",
                "told_open",
                "told_close",
                "told_volume",
            ] %}
                case
                    when versions.row_id is null then bars.{{ column }} else versions.{{ column }}
                end as {{ column }},
            {% endfor %}
            coalesce(versions.known_from, bars.first_known_from) as known_from,
            versions.superseded_at,
            coalesce(versions.pit_quality, bars.pit_quality) as pit_quality,
            coalesce(versions.source_priority, 0) as source_priority,
            coalesce(versions.row_id, bars.row_id) = bars.first_row_id as is_first
        from bars
        left join
            versions on versions.ticker = bars.ticker and versions.session_date = bars.session_date
    ),
    windows as (
        select
            touched.ticker,
            touched.session_date as observed_on,
            touched.bar_number,
            touched.bar_number - {{ tail }} - touched.late_count < 1 as is_whole,
            told.bar_number as told_bar_number,
            told.session_date,
            told.session_number,
            told.row_id,
            told.open,
            told.high,
            told.low,
            told.close,
            told.volume,
            told.told_open,
            told.told_close,
            told.told_volume,
            told.pit_quality,
            row_number() over (
                partition by touched.ticker, touched.bar_number, told.bar_number
                order by
                    case
                        when told.known_from <= touched.cut_off_at then 0 else 1
                    end asc nulls last,
                    told.source_priority asc nulls last,
                    told.known_from desc nulls last
            ) as version_rank
        from touched
        inner join
            told
            on told.ticker = touched.ticker
            and told.bar_number <= touched.bar_number
            and told.bar_number > touched.bar_number - {{ tail }} - touched.late_count
        where
            (
                told.known_from <= touched.cut_off_at
                and (told.superseded_at is null or told.superseded_at > touched.cut_off_at)
            )
            or (told.bar_number = touched.bar_number and told.is_first)
    ),
    lagged as (
        select
            *,
            row_number() over (
                partition by ticker, bar_number order by told_bar_number desc nulls last
            )
            - 1 as age,
            count(*) over (partition by ticker, bar_number) as bar_count,
            lag(close) over history as close_1d_ago,
            lag(session_date) over history as previous_session_date,
            lag(session_number) over history as previous_session_number
        from windows
        where version_rank = 1
        window history as (partition by ticker, bar_number order by told_bar_number asc nulls last)
    ),
    stepped as (
        select
            *,
            {{ true_range() }} as true_range,
            case when close > close_1d_ago then close - close_1d_ago else 0.0 end as gain,
            case when close < close_1d_ago then close_1d_ago - close else 0.0 end as loss,
            {{ is_after_gap() }} as is_after_gap,
            -- The first fourteen differences count alike: they are the seed.
            case
                when close_1d_ago is null
                then null
                when is_whole and bar_count - 1 - age <= 14
                then power({{ kept }}, least(bar_count - 15, age)) / 14
                else power({{ kept }}, age) / 14
            end as weight
        from lagged
    ),
    highest as (
        select
            *,
            row_number() over (
                partition by ticker, bar_number
                order by close desc nulls last, told_bar_number desc nulls last
            ) as height_rank
        from stepped
        where age < 252
    ),
    highs as (select ticker, bar_number, row_id, told_close from highest where height_rank = 1),
    aggregated as (
        select
            ticker,
            observed_on,
            bar_number,
            max(bar_count) as bar_count,
            max(case when age = 0 then row_id end) as row_id,
            max(case when age = 0 then pit_quality end) as pit_quality,
            max(case when age = 0 then told_open end) as told_open,
            max(case when age = 0 then told_close end) as told_close,
            max(case when age = 0 then told_volume end) as told_volume,
            max(case when age = 0 then close end) as close,
            max(case when age = 0 then volume end) as volume,
            max(case when age = 1 then row_id end) as previous_row_id,
            max(case when age = 1 then told_close end) as previous_told_close,
            max(
                case when age = 0 and not is_after_gap then open / close_1d_ago - 1 end
            ) as open_return_1d,
            max(
                case when age = 0 and not is_after_gap then close / close_1d_ago - 1 end
            ) as return_1d,
            max(case when age < 252 then close end) as high_252,
            avg(case when age < 200 then close end) as sma_200,
            count(
                case when age < 21 and not is_after_gap and close_1d_ago is not null then 1 end
            ) as step_count,
            stddev_samp(
                case when age < 21 and not is_after_gap then ln(close / close_1d_ago) end
            ) as stddev_21,
            sum(weight * gain) as average_gain,
            sum(weight * loss) as average_loss,
            sum(weight * true_range) as average_range,
            min(case when high is null or low is null then age end) as bars_since_unknown_range,
            percentile_cont(0.5) within group (
                order by case when age < 60 then close * volume end asc nulls last
            ) as median_turnover_60d,
            avg(
                case
                    when age < 60 and volume is not null
                    then case when volume = 0 then 1.0 else 0.0 end
                end
            ) as untraded_share_60d,
            count(case when age < 60 then volume end) as volume_count_60d
        from stepped
        group by ticker, observed_on, bar_number
    ),
    final as (
        select
            aggregated.ticker,
            aggregated.observed_on as session_date,
            aggregated.row_id,
            aggregated.pit_quality,
            aggregated.told_open,
            aggregated.told_close,
            aggregated.told_volume,
            aggregated.previous_row_id,
            aggregated.previous_told_close,
            highs.row_id as high_row_id,
            highs.told_close as high_told_close,
            aggregated.close,
            aggregated.volume,
            aggregated.return_1d,
            aggregated.open_return_1d,
            aggregated.close / aggregated.high_252 - 1 as drawdown_252d,
            case when aggregated.bar_count >= 200 then aggregated.sma_200 end as sma_200,
            case
                when aggregated.step_count >= 0.8 * 21 then aggregated.stddev_21 * sqrt(252)
            end as volatility_21d,
            case
                when aggregated.bar_count < 150
                then null
                when aggregated.average_gain + aggregated.average_loss > 0
                then
                    100
                    * aggregated.average_gain
                    / (aggregated.average_gain + aggregated.average_loss)
                else 50.0
            end as rsi_14,
            case
                when
                    aggregated.bar_count >= 15
                    and coalesce(aggregated.bars_since_unknown_range >= 150, true)
                then aggregated.average_range
            end as atr_14,
            aggregated.median_turnover_60d,
            aggregated.untraded_share_60d,
            aggregated.volume_count_60d
        from aggregated
        inner join
            highs on highs.ticker = aggregated.ticker and highs.bar_number = aggregated.bar_number
    )
select *
from final
