"""The works: one module for each line of the table, each with `measure(settings)` that returns its Outcome."""
