"""The pipelines, what starts them, and the operator that runs them."""

from hack.dashboard.grafana import Look, Panel, Query, Row
from hack.dashboard.queries import RATE, increase_of_the_hour, quantiles, rate, share, sum_of_the_hour

# Other programs have series of these names too.
_OF_THE_OPERATOR = "and on (job, instance) penstock_synced"
# Of the results of a reconcile, those with which it went as planned.
_AS_PLANNED = "Done|Later|Absent|Deleting"

PIPELINES = Row(
    "Pipelines",
    [
        Panel(
            "Runs finished, last hour",
            "By outcome and reason. All namespaces of the operator.",
            [
                Query(
                    sum_of_the_hour("penstock_runs_finished_total", "outcome, reason"),
                    "{{outcome}} {{reason}}",
                )
            ],
        ),
        Panel(
            "Steps ended, last hour",
            "By kind and state.",
            [Query(sum_of_the_hour("penstock_steps_ended_total", "kind, state"), "{{kind}} {{state}}")],
        ),
        Panel(
            "Failed steps, last hour",
            "By reason; docs/failures.md says who is to blame for each.",
            [
                Query(
                    sum_of_the_hour("penstock_steps_ended_total", "kind, reason", 'state="Failed"'),
                    "{{kind}} {{reason}}",
                )
            ],
        ),
        Panel(
            "Pipelines in need of care",
            "Pipelines of which no record of a finished run can be written, and triggers that cannot look at "
            "what they watch.",
            [
                Query("sum by (namespace) (penstock_pipeline_archive_failing)", "{{namespace}} records"),
                Query("sum by (namespace) (penstock_pipeline_triggers_failing)", "{{namespace}} triggers"),
            ],
        ),
        Panel(
            "Messages to the webhook, last hour",
            "By answer. Started: a run was created; Repeated: the message had started its run before; all "
            "else was refused. Empty where there is no webhook.",
            [Query(sum_of_the_hour("penstock_webhook_messages_total", "reason"), "{{reason}}")],
        ),
        Panel(
            "Connections to the webhook",
            "That are open; 256 at most.",
            [Query("sum by (namespace) (penstock_webhook_connections)", "{{namespace}}")],
        ),
    ],
)

OPERATOR = Row(
    "Operator",
    [
        Panel(
            "Reconciles",
            "Passes over an object, by its kind and by how they went.",
            [Query(rate("penstock_reconciles_total", "kind, result", ""), "{{kind}} {{result}}")],
            unit="ops",
            stacked=True,
        ),
        Panel(
            "Time of a reconcile",
            "Requests to the API server included.",
            quantiles("penstock_reconcile_seconds", "", "", ""),
            unit="s",
        ),
        Panel(
            "Reconciles that are tried again",
            "Share that ended in an error: the API server did not answer, a conflict, or a fault of ours.",
            [
                Query(
                    share(
                        rate("penstock_reconciles_total", "kind", f'result!~"{_AS_PLANNED}"'),
                        rate("penstock_reconciles_total", "kind", ""),
                    ),
                    "{{kind}}",
                )
            ],
            unit="percentunit",
        ),
        Panel(
            "Queue",
            "Objects that wait for a worker, and objects in hand.",
            [
                Query("sum by (namespace) (penstock_queue_depth)", "{{namespace}} wait"),
                Query("sum by (namespace) (penstock_busy_workers)", "{{namespace}} in hand"),
            ],
        ),
        Panel(
            "Requests to the API server",
            "By verb and code; 0: no answer.",
            [Query(rate("penstock_api_requests_total", "verb, code", ""), "{{verb}} {{code}}")],
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "Time of the API server's answers",
            "Watches excepted.",
            quantiles("penstock_api_request_seconds", "", "", ""),
            unit="s",
        ),
        Panel(
            "Watch streams, last hour",
            "Streams opened again. ended: as usual, every four minutes; gone: listed anew; unavailable: the "
            "API server did not answer. Dashed: objects that a full comparison found different from what the "
            "streams had told; beyond a few, something between swallows events.",
            [
                Query(
                    increase_of_the_hour("penstock_watch_restarts_total", "kind, cause"),
                    "{{kind}} {{cause}}",
                ),
                Query(
                    increase_of_the_hour("penstock_resync_differences_total", "kind"),
                    "{{kind}} differences",
                    dashed=True,
                ),
            ],
        ),
        Panel(
            "Ages",
            "Since the last finished reconcile, and since the last full comparison with the API server. The"
            " kubelet starts the operator anew above the line.",
            [
                Query("max by (namespace) (penstock_seconds_since_reconcile)", "{{namespace}} reconcile"),
                Query("max by (namespace) (penstock_seconds_since_comparison)", "{{namespace}} comparison"),
            ],
            unit="s",
            limit=180,
        ),
        Panel(
            "Memory",
            "Resident memory of the operator's process.",
            [Query(f"process_resident_memory_bytes {_OF_THE_OPERATOR}", "{{namespace}}/{{pod}}")],
            unit="bytes",
        ),
        Panel(
            "CPU",
            "Cores that the operator uses.",
            [Query(f"rate(process_cpu_seconds_total{RATE}) {_OF_THE_OPERATOR}", "{{namespace}}/{{pod}}")],
            unit="short",
        ),
        Panel(
            "Objects known",
            "Objects in the operator's caches.",
            [Query("sum by (namespace, kind) (penstock_cached_objects)", "{{kind}}")],
        ),
        Panel(
            "Namespaces left out",
            "Namespaces that the operator should serve and lacks rights in.",
            [Query("max by (namespace) (penstock_namespaces_left_out)", "{{namespace}}")],
            look=Look.FIGURE,
        ),
    ],
)
