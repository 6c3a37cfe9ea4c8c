// Package top shows in a terminal what running replicas say at /metrics: the
// way of the codes, rates, latencies, limits, Redis and Flowroute. It knows
// nothing but the metrics, which hold nothing personal.
package top
