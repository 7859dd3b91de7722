{%- set words = 12 -%}

with
    methods as (select * from {{ ref("house_methods") }}),
    labels as (select * from {{ ref("house_labels") }}),
    grades as (select * from {{ ref("rating_grades") }}),
    firm_scales as (select firm, grade, ibes_score from {{ ref("firm_scales") }}),
    votes as (select * from {{ ref("votes") }}),
    tickers as (select ticker from {{ ref("consensus") }}),
    quotes as (select ticker, counted_on from {{ ref("quotes") }}),
    reports as (
        select ticker, cast(announced_from as date) as reported_on
        from {{ ref("stg_earnings_dates") }}
        where announced_from <= {{ as_of() }}
    ),
    last_reports as (
        select reports.ticker, max(reports.reported_on) as reported_on
        from reports
        inner join quotes on quotes.ticker = reports.ticker
        where reports.reported_on <= quotes.counted_on
        group by reports.ticker
    ),
    -- A window with a maximum reaches back to the last report of earnings.
    windows as (
        select
            tickers.ticker,
            quotes.counted_on,
            methods.*,
            cast(
                case
                    when methods.max_window_days is null or last_reports.reported_on is null
                    then methods.window_days
                    else
                        least(
                            greatest(
                                methods.window_days,
                                {{
                                    dbt.datediff(
                                        "last_reports.reported_on", "quotes.counted_on", "day"
                                    )
                                }}
                            ),
                            methods.max_window_days
                        )
                end as integer
            ) as days
        from tickers
        inner join quotes on quotes.ticker = tickers.ticker
        cross join methods
        left join last_reports on last_reports.ticker = tickers.ticker
    ),
    spellings as (select distinct grade as spelling from votes),
    graded as (
        select spellings.spelling, grades.*
        from spellings
        inner join grades on grades.grade = {{ normalise_grade("spellings.spelling") }}
    ),
    counted as (
        select
            windows.ticker,
            windows.method,
            windows.statistic,
            votes.score as own_score,
            votes.grade as spelling,
            graded.grade as word,
            case
                windows.scale
                when 'ibes_score'
                then coalesce(firm_scales.ibes_score, graded.ibes_score)
                when 'factset_score'
                then graded.factset_score
                when 'bucket'
                then case votes.bucket when 'buy' then 1 when 'hold' then 2 else 3 end
                else votes.score
            end as score
        from windows
        inner join
            votes
            on votes.ticker = windows.ticker
            and votes.graded_on + windows.days > windows.counted_on
        inner join graded on graded.spelling = votes.grade
        left join firm_scales on firm_scales.firm = votes.firm and firm_scales.grade = graded.grade
        where not windows.needs_target or votes.target is not null
    ),
    numbers as (
        select
            ticker,
            method,
            count(*) as vote_count,
            avg(1.0 * score) as mean_score,
            percentile_cont(0.5) within group (order by score asc nulls last) as median_score
        from counted
        group by ticker, method
    ),
    word_counts as (
        select
            ticker,
            method,
            word,
            min(spelling) as spelling,
            min(own_score) as score,
            count(*) as vote_count
        from counted
        where statistic = 'mode'
        group by ticker, method, word
    ),
    most as (
        select ticker, method, max(vote_count) as vote_count
        from word_counts
        group by ticker, method
    ),
    ties as (
        select
            word_counts.*,
            row_number() over (
                partition by word_counts.ticker, word_counts.method
                order by word_counts.score asc nulls last, word_counts.word asc nulls last
            ) as place
        from word_counts
        inner join
            most
            on most.ticker = word_counts.ticker
            and most.method = word_counts.method
            and most.vote_count = word_counts.vote_count
    ),
    modes as (
        select
            ticker,
            method,
            avg(1.0 * score) as mode_score,
            concat(
                {% for place in range(1, words + 1) -%}
                    max(
                        case
                            when place = {{ place }}
                            then
                                {% if place > 1 %} concat('/', spelling)
                                {% else %} spelling
                                {% endif %}
                            else ''
                        end
                    ){{ "," if not loop.last }}
                {%- endfor %}
            ) as label
        from ties
        group by ticker, method
    ),
    scored as (
        select
            windows.*,
            coalesce(numbers.vote_count, 0) as vote_count,
            modes.label as mode_label,
            case
                when windows.statistic = 'median'
                then numbers.median_score
                when windows.statistic = 'mode'
                then modes.mode_score
                when windows.decimals is not null
                then
                    floor(numbers.mean_score * power(10, windows.decimals) + 0.5)
                    / power(10, windows.decimals)
                else numbers.mean_score
            end as score
        from windows
        left join numbers on numbers.ticker = windows.ticker and numbers.method = windows.method
        left join modes on modes.ticker = windows.ticker and modes.method = windows.method
    ),
    final as (
        select
            scored.ticker,
            scored.method,
            scored.days as window_days,
            scored.vote_count,
            case when scored.is_five_best then 6 - scored.score else scored.score end as score,
            case
                when scored.vote_count < scored.min_vote_count
                then 'insufficient'
                else coalesce(scored.mode_label, labels.label)
            end as label
        from scored
        left join
            labels
            on labels.method = scored.method
            and case
                when scored.is_boundary_better
                then scored.score > labels.score_above and scored.score <= labels.score_up_to
                else scored.score >= labels.score_above and scored.score < labels.score_up_to
            end
    )
select *
from final
