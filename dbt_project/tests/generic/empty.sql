{#- A table has no rows; those it has are the findings. -#}
{% test empty(model) %} select * from {{ model.include(database=false) }} {% endtest %}
