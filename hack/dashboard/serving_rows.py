"""What is served, and what is known of the data that it is asked with."""

from hack.dashboard.grafana import Look, Panel, Query, Row
from hack.dashboard.queries import (
    BY_ENDPOINT,
    CHOSEN,
    NAME,
    RATE,
    increase_of_the_hour,
    latest,
    quantiles,
    rate,
    share,
    told_of_the_hour,
)

_REQUESTS = "penstock_server_requests_total"
# Of the codes, those that are the server's fault: HTTP's and gRPC's.
_ERRORS = "5..|DATA_LOSS|DEADLINE_EXCEEDED|INTERNAL|RESOURCE_EXHAUSTED|UNAVAILABLE|UNKNOWN"
# Other programs have series of the process too.
_OF_A_SERVER = "and on (job, instance) penstock_server_ready"

ENDPOINTS = Row(
    "Endpoints",
    [
        Panel(
            "Requests by version and code",
            "Inference requests answered, by HTTP status or gRPC code. 4xx, INVALID_ARGUMENT: the request "
            "was wrong; 499, CANCELLED: the client went away; 5xx, INTERNAL, UNAVAILABLE: ours.",
            [
                Query(
                    rate(_REQUESTS, f"{BY_ENDPOINT}, version, code"),
                    f"{NAME} {{{{version}}}} {{{{code}}}}",
                )
            ],
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "Error ratio",
            "Share of requests that got an error of the server's. The alert PenstockEndpointErrors speaks "
            "above the line.",
            [
                Query(
                    share(
                        rate(_REQUESTS, BY_ENDPOINT, f'{CHOSEN}, code=~"{_ERRORS}"'),
                        rate(_REQUESTS, BY_ENDPOINT),
                    ),
                    NAME,
                )
            ],
            unit="percentunit",
            limit=0.05,
        ),
        Panel(
            "Time to answer",
            "From the request's head to the last byte of the answer, as the server measures it.",
            quantiles("penstock_server_request_seconds", BY_ENDPOINT, CHOSEN, NAME),
            unit="s",
        ),
        Panel(
            "Requests by protocol",
            "Inference requests answered: rest or grpc.",
            [Query(rate(_REQUESTS, f"{BY_ENDPOINT}, protocol"), f"{NAME} {{{{protocol}}}}")],
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "In flight",
            "Requests not yet answered, over both protocols.",
            [Query(f"sum by ({BY_ENDPOINT}) (penstock_server_in_flight{{{CHOSEN}}})", NAME)],
        ),
        Panel(
            "Rows predicted",
            "Rows per second, by version. A request may bring many.",
            [
                Query(
                    rate("penstock_server_rows_total", f"{BY_ENDPOINT}, version"),
                    f"{NAME} {{{{version}}}}",
                )
            ],
            unit="suffix: rows/s",
        ),
        Panel(
            "Pods ready",
            "Pods that want traffic, by version. During a replacement both versions show.",
            [
                Query(
                    f"sum by ({BY_ENDPOINT}, version) (penstock_server_ready{{{CHOSEN}}})",
                    f"{NAME} {{{{version}}}}",
                )
            ],
        ),
        Panel(
            "Workers",
            "Processes that can answer, over all pods, and those that died and were replaced in an hour.",
            [
                Query(f"sum by ({BY_ENDPOINT}) (penstock_server_workers{{{CHOSEN}}})", f"{NAME} answer"),
                Query(
                    increase_of_the_hour("penstock_server_workers_replaced_total", BY_ENDPOINT, CHOSEN),
                    f"{NAME} replaced",
                ),
            ],
        ),
        Panel(
            "Memory of servers",
            "Resident memory of each pod's workers.",
            [Query(f"process_resident_memory_bytes{{{CHOSEN}}} {_OF_A_SERVER}", f"{NAME} {{{{pod}}}}")],
            unit="bytes",
        ),
        Panel(
            "CPU of servers",
            "Cores that each pod's workers use; spec.resources sets the limit.",
            [
                Query(
                    f"rate(process_cpu_seconds_total{{{CHOSEN}}}{RATE}) {_OF_A_SERVER}",
                    f"{NAME} {{{{pod}}}}",
                )
            ],
        ),
        Panel(
            "Requests without a known token",
            "By protocol, where spec.authentication is set.",
            [
                Query(
                    rate("penstock_server_unauthorized_total", f"{BY_ENDPOINT}, protocol"),
                    f"{NAME} {{{{protocol}}}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            "Requests by client",
            "By the name of the client's token, where spec.authentication is set.",
            [
                Query(
                    rate("penstock_server_client_requests_total", f"{BY_ENDPOINT}, client"),
                    f"{NAME} {{{{client}}}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            "Rows of a call",
            "Rows that one call of ONNX Runtime predicts: more than a request brings where requests are "
            "batched.",
            quantiles("penstock_server_batch_rows", BY_ENDPOINT, CHOSEN, NAME),
        ),
        Panel(
            "Serves",
            "Whether a pod of the version that should answer is ready, as the operator sees it.",
            [Query(latest("penstock_endpoint_ready"), NAME)],
            look=Look.STATES,
            width=12,
            states={0: ("not ready", "red"), 1: ("ready", "green")},
        ),
        Panel(
            "Version",
            "Which version served when. status.history of the ModelEndpoint says who asked for it.",
            [
                Query(
                    latest("penstock_endpoint_info", f"{BY_ENDPOINT}, version, revision"),
                    f"{NAME} {{{{version}}}} (revision {{{{revision}}}})",
                )
            ],
            look=Look.STATES,
            width=12,
            states={1: ("serves", "blue")},
        ),
    ],
)

MONITORING = Row(
    "Monitoring",
    [
        Panel(
            "Drifted",
            "The condition Drifted. Unknown: too few rows, or no window yet.",
            [Query(latest("penstock_endpoint_drifted"), NAME)],
            look=Look.STATES,
            width=12,
            states={-1: ("unknown", "gray"), 0: ("not drifted", "green"), 1: ("drifted", "orange")},
        ),
        Panel(
            "Data quality",
            "Conditions of the newest window: bursts of nulls, unseen categories, changed units.",
            [
                Query(
                    latest("penstock_endpoint_data_quality", f"{BY_ENDPOINT}, problem"),
                    f"{NAME} {{{{problem}}}}",
                )
            ],
            look=Look.STATES,
            width=12,
            states={-1: ("unknown", "gray"), 0: ("fine", "green"), 1: ("found", "orange")},
        ),
        Panel(
            "Drift statistics",
            "The largest over all columns in the newest window. Dashed: the endpoint's own limits. Above "
            "one, a column has drifted where the difference is significant too.",
            [
                Query(
                    latest("penstock_endpoint_drift_statistic", f"{BY_ENDPOINT}, method"),
                    f"{NAME} {{{{method}}}}",
                ),
                Query(
                    latest("penstock_endpoint_drift_limit", f"{BY_ENDPOINT}, method"),
                    f"{NAME} {{{{method}}}} limit",
                    dashed=True,
                ),
            ],
        ),
        Panel(
            "Rows of a window",
            "Rows that the newest window judged, and rows of it that are known to be lost.",
            [
                Query(latest("penstock_endpoint_window_rows"), f"{NAME} judged"),
                Query(latest("penstock_endpoint_window_lost_rows"), f"{NAME} lost"),
            ],
        ),
        Panel(
            "Prediction log",
            "Rows that reached the store, that were dropped because the queue or the disk was full, and "
            "that a killed server took with it.",
            [
                Query(
                    rate("penstock_server_log_rows_total", f"{BY_ENDPOINT}, outcome"),
                    f"{NAME} {{{{outcome}}}}",
                )
            ],
            unit="suffix: rows/s",
        ),
        Panel(
            "Age of the prediction log",
            "Since the store last took rows of a pod. It grows while nobody asks anything, too.",
            [
                Query(
                    f"max by ({BY_ENDPOINT}, pod) (penstock_server_log_age_seconds{{{CHOSEN}}})",
                    f"{NAME} {{{{pod}}}}",
                )
            ],
            unit="s",
        ),
        Panel(
            "Rows that wait",
            "Rows chosen for the log of which nothing has become yet: they lie in the pods' spools.",
            [
                Query(
                    f"sum by ({BY_ENDPOINT}) (penstock_server_log_accepted_rows_total{{{CHOSEN}}}) "
                    f"- sum by ({BY_ENDPOINT}) (penstock_server_log_rows_total{{{CHOSEN}}})",
                    NAME,
                )
            ],
        ),
        Panel(
            "Spool of the prediction log",
            "What each pod's disk holds of it.",
            [
                Query(
                    f"max by ({BY_ENDPOINT}, pod) (penstock_server_log_spool_bytes{{{CHOSEN}}})",
                    f"{NAME} {{{{pod}}}}",
                )
            ],
            unit="bytes",
        ),
        Panel(
            "Age of the newest window",
            "Since the end of the newest window that was judged. Dashed: the length of a window. Far above "
            "it, windows have stopped: the alert PenstockWindowsStopped.",
            [
                Query(f"time() - {latest('penstock_endpoint_window_end_seconds')}", NAME),
                Query(latest("penstock_endpoint_window_every_seconds"), f"{NAME} length", dashed=True),
            ],
            unit="s",
        ),
        Panel(
            "Windows by verdict, last hour",
            "Windows that were judged.",
            [
                Query(
                    told_of_the_hour("penstock_endpoint_windows_total", f"{BY_ENDPOINT}, verdict"),
                    f"{NAME} {{{{verdict}}}}",
                )
            ],
        ),
        Panel(
            "Episodes of drift",
            "How often Drifted has turned True.",
            [Query(latest("penstock_endpoint_drift_episodes"), NAME)],
            look=Look.FIGURE,
        ),
    ],
)
