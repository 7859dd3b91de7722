{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"only_calls": true},
        pre_hook="{{ delete_rows(touched_events()) }}",
    )
}}

{#-
Feeds do not say whether they restate old targets after a split. A version stored before the split
is on the old basis. Whether those stored later are, the prior targets tell that the firms' next
calls name, as far as these were known in the session, or when the version was stored.
-#}
with
    {% if is_incremental() %}
        absent_firms as (
            select ticker, firm
            from {{ ref("rating_calls") }}
            except
            select ticker, firm
            from {{ this }}
        ),
        calls as (
            select *
            from {{ ref("rating_calls") }}
            where (ticker, firm) in (select ticker, firm from absent_firms)
        ),
    {% else %} calls as (select * from {{ ref("rating_calls") }}),
    {% endif %}
    split_spans as (select * from {{ ref("stg_splits") }}),
    splits as (select * from split_spans where is_known),
    quotes as (
        select ticker, close, currency, major_code, units_per_major from {{ ref("quotes") }}
    ),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    prior_splits as (
        select
            calls.ticker,
            calls.firm,
            calls.turn,
            calls.row_id,
            exp(sum(ln(splits.split_ratio))) as split_factor
        from calls
        inner join
            splits
            on splits.ticker = calls.ticker
            and splits.split_on <= calls.graded_on
            and splits.split_on > coalesce(calls.earlier_on, calls.graded_on - 365)
        where calls.target is not null and calls.prior_target is not null
        group by calls.ticker, calls.firm, calls.turn, calls.row_id
    ),
    -- After a split the prior may still be on the old basis: the one nearer to the new target
    -- counts.
    rebased as (
        select
            calls.*,
            case
                when calls.target is null
                then null
                when
                    abs(ln(calls.target * prior_splits.split_factor / calls.prior_target))
                    < abs(ln(calls.target / calls.prior_target))
                then calls.prior_target / prior_splits.split_factor
                else calls.prior_target
            end as rebased_prior
        from calls
        left join
            prior_splits
            on prior_splits.ticker = calls.ticker
            and prior_splits.firm = calls.firm
            and prior_splits.turn = calls.turn
            and prior_splits.row_id = calls.row_id
    ),
    evidence as (
        select
            splits.ticker,
            splits.split_on,
            rebased.from_number,
            rebased.to_number,
            case
                when
                    abs(rebased.earlier_target / rebased.rebased_prior / splits.split_ratio - 1)
                    <= 0.02
                then 1
                when abs(rebased.earlier_target / rebased.rebased_prior - 1) <= 0.02
                then -1
                else 0
            end as verdict
        from rebased
        inner join
            splits
            on splits.ticker = rebased.ticker
            and splits.split_on > rebased.earlier_on
            and splits.split_on <= rebased.graded_on
            and splits.effective_at <= rebased.earlier_known_at
        where rebased.rebased_prior is not null
    ),
    doubtful as (
        select
            rebased.ticker,
            rebased.firm,
            rebased.turn,
            rebased.row_id,
            rebased.told_number,
            splits.split_on,
            splits.split_ratio
        from rebased
        inner join
            splits
            on splits.ticker = rebased.ticker
            and splits.split_on > rebased.graded_on
            and splits.effective_at <= rebased.known_at
        where rebased.target is not null
    ),
    doubts as (select distinct ticker, firm, turn, row_id from doubtful),
    first_doubts as (select ticker, min(told_number) as told_number from doubtful group by ticker),
    verdict_points as (
        select evidence.ticker, evidence.from_number as point
        from evidence
        inner join first_doubts on first_doubts.ticker = evidence.ticker
        where evidence.verdict <> 0 and evidence.from_number > first_doubts.told_number
        union
        select evidence.ticker, evidence.to_number as point
        from evidence
        inner join first_doubts on first_doubts.ticker = evidence.ticker
        where
            evidence.verdict <> 0
            and evidence.to_number > first_doubts.told_number
            and evidence.to_number <= {{ newest() }}
        union
        select ticker, 0 as point
        from quotes
    ),
    stretches as (
        select
            *,
            coalesce(
                lead(point) over (partition by ticker order by point asc nulls last),
                {{ newest() }} + 1
            ) as next_point
        from verdict_points
    ),
    margins as (
        select
            doubtful.ticker,
            doubtful.firm,
            doubtful.turn,
            doubtful.row_id,
            stretches.point,
            doubtful.split_on,
            doubtful.split_ratio,
            sum(evidence.verdict) as unrestated_margin
        from doubtful
        inner join stretches on stretches.ticker = doubtful.ticker
        inner join
            evidence
            on evidence.ticker = doubtful.ticker
            and evidence.split_on = doubtful.split_on
            and evidence.from_number <= greatest(stretches.point, doubtful.told_number)
            and evidence.to_number > greatest(stretches.point, doubtful.told_number)
        group by
            doubtful.ticker,
            doubtful.firm,
            doubtful.turn,
            doubtful.row_id,
            stretches.point,
            doubtful.split_on,
            doubtful.split_ratio
    ),
    restated as (
        select ticker, firm, turn, row_id, point, exp(sum(ln(split_ratio))) as split_factor
        from margins
        where unrestated_margin > 0
        group by ticker, firm, turn, row_id, point
    ),
    -- A target told after a split that nobody knew of at `as_of` may or may not be on its basis:
    -- the
    -- one nearer to the close counts.
    span_factors as (
        select
            rebased.ticker,
            rebased.firm,
            rebased.turn,
            rebased.row_id,
            case
                when
                    rebased.known_at > {{ as_of() }}
                    and abs(ln(rebased.target / split_spans.split_factor / quotes.close))
                    > abs(ln(rebased.target / quotes.close))
                then 1.0
                else split_spans.split_factor
            end as split_factor
        from rebased
        inner join quotes on quotes.ticker = rebased.ticker
        inner join
            split_spans
            on split_spans.ticker = rebased.ticker
            and rebased.known_at >= split_spans.told_from
            and rebased.known_at < split_spans.effective_at
        where rebased.target is not null
    ),
    based as (
        select
            rebased.*,
            stretches.point,
            stretches.next_point,
            quotes.currency as quote_currency,
            told.major_code = quotes.major_code
            or rebased.target_currency is null as is_in_quote_currency,
            told.major_code as told_major_code,
            told.units_per_major as told_units,
            case
                when told.major_code = quotes.major_code
                then 1.0 * quotes.units_per_major / told.units_per_major
                else 1.0
            end
            / coalesce(span_factors.split_factor, 1.0)
            / coalesce(restated.split_factor, 1.0) as multiplier,
            coalesce(span_factors.split_factor, 1.0)
            * coalesce(restated.split_factor, 1.0) as split_factor,
            case
                when doubts.row_id is null
                then 'not_needed'
                when restated.split_factor is not null
                then 'old_basis'
                else 'restated'
            end as basis_verdict
        from rebased
        inner join quotes on quotes.ticker = rebased.ticker
        inner join
            stretches
            on stretches.ticker = rebased.ticker
            and stretches.point < rebased.to_number
            and stretches.next_point > rebased.from_number
        left join currencies as told on told.code = rebased.target_currency
        left join
            doubts
            on doubts.ticker = rebased.ticker
            and doubts.firm = rebased.firm
            and doubts.turn = rebased.turn
            and doubts.row_id = rebased.row_id
        left join
            span_factors
            on span_factors.ticker = rebased.ticker
            and span_factors.firm = rebased.firm
            and span_factors.turn = rebased.turn
            and span_factors.row_id = rebased.row_id
        left join
            restated
            on restated.ticker = rebased.ticker
            and restated.firm = rebased.firm
            and restated.turn = rebased.turn
            and restated.row_id = rebased.row_id
            and restated.point = stretches.point
    ),
    converted as (
        select
            *,
            coalesce(is_in_quote_currency, false) as is_convertible,
            case
                when coalesce(is_in_quote_currency, false) then quote_currency else told_currency
            end as unit
        from based
    ),
    final as (
        select
            ticker,
            firm,
            graded_on,
            greatest(from_number, point) as from_number,
            least(to_number, next_point) as to_number,
            greatest(from_number, point) as voted_from,
            least(replaced_at, next_point) as voted_to,
            grade,
            score,
            bucket,
            effect,
            action,
            prior_score,
            is_closed_before,
            target as told_target,
            split_factor,
            basis_verdict,
            target * multiplier as target,
            rebased_prior * multiplier as prior_target,
            lag(target * multiplier) over (
                partition by
                    ticker, firm, turn, point, coverage, unit, is_fair_value, target is null
                order by graded_on asc nulls last
            ) as last_target,
            unit as target_currency,
            target_currency is null as is_currency_assumed,
            is_convertible,
            told_major_code,
            told_units,
            is_fair_value,
            known_from,
            pit_quality,
            note,
            table_name,
            row_id
        from converted
    )
select *
from final
