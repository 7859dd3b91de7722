{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('flag_changes'), 'replaced_from') }}",
    )
}}

{%- set columns = [
    "return_1d",
    "open_return_1d",
    "drawdown_252d",
    "sma_200",
    "volatility_21d",
    "rsi_14",
    "atr_14",
] -%}

with
    changes as (select ticker, replaced_from from {{ ref("flag_changes") }}),
    momentum as (
        select ticker, session_date, close, volume, {{ columns | join(", ") }}
        from {{ ref("momentum_history") }}
    ),
    known_bars as (select * from {{ ref("known_bars") }}),
    known_prices as (select * from {{ ref("known_prices") }}),
    late_counts as (
        select ticker, count(*) as late_count
        from known_bars
        where first_known_from > cut_off_at
        group by ticker
    ),
    {% if is_incremental() %}
        -- The windows of what changed look back on so many bars, and on one more for each that
        -- was not known yet.
        firsts as (
            select
                known_bars.ticker,
                min(known_bars.bar_number) as first_number,
                min(known_bars.bar_number)
                - 756
                - coalesce(max(late_counts.late_count), 0) as read_number
            from known_bars
            inner join changes on changes.ticker = known_bars.ticker
            left join late_counts on late_counts.ticker = known_bars.ticker
            where known_bars.session_date >= changes.replaced_from
            group by known_bars.ticker
        ),
        bars as (
            select known_bars.*, known_bars.bar_number >= firsts.first_number as is_changed
            from known_bars
            inner join firsts on firsts.ticker = known_bars.ticker
            where known_bars.bar_number > firsts.read_number
        ),
        momentum_history as (
            select momentum.*
            from momentum
            inner join
                bars on bars.ticker = momentum.ticker and bars.session_date = momentum.session_date
        ),
    {% else %}
        bars as (select *, true as is_changed from known_bars),
        momentum_history as (select * from momentum),
    {% endif %}
    splits as (
        select ticker, split_on, split_ratio, effective_at
        from {{ ref("stg_splits") }}
        where is_known
    ),
    turnovers as (
        select
            ticker,
            session_date,
            {{ rolling_median("close * volume") }} over last_60 as median_turnover_60d,
            avg(case when volume = 0 then 1.0 when volume is not null then 0.0 end) over last_60
            as untraded_share_60d,
            count(volume) over last_60 as volume_count_60d
        from momentum_history
        window
            last_60 as (
                partition by ticker
                order by session_date asc nulls last
                rows between 59 preceding and current row
            )
    ),
    later_splits as (
        select bars.ticker, bars.session_date, exp(sum(ln(splits.split_ratio))) as split_factor
        from bars
        inner join splits on splits.ticker = bars.ticker and splits.split_on > bars.session_date
        group by bars.ticker, bars.session_date
    ),
    -- Each session as known at its own cut-off.
    sessions as (
        select
            bars.ticker,
            bars.session_date,
            bars.bar_number,
            bars.is_changed,
            bars.cut_off_at,
            bars.first_known_from,
            bars.currency,
            coalesce(known_prices.row_id, bars.row_id) as row_id,
            {% for column in ["told_open", "told_close", "told_volume"] %}
                case
                    when known_prices.ticker is null
                    then bars.{{ column }}
                    else known_prices.{{ column }}
                end as {{ column }},
            {% endfor %}
            coalesce(known_prices.pit_quality, bars.pit_quality) as pit_quality,
            coalesce(known_prices.close, momentum_history.close) as close,
            coalesce(known_prices.close, momentum_history.close)
            * coalesce(later_splits.split_factor, 1.0) as unsplit_close,
            {% for column in columns %}
                case
                    when known_prices.ticker is null
                    then momentum_history.{{ column }}
                    else known_prices.{{ column }}
                end as {{ column }},
            {% endfor %}
            {% for column in ["median_turnover_60d", "untraded_share_60d", "volume_count_60d"] %}
                case
                    when known_prices.ticker is null
                    then turnovers.{{ column }}
                    else known_prices.{{ column }}
                end as {{ column }}
                {{- "," if not loop.last }}
            {% endfor %}
        from momentum_history
        inner join
            bars
            on bars.ticker = momentum_history.ticker
            and bars.session_date = momentum_history.session_date
        inner join
            turnovers
            on turnovers.ticker = momentum_history.ticker
            and turnovers.session_date = momentum_history.session_date
        left join
            known_prices
            on known_prices.ticker = momentum_history.ticker
            and known_prices.session_date = momentum_history.session_date
        left join
            later_splits
            on later_splits.ticker = momentum_history.ticker
            and later_splits.session_date = momentum_history.session_date
    ),
    sided as (
        select
            *,
            case
                when sma_200 is null then 'none' when close < sma_200 then 'below' else 'above'
            end as side,
            atr_14 / nullif(close, 0) as atr_share
        from sessions
    ),
    crossed as (
        select
            *,
            case when lag(side) over history = side then 0 else 1 end as is_crossing,
            lag(atr_share) over history as previous_atr_share
        from sided
        window history as (partition by ticker order by bar_number asc nulls last)
    ),
    runs as (
        select
            *,
            max(case when is_crossing = 1 then bar_number end) over (
                partition by ticker
                order by bar_number asc nulls last
                rows between unbounded preceding and current row
            ) as run_started
        from crossed
    ),
    run_starts as (
        select
            ticker,
            run_started,
            lag(run_started) over history as previous_started,
            lag(side) over history as previous_side
        from runs
        where is_crossing = 1
        window history as (partition by ticker order by run_started asc nulls last)
    ),
    framed as (
        select
            runs.*,
            case
                when runs.side = 'none'
                then null
                when runs.side = 'below'
                then runs.bar_number - runs.run_started + 1
                else 0
            end as sessions_below_sma_200,
            case
                when run_starts.previous_side = 'above'
                then run_starts.run_started - run_starts.previous_started
                else 0
            end as sessions_above_before,
            {{ rolling_quantile("runs.volatility_21d", 0.5) }} over last_756
            as median_volatility_756d,
            {{ rolling_quantile("runs.volatility_21d", 0.9) }} over last_756
            as high_volatility_756d,
            count(runs.volatility_21d) over last_756 as volatility_count_756d,
            max(runs.unsplit_close) over last_30 as highest_close_30d,
            count(*) over last_30 as close_count_30d
        from runs
        inner join
            run_starts
            on run_starts.ticker = runs.ticker
            and run_starts.run_started = runs.run_started
        window
            last_756 as (
                partition by runs.ticker
                order by runs.bar_number asc nulls last
                rows between 755 preceding and current row
            ),
            last_30 as (
                partition by runs.ticker
                order by runs.bar_number asc nulls last
                rows between 29 preceding and current row
            )
    ),
    -- Sessions at whose cut-off a bar before them had not come yet.
    late as (
        select ticker, bar_number, first_known_from
        from sessions
        where first_known_from > cut_off_at
    ),
    touched as (
        select distinct
            sessions.ticker, sessions.bar_number, sessions.cut_off_at, late_counts.late_count
        from late
        inner join late_counts on late_counts.ticker = late.ticker
        inner join
            sessions
            on sessions.ticker = late.ticker
            and sessions.bar_number > late.bar_number
            and sessions.bar_number < late.bar_number + 756 + late_counts.late_count
            and sessions.cut_off_at < late.first_known_from
            and sessions.is_changed
    ),
    aged as (
        select
            touched.ticker,
            touched.bar_number,
            sided.side,
            sided.volatility_21d,
            sided.unsplit_close,
            sided.atr_share,
            row_number() over (
                partition by touched.ticker, touched.bar_number
                order by sided.bar_number desc nulls last
            )
            - 1 as age
        from touched
        inner join
            sided
            on sided.ticker = touched.ticker
            and sided.bar_number <= touched.bar_number
            and sided.bar_number > touched.bar_number - 756 - touched.late_count
        where sided.first_known_from <= touched.cut_off_at or sided.bar_number = touched.bar_number
    ),
    fronts as (
        select
            ticker,
            bar_number,
            max(age) + 1 as bar_count,
            coalesce(min(case when side <> 'below' then age end), max(age) + 1) as below_count
        from aged
        where age < 756
        group by ticker, bar_number
    ),
    known_sequences as (
        select
            aged.ticker,
            aged.bar_number,
            max(case when aged.age = 0 then aged.side end) as side,
            max(fronts.below_count) as sessions_below_sma_200,
            coalesce(
                min(
                    case
                        when aged.age >= fronts.below_count and aged.side <> 'above' then aged.age
                    end
                ),
                max(fronts.bar_count)
            )
            - max(fronts.below_count) as sessions_above_before,
            percentile_cont(0.5) within group (
                order by aged.volatility_21d asc nulls last
            ) as median_volatility_756d,
            percentile_cont(0.9) within group (
                order by aged.volatility_21d asc nulls last
            ) as high_volatility_756d,
            count(aged.volatility_21d) as volatility_count_756d,
            max(case when aged.age < 30 then aged.unsplit_close end) as highest_close_30d,
            count(case when aged.age < 30 then 1 end) as close_count_30d,
            max(case when aged.age = 1 then aged.atr_share end) as previous_atr_share
        from aged
        inner join fronts on fronts.ticker = aged.ticker and fronts.bar_number = aged.bar_number
        where aged.age < 756
        group by aged.ticker, aged.bar_number
    ),
    sequenced as (
        select
            framed.ticker,
            framed.session_date,
            framed.bar_number,
            framed.row_id,
            framed.first_known_from,
            framed.told_open,
            framed.told_close,
            framed.told_volume,
            framed.pit_quality,
            framed.currency,
            framed.return_1d,
            framed.open_return_1d,
            framed.drawdown_252d,
            framed.close / framed.sma_200 as close_to_sma_200,
            framed.rsi_14,
            framed.volatility_21d,
            framed.median_turnover_60d,
            framed.untraded_share_60d,
            framed.volume_count_60d,
            {% for column in [
                "sessions_below_sma_200",
                "sessions_above_before",
                "median_volatility_756d",
                "high_volatility_756d",
                "volatility_count_756d",
                "highest_close_30d",
                "close_count_30d",
                "previous_atr_share",
            ] %}
                case
                    when known_sequences.ticker is null
                    then framed.{{ column }}
                    else known_sequences.{{ column }}
                end as {{ column }}
                {{- "," if not loop.last }}
            {% endfor %}
        from framed
        left join
            known_sequences
            on known_sequences.ticker = framed.ticker
            and known_sequences.bar_number = framed.bar_number
        where framed.is_changed
    ),
    final as (
        select
            ticker,
            session_date,
            bar_number,
            row_id,
            cast(first_known_from as date) as known_on,
            told_open,
            told_close,
            told_volume,
            pit_quality,
            currency,
            return_1d,
            drawdown_252d,
            volatility_21d / nullif(median_volatility_756d, 0) as volatility_21d_to_median_756d,
            volatility_21d / nullif(high_volatility_756d, 0) as volatility_21d_to_high_756d,
            volatility_count_756d,
            abs(open_return_1d) as opening_gap,
            abs(open_return_1d) / nullif(previous_atr_share, 0) as opening_gap_in_atr,
            rsi_14,
            close_to_sma_200,
            case
                when close_to_sma_200 is not null then least(sessions_below_sma_200, 250)
            end as sessions_below_sma_200,
            -- What was before so long a fall, nobody asks.
            case
                when sessions_below_sma_200 <= 250 then least(sessions_above_before, 250) else 0
            end as sessions_above_before,
            median_turnover_60d,
            untraded_share_60d,
            volume_count_60d,
            highest_close_30d,
            close_count_30d
        from sequenced
    )
select *
from final
