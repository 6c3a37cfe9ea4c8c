// Package telemetry holds the metrics and traces of a running service.
package telemetry
