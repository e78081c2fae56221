"""`claude-gateway-proxy --check`: each upstream is asked for the shortest answer, by the code that relays requests."""
