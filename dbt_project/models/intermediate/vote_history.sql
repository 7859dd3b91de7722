{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"only_calls": true},
        pre_hook="{{ delete_rows(touched_votes()) }}",
    )
}}

{#-
A target without a currency takes the quote's unless target over close lies outside 0.2 to 5; one in
another currency is converted at the session's rate, not older than a week. So a target may change, or
begin or cease to count, while the vote stands. `blocks` spare most votes the look at every close.
-#}
{%- set block = 64 -%}

with
    methods as (select window_days from {{ ref("house_methods") }} where method = 'default'),
    votes as (
        select * from {{ ref("rating_events") }} where effect = 'vote' and voted_from < voted_to
    ),
    {% if is_incremental() %}
        -- What stays of a firm is a beginning: its votes follow one another.
        kept as (
            select ticker, firm, max(voted_from) as voted_from from {{ this }} group by ticker, firm
        ),
        events as (
            select votes.*
            from votes
            left join kept on kept.ticker = votes.ticker and kept.firm = votes.firm
            where kept.ticker is null or votes.voted_from > kept.voted_from
        ),
    {% else %} events as (select * from votes),
    {% endif %}
    quotes as (
        select ticker, exchange, counted_on, session_number, currency, major_code, units_per_major
        from {{ ref("quotes") }}
    ),
    days as (select exchange, day, session_number from {{ ref("stg_calendar_days") }}),
    sessions as (
        select
            ticker,
            session_number,
            counted_on,
            close,
            session_number - session_number % {{ block }} as block_number
        from {{ ref("consensus_sessions") }}
    ),
    pairs as (
        select
            case when length(ticker) = 5 then 'USD' else substring(ticker, 1, 3) end as from_code,
            case
                when length(ticker) = 5 then substring(ticker, 1, 3) else substring(ticker, 4, 3)
            end as to_code,
            session_date,
            close
        from {{ ref("stg_prices") }}
        where ticker like '%=X' and length(ticker) in (5, 8) and is_final and close > 0
    ),
    both_ways as (
        select from_code, to_code, session_date, close as rate, 1 as preference
        from pairs
        union all
        select to_code, from_code, session_date, 1.0 / close as rate, 2 as preference
        from pairs
    ),
    quoted_rates as (
        select from_code, to_code, session_date, rate
        from
            (
                select
                    *,
                    row_number() over (
                        partition by from_code, to_code, session_date
                        order by preference asc nulls last, rate asc nulls last
                    ) as rank_of_pair
                from both_ways
            ) as ranked
        where rank_of_pair = 1
    ),
    rates as (
        select
            from_code,
            to_code,
            rate,
            session_date as quoted_from,
            least(
                coalesce(
                    lead(session_date) over (
                        partition by from_code, to_code order by session_date asc nulls last
                    ),
                    session_date + 7
                ),
                session_date + 7
            ) as quoted_to
        from quoted_rates
    ),
    dated as (
        select
            events.*,
            events.graded_on + methods.window_days as expires_on,
            quotes.exchange,
            quotes.counted_on,
            quotes.session_number,
            quotes.currency as quote_currency,
            quotes.major_code,
            quotes.units_per_major
        from events
        cross join methods
        inner join quotes on quotes.ticker = events.ticker
    ),
    expiring as (
        select
            dated.*,
            case
                when dated.expires_on > dated.counted_on
                then dated.voted_to
                else least(dated.voted_to, coalesce(days.session_number + 1, 0))
            end as live_to
        from dated
        left join days on days.exchange = dated.exchange and days.day = dated.expires_on - 1
    ),
    live as (
        select
            *,
            row_number() over (
                order by ticker asc nulls last, firm asc nulls last, voted_from asc nulls last
            ) as vote_number,
            case
                when target is null
                then 'none'
                when is_fair_value
                then 'fair_value'
                when not is_convertible
                then 'currency_unknown'
                else 'used'
            end as target_status
        from expiring
        where voted_from < live_to
    ),
    firsts as (select ticker, min(voted_from) as voted_from from live group by ticker),
    blocks as (
        select
            sessions.ticker,
            min(sessions.session_number) as first_number,
            max(sessions.session_number) as last_number,
            min(sessions.close) as lowest_close,
            max(sessions.close) as highest_close
        from sessions
        inner join
            firsts
            on firsts.ticker = sessions.ticker
            and firsts.voted_from <= sessions.session_number
        group by sessions.ticker, sessions.block_number
    ),
    doubtful as (
        select distinct live.vote_number
        from live
        inner join
            blocks
            on blocks.ticker = live.ticker
            and blocks.first_number < live.live_to
            and blocks.last_number >= live.voted_from
        where
            live.target_status = 'used'
            and live.is_currency_assumed
            and (
                live.target / nullif(blocks.highest_close, 0) < 0.2
                or live.target / nullif(blocks.lowest_close, 0) > 5
            )
        union
        select live.vote_number
        from live
        inner join
            rates on rates.from_code = live.told_major_code and rates.to_code = live.major_code
        where live.target_status in ('currency_unknown', 'fair_value') and not live.is_convertible
    ),
    judged as (
        select
            live.vote_number,
            sessions.session_number,
            case
                when
                    live.target_status = 'used'
                    and (
                        live.target / nullif(sessions.close, 0) < 0.2
                        or live.target / nullif(sessions.close, 0) > 5
                    )
                then 'currency_unknown'
                when live.target_status = 'currency_unknown' and rates.rate is not null
                then 'used'
                else live.target_status
            end as target_status,
            case
                when live.is_convertible
                then 1.0
                else rates.rate * live.units_per_major / live.told_units
            end as rate
        from doubtful
        inner join live on live.vote_number = doubtful.vote_number
        inner join
            sessions
            on sessions.ticker = live.ticker
            and sessions.session_number >= live.voted_from
            and sessions.session_number < live.live_to
        left join
            rates
            on not live.is_convertible
            and rates.from_code = live.told_major_code
            and rates.to_code = live.major_code
            and rates.quoted_from <= sessions.counted_on
            and rates.quoted_to > sessions.counted_on
    ),
    compared as (
        select
            *,
            lag(target_status) over (
                partition by vote_number order by session_number asc nulls last
            ) as status_before,
            lag(coalesce(rate, 0)) over (
                partition by vote_number order by session_number asc nulls last
            ) as rate_before
        from judged
    ),
    turning as (
        select
            vote_number,
            session_number as from_number,
            target_status,
            rate,
            lead(session_number) over (
                partition by vote_number order by session_number asc nulls last
            ) as to_number
        from compared
        where
            status_before is null
            or status_before <> target_status
            or rate_before <> coalesce(rate, 0)
    ),
    final as (
        select
            live.ticker,
            live.firm,
            case
                when turning.vote_number is null then live.voted_from else turning.from_number
            end as from_number,
            coalesce(turning.to_number, live.live_to) as to_number,
            live.grade,
            live.score,
            live.bucket,
            live.target * coalesce(turning.rate, 1.0) as target,
            live.prior_target * coalesce(turning.rate, 1.0) as prior_target,
            case
                when turning.rate is not null then live.quote_currency else live.target_currency
            end as target_currency,
            live.is_currency_assumed,
            live.is_convertible,
            live.quote_currency,
            coalesce(turning.target_status, live.target_status) as target_status,
            live.graded_on,
            live.expires_on,
            live.voted_from,
            live.live_to,
            least(live.live_to, live.session_number) as judged_to,
            live.known_from,
            live.pit_quality,
            live.note,
            live.table_name,
            live.row_id
        from live
        left join turning on turning.vote_number = live.vote_number
    )
select *
from final
