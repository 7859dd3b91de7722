{%- set no_number = "cast(null as " ~ dbt.type_float() ~ ")" -%}

with
    episodes as (
        select flag_episode_id, flag, kind, ticker, opened_on, closed_on
        from {{ ref("flag_episodes") }}
    ),
    observations as (select * from {{ ref("flag_observations") }} where event is not null),
    news as (select * from {{ ref("flag_metrics_news") }}),
    bars as (
        select row_id, ticker, session_date, bar_number, close, told_close
        from {{ ref("known_bars") }}
    ),
    known_prices as (
        select
            ticker, session_date, high_row_id, high_told_close, previous_row_id, previous_told_close
        from {{ ref("known_prices") }}
    ),
    quotes as (select ticker, exchange, session_date from {{ ref("quotes") }}),
    days as (
        select exchange, day, session_number from {{ ref("stg_calendar_days") }} where is_session
    ),
    events as (select * from {{ ref("rating_events") }} where effect = 'vote'),
    votes as (select * from {{ ref("vote_history") }}),
    told_votes as (select table_name, row_id, target from {{ ref("stg_ratings_history") }}),
    snapshots as (select * from {{ ref("snapshot_history") }}),
    told_snapshots as (select row_id, strong_buy, buy from {{ ref("stg_consensus_history") }}),
    currency_moves as (
        select row_id, row_id_20d_ago, told_close_20d_ago from {{ ref("currency_moves") }}
    ),
    moments as (
        select flag_episode_id, flag, kind, ticker, 'open' as role, opened_on as observed_on
        from episodes
        union all
        select flag_episode_id, flag, kind, ticker, 'close' as role, closed_on as observed_on
        from episodes
        where closed_on is not null
    ),
    -- Every condition that opened on the day, or that was the last to close on it.
    observed as (
        select
            moments.flag_episode_id,
            moments.role,
            moments.ticker,
            moments.observed_on,
            observations.metric,
            observations.table_name,
            observations.row_id,
            observations.column_name,
            observations.evidence_value
        from moments
        inner join
            observations
            on observations.flag = moments.flag
            and observations.kind = moments.kind
            and observations.ticker = moments.ticker
            and observations.observed_on = moments.observed_on
            and observations.event = case when moments.role = 'open' then 1 else 0 end
    ),
    -- The high that a drawdown is measured from.
    highs as (
        select
            observed.flag_episode_id,
            observed.role,
            coalesce(known_prices.high_row_id, bars.row_id) as row_id,
            coalesce(known_prices.high_told_close, bars.told_close) as told_close,
            row_number() over (
                partition by observed.flag_episode_id, observed.role
                order by bars.close desc nulls last, bars.session_date desc nulls last
            ) as height_rank
        from observed
        inner join
            bars as newest
            on newest.ticker = observed.ticker
            and newest.session_date = observed.observed_on
        inner join
            bars
            on bars.ticker = observed.ticker
            and bars.bar_number between newest.bar_number - 251 and newest.bar_number
        left join
            known_prices
            on known_prices.ticker = observed.ticker
            and known_prices.session_date = observed.observed_on
        where observed.metric = 'drawdown_252d'
    ),
    -- The close that an opening is compared with.
    closes_before as (
        select
            observed.flag_episode_id,
            observed.role,
            case
                when known_prices.ticker is null then bars.row_id else known_prices.previous_row_id
            end as row_id,
            case
                when known_prices.ticker is null
                then bars.told_close
                else known_prices.previous_told_close
            end as told_close
        from observed
        inner join
            bars as newest
            on newest.ticker = observed.ticker
            and newest.session_date = observed.observed_on
        left join bars on bars.ticker = observed.ticker and bars.bar_number = newest.bar_number - 1
        left join
            known_prices
            on known_prices.ticker = observed.ticker
            and known_prices.session_date = observed.observed_on
        where observed.metric = 'opening_gap_in_atr'
    ),
    -- The rate that a currency moved from.
    rates_before as (
        select distinct
            observed.flag_episode_id,
            observed.role,
            currency_moves.row_id_20d_ago,
            currency_moves.told_close_20d_ago
        from observed
        inner join currency_moves on currency_moves.row_id = observed.row_id
        where observed.metric = 'fx_move_20d_sigmas'
    ),
    -- Items of the same story that were known by then.
    stories as (
        select distinct
            observed.flag_episode_id,
            observed.role,
            news.table_name,
            news.row_id,
            news.column_name,
            news.evidence_value,
            news.news_row_id
        from observed
        inner join news as item on item.row_id = observed.row_id and item.metric = observed.metric
        inner join
            news
            on news.ticker = item.ticker
            and news.metric = item.metric
            and news.cluster_id = item.cluster_id
            and news.observed_on <= item.observed_on
    ),
    -- What analysts say is numbered by session; the newest row knows all that `as_of` does. Calls
    -- that left their window within 30 days are evidence of its having closed.
    numbered as (
        select
            observed.flag_episode_id,
            observed.role,
            observed.ticker,
            observed.observed_on,
            observed.metric,
            case when observed.role = 'close' then 30 else 0 end as days_after,
            case
                when observed.observed_on = quotes.session_date
                then {{ newest() }}
                else days.session_number
            end as session_number,
            ten_before.day as day_10_before,
            bars.row_id as bar_row_id,
            bars.told_close
        from observed
        inner join quotes on quotes.ticker = observed.ticker
        inner join days on days.exchange = quotes.exchange and days.day = observed.observed_on
        left join
            days as ten_before
            on ten_before.exchange = quotes.exchange
            and ten_before.session_number = days.session_number - 10
        left join bars on bars.ticker = observed.ticker and bars.session_date = observed.observed_on
        where observed.table_name is null
    ),
    calls as (
        select distinct
            numbered.flag_episode_id,
            numbered.role,
            events.table_name,
            events.row_id,
            case
                when numbered.metric = 'target_breadth_30d'
                then 'target'
                when numbered.metric = 'action_conflicts_90d'
                then 'action'
                when events.table_name = 'raw.ratings'
                then 'to_grade'
                else 'grade'
            end as column_name,
            case
                when numbered.metric = 'target_breadth_30d' then events.told_target
            end as evidence_value
        from numbered
        inner join
            events
            on events.ticker = numbered.ticker
            and events.from_number <= numbered.session_number
            and events.to_number > numbered.session_number
            and events.graded_on <= numbered.observed_on
        where
            (
                numbered.metric = 'firms_down_10d'
                and events.score > events.prior_score
                and (
                    numbered.day_10_before is null
                    or events.graded_on + numbered.days_after > numbered.day_10_before
                )
            )
            or (
                numbered.metric = 'net_upgrade_share_30d'
                and events.score <> events.prior_score
                and events.graded_on + 30 + numbered.days_after > numbered.observed_on
            )
            or (
                numbered.metric = 'target_breadth_30d'
                and events.target <> coalesce(events.prior_target, events.last_target)
                and events.graded_on + 30 + numbered.days_after > numbered.observed_on
            )
            or (
                numbered.metric = 'action_conflicts_90d'
                and {{ is_action_conflict("events") }}
                and events.graded_on + 90 + numbered.days_after > numbered.observed_on
            )
    ),
    standing_votes as (
        select distinct
            numbered.flag_episode_id,
            numbered.role,
            votes.table_name,
            votes.row_id,
            case
                when numbered.metric in ('median_vote_age_days', 'coverage_ratio')
                then case when votes.table_name = 'raw.ratings' then 'graded_on' else 'grade' end
                else 'target'
            end as column_name,
            case
                when numbered.metric not in ('median_vote_age_days', 'coverage_ratio')
                then told_votes.target
            end as evidence_value
        from numbered
        inner join
            votes
            on votes.ticker = numbered.ticker
            and votes.from_number <= numbered.session_number
            and votes.to_number > numbered.session_number
        left join
            told_votes
            on told_votes.table_name = votes.table_name
            and told_votes.row_id = votes.row_id
        where
            numbered.metric in ('median_vote_age_days', 'coverage_ratio')
            or (
                numbered.metric in ('target_cv', 'target_high_to_low', 'upside_median')
                and votes.target_status = 'used'
            )
    ),
    standing_snapshots as (
        select
            numbered.flag_episode_id,
            numbered.role,
            snapshots.row_id,
            told_snapshots.strong_buy,
            told_snapshots.buy
        from numbered
        inner join
            snapshots
            on snapshots.ticker = numbered.ticker
            and snapshots.from_number <= numbered.session_number
            and snapshots.to_number > numbered.session_number
        left join told_snapshots on told_snapshots.row_id = snapshots.row_id
        where numbered.metric in ('buy_share', 'coverage_ratio')
    ),
    final as (
        select flag_episode_id, role, table_name, row_id, column_name, evidence_value as value
        from observed
        where table_name is not null
        union
        select flag_episode_id, role, 'raw.prices', row_id, 'close', told_close
        from highs
        where height_rank = 1
        union
        select flag_episode_id, role, 'raw.prices', row_id, 'close', told_close
        from closes_before
        where row_id is not null
        union
        select flag_episode_id, role, 'raw.prices', row_id_20d_ago, 'close', told_close_20d_ago
        from rates_before
        union
        select flag_episode_id, role, table_name, row_id, column_name, evidence_value
        from stories
        union
        select flag_episode_id, role, 'raw.news', news_row_id, 'title', {{ no_number }}
        from stories
        union
        select flag_episode_id, role, table_name, row_id, column_name, evidence_value
        from calls
        union
        select flag_episode_id, role, table_name, row_id, column_name, evidence_value
        from standing_votes
        union
        select flag_episode_id, role, 'raw.consensus', row_id, 'strong_buy', strong_buy
        from standing_snapshots
        union
        select flag_episode_id, role, 'raw.consensus', row_id, 'buy', buy
        from standing_snapshots
        union
        select flag_episode_id, role, 'raw.prices', bar_row_id, 'close', told_close
        from numbered
        where metric = 'upside_median' and bar_row_id is not null
    )
select *
from final
