"""What is served, and what is known of the data that it is asked with."""

from hack.dashboard.grafana import Look, Panel, Query, Row
from hack.dashboard.queries import BY_ENDPOINT, CHOSEN, NAME, latest, quantiles, rate, share, sum_of_the_hour

_REQUESTS = "penstock_server_requests_total"
# Of the codes, those that are the server's fault: HTTP's and gRPC's.
_ERRORS = "5..|DATA_LOSS|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|UNKNOWN"

ENDPOINTS = Row(
    "Endpoints",
    [
        Panel(
            "Requests by version and code",
            "Inference requests answered, by HTTP status or gRPC code. 4xx: the request was wrong; 499: the"
            " client went away; 5xx: ours.",
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
            "In flight",
            "Requests not yet answered.",
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
            "Memory of servers",
            "Resident memory of each pod's processes.",
            [
                Query(
                    f"process_resident_memory_bytes{{{CHOSEN}}} and on (job, instance) penstock_server_ready",
                    f"{NAME} {{{{pod}}}}",
                )
            ],
            unit="bytes",
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
            "The largest over all columns in the newest window. The line is the default limit of Psi and of "
            "Cramer's V; spec.monitoring.drift sets others.",
            [
                Query(
                    latest("penstock_endpoint_drift_statistic", f"{BY_ENDPOINT}, method"),
                    f"{NAME} {{{{method}}}}",
                )
            ],
            limit=0.2,
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
            "Windows by verdict, last hour",
            "Windows that were judged.",
            [
                Query(
                    sum_of_the_hour("penstock_endpoint_windows_total", f"{BY_ENDPOINT}, verdict", CHOSEN),
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
