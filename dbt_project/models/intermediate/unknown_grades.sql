with
    -- News may tell a target and no grade: that is not a blank one.
    ratings as (
        select *
        from {{ ref("stg_ratings") }}
        where table_name = 'raw.ratings' or to_grade is not null
    ),
    grades as (select grade from {{ ref("rating_grades") }}),
    words as (select distinct to_grade from ratings),
    unknown as (
        select coalesce(words.to_grade, '') as word
        from words
        left join grades on grades.grade = {{ normalise_grade("words.to_grade") }}
        where grades.grade is null
    ),
    final as (
        select
            unknown.word as grade,
            count(*) as event_count,
            count(distinct ratings.ticker) as ticker_count,
            min(ratings.graded_on) as first_graded_on,
            max(ratings.graded_on) as last_graded_on,
            min(ratings.row_id) as row_id
        from ratings
        inner join unknown on unknown.word = coalesce(ratings.to_grade, '')
        group by unknown.word
    )
select *
from final
