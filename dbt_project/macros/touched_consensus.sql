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
                from {{ ref("splits") }} as splits
                inner join changes on changes.ticker = splits.ticker
                where changes.table_name = 'prices' and changes.changed_from <= splits.split_on
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
                select ticker, graded_on
                from {{ ref("stg_ratings_history") }}
                where table_name = 'raw.broker_calls' and {{ is_stored_since("known_at") }}
                union all
                -- Another scorer may no longer find a call.
                select anew.ticker, {{ first_day }}
                from {{ ref("stg_news_signals") }} as anew
                inner join
                    {{ ref("stg_broker_calls") }} as found
                    on found.news_id = anew.news_id
                    and found.ticker = anew.ticker
                    and found.scorer_version <> anew.scorer_version
                where {{ is_stored_since("anew.known_at") }}
            )
        select 1
        from touched
        where touched.ticker = {{ this }}.ticker and {{ this }}.session_date >= touched.touched_from
    )
{% endmacro %}
