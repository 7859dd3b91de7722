with
    bars as (select * from {{ ref("known_bars") }}),
    versions as (
        select
            row_id,
            ticker,
            session_date,
            close,
            close * split_factor as told_close,
            source_priority,
            known_from,
            superseded_at,
            pit_quality
        from {{ ref("stg_price_versions") }}
        where is_final
    ),
    unsettled as (
        select ticker, bar_number, settled_at, first_known_from > cut_off_at as is_late
        from bars
        where settled_at > cut_off_at
    ),
    late_counts as (
        select ticker, count(case when is_late then 1 end) as late_count
        from unsettled
        group by ticker
    ),
    -- Sessions at whose cut-off a bar of their window was not yet known as it is now.
    touched as (
        select distinct
            bars.ticker, bars.session_date, bars.bar_number, bars.cut_off_at, late_counts.late_count
        from unsettled
        inner join late_counts on late_counts.ticker = unsettled.ticker
        inner join
            bars
            on bars.ticker = unsettled.ticker
            and bars.bar_number >= unsettled.bar_number
            and bars.bar_number <= unsettled.bar_number + 251 + late_counts.late_count
            and bars.cut_off_at < unsettled.settled_at
    ),
    told as (
        select
            bars.ticker,
            bars.bar_number,
            coalesce(versions.row_id, bars.row_id) as row_id,
            coalesce(versions.close, bars.close) as close,
            coalesce(versions.told_close, bars.told_close) as told_close,
            coalesce(versions.known_from, bars.first_known_from) as known_from,
            versions.superseded_at,
            coalesce(versions.pit_quality, bars.pit_quality) as pit_quality,
            coalesce(versions.source_priority, 0) as source_priority,
            coalesce(versions.row_id, bars.row_id) = bars.first_row_id as is_first
        from bars
        left join
            versions on versions.ticker = bars.ticker and versions.session_date = bars.session_date
    ),
    -- The session's own bar counts even where it arrived after the cut-off.
    windows as (
        select
            touched.ticker,
            touched.session_date,
            touched.bar_number,
            told.bar_number as told_bar_number,
            told.row_id,
            told.close,
            told.told_close,
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
            and told.bar_number >= touched.bar_number - 251 - touched.late_count
        where
            (
                told.known_from <= touched.cut_off_at
                and (told.superseded_at is null or told.superseded_at > touched.cut_off_at)
            )
            or (told.bar_number = touched.bar_number and told.is_first)
    ),
    ranked as (
        select
            *,
            row_number() over (
                partition by ticker, bar_number order by told_bar_number desc nulls last
            ) as age_rank
        from windows
        where version_rank = 1
    ),
    highest as (
        select
            *,
            row_number() over (
                partition by ticker, bar_number
                order by close desc nulls last, told_bar_number desc nulls last
            ) as height_rank
        from ranked
        where age_rank <= 252
    ),
    final as (
        select
            newest.ticker,
            newest.session_date,
            newest.close / highest.close - 1 as drawdown_252d,
            newest.row_id,
            newest.told_close,
            highest.row_id as high_row_id,
            highest.told_close as high_told_close,
            newest.pit_quality
        from highest as newest
        inner join
            highest
            on highest.ticker = newest.ticker
            and highest.bar_number = newest.bar_number
            and highest.height_rank = 1
        where newest.age_rank = 1
    )
select *
from final
