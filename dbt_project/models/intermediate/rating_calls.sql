{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"only_calls": true},
        pre_hook="{{ delete_rows(touched_calls()) }}",
    )
}}

{#-
What a session knew of a firm's calls changes as events arrive late, are corrected, or come under
another firm's name. Only then, at a `turn`, is the firm's row of calls laid out anew; between two
turns events arrive in the order of their days, so that looking back from a call finds what was known
before it. Numbers of sessions: see `session_number_at`.
-#}
{%- set sequence = "partition by ticker, firm, turn order by graded_on asc nulls last" -%}
{%- set chain = "partition by ticker, firm, turn, coverage, told_currency, is_fair_value, target is null order by graded_on asc nulls last" -%}

with
    grades as (select * from {{ ref("rating_grades") }}),
    quotes as (select * from {{ ref("quotes") }}),
    days as (
        select exchange, day, is_session, opens_at, next_opens_at, session_number
        from {{ ref("stg_calendar_days") }}
    ),
    aliases as (
        select
            lower(trim(alias)) as alias_key,
            firm,
            coalesce(valid_from, cast('0001-01-01' as date)) as valid_from,
            coalesce(valid_to, cast('9999-12-31' as date)) as valid_to,
            is_fair_value
        from {{ ref("firm_aliases") }}
    ),
    ordered_aliases as (
        select
            *,
            lag(valid_to) over (
                partition by alias_key order by valid_from asc nulls last
            ) as earlier_to,
            lead(valid_from) over (
                partition by alias_key order by valid_from asc nulls last
            ) as later_from
        from aliases
    ),
    -- While no alias is valid, a firm goes by its own name.
    names as (
        select alias_key, firm, valid_from, valid_to, is_fair_value
        from aliases
        union all
        select
            alias_key,
            cast(null as {{ dbt.type_string() }}) as firm,
            cast('0001-01-01' as date) as valid_from,
            valid_from - 1 as valid_to,
            false as is_fair_value
        from ordered_aliases
        where earlier_to is null and valid_from > cast('0001-01-01' as date)
        union all
        select
            alias_key,
            cast(null as {{ dbt.type_string() }}) as firm,
            valid_to + 1 as valid_from,
            coalesce(later_from - 1, cast('9999-12-31' as date)) as valid_to,
            false as is_fair_value
        from ordered_aliases
        where
            valid_to < cast('9999-12-31' as date)
            and (later_from is null or later_from > valid_to + 1)
    ),
    {% if is_incremental() %}
        -- Firms, under any name, that have no calls in the table: all of theirs are made.
        told_firms as (
            select ticker, firm as told_firm, lower(trim(firm)) as alias_key
            from (select distinct ticker, firm from {{ ref("stg_ratings_history") }}) as ratings
        ),
        absent_firms as (
            select
                told_firms.ticker,
                told_firms.told_firm,
                coalesce(names.firm, trim(told_firms.told_firm)) as firm
            from told_firms
            left join names on names.alias_key = told_firms.alias_key
            left join
                (select distinct ticker, firm from {{ this }}) as kept
                on kept.ticker = told_firms.ticker
                and kept.firm = coalesce(names.firm, trim(told_firms.told_firm))
            where kept.ticker is null
        ),
        ratings as (
            select ratings.*
            from {{ ref("stg_ratings_history") }} as ratings
            where (ratings.ticker, ratings.firm) in (select ticker, told_firm from absent_firms)
        ),
    {% else %} ratings as (select * from {{ ref("stg_ratings_history") }}),
    {% endif %}
    words as (
        select to_grade as word
        from ratings
        where to_grade is not null
        union
        select from_grade
        from ratings
        where from_grade is not null
    ),
    vocabulary as (
        select words.word, grades.score, grades.bucket, grades.effect
        from words
        inner join grades on grades.grade = {{ normalise_grade("words.word") }}
    ),
    graded as (
        select
            ratings.*,
            lower(trim(ratings.firm)) as alias_key,
            vocabulary.score,
            vocabulary.bucket,
            vocabulary.effect,
            from_vocabulary.score as from_score,
            quotes.exchange,
            quotes.counted_on,
            coalesce(ratings.target_currency, quotes.currency) as told_currency
        from ratings
        inner join vocabulary on vocabulary.word = ratings.to_grade
        inner join quotes on quotes.ticker = ratings.ticker
        left join vocabulary as from_vocabulary on from_vocabulary.word = ratings.from_grade
        where vocabulary.effect in ('vote', 'closes')
    ),
    numbered as (
        select
            graded.*,
            {{ session_number_at("graded.known_from", "knowing", "graded.counted_on") }}
            as known_number,
            {{ session_number_at("graded.known_at", "telling", "graded.counted_on") }}
            as told_number,
            case
                when graded.known_to is null
                then {{ newest() }} + 1
                else {{ session_number_at("graded.known_to", "losing", "graded.counted_on") }}
            end as gone_number
        from graded
        left join
            days as knowing
            on knowing.exchange = graded.exchange
            and knowing.day = cast(graded.known_from as date)
        left join
            days as telling
            on telling.exchange = graded.exchange
            and telling.day = cast(graded.known_at as date)
        left join
            days as losing
            on losing.exchange = graded.exchange
            and losing.day = cast(graded.known_to as date)
    ),
    named as (
        select
            numbered.*,
            coalesce(names.firm, trim(numbered.firm)) as canonical_firm,
            coalesce(numbered.kind = 'fair_value', false)
            or coalesce(names.is_fair_value, false) as is_fair_value,
            coalesce(before.session_number + 1, 0) as named_from,
            case
                when names.valid_to < numbered.counted_on
                then coalesce(last_named.session_number + 1, 0)
                else {{ newest() }} + 1
            end as named_to
        from numbered
        left join names on names.alias_key = numbered.alias_key
        left join
            days as before
            on before.exchange = numbered.exchange
            and before.day = names.valid_from - 1
        left join
            days as last_named
            on last_named.exchange = numbered.exchange
            and last_named.day = names.valid_to
        where names.valid_from is null or names.valid_from <= numbered.counted_on
    ),
    visible as (
        select
            ticker,
            canonical_firm as firm,
            graded_on,
            greatest(known_number, named_from) as from_number,
            least(gone_number, named_to) as to_number,
            told_number,
            table_name,
            row_id,
            to_grade as grade,
            score,
            bucket,
            effect,
            from_score,
            action,
            nullif(graded_at, cast(graded_on as timestamp)) as graded_at,
            target,
            prior_target,
            target_currency,
            told_currency,
            is_fair_value,
            known_at,
            known_from,
            pit_quality,
            note
        from named
        where
            greatest(known_number, named_from) < least(gone_number, named_to)
            {% if is_incremental() %}
                and (ticker, canonical_firm) in (select ticker, firm from absent_firms)
            {% endif %}
    ),
    arrivals as (
        select
            ticker,
            firm,
            from_number,
            to_number,
            graded_on,
            max(graded_on) over (
                partition by ticker, firm
                order by from_number asc nulls last
                range between unbounded preceding and 1 preceding
            ) as latest_known
        from visible
    ),
    turning_points as (
        select ticker, firm, from_number as turn
        from arrivals
        where graded_on <= latest_known
        union
        select ticker, firm, to_number as turn
        from arrivals
        where to_number <= {{ newest() }}
        union
        select ticker, firm, 0 as turn
        from arrivals
    ),
    turns as (
        select
            *,
            coalesce(
                lead(turn) over (partition by ticker, firm order by turn asc nulls last),
                {{ newest() }} + 1
            ) as next_turn
        from turning_points
    ),
    laid_out as (
        select
            visible.*,
            turns.turn,
            greatest(visible.from_number, turns.turn) as seen_from,
            least(visible.to_number, turns.next_turn) as seen_to,
            lag(visible.graded_on) over (
                partition by visible.ticker, visible.firm, turns.turn
                order by
                    visible.graded_on asc nulls last,
                    visible.graded_at desc nulls last,
                    visible.known_from desc nulls last,
                    visible.target desc nulls last,
                    visible.known_at desc nulls last,
                    visible.grade asc nulls last,
                    visible.row_id asc nulls last
            ) as listed_before
        from visible
        inner join
            turns
            on turns.ticker = visible.ticker
            and turns.firm = visible.firm
            and turns.turn < visible.to_number
            and turns.next_turn > visible.from_number
    ),
    covered as (
        select
            *,
            coalesce(
                sum(case when effect = 'closes' then 1 else 0 end) over (
                    {{ sequence }} rows between unbounded preceding and 1 preceding
                ),
                0
            ) as coverage,
            coalesce(lag(effect) over ({{ sequence }}) = 'closes', false) as is_closed_before,
            coalesce(
                case
                    when lag(effect) over ({{ sequence }}) = 'vote'
                    then lag(score) over ({{ sequence }})
                end,
                from_score
            ) as prior_score,
            coalesce(lead(seen_from) over ({{ sequence }}), seen_to) as replaced_at
        from laid_out
        where listed_before is null or listed_before < graded_on
    ),
    chained as (
        select
            *,
            case when target is not null then lag(target) over ({{ chain }}) end as earlier_target,
            case when target is not null then lag(graded_on) over ({{ chain }}) end as earlier_on,
            case
                when target is not null then lag(known_at) over ({{ chain }})
            end as earlier_known_at
        from covered
    ),
    final as (
        select
            ticker,
            firm,
            turn,
            graded_on,
            seen_from as from_number,
            seen_to as to_number,
            least(replaced_at, seen_to) as replaced_at,
            told_number,
            table_name,
            row_id,
            grade,
            score,
            bucket,
            effect,
            action,
            prior_score,
            is_closed_before,
            coverage,
            target,
            prior_target,
            target_currency,
            told_currency,
            is_fair_value,
            earlier_target,
            earlier_on,
            earlier_known_at,
            known_at,
            known_from,
            pit_quality,
            note
        from chained
    )
select *
from final
