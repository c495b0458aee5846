"""What survives a restart: small, exact, in SQL. Only ``collector.engine`` writes; all others open it read-only.

Raw observations are not archived: time series belong to Prometheus. All times are Unix seconds.
"""
