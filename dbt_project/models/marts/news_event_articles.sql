with
    articles as (select * from {{ ref("scored_news") }}),
    final as (select cluster_id, ticker, news_id, row_id from articles)
select *
from final
