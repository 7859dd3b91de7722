{%- set no_votes -%}
    case
        when rating_count = 0
        then 'no rating is known'
        when event_count = 0
        then 'no rating has a grade that is a vote'
        else 'every vote has expired or was closed'
    end
{%- endset -%}
{%- set no_targets -%}
    case
        when firm_count = 0
        then {{ no_votes }}
        when told_target_count = 0
        then 'no live vote has a target'
        when target_count = 0
        then 'every target is left out: a fair value, or its currency or unit is not the quote''s'
        when target_count < 2
        then 'a spread needs 2 targets'
        else 'a cluster needs 5 targets'
    end
{%- endset -%}
{%- set no_snapshot -%} case when snapshot_row_id is null then 'no vendor snapshot is known' else
{%- endset -%}
{%- set no_snapshot_target -%}
    {{ no_snapshot }}
    case
        when not is_snapshot_convertible
        then 'the newest snapshot tells targets in another currency than the quote''s'
        else 'the newest snapshot does not tell it'
    end end
{%- endset -%}
{%- set no_close = "'no final price is known'" -%}
{%- set as_number = "cast(%s as " ~ dbt.type_float() ~ ")" -%}
{%- set nothing = as_number | format("null") -%}
{#- Columns, why they are blank, what was found and what was needed, and the raw table of the evidence. -#}
{%- set blanks = [] -%}
{%- for column in [
    "strong_buy_count",
    "buy_count",
    "hold_count",
    "sell_count",
    "strong_sell_count",
    "snapshot_target_count",
    "snapshot_on",
] -%}
    {%- do blanks.append(
        (
            column,
            no_snapshot ~ " 'the newest snapshot does not tell it' end",
            nothing,
            nothing,
            "consensus",
        )
    ) -%}
{%- endfor -%}
{%- for column in ["analyst_count", "snapshot_mean_score", "snapshot_label"] -%}
    {%- do blanks.append(
        (
            column,
            no_snapshot ~ " 'the newest snapshot tells no counts' end",
            nothing,
            nothing,
            "consensus",
        )
    ) -%}
{%- endfor -%}
{%- for column in ["mean", "median", "high", "low"] -%}
    {%- do blanks.append(
        ("snapshot_target_" ~ column, no_snapshot_target, nothing, nothing, "consensus")
    ) -%}
{%- endfor -%}
{%- for column in ["mean", "median"] -%}
    {%- do blanks.append(
        (
            "snapshot_upside_" ~ column,
            "case when snapshot_target_"
            ~ column
            ~ " is null then "
            ~ no_snapshot_target
            ~ " when close is null then "
            ~ no_close
            ~ " else 'no currency is stated, and target over close lies outside 0.2 to 5' end",
            "snapshot_target_" ~ column ~ " / nullif(close, 0)",
            "case when snapshot_target_"
            ~ column
            ~ " / nullif(close, 0) < 0.2 then 0.2 when close is not null and snapshot_target_"
            ~ column
            ~ " is not null then 5 end",
            "consensus",
        )
    ) -%}
    {%- do blanks.append(
        (
            "upside_" ~ column,
            "case when target_"
            ~ column
            ~ " is null then "
            ~ no_targets
            ~ " else "
            ~ no_close
            ~ " end",
            as_number | format("target_count"),
            as_number | format("1"),
            "ratings",
        )
    ) -%}
{%- endfor -%}
{%- for column in [
    "mean_score",
    "median_score",
    "label",
    "median_vote_age_days",
    "net_upgrade_share_30d",
    "net_upgrade_share_90d",
] -%}
    {%- do blanks.append(
        (
            column,
            no_votes,
            as_number | format("firm_count"),
            as_number | format("1"),
            "ratings",
        )
    ) -%}
{%- endfor -%}
{%- for column, needed in [
    ("target_mean", 1),
    ("target_median", 1),
    ("target_high", 1),
    ("target_low", 1),
    ("target_stddev", 2),
    ("target_cv", 2),
    ("target_cluster_low", 5),
    ("target_cluster_high", 5),
] -%}
    {%- do blanks.append(
        (
            column,
            (
                no_targets
                if needed < 5
                else no_targets
                | replace("a spread needs 2 targets", "a cluster needs 5 targets")
            ),
            as_number | format("target_count"),
            as_number | format(needed),
            "ratings",
        )
    ) -%}
{%- endfor -%}
{%- for window in ["30d", "90d"] -%}
    {%- do blanks.append(
        (
            "target_breadth_" ~ window,
            "'no firm raised or cut its target in these days'",
            as_number | format(0),
            as_number | format(1),
            "ratings",
        )
    ) -%}
    {%- do blanks.append(
        (
            "target_revision_" ~ window,
            "'no call of these days tells a target that has one before it'",
            as_number | format(0),
            as_number | format(1),
            "ratings",
        )
    ) -%}
{%- endfor -%}
{%- do blanks.append(
    (
        "coverage_ratio",
        no_snapshot ~ " 'the newest snapshot counts no analysts' end",
        as_number | format("analyst_count"),
        as_number | format("1"),
        "consensus",
    )
) -%}
{%- do blanks.append(("close", no_close, nothing, nothing, "prices")) -%}
{%- do blanks.append(
    (
        "currency",
        "'neither the security, its exchange nor the symbol tells it'",
        nothing,
        nothing,
        "prices",
    )
) -%}
{%- do blanks.append(
    (
        "session_date",
        "'no final price is known, and the exchange is unknown'",
        nothing,
        nothing,
        "prices",
    )
) -%}
{%- do blanks.append(
    (
        "pit_quality",
        "'no vote, recent call, snapshot or price went in'",
        nothing,
        nothing,
        "ratings",
    )
) -%}

with
    consensus as (select * from {{ ref("consensus") }}),
    quotes as (select ticker, row_id from {{ ref("quotes") }}),
    ratings as (
        select
            ticker,
            table_name,
            row_id,
            row_number() over (
                partition by ticker order by graded_on desc nulls last, row_id asc nulls last
            ) as age_rank,
            count(*) over (partition by ticker) as rating_count
        from {{ ref("stg_ratings") }}
    ),
    events as (
        select ticker, count(*) as event_count from {{ ref("rating_calls") }} group by ticker
    ),
    votes as (
        select ticker, count(target) as told_target_count from {{ ref("votes") }} group by ticker
    ),
    snapshots as (
        select ticker, row_id, is_convertible
        from {{ ref("snapshot_history") }}
        where to_number > {{ newest() }}
    ),
    rows_with_evidence as (
        select
            consensus.*,
            coalesce(ratings.rating_count, 0) as rating_count,
            coalesce(events.event_count, 0) as event_count,
            coalesce(votes.told_target_count, 0) as told_target_count,
            snapshots.is_convertible as is_snapshot_convertible,
            snapshots.row_id as snapshot_row_id,
            ratings.table_name as rating_table_name,
            ratings.row_id as rating_row_id,
            quotes.row_id as price_row_id
        from consensus
        left join quotes on quotes.ticker = consensus.ticker
        left join ratings on ratings.ticker = consensus.ticker and ratings.age_rank = 1
        left join events on events.ticker = consensus.ticker
        left join votes on votes.ticker = consensus.ticker
        left join snapshots on snapshots.ticker = consensus.ticker
    ),
    final as (
        {%- for column, reason, observed, expected, table in blanks %}
            select
                ticker,
                '{{ column }}' as column_name,
                {{ reason }} as reason,
                {{ observed }} as observed_value,
                {{ as_number | format(expected) }} as expected_value,
                {% if table == "ratings" -%}
                    rating_table_name as table_name, rating_row_id as row_id
                {%- else -%}
                    case
                        when
                            {{ "snapshot" if table == "consensus" else "price" }}_row_id is not null
                        then 'raw.{{ table }}'
                    end as table_name,
                    {{ "snapshot" if table == "consensus" else "price" }}_row_id as row_id
                {%- endif %}
            from rows_with_evidence
            where {{ column }} is null
            {% if not loop.last %}
                union all
            {% endif %}
        {%- endfor %}
    )
select *
from final
