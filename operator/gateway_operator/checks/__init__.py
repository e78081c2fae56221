"""`claude-gateway check`: real calls to the upstreams of a gateway, and what to do about each that fails."""
