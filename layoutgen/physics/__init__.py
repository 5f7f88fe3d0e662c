"""Physical models: each with its unit, formula, source and range of validity."""
