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
    -- Ex-dates from where the changes begin, as told by any version, since the one that is taken
    -- away moves as much as the one that comes.
    actions as (
        select ticker, session_date, close, dividend, split_ratio
        from {{ source("raw", "prices") }}
        where
            (split_ratio <> 1 or dividend is null or dividend > 0)
            and session_date >= (select min(changed_from) from changes)
            and {{ "true" if is_continued else "1 = 0" }}
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
        from
            (
                select table_name, ticker, changed_from
                from changes
                union all
                select table_name, ticker, changed_from
                from waiting_splits
            ) as causes
        group by ticker
    ),
    judged as (
        select
            first_days.ticker,
            first_days.changed_from,
            coalesce(max(case when actions.split_ratio <> 1 then 1 else 0 end), 0)
            = 1 as is_split_changed,
            count(actions.ticker) > 0 as is_level_changed,
            -- More than half the close may have been all of the close before.
            coalesce(
                max(
                    case
                        when actions.dividend is null or actions.dividend > 0.5 * actions.close
                        then 1
                        else 0
                    end
                ),
                0
            )
            = 1 as is_unknown_told
        from first_days
        left join
            actions
            on actions.ticker = first_days.ticker
            and actions.session_date >= first_days.changed_from
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
