"""Runs an Airflow and a PostgreSQL for this checkout: for a first look, and for the tests.

    servers         what `make up`, `make down` and `make status` do
    demo            `make demo`: one run of the DAG, and what apps then read
    spark_cluster   a Spark of one master and a few workers
    spark_night     what the demo's night needs to run on it: `make demo-spark`
    airflow         API server, scheduler, DAG processor and triggerer on the embedded PostgreSQL
    configuration   Airflow's settings
    api             the REST API of a running Airflow
    processes       background processes that outlive their caller

In production none of it is used: Airflow is an installation of its own.
"""
