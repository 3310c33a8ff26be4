"""From scored groups to losses: pure functions, each with its source."""
