with
    quotes as (select ticker, session_date, counted_on from {{ ref("quotes") }}),
    history as (select * from {{ ref("consensus_history") }}),
    -- The newest row of a ticker whose prices have stopped stands for a later day than its session.
    consensus as (
        select
            history.ticker,
            history.session_date,
            history.pit_quality,
            history.analyst_count,
            history.strong_buy_count,
            history.buy_count,
            history.firm_count,
            history.net_upgrade_share_30d,
            history.target_raises_30d,
            history.target_cuts_30d,
            history.target_count,
            history.target_high,
            history.target_low,
            history.target_cv,
            history.median_vote_age_days,
            history.coverage_ratio,
            history.upside_median
        from history
        inner join quotes on quotes.ticker = history.ticker
        where history.session_date < quotes.session_date or quotes.counted_on <= quotes.session_date
    ),
    ranks as (select ticker, session_date, momentum_percentile from {{ ref("momentum_ranks") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (select exchange, day, is_session, session_number from {{ ref("stg_calendar_days") }}),
    events as (
        select
            rating_events.ticker,
            rating_events.firm,
            rating_events.graded_on,
            rating_events.row_id,
            rating_events.from_number,
            rating_events.to_number,
            rating_events.score > rating_events.prior_score as is_downgrade,
            {{ is_action_conflict("rating_events") }} as is_conflict,
            listings.exchange
        from {{ ref("rating_events") }} as rating_events
        inner join listings on listings.ticker = rating_events.ticker
        where rating_events.effect = 'vote'
    ),
    spans as (
        select
            events.ticker,
            events.exchange,
            events.firm,
            events.row_id,
            events.is_downgrade,
            events.is_conflict,
            greatest(
                events.from_number,
                graded.session_number + case when graded.is_session then 0 else 1 end
            ) as first_number,
            least(
                events.to_number - 1,
                graded.session_number + case when graded.is_session then 9 else 10 end
            ) as last_number_10d,
            least(events.to_number - 1, last_days.session_number) as last_number_90d
        from events
        inner join
            days as graded on graded.exchange = events.exchange and graded.day = events.graded_on
        left join
            days as last_days
            on last_days.exchange = events.exchange
            and last_days.day = events.graded_on + 89
        where events.is_downgrade or events.is_conflict
    ),
    downgrades as (
        select spans.ticker, days.day as session_date, count(distinct spans.firm) as firms_down_10d
        from spans
        inner join
            days
            on days.exchange = spans.exchange
            and days.is_session
            and days.session_number between spans.first_number and spans.last_number_10d
        where spans.is_downgrade
        group by spans.ticker, days.day
    ),
    conflicts as (
        select
            spans.ticker,
            days.day as session_date,
            count(distinct spans.row_id) as action_conflicts_90d
        from spans
        inner join
            days
            on days.exchange = spans.exchange
            and days.is_session
            and days.session_number between spans.first_number and spans.last_number_90d
        where spans.is_conflict
        group by spans.ticker, days.day
    ),
    final as (
        select
            consensus.ticker,
            consensus.session_date,
            consensus.pit_quality,
            case
                when consensus.firm_count > 0 then coalesce(downgrades.firms_down_10d, 0)
            end as firms_down_10d,
            case
                when consensus.firm_count > 0 then coalesce(conflicts.action_conflicts_90d, 0)
            end as action_conflicts_90d,
            consensus.net_upgrade_share_30d,
            -- A month without changes is no wave.
            case
                when consensus.firm_count = 0
                then null
                when consensus.target_raises_30d + consensus.target_cuts_30d = 0
                then 0
                else
                    1.0
                    * (consensus.target_raises_30d - consensus.target_cuts_30d)
                    / nullif(consensus.target_raises_30d + consensus.target_cuts_30d, 0)
            end as target_breadth_30d,
            consensus.target_raises_30d + consensus.target_cuts_30d as target_changes_30d,
            consensus.target_count,
            consensus.target_cv,
            consensus.target_high / nullif(consensus.target_low, 0) as target_high_to_low,
            consensus.firm_count,
            consensus.median_vote_age_days,
            consensus.coverage_ratio,
            consensus.upside_median,
            consensus.analyst_count,
            1.0
            * (consensus.strong_buy_count + consensus.buy_count)
            / nullif(consensus.analyst_count, 0) as buy_share,
            ranks.momentum_percentile
        from consensus
        left join
            downgrades
            on downgrades.ticker = consensus.ticker
            and downgrades.session_date = consensus.session_date
        left join
            conflicts
            on conflicts.ticker = consensus.ticker
            and conflicts.session_date = consensus.session_date
        left join
            ranks on ranks.ticker = consensus.ticker and ranks.session_date = consensus.session_date
    )
select *
from final
