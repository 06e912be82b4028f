"""What the dashboard shows: four rows, from what everybody asks to what the operator's keeper asks."""

from hack.dashboard.grafana import Dashboard, Variable
from hack.dashboard.operator_rows import OPERATOR, PIPELINES
from hack.dashboard.serving_rows import ENDPOINTS, MONITORING

DASHBOARD = Dashboard(
    uid="penstock",
    title="Penstock",
    description="Models in production, what they are asked, the pipelines behind them, and the operator.",
    tags=("penstock", "machine-learning"),
    variables=(
        Variable("namespace", "Namespace", "penstock_endpoint_ready", "namespace"),
        Variable("endpoint", "Endpoint", 'penstock_endpoint_ready{namespace=~"$namespace"}', "endpoint"),
    ),
    rows=(ENDPOINTS, MONITORING, PIPELINES, OPERATOR),
)
