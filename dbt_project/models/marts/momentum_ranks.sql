{#- Days that hold 156 weeks before a session's own and the bar before them. -#}
{%- set days = 1140 -%}
{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_from_first_change(ref('momentum_changes'), 'changed_from') }}",
    )
}}

with
    first_days as (
        select coalesce(min(changed_from), cast('9999-12-31' as date)) as ranked_from
        from {{ ref("momentum_changes") }}
    ),
    momentum_history as (
        select ticker, session_date, momentum_12_1, return_7m_1m, return_13m_1m
        from {{ ref("momentum_history") }}
        {% if is_incremental() %}
            where session_date >= (select ranked_from from first_days)
        {% endif %}
    ),
    -- Enough closes for the weeks that the first of those sessions looks back on.
    closes as (
        select ticker, session_date, close
        from {{ ref("momentum_history") }}
        {% if is_incremental() %}
            where session_date >= (select ranked_from - {{ days }} from first_days)
        {% endif %}
    ),
    universe as (
        select ticker, benchmark, listed_from, listed_to, is_covered, known_from
        from {{ ref("stg_universe_history") }}
    ),
    securities as (select ticker, quote_type from {{ ref("stg_securities") }}),
    benchmarks as (select distinct benchmark as ticker from universe where benchmark is not null),
    -- What the universe said of a ticker, from the day it was said to the day something else was.
    memberships as (
        select
            ticker,
            is_covered,
            coalesce(listed_from, cast('0001-01-01' as date)) as listed_from,
            coalesce(listed_to, cast('9999-12-31' as date)) as listed_to,
            cast(known_from as date) as said_on,
            lead(cast(known_from as date), 1, cast('9999-12-31' as date)) over (
                partition by ticker order by known_from asc nulls last
            ) as said_until
        from universe
    ),
    rankable as (
        select tickers.ticker, memberships.ticker is not null as is_in_universe
        from (select distinct ticker from momentum_history) as tickers
        left join
            (select distinct ticker from memberships) as memberships
            on memberships.ticker = tickers.ticker
        left join benchmarks on benchmarks.ticker = tickers.ticker
        left join securities on securities.ticker = tickers.ticker
        where
            benchmarks.ticker is null
            and coalesce(securities.quote_type, 'EQUITY') = 'EQUITY'
            and tickers.ticker not like '%=X'
            and tickers.ticker not like '%=F'
            and tickers.ticker not like '^%'
    ),
    covered as (
        select momentum_history.*
        from momentum_history
        inner join rankable on rankable.ticker = momentum_history.ticker
        left join
            memberships
            on memberships.ticker = momentum_history.ticker
            and momentum_history.session_date >= memberships.said_on
            and momentum_history.session_date < memberships.said_until
        where
            (
                not rankable.is_in_universe
                or (
                    memberships.is_covered
                    and momentum_history.session_date
                    between memberships.listed_from and memberships.listed_to
                )
            )
    ),
    -- Weekly returns of the weeks before a session's own, which may not be over yet.
    week_ends as (
        select
            ticker,
            cast({{ dbt.date_trunc("week", "session_date") }} as date) as week,
            max(session_date) as session_date,
            {{ value_at_greatest("close", "session_date") }} as close
        from closes
        where ticker in (select ticker from rankable)
        group by ticker, cast({{ dbt.date_trunc("week", "session_date") }} as date)
    ),
    weeks as (
        select
            ticker,
            week,
            close / lag(close) over history - 1 as weekly_return,
            {{ dbt.datediff("lag(session_date) over history", "session_date", "day") }} as day_count
        from week_ends
        window history as (partition by ticker order by week asc nulls last)
    ),
    volatilities as (
        select
            ticker,
            week,
            case
                when count(weekly_return) over last_156 >= 100
                then stddev_samp(weekly_return) over last_156 * sqrt(52)
            end as weekly_volatility
        from
            (
                select
                    ticker, week, case when day_count <= 15 then weekly_return end as weekly_return
                from weeks
            ) as weeks
        window
            last_156 as (
                partition by ticker
                order by
                    week asc nulls last
                    range between interval '1092' day preceding and interval '7' day preceding
            )
    ),
    bills as (select session_date, close from closes where ticker = '^IRX'),
    dates as (select distinct session_date from covered),
    {% for months in [7, 13] %}
        risk_free_{{ months }} as (
            select dates.session_date, avg(bills.close) / 100 * {{ (months - 1) / 12 }} as rate
            from dates
            inner join
                bills
                on bills.session_date
                > cast(dates.session_date - interval '{{ months }}' month as date)
                and bills.session_date <= cast(dates.session_date - interval '1' month as date)
            group by dates.session_date
        ),
    {% endfor %}
    adjusted as (
        select
            covered.ticker,
            covered.session_date,
            covered.momentum_12_1,
            case
                when risk_free_7.rate is not null and risk_free_13.rate is not null
                then '^IRX'
                else 'none'
            end as risk_free_basis,
            {% for months in [7, 13] %}
                (
                    covered.return_{{ months }}m_1m - case
                        when risk_free_7.rate is not null and risk_free_13.rate is not null
                        then risk_free_{{ months }}.rate
                        else 0
                    end
                )
                / nullif(volatilities.weekly_volatility, 0) as adjusted_{{ months }}
                {{- "," if not loop.last }}
            {% endfor %}
        from covered
        left join
            volatilities
            on volatilities.ticker = covered.ticker
            and volatilities.week
            = cast({{ dbt.date_trunc("week", "covered.session_date") }} as date)
        {% for months in [7, 13] %}
            left join
                risk_free_{{ months }} on risk_free_{{ months }}.session_date = covered.session_date
        {% endfor %}
    ),
    rows_to_rank as (
        select
            *,
            momentum_12_1 is not null as is_ranked,
            adjusted_7 + adjusted_13 is not null as is_scored
        from adjusted
        where momentum_12_1 is not null or adjusted_7 + adjusted_13 is not null
    ),
    -- Equal momentum must tie, whatever the last digits of a float: what lies within 1e-9 of the
    -- next lower one stands where the lowest of them stands.
    followed as (
        select
            *,
            lag(momentum_12_1) over (
                partition by session_date, is_ranked order by momentum_12_1 asc nulls last
            ) as lower_momentum
        from rows_to_rank
    ),
    tied as (
        select
            *,
            max(
                case
                    when lower_momentum is null or momentum_12_1 - lower_momentum > 1e-9
                    then momentum_12_1
                end
            ) over (
                partition by session_date, is_ranked
                order by momentum_12_1 asc nulls last
                rows between unbounded preceding and current row
            ) as tied_momentum
        from followed
    ),
    standardised as (
        select
            *,
            percent_rank() over (
                partition by session_date, is_ranked order by tied_momentum asc nulls last
            ) as percentile,
            count(momentum_12_1) over (partition by session_date) as universe_count,
            count(*) over scored as scored_count,
            {% for months in [7, 13] %}
                (adjusted_{{ months }} - avg(adjusted_{{ months }}) over scored)
                / nullif(stddev_samp(adjusted_{{ months }}) over scored, 0) as z_{{ months }}
                {{- "," if not loop.last }}
            {% endfor %}
        from tied
        window scored as (partition by session_date, is_scored)
    ),
    averaged as (
        select
            *,
            avg(z_7 + z_13) over scored as mean_z,
            stddev_samp(z_7 + z_13) over scored as stddev_z
        from standardised
        window scored as (partition by session_date, is_scored)
    ),
    capped as (
        select *, least(greatest((z_7 + z_13 - mean_z) / nullif(stddev_z, 0), -3), 3) as z
        from averaged
    ),
    final as (
        select
            ticker,
            session_date,
            case when is_ranked and universe_count >= 20 then percentile end as momentum_percentile,
            case
                when not is_scored or scored_count < 30
                then null
                when z > 0
                then 1 + z
                else 1 / (1 - z)
            end as momentum_score,
            universe_count,
            risk_free_basis
        from capped
    )
select *
from final
