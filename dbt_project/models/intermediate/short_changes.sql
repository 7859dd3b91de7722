with
    short_interest as (select * from {{ ref("stg_short_interest_history") }}),
    splits as (select ticker, split_on, split_ratio from {{ ref("stg_splits") }} where is_known),
    -- Short positions beside those of a month before, on one split basis.
    newest_shorts as ({{ newest_told("short_interest", "settled_on") }}),
    earlier_shorts as (
        select
            newest_shorts.row_id,
            earlier.settled_on as earlier_on,
            earlier.row_id as earlier_row_id,
            earlier.shares_short as earlier_shares,
            row_number() over (
                partition by newest_shorts.row_id
                order by earlier.settled_on desc nulls last, earlier.known_from desc nulls last
            ) as age_rank
        from newest_shorts
        inner join
            newest_shorts as earlier
            on earlier.ticker = newest_shorts.ticker
            and earlier.settled_on <= newest_shorts.settled_on - 27
            and earlier.settled_on >= newest_shorts.settled_on - 45
            and earlier.known_from <= newest_shorts.known_from
    ),
    short_splits as (
        select newest_shorts.row_id, exp(sum(ln(splits.split_ratio))) as split_factor
        from newest_shorts
        inner join
            earlier_shorts
            on earlier_shorts.row_id = newest_shorts.row_id
            and earlier_shorts.age_rank = 1
        inner join
            splits
            on splits.ticker = newest_shorts.ticker
            and splits.split_on > earlier_shorts.earlier_on
            and splits.split_on <= newest_shorts.settled_on
        group by newest_shorts.row_id
    ),
    final as (
        select
            newest_shorts.row_id,
            newest_shorts.ticker,
            newest_shorts.observed_on,
            newest_shorts.pit_quality,
            newest_shorts.settled_on,
            newest_shorts.shares_short,
            newest_shorts.short_share_of_float,
            newest_shorts.days_to_cover,
            earlier_shorts.earlier_row_id,
            earlier_shorts.earlier_on,
            earlier_shorts.earlier_shares,
            newest_shorts.shares_short
            / nullif(earlier_shorts.earlier_shares * coalesce(short_splits.split_factor, 1.0), 0)
            - 1 as short_growth_1m
        from newest_shorts
        left join
            earlier_shorts
            on earlier_shorts.row_id = newest_shorts.row_id
            and earlier_shorts.age_rank = 1
        left join short_splits on short_splits.row_id = newest_shorts.row_id
    )
select *
from final
