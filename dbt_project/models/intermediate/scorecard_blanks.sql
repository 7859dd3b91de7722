{{ config(tags="always") }}

{#- A blank column, or the mart without a row: when it is blank, why, the raw table and row to look in,
    what was found and what would have been enough. -#}
{%- set unknown_name = "case when securities.ticker is null then 'no master data of the security are known' else 'no source tells it' end" -%}
{%- set unknown_sentiment = "case when coalesce(card.news_count_30d, 0) = 0 then 'no news of the last 30 days is known' when coalesce(stories.story_count, 0) = 0 then 'no known item of the last 30 days was scored' when stories.primary_count = 0 then 'no story of the last 30 days is about the company' else 'every story of the last 30 days about the company abstains' end" -%}
{%- set blanks = [
    (
        "name",
        "card.name is null",
        unknown_name,
        "securities",
        "securities.row_id",
        "null",
        "null",
    ),
    (
        "sector",
        "card.sector is null",
        unknown_name,
        "securities",
        "securities.row_id",
        "null",
        "null",
    ),
    (
        "currency",
        "card.currency is null",
        "'neither the security, its exchange nor the symbol tells the currency of its quotes'",
        "securities",
        "securities.row_id",
        "null",
        "null",
    ),
    (
        "forward_pe",
        "card.forward_pe is null",
        "coalesce(multiples.reason, 'no valuation is known')",
        "valuations",
        "multiples.row_id",
        "null",
        "null",
    ),
    (
        "forward_pe_peer_median",
        "card.forward_pe_peer_median is null",
        "case when peers.ticker is null then 'rules.peers names no peers' else 'too few of its peers have a forward multiple' end",
        "valuations",
        "null",
        "coalesce(peers.multiple_count, 0)",
        "peers.needed_count",
    ),
    (
        "news_count_30d",
        "card.news_count_30d is null",
        "'no news of the ticker is known'",
        "news",
        "null",
        "null",
        "null",
    ),
    (
        "news_sentiment_30d",
        "card.news_sentiment_30d is null",
        unknown_sentiment,
        "news_signals",
        "null",
        "stories.story_count",
        "null",
    ),
    (
        "momentum",
        "momentum.ticker is null",
        "'no final bar is known: every column of marts.momentum is blank'",
        "prices",
        "null",
        "0",
        "1",
    ),
    (
        "consensus",
        "consensus.ticker is null",
        "'no price, rating or snapshot is known: every column of marts.consensus is blank'",
        "consensus",
        "null",
        "null",
        "null",
    ),
] -%}

with
    scorecard as (select * from {{ ref("scorecard") }}),
    momentum as (select ticker from {{ ref("momentum") }}),
    consensus as (select ticker from {{ ref("consensus") }}),
    securities as (select row_id, ticker from {{ ref("stg_securities") }}),
    multiples as (select row_id, ticker, reason from {{ ref("forward_multiples") }}),
    peers as (select ticker, multiple_count, needed_count from {{ ref("peer_multiples") }}),
    stories as (
        select
            ticker,
            count(*) as story_count,
            count(case when relevance = 'primary' then 1 end) as primary_count
        from {{ ref("news_events") }}
        where first_published_at > {{ as_of() }} - interval '30' day
        group by ticker
    ),
    final as (
        {% for column, condition, reason, table, row_id, observed, expected in blanks %}
            select
                card.ticker,
                '{{ column }}' as column_name,
                {{ reason }} as reason,
                cast({{ observed }} as {{ dbt.type_float() }}) as observed_value,
                cast({{ expected }} as {{ dbt.type_float() }}) as expected_value,
                'raw.{{ table }}' as table_name,
                cast({{ row_id }} as {{ dbt.type_string() }}) as row_id
            from scorecard as card
            left join momentum on momentum.ticker = card.ticker
            left join consensus on consensus.ticker = card.ticker
            left join securities on securities.ticker = card.ticker
            left join multiples on multiples.ticker = card.ticker
            left join peers on peers.ticker = card.ticker
            left join stories on stories.ticker = card.ticker
            where {{ condition }}
            {% if not loop.last %}
                union all
            {% endif %}
        {% endfor %}
    )
select *
from final
