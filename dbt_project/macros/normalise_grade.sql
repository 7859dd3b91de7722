{#-
A grade as the vocabulary `rating_grades` spells it: case, width, punctuation, abbreviations and a
trailing "rating" or "(…)" no longer matter. Portable SQL, so the NFKC folding is limited to what
feeds contain: full-width letters, no-break spaces and the other hyphens.
-#}
{% macro normalise_grade(words) -%}
    {%- set abbreviations = {
        "mkt": "market",
        "sec": "sector",
        "eq": "equal",
        "wt": "weight",
        "eqwt": "equal weight",
        "equalweight": "equal weight",
        "ow": "overweight",
        "overwt": "overweight",
        "uw": "underweight",
        "underwt": "underweight",
        "lt": "long term",
        "nt": "near term",
        "st": "short term",
        "outperf": "outperform",
        "underperf": "underperform",
        "perf": "perform",
        "accum": "accumulate",
        "recomm": "recommended",
    } -%}
    {%- set wide = "ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ（）" -%}
    {%- set narrow = "abcdefghijklmnopqrstuvwxyz()" -%}
    {%- set blanks = "\t\u00a0\u2009\u200b\u202f\u3000" -%}
    {%- set hyphens = "-_/.:<>\u2010\u2011\u2012\u2013\u2014\u2212\uff0d\uff0f" -%}
    {%- set separators = blanks ~ hyphens -%}
    {%- set spaces = " " * separators | length -%}
    {%- set folded = "translate(lower(%s), '%s', '%s')" | format(
        words, wide ~ separators, narrow ~ spaces
    ) -%}
    {%- set bare = "regexp_replace(%s, '[(][^)]*[)] *$', '')" | format(folded) -%}
    {#- Two spaces between words, so that each has its own on both sides. -#}
    {%- set spelled = namespace(out="replace(' ' || %s || ' ', ' ', '  ')" | format(bare)) -%}
    {%- for short, long in abbreviations.items() -%}
        {%- set spelled.out = "replace(%s, ' %s ', ' %s ')" | format(spelled.out, short, long) -%}
    {%- endfor -%}
    {%- set single = (
        "trim(replace(replace(replace(%s, ' ', '<>'), '><', ''), '<>', ' '))"
        | format(spelled.out)
    ) -%}
    replace(
        regexp_replace(replace({{ single }}, 'no rating', 'no_rating'), ' ratings?$', ''),
        'no_rating',
        'no rating'
    )
{%- endmacro %}

{#-
The day and the price a ticker's ratings are held against. `session_date` is its newest final
session, else the last of its exchange. `counted_on` is the last session of its exchange that had
closed at `as_of` (without a calendar the day of `as_of`), so that votes expire without prices too.
-#}
{% macro quotes() %}
    with
        listings as (select ticker, exchange, currency from {{ ref("stg_listings") }}),
        prices as (
            select ticker, session_date, close, currency, pit_quality
            from {{ ref("stg_prices") }}
            where is_final and close is not null
        ),
        newest as (select ticker, max(session_date) as session_date from prices group by ticker),
        bars as (
            select prices.*
            from prices
            inner join
                newest
                on newest.ticker = prices.ticker
                and newest.session_date = prices.session_date
        ),
        last_sessions as (
            select exchange, max(day) as session_date
            from {{ ref("stg_calendar_days") }}
            where is_session and closes_at <= {{ as_of() }}
            group by exchange
        ),
        quoted as (
            select
                listings.ticker,
                coalesce(bars.session_date, last_sessions.session_date) as session_date,
                coalesce(last_sessions.session_date, cast({{ as_of() }} as date)) as counted_on,
                bars.close,
                coalesce(bars.currency, listings.currency) as currency,
                bars.pit_quality
            from listings
            left join bars on bars.ticker = listings.ticker
            left join last_sessions on last_sessions.exchange = listings.exchange
        )
    select quoted.*, currencies.major_code, currencies.units_per_major
    from quoted
    left join {{ ref("currencies") }} as currencies on currencies.code = quoted.currency
{% endmacro %}

{#-
Rating events that open or close a vote: one per firm and day, under the name the firm has now,
beside its call before (`coverage` counts the times it had closed its vote). Targets are on the
split basis of `as_of` and, where that is a matter of minor units, in the quote's currency
(`is_convertible`).

Feeds do not say whether they restate old targets after a split. A version stored before the split
is on the old basis; whether those stored later are, `verdicts` tells by the prior target that the
firms' next calls name.
-#}
{% macro rating_events() %}
    with
        ratings as (select * from {{ ref("stg_ratings") }}),
        grades as (select * from {{ ref("rating_grades") }}),
        currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
        quotes as ({{ quotes() }}),
        aliases as (
            select
                lower(trim(alias)) as alias_key,
                firm,
                coalesce(valid_from, cast('0001-01-01' as date)) as valid_from,
                coalesce(valid_to, cast('9999-12-31' as date)) as valid_to,
                is_fair_value
            from {{ ref("firm_aliases") }}
        ),
        splits as (
            select
                ticker,
                session_date as split_on,
                coalesce(split_effective_at, cast(session_date as timestamp)) as effective_at,
                split_ratio
            from {{ ref("stg_prices") }}
            where split_ratio > 0 and split_ratio <> 1
        ),
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
                ratings.row_id,
                ratings.ticker,
                coalesce(aliases.firm, trim(ratings.firm)) as firm,
                ratings.graded_on,
                nullif(ratings.graded_at, cast(ratings.graded_on as timestamp)) as graded_at,
                ratings.to_grade as grade,
                vocabulary.score,
                vocabulary.bucket,
                vocabulary.effect,
                from_vocabulary.score as from_score,
                ratings.target,
                ratings.prior_target,
                ratings.target_currency,
                coalesce(ratings.kind = 'fair_value', false)
                or coalesce(aliases.is_fair_value, false) as is_fair_value,
                ratings.note,
                ratings.known_at,
                ratings.known_from,
                ratings.pit_quality,
                quotes.counted_on,
                quotes.close,
                quotes.currency,
                coalesce(ratings.target_currency, quotes.currency) as told_currency,
                quotes.units_per_major as quote_units,
                case
                    when ratings.target_currency is null
                    then quotes.units_per_major
                    when told.major_code = quotes.major_code
                    then told.units_per_major
                end as told_units
            from ratings
            inner join vocabulary on vocabulary.word = ratings.to_grade
            inner join quotes on quotes.ticker = ratings.ticker
            left join vocabulary as from_vocabulary on from_vocabulary.word = ratings.from_grade
            left join currencies as told on told.code = ratings.target_currency
            left join
                aliases
                on aliases.alias_key = lower(trim(ratings.firm))
                and aliases.valid_from <= quotes.counted_on
                and aliases.valid_to >= quotes.counted_on
            where vocabulary.effect in ('vote', 'closes')
        ),
        ranked as (
            select
                *,
                row_number() over (
                    partition by ticker, firm, graded_on
                    order by
                        graded_at desc nulls last,
                        known_from desc nulls last,
                        known_at desc nulls last,
                        target desc nulls last,
                        grade asc nulls last,
                        row_id asc nulls last
                ) as day_rank
            from graded
        ),
        coverages as (
            select
                *,
                coalesce(
                    sum(case when effect = 'closes' then 1 else 0 end) over (
                        partition by ticker, firm
                        order by graded_on asc nulls last
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ) as coverage
            from ranked
            where day_rank = 1
        ),
        targets as (
            select
                row_id,
                ticker,
                graded_on,
                known_at,
                target,
                prior_target,
                lag(target) over (
                    partition by ticker, firm, coverage, told_currency, is_fair_value
                    order by graded_on asc nulls last
                ) as earlier_target,
                lag(graded_on) over (
                    partition by ticker, firm, coverage, told_currency, is_fair_value
                    order by graded_on asc nulls last
                ) as earlier_on,
                lag(known_at) over (
                    partition by ticker, firm, coverage, told_currency, is_fair_value
                    order by graded_on asc nulls last
                ) as earlier_known_at
            from coverages
            where target is not null
        ),
        prior_splits as (
            select targets.row_id, exp(sum(ln(splits.split_ratio))) as split_factor
            from targets
            inner join
                splits
                on splits.ticker = targets.ticker
                and splits.split_on <= targets.graded_on
                and splits.split_on > coalesce(targets.earlier_on, targets.graded_on - 365)
            group by targets.row_id
        ),
        -- After a split the prior may still be on the old basis: the one nearer to the new target
        -- counts.
        rebased as (
            select
                targets.*,
                case
                    when
                        abs(ln(targets.target * prior_splits.split_factor / targets.prior_target))
                        < abs(ln(targets.target / targets.prior_target))
                    then targets.prior_target / prior_splits.split_factor
                    else targets.prior_target
                end as rebased_prior
            from targets
            left join prior_splits on prior_splits.row_id = targets.row_id
        ),
        verdicts as (
            select
                splits.ticker,
                splits.split_on,
                sum(
                    case
                        when
                            abs(
                                rebased.earlier_target / rebased.rebased_prior / splits.split_ratio
                                - 1
                            )
                            <= 0.02
                        then 1
                        when abs(rebased.earlier_target / rebased.rebased_prior - 1) <= 0.02
                        then -1
                        else 0
                    end
                ) as unrestated_margin
            from rebased
            inner join
                splits
                on splits.ticker = rebased.ticker
                and splits.split_on > rebased.earlier_on
                and splits.split_on <= rebased.graded_on
                and splits.effective_at <= rebased.earlier_known_at
            where rebased.rebased_prior is not null
            group by splits.ticker, splits.split_on
        ),
        split_factors as (
            select targets.row_id, exp(sum(ln(splits.split_ratio))) as split_factor
            from targets
            inner join
                splits on splits.ticker = targets.ticker and splits.split_on > targets.graded_on
            left join
                verdicts on verdicts.ticker = splits.ticker and verdicts.split_on = splits.split_on
            where splits.effective_at > targets.known_at or verdicts.unrestated_margin > 0
            group by targets.row_id
        ),
        based as (
            select
                coverages.*,
                coverages.target_currency is null as is_currency_assumed,
                coverages.told_units is not null
                or coverages.target_currency is null as is_convertible,
                case
                    when coverages.told_units is null
                    then coverages.told_currency
                    else coverages.currency
                end as unit,
                coalesce(1.0 * coverages.quote_units / coverages.told_units, 1.0)
                / coalesce(split_factors.split_factor, 1.0) as multiplier,
                rebased.rebased_prior
            from coverages
            left join rebased on rebased.row_id = coverages.row_id
            left join split_factors on split_factors.row_id = coverages.row_id
        ),
        final as (
            select
                row_id,
                ticker,
                firm,
                graded_on,
                counted_on,
                grade,
                score,
                bucket,
                effect,
                coalesce(
                    lag(score) over (
                        partition by ticker, firm, coverage order by graded_on asc nulls last
                    ),
                    from_score
                ) as prior_score,
                coalesce(
                    lag(effect) over (partition by ticker, firm order by graded_on asc nulls last)
                    = 'closes',
                    false
                ) as is_closed_before,
                target * multiplier as target,
                rebased_prior * multiplier as prior_target,
                lag(target * multiplier) over (
                    partition by ticker, firm, coverage, unit, is_fair_value, target is null
                    order by graded_on asc nulls last
                ) as last_target,
                unit as target_currency,
                is_currency_assumed,
                is_convertible,
                is_fair_value,
                close,
                known_from,
                pit_quality,
                note
            from based
        )
    select *
    from final
{% endmacro %}
