{#- Tickers of which something was told since the last build that dates, names or moves all ratings. -#}
{% macro retold_tickers() %}
    select ticker
    from {{ ref("stg_changes") }}
    where table_name in ('broker_calls', 'securities', 'universe', 'sessions')
{% endmacro %}

{#- The rows of `stg_ratings_history` to make anew: of those tickers, and of days rated since. -#}
{% macro touched_ratings() %}
    (ticker, graded_on) in (
        with
            touched as (
                select ticker, cast(null as date) as graded_on
                from ({{ retold_tickers() }}) as retold
                union
                select ticker, graded_on
                from {{ source("raw", "ratings") }}
                where {{ is_stored_since() }}
            )
        select kept.ticker, kept.graded_on
        from {{ this }} as kept
        inner join
            touched
            on touched.ticker = kept.ticker
            and coalesce(touched.graded_on, kept.graded_on) = kept.graded_on
    )
{% endmacro %}

{#-
Firms whose calls versions stored since the last build may have changed, under all names they may
go by; all firms of a ticker (NULL) where something bears on all its ratings, or a firm goes by
another name from a day since then.
-#}
{% macro touched_firms() %}
    select ticker, cast(null as {{ dbt.type_string() }}) as firm
    from ({{ retold_tickers() }}) as retold
    union
    select ratings.ticker, cast(null as {{ dbt.type_string() }}) as firm
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
    union
    select ticker, trim(firm) as firm
    from {{ ref("stg_changes") }}
    where table_name = 'ratings'
    union
    select changes.ticker, aliases.firm
    from {{ ref("stg_changes") }} as changes
    inner join
        {{ ref("firm_aliases") }} as aliases
        on lower(trim(aliases.alias)) = lower(trim(changes.firm))
    where changes.table_name = 'ratings'
{% endmacro %}

{#- The rows of `rating_calls` to lay out anew: of those, and of tickers with another currency. -#}
{% macro touched_calls() %}
    (ticker, firm) in (
        with
            touched as (
                {{ touched_firms() }}
                union
                select kept.ticker, cast(null as {{ dbt.type_string() }}) as firm
                from {{ this }} as kept
                inner join {{ ref("quotes") }} as quotes on quotes.ticker = kept.ticker
                where
                    kept.target_currency is null
                    and coalesce(kept.told_currency, '') <> coalesce(quotes.currency, '')
            )
        select kept.ticker, kept.firm
        from (select distinct ticker, firm from {{ this }}) as kept
        inner join
            touched
            on touched.ticker = kept.ticker
            and coalesce(touched.firm, kept.firm) = kept.firm
    )
{% endmacro %}

{#-
The rows of `rating_events` to make anew: of those firms, of all firms where splits are judged by
what all of them say, and of tickers with another split.
-#}
{% macro touched_events() %}
    (ticker, firm) in (
        with
            touched as (
                select firms.ticker, case when splits.ticker is null then firms.firm end as firm
                from ({{ touched_firms() }}) as firms
                left join
                    (select distinct ticker from {{ ref("stg_splits") }}) as splits
                    on splits.ticker = firms.ticker
                union
                select ticker, cast(null as {{ dbt.type_string() }}) as firm
                from ({{ moved_tickers() }}) as moved
                union
                select kept.ticker, cast(null as {{ dbt.type_string() }}) as firm
                from {{ this }} as kept
                inner join {{ ref("quotes") }} as quotes on quotes.ticker = kept.ticker
                where
                    case
                        when kept.is_convertible
                        then coalesce(kept.target_currency, '') <> coalesce(quotes.currency, '')
                        else kept.told_major_code = quotes.major_code
                    end
            )
        select kept.ticker, kept.firm
        from (select distinct ticker, firm from {{ this }}) as kept
        inner join
            touched
            on touched.ticker = kept.ticker
            and coalesce(touched.firm, kept.firm) = kept.firm
    )
{% endmacro %}

{#-
Tickers whose every price may be on another basis: with a split that takes effect or was told anew,
or a bar told anew that is older than a week, so that a split may have gone.
-#}
{% macro moved_tickers() %}
    select splits.ticker
    from {{ ref("stg_splits") }} as splits
    inner join {{ ref("stg_changes") }} as changes on changes.ticker = splits.ticker
    where
        splits.is_known
        and changes.table_name = 'prices'
        and changes.changed_from <= splits.split_on
    union
    select ticker
    from {{ ref("stg_changes") }}
    where
        table_name = 'prices' and not ({{ is_stored_since("cast(changed_from + 7 as timestamp)") }})
    union
    select ticker
    from {{ ref("stg_price_changes") }}
    where replaced_from = cast('0001-01-01' as date)
{% endmacro %}

{#- Days from which the closes of a ticker may be others, or stand in other sessions, than at the last build. -#}
{% macro moved_closes() %}
    {%- set first_day = "cast('0001-01-01' as date)" -%}
    select ticker, coalesce(changed_from, {{ first_day }}) as moved_from
    from {{ ref("stg_changes") }}
    where table_name in ('prices', 'securities', 'universe', 'sessions')
    union all
    select ticker, {{ first_day }} as moved_from
    from ({{ moved_tickers() }}) as moved
{% endmacro %}

{#- The rows of `stg_consensus_history` to make anew: of the days that were told of since. -#}
{% macro touched_snapshot_days() %}
    (ticker, snapshot_date) in (
        select ticker, snapshot_date
        from {{ source("raw", "consensus") }}
        where {{ is_stored_since() }}
    )
{% endmacro %}

{#-
The rows of `snapshot_history` to make anew: every ticker's newest, and all of a ticker that is
quoted or listed otherwise now, or of which something was told that was known before the newest was.
-#}
{% macro touched_snapshots() %}
    to_number > {{ newest() }}
    or ticker in (
        select ticker
        from {{ ref("stg_changes") }}
        where table_name in ('securities', 'universe', 'sessions')
        union
        {{ moved_tickers() }}
        union
        select kept.ticker
        from {{ this }} as kept
        inner join {{ ref("quotes") }} as quotes on quotes.ticker = kept.ticker
        where coalesce(kept.quote_currency, '') <> coalesce(quotes.currency, '')
        union
        select kept.ticker
        from {{ this }} as kept
        inner join {{ ref("stg_consensus_history") }} as told on told.ticker = kept.ticker
        where
            kept.to_number > {{ newest() }}
            and {{ is_stored_since("told.stored_at") }}
            and told.known_from < kept.known_from
    )
{% endmacro %}

{#-
The rows of `consensus_sessions` to make anew: from where closes moved, all of a ticker whose history
begins elsewhere now, and every ticker's newest.
-#}
{% macro touched_sessions() %}
    (ticker, session_number) in (
        with
            kept as (
                select ticker, min(session_number) as first_number
                from {{ this }}
                where not is_newest
                group by ticker
            ),
            told as (
                select ticker, min(from_number) as first_number
                from {{ ref("rating_calls") }}
                group by ticker
                union all
                select ticker, min(from_number) as first_number
                from {{ ref("snapshot_history") }}
                group by ticker
            ),
            begun as (select ticker, min(first_number) as first_number from told group by ticker),
            causes as (
                select ticker, moved_from as touched_from
                from ({{ moved_closes() }}) as moved
                union all
                select kept.ticker, cast('0001-01-01' as date) as touched_from
                from kept
                left join begun on begun.ticker = kept.ticker
                where coalesce(greatest(begun.first_number, 1), 0) <> kept.first_number
                union all
                select distinct kept.ticker, cast('0001-01-01' as date)
                from {{ this }} as kept
                inner join {{ ref("quotes") }} as quotes on quotes.ticker = kept.ticker
                where coalesce(kept.quote_currency, '') <> coalesce(quotes.currency, '')
            ),
            touched as (
                select ticker, min(touched_from) as touched_from from causes group by ticker
            )
        select kept.ticker, kept.session_number
        from {{ this }} as kept
        inner join
            touched on touched.ticker = kept.ticker and touched.touched_from <= kept.session_date
        union all
        select ticker, session_number
        from {{ this }}
        where is_newest
    )
{% endmacro %}

{#-
The rows of `vote_history` to make anew, whole votes: of the firms and tickers of `touched_events`,
those that were live in a session whose close or rate moved, and those not judged to their end.
-#}
{% macro touched_votes() %}
    live_to > judged_to
    or (ticker, firm, live_to) in (
        with
            quotes as (select ticker, exchange, currency from {{ ref("quotes") }}),
            moved as (
                select ticker, min(moved_from) as moved_from
                from
                    (
                        {{ moved_closes() }}
                        union all
                        select kept.ticker, changes.changed_from
                        from
                            (
                                select distinct ticker from {{ this }} where not is_convertible
                            ) as kept
                        cross join {{ ref("stg_changes") }} as changes
                        where changes.table_name = 'prices' and changes.ticker like '%=X'
                    ) as causes
                group by ticker
            ),
            touched as (
                select
                    moved.ticker,
                    cast(null as {{ dbt.type_string() }}) as firm,
                    coalesce(days.session_number, 0) as touched_from
                from moved
                inner join quotes on quotes.ticker = moved.ticker
                left join
                    {{ ref("stg_calendar_days") }} as days
                    on days.exchange = quotes.exchange
                    and days.day = moved.moved_from
                union
                select
                    firms.ticker,
                    case when splits.ticker is null then firms.firm end as firm,
                    -1 as touched_from
                from ({{ touched_firms() }}) as firms
                left join
                    (select distinct ticker from {{ ref("stg_splits") }}) as splits
                    on splits.ticker = firms.ticker
                union
                select kept.ticker, cast(null as {{ dbt.type_string() }}) as firm, -1
                from {{ this }} as kept
                inner join quotes on quotes.ticker = kept.ticker
                where coalesce(kept.quote_currency, '') <> coalesce(quotes.currency, '')
            )
        select kept.ticker, kept.firm, kept.live_to
        from {{ this }} as kept
        inner join
            touched
            on touched.ticker = kept.ticker
            and touched.touched_from < kept.live_to
            and coalesce(touched.firm, kept.firm) = kept.firm
    )
{% endmacro %}

{#-
The rows of `consensus_history` that versions stored since the last build may have changed, and every
ticker's newest, which stands for the moment it was built: as a condition on a row.
-#}
{% macro touched_consensus() %}
    {%- set first_day = "cast('0001-01-01' as date)" -%}(ticker, session_date) in (
        with
            changes as (select * from {{ ref("stg_changes") }}),
            quotes as (select ticker, exchange, currency from {{ ref("quotes") }}),
            days as (
                select exchange, day, is_session, session_number from {{ ref("stg_calendar_days") }}
            ),
            events as (select * from {{ ref("rating_events") }}),
            causes as (
                select ticker, max(session_date) as touched_from
                from {{ this }}
                group by ticker
                union all
                -- What was told before a day's session opened is in the row of the session before.
                select told.ticker, coalesce(sessions.day, {{ first_day }})
                from changes as told
                left join quotes on quotes.ticker = told.ticker
                left join
                    days as eves
                    on eves.exchange = quotes.exchange
                    and eves.day = least(told.changed_from, told.known_on) - 1
                left join
                    days as sessions
                    on sessions.exchange = eves.exchange
                    and sessions.is_session
                    and sessions.session_number = eves.session_number
                where told.table_name in ('ratings', 'consensus', 'news', 'broker_calls')
                union all
                select distinct kept.ticker, {{ first_day }}
                from {{ this }} as kept
                inner join quotes on quotes.ticker = kept.ticker
                where coalesce(kept.currency, '') <> coalesce(quotes.currency, '')
                union all
                select ticker, moved_from
                from ({{ moved_closes() }}) as moved
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
            ),
            touched as (
                select ticker, min(touched_from) as touched_from from causes group by ticker
            )
        select kept.ticker, kept.session_date
        from {{ this }} as kept
        inner join
            touched on touched.ticker = kept.ticker and touched.touched_from <= kept.session_date
    )
{% endmacro %}
