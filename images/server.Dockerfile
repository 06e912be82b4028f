# The model server: three of the project's packages and their locked dependencies. No data frames, no training.
#
#   docker build -f images/server.Dockerfile -t penstock/server .
#
# BASE is any image with glibc, python3 (3.11 to 3.13) and its venv module, e.g. Debian's own.
ARG BASE=python:3.13-slim

FROM ${BASE} AS built
COPY requirements/server.txt /tmp/requirements.txt
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
       -r /tmp/requirements.txt \
    && cd /opt/venv/lib/python3*/site-packages \
    && rm -rf pip pip-* setuptools setuptools-* pkg_resources _distutils_hack distutils-precedence.pth \
       onnxruntime/transformers onnxruntime/quantization onnxruntime/tools \
    && find /opt/venv -name tests -prune -exec rm -rf {} + \
    && find /opt/venv -name __pycache__ -prune -exec rm -rf {} +
COPY pipeline_spec/penstock_spec /opt/penstock/penstock_spec
COPY artifacts/penstock_artifacts /opt/penstock/penstock_artifacts
COPY serving/penstock_server /opt/penstock/penstock_server
# The root is read-only when it runs, so bytecode is made now. The last command proves that nothing needed was removed.
RUN find /opt/penstock -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib /opt/penstock \
    && PYTHONPATH=/opt/penstock /opt/venv/bin/python -c \
       "import penstock_server.server, penstock_server.supervisor, penstock_server.fetch, penstock_server.prediction_log.ship, obstore.store, onnxruntime"

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
EXPOSE 8080 8081
ENTRYPOINT ["/opt/venv/bin/python", "-m", "penstock_server"]
CMD ["serve"]
