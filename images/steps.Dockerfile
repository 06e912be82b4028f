# What runs in the pods of steps: fetch, publish, and the built-in ingest, split, train, validate.
#
#   docker build -f images/steps.Dockerfile -t penstock/steps .
#
# BASE is any image with glibc, python3 (3.11 to 3.13) and its venv module, e.g. Debian's own.
ARG BASE=python:3.13-slim

FROM ${BASE} AS built
COPY requirements/steps.txt /tmp/requirements.txt
# Test suites and sample files of the libraries are a fifth of their size.
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
       -r /tmp/requirements.txt \
    && cd /opt/venv/lib/python3*/site-packages \
    && rm -rf pip pip-* setuptools setuptools-* onnxruntime/transformers onnxruntime/quantization onnxruntime/tools \
       onnx/backend/test matplotlib/mpl-data/sample_data \
    && find /opt/venv -name tests -prune -exec rm -rf {} + \
    && find /opt/venv -name __pycache__ -prune -exec rm -rf {} +
COPY pipeline_spec/penstock_spec /opt/penstock/penstock_spec
COPY artifacts/penstock_artifacts /opt/penstock/penstock_artifacts
COPY steps/penstock_steps /opt/penstock/penstock_steps
# The root is read-only when it runs, so bytecode is made now. The last command proves that nothing needed was removed.
RUN find /opt/penstock -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib /opt/penstock \
    && PYTHONPATH=/opt/penstock MPLCONFIGDIR=/tmp /opt/venv/bin/python -c \
       "import penstock_steps.program, penstock_steps.ingest, penstock_steps.split, penstock_steps.train, penstock_steps.validate, penstock_steps.plots, penstock_steps.probe, penstock_steps.publish, penstock_steps.written_model, obstore.store, onnxruntime"

FROM ${BASE}
COPY --from=built /opt/venv /opt/venv
COPY --from=built /opt/penstock /opt/penstock
# One thread for linear algebra: sums then run in the same order on every node, and small pods are not oversubscribed.
ENV PYTHONPATH=/opt/penstock \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    MPLCONFIGDIR=/tmp \
    HOME=/tmp
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/opt/venv/bin/python", "-m", "penstock_steps"]
