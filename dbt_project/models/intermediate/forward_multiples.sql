with
    told as (select * from {{ ref("stg_valuations") }}),
    listings as (select ticker, currency from {{ ref("stg_listings") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    ranked as (
        select
            told.row_id,
            told.ticker,
            told.valued_on,
            told.price,
            told.forward_pe,
            told.forward_eps,
            coalesce(told.currency, listings.currency) as currency,
            told.eps_currency,
            row_number() over (
                partition by told.ticker
                order by
                    case
                        when told.forward_pe is null and told.forward_eps is null then 1 else 0
                    end asc nulls last,
                    told.valued_on desc nulls last
            ) as age_rank
        from told
        left join listings on listings.ticker = told.ticker
    ),
    newest as (
        select
            ranked.*,
            quoted.major_code as quoted_code,
            earned.major_code as earned_code,
            (ranked.price / quoted.units_per_major)
            / nullif(ranked.forward_eps / earned.units_per_major, 0) as own_multiple
        from ranked
        left join currencies as quoted on quoted.code = ranked.currency
        left join currencies as earned on earned.code = ranked.eps_currency
        where ranked.age_rank = 1
    ),
    -- A multiple of two currencies is no multiple; of unknown ones, the vendor's word stands.
    judged as (
        select
            *,
            case
                when forward_eps <= 0
                then 'forward earnings are not positive: no multiple is shown'
                when earned_code <> quoted_code
                then
                    concat(
                        'the price is in ',
                        currency,
                        ' and forward earnings in ',
                        eps_currency,
                        ': no multiple is shown'
                    )
                when forward_pe is null and forward_eps is null
                then 'the source tells neither forward earnings nor a multiple'
                when
                    forward_pe is null
                    and (earned_code is null or quoted_code is null or price is null)
                then 'the price or a currency is unknown and the source tells no multiple'
            end as reason
        from newest
    ),
    final as (
        select
            row_id,
            ticker,
            valued_on,
            case
                when reason is not null
                then null
                when earned_code = quoted_code
                then coalesce(own_multiple, forward_pe)
                else forward_pe
            end as forward_pe,
            reason
        from judged
    )
select *
from final
