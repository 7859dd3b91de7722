{#- Whether a symbol is of something held for itself: not a currency, a future or an index. -#}
{% macro is_share(ticker) -%}
    {{ ticker }} not like '%=X' and {{ ticker }} not like '%=F' and {{ ticker }} not like '^%'
{%- endmacro %}
