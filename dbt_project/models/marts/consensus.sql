with
    votes as (select * from {{ ref("votes") }}),
    snapshot_rows as (select * from {{ ref("stg_consensus") }} where period = '0m'),
    ratings as (select distinct ticker from {{ ref("stg_ratings") }}),
    methods as (
        select method, min_vote_count from {{ ref("house_methods") }} where method = 'default'
    ),
    labels as (
        select label, score_above, score_up_to
        from {{ ref("house_labels") }}
        where method = 'default'
    ),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    splits as (
        select
            ticker,
            coalesce(split_effective_at, cast(session_date as timestamp)) as effective_at,
            split_ratio
        from {{ ref("stg_prices") }}
        where split_ratio > 0 and split_ratio <> 1
    ),
    quotes as ({{ quotes() }}),
    events as ({{ rating_events() }}),
    newest_snapshots as (
        select
            *,
            row_number() over (
                partition by ticker order by snapshot_date desc nulls last
            ) as age_rank
        from snapshot_rows
    ),
    snapshot_splits as (
        select newest_snapshots.row_id, exp(sum(ln(splits.split_ratio))) as split_factor
        from newest_snapshots
        inner join
            splits
            on splits.ticker = newest_snapshots.ticker
            and splits.effective_at > newest_snapshots.known_at
        where newest_snapshots.age_rank = 1
        group by newest_snapshots.row_id
    ),
    -- Targets of a snapshot in another currency than the quote are left out: the row has one
    -- currency.
    snapshots as (
        select
            told.ticker,
            told.snapshot_date as snapshot_on,
            told.strong_buy as strong_buy_count,
            told.buy as buy_count,
            told.hold as hold_count,
            told.sell as sell_count,
            told.strong_sell as strong_sell_count,
            case
                when
                    told.strong_buy is not null
                    or told.buy is not null
                    or told.hold is not null
                    or told.sell is not null
                    or told.strong_sell is not null
                then
                    coalesce(told.strong_buy, 0)
                    + coalesce(told.buy, 0)
                    + coalesce(told.hold, 0)
                    + coalesce(told.sell, 0)
                    + coalesce(told.strong_sell, 0)
            end as analyst_count,
            told.recommendation_mean,
            told.target_count as snapshot_target_count,
            nullif(told.target_mean, 0) as target_mean,
            nullif(told.target_median, 0) as target_median,
            nullif(told.target_high, 0) as target_high,
            nullif(told.target_low, 0) as target_low,
            case
                when
                    told.currency is null
                    or quotes.currency is null
                    or told.currency = quotes.currency
                then 1.0
                when told_units.major_code = quotes.major_code
                then 1.0 * quotes.units_per_major / told_units.units_per_major
            end
            / coalesce(snapshot_splits.split_factor, 1.0) as multiplier,
            told.currency is not null and quotes.currency is not null as is_currency_stated,
            told.pit_quality
        from newest_snapshots as told
        inner join quotes on quotes.ticker = told.ticker
        left join currencies as told_units on told_units.code = told.currency
        left join snapshot_splits on snapshot_splits.row_id = told.row_id
        where told.age_rank = 1
    ),
    scored_snapshots as (
        select
            *,
            coalesce(
                recommendation_mean,
                1.0 * (
                    coalesce(strong_buy_count, 0)
                    + 2 * coalesce(buy_count, 0)
                    + 3 * coalesce(hold_count, 0)
                    + 4 * coalesce(sell_count, 0)
                    + 5 * coalesce(strong_sell_count, 0)
                )
                / nullif(analyst_count, 0)
            ) as snapshot_mean_score
        from snapshots
    ),
    vote_counts as (
        select
            votes.ticker,
            count(*) as firm_count,
            count(case when votes.bucket = 'buy' then 1 end) as firm_buy_count,
            count(case when votes.bucket = 'hold' then 1 end) as firm_hold_count,
            count(case when votes.bucket = 'sell' then 1 end) as firm_sell_count,
            avg(votes.score) as mean_score,
            percentile_cont(0.5) within group (order by votes.score asc nulls last) as median_score,
            percentile_cont(0.5) within group (
                order by
                    greatest(
                        {{ dbt.datediff("votes.graded_on", "quotes.counted_on", "day") }}, 0
                    ) asc
                    nulls last
            ) as median_vote_age_days
        from votes
        inner join quotes on quotes.ticker = votes.ticker
        group by votes.ticker
    ),
    targets as (select ticker, firm, target from votes where target_status in ('used', 'outlier')),
    target_statistics as (
        select
            ticker,
            count(*) as target_count,
            avg(target) as target_mean,
            percentile_cont(0.5) within group (order by target asc nulls last) as target_median,
            max(target) as target_high,
            min(target) as target_low,
            stddev_samp(target) as target_stddev
        from targets
        group by ticker
    ),
    ranked_targets as (
        select
            targets.ticker,
            targets.target,
            target_statistics.target_median,
            target_statistics.target_count,
            row_number() over (
                partition by targets.ticker
                order by targets.target asc nulls last, targets.firm asc nulls last
            ) as target_rank
        from targets
        inner join target_statistics on target_statistics.ticker = targets.ticker
    ),
    intervals as (
        select
            lows.ticker,
            lows.target as cluster_low,
            highs.target as cluster_high,
            row_number() over (
                partition by lows.ticker
                order by
                    cast(highs.target - lows.target as decimal(28, 6)) asc nulls last,
                    cast(
                        abs(lows.target / 2 + highs.target / 2 - lows.target_median) as decimal(
                            28, 6
                        )
                    ) asc nulls last,
                    lows.target asc nulls last
            ) as width_rank
        from ranked_targets as lows
        inner join
            ranked_targets as highs
            on highs.ticker = lows.ticker
            and highs.target_rank
            = lows.target_rank + cast(floor(lows.target_count / 2.0) as integer)
        where lows.target_count >= 5
    ),
    clusters as (select ticker, cluster_low, cluster_high from intervals where width_rank = 1),
    calls as (
        select
            ticker,
            pit_quality,
            graded_on + 30 > counted_on as is_in_30d,
            case
                when effect = 'closes' and not is_closed_before
                then 'withdrawal'
                when effect = 'vote' and score < prior_score
                then 'upgrade'
                when effect = 'vote' and score > prior_score
                then 'downgrade'
            end as direction,
            case
                when effect = 'vote' and not is_fair_value
                then ln(target / coalesce(prior_target, last_target))
            end as target_revision
        from events
        where graded_on + 90 > counted_on and graded_on <= counted_on
    ),
    -- A thousandth of a percent is rounding, not a change.
    revisions as (
        select
            ticker,
            {% for window, is_in in [("30d", "is_in_30d"), ("90d", "true")] %}
                count(
                    case when {{ is_in }} and direction = 'upgrade' then 1 end
                ) as upgrades_{{ window }},
                count(
                    case when {{ is_in }} and direction = 'downgrade' then 1 end
                ) as downgrades_{{ window }},
                count(
                    case when {{ is_in }} and target_revision > 0.00001 then 1 end
                ) as target_raises_{{ window }},
                count(
                    case when {{ is_in }} and target_revision < -0.00001 then 1 end
                ) as target_cuts_{{ window }},
                percentile_cont(0.5) within group (
                    order by case when {{ is_in }} then target_revision end asc nulls last
                ) as target_revision_{{ window }},
            {% endfor %}
            count(case when direction = 'withdrawal' then 1 end) as withdrawals_90d
        from calls
        group by ticker
    ),
    qualities as (
        select ticker, pit_quality
        from votes
        union all
        select ticker, pit_quality
        from calls
        union all
        select ticker, pit_quality
        from snapshots
        union all
        select ticker, pit_quality
        from quotes
    ),
    worst_qualities as (
        select
            ticker,
            max(
                case
                    pit_quality
                    when 'reconstructed'
                    then 3
                    when 'vendor_stated'
                    then 2
                    when 'observed'
                    then 1
                end
            ) as quality_rank
        from qualities
        group by ticker
    ),
    tickers as (
        select ticker
        from quotes
        where close is not null
        union
        select ticker
        from ratings
        union
        select ticker
        from snapshots
    ),
    joined as (
        select
            tickers.ticker,
            quotes.session_date,
            case
                worst_qualities.quality_rank
                when 3
                then 'reconstructed'
                when 2
                then 'vendor_stated'
                when 1
                then 'observed'
            end as pit_quality,
            snapshots.analyst_count,
            snapshots.strong_buy_count,
            snapshots.buy_count,
            snapshots.hold_count,
            snapshots.sell_count,
            snapshots.strong_sell_count,
            snapshots.snapshot_mean_score,
            snapshots.target_mean * snapshots.multiplier as snapshot_target_mean,
            snapshots.target_median * snapshots.multiplier as snapshot_target_median,
            snapshots.target_high * snapshots.multiplier as snapshot_target_high,
            snapshots.target_low * snapshots.multiplier as snapshot_target_low,
            snapshots.snapshot_target_count,
            snapshots.snapshot_on,
            snapshots.is_currency_stated,
            coalesce(vote_counts.firm_count, 0) as firm_count,
            coalesce(vote_counts.firm_buy_count, 0) as firm_buy_count,
            coalesce(vote_counts.firm_hold_count, 0) as firm_hold_count,
            coalesce(vote_counts.firm_sell_count, 0) as firm_sell_count,
            vote_counts.mean_score,
            vote_counts.median_score,
            vote_counts.median_vote_age_days,
            coalesce(target_statistics.target_count, 0) as target_count,
            target_statistics.target_mean,
            target_statistics.target_median,
            target_statistics.target_high,
            target_statistics.target_low,
            target_statistics.target_stddev,
            clusters.cluster_low as target_cluster_low,
            clusters.cluster_high as target_cluster_high,
            quotes.close,
            quotes.currency,
            coalesce(revisions.upgrades_30d, 0) as upgrades_30d,
            coalesce(revisions.downgrades_30d, 0) as downgrades_30d,
            coalesce(revisions.target_raises_30d, 0) as target_raises_30d,
            coalesce(revisions.target_cuts_30d, 0) as target_cuts_30d,
            revisions.target_revision_30d,
            coalesce(revisions.upgrades_90d, 0) as upgrades_90d,
            coalesce(revisions.downgrades_90d, 0) as downgrades_90d,
            coalesce(revisions.target_raises_90d, 0) as target_raises_90d,
            coalesce(revisions.target_cuts_90d, 0) as target_cuts_90d,
            revisions.target_revision_90d,
            coalesce(revisions.withdrawals_90d, 0) as withdrawals_90d,
            methods.min_vote_count,
            greatest(snapshots.analyst_count, snapshots.snapshot_target_count) as opinion_count
        from tickers
        inner join quotes on quotes.ticker = tickers.ticker
        cross join methods
        left join worst_qualities on worst_qualities.ticker = tickers.ticker
        left join scored_snapshots as snapshots on snapshots.ticker = tickers.ticker
        left join vote_counts on vote_counts.ticker = tickers.ticker
        left join target_statistics on target_statistics.ticker = tickers.ticker
        left join clusters on clusters.ticker = tickers.ticker
        left join revisions on revisions.ticker = tickers.ticker
    ),
    final as (
        select
            joined.ticker,
            joined.session_date,
            joined.pit_quality,
            joined.analyst_count,
            joined.strong_buy_count,
            joined.buy_count,
            joined.hold_count,
            joined.sell_count,
            joined.strong_sell_count,
            joined.snapshot_mean_score,
            case
                when joined.opinion_count < joined.min_vote_count
                then 'insufficient'
                else snapshot_labels.label
            end as snapshot_label,
            joined.snapshot_target_mean,
            joined.snapshot_target_median,
            joined.snapshot_target_high,
            joined.snapshot_target_low,
            joined.snapshot_target_count,
            joined.snapshot_on,
            joined.firm_count,
            joined.firm_buy_count,
            joined.firm_hold_count,
            joined.firm_sell_count,
            joined.mean_score,
            joined.median_score,
            case
                when joined.firm_count < joined.min_vote_count
                then 'insufficient'
                else event_labels.label
            end as label,
            joined.target_count,
            joined.target_mean,
            joined.target_median,
            joined.target_high,
            joined.target_low,
            joined.target_stddev,
            joined.target_stddev / nullif(joined.target_mean, 0) as target_cv,
            joined.target_cluster_low,
            joined.target_cluster_high,
            1.0 * joined.firm_count / nullif(joined.analyst_count, 0) as coverage_ratio,
            joined.median_vote_age_days,
            joined.close,
            joined.currency,
            joined.target_mean / nullif(joined.close, 0) - 1 as upside_mean,
            joined.target_median / nullif(joined.close, 0) - 1 as upside_median,
            case
                when
                    joined.is_currency_stated
                    or joined.snapshot_target_mean / nullif(joined.close, 0) between 0.2 and 5
                then joined.snapshot_target_mean / nullif(joined.close, 0) - 1
            end as snapshot_upside_mean,
            case
                when
                    joined.is_currency_stated
                    or joined.snapshot_target_median / nullif(joined.close, 0) between 0.2 and 5
                then joined.snapshot_target_median / nullif(joined.close, 0) - 1
            end as snapshot_upside_median,
            {% for window in ["30d", "90d"] %}
                joined.upgrades_{{ window }},
                joined.downgrades_{{ window }},
                1.0
                * (joined.upgrades_{{ window }} - joined.downgrades_{{ window }})
                / nullif(joined.firm_count, 0) as net_upgrade_share_{{ window }},
                joined.target_raises_{{ window }},
                joined.target_cuts_{{ window }},
                1.0
                * (joined.target_raises_{{ window }} - joined.target_cuts_{{ window }})
                / nullif(
                    joined.target_raises_{{ window }} + joined.target_cuts_{{ window }}, 0
                ) as target_breadth_{{ window }},
                joined.target_revision_{{ window }},
            {% endfor %}
            joined.withdrawals_90d
        from joined
        left join
            labels as event_labels
            on joined.mean_score > event_labels.score_above
            and joined.mean_score <= event_labels.score_up_to
        left join
            labels as snapshot_labels
            on joined.snapshot_mean_score > snapshot_labels.score_above
            and joined.snapshot_mean_score <= snapshot_labels.score_up_to
    )
select *
from final
