"""What we were told, and what we hand out: the raw store, its sources and the published file."""
