{{ config(materialized="table", tags="always") }}

{#- Where no table is continued nothing is asked of it. -#}
{%- set is_continued = var("stored_until") is not none -%}

with
    told as ({{ changes_of(["prices", "universe"]) }}),
    changes as (
        select table_name, ticker, changed_from
        from told
        where {{ "true" if is_continued else "1 = 0" }}
    ),
    -- A split told of a day that had not begun takes effect without a word.
    waiting_splits as (
        select distinct 'prices' as table_name, ticker, session_date as changed_from
        from {{ source("raw", "prices") }}
        where
            split_ratio <> 1
            {% if is_continued %}
                and session_date >= cast(cast('{{ var("stored_until") }}' as timestamp) as date)
            {% else %} and 1 = 0
            {% endif %}
    ),
    causes as (
        select table_name, ticker, changed_from
        from changes
        union all
        select table_name, ticker, changed_from
        from waiting_splits
    ),
    first_days as (
        select
            ticker,
            min(
                case
                    when table_name in ('prices', 'sessions')
                    then changed_from
                    else cast('0001-01-01' as date)
                end
            ) as changed_from
        from causes
        group by ticker
    ),
    prices as (
        select ticker, session_date, close, dividend, split_ratio
        from {{ source("raw", "prices") }}
        where
            session_date >= (select min(changed_from) - 30 from causes)
            and {{ "true" if is_continued else "1 = 0" }}
    ),
    -- Every version, since the ex-date that is taken away moves as much as the one that comes, and
    -- of the weeks before, whose closes a dividend is measured by.
    told_bars as (
        select
            prices.ticker,
            prices.close,
            prices.dividend,
            prices.split_ratio,
            prices.session_date >= first_days.changed_from as is_new
        from first_days
        inner join
            prices
            on prices.ticker = first_days.ticker
            and prices.session_date >= first_days.changed_from - 30
    ),
    judged as (
        select
            first_days.ticker,
            first_days.changed_from,
            count(case when is_new and split_ratio <> 1 then 1 end) > 0 as is_split_changed,
            count(
                case
                    when is_new and (split_ratio <> 1 or dividend is null or dividend > 0) then 1
                end
            )
            > 0 as is_level_changed,
            count(case when is_new and dividend is null then 1 end) > 0
            or coalesce(
                max(case when is_new then dividend end) >= min(close), false
            ) as is_unknown_told
        from first_days
        left join told_bars on told_bars.ticker = first_days.ticker
        group by first_days.ticker, first_days.changed_from
    ),
    final as (
        select
            ticker,
            changed_from,
            case
                when is_split_changed then cast('0001-01-01' as date) else changed_from
            end as replaced_from,
            is_level_changed,
            is_unknown_told
        from judged
    )
select *
from final
