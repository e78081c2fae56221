"""What clients report, and what the gateway reports of itself, on its way to OTLP collectors."""
