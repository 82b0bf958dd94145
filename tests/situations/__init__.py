"""Days that Databricks can have: what makes each one, and what an unmodified client sees of it."""
