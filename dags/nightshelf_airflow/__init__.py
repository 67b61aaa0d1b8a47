"""What the DAG files share: the only code of Nightshelf that knows Airflow.

Modules:
    connections   the databases behind Airflow's connections
    failures      what is retried, and what fails at once
    alerts        when somebody is told: a night failed or is late, a yes is wanted
    channels      how: a webhook, Slack, e-mail
    form          the fields of the trigger form
    night         a stage as a task: which run, which window, what it returns
    assets        what a publication emits, and what a night can wait for
    links         the buttons of a task: the report, the validation result
    approval      a person who looks before the lists go live
    advice        the next step of an error, as a person takes it in Airflow
    broken        the DAG of a shop whose settings cannot be read
"""
