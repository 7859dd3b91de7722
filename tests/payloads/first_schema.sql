-- The raw store: what we were told, and when.
--
-- A fact table's NOT NULL columns between `row_id` and `known_at` are its key; a key column that
-- may be blank has a default. The store appends a new version of a key when its content changes and
-- never updates or deletes one. All timestamps are UTC. What makes a row unfit for the store stands
-- in `raw.checks` at the end; what it adds to the types is the whole of the validation.

create schema if not exists raw;

create table if not exists raw.sessions (
    row_id varchar not null,
    source varchar not null,
    exchange varchar not null,
    session_date date not null,
    opens_at timestamp,
    closes_at timestamp,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.sessions is 'One row per trading session of an exchange calendar and version of it.';

create table if not exists raw.universe (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    benchmark varchar,
    exchange varchar,
    currency varchar,
    listed_from date,
    listed_to date,
    successor varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.universe is 'One row per ticker we cover and version of its entry; the delisted stay in it.';

create table if not exists raw.securities (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    name varchar,
    exchange varchar,
    currency varchar,
    financial_currency varchar,
    country varchar,
    sector varchar,
    industry varchar,
    quote_type varchar,
    shares_outstanding double,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.securities is 'One row per security and version of its master data.';

create table if not exists raw.prices (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    session_date date not null,
    open double,
    high double,
    low double,
    close double,
    adj_close double,
    volume double,
    dividend double,
    split_ratio double,
    currency varchar,
    is_final boolean,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.prices is 'One row per daily bar and version of it, on the split basis of the day it was fetched.';

create table if not exists raw.ratings (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    firm varchar not null,
    graded_on date not null,
    to_grade varchar not null default '',
    graded_at timestamp,
    from_grade varchar,
    action varchar,
    target double,
    prior_target double,
    target_action varchar,
    target_currency varchar,
    kind varchar,
    note varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.ratings is 'One row per rating event of a firm and version of it.';

create table if not exists raw.consensus (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    snapshot_date date not null,
    period varchar not null default '0m',
    strong_buy integer,
    buy integer,
    hold integer,
    sell integer,
    strong_sell integer,
    buy_share double,
    recommendation_mean double,
    recommendation_key varchar,
    target_mean double,
    target_median double,
    target_high double,
    target_low double,
    target_count integer,
    currency varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.consensus is 'One row per vendor consensus snapshot, period and version of it.';

create table if not exists raw.valuations (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    valued_on date not null,
    price double,
    market_cap double,
    trailing_pe double,
    forward_pe double,
    forward_eps double,
    trailing_eps double,
    price_to_sales double,
    peg_ratio double,
    currency varchar,
    eps_currency varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.valuations is 'One row per valuation date and version of its multiples.';

create table if not exists raw.estimates (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    snapshot_date date not null,
    period varchar not null,
    eps_mean double,
    eps_low double,
    eps_high double,
    eps_analyst_count integer,
    eps_30d_ago double,
    eps_90d_ago double,
    revisions_up_30d integer,
    revisions_down_30d integer,
    revenue_mean double,
    currency varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.estimates is 'One row per estimate snapshot, fiscal period and version of it.';

create table if not exists raw.earnings (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    period_end date not null,
    eps_estimate double,
    eps_actual double,
    surprise double,
    currency varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.earnings is 'One row per reported fiscal period and version of its result.';

create table if not exists raw.earnings_dates (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    snapshot_date date not null,
    announced_from timestamp,
    announced_to timestamp,
    timing varchar,
    eps_estimate double,
    eps_actual double,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.earnings_dates is 'One row per snapshot of the next earnings date, as a range, and version of it.';

create table if not exists raw.short_interest (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    settled_on date not null,
    shares_short double,
    short_share_of_float double,
    days_to_cover double,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.short_interest is 'One row per settlement date and version of its short interest.';

create table if not exists raw.news (
    row_id varchar not null,
    source varchar not null,
    ticker varchar not null,
    news_id varchar not null,
    published_at timestamp,
    title varchar,
    summary varchar,
    publisher varchar,
    url varchar,
    content_type varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.news is 'One row per news item in the stream of a ticker and version of it.';

create table if not exists raw.news_signals (
    row_id varchar not null,
    source varchar not null,
    news_id varchar not null,
    ticker varchar not null,
    scorer_version varchar not null,
    sentiment varchar,
    sentiment_score double,
    confidence double,
    relevance varchar,
    cluster_id varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.news_signals is 'One row per news item, ticker and scorer version.';

create table if not exists raw.news_topics (
    row_id varchar not null,
    source varchar not null,
    news_id varchar not null,
    ticker varchar not null,
    scorer_version varchar not null,
    topic varchar not null,
    subtopic varchar not null default '',
    confidence double,
    found_by varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.news_topics is 'One row per news item, ticker, scorer version, topic and subtopic.';

create table if not exists raw.broker_calls (
    row_id varchar not null,
    source varchar not null,
    news_id varchar not null,
    ticker varchar not null,
    firm varchar not null,
    scorer_version varchar not null,
    grade varchar,
    prior_grade varchar,
    target double,
    prior_target double,
    target_currency varchar,
    action varchar,
    is_soft boolean,
    span varchar,
    payload varchar,
    known_at timestamp not null,
    stored_at timestamp not null,
    batch_id varchar not null
);
comment on table raw.broker_calls is 'One row per broker call found in a news item, firm and scorer version.';

create table if not exists raw.fetches (
    batch_id varchar,
    load_id varchar not null,
    source varchar not null,
    table_name varchar not null,
    ticker varchar,
    file varchar,
    outcome varchar not null,
    reason varchar,
    requests integer not null,
    rows bigint not null,
    seconds double not null,
    fetched_at timestamp not null
);
comment on table raw.fetches is 'One row per attempt to fetch a table for a ticker, or from a file, and how it ended.';

create table if not exists raw.rejects (
    batch_id varchar not null,
    source varchar not null,
    table_name varchar not null,
    reason varchar not null,
    row_json varchar not null,
    file varchar,
    line bigint not null,
    rejected_at timestamp not null
);
comment on table raw.rejects is 'One row per row that was not stored, whole, with the reason; line 1 is the first data row.';

create table if not exists raw.batches (
    batch_id varchar not null,
    load_id varchar not null,
    asset varchar not null,
    source varchar not null,
    file varchar,
    file_hash varchar,
    started_at timestamp not null,
    finished_at timestamp not null,
    new bigint not null,
    changed bigint not null,
    unchanged bigint not null,
    rejected bigint not null,
    duplicates bigint not null
);
comment on table raw.batches is 'One row per append: what one ingest (load_id) stored in one table, in one transaction.';

-- Rules a row must pass, in SQL over its columns. A rule that comes out NULL passes, as in a CHECK
-- constraint. A general rule holds for every fact table that has the column. A day is in the future
-- when it has begun nowhere on earth (UTC+14) at the moment the row was known.
create or replace table raw.checks as
with
    own (table_name, rule, reason) as (values
        ('sessions', 'opens_at < closes_at', 'the session closes before it opens'),
        ('securities', 'shares_outstanding >= 0', 'shares outstanding are negative'),
        ('prices', 'close is not null', 'the bar has no close'),
        ('prices', 'open > 0 and high > 0 and low > 0 and close > 0', 'a price is not above zero'),
        ('prices', 'adj_close > 0', 'the adjusted close is not above zero'),
        ('prices', 'high >= low', 'the high is below the low'),
        ('prices', 'session_date <= cast(known_at + interval 14 hours as date)', 'the session is in the future'),
        ('prices', 'volume >= 0', 'the volume is negative'),
        ('prices', 'dividend >= 0', 'the dividend is negative'),
        ('prices', 'split_ratio > 0', 'the split ratio (new shares per old) is not above zero'),
        ('ratings', 'target >= 0 and prior_target >= 0', 'a price target is negative'),
        ('ratings', 'kind in (''rating'', ''fair_value'')', 'the kind is neither rating nor fair_value'),
        ('ratings', 'firm <> ''''', 'the firm is blank'),
        ('consensus', 'least(strong_buy, buy, hold, sell, strong_sell) >= 0', 'a count of analysts is negative'),
        ('consensus', 'buy_share between 0 and 1', 'the share of buys is outside 0 to 1'),
        ('consensus', 'recommendation_mean between 1 and 5', 'the mean recommendation is outside 1 to 5'),
        ('consensus', 'target_high >= target_low', 'the high target is below the low target'),
        ('consensus', 'least(target_mean, target_median, target_low, target_high) >= 0', 'a price target is negative'),
        ('consensus', 'target_count >= 0', 'the count of targets is negative'),
        ('valuations', 'price > 0 and market_cap >= 0', 'the price or market capitalisation is not positive'),
        ('estimates', 'eps_high >= eps_low', 'the high estimate is below the low estimate'),
        ('estimates', 'least(eps_analyst_count, revisions_up_30d, revisions_down_30d) >= 0', 'a count is negative'),
        ('earnings_dates', 'announced_to >= announced_from', 'the range of earnings dates ends before it begins'),
        ('short_interest', 'shares_short >= 0 and days_to_cover >= 0', 'the short interest is negative'),
        ('short_interest', 'short_share_of_float >= 0', 'the short share of float is negative'),
        ('news', 'title is not null', 'the item has no title'),
        ('news', 'published_at is not null', 'the item has no time of publication'),
        ('news_signals', 'sentiment in (''negative'', ''neutral'', ''positive'', ''abstain'')', 'the sentiment is not a known label'),
        ('news_signals', 'sentiment_score between -1 and 1', 'the sentiment score is outside -1 to 1'),
        ('news_signals', 'confidence between 0 and 1', 'the confidence is outside 0 to 1'),
        ('news_signals', 'relevance in (''primary'', ''mention'')', 'the relevance is neither primary nor mention'),
        ('news_topics', 'confidence between 0 and 1', 'the confidence is outside 0 to 1'),
        ('news_topics', 'found_by in (''rule'', ''table'')', 'the topic was found neither by rule nor by table'),
        ('broker_calls', 'target >= 0 and prior_target >= 0', 'a price target is negative')
    ),
    general (column_name, rule, reason) as (values
        ('ticker', 'regexp_full_match(ticker, ''[\^A-Za-z0-9][A-Za-z0-9.\^=&_-]{0,23}'')', 'the ticker is not a symbol'),
        ('known_at', 'known_at <= stored_at', 'it says it was known later than now'),
        ('graded_on', 'graded_on <= cast(known_at + interval 14 hours as date)', 'the grade is dated in the future'),
        ('graded_at', 'graded_at <= known_at + interval 1 day', 'the grade is timed in the future'),
        ('snapshot_date', 'snapshot_date <= cast(known_at + interval 14 hours as date)', 'the snapshot is dated in the future'),
        ('valued_on', 'valued_on <= cast(known_at + interval 14 hours as date)', 'the valuation is dated in the future'),
        ('settled_on', 'settled_on <= cast(known_at + interval 14 hours as date)', 'the settlement is in the future'),
        ('published_at', 'published_at <= known_at + interval 1 day', 'the item was published in the future'),
        ('currency', 'currency in (select code from currencies)', 'the currency is not a known code'),
        ('financial_currency', 'financial_currency in (select code from currencies)', 'the financial currency is not a known code'),
        ('target_currency', 'target_currency in (select code from currencies)', 'the target currency is not a known code'),
        ('eps_currency', 'eps_currency in (select code from currencies)', 'the EPS currency is not a known code')
    )
select table_name, rule, reason from own
union all
select columns.table_name, rule, reason
from general
join duckdb_columns() as columns on columns.column_name = general.column_name
where columns.schema_name = 'raw' and columns.table_name in (
    select table_name from duckdb_columns() where schema_name = 'raw' and column_name = 'row_id'
);
comment on table raw.checks is 'One row per table and rule its rows must pass before they are stored.';
