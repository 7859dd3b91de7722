{#-
The rows of the consensus for `sessions`, a relation of rows of `consensus_sessions` without a gap
within a ticker: its newest alone (`is_newest`), or some before it.

What the named firms say changes only on some days; it is counted once for each stretch (`point` is
the first session of one) and then shown in every session of it. Windows of days slide with the
session, so what happened in them is counted session by session.
-#}
{% macro consensus_rows(sessions, is_newest) %}
    {#- Sessions, and points, that are looked at together: a point meets what touches its block alone. -#}
    {%- set session_block, point_block = 64, 16 -%}
    {#- One number for a ticker and one of its sessions: windows and groups by two cost half as much again. -#}
    {%- set key = "%s.ticker_number * (" ~ newest() ~ " + 1) + %s" -%}
    {#- A thousandth of a percent is rounding, not a change. -#}
    {%- set counted = {
        "upgrades": "direction = 'upgrade'",
        "downgrades": "direction = 'downgrade'",
        "target_raises": "target_revision > 0.00001",
        "target_cuts": "target_revision < -0.00001",
    } -%}
    with
        ranges as (
            select
                ticker,
                row_number() over (order by ticker asc nulls last) as ticker_number,
                min(session_number) as first_number,
                max(session_number) as last_number,
                min(counted_on) as first_counted_on
            from {{ sessions }}
            group by ticker
        ),
        votes as (select * from {{ ref("vote_history") }}),
        events as (select * from {{ ref("rating_events") }}),
        snapshots as (select * from {{ ref("snapshot_history") }}),
        quotes as (select ticker, exchange, currency, counted_on from {{ ref("quotes") }}),
        days as (
            select exchange, day, is_session, session_number from {{ ref("stg_calendar_days") }}
        ),
        steps as (select distinct session_number - 1 as step from days where is_session),
        methods as (
            select method, min_vote_count from {{ ref("house_methods") }} where method = 'default'
        ),
        labels as (
            select label, score_above, score_up_to
            from {{ ref("house_labels") }}
            where method = 'default'
        ),
        qualities as (
            select 'reconstructed' as pit_quality, 3 as badness
            union all
            select 'vendor_stated' as pit_quality, 2 as badness
            union all
            select 'observed' as pit_quality, 1 as badness
        ),
        sessions as (
            select
                ranges.ticker_number,
                told.session_number,
                {{ key | format("ranges", "told.session_number") }} as session_key,
                told.session_date,
                told.counted_on,
                told.close,
                qualities.badness
            from {{ sessions }} as told
            inner join ranges on ranges.ticker = told.ticker
            left join qualities on qualities.pit_quality = told.pit_quality
        ),
        live as (
            select
                ranges.ticker_number,
                greatest(votes.from_number, ranges.first_number) as from_number,
                votes.to_number,
                ranges.last_number,
                votes.score,
                votes.bucket,
                votes.graded_on,
                case when votes.target_status = 'used' then votes.target end as target,
                qualities.badness
            from votes
            inner join
                ranges
                on ranges.ticker = votes.ticker
                and votes.from_number <= ranges.last_number
                and votes.to_number > ranges.first_number
            left join qualities on qualities.pit_quality = votes.pit_quality
        ),
        -- A vote graded after the day it is counted on (a weekend's) is of age 0 there.
        points as (
            select ticker_number, from_number as point
            from live
            union
            select ticker_number, to_number as point
            from live
            where to_number <= last_number
            {%- for later in [1, 2] %}
                union
                select live.ticker_number, live.from_number + {{ later }} as point
                from live
                inner join
                    sessions
                    on sessions.ticker_number = live.ticker_number
                    and sessions.session_number = live.from_number
                where
                    live.graded_on > sessions.counted_on
                    and live.from_number + {{ later }} <= live.last_number
            {%- endfor %}
        ),
        dated_points as (
            select
                points.ticker_number,
                points.point,
                sessions.session_key as point_key,
                points.point - points.point % {{ session_block }} as block_number,
                sessions.counted_on
            from points
            inner join
                sessions
                on sessions.ticker_number = points.ticker_number
                and sessions.session_number = points.point
        ),
        live_spans as (
            select
                *,
                from_number - from_number % {{ session_block }} as first_block,
                least(to_number - 1, last_number)
                - least(to_number - 1, last_number) % {{ session_block }} as last_block
            from live
        ),
        live_blocks as (
            select
                spans.ticker_number,
                spans.first_block + {{ session_block }} * steps.step as block_number,
                spans.from_number,
                spans.to_number,
                spans.score,
                spans.bucket,
                spans.graded_on,
                spans.target,
                spans.badness
            from live_spans as spans
            inner join
                steps on steps.step <= (spans.last_block - spans.first_block) / {{ session_block }}
        ),
        standing as (
            select
                dated_points.point_key,
                blocks.score,
                blocks.bucket,
                blocks.target,
                blocks.badness,
                {{
                    dbt.datediff(
                        "cast('1970-01-01' as date)",
                        "least(blocks.graded_on, dated_points.counted_on)",
                        "day",
                    )
                }} as graded_day
            from dated_points
            inner join
                live_blocks as blocks
                on blocks.ticker_number = dated_points.ticker_number
                and blocks.block_number = dated_points.block_number
                and blocks.from_number <= dated_points.point
                and blocks.to_number > dated_points.point
        ),
        vote_counts as (
            select
                point_key,
                count(*) as firm_count,
                count(case when bucket = 'buy' then 1 end) as firm_buy_count,
                count(case when bucket = 'hold' then 1 end) as firm_hold_count,
                count(case when bucket = 'sell' then 1 end) as firm_sell_count,
                avg(score) as mean_score,
                percentile_cont(0.5) within group (order by score asc nulls last) as median_score,
                percentile_cont(0.5) within group (
                    order by graded_day asc nulls last
                ) as median_graded_day,
                max(badness) as badness,
                count(target) as target_count,
                avg(target) as target_mean,
                percentile_cont(0.5) within group (order by target asc nulls last) as target_median,
                max(target) as target_high,
                min(target) as target_low,
                stddev_samp(target) as target_stddev
            from standing
            group by point_key
        ),
        labelled_counts as (
            select
                vote_counts.*,
                case
                    when vote_counts.firm_count < methods.min_vote_count
                    then 'insufficient'
                    else labels.label
                end as label
            from vote_counts
            cross join methods
            left join
                labels
                on vote_counts.mean_score > labels.score_above
                and vote_counts.mean_score <= labels.score_up_to
        ),
        -- From each target to the one half of all of them above it.
        halves as (
            select
                standing.point_key,
                standing.target as cluster_low,
                {{
                    rows_before(
                        "standing.target",
                        "cast(floor(vote_counts.target_count / 2.0) as integer)",
                    )
                }} over (
                    partition by standing.point_key order by standing.target desc nulls last
                ) as cluster_high,
                vote_counts.target_median
            from standing
            inner join vote_counts on vote_counts.point_key = standing.point_key
            where standing.target is not null and vote_counts.target_count >= 5
        ),
        intervals as (
            select
                point_key,
                cluster_low,
                cluster_high,
                row_number() over (
                    partition by point_key
                    order by
                        cast(cluster_high - cluster_low as decimal(28, 6)) asc nulls last,
                        cast(
                            abs(cluster_low / 2 + cluster_high / 2 - target_median) as decimal(
                                28, 6
                            )
                        ) asc nulls last,
                        cluster_low asc nulls last
                ) as width_rank
            from halves
            where cluster_high is not null
        ),
        clusters as (
            select point_key, cluster_low, cluster_high from intervals where width_rank = 1
        ),
        calls as (
            select
                ranges.ticker_number,
                events.from_number,
                events.to_number,
                events.graded_on,
                quotes.exchange,
                quotes.counted_on,
                qualities.badness,
                case
                    when events.effect = 'closes' and not events.is_closed_before
                    then 'withdrawal'
                    when events.effect = 'vote' and events.score < events.prior_score
                    then 'upgrade'
                    when events.effect = 'vote' and events.score > events.prior_score
                    then 'downgrade'
                end as direction,
                case
                    when events.effect = 'vote' and not events.is_fair_value
                    then ln(events.target / coalesce(events.prior_target, events.last_target))
                end as target_revision
            from events
            inner join quotes on quotes.ticker = events.ticker
            inner join
                ranges
                on ranges.ticker = events.ticker
                and events.from_number <= ranges.last_number
                and events.to_number > ranges.first_number
                and events.graded_on + 90 > ranges.first_counted_on
            left join qualities on qualities.pit_quality = events.pit_quality
        ),
        {% if is_newest %}
            -- One session a ticker: what is in its windows is counted as it is.
            recent as (
                select
                    sessions.session_key as point_key,
                    calls.graded_on + 30 > sessions.counted_on as is_in_30d,
                    calls.direction,
                    calls.target_revision,
                    calls.badness
                from sessions
                inner join
                    calls
                    on calls.ticker_number = sessions.ticker_number
                    and calls.graded_on <= sessions.counted_on
                    and calls.graded_on + 90 > sessions.counted_on
            ),
            revision_counts as (
                select
                    point_key as session_key,
                    point_key,
                    {% for name, condition in counted.items() %}
                        count(case when is_in_30d and {{ condition }} then 1 end) as {{ name }}_30d,
                        count(case when {{ condition }} then 1 end) as {{ name }}_90d,
                    {% endfor %}
                    count(case when direction = 'withdrawal' then 1 end) as withdrawals_90d,
                    max(badness) as badness
                from recent
                group by point_key
            ),
        {% else %}
            {%- set before_the_calendar = (
                "case when calls.graded_on + %s > calls.counted_on then "
                ~ newest()
                ~ " else 0 end"
            ) %}
            windows as (
                select
                    calls.*,
                    greatest(
                        calls.from_number,
                        coalesce(
                            first_days.session_number
                            + case when first_days.is_session then 0 else 1 end,
                            0
                        ),
                        ranges.first_number
                    ) as first_number,
                    coalesce(
                        days_30.session_number, {{ before_the_calendar | format(29) }}
                    ) as last_number_30d,
                    least(
                        calls.to_number - 1,
                        coalesce(days_90.session_number, {{ before_the_calendar | format(89) }}),
                        ranges.last_number
                    ) as last_number
                from calls
                inner join ranges on ranges.ticker_number = calls.ticker_number
                left join
                    days as first_days
                    on first_days.exchange = calls.exchange
                    and first_days.day = calls.graded_on
                left join
                    days as days_30
                    on days_30.exchange = calls.exchange
                    and days_30.day = calls.graded_on + 29
                left join
                    days as days_90
                    on days_90.exchange = calls.exchange
                    and days_90.day = calls.graded_on + 89
            ),
            windowed as (
                select
                    *,
                    row_number() over (order by ticker_number asc nulls last) as call_number,
                    greatest(
                        least(last_number, last_number_30d) + 1, first_number
                    ) as left_30d_number,
                    last_number + 1 as left_number
                from windows
                where first_number <= last_number
            ),
            -- What a sliding window holds changes only where a call enters it or leaves it.
            moments as (
                select 'enters' as moment, 1e0 as change, 1e0 as change_30d
                union all
                select 'leaves_30d' as moment, 0e0 as change, -1e0 as change_30d
                union all
                select 'leaves' as moment, -1e0 as change, 0e0 as change_30d
            ),
            marks as (
                select
                    windowed.call_number,
                    windowed.ticker_number,
                    case
                        moments.moment
                        when 'enters'
                        then windowed.first_number
                        when 'leaves_30d'
                        then windowed.left_30d_number
                        when 'leaves'
                        then windowed.left_number
                    end as session_number,
                    moments.change,
                    moments.change_30d,
                    windowed.direction,
                    windowed.target_revision,
                    windowed.badness
                from windowed
                cross join moments
            ),
            numbered_marks as (
                select
                    *,
                    dense_rank() over (
                        partition by ticker_number order by session_number asc nulls last
                    ) as point
                from marks
            ),
            changes as (
                select
                    ticker_number,
                    session_number,
                    point,
                    {% for name, condition in counted.items() %}
                        sum(case when {{ condition }} then change_30d end) as {{ name }}_30d,
                        sum(case when {{ condition }} then change end) as {{ name }}_90d,
                    {% endfor %}
                    sum(case when direction = 'withdrawal' then change end) as withdrawals_90d,
                    {% for badness in [1, 2, 3] %}
                        sum(
                            case when badness = {{ badness }} then change end
                        ) as badness_{{ badness }}
                        {{- "," if not loop.last }}
                    {% endfor %}
                from numbered_marks
                group by ticker_number, session_number, point
            ),
            revision_counts as (
                select
                    {{ key | format("changes", "changes.session_number") }} as session_key,
                    {{ key | format("changes", "changes.point") }} as point_key,
                    {% for name in counted %}
                        {% for window in ["30d", "90d"] %}
                            sum({{ name }}_{{ window }}) over so_far as {{ name }}_{{ window }},
                        {% endfor %}
                    {% endfor %}
                    sum(withdrawals_90d) over so_far as withdrawals_90d,
                    case
                        {% for badness in [3, 2, 1] %}
                            when sum(badness_{{ badness }}) over so_far > 0 then {{ badness }}
                        {% endfor %}
                    end as badness
                from changes
                window
                    so_far as (
                        partition by ticker_number
                        order by point asc nulls last
                        rows between unbounded preceding and current row
                    )
            ),
            stays as (
                select
                    call_number,
                    ticker_number,
                    target_revision,
                    min(point) as first_point,
                    max(point) as left_point,
                    max(case when change_30d < 0 then point end) as left_30d_point
                from numbered_marks
                where target_revision is not null
                group by call_number, ticker_number, target_revision
            ),
            stay_spans as (
                select
                    *,
                    first_point - first_point % {{ point_block }} as first_block,
                    left_point - 1 - (left_point - 1) % {{ point_block }} as last_block
                from stays
                where first_point < left_point
            ),
            stay_blocks as (
                select
                    spans.ticker_number,
                    spans.first_block + {{ point_block }} * steps.step as block_number,
                    spans.first_point,
                    spans.left_point,
                    spans.left_30d_point,
                    spans.target_revision
                from stay_spans as spans
                inner join
                    steps
                    on steps.step <= (spans.last_block - spans.first_block) / {{ point_block }}
            ),
            change_points as (
                select
                    ticker_number,
                    point,
                    {{ key | format("changes", "point") }} as point_key,
                    point - point % {{ point_block }} as block_number
                from changes
            ),
            recent as (
                select
                    points.point_key,
                    points.point < blocks.left_30d_point as is_in_30d,
                    blocks.target_revision
                from change_points as points
                inner join
                    stay_blocks as blocks
                    on blocks.ticker_number = points.ticker_number
                    and blocks.block_number = points.block_number
                    and blocks.first_point <= points.point
                    and blocks.left_point > points.point
            ),
        {% endif %}
        revisions as (
            select
                point_key,
                percentile_cont(0.5) within group (
                    order by case when is_in_30d then target_revision end asc nulls last
                ) as target_revision_30d,
                percentile_cont(0.5) within group (
                    order by target_revision asc nulls last
                ) as target_revision_90d
            from recent
            where target_revision is not null
            group by point_key
        ),
        scored as (
            select *, coalesce(recommendation_mean, counted_mean_score) as snapshot_mean_score
            from snapshots
        ),
        told as (
            select
                scored.*,
                ranges.ticker_number,
                greatest(scored.from_number, ranges.first_number) as told_from,
                case
                    when
                        greatest(scored.analyst_count, scored.target_count) < methods.min_vote_count
                    then 'insufficient'
                    else labels.label
                end as snapshot_label,
                qualities.badness
            from scored
            inner join
                ranges
                on ranges.ticker = scored.ticker
                and scored.from_number <= ranges.last_number
                and scored.to_number > ranges.first_number
            cross join methods
            left join qualities on qualities.pit_quality = scored.pit_quality
            left join
                labels
                on scored.snapshot_mean_score > labels.score_above
                and scored.snapshot_mean_score <= labels.score_up_to
        ),
        placed as (
            select
                sessions.*,
                {{ greatest_so_far("dated_points.point_key", "by_session") }} as point_key,
                {{ greatest_so_far("revision_counts.point_key", "by_session") }} as revision_key,
                {{ greatest_so_far("told.told_from", "by_session") }} as told_from
            from sessions
            left join dated_points on dated_points.point_key = sessions.session_key
            left join revision_counts on revision_counts.session_key = sessions.session_key
            left join
                told
                on told.ticker_number = sessions.ticker_number
                and told.told_from = sessions.session_number
            window
                by_session as (
                    partition by sessions.ticker_number
                    order by sessions.session_number asc nulls last
                    rows between unbounded preceding and current row
                )
        ),
        joined as (
            select
                ranges.ticker,
                placed.session_date,
                placed.close,
                quotes.currency,
                greatest(
                    coalesce(vote_counts.badness, 0),
                    coalesce(revision_counts.badness, 0),
                    coalesce(told.badness, 0),
                    coalesce(placed.badness, 0)
                ) as badness,
                told.analyst_count,
                told.strong_buy_count,
                told.buy_count,
                told.hold_count,
                told.sell_count,
                told.strong_sell_count,
                told.snapshot_mean_score,
                told.target_mean as snapshot_target_mean,
                told.target_median as snapshot_target_median,
                told.target_high as snapshot_target_high,
                told.target_low as snapshot_target_low,
                told.target_count as snapshot_target_count,
                told.snapshot_on,
                told.is_currency_stated,
                coalesce(vote_counts.firm_count, 0) as firm_count,
                coalesce(vote_counts.firm_buy_count, 0) as firm_buy_count,
                coalesce(vote_counts.firm_hold_count, 0) as firm_hold_count,
                coalesce(vote_counts.firm_sell_count, 0) as firm_sell_count,
                vote_counts.mean_score,
                vote_counts.median_score,
                case
                    when vote_counts.point_key is null then 'insufficient' else vote_counts.label
                end as label,
                {{ dbt.datediff("cast('1970-01-01' as date)", "placed.counted_on", "day") }}
                - vote_counts.median_graded_day as median_vote_age_days,
                coalesce(vote_counts.target_count, 0) as target_count,
                vote_counts.target_mean,
                vote_counts.target_median,
                vote_counts.target_high,
                vote_counts.target_low,
                vote_counts.target_stddev,
                clusters.cluster_low as target_cluster_low,
                clusters.cluster_high as target_cluster_high,
                {% for window in ["30d", "90d"] %}
                    {% for name in counted %}
                        cast(
                            coalesce(revision_counts.{{ name }}_{{ window }}, 0) as bigint
                        ) as {{ name }}_{{ window }},
                    {% endfor %}
                    revisions.target_revision_{{ window }},
                {% endfor %}
                cast(coalesce(revision_counts.withdrawals_90d, 0) as bigint) as withdrawals_90d,
                told.snapshot_label
            from placed
            inner join ranges on ranges.ticker_number = placed.ticker_number
            inner join quotes on quotes.ticker = ranges.ticker
            left join labelled_counts as vote_counts on vote_counts.point_key = placed.point_key
            left join clusters on clusters.point_key = placed.point_key
            left join revision_counts on revision_counts.point_key = placed.revision_key
            left join revisions on revisions.point_key = placed.revision_key
            left join
                told
                on told.ticker_number = placed.ticker_number
                and told.told_from = placed.told_from
        )
    select
        joined.ticker,
        joined.session_date,
        worst_qualities.pit_quality,
        joined.analyst_count,
        joined.strong_buy_count,
        joined.buy_count,
        joined.hold_count,
        joined.sell_count,
        joined.strong_sell_count,
        joined.snapshot_mean_score,
        joined.snapshot_label,
        joined.snapshot_target_mean,
        joined.snapshot_target_median,
        joined.snapshot_target_high,
        joined.snapshot_target_low,
        joined.snapshot_target_count,
        joined.snapshot_on,
        joined.firm_count,
        joined.firm_buy_count,
        joined.firm_hold_count,
        joined.firm_sell_count,
        joined.mean_score,
        joined.median_score,
        joined.label,
        joined.target_count,
        joined.target_mean,
        joined.target_median,
        joined.target_high,
        joined.target_low,
        joined.target_stddev,
        joined.target_stddev / nullif(joined.target_mean, 0) as target_cv,
        joined.target_cluster_low,
        joined.target_cluster_high,
        1.0 * joined.firm_count / nullif(joined.analyst_count, 0) as coverage_ratio,
        joined.median_vote_age_days,
        joined.close,
        joined.currency,
        joined.target_mean / nullif(joined.close, 0) - 1 as upside_mean,
        joined.target_median / nullif(joined.close, 0) - 1 as upside_median,
        {% for statistic in ["mean", "median"] %}
            case
                when
                    joined.is_currency_stated
                    or joined.snapshot_target_{{ statistic }} / nullif(joined.close, 0)
                    between 0.2 and 5
                then joined.snapshot_target_{{ statistic }} / nullif(joined.close, 0) - 1
            end as snapshot_upside_{{ statistic }},
        {% endfor %}
        {% for window in ["30d", "90d"] %}
            joined.upgrades_{{ window }},
            joined.downgrades_{{ window }},
            1.0
            * (joined.upgrades_{{ window }} - joined.downgrades_{{ window }})
            / nullif(joined.firm_count, 0) as net_upgrade_share_{{ window }},
            joined.target_raises_{{ window }},
            joined.target_cuts_{{ window }},
            1.0
            * (joined.target_raises_{{ window }} - joined.target_cuts_{{ window }})
            / nullif(
                joined.target_raises_{{ window }} + joined.target_cuts_{{ window }}, 0
            ) as target_breadth_{{ window }},
            joined.target_revision_{{ window }},
        {% endfor %}
        joined.withdrawals_90d
    from joined
    left join qualities as worst_qualities on worst_qualities.badness = joined.badness
{% endmacro %}
