{{ config(tags="always") }}

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
    final as (
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
            recent_sentiment.news_sentiment_30d,
            simulation.is_simulated
        from tickers
        cross join simulation
        left join momentum on momentum.ticker = tickers.ticker
        left join consensus on consensus.ticker = tickers.ticker
        left join securities on securities.ticker = tickers.ticker
        left join listings on listings.ticker = tickers.ticker
        left join forward_multiples on forward_multiples.ticker = tickers.ticker
        left join peer_multiples on peer_multiples.ticker = tickers.ticker
        left join open_flags on open_flags.ticker = tickers.ticker
        left join recent_news on recent_news.ticker = tickers.ticker
        left join recent_sentiment on recent_sentiment.ticker = tickers.ticker
    )
select *
from final
