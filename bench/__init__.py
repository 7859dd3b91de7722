"""What the marts cost, beside what the same costs by other means."""
