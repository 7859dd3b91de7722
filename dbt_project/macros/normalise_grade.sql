{#-
A grade as the vocabulary `rating_grades` spells it: case, width, punctuation, abbreviations and a
trailing "rating" or "(…)" no longer matter. Portable SQL, so the NFKC folding is limited to
full-width letters, all spaces, and all forms of the signs that part words.
-#}
{% macro normalise_grade(words) -%}
    {%- set abbreviations = {
        "mkt": "market",
        "sec": "sector",
        "eq": "equal",
        "wt": "weight",
        "eqwt": "equal weight",
        "equalweight": "equal weight",
        "ow": "overweight",
        "overwt": "overweight",
        "uw": "underweight",
        "underwt": "underweight",
        "lt": "long term",
        "nt": "near term",
        "st": "short term",
        "outperf": "outperform",
        "underperf": "underperform",
        "perf": "perform",
        "accum": "accumulate",
        "recomm": "recommended",
    } -%}
    {%- set wide = "ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ（）" -%}
    {%- set narrow = "abcdefghijklmnopqrstuvwxyz()" -%}
    {%- set blanks = "\t\n\r\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u202f\u205f\u3000" -%}
    {%- set hyphens = "-_/.:<>\u2010\u2011\u2012\u2013\u2014\u2212\u2024\ufe52\ufe63\uff0d\uff0e\uff0f\uff3f" -%}
    {%- set separators = blanks ~ hyphens -%}
    {%- set spaces = " " * separators | length -%}
    {%- set folded = "translate(lower(%s), '%s', '%s')" | format(
        words, wide ~ separators, narrow ~ spaces
    ) -%}
    {%- set bare = "regexp_replace(%s, '([(][^)]*[)] *)+(ratings? *)?$', '')" | format(folded) -%}
    {#- Two spaces between words, so that each has its own on both sides. -#}
    {%- set spelled = namespace(out="replace(' ' || %s || ' ', ' ', '  ')" | format(bare)) -%}
    {%- for short, long in abbreviations.items() -%}
        {%- set spelled.out = "replace(%s, ' %s ', ' %s ')" | format(spelled.out, short, long) -%}
    {%- endfor -%}
    {%- set single = (
        "trim(replace(replace(replace(%s, ' ', '<>'), '><', ''), '<>', ' '))"
        | format(spelled.out)
    ) -%}
    replace(
        regexp_replace(replace({{ single }}, 'no rating', 'no_rating'), ' ratings?$', ''),
        'no_rating',
        'no rating'
    )
{%- endmacro %}
