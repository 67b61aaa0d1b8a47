"""Reaching the two databases: URLs, connections, Airflow's connections, the embedded PostgreSQL."""
