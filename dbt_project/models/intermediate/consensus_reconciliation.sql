{#- A check, and its value in the event layer and in the snapshot. -#}
{%- set gaps = [
    ("firm_count", "firm_count", "nullif(analyst_count, 0)"),
    (
        "buy_share",
        "1.0 * firm_buy_count / nullif(firm_count, 0)",
        "1.0 * (strong_buy_count + buy_count) / nullif(analyst_count, 0)",
    ),
    (
        "hold_share",
        "1.0 * firm_hold_count / nullif(firm_count, 0)",
        "1.0 * hold_count / nullif(analyst_count, 0)",
    ),
    (
        "sell_share",
        "1.0 * firm_sell_count / nullif(firm_count, 0)",
        "1.0 * (sell_count + strong_sell_count) / nullif(analyst_count, 0)",
    ),
    ("mean_score", "mean_score", "snapshot_mean_score"),
    ("target_mean", "target_mean", "snapshot_target_mean"),
    ("target_median", "target_median", "snapshot_target_median"),
    ("target_high", "target_high", "snapshot_target_high"),
    ("target_low", "target_low", "snapshot_target_low"),
] -%}
{%- set as_number = "cast(%s as " ~ dbt.type_float() ~ ")" -%}
{%- set no_text = "cast(null as " ~ dbt.type_string() ~ ")" -%}

with
    consensus as (select * from {{ ref("consensus") }}),
    votes as (select * from {{ ref("votes") }}),
    tolerances as (select * from {{ ref("consensus_tolerances") }}),
    snapshots as (select * from {{ ref("snapshot_history") }} where to_number > {{ newest() }}),
    events as (select * from {{ ref("rating_events") }} where to_number > {{ newest() }}),
    compared as (
        {%- for name, named, told in gaps %}
            select
                'consensus_gap_{{ name }}' as check_name,
                ticker,
                {{ as_number | format(named) }} as observed_value,
                {{ as_number | format(told) }} as expected_value
            from consensus
            where firm_count > 0
            {% if not loop.last %}
                union all
            {% endif %}
        {%- endfor %}
    ),
    gaps as (
        select
            compared.check_name,
            compared.ticker,
            case
                when
                    abs(compared.observed_value - compared.expected_value)
                    > tolerances.tolerance
                    * case when tolerances.is_relative then abs(compared.expected_value) else 1 end
                then 'warn'
                else 'ok'
            end as status,
            compared.observed_value,
            compared.expected_value,
            concat(
                'named firms beside the vendor''s snapshot; more than ',
                cast(tolerances.tolerance as {{ dbt.type_string() }}),
                case when tolerances.is_relative then ' of it' else '' end,
                ' apart is a warning'
            ) as reason,
            'raw.consensus' as table_name,
            snapshots.row_id
        from compared
        inner join tolerances on tolerances.check_name = compared.check_name
        inner join snapshots on snapshots.ticker = compared.ticker
        where compared.observed_value is not null and compared.expected_value is not null
    ),
    -- Exchanging the two moves the mean by their difference over the number of analysts.
    readings as (
        select
            *,
            counted_mean_score
            + 1.0
            * (coalesce(strong_buy_count, 0) - coalesce(buy_count, 0))
            / nullif(analyst_count, 0) as exchanged_mean_score
        from snapshots
        where recommendation_mean is not null and analyst_count > 0
    ),
    -- Vendors round their means to one decimal, at the coarsest.
    verdicts as (
        select
            *,
            case
                when abs(exchanged_mean_score - counted_mean_score) < 0.02
                then 'untold'
                when
                    least(
                        abs(counted_mean_score - recommendation_mean),
                        abs(exchanged_mean_score - recommendation_mean)
                    )
                    > 0.051
                then 'neither'
                when
                    abs(exchanged_mean_score - recommendation_mean)
                    < abs(counted_mean_score - recommendation_mean)
                then 'exchanged'
                else 'as_named'
            end as verdict
        from readings
    ),
    exchanges as (
        select
            'snapshot_strong_buy_order' as check_name,
            ticker,
            case when verdict in ('as_named', 'untold') then 'ok' else 'warn' end as status,
            {{ as_number | format("counted_mean_score") }} as observed_value,
            {{ as_number | format("recommendation_mean") }} as expected_value,
            case
                verdict
                when 'exchanged'
                then
                    concat(
                        'strong_buy and buy look exchanged: so read, the counts mean ',
                        cast(
                            cast(exchanged_mean_score as decimal(6, 3)) as {{ dbt.type_string() }}
                        ),
                        ', the vendor''s own mean; shown as told'
                    )
                when 'neither'
                then
                    concat(
                        'in neither order do the counts give the vendor''s own mean; exchanged they mean ',
                        cast(cast(exchanged_mean_score as decimal(6, 3)) as {{ dbt.type_string() }})
                    )
                when 'untold'
                then 'either order of strong_buy and buy gives the same mean'
                else 'the counts as named give the vendor''s own mean'
            end as reason,
            'raw.consensus' as table_name,
            row_id
        from verdicts
    ),
    exchanged_share as (
        select
            'snapshot_strong_buy_order' as check_name,
            'all' as ticker,
            case
                when
                    count(case when verdict = 'exchanged' then 1 end)
                    > count(case when verdict = 'as_named' then 1 end)
                then 'warn'
                else 'ok'
            end as status,
            {{ as_number | format("count(case when verdict = 'exchanged' then 1 end)") }}
            as observed_value,
            {{
                as_number | format(
                    "count(case when verdict in ('exchanged', 'as_named') then 1 end)"
                )
            }} as expected_value,
            'newest snapshots whose strong_buy and buy look exchanged, of those that tell'
            as reason,
            'raw.consensus' as table_name,
            {{ no_text }} as row_id
        from verdicts
        having count(*) > 0
    ),
    directed as (
        select
            *,
            case
                when score < prior_score then 'up' when score > prior_score then 'down' else 'same'
            end as direction
        from events
        where effect = 'vote' and prior_score is not null
    ),
    conflicting as (
        select
            *,
            row_number() over (
                partition by ticker order by graded_on desc nulls last, row_id asc nulls last
            ) as age_rank,
            count(*) over (partition by ticker) as conflict_count
        from directed
        where {{ is_action_conflict("directed") }}
    ),
    conflicts as (
        select
            'rating_action_conflict' as check_name,
            ticker,
            'warn' as status,
            {{ as_number | format("conflict_count") }} as observed_value,
            {{ as_number | format("0") }} as expected_value,
            concat(
                'ACTION_CONFLICT: the source calls the newest of them ',
                action,
                ', our scores say ',
                direction,
                '; ours counts'
            ) as reason,
            table_name,
            row_id
        from conflicting
        where age_rank = 1
    ),
    missed as (
        select
            *,
            row_number() over (
                partition by ticker order by graded_on desc nulls last, row_id asc nulls last
            ) as age_rank,
            count(*) over (partition by ticker) as missed_count
        from events
        where abs(prior_target / last_target - 1) > 0.001
    ),
    missed_calls as (
        select
            'rating_prior_target' as check_name,
            ticker,
            'warn' as status,
            {{ as_number | format("missed_count") }} as observed_value,
            {{ as_number | format("0") }} as expected_value,
            concat(
                'calls whose prior target is not the firm''s last one: the feed missed some, the newest of ',
                firm
            ) as reason,
            table_name,
            row_id
        from missed
        where age_rank = 1
    ),
    -- Another unit, currency, split basis or ratio of depositary receipts.
    suspected as (
        select
            votes.ticker,
            votes.firm,
            votes.table_name,
            votes.row_id,
            row_number() over (
                partition by votes.ticker
                order by votes.graded_on desc nulls last, votes.row_id asc nulls last
            ) as age_rank,
            count(*) over (partition by votes.ticker) as suspect_count
        from votes
        inner join consensus on consensus.ticker = votes.ticker
        where
            (votes.target_currency is null or votes.target_currency = consensus.currency)
            and (
                votes.target / nullif(consensus.close, 0) < 0.2
                or votes.target / nullif(consensus.close, 0) > 5
            )
    ),
    suspects as (
        select
            'target_to_close' as check_name,
            ticker,
            'warn' as status,
            {{ as_number | format("suspect_count") }} as observed_value,
            {{ as_number | format("0") }} as expected_value,
            concat(
                'live targets below a fifth or above five times the close, the newest of ', firm
            ) as reason,
            table_name,
            row_id
        from suspected
        where age_rank = 1
    ),
    judged as (
        select
            *,
            row_number() over (
                partition by ticker, basis_verdict
                order by graded_on desc nulls last, row_id asc nulls last
            ) as age_rank,
            count(*) over (partition by ticker, basis_verdict) as verdict_count,
            count(*) over (partition by ticker) as judged_count
        from events
        where basis_verdict <> 'not_needed'
    ),
    bases as (
        select
            concat('target_split_basis_', basis_verdict) as check_name,
            ticker,
            'ok' as status,
            {{ as_number | format("verdict_count") }} as observed_value,
            {{ as_number | format("judged_count") }} as expected_value,
            case
                basis_verdict
                when 'old_basis'
                then
                    'targets of before a split, told after it, are on the old basis and were divided'
                else 'targets of before a split, told after it, count as restated by the feed'
            end as reason,
            table_name,
            row_id
        from judged
        where age_rank = 1
    ),
    final as (
        {% for name in [
            "gaps",
            "exchanges",
            "exchanged_share",
            "conflicts",
            "missed_calls",
            "suspects",
            "bases",
        ] %}
            select
                check_name,
                ticker,
                status,
                observed_value,
                expected_value,
                reason,
                table_name,
                row_id
            from {{ name }}
            {% if not loop.last %}
                union all
            {% endif %}
        {% endfor %}
    )
select *
from final
