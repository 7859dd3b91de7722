{{ config(tags="always") }}

{#- Days after which a price is no price of now, and no factor of a stance. -#}
{%- set current_days = 10 -%}

with
    momentum as (select * from {{ ref("momentum") }}),
    consensus as (select * from {{ ref("consensus") }}),
    securities as (select ticker, name, sector from {{ ref("stg_securities") }}),
    listings as (select ticker, currency from {{ ref("stg_listings") }}),
    forward_multiples as (select ticker, forward_pe from {{ ref("forward_multiples") }}),
    peer_multiples as (select ticker, forward_pe_peer_median from {{ ref("peer_multiples") }}),
    flags as (select ticker, severity from {{ ref("risk_flags") }} where is_open),
    news as (select ticker, news_id, published_at from {{ ref("stg_news") }}),
    events as (select * from {{ ref("news_events") }}),
    batches as (select source from {{ source("raw", "batches") }}),
    rules as (select * from {{ ref("stance_rules") }}),
    labels as (select * from {{ ref("stance_labels") }}),
    tickers as (
        select ticker
        from momentum
        union
        select ticker
        from consensus
        union
        select ticker
        from news
    ),
    open_flags as (
        select ticker, count(*) as open_flag_count, max(severity) as worst_severity
        from flags
        group by ticker
    ),
    recent_news as (
        select
            ticker,
            count(
                distinct case when published_at > {{ as_of() }} - interval '30' day then news_id end
            ) as news_count_30d
        from news
        group by ticker
    ),
    recent_sentiment as (
        select ticker, avg(sentiment_score) as news_sentiment_30d
        from events
        where
            first_published_at > {{ as_of() }} - interval '30' day
            and relevance = 'primary'
            and sentiment_label <> 'abstain'
        group by ticker
    ),
    simulation as (
        select count(case when source = 'sample' then 1 end) > 0 as is_simulated from batches
    ),
    numbers as (
        select
            tickers.ticker,
            securities.name,
            securities.sector,
            coalesce(consensus.currency, listings.currency) as currency,
            coalesce(momentum.session_date, consensus.session_date) as session_date,
            momentum.close,
            momentum.return_1d,
            momentum.high_return_1d,
            momentum.return_1m,
            momentum.return_ytd,
            momentum.return_12m,
            momentum.highest_close_since,
            momentum.high_52w_ratio,
            momentum.momentum_12_1,
            momentum.momentum_percentile,
            momentum.volatility_63d,
            consensus.analyst_count,
            consensus.snapshot_label,
            consensus.snapshot_target_mean,
            consensus.snapshot_upside_mean,
            consensus.firm_count,
            consensus.label,
            consensus.target_median,
            consensus.target_cluster_low,
            consensus.target_cluster_high,
            consensus.upside_median,
            consensus.net_upgrade_share_30d,
            forward_multiples.forward_pe,
            peer_multiples.forward_pe_peer_median,
            coalesce(open_flags.open_flag_count, 0) as open_flag_count,
            open_flags.worst_severity,
            recent_news.news_count_30d,
            recent_sentiment.news_sentiment_30d
        from tickers
        left join momentum on momentum.ticker = tickers.ticker
        left join consensus on consensus.ticker = tickers.ticker
        left join securities on securities.ticker = tickers.ticker
        left join listings on listings.ticker = tickers.ticker
        left join forward_multiples on forward_multiples.ticker = tickers.ticker
        left join peer_multiples on peer_multiples.ticker = tickers.ticker
        left join open_flags on open_flags.ticker = tickers.ticker
        left join recent_news on recent_news.ticker = tickers.ticker
        left join recent_sentiment on recent_sentiment.ticker = tickers.ticker
    ),
    measured as (
        {%- for factor in (
            "upside_median",
            "net_upgrade_share_30d",
            "momentum_percentile",
            "return_1m",
            "news_sentiment_30d",
        ) %}
            select ticker, '{{ factor }}' as factor, {{ factor }} as measured_value
            from numbers
            {%- if factor in ("upside_median", "momentum_percentile", "return_1m") %}
                where session_date >= cast({{ as_of() }} as date) - {{ current_days }}
            {%- endif %}
            union all
        {%- endfor %}
        select
            ticker,
            'consensus' as factor,
            coalesce(
                case
                    when coalesce(snapshot_label, '') <> 'insufficient' then snapshot_mean_score
                end,
                case when firm_count >= 3 then mean_score end
            ) as measured_value
        from consensus
        union all
        select ticker, 'worst_severity' as factor, coalesce(worst_severity, 0) as measured_value
        from numbers
        where close is not null
    ),
    judged as (
        select
            measured.ticker,
            measured.factor,
            measured.measured_value,
            rules.sort_order,
            rules.favourable_words,
            rules.unfavourable_words,
            rules.neutral_words,
            case
                when (measured.measured_value - rules.favourable_from) * rules.better_sign >= 0
                then rules.points
                when (measured.measured_value - rules.unfavourable_from) * rules.better_sign <= 0
                then - rules.points
                else 0
            end as points
        from measured
        inner join rules on rules.factor = measured.factor
        where measured.measured_value is not null
    ),
    worded as (
        select
            *,
            concat(
                case when points > 0 then '+' else '' end,
                cast(cast(points as integer) as {{ dbt.type_string() }}),
                ' ',
                case
                    when points > 0
                    then favourable_words
                    when points < 0
                    then unfavourable_words
                    else neutral_words
                end,
                ' (',
                cast(cast(round(measured_value, 2) as decimal(18, 2)) as {{ dbt.type_string() }}),
                ')'
            ) as words
        from judged
    ),
    summed as (
        select
            ticker,
            count(*) as factor_count,
            sum(points) as points,
            string_agg(words, '; ' order by sort_order asc nulls last) as reasons
        from worded
        group by ticker
    ),
    stances as (
        select
            summed.ticker,
            labels.stance,
            concat(
                case when summed.points > 0 then '+' else '' end,
                cast(cast(summed.points as integer) as {{ dbt.type_string() }}),
                ' points from ',
                cast(summed.factor_count as {{ dbt.type_string() }}),
                ' factors: ',
                summed.reasons
            ) as stance_reason
        from summed
        inner join
            labels
            on summed.factor_count >= labels.least_factors
            and summed.factor_count <= labels.most_factors
            and summed.points >= labels.least_points
            and summed.points <= labels.most_points
    ),
    final as (
        select
            numbers.*,
            coalesce(stances.stance, 'insufficient') as stance,
            coalesce(stances.stance_reason, 'no factor is known') as stance_reason,
            simulation.is_simulated
        from numbers
        cross join simulation
        left join stances on stances.ticker = numbers.ticker
    )
select *
from final
