module claude-gateway.dev/bench/load

go 1.22
