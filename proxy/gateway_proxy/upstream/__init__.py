"""The lean connection pool behind the relay: keep-alive, TLS, forward proxies, deadlines, back-pressure, framing."""
