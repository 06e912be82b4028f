"""Worlds in which an alert speaks, and worlds so near to them in which it must not.

Values are in promtool's notation, one a minute: `0+2x10` is 0, 2, 4 ... 20; `1x10` is eleven times 1; `_` is
none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OPERATOR = {"namespace": "penstock-system", "pod": "penstock-0"}
ENDPOINT = {"namespace": "ml", "endpoint": "tumour"}
SERVER = {**ENDPOINT, "pod": "tumour-0", "model": "tumour", "version": "tumour-2"}


def series(name: str, labels: Mapping[str, str] = OPERATOR, **more: str) -> str:
    """A series as promtool writes it."""
    inner = ",".join(f'{key}="{value}"' for key, value in {**labels, **more}.items())
    return f"{name}{{{inner}}}"


@dataclass(frozen=True)
class Case:
    """Series, the time at which to look, and what the alert says then: labels, summary and description."""

    alert: str
    name: str
    at: str
    world: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] | None = None  # None: silent
    summary: str = ""
    description: str = ""


def _reconciles(result: str) -> str:
    return series("penstock_reconciles_total", kind="PipelineRun", result=result)


def _requests(code: str) -> str:
    """Of one protocol: codes of HTTP are numbers, those of gRPC are names."""
    protocol = "rest" if code.isdigit() else "grpc"
    return series("penstock_server_requests_total", SERVER, protocol=protocol, code=code)


def _calls(code: str) -> str:
    return series("penstock_api_requests_total", verb="get", kind="Job", code=code)


def _failed(outcome: str) -> str:
    return series("penstock_runs_finished_total", outcome=outcome, reason="ThresholdNotMet")


def _slow(rest_within_a_second: str, grpc_within_a_second: str) -> dict[str, str]:
    """Sixty requests a minute over each protocol, and how many of them take less than a second."""
    bucket, every = "penstock_server_request_seconds_bucket", "0+60x30"
    buckets = {
        series(bucket, SERVER, protocol=protocol, le=le): values
        for protocol, within in (("rest", rest_within_a_second), ("grpc", grpc_within_a_second))
        for le, values in {"0.5": "0x30", "1.0": within, "2.5": every, "+Inf": every}.items()
    }
    return {**buckets, _requests("200"): every, _requests("OK"): every}


SYNCED = series("penstock_synced")
COMPARISON = series("penstock_seconds_since_comparison")
RECONCILE = series("penstock_seconds_since_reconcile")
QUEUE = series("penstock_queue_depth")
LEFT_OUT = series("penstock_namespaces_left_out")
READY = series("penstock_endpoint_ready", {**OPERATOR, **ENDPOINT})
DRIFTED = series("penstock_endpoint_drifted", {**OPERATOR, **ENDPOINT})
NULLS = series("penstock_endpoint_data_quality", {**OPERATOR, **ENDPOINT}, problem="NullBurst")
DUE = series("penstock_endpoint_window_due_seconds", {**OPERATOR, **ENDPOINT})
EVERY = series("penstock_endpoint_window_every_seconds", {**OPERATOR, **ENDPOINT})
WORKERS = series("penstock_server_workers_replaced_total", SERVER)
LOG = "penstock_server_log_rows_total"
AGE = series("penstock_server_log_age_seconds", SERVER)
ACCEPTED = series("penstock_server_log_accepted_rows_total", SERVER)
STORED, DROPPED = (series(LOG, SERVER, outcome=word) for word in ("stored", "dropped"))

PIPELINE = {"namespace": "ml", "pipeline": "tumour"}
ARCHIVE = series("penstock_pipeline_archive_failing", {**OPERATOR, **PIPELINE})
BLIND = series("penstock_pipeline_triggers_failing", {**OPERATOR, **PIPELINE})


def _messages(code: str, reason: str) -> str:
    receiver = {"namespace": "penstock-system", "pod": "penstock-webhook-0"}
    return series("penstock_webhook_messages_total", receiver, code=code, reason=reason)


OPERATOR_CASES = [
    Case(
        "PenstockOperatorAbsent",
        "nothing has told how the operator does",
        "6m",
        {},
        {},
        "No operator of Penstock is scraped.",
        "For 5 minutes no Prometheus target has told how the operator does. It does not run, or it is not "
        "scraped. What is served goes on answering; nothing new starts, no gate decides, and no drift is "
        "noticed.",
    ),
    Case("PenstockOperatorAbsent", "it has been gone for less than five minutes", "4m", {}),
    Case("PenstockOperatorAbsent", "it is scraped, even while it is not ready", "10m", {SYNCED: "0x10"}),
    Case(
        "PenstockOperatorNotSynced",
        "it has not read the cluster for five minutes",
        "6m",
        {SYNCED: "0x10"},
        OPERATOR,
        "The operator in penstock-system does not get to work.",
        "penstock-0 has been running for 5 minutes without having read the cluster once. Most often the API"
        " server does not answer it, or rights are missing.",
    ),
    Case("PenstockOperatorNotSynced", "a start of two minutes is a start", "6m", {SYNCED: "0 0 1x10"}),
    Case(
        "PenstockOperatorStale",
        "no comparison with the API server has ended for three minutes",
        "10m",
        {COMPARISON: "0+60x10"},
        OPERATOR,
        "The operator in penstock-system gets nothing done.",
        "penstock-0 last finished its work 10m 0s ago. The kubelet should have started it anew by now (its "
        "/healthz says 503), so that does not help.",
    ),
    Case(
        "PenstockOperatorStale",
        "objects wait and none is taken",
        "10m",
        {COMPARISON: "30x10", RECONCILE: "0+60x10", QUEUE: "3x10"},
        OPERATOR,
        "The operator in penstock-system gets nothing done.",
        "penstock-0 last finished its work 10m 0s ago. The kubelet should have started it anew by now (its "
        "/healthz says 503), so that does not help.",
    ),
    Case(
        "PenstockOperatorStale",
        "nothing waits, so a long time without a reconcile is rest",
        "10m",
        {COMPARISON: "30x10", RECONCILE: "0+60x10", QUEUE: "0x10"},
    ),
    Case(
        "PenstockOperatorFault",
        "the first fault makes its series, which increase() does not see",
        "6m",
        {_reconciles("Fault"): "_x4 1x10"},
        {"namespace": "penstock-system", "kind": "PipelineRun"},
        "The operator in penstock-system met a fault of its own.",
        "A reconcile of a PipelineRun failed in a way that nobody foresaw. It is tried again with growing "
        "pauses. The log holds a traceback; please report it.",
    ),
    Case(
        "PenstockOperatorFault",
        "a later fault is an increase",
        "21m",
        {_reconciles("Fault"): "1x20 2x10"},
        {"namespace": "penstock-system", "kind": "PipelineRun"},
        "The operator in penstock-system met a fault of its own.",
        "A reconcile of a PipelineRun failed in a way that nobody foresaw. It is tried again with growing "
        "pauses. The log holds a traceback; please report it.",
    ),
    Case("PenstockOperatorFault", "a fault of an hour ago is over", "60m", {_reconciles("Fault"): "1x60"}),
    Case(
        "PenstockOperatorFault",
        "what is tried again for the API server's sake is no fault",
        "21m",
        {_reconciles("Unavailable"): "0+1x30"},
    ),
    Case(
        "PenstockOperatorQueueLong",
        "more than a hundred wait for ten minutes",
        "11m",
        {QUEUE: "250x20"},
        OPERATOR,
        "Work piles up at the operator in penstock-system.",
        "250 objects wait for a worker, and more than 100 have done so for 10 minutes: everything starts "
        "late.",
    ),
    Case("PenstockOperatorQueueLong", "a burst that is worked off", "11m", {QUEUE: "500 300 120 90 0x20"}),
    Case(
        "PenstockApiRequestsFailing",
        "one request of five gets no answer",
        "20m",
        {_calls("200"): "0+48x30", _calls("0"): "0+6x30", _calls("503"): "0+6x30"},
        OPERATOR,
        "The API server does not answer the operator in penstock-system.",
        "20% of the requests of penstock-0 got a 5xx or no answer, for 10 minutes.",
    ),
    Case(
        "PenstockApiRequestsFailing",
        "conflicts and what is not found are answers",
        "20m",
        {_calls("200"): "0+10x30", _calls("404"): "0+50x30", _calls("409"): "0+50x30"},
    ),
    Case(
        "PenstockNamespacesLeftOut",
        "rights are missing in two namespaces",
        "11m",
        {LEFT_OUT: "2x20"},
        OPERATOR,
        "The operator in penstock-system leaves out 2 of its namespaces.",
        "Rights are missing in 2 of the namespaces that it was told to serve: Pipelines there are not "
        "looked at.",
    ),
    Case("PenstockNamespacesLeftOut", "it serves all it was told to", "11m", {LEFT_OUT: "0x20"}),
]

ENDPOINT_CASES = [
    Case(
        "PenstockEndpointNotReady",
        "no pod has been ready for five minutes, across a restart of the operator",
        "8m",
        {READY: "0x3 stale", READY.replace("penstock-0", "penstock-1"): "_x4 0x10"},
        ENDPOINT,
        "Endpoint ml/tumour does not serve.",
        "No pod of the version that should answer has been ready for 5 minutes.",
    ),
    Case("PenstockEndpointNotReady", "a first start of four minutes", "8m", {READY: "0x4 1x10"}),
    Case(
        "PenstockEndpointErrors",
        "one of ten requests gets a 500",
        "15m",
        {_requests("200"): "0+54x20", _requests("500"): "0+6x20"},
        ENDPOINT,
        "Endpoint ml/tumour fails to answer.",
        "10% of its requests got an error of the server's, and more than 5 % have done so for 5 minutes.",
    ),
    Case(
        "PenstockEndpointErrors",
        "one of ten gRPC requests finds no server",
        "15m",
        {_requests("OK"): "0+54x20", _requests("UNAVAILABLE"): "0+6x20"},
        ENDPOINT,
        "Endpoint ml/tumour fails to answer.",
        "10% of its requests got an error of the server's, and more than 5 % have done so for 5 minutes.",
    ),
    Case(
        "PenstockEndpointErrors",
        "both protocols together are one endpoint: one of ten requests meets a server at its limits",
        "15m",
        {
            _requests("200"): "0+24x20",
            _requests("503"): "0+2x20",
            _requests("OK"): "0+30x20",
            _requests("RESOURCE_EXHAUSTED"): "0+4x20",
        },
        ENDPOINT,
        "Endpoint ml/tumour fails to answer.",
        "10% of its requests got an error of the server's, and more than 5 % have done so for 5 minutes.",
    ),
    Case(
        "PenstockEndpointErrors",
        "clients that send nonsense or go away",
        "15m",
        {_requests("200"): "0+6x20", _requests("400"): "0+60x20", _requests("499"): "0+60x20"},
    ),
    Case(
        "PenstockEndpointErrors",
        "clients that send nonsense over gRPC, without a token, or go away",
        "15m",
        {
            _requests("OK"): "0+6x20",
            _requests("INVALID_ARGUMENT"): "0+60x20",
            _requests("UNAUTHENTICATED"): "0+60x20",
            _requests("CANCELLED"): "0+60x20",
        },
    ),
    Case(
        "PenstockEndpointErrors",
        "few errors over gRPC among many answers over REST",
        "15m",
        {_requests("200"): "0+90x20", _requests("OK"): "0+6x20", _requests("INTERNAL"): "0+4x20"},
    ),
    Case(
        "PenstockEndpointErrors",
        "one failure in a quiet night",
        "15m",
        {_requests("200"): "0x20", _requests("500"): "0 0 0 0 0 1x20"},
    ),
    Case("PenstockEndpointErrors", "no traffic at all", "15m", {_requests("200"): "7x20"}),
    Case(
        "PenstockEndpointSlow",
        "half of the requests take longer than a second",
        "20m",
        _slow("0+30x30", "0+30x30"),
        ENDPOINT,
        "Endpoint ml/tumour is slow.",
        "One request in a hundred takes 2.47s or longer, and more than 1 s for 10 minutes.",
    ),
    Case(
        "PenstockEndpointSlow",
        "half of those over gRPC do, and those over REST do not",
        "20m",
        _slow("0+60x30", "0+30x30"),
        ENDPOINT,
        "Endpoint ml/tumour is slow.",
        "One request in a hundred takes 2.44s or longer, and more than 1 s for 10 minutes.",
    ),
    Case(
        "PenstockServerWorkersDie",
        "one worker died twice",
        "20m",
        {WORKERS: "0x10 1 2x20"},
        ENDPOINT,
        "Worker processes of endpoint ml/tumour die.",
        "2 worker processes of its servers died and were replaced in 15 minutes. Requests that they "
        "held are lost.",
    ),
    Case("PenstockServerWorkersDie", "a new pod counts from nought", "20m", {WORKERS: "0x30"}),
    Case("PenstockEndpointSlow", "all answer within a second", "20m", _slow("0+60x30", "0+60x30")),
]

MONITORING_CASES = [
    Case(
        "PenstockEndpointDrifted",
        "the operator says so",
        "2m",
        {DRIFTED: "0 1x5"},
        ENDPOINT,
        "What endpoint ml/tumour is asked has drifted.",
        "Its inputs differ from the data that the served version was trained on, in several windows. Its "
        "condition Drifted names the columns.",
    ),
    Case("PenstockEndpointDrifted", "it has not drifted, or nobody knows", "5m", {DRIFTED: "0 0 -1x5"}),
    Case(
        "PenstockEndpointDataQuality",
        "the newest window has many nulls",
        "2m",
        {NULLS: "0 1x5"},
        {**ENDPOINT, "problem": "NullBurst"},
        "Endpoint ml/tumour is asked with bad data (NullBurst).",
        "The newest window has more nulls, unseen categories or another unit than the training data. The "
        "condition NullBurst of the endpoint names the columns.",
    ),
    Case("PenstockEndpointDataQuality", "the window after it is clean again", "3m", {NULLS: "0 1 1 0x5"}),
    Case(
        "PenstockEndpointWindowsUnknown",
        "no window could be judged for six hours",
        "361m",
        {DRIFTED: "-1x400"},
        ENDPOINT,
        "Nobody knows whether endpoint ml/tumour has drifted.",
        "For 6 hours no window could be judged: too few rows, or windows that fail. The condition Drifted "
        "says which.",
    ),
    Case(
        "PenstockEndpointWindowsUnknown",
        "one judged window in the night is enough",
        "361m",
        {DRIFTED: "-1x200 0 -1x200"},
    ),
    Case(
        "PenstockWindowsStopped",
        "no window of five minutes has had a verdict for twenty, across a restart of the operator",
        "20m",
        {
            DUE: "1x5 stale",
            EVERY: "300x5 stale",
            DUE.replace("penstock-0", "penstock-1"): "_x5 1x20",
            EVERY.replace("penstock-0", "penstock-1"): "_x5 300x20",
        },
        ENDPOINT,
        "Windows of endpoint ml/tumour are judged no more.",
        "A window has been due for 19m 59s and has no verdict. What the endpoint says of drift and of its "
        "data is as old as the window before it.",
    ),
    Case(
        "PenstockWindowsStopped",
        "that of a day is missed after an hour and a half",
        "96m",
        {DUE: "1x100", EVERY: "86400x100"},
        ENDPOINT,
        "Windows of endpoint ml/tumour are judged no more.",
        "A window has been due for 1h 35m 59s and has no verdict. What the endpoint says of drift and of its "
        "data is as old as the window before it.",
    ),
    Case(
        "PenstockWindowsStopped",
        "each window has its verdict a minute after it was due",
        "60m",
        {
            DUE: "300x6 600x4 900x4 1200x4 1500x4 1800x4 2100x4 2400x4 2700x4 3000x4 3300x4 3600x10",
            EVERY: "300x70",
        },
    ),
    Case(
        "PenstockWindowsStopped",
        "short windows wait a quarter of an hour for their pod",
        "15m",
        {DUE: "1x20", EVERY: "15x20"},
    ),
    Case(
        "PenstockWindowsStopped",
        "that of an hour is tried three times",
        "80m",
        {DUE: "1x80", EVERY: "3600x80"},
    ),
    Case(
        "PenstockWindowsStopped",
        "an operator that was away for a day judges at once",
        "1440m",
        {DUE: "_x1439 1x2 86400x10", EVERY: "_x1439 300x13"},
    ),
    Case(
        "PenstockPredictionLogLosesRows",
        "the queue was full for the first time",
        "6m",
        {STORED: "0+600x20", DROPPED: "_x4 30x20"},
        {**ENDPOINT, "outcome": "dropped"},
        "The prediction log of endpoint ml/tumour loses rows.",
        "30 rows were dropped in 15 minutes. Answers are not affected; windows see fewer rows than were "
        "predicted.",
    ),
    Case(
        "PenstockPredictionLogLosesRows",
        "all rows are stored",
        "20m",
        {STORED: "0+600x30", DROPPED: "0x30", series(LOG, SERVER, outcome="lost"): "0x30"},
    ),
    Case(
        "PenstockPredictionLogStale",
        "rows are logged and none reaches the store",
        "30m",
        {AGE: "0+60x40", ACCEPTED: "0+600x40"},
        {**ENDPOINT, "pod": "tumour-0"},
        "The prediction log of endpoint ml/tumour does not reach the store.",
        "tumour-0 stored its last rows 30m 0s ago, though it goes on logging. Rows wait on its disk until "
        "that is full; then they are dropped.",
    ),
    Case("PenstockPredictionLogStale", "nobody asks anything", "30m", {AGE: "0+60x40", ACCEPTED: "600x40"}),
    Case(
        "PenstockPredictionLogStale",
        "the first requests after a quiet hour, before they are stored",
        "61m",
        {AGE: "0+60x61 10x10", ACCEPTED: "600x60 700x20"},
    ),
    Case("PenstockPredictionLogLosesRows", "a loss of an hour ago is over", "60m", {DROPPED: "30x60"}),
    Case(
        "PenstockRunsFailed",
        "a run failed for a reason not seen before",
        "6m",
        {_failed("Failed"): "_x4 1x20"},
        {"namespace": "penstock-system", "reason": "ThresholdNotMet"},
        "Runs have failed (ThresholdNotMet).",
        "Runs under the operator in penstock-system that ended with ThresholdNotMet in the last 15 minutes:"
        " 1.",
    ),
    Case("PenstockRunsFailed", "it failed an hour ago", "60m", {_failed("Failed"): "1x60"}),
    Case("PenstockRunsFailed", "runs succeed", "20m", {_failed("Succeeded"): "0+1x30"}),
]

PIPELINE_CASES = [
    Case(
        "PenstockArchiveFailing",
        "records cannot be written",
        "10m",
        {ARCHIVE: "0 1x20"},
        PIPELINE,
        "Records of finished runs of ml/tumour cannot be written.",
        "Its runs stay until there are twice policy.keepRuns; beyond that the oldest go without a record. "
        "The condition ArchiveFailing of the Pipeline has the store's words.",
    ),
    Case("PenstockArchiveFailing", "they are written", "20m", {ARCHIVE: "0x20"}),
    Case("PenstockArchiveFailing", "they are written again", "20m", {ARCHIVE: "1x10 0x10"}),
    Case(
        "PenstockTriggersFailing",
        "two of them could not look for half an hour",
        "40m",
        {BLIND: "1x10 2x30"},
        PIPELINE,
        "Pipeline ml/tumour does not see what its triggers watch.",
        "2 of its triggers could not look for 30 minutes: what is new there starts no run. They go on trying,"
        " and what they find then is not lost.",
    ),
    Case("PenstockTriggersFailing", "a look that fails now and then", "40m", {BLIND: "1x19 0x1 1x19"}),
    Case("PenstockTriggersFailing", "all of them look", "60m", {BLIND: "0x60"}),
    Case(
        "PenstockWebhookRefuses",
        "a sender has another secret, from its first message on",
        "10m",
        {_messages("401", "BadSignature"): "_x3 2 4 7x20", _messages("201", "Started"): "0x30"},
        {"namespace": "penstock-system", "reason": "BadSignature"},
        "The webhook in penstock-system refuses messages (BadSignature).",
        "7 messages were answered with BadSignature in 15 minutes and started nothing.",
    ),
    Case("PenstockWebhookRefuses", "one message was wrong", "10m", {_messages("422", "InvalidBody"): "1x20"}),
    Case(
        "PenstockWebhookRefuses",
        "strangers knock at doors that there are not",
        "20m",
        {_messages("404", "NotFound"): "0+60x30", _messages("400", "Malformed"): "0+60x30"},
    ),
    Case(
        "PenstockWebhookRefuses",
        "messages start runs, and repetitions none",
        "20m",
        {_messages("201", "Started"): "0+60x30", _messages("200", "Repeated"): "0+60x30"},
    ),
    Case("PenstockWebhookRefuses", "that was an hour ago", "60m", {_messages("401", "BadSignature"): "9x60"}),
]

CASES = [*OPERATOR_CASES, *ENDPOINT_CASES, *MONITORING_CASES, *PIPELINE_CASES]
