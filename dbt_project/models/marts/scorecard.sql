with
    momentum as (select * from {{ ref("momentum") }}),
    consensus as (select * from {{ ref("consensus") }}),
    securities as (select ticker, name, sector from {{ ref("stg_securities") }}),
    listings as (select ticker, currency from {{ ref("stg_listings") }}),
    peers as (select ticker, peer, valid_from, valid_to from {{ ref("peers") }}),
    valuations as (select * from {{ ref("stg_valuations") }}),
    flags as (select ticker, severity from {{ ref("risk_flags") }} where is_open),
    news as (select ticker, news_id, published_at from {{ ref("stg_news") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
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
    newest_valuations as (
        select
            *,
            row_number() over (partition by ticker order by valued_on desc nulls last) as age_rank
        from valuations
        where forward_pe is not null or forward_eps is not null
    ),
    -- A multiple of two currencies is no multiple; of unknown ones, the vendor's word stands.
    forward_multiples as (
        select
            told.ticker,
            case
                when told.forward_eps <= 0 or earned.major_code <> quoted.major_code
                then null
                when earned.major_code = quoted.major_code
                then
                    coalesce(
                        (told.price / quoted.units_per_major)
                        / nullif(told.forward_eps / earned.units_per_major, 0),
                        told.forward_pe
                    )
                else told.forward_pe
            end as forward_pe
        from newest_valuations as told
        left join currencies as quoted on quoted.code = told.currency
        left join currencies as earned on earned.code = told.eps_currency
        where told.age_rank = 1
    ),
    peer_multiples as (
        select
            peers.ticker,
            percentile_cont(0.5) within group (
                order by forward_multiples.forward_pe
            ) as forward_pe_peer_median,
            count(*) as peer_count
        from peers
        inner join forward_multiples on forward_multiples.ticker = peers.peer
        where
            forward_multiples.forward_pe is not null
            and peers.valid_from <= cast({{ as_of() }} as date)
            and (peers.valid_to is null or peers.valid_to >= cast({{ as_of() }} as date))
        group by peers.ticker
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
    simulation as (
        select count(case when source = 'sample' then 1 end) > 0 as is_simulated from batches
    ),
    final as (
        select
            tickers.ticker,
            securities.name,
            securities.sector,
            listings.currency,
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
            case
                when peer_multiples.peer_count >= 5 then peer_multiples.forward_pe_peer_median
            end as forward_pe_peer_median,
            coalesce(open_flags.open_flag_count, 0) as open_flag_count,
            open_flags.worst_severity,
            recent_news.news_count_30d,
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
    )
select *
from final
