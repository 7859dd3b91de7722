with
    peers as (select ticker, peer, valid_from, valid_to from {{ ref("peers") }}),
    multiples as (
        select ticker, forward_pe from {{ ref("forward_multiples") }} where forward_pe is not null
    ),
    current_peers as (
        select ticker, peer
        from peers
        where
            valid_from <= {{ as_of_date() }}
            and (valid_to is null or valid_to >= {{ as_of_date() }})
    ),
    counted as (
        select
            current_peers.ticker,
            count(multiples.forward_pe) as multiple_count,
            percentile_cont(0.5) within group (
                order by multiples.forward_pe asc nulls last
            ) as median_forward_pe
        from current_peers
        left join multiples on multiples.ticker = current_peers.peer
        group by current_peers.ticker
    ),
    final as (
        select
            ticker,
            multiple_count,
            5 as needed_count,
            case when multiple_count >= 5 then median_forward_pe end as forward_pe_peer_median
        from counted
    )
select *
from final
