with
    scorecard as (select * from {{ ref("scorecard") }}),
    momentum as (select ticker from {{ ref("momentum") }}),
    consensus as (select ticker from {{ ref("consensus") }}),
    securities as (select row_id, ticker from {{ ref("stg_securities") }}),
    multiples as (select row_id, ticker, reason from {{ ref("forward_multiples") }}),
    peers as (select ticker, multiple_count from {{ ref("peer_multiples") }}),
    stories as (
        select
            ticker,
            count(*) as story_count,
            count(case when relevance = 'primary' then 1 end) as primary_count
        from {{ ref("news_events") }}
        where first_published_at > {{ as_of() }} - interval '30' day
        group by ticker
    ),
    blanks as (
        {%- for column in ["name", "sector"] %}
            select
                scorecard.ticker,
                '{{ column }}' as column_name,
                case
                    when securities.ticker is null
                    then 'no master data of the security are stored'
                    else 'no source tells it'
                end as reason,
                cast(null as {{ dbt.type_float() }}) as observed_value,
                cast(null as {{ dbt.type_float() }}) as expected_value,
                'raw.securities' as table_name,
                securities.row_id
            from scorecard
            left join securities on securities.ticker = scorecard.ticker
            where scorecard.{{ column }} is null
            union all
        {%- endfor %}
        select
            scorecard.ticker,
            'currency' as column_name,
            'neither the security, its exchange nor the symbol tells the currency of its quotes'
            as reason,
            cast(null as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            'raw.securities' as table_name,
            securities.row_id
        from scorecard
        left join securities on securities.ticker = scorecard.ticker
        where scorecard.currency is null
        union all
        select
            scorecard.ticker,
            'forward_pe' as column_name,
            coalesce(multiples.reason, 'no valuation is stored') as reason,
            cast(null as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            'raw.valuations' as table_name,
            multiples.row_id
        from scorecard
        left join multiples on multiples.ticker = scorecard.ticker
        where scorecard.forward_pe is null
        union all
        select
            scorecard.ticker,
            'forward_pe_peer_median' as column_name,
            case
                when peers.ticker is null
                then 'rules.peers names no peers'
                else 'too few of its peers have a forward multiple'
            end as reason,
            cast(coalesce(peers.multiple_count, 0) as {{ dbt.type_float() }}) as observed_value,
            cast(5 as {{ dbt.type_float() }}) as expected_value,
            'raw.valuations' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from scorecard
        left join peers on peers.ticker = scorecard.ticker
        where scorecard.forward_pe_peer_median is null
        union all
        select
            ticker,
            'news_count_30d' as column_name,
            'no news of the ticker was ever stored' as reason,
            cast(null as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            'raw.news' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from scorecard
        where news_count_30d is null
        union all
        select
            scorecard.ticker,
            'news_sentiment_30d' as column_name,
            case
                when coalesce(scorecard.news_count_30d, 0) = 0
                then 'no news of the last 30 days is stored'
                when coalesce(stories.story_count, 0) = 0
                then 'no stored item of the last 30 days was scored'
                when stories.primary_count = 0
                then 'no story of the last 30 days is about the company'
                else 'every story of the last 30 days about the company abstains'
            end as reason,
            cast(stories.story_count as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            'raw.news_signals' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from scorecard
        left join stories on stories.ticker = scorecard.ticker
        where scorecard.news_sentiment_30d is null
        union all
        select
            scorecard.ticker,
            'momentum' as column_name,
            'no final bar is stored: every column of marts.momentum is blank' as reason,
            cast(0 as {{ dbt.type_float() }}) as observed_value,
            cast(1 as {{ dbt.type_float() }}) as expected_value,
            'raw.prices' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from scorecard
        left join momentum on momentum.ticker = scorecard.ticker
        where momentum.ticker is null
        union all
        select
            scorecard.ticker,
            'consensus' as column_name,
            'no price, rating or snapshot is stored: every column of marts.consensus is blank'
            as reason,
            cast(null as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            'raw.consensus' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from scorecard
        left join consensus on consensus.ticker = scorecard.ticker
        where consensus.ticker is null
    )
select *
from blanks
