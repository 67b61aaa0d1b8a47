# The official image with the packages and the code of this checkout.
FROM apache/airflow:3.3.2-python3.11

COPY --chown=airflow:root requirements.txt /opt/nightshelf/requirements.txt
RUN uv pip install --no-cache -r /opt/nightshelf/requirements.txt \
    && mkdir -p /opt/airflow/nightshelf

COPY --chown=airflow:root config.toml /opt/nightshelf/config.toml
COPY --chown=airflow:root dags /opt/nightshelf/dags
COPY --chown=airflow:root expectations /opt/nightshelf/expectations
COPY --chown=airflow:root pipeline /opt/nightshelf/pipeline
COPY --chown=airflow:root sql /opt/nightshelf/sql

ENV AIRFLOW__CORE__DAGS_FOLDER=/opt/nightshelf/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/nightshelf/dags/plugins \
    NIGHTSHELF_HOME=/opt/airflow/nightshelf \
    PYTHONPATH=/opt/nightshelf
WORKDIR /opt/nightshelf
