"""An Airflow and a PostgreSQL of this checkout, for a first look and for the tests.

    servers         what `make up`, `make down` and `make status` do
    demo            `make demo`: one night, and what apps then read
    airflow         API server, scheduler, DAG processor and triggerer over the embedded PostgreSQL
    configuration   how that Airflow is configured
    api             the REST API of a running Airflow
    processes       background processes that outlive their caller

In production none of it is used: Airflow is its own installation.
"""
