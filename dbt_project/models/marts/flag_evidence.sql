{%- set no_number = "cast(null as " ~ dbt.type_float() ~ ")" -%}
{#- Bars that the windows behind a metric look back on, and the column they read. -#}
{%- set windows = [
    ("volatility_21d_to_median_756d", 776, "close"),
    ("rsi_14", 511, "close"),
    ("sessions_below_sma_200", 698, "close"),
    ("opening_gap_in_atr", 512, "close"),
    ("median_turnover_60d_usd_m", 59, "volume"),
    ("untraded_share_60d", 59, "volume"),
    ("highest_close_30d_usd", 29, "close"),
    ("price_currency_count", 59, "currency"),
    ("unadjusted_splits_60d", 59, "close"),
] -%}
{#- What else the row of a metric tells that its value is made of. -#}
{%- set companions = [
    ("eps_revision_ratio_30d", "estimates", "revisions_up_30d"),
    ("eps_drift_90d", "estimates", "eps_90d_ago"),
    ("earnings_surprise", "earnings", "eps_estimate"),
    ("earnings_surprise", "earnings", "eps_actual"),
    ("forward_pe_percentile", "valuations", "price"),
    ("forward_pe_percentile", "valuations", "forward_eps"),
    ("forward_pe_to_peers", "valuations", "price"),
    ("forward_pe_to_peers", "valuations", "forward_eps"),
] -%}

with
    episodes as (
        select flag_episode_id, flag, kind, metric, ticker, opened_on, closed_on, newest_observed_on
        from {{ ref("flag_episodes") }}
    ),
    observations as (select * from {{ ref("flag_observations") }}),
    liquidity as (
        select ticker, session_date, rate_row_id, rate_told_close
        from {{ ref("flag_metrics_liquidity") }}
    ),
    estimates as (select * from {{ ref("stg_estimates_history") }}),
    earnings as (select * from {{ ref("stg_earnings_history") }}),
    valuations as (select * from {{ ref("stg_valuations_history") }}),
    multiples as (select * from {{ ref("flag_multiples") }}),
    short_changes as (select * from {{ ref("short_changes") }}),
    peers as (select ticker, peer, valid_from, valid_to from {{ ref("peers") }}),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    news as (select * from {{ ref("flag_metrics_news") }}),
    bars as (
        select row_id, ticker, session_date, bar_number, close, volume, told_close, told_volume
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
    told_votes as (
        select table_name, row_id, target, prior_target from {{ ref("stg_ratings_history") }}
    ),
    snapshots as (select * from {{ ref("snapshot_history") }}),
    told_snapshots as (
        select row_id, strong_buy, buy, hold, sell, strong_sell
        from {{ ref("stg_consensus_history") }}
    ),
    currency_moves as (
        select row_id, row_id_20d_ago, told_close_20d_ago from {{ ref("currency_moves") }}
    ),
    -- The newest value while it was open is that of the condition that opened it.
    moments as (
        select flag_episode_id, flag, kind, ticker, metric, 'open' as role, opened_on as observed_on
        from episodes
        union all
        select
            flag_episode_id, flag, kind, ticker, metric, 'close' as role, closed_on as observed_on
        from episodes
        where closed_on is not null
        union all
        select
            flag_episode_id,
            flag,
            kind,
            ticker,
            metric,
            'newest' as role,
            newest_observed_on as observed_on
        from episodes
        where newest_observed_on > opened_on
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
        where
            (moments.role = 'open' and observations.event = 1)
            or (moments.role = 'close' and observations.event = 0)
            or (
                moments.role = 'newest'
                and observations.metric = moments.metric
                and coalesce(observations.event, 1) = 1
            )
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
    -- The last bar of a window is the one observed; here is the first.
    first_bars as (
        {%- for metric, count, column in windows %}
            select
                observed.flag_episode_id,
                observed.role,
                bars.row_id,
                '{{ column }}' as column_name,
                {% if column == "currency" %} {{ no_number }}
                {% else %} bars.told_{{ column }}
                {% endif %} as told_value
            from observed
            inner join
                bars as newest
                on newest.ticker = observed.ticker
                and newest.session_date = observed.observed_on
            inner join
                bars
                on bars.ticker = observed.ticker
                and bars.bar_number = greatest(newest.bar_number - {{ count }}, 1)
            where observed.metric = '{{ metric }}' {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    -- The rate of the dollar that a turnover in another currency is counted at.
    turnover_rates as (
        select
            observed.flag_episode_id,
            observed.role,
            liquidity.rate_row_id as row_id,
            liquidity.rate_told_close as told_close
        from observed
        inner join
            liquidity
            on liquidity.ticker = observed.ticker
            and liquidity.session_date = observed.observed_on
        where observed.metric = 'median_turnover_60d_usd_m' and liquidity.rate_row_id is not null
    ),
    -- The reaction to a result: the bars of day 0 and day 1 and the one before, of the share and of
    -- its benchmark.
    reactions as (
        select observed.flag_episode_id, observed.role, bars.row_id, bars.told_close
        from observed
        inner join universe on universe.ticker = observed.ticker
        inner join
            bars as newest
            on newest.ticker = observed.ticker
            and newest.session_date = observed.observed_on
        inner join
            bars as own
            on own.ticker = observed.ticker
            and own.bar_number between newest.bar_number - 2 and newest.bar_number
        inner join
            bars
            on bars.ticker in (observed.ticker, universe.benchmark)
            and bars.session_date = own.session_date
        where observed.metric = 'earnings_surprise'
    ),
    -- What a multiple is compared with.
    compared as (
        select observed.flag_episode_id, observed.role, earlier.row_id, earlier.forward_pe
        from observed
        inner join multiples on multiples.row_id = observed.row_id
        inner join
            multiples as earlier
            on earlier.ticker = multiples.ticker
            and earlier.valued_on
            < cast({{ dbt.date_trunc("month", "multiples.valued_on") }} as date)
            and earlier.month_rank = 1
        where observed.metric = 'forward_pe_percentile' and earlier.forward_pe is not null
        union all
        select observed.flag_episode_id, observed.role, theirs.row_id, theirs.forward_pe
        from observed
        inner join multiples on multiples.row_id = observed.row_id
        inner join
            peers
            on peers.ticker = multiples.ticker
            and peers.valid_from <= multiples.observed_on
            and (peers.valid_to is null or peers.valid_to >= multiples.observed_on)
        inner join
            multiples as theirs
            on theirs.ticker = peers.peer
            and theirs.observed_on <= multiples.observed_on
            and theirs.replaced_on > multiples.observed_on
        where observed.metric = 'forward_pe_to_peers' and theirs.forward_pe is not null
    ),
    compared_cells as (
        {%- for column in ["forward_pe", "price", "forward_eps"] %}
            select
                compared.flag_episode_id,
                compared.role,
                compared.row_id,
                '{{ column }}' as column_name,
                valuations.{{ column }} as told_value
            from compared
            inner join valuations on valuations.row_id = compared.row_id
            where valuations.{{ column }} is not null {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    companions as (
        {%- for metric, table, column in companions %}
            select
                observed.flag_episode_id,
                observed.role,
                'raw.{{ table }}' as table_name,
                observed.row_id,
                '{{ column }}' as column_name,
                cast({{ table }}.{{ column }} as {{ dbt.type_float() }}) as told_value
            from observed
            inner join {{ table }} on {{ table }}.row_id = observed.row_id
            where observed.metric = '{{ metric }}' and {{ table }}.{{ column }} is not null
            union all
        {%- endfor %}
        select
            observed.flag_episode_id,
            observed.role,
            'raw.short_interest' as table_name,
            short_changes.earlier_row_id as row_id,
            'shares_short' as column_name,
            short_changes.earlier_shares as told_value
        from observed
        inner join short_changes on short_changes.row_id = observed.row_id
        where observed.metric = 'short_growth_1m' and short_changes.earlier_row_id is not null
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
                when
                    numbered.metric
                    in ('median_vote_age_days', 'coverage_ratio', 'net_upgrade_share_30d')
                then case when votes.table_name = 'raw.ratings' then 'graded_on' else 'grade' end
                else 'target'
            end as column_name,
            case
                when
                    numbered.metric
                    not in ('median_vote_age_days', 'coverage_ratio', 'net_upgrade_share_30d')
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
            numbered.metric in ('median_vote_age_days', 'coverage_ratio', 'net_upgrade_share_30d')
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
            told_snapshots.buy,
            told_snapshots.hold,
            told_snapshots.sell,
            told_snapshots.strong_sell
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
        {%- for column in ["strong_buy", "buy", "hold", "sell", "strong_sell"] %}
            select flag_episode_id, role, 'raw.consensus', row_id, '{{ column }}', {{ column }}
            from standing_snapshots
            union
        {%- endfor %}
        select
            flag_episode_id,
            role,
            'raw.ratings',
            calls.row_id,
            'prior_target',
            told_votes.prior_target
        from calls
        inner join
            told_votes
            on told_votes.table_name = calls.table_name
            and told_votes.row_id = calls.row_id
        where
            calls.column_name = 'target'
            and calls.table_name = 'raw.ratings'
            and told_votes.prior_target is not null
        union
        select flag_episode_id, role, 'raw.prices', row_id, column_name, told_value
        from first_bars
        union
        select flag_episode_id, role, 'raw.prices', row_id, 'close', told_close
        from turnover_rates
        union
        select flag_episode_id, role, 'raw.prices', row_id, 'close', told_close
        from reactions
        union
        select flag_episode_id, role, 'raw.valuations', row_id, column_name, told_value
        from compared_cells
        union
        select flag_episode_id, role, table_name, row_id, column_name, told_value
        from companions
        union
        select flag_episode_id, role, 'raw.news', news_row_id, 'publisher', {{ no_number }}
        from stories
        union
        select flag_episode_id, role, 'raw.prices', bar_row_id, 'close', told_close
        from numbered
        where metric = 'upside_median' and bar_row_id is not null
    )
select *
from final
