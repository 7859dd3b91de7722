{#-
What the universe said of each ticker last. One that is no longer covered keeps its benchmark, and a symbol that
was another company's before belongs to this one from `listed_from` on.
-#}
{% macro newest_universe() -%}
    select
        ticker,
        benchmark,
        listed_from,
        row_number() over (partition by ticker order by known_from desc nulls last) as age_rank
    from {{ ref("stg_universe_history") }}
{%- endmacro %}

{#-
Final bars of the listings of the tickers that are read; `universe` is a CTE of `newest_universe`. Where none is read
they are asked for from a day that no block of rows reaches, so that nothing is scanned.
-#}
{% macro final_bars(changes) -%}
    select
        prices.ticker,
        prices.session_date,
        prices.open,
        prices.high,
        prices.low,
        prices.close,
        prices.adj_close,
        prices.volume,
        prices.dividend,
        prices.source,
        prices.known_at
    from {{ ref("stg_prices") }} as prices
    left join universe on universe.ticker = prices.ticker and universe.age_rank = 1
    {% if changes %}
        inner join
            {{ changes }}
            on {{ changes }}.ticker = prices.ticker
            and prices.session_date >= {{ changes }}.read_from
    {% endif %}
    where
        prices.is_final
        and (universe.listed_from is null or prices.session_date >= universe.listed_from)
        {% if changes %}
            and prices.session_date
            >= (select coalesce(min(read_from), cast('9999-12-31' as date)) from {{ changes }})
        {% endif %}
{%- endmacro %}

{#-
Import CTEs that end in `bars`: final bars with their session number and the level of their benchmark. `changes`:
the CTE of the tickers that are read, each from its `read_from`; none for all.
-#}
{% macro momentum_bars(changes) -%}
    universe as ({{ newest_universe() }}),
    prices as ({{ final_bars(changes) }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (select exchange, day, is_session, session_number from {{ ref("stg_calendar_days") }}),
    benchmark_levels as (
        select ticker, session_date, log_level, segment from {{ ref("benchmark_levels") }}
    ),
    bars as (
        select
            prices.*,
            days.session_number,
            benchmark_levels.log_level as benchmark_level,
            benchmark_levels.segment as benchmark_segment
        from prices
        left join listings on listings.ticker = prices.ticker
        left join days on days.exchange = listings.exchange and days.day = prices.session_date
        left join universe on universe.ticker = prices.ticker and universe.age_rank = 1
        left join
            benchmark_levels
            on benchmark_levels.ticker = universe.benchmark
            and benchmark_levels.session_date = prices.session_date
    )
{%- endmacro %}

{% macro is_after_gap() -%}
    {#- Where no calendar is known: eleven weekdays missing make at least 16 days. -#}
    coalesce(
        session_number - previous_session_number - 1 > 10,
        {{ dbt.datediff("previous_session_date", "session_date", "day") }} > 15,
        true
    )
{%- endmacro %}

{% macro true_range() -%}
    case
        when close_1d_ago is not null then greatest(high, close_1d_ago) - least(low, close_1d_ago)
    end
{%- endmacro %}

{#- Of the price: what moved less has not moved for so long that its averages depend on where they begin. -#}
{% macro least_movement() -%} 1e-15 {%- endmacro %}

{#- What is older weighs less than 1e-13 in any average; no window is longer. -#}
{% macro tail_bars() -%} 420 {%- endmacro %}

{#-
Of each ticker whose levels move, what its levels before `levels_from` are multiplied with; NULL where unknown. It
stands apart from the update around it because sqlfmt reads no updates.
-#}
{% macro level_moves(changes) -%}
    select
        changes.ticker,
        changes.levels_from,
        changes.level / nullif(told.total_return_close, 0) as factor
    from {{ changes }} as changes
    left join
        {{ this }} as told
        on told.ticker = changes.ticker
        and told.session_date = changes.level_date
    where changes.levels_from is not null
{%- endmacro %}

{#-
As the pre-hook of an incremental model, before rows are deleted: bring the total return levels before the steps that
`changes` tells of to where those steps put the level of `level_date`; where that is unknown, so are they. Nothing else of
those days changes, and levels that stand there already stay.
-#}
{% macro move_levels(changes) -%}
    {%- if is_incremental() -%}
        {{
            (
                "update "
                ~ this
                ~ " as kept set total_return_close = kept.total_return_close * moved.factor from ("
                ~ level_moves(changes)
                ~ ") as moved where moved.ticker = kept.ticker and kept.session_date < moved.levels_from"
            )
        }}
    {%- endif -%}
{%- endmacro %}
