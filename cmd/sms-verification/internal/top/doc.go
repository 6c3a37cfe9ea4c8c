// Package top shows the metrics of running replicas in a terminal: codes, checks,
// limits, latencies, Redis and Flowroute. It reads /metrics only, which has no
// personal data.
package top
