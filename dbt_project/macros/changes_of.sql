{#-
Whose facts of `tables`, of the security or of its exchange's sessions were stored since the build that is
continued, by raw table, and the first day such a version tells of.
-#}
{% macro changes_of(tables) %}
    {#- Tables by ticker, the day that a version of each tells of, and whose word it is. -#}
    {%- set days = [
        ("prices", "session_date", "''"),
        ("ratings", "graded_on", "firm"),
        ("consensus", "snapshot_date", "''"),
        ("news", "cast(published_at as date)", "''"),
        ("universe", "cast(null as date)", "''"),
    ] -%}
    {%- set first_day = "cast('0001-01-01' as date)" -%}

    with
        listings as (select ticker, exchange from {{ ref("stg_listings") }}),
        -- What else a security tells (its name, its shares) moves nothing that is kept from day
        -- to day.
        securities as (
            select
                ticker,
                stored_at,
                coalesce(exchange, '') as exchange,
                coalesce(currency, '') as currency,
                coalesce(quote_type, '') as quote_type,
                lag(coalesce(quote_type, ''), 1, '') over versions as quote_type_before,
                lag(coalesce(exchange, ''), 1, '') over versions as exchange_before,
                lag(coalesce(currency, ''), 1, '') over versions as currency_before
            from {{ source("raw", "securities") }}
            window versions as (partition by source, ticker order by known_at asc nulls last)
        ),
        -- Sessions to come change nothing yet.
        sessions as (
            select exchange, min(session_date) as changed_from
            from {{ source("raw", "sessions") }}
            where
                {{ is_stored_since() }}
                and session_date <= cast({{ as_of() }} + interval '1' day as date)
            group by exchange
        ),
        final as (
            {% for table, day, firm in days if table in tables %}
                select
                    '{{ table }}' as table_name,
                    ticker,
                    {{ firm }} as firm,
                    min({{ day }}) as changed_from,
                    min(cast(known_at as date)) as known_on
                from {{ source("raw", table) }}
                where {{ is_stored_since() }}
                group by ticker{% if firm == "firm" %}, firm{% endif %}
                union all
            {% endfor %}
            {% if "broker_calls" in tables %}
                select
                    'broker_calls' as table_name,
                    ticker,
                    '' as firm,
                    min(changed_from) as changed_from,
                    min(known_on) as known_on
                from
                    (
                        select
                            told.ticker,
                            cast(items.published_at as date) as changed_from,
                            cast(items.known_at as date) as known_on
                        from {{ source("raw", "broker_calls") }} as told
                        inner join
                            {{ source("raw", "news") }} as items
                            on items.ticker = told.ticker
                            and items.news_id = told.news_id
                        where
                            {{ is_stored_since("told.stored_at") }}
                            or {{ is_stored_since("items.stored_at") }}
                        union all
                        -- Another scorer may no longer find a call.
                        select told.ticker, {{ first_day }}, {{ first_day }}
                        from {{ source("raw", "news_signals") }} as anew
                        inner join
                            {{ source("raw", "broker_calls") }} as told
                            on told.ticker = anew.ticker
                            and told.news_id = anew.news_id
                            and told.scorer_version <> anew.scorer_version
                        where {{ is_stored_since("anew.stored_at") }}
                    ) as calls
                group by ticker
                union all
            {% endif %}
            select
                'securities' as table_name,
                ticker,
                '' as firm,
                cast(null as date) as changed_from,
                cast(null as date) as known_on
            from securities
            where
                {{ is_stored_since() }}
                and (exchange <> exchange_before or currency <> currency_before)
            group by ticker
            union all
            select
                'sessions' as table_name,
                listings.ticker,
                '' as firm,
                sessions.changed_from,
                cast(null as date) as known_on
            from sessions
            inner join listings on listings.exchange = sessions.exchange
        )
    select *
    from final
{% endmacro %}
