# Stands in for the images of steps and server where a test is about the operator: answers at once, stores nothing.
ARG BASE=python:3.13-slim
FROM ${BASE}
COPY tests/images/standin/standin.py /standin/standin.py
COPY pipeline_spec/penstock_spec/__init__.py pipeline_spec/penstock_spec/cell_numbers.py \
     pipeline_spec/penstock_spec/contract.py pipeline_spec/penstock_spec/errors.py \
     pipeline_spec/penstock_spec/gathered.py pipeline_spec/penstock_spec/matrix.py pipeline_spec/penstock_spec/names.py \
     pipeline_spec/penstock_spec/paths.py pipeline_spec/penstock_spec/plain.py \
     pipeline_spec/penstock_spec/serving_contract.py /standin/penstock_spec/
# Manifests start `python -m penstock_steps ...`; whatever module they name, the stand-in answers.
RUN printf '#!/bin/sh\nexec %s -S /standin/standin.py "$@"\n' "$(command -v python3)" > /standin/python \
    && chmod 755 /standin/python
ENV PATH=/standin:/usr/local/bin:/usr/bin:/bin
USER 65532:65532
