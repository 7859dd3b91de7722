{#- Tickers with a call in the news that another scorer, new since the last build, may not find. -#}
{% macro rescored_tickers() %}
    select anew.ticker
    from {{ ref("stg_news_signals") }} as anew
    inner join
        {{ ref("stg_broker_calls") }} as found
        on found.news_id = anew.news_id
        and found.ticker = anew.ticker
        and found.scorer_version <> anew.scorer_version
    where {{ is_stored_since("anew.stored_at") }}
{% endmacro %}

{#- Tickers of which something was told since the last build that dates, names or moves a rating. -#}
{% macro retold_tickers() %}
    select ticker
    from {{ ref("stg_changes") }}
    where table_name in ('ratings', 'broker_calls', 'news', 'securities', 'universe', 'sessions')
    union
    {{ rescored_tickers() }}
{% endmacro %}

{#-
Tickers whose calls versions stored since the last build may have changed: their ratings, what they
are listed as, or a name that a firm goes by from a day since then.
-#}
{% macro touched_by_ratings() %}
    {{ retold_tickers() }}
    union
    select ratings.ticker
    from {{ ref("stg_ratings_history") }} as ratings
    inner join
        {{ ref("firm_aliases") }} as aliases
        on lower(trim(aliases.alias)) = lower(trim(ratings.firm))
    where
        (
            {{ is_stored_since("cast(aliases.valid_from + 7 as timestamp)") }}
            and aliases.valid_from <= cast({{ as_of() }} as date)
        )
        or (
            {{ is_stored_since("cast(aliases.valid_to + 7 as timestamp)") }}
            and aliases.valid_to <= cast({{ as_of() }} as date)
        )
{% endmacro %}

{#- The rows of `rating_calls` to lay out anew: of those, and of tickers with another currency. -#}
{% macro touched_calls() %}
    ticker in (
        {{ touched_by_ratings() }}
        union
        select kept.ticker
        from {{ this }} as kept
        inner join {{ ref("quotes") }} as quotes on quotes.ticker = kept.ticker
        where
            kept.target_currency is null
            and coalesce(kept.told_currency, '') <> coalesce(quotes.currency, '')
    )
{% endmacro %}

{#- The rows of `rating_events` to make anew: of those, and of tickers with another split. -#}
{% macro touched_events() %}
    ticker in (
        {{ touched_by_ratings() }}
        union
        select splits.ticker
        from {{ ref("stg_splits") }} as splits
        inner join {{ ref("stg_changes") }} as changes on changes.ticker = splits.ticker
        where
            splits.is_known
            and changes.table_name = 'prices'
            and changes.changed_from <= splits.split_on
        union
        {{ restated_tickers() }}
        union
        select kept.ticker
        from {{ this }} as kept
        inner join {{ ref("quotes") }} as quotes on quotes.ticker = kept.ticker
        where
            case
                when kept.is_convertible
                then coalesce(kept.target_currency, '') <> coalesce(quotes.currency, '')
                else kept.told_major_code = quotes.major_code
            end
    )
{% endmacro %}

{#-
Tickers with a bar told anew that is older than a week, or whose every price is on another basis: a
split may have gone, or one told of before has come into effect.
-#}
{% macro restated_tickers() %}
    select ticker
    from {{ ref("stg_changes") }}
    where
        table_name = 'prices' and not ({{ is_stored_since("cast(changed_from + 7 as timestamp)") }})
    union
    select ticker
    from {{ ref("stg_price_changes") }}
    where replaced_from = cast('0001-01-01' as date)
{% endmacro %}

{#-
The rows of `consensus_history` that versions stored since the last build may have changed, and every
ticker's newest, which stands for the moment it was built: as a condition on a row.
-#}
{% macro touched_consensus() %}
    {%- set first_day = "cast('0001-01-01' as date)" -%} exists (
        with
            changes as (select * from {{ ref("stg_changes") }}),
            events as (select * from {{ ref("rating_events") }}),
            touched as (
                select ticker, max(session_date) as touched_from
                from {{ this }}
                group by ticker
                union all
                select ticker, coalesce(changed_from, {{ first_day }})
                from changes
                where
                    table_name in (
                        'prices',
                        'ratings',
                        'consensus',
                        'news',
                        'securities',
                        'universe',
                        'sessions'
                    )
                union all
                -- A split moves all targets and closes before it to its basis.
                select splits.ticker, {{ first_day }}
                from {{ ref("stg_splits") }} as splits
                inner join changes on changes.ticker = splits.ticker
                where
                    splits.is_known
                    and changes.table_name = 'prices'
                    and changes.changed_from <= splits.split_on
                union all
                select ticker, {{ first_day }}
                from ({{ restated_tickers() }}) as restated
                union all
                -- Targets in another currency follow its rate.
                select events.ticker, min(changes.changed_from)
                from events
                cross join changes
                where
                    not events.is_convertible
                    and changes.table_name = 'prices'
                    and changes.ticker like '%=X'
                group by events.ticker
                union all
                select ratings.ticker, ratings.graded_on
                from {{ ref("stg_ratings_history") }} as ratings
                inner join {{ ref("stg_broker_calls") }} as calls on calls.row_id = ratings.row_id
                where {{ is_stored_since("calls.stored_at") }}
                union all
                -- Another scorer may no longer find a call.
                select ticker, {{ first_day }}
                from ({{ rescored_tickers() }}) as rescored
            )
        select 1
        from touched
        where touched.ticker = {{ this }}.ticker and {{ this }}.session_date >= touched.touched_from
    )
{% endmacro %}
