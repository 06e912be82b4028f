"""The Grafana dashboard: `content.py` says what it shows, `grafana.py` how Grafana writes that down."""
