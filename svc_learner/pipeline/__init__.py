"""Groups under way: dispatched, awaited, judged in order, and what their step waits for."""
