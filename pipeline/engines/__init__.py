"""What does the heavy work of a night: this machine (DuckDB, implicit), or Spark (`pipeline/spark`)."""
