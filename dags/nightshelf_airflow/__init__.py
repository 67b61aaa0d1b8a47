"""What the DAG files share: the only code of Nightshelf that knows Airflow.

Modules:
    connections   the databases behind Airflow's connections
    failures      what is retried, and what fails at once
    alerts        who is told when a night fails or is late
    form          the fields of the trigger form
    night         a stage as a task: which run, which window, what it returns
    assets        what a publication emits, and what a night can wait for
    links         the buttons of a task: the report, the validation result
    approval      a person who looks before the lists go live
    broken        the DAG of a shop whose settings cannot be read
"""
