"""Nightshelf: the stages of a night, what they are made of, and the command line.

The night, in its order:

    source      reads the shop's database (extract)
    validation  holds the data against expectations/ (validate)
    splits      what is known before a cut in time, and what is held out after it (split)
    models      ALS and the rules; catalog.py names every model
    ranking     candidates, their features, and the re-rankers that put them in order (train);
                fitted.py puts them together
    evaluation  metrics, and every model judged on the same users (evaluate)
    tuning      the search for parameters, and the race that chooses the published model (tune)
    cold        items that nobody bought yet: what they are like, how much they are asked for
    variety     lists that are not everybody's best sellers, nor hold two kinds of one product
    segments    groups of people who bought nothing yet, by what they look at, and what is popular in each
    users       what the shop says of its users: attributes, as categories and numbers
    lists       what apps read, before it is published (recommend)
    gate        whether the lists may go live; the lists' suites are in expectations/ (gate)
    serving     the schema that apps read (sql/serving/), publishing and taking back (publish);
                copy_lines.py says which dataset becomes which table

What it stands on:

    contract    the names and shapes of what a run's files hold: stages, datasets, features
    runs        the run folder: checked reads, atomic writes, receipts; run_stage
    stages      one thin module a stage: read, call, write
    engine      DuckDB over a run's files; the SQL lies in sql/transform/
    engines     what does the heavy work of a stage: this machine, or a cluster
    spark       Apache Spark as such an engine; nothing imports it but by its name, where a shop asks for it
    databases   URLs, connections, the embedded PostgreSQL
    home, disk, locks  who may read what is written; full disks and foreign locks in one clear error
    parallel, progress  batches side by side in threads; how far a long step is
    user_ranges  a file of events in ranges of users that fit into memory
    config, settings, environment, errors, advice, times, version

What apps read, over what is published; no package of a night is needed there:

    reading     the queries of an app as statements, routes, and the shapes of answers (sql/reading/)
    service     answers them by HTTP, with a page for people
    handler     answers them from AWS Lambda
    export      copies the lists to Redis, for apps that look them up by key

Beside it:

    report      the pages of a run
    retention   old run folders removed, users forgotten
    loading     files and made-up shops into the source database
    fetching    users behind an HTTP API into a table of the source database (dags/fetch_users.py)
    local       the local Airflow of make demo and make up
    shops, alerts, rollback_form   for the DAGs; who is alerted and when: dags/nightshelf_airflow/
    help        the look of the command line's help
    jobs, backtest, cli, __main__, serving_commands  the entry points: a night, a trial, the command line
"""

__version__ = "0.2.0"
