{#- A table has one row per combination of these columns, and none of them is blank; `only` limits it to some rows. -#}
{% test grain(model, columns, only="true") %}
    select {{ columns | join(", ") }}, count(*) as row_count
    from {{ model.include(database=false) }}
    where {{ only }}
    group by {{ columns | join(", ") }}
    having count(*) > 1 or {{ columns | join(" is null or ") }} is null
{% endtest %}
