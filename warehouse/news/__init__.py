"""What news says, measured: pure functions of text with a version, stored as raw facts."""

SCORER = "news_scorer"
SCORED_TABLES = ("news_signals", "news_topics", "broker_calls")
