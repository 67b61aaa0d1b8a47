"""What the DAG files share: the only code of Nightshelf that knows Airflow.

A task runs a stage:
    tasks            which run, which window, what the task returns
    connections      the databases behind Airflow's connections
    advice           the next step of an error, in the words of somebody who works in Airflow

A DAG is put together from:
    dag_arguments    tags, retries and alerts, the same for every DAG of a shop
    retries          which errors are tried again, and which fail at once
    form             the fields of the trigger form
    assets           what starts a run, and the asset that a publication updates
    approval         the task that waits for a person's approval before the lists go live
    links            the buttons of a task: the report, the validation result
    broken_settings  the DAG of a shop whose settings cannot be read

The users are fetched (fetch_users.py):
    http_api         requests to the API behind an Airflow connection

Somebody is alerted, in this order (drawn in `alerts`):
    alerts           when: the callbacks and the deadline that Airflow calls
    alert_subject    about what: the run, the task, the window, the pages
    delivery         through all channels at once
    channels         how: a webhook, Slack, e-mail

The sentences of an alert are in `pipeline/alerts.py`.
"""
