{%- set no_number = "cast(null as " ~ dbt.type_float() ~ ")" -%}
{#- Bars that the windows behind a metric look back on, and what they read of each. -#}
{%- set windows = [
    ("volatility_21d_to_median_756d", 776, ["close"]),
    ("rsi_14", 511, ["close"]),
    ("sessions_below_sma_200", 698, ["close"]),
    ("opening_gap_in_atr", 512, ["high", "low", "close"]),
    ("median_turnover_60d_usd_m", 59, ["close", "volume"]),
    ("untraded_share_60d", 59, ["volume"]),
    ("highest_close_30d_usd", 29, ["close"]),
    ("price_currency_count", 59, ["currency"]),
    ("unadjusted_splits_60d", 59, ["close"]),
] -%}
{#- What else the row of a metric tells that its value is made of. -#}
{%- set companions = [
    ("eps_revision_ratio_30d", "estimates", "revisions_up_30d", true),
    ("eps_drift_90d", "estimates", "eps_90d_ago", true),
    ("earnings_surprise", "earnings", "eps_estimate", true),
    ("earnings_surprise", "earnings", "eps_actual", true),
    ("days_to_earnings", "earnings_dates", "announced_to", false),
    ("forward_pe_percentile", "valuations", "price", true),
    ("forward_pe_percentile", "valuations", "forward_eps", true),
    ("forward_pe_to_peers", "valuations", "price", true),
    ("forward_pe_to_peers", "valuations", "forward_eps", true),
    ("has_foreign_audit_exposure", "securities", "exchange", false),
    ("has_foreign_reporting_currency", "securities", "currency", false),
] -%}
{#- What a bar tells, as it stands in its raw row; a currency is no number. -#}
{%- set told = {
    "high": "high * told_close / nullif(close, 0)",
    "low": "low * told_close / nullif(close, 0)",
    "close": "told_close",
    "volume": "told_volume",
    "split_ratio": "split_ratio",
    "currency": no_number,
} -%}

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
    earnings_dates as (select * from {{ ref("stg_earnings_dates_history") }}),
    earnings_reactions as (select * from {{ ref("earnings_reactions") }}),
    securities as (select * from {{ ref("stg_securities_history") }}),
    valuations as (select * from {{ ref("stg_valuations_history") }}),
    multiples as (select * from {{ ref("flag_multiples") }}),
    short_changes as (select * from {{ ref("short_changes") }}),
    peers as (select ticker, peer, valid_from, valid_to from {{ ref("peers") }}),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    news as (select * from {{ ref("flag_metrics_news") }}),
    bars as (select * from {{ ref("known_bars") }}),
    restated_bars as (
        select
            ticker,
            session_date,
            row_id,
            high,
            low,
            close,
            close * split_factor as told_close,
            volume / split_factor as told_volume,
            source_priority,
            known_from,
            superseded_at
        from {{ ref("stg_price_versions") }}
        where is_final and source_rank = 1
    ),
    price_gaps as (select * from {{ ref("price_gaps") }}),
    split_bars as (
        select row_id, ticker, session_date, split_ratio
        from {{ ref("stg_prices") }}
        where split_ratio <> 1 and is_final
    ),
    known_prices as (
        select ticker, session_date, high_row_id, high_told_close from {{ ref("known_prices") }}
    ),
    ranks as (
        select ticker, session_date, momentum_percentile
        from {{ ref("momentum_ranks") }}
        where momentum_percentile is not null
    ),
    quotes as (select ticker, exchange, session_date from {{ ref("quotes") }}),
    days as (
        select exchange, day, session_number from {{ ref("stg_calendar_days") }} where is_session
    ),
    sessions as (select row_id, exchange, session_date from {{ ref("stg_sessions") }}),
    events as (select * from {{ ref("rating_events") }} where effect = 'vote'),
    votes as (select * from {{ ref("vote_history") }}),
    told_votes as (
        select table_name, row_id, from_grade, target, prior_target
        from {{ ref("stg_ratings_history") }}
    ),
    snapshots as (select * from {{ ref("snapshot_history") }}),
    told_snapshots as (
        select row_id, strong_buy, buy, hold, sell, strong_sell
        from {{ ref("stg_consensus_history") }}
    ),
    currency_moves as (select * from {{ ref("currency_moves") }}),
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
            observations.evidence_value,
            observations.value
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
    -- Bars that a value of a session rests on besides its own. A late bar stands in no window of
    -- the sessions it missed: the first of a window is the first that was known.
    seen_from as (
        select observed.*, own.bar_number, own.cut_off_at, own.session_date as own_date
        from observed
        inner join
            bars as own on own.ticker = observed.ticker and own.session_date = observed.observed_on
    ),
    steps as (
        {%- for step in range(10) %}
            select {{ step }} as step {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    window_starts as (
        {%- for metric, count, _ in windows %}
            select
                flag_episode_id,
                role,
                metric,
                ticker,
                cut_off_at,
                bar_number,
                greatest(bar_number - {{ count }}, 1) as first_number
            from seen_from
            where metric = '{{ metric }}' {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    window_bars as (
        select
            window_starts.flag_episode_id,
            window_starts.role,
            window_starts.metric,
            window_starts.cut_off_at,
            bars.ticker,
            bars.session_date,
            row_number() over (
                partition by window_starts.flag_episode_id, window_starts.role, window_starts.metric
                order by bars.bar_number asc nulls last
            ) as place
        from window_starts
        cross join steps
        inner join
            bars
            on bars.ticker = window_starts.ticker
            and bars.bar_number = window_starts.first_number + steps.step
            and bars.bar_number <= window_starts.bar_number
        where
            bars.first_known_from <= window_starts.cut_off_at
            or bars.bar_number = window_starts.bar_number
    ),
    -- The average range before a gap ends, and the close it is measured from stands, the bar
    -- before.
    bars_before as (
        select
            seen_from.flag_episode_id,
            seen_from.role,
            seen_from.cut_off_at,
            bars.ticker,
            bars.session_date,
            row_number() over (
                partition by seen_from.flag_episode_id, seen_from.role
                order by bars.bar_number desc nulls last
            ) as place
        from seen_from
        cross join steps
        inner join
            bars
            on bars.ticker = seen_from.ticker
            and bars.bar_number = seen_from.bar_number - 1 - steps.step
        where
            seen_from.metric = 'opening_gap_in_atr'
            and bars.first_known_from <= seen_from.cut_off_at
    ),
    -- Bars told in another currency than the session's own, and splits that moved the price.
    odd_bars as (
        select
            seen_from.flag_episode_id,
            seen_from.role,
            seen_from.cut_off_at,
            bars.ticker,
            bars.session_date,
            row_number() over (
                partition by seen_from.flag_episode_id, seen_from.role
                order by bars.bar_number desc nulls last
            ) as place
        from seen_from
        inner join
            bars as own on own.ticker = seen_from.ticker and own.bar_number = seen_from.bar_number
        inner join
            bars
            on bars.ticker = seen_from.ticker
            and bars.bar_number between seen_from.bar_number - 59 and seen_from.bar_number
            and bars.currency <> own.currency
        where seen_from.metric = 'price_currency_count'
    ),
    split_days as (
        select
            seen_from.flag_episode_id,
            seen_from.role,
            seen_from.cut_off_at,
            bars.ticker,
            bars.session_date,
            bars.bar_number
        from seen_from
        inner join split_bars on split_bars.ticker = seen_from.ticker
        inner join
            bars
            on bars.ticker = seen_from.ticker
            and bars.session_date = split_bars.session_date
            and bars.bar_number between seen_from.bar_number - 59 and seen_from.bar_number
        where seen_from.metric = 'unadjusted_splits_60d'
    ),
    -- The two closes that differ most.
    widest_gaps as (
        select
            seen_from.flag_episode_id,
            seen_from.role,
            price_gaps.row_id,
            price_gaps.told_close,
            price_gaps.other_row_id,
            price_gaps.other_told_close,
            row_number() over (
                partition by seen_from.flag_episode_id, seen_from.role
                order by
                    price_gaps.gap desc nulls last,
                    price_gaps.session_date desc nulls last,
                    price_gaps.other_row_id asc nulls last
            ) as width_rank
        from seen_from
        inner join
            bars
            on bars.ticker = seen_from.ticker
            and bars.bar_number between seen_from.bar_number - 59 and seen_from.bar_number
        inner join
            price_gaps
            on price_gaps.ticker = bars.ticker
            and price_gaps.session_date = bars.session_date
            and price_gaps.known_from <= seen_from.cut_off_at
            and price_gaps.known_until > seen_from.cut_off_at
        where seen_from.metric = 'source_gap_60d'
    ),
    -- A momentum rank is that of the bars known now: its own two, and the mart's row for the rest,
    -- which is everybody's.
    momentum_bars as (
        {%- for months in [12, 1] %}
            select
                observed.flag_episode_id,
                observed.role,
                bars.ticker,
                bars.session_date,
                row_number() over (
                    partition by observed.flag_episode_id, observed.role
                    order by bars.session_date desc nulls last
                ) as place
            from observed
            inner join
                bars
                on bars.ticker = observed.ticker
                and bars.session_date
                <= cast(observed.observed_on - interval '{{ months }}' month as date)
                and bars.session_date
                >= cast(observed.observed_on - interval '{{ months }}' month as date) - 7
            where observed.metric = 'buy_share' {{ "union all" if not loop.last }}
        {%- endfor %}
    ),
    momentum_rows as (
        select
            observed.flag_episode_id,
            observed.role,
            ranks.ticker,
            ranks.session_date,
            ranks.momentum_percentile
        from observed
        inner join
            ranks on ranks.ticker = observed.ticker and ranks.session_date = observed.observed_on
        where observed.metric = 'buy_share'
    ),
    -- The reaction to a result: the bars before it, of day 0 and of day 1, and the first and last
    -- of the usual returns it is measured in, of the share and of its benchmark.
    reactions as (
        select
            observed.flag_episode_id,
            observed.role,
            observed.ticker,
            universe.benchmark,
            bars.cut_off_at,
            earnings_reactions.*
        from observed
        inner join
            (
                select
                    row_id as earnings_row_id,
                    announcement_row_id,
                    first_session_date,
                    last_session_date,
                    day_before,
                    day_0,
                    day_1
                from earnings_reactions
            ) as earnings_reactions
            on earnings_reactions.earnings_row_id = observed.row_id
        left join universe on universe.ticker = observed.ticker
        left join
            bars on bars.ticker = observed.ticker and bars.session_date = earnings_reactions.day_1
        where observed.metric = 'earnings_surprise'
    ),
    wanted_bars as (
        {%- for metric, _, columns in windows %}
            {%- for column in columns %}
                select
                    flag_episode_id,
                    role,
                    ticker,
                    session_date,
                    cut_off_at,
                    '{{ column }}' as column_name
                from window_bars
                where metric = '{{ metric }}' and place = 1
                union all
            {%- endfor %}
        {%- endfor %}
        {%- for column in ["high", "low", "close"] %}
            select flag_episode_id, role, ticker, session_date, cut_off_at, '{{ column }}'
            from bars_before
            where place = 1
            union all
        {%- endfor %}
        select flag_episode_id, role, ticker, own_date, cut_off_at, 'close'
        from seen_from
        where metric = 'median_turnover_60d_usd_m'
        union all
        select flag_episode_id, role, ticker, session_date, cut_off_at, 'currency'
        from odd_bars
        where place = 1
        union all
        {%- for column in ["split_ratio", "close"] %}
            select flag_episode_id, role, ticker, session_date, cut_off_at, '{{ column }}'
            from split_days
            union all
        {%- endfor %}
        select
            split_days.flag_episode_id,
            split_days.role,
            bars.ticker,
            bars.session_date,
            split_days.cut_off_at,
            'close'
        from split_days
        inner join
            bars on bars.ticker = split_days.ticker and bars.bar_number = split_days.bar_number - 1
        union all
        select flag_episode_id, role, ticker, session_date, cast(null as timestamp), 'close'
        from momentum_bars
        where place = 1
        {%- for symbol in ["ticker", "benchmark"] %}
            {%- for day in [
                    "first_session_date",
                    "last_session_date",
                    "day_before",
                    "day_0",
                    "day_1",
                ] %}
                union all
                select flag_episode_id, role, {{ symbol }}, {{ day }}, cut_off_at, 'close'
                from reactions
                where {{ symbol }} is not null and {{ day }} is not null
            {%- endfor %}
        {%- endfor %}
    ),
    -- What was restated since is named as it was known then.
    bars_then as (
        select
            wanted_bars.flag_episode_id,
            wanted_bars.role,
            wanted_bars.ticker,
            wanted_bars.session_date,
            wanted_bars.column_name,
            restated_bars.row_id,
            restated_bars.high,
            restated_bars.low,
            restated_bars.close,
            restated_bars.told_close,
            restated_bars.told_volume,
            row_number() over (
                partition by
                    wanted_bars.flag_episode_id,
                    wanted_bars.role,
                    wanted_bars.ticker,
                    wanted_bars.session_date,
                    wanted_bars.column_name
                order by
                    restated_bars.source_priority asc nulls last,
                    restated_bars.known_from desc nulls last
            ) as age_rank
        from wanted_bars
        inner join
            bars
            on bars.ticker = wanted_bars.ticker
            and bars.session_date = wanted_bars.session_date
            and bars.settled_at > wanted_bars.cut_off_at
        inner join
            restated_bars
            on restated_bars.ticker = wanted_bars.ticker
            and restated_bars.session_date = wanted_bars.session_date
            and restated_bars.known_from <= wanted_bars.cut_off_at
            and (
                restated_bars.superseded_at is null
                or restated_bars.superseded_at > wanted_bars.cut_off_at
            )
    ),
    named_bars as (
        select
            wanted_bars.flag_episode_id,
            wanted_bars.role,
            wanted_bars.column_name,
            coalesce(bars_then.row_id, bars.row_id) as row_id,
            {%- for column in ["high", "low", "close", "told_close", "told_volume"] %}
                case
                    when bars_then.row_id is null then bars.{{ column }} else bars_then.{{ column }}
                end as {{ column }},
            {%- endfor %}
            split_bars.split_ratio
        from wanted_bars
        inner join
            bars
            on bars.ticker = wanted_bars.ticker
            and bars.session_date = wanted_bars.session_date
        left join
            bars_then
            on bars_then.flag_episode_id = wanted_bars.flag_episode_id
            and bars_then.role = wanted_bars.role
            and bars_then.ticker = wanted_bars.ticker
            and bars_then.session_date = wanted_bars.session_date
            and bars_then.column_name = wanted_bars.column_name
            and bars_then.age_rank = 1
        left join
            split_bars
            on split_bars.ticker = wanted_bars.ticker
            and split_bars.session_date = wanted_bars.session_date
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
    -- Sessions of which no bar was known: the first, and the one that counted.
    missed_sessions as (
        select observed.flag_episode_id, observed.role, sessions.row_id
        from observed
        inner join quotes on quotes.ticker = observed.ticker
        inner join
            sessions
            on sessions.exchange = quotes.exchange
            and sessions.session_date = observed.observed_on
        where observed.metric = 'missed_sessions'
        union
        select observed.flag_episode_id, observed.role, sessions.row_id
        from observed
        inner join bars on bars.first_row_id = observed.row_id
        inner join
            days on days.exchange = bars.exchange and days.session_number = bars.session_number + 1
        inner join
            sessions on sessions.exchange = days.exchange and sessions.session_date = days.day
        where observed.metric = 'missed_sessions' and observed.role <> 'close'
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
        {%- for metric, table, column, is_number in companions %}
            select
                observed.flag_episode_id,
                observed.role,
                'raw.{{ table }}' as table_name,
                observed.row_id,
                '{{ column }}' as column_name,
                {% if is_number -%} cast({{ table }}.{{ column }} as {{ dbt.type_float() }})
                {%- else -%} {{ no_number }}
                {%- endif %} as told_value
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
        union all
        select
            observed.flag_episode_id,
            observed.role,
            'raw.prices' as table_name,
            split_bars.row_id,
            'split_ratio' as column_name,
            split_bars.split_ratio as told_value
        from observed
        inner join short_changes on short_changes.row_id = observed.row_id
        inner join
            split_bars
            on split_bars.ticker = observed.ticker
            and split_bars.session_date > short_changes.earlier_on
            and split_bars.session_date <= short_changes.settled_on
        where observed.metric = 'short_growth_1m'
        union all
        select
            flag_episode_id,
            role,
            'raw.earnings_dates' as table_name,
            announcement_row_id as row_id,
            'announced_from' as column_name,
            {{ no_number }} as told_value
        from reactions
        where announcement_row_id is not null
        union all
        -- Of a result whose vendor says when it was known, that is the announcement.
        select
            flag_episode_id,
            role,
            'raw.earnings' as table_name,
            earnings_row_id as row_id,
            'known_at' as column_name,
            {{ no_number }} as told_value
        from reactions
        where announcement_row_id is null
    ),
    -- The rates a currency moved from, and the first of the year that says what is usual; of a
    -- pair without the dollar, those of both its currencies.
    rates_before as (
        {%- for leg in ["", "other_"] %}
            {%- for moment in ["", "_20d_ago", "_272d_ago"] %}
                select
                    observed.flag_episode_id,
                    observed.role,
                    currency_moves.{{ leg }}row_id{{ moment }} as row_id,
                    currency_moves.{{ leg }}told_close{{ moment }} as told_close
                from observed
                inner join
                    currency_moves
                    on currency_moves.row_id = observed.row_id
                    and currency_moves.move_20d_sigmas = observed.value
                where
                    observed.metric = 'fx_move_20d_sigmas'
                    and currency_moves.{{ leg }}row_id{{ moment }} is not null
                    {{ "union" if not loop.last }}
                {%- endfor %} {{ "union" if not loop.last }}
        {%- endfor %}
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
            numbered.metric,
            numbered.session_number,
            events.ticker,
            events.firm,
            events.graded_on,
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
    -- What a call is compared with: the grades and targets it names, and the firm's call before.
    calls_before as (
        select
            calls.flag_episode_id,
            calls.role,
            calls.metric,
            events.table_name,
            events.row_id,
            events.told_target,
            row_number() over (
                partition by calls.flag_episode_id, calls.role, calls.metric, calls.row_id
                order by events.graded_on desc nulls last, events.row_id asc nulls last
            ) as age_rank
        from calls
        inner join
            events
            on events.ticker = calls.ticker
            and events.firm = calls.firm
            and events.graded_on < calls.graded_on
            and events.from_number <= calls.session_number
            and events.to_number > calls.session_number
            and (calls.metric <> 'target_breadth_30d' or events.told_target is not null)
        -- A call that names the target before it is compared with that.
        left join
            told_votes
            on told_votes.table_name = calls.table_name
            and told_votes.row_id = calls.row_id
        where calls.metric <> 'target_breadth_30d' or told_votes.prior_target is null
    ),
    compared_calls as (
        select
            calls.flag_episode_id,
            calls.role,
            calls.table_name,
            calls.row_id,
            case
                when calls.table_name = 'raw.ratings' then 'from_grade' else 'prior_grade'
            end as column_name,
            {{ no_number }} as told_value
        from calls
        inner join
            told_votes
            on told_votes.table_name = calls.table_name
            and told_votes.row_id = calls.row_id
        where calls.metric <> 'target_breadth_30d' and told_votes.from_grade is not null
        union
        select
            flag_episode_id,
            role,
            table_name,
            row_id,
            case when table_name = 'raw.ratings' then 'to_grade' else 'grade' end,
            {{ no_number }}
        from calls
        where metric = 'action_conflicts_90d'
        union
        select
            flag_episode_id,
            role,
            table_name,
            row_id,
            case
                when metric = 'target_breadth_30d'
                then 'target'
                when table_name = 'raw.ratings'
                then 'to_grade'
                else 'grade'
            end,
            case when metric = 'target_breadth_30d' then told_target end
        from calls_before
        where age_rank = 1
        union
        select
            calls.flag_episode_id,
            calls.role,
            calls.table_name,
            calls.row_id,
            'prior_target',
            told_votes.prior_target
        from calls
        inner join
            told_votes
            on told_votes.table_name = calls.table_name
            and told_votes.row_id = calls.row_id
        where calls.metric = 'target_breadth_30d' and told_votes.prior_target is not null
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
        from rates_before
        union
        {%- for column, value in told.items() %}
            select flag_episode_id, role, 'raw.prices', row_id, '{{ column }}', {{ value }}
            from named_bars
            where column_name = '{{ column }}'
            union
        {%- endfor %}
        select flag_episode_id, role, 'raw.sessions', row_id, 'session_date', {{ no_number }}
        from missed_sessions
        union
        select
            flag_episode_id,
            role,
            'marts.momentum_ranks',
            concat(ticker, '|', cast(session_date as {{ dbt.type_string() }})),
            'momentum_percentile',
            momentum_percentile
        from momentum_rows
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
        select flag_episode_id, role, table_name, row_id, column_name, told_value
        from compared_calls
        union
        select flag_episode_id, role, 'raw.prices', row_id, 'close', told_close
        from turnover_rates
        union
        {%- for whose in ["", "other_"] %}
            select
                flag_episode_id,
                role,
                'raw.prices',
                {{ whose }}row_id,
                'close',
                {{ whose }}told_close
            from widest_gaps
            where width_rank = 1
            union
        {%- endfor %}
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
