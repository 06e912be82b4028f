"""What the model server's pod is given: the one place that the operator and the server agree on.

FETCH lays the model's folder out at MODEL_FOLDER, SERVE checks every byte against MODEL_DIGEST_VARIABLE
before it answers, SHIP brings the prediction log to the store. SERVE, which strangers talk to, never holds
the store's credentials.
"""

from penstock_spec.contract import ROOT

SERVE = "serve"
SHIP = "ship"
MODEL_FOLDER = f"{ROOT}/model"
MODEL_MANIFEST = "model-manifest.json"  # beside MODEL_FOLDER; lets the server name the file that is wrong
SERVE_PORT = 8080
GRPC_PORT = 8081
LOG_FOLDER = f"{ROOT}/log"  # the spool of the prediction log, between SERVE and SHIP
TOKENS_FOLDER = f"{ROOT}/tokens"  # a mounted Secret: one file per client, its content the token
MODEL_DIGEST_VARIABLE = "PENSTOCK_MODEL_DIGEST"
MODEL_NAME_VARIABLE = "PENSTOCK_MODEL_NAME"  # the model's name: /v2/models/<name>
MODEL_VERSION_VARIABLE = "PENSTOCK_MODEL_VERSION"  # the ModelVersion's name: tumour-2
ENDPOINT_VARIABLE = "PENSTOCK_ENDPOINT"
SERVE_PREFIX = "PENSTOCK_SERVE_"  # before every setting of our server: docs/serving.md
POD_VARIABLE = "PENSTOCK_POD"  # the pod's name, which tells the logs of two pods apart
# JSON {"sampleRatio": 1.0, "redact": ["ssn"], "flushSeconds": 10}; without it predictions are not logged.
PREDICTION_LOG_VARIABLE = "PENSTOCK_PREDICTION_LOG"
NAMESPACE_VARIABLE = (
    "PENSTOCK_NAMESPACE"  # also the prefix below which the namespace's artifacts lie in the store
)
