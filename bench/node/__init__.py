"""The benchmarks that need a whole node: real kubelet, Services, pods. They run inside the namespaces of one."""
