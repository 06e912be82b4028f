# The operator: two of the project's packages and their locked dependencies, nothing else.
#
#   docker build -f images/operator.Dockerfile -t penstock/operator .
#
# BASE is any image with python3 (3.11 to 3.13) and its venv module, e.g. Debian's own.
ARG BASE=python:3.13-slim

FROM ${BASE} AS built
COPY requirements/operator.txt /tmp/requirements.txt
# Of the Kubernetes client only the reading of credentials is used; its models (read lazily) and its second client are 120 MB.
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
       -r /tmp/requirements.txt \
    && cd /opt/venv/lib/python3*/site-packages \
    && rm -rf kubernetes/aio kubernetes/client/api pip pip-* setuptools setuptools-* \
    && find kubernetes/client/models -name "*.py" ! -name __init__.py -delete \
    && find /opt/venv -name __pycache__ -prune -exec rm -rf {} +
COPY pipeline_spec/penstock_spec /opt/penstock/penstock_spec
COPY operator/penstock_operator /opt/penstock/penstock_operator
# The root is read-only when it runs, so bytecode is made now. The last command proves that nothing needed was removed.
RUN find /opt/penstock -name __pycache__ -prune -exec rm -rf {} + \
    && { /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib || true; } \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/penstock \
    && PYTHONPATH=/opt/penstock /opt/venv/bin/python -m penstock_operator --help > /dev/null \
    && PYTHONPATH=/opt/penstock /opt/venv/bin/python -m penstock_operator.webhook --help > /dev/null

FROM ${BASE}
COPY --from=built /opt/venv /opt/venv
COPY --from=built /opt/penstock /opt/penstock
ENV PYTHONPATH=/opt/penstock \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["/opt/venv/bin/python", "-m", "penstock_operator"]
