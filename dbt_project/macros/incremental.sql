{#-
An incremental model goes on from its table only where the caller says that the table fits; built by
hand, without these vars, every model is made anew. `orchestration/builds.py` decides it.
-#}
{% macro should_full_refresh() -%} {{ return(model.name not in var("continued")) }} {%- endmacro %}

{#- Whether a version was stored since the build that is continued; every one is where none is. -#}
{% macro is_stored_since(stored_at="stored_at") -%}
    {%- if var("stored_until") is none -%} true
    {%- else -%} {{ stored_at }} > cast('{{ var("stored_until") }}' as timestamp)
    {%- endif -%}
{%- endmacro %}

{#- As the pre-hook of an incremental model: delete the rows that it is about to make anew. -#}
{% macro delete_rows(condition) -%}
    {%- if is_incremental() -%} delete from {{ this }} where {{ condition }}{%- endif -%}
{%- endmacro %}

{#- Whether the table of an incremental model has no row of these values of its columns, so that it is to be made. -#}
{% macro is_absent(columns) -%}
    {%- if is_incremental() -%}
        not exists (
            select 1
            from {{ this }} as kept
            where
                {% for column, value in columns.items() -%}
                    {% if not loop.first %} and {% endif %} kept.{{ column }} = {{ value }}
                {%- endfor %}
        )
    {%- else -%} true
    {%- endif -%}
{%- endmacro %}

{#-
As the pre-hook of an incremental model with a row per ticker and session: delete the rows it is about to make
anew, from the day that column `first_day` of `changes` says for each ticker.
-#}
{% macro delete_changed(changes, first_day) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as kept
        where
            kept.session_date >= (select min({{ first_day }}) from {{ changes }})
            and exists (
                select 1
                from {{ changes }} as changes
                where changes.ticker = kept.ticker and kept.session_date >= changes.{{ first_day }}
            )
    {%- endif -%}
{%- endmacro %}

{#- The same where a session is made anew for all tickers. -#}
{% macro delete_from_first_change(changes, first_day) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where session_date >= (select min({{ first_day }}) from {{ changes }})
    {%- endif -%}
{%- endmacro %}

{#- As a join: only the keys of alias `of` that `changes` tells of; all where no table is continued. -#}
{% macro only_changed(changes, first_day, of) -%}
    {%- if is_incremental() -%}
        inner join
            {{ changes }} as changes
            on changes.ticker = {{ of }}.ticker
            and {{ of }}.session_date >= changes.{{ first_day }}
            and {{ of }}.session_date >= (select min({{ first_day }}) from {{ changes }})
    {%- endif -%}
{%- endmacro %}

{#- The rows of `flag_observations` to make anew: those of prices from where they changed, and all others. -#}
{% macro changed_observations() -%}
    not is_of_prices
    or exists (
        select 1
        from {{ ref("flag_changes") }} as changes
        where changes.ticker = {{ this }}.ticker and {{ this }}.observed_on >= changes.replaced_from
    )
{%- endmacro %}
