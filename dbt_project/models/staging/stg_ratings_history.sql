{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"only_calls": true},
        pre_hook="{{ delete_rows(touched_ratings()) }}",
    )
}}

{#-
A feed's version is visible from when it was known until its correction was; a call found in the
news from when its item was, as the scorer of the source put first, the newest of several, reads it. Once a source that `source_priority` puts
first tells of the same event, the others are hidden: of the same key in the feeds; of a graded call
of the same firm, under its name of that day, and day between feed and news.
-#}
with
    priorities as (select source, table_name, priority from {{ ref("source_priority") }}),
    feed as (
        {{
            known_versions(
                "ratings",
                ["ticker", "firm", "graded_on", "to_grade"],
                happened_at="case when cast(v.graded_at as time) <> time '00:00:00' then v.graded_at else d.next_opens_at end",
                day="v.graded_on",
                every=true,
                changes="where " ~ is_absent({"ticker": "v.ticker", "graded_on": "v.graded_on"}),
            )
        }}
    ),
    scorings as (
        select source, news_id, ticker, scorer_version, stored_at
        from {{ ref("stg_broker_calls") }}
        union all
        select source, news_id, ticker, scorer_version, stored_at
        from {{ ref("stg_news_signals") }}
    ),
    ranked_scorers as (
        select
            scorings.news_id,
            scorings.ticker,
            scorings.scorer_version,
            row_number() over (
                partition by scorings.news_id, scorings.ticker
                order by
                    min(priorities.priority) asc nulls last,
                    max(scorings.stored_at) desc nulls last,
                    scorings.scorer_version desc nulls last
            ) as scorer_rank
        from scorings
        left join priorities on priorities.source = scorings.source and priorities.table_name = '*'
        group by scorings.news_id, scorings.ticker, scorings.scorer_version
    ),
    calls as (
        select told.*
        from {{ ref("stg_broker_calls") }} as told
        inner join
            ranked_scorers
            on ranked_scorers.news_id = told.news_id
            and ranked_scorers.ticker = told.ticker
            and ranked_scorers.scorer_version = told.scorer_version
        where ranked_scorers.scorer_rank = 1 and not coalesce(told.is_soft, false)
    ),
    news as (select ticker, news_id, published_at, title from {{ ref("stg_news") }}),
    aliases as (
        select
            lower(trim(alias)) as alias_key,
            firm,
            coalesce(valid_from, cast('0001-01-01' as date)) as valid_from,
            coalesce(valid_to, cast('9999-12-31' as date)) as valid_to
        from {{ ref("firm_aliases") }}
    ),
    told as (
        select
            'raw.ratings' as table_name,
            row_id,
            source,
            ticker,
            firm,
            graded_on,
            nullif(to_grade, '') as to_grade,
            graded_at,
            from_grade,
            action,
            nullif(target, 0) as target,
            nullif(prior_target, 0) as prior_target,
            target_action,
            target_currency,
            kind,
            note,
            known_at,
            known_from,
            case when superseded_at <= {{ as_of() }} then superseded_at end as corrected_at,
            pit_quality
        from feed
        union all
        select
            'raw.broker_calls' as table_name,
            calls.row_id,
            calls.source,
            calls.ticker,
            calls.firm,
            cast(news.published_at as date) as graded_on,
            nullif(calls.grade, '') as to_grade,
            news.published_at as graded_at,
            calls.prior_grade as from_grade,
            calls.action,
            nullif(calls.target, 0) as target,
            nullif(calls.prior_target, 0) as prior_target,
            cast(null as {{ dbt.type_string() }}) as target_action,
            calls.target_currency,
            cast(null as {{ dbt.type_string() }}) as kind,
            news.title as note,
            calls.known_at,
            calls.known_from,
            cast(null as timestamp) as corrected_at,
            calls.pit_quality
        from calls
        inner join news on news.ticker = calls.ticker and news.news_id = calls.news_id
        where
            {{
                is_absent(
                    {"ticker": "calls.ticker", "graded_on": "cast(news.published_at as date)"}
                )
            }}
    ),
    ranked as (
        select
            told.*,
            coalesce(own.priority, general.priority) as priority,
            coalesce(aliases.firm, trim(told.firm)) as firm_of_the_day
        from told
        left join
            priorities as own
            on own.source = told.source
            and concat('raw.', own.table_name) = told.table_name
        left join priorities as general on general.source = told.source and general.table_name = '*'
        left join
            aliases
            on aliases.alias_key = lower(trim(told.firm))
            and aliases.valid_from <= told.graded_on
            and aliases.valid_to >= told.graded_on
    ),
    rivals as (
        select theirs.row_id, min(ours.known_from) as hidden_from
        from ranked as theirs
        inner join
            ranked as ours
            on ours.ticker = theirs.ticker
            and ours.graded_on = theirs.graded_on
            and ours.firm_of_the_day = theirs.firm_of_the_day
            and ours.priority < theirs.priority
        where
            case
                when ours.table_name <> theirs.table_name
                then ours.to_grade is not null
                else
                    ours.firm = theirs.firm
                    and coalesce(ours.to_grade, '') = coalesce(theirs.to_grade, '')
            end
        group by theirs.row_id
    ),
    bounded as (
        select
            ranked.*,
            case
                when rivals.hidden_from is null
                then ranked.corrected_at
                when ranked.corrected_at < rivals.hidden_from
                then ranked.corrected_at
                else rivals.hidden_from
            end as known_to
        from ranked
        left join rivals on rivals.row_id = ranked.row_id
    ),
    final as (
        select
            table_name,
            row_id,
            source,
            ticker,
            firm,
            graded_on,
            to_grade,
            graded_at,
            from_grade,
            action,
            target,
            prior_target,
            target_action,
            target_currency,
            kind,
            note,
            known_at,
            known_from,
            known_to,
            pit_quality
        from bounded
        where known_to is null or known_to > known_from
    )
select *
from final
