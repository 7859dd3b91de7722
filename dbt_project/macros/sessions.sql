{#- The moment from which a bar of `day` is final: a quarter of an hour after its session's close, and
    without a known close the end of the day. -#}
{% macro final_at(day, closes_at) -%}
    coalesce(
        {{ closes_at }} + interval '15' minute, cast({{ day }} as timestamp) + interval '1' day
    )
{%- endmacro %}

{#- The moment at which the day of an ex-date begins: where the exchange is, nine hours or so before
    it opens. -#}
{% macro day_begins_at(day, opens_at) -%}
    coalesce({{ opens_at }} - interval '9' hour, cast({{ day }} as timestamp))
{%- endmacro %}

{#- When a bar `v` of a first load was public, its listing's day being `d`. -#}
{% macro bar_happened_at() -%}
    case when coalesce(v.is_final, true) then {{ final_at("v.session_date", "d.closes_at") }} end
{%- endmacro %}
